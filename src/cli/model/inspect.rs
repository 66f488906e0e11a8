//! `scorewire model inspect`: what a model's file holds. Its bytes are looked at first; ONNX Runtime opens nothing of a file
//! that a package could not have.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::{check, paths};
use crate::cli::verify::several;
use crate::cli::{output, table};
use crate::error::{Fatal, exit};
use crate::lane::clock::SystemClock;
use crate::model::{Graph, ModelFile, Outlet, Problem, Runtime, TreeNode, list_of_classes};

pub const EXAMPLES: &str = "\
Examples:
  scorewire model inspect model.onnx
  scorewire model inspect models/card-fraud-gbdt --json

Exit codes: 0 it may be opened; 64 usage; 65 it is no ONNX model, or one that no
package may have";

/// Characters of a metadata value that the table shows.
const SHOWN_CHARS: usize = 200;

#[derive(Args, Debug)]
pub struct InspectArgs {
    /// ONNX file, or directory of a package
    #[arg(value_name = "FILE")]
    model: PathBuf,
    /// ONNX Runtime's shared library, which the kernels are held against; otherwise looked for in the usual places
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn execute(args: &InspectArgs) -> Result<u8, Fatal> {
    let path = paths::model_file(&args.model)?;
    let model = ModelFile::read(&path)?;
    let problems = model.problems();
    let kernels = kernels(&model, &problems, args.onnxruntime.as_deref());
    let text = match args.json {
        true => format!("{:#}\n", as_json(&model, &problems, &kernels)),
        false => table::table(lines(&model, &path, &kernels)),
    };
    output::print(&text)?;
    for Problem { place, what, fix } in &problems {
        output::fatal(&Fatal::new(exit::MODEL, format!("{place}: {what}"), fix.as_str()));
    }
    Ok(if problems.is_empty() { exit::DONE } else { exit::MODEL })
}

/// The kernels of the model's trees, or why nobody asked.
fn kernels(model: &ModelFile, problems: &[Problem], library: Option<&Path>) -> Result<Graph, String> {
    if !problems.is_empty() {
        return Err("not asked: the file must not be opened".to_owned());
    }
    let runtime = Runtime::load(library).map_err(|fatal| format!("not asked: {}", fatal.what))?;
    Ok(model.kernels(&runtime, &SystemClock::new()))
}

fn lines(model: &ModelFile, path: &Path, kernels: &Result<Graph, String>) -> Vec<(&'static str, String)> {
    let facts = &model.facts;
    let exporter = if facts.exporter.is_empty() { "the file does not say".to_owned() } else { facts.exporter.clone() };
    let mut lines = vec![
        ("file", format!("{}, {} bytes", path.display(), model.bytes.len())),
        ("sha256", model.sha256.clone()),
        ("exporter", exporter),
        ("opsets", format!("{}; IR version {}", facts.opsets_in_words(), facts.ir_version)),
    ];
    lines.extend(facts.inputs.iter().map(|input| ("input", format!("`{}`: {}", input.name, input.describe()))));
    lines.extend(facts.outputs.iter().map(|output| ("output", output_in_words(model, output))));
    lines.push(("operators", facts.operators_in_words()));
    lines.push(("trees", trees(model)));
    lines.push(("kernel", kernel(model, kernels)));
    let shown = |text: &str| {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match flat.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{}...", &flat[..end]),
            None => flat,
        }
    };
    lines.extend(facts.metadata.iter().map(|(key, value)| ("metadata", format!("{} = {}", shown(key), shown(value)))));
    let docs = [&facts.doc, &facts.graph_doc].into_iter().filter(|doc| !doc.trim().is_empty());
    lines.extend(docs.map(|doc| ("doc", shown(doc))));
    lines
}

fn output_in_words(model: &ModelFile, output: &Outlet) -> String {
    let classes = match model.classes(&output.name)[..] {
        [] => String::new(),
        ref classes => format!("; its columns are the classes {}", list_of_classes(classes)),
    };
    format!("`{}`: {}{classes}", output.name, output.describe())
}

fn trees(model: &ModelFile) -> String {
    let trees = &model.trees;
    if trees.ensembles == 0 {
        return "none".to_owned();
    }
    let missing = match (trees.columns.len(), trees.tracked.len()) {
        (_, 0) => "no split says where a missing value goes: each sends it to its false side".to_owned(),
        (of, tracked) => format!("a split says where a missing value goes for {tracked} of {of} columns"),
    };
    let post: Vec<&str> = trees.post_transforms.iter().map(String::as_str).collect();
    format!(
        "{} with {} splits and {} leaves, on {} columns of the input; {missing}; post_transform {}",
        trees.trees,
        trees.splits,
        trees.leaves,
        trees.columns.len(),
        post.join(", ")
    )
}

fn kernel(model: &ModelFile, kernels: &Result<Graph, String>) -> String {
    let told = |node: &TreeNode| match node {
        TreeNode::Kernel { proof, .. } => {
            format!(
                "{node}; ONNX Runtime's bits at all {} decisions; a start tries the whole graph with them and measures which pays",
                proof.decisions
            )
        }
        TreeNode::OnnxRuntime { .. } => node.to_string(),
    };
    match kernels {
        Err(why) => why.clone(),
        Ok(_) if model.trees.ensembles == 0 => "ONNX Runtime's own: the model has no trees".to_owned(),
        Ok(graph) => {
            let nodes = graph.nodes_told();
            nodes
                .iter()
                .map(|(count, node)| format!("{}{}", several(*count), told(node)))
                .collect::<Vec<_>>()
                .join("; ")
        }
    }
}

fn as_json(model: &ModelFile, problems: &[Problem], kernels: &Result<Graph, String>) -> Value {
    let (facts, trees) = (&model.facts, &model.trees);
    let outlet = |outlet: &Outlet| {
        let classes: Vec<Value> = model.classes(&outlet.name).iter().map(check::class).collect();
        json!({ "name": outlet.name, "type": outlet.describe(), "doc": outlet.doc, "classes": classes })
    };
    let problem = |problem: &Problem| json!({ "place": problem.place, "what": problem.what, "fix": problem.fix });
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect::<serde_json::Map<_, _>>()
    };
    json!({
        "bytes": model.bytes.len(),
        "sha256": model.sha256,
        "exporter": facts.exporter,
        "ir_version": facts.ir_version,
        "opsets": facts.opsets.iter().map(|(domain, version)| json!({ "domain": domain, "version": version }))
            .collect::<Vec<_>>(),
        "inputs": facts.inputs.iter().map(outlet).collect::<Vec<_>>(),
        "outputs": facts.outputs.iter().map(outlet).collect::<Vec<_>>(),
        "operators": facts.operators,
        "trees": {
            "ensembles": trees.ensembles,
            "trees": trees.trees,
            "splits": trees.splits,
            "leaves": trees.leaves,
            "columns": trees.columns,
            "columns_that_say_where_missing_goes": trees.tracked,
            "post_transforms": trees.post_transforms,
        },
        "kernels": kernels.as_ref().map(|graph| graph.nodes.iter().map(check::tree_node).collect::<Vec<_>>()).ok(),
        "kernels_not_asked": kernels.as_ref().err(),
        "metadata": pairs(&facts.metadata),
        "doc": facts.doc,
        "graph_doc": facts.graph_doc,
        "problems": problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

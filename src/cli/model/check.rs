//! `scorewire model check`: does a package hold?

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::{output, table, verify};
use crate::config::Config;
use crate::error::{Fatal, exit};
use crate::model::{Class, KernelPoint, ProbeSettings, Run, TreeNode};
use crate::node::Prepared;
use crate::observe::terminal;
use crate::values::model::Trees;

#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Directory of the package
    #[arg(value_name = "DIR")]
    package: PathBuf,
    /// ONNX Runtime's shared library; otherwise looked for in the usual places
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
    /// Directory of writers' schemas to hold the package against: `schemas.directory` of a configuration
    #[arg(long, value_name = "DIR")]
    schemas: Option<PathBuf>,
    /// Longest model call that the batch size is chosen for, microseconds: `model.batch_slice_us` of a configuration
    #[arg(long, value_name = "US", default_value_t = default_us(ProbeSettings::default().slice))]
    batch_slice_us: u64,
    /// Longest model call where it spares half of its rows' time, or where none fits the slice, microseconds:
    /// `model.batch_latency_us_max` of a configuration
    #[arg(long, value_name = "US", default_value_t = default_us(ProbeSettings::default().latency_max))]
    batch_latency_us_max: u64,
    /// Score tree ensembles by ONNX Runtime's own nodes, as `model.trees = "onnxruntime"` does
    #[arg(long)]
    trees_by_onnxruntime: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

fn default_us(bound: Duration) -> u64 {
    u64::try_from(bound.as_micros()).unwrap_or(u64::MAX)
}

pub fn execute(args: &CheckArgs) -> Result<u8, Fatal> {
    let (prepared, warnings) = verify::verify(&args.as_config())?;
    let text = match args.json {
        true => format!("{:#}\n", json(&prepared)),
        false => describe(&prepared, warnings),
    };
    output::print(&text)?;
    Ok(exit::DONE)
}

impl CheckArgs {
    /// A node's configuration with this package, as far as no Kafka is needed.
    fn as_config(&self) -> Config {
        let mut config = Config::new("", "", &self.package);
        config.model.onnxruntime.clone_from(&self.onnxruntime);
        config.model.batch_slice_us = self.batch_slice_us;
        config.model.batch_latency_us_max = self.batch_latency_us_max;
        config.model.trees = if self.trees_by_onnxruntime { Trees::OnnxRuntime } else { Trees::Auto };
        config.schemas.directory.clone_from(&self.schemas);
        config
    }
}

fn json(prepared: &Prepared) -> serde_json::Value {
    let model = &prepared.model;
    let (tensor, _, column) = model.output();
    let (package, report) = (&model.package, &model.report);
    let curve = report.curve.iter().map(|point| {
        serde_json::json!({ "rows": point.rows, "call_us": point.call_ns as f64 / 1e3, "row_us": point.row_ns() / 1e3 })
    });
    serde_json::json!({
        "name": package.name,
        "version": package.version,
        "sha256": package.sha256,
        "onnxruntime": model.runtime.version(),
        "provider": report.placement.provider.name(),
        "trees": model.graph.nodes.iter().map(tree_node).collect::<Vec<_>>(),
        "tree_kernels": model.kernels.iter().map(kernel_point).collect::<Vec<_>>(),
        "features": package.wanted.features.len(),
        "output": {
            "tensor": tensor,
            "column": column,
            "classes": package.output.classes.iter().map(class).collect::<Vec<_>>(),
        },
        "schemas_usable": prepared.schemas.usable(),
        "schemas_refused": prepared.schemas.refused(),
        "thresholds": {
            "review": package.thresholds.review,
            "decline": package.thresholds.decline,
            "version": package.thresholds.version,
        },
        "golden_rows": package.golden.scores.len(),
        "golden_rows_made_by": package.rows_made_by,
        "golden_records": package.golden_records_checked(),
        "golden_records_made_by": package.golden_records.as_ref().map(|records| &records.made_by),
        "golden_records_unreached": verify::unreached(model),
        "golden_difference_max": report.golden_difference_max,
        "answers": {
            "rows": report.range.rows,
            "smallest": report.range.smallest,
            "median": report.range.median,
            "largest": report.range.largest,
            "clamped": report.range.clamped,
            "not_finite": report.range.not_finite,
        },
        "batch_invariant": report.batch_invariant,
        "batch_rows": report.batch_rows_cap,
        "native_bytes": report.native_bytes,
        "shared_by_lanes": model.is_shared(),
        "curve": curve.collect::<Vec<_>>(),
    })
}

pub(super) fn class(class: &Class) -> serde_json::Value {
    match class {
        Class::Number(number) => (*number).into(),
        Class::Text(text) => text.as_str().into(),
    }
}

fn run(run: &Run) -> serde_json::Value {
    serde_json::json!({ "rows_from": run.rows_from, "kernel": run.kernel, "bytes": run.bytes })
}

/// What a call of one size takes by each kernel and by ONNX Runtime's own nodes.
fn kernel_point(point: &KernelPoint) -> serde_json::Value {
    let us = |call_ns: f64| call_ns / 1e3;
    let kernels = point.by_kernel.iter().map(|(name, call_ns)| ((*name).to_owned(), us(*call_ns).into()));
    serde_json::json!({
        "rows": point.rows,
        "call_us": kernels.collect::<serde_json::Map<_, serde_json::Value>>(),
        "onnxruntime_call_us": point.by_onnxruntime.map(us),
    })
}

pub(super) fn tree_node(node: &TreeNode) -> serde_json::Value {
    match node {
        TreeNode::Kernel { trees, instructions, kernels, proof, proof_time } => serde_json::json!({
            "by": "scorewire",
            "trees": trees,
            "instructions": instructions,
            "kernels": kernels.iter().map(run).collect::<Vec<_>>(),
            "decisions_checked": proof.decisions,
            "rows_checked": proof.rows,
            "leaves_unreachable": proof.leaves_unreachable,
            "proof_ms": proof_time.as_secs_f64() * 1e3,
        }),
        TreeNode::OnnxRuntime { why } => serde_json::json!({ "by": "onnxruntime", "why": why }),
    }
}

fn describe(prepared: &Prepared, warnings: usize) -> String {
    let model = &prepared.model;
    let (package, report) = (&model.package, &model.report);
    let placement = &report.placement;
    let batches = if report.batch_invariant { "a score does not depend on its batch" } else { "scores depend on it" };
    let memory = if model.is_shared() { "for all lanes together" } else { "per lane" };
    let thresholds = &package.thresholds;
    let mut lines = verify::of_model(model);
    if !prepared.schemas.usable().is_empty() {
        lines.push(("schemas", verify::schemas(prepared)));
    }
    lines.extend([
        ("provider", format!("{} ({} of {} nodes)", placement.provider.name(), placement.nodes, placement.nodes_total)),
        ("trees", verify::trees(model)),
        ("answers", verify::answers(&report.range)),
        ("thresholds", format!("review {}, decline {}", thresholds.review, thresholds.decline)),
        ("batch", format!("up to {} rows; {batches}", report.batch_rows_cap)),
        ("memory", format!("{:.1} MiB {memory}", report.native_bytes as f64 / f64::from(1 << 20))),
    ]);
    let mut text = table::table(lines);
    let _ = write!(text, "\n{:>6} {:>10} {:>10}\n", "rows", "us/call", "us/row");
    for point in &report.curve {
        let (call_us, row_us) = (point.call_ns as f64 / 1e3, point.row_ns() / 1e3);
        let _ = writeln!(text, "{:>6} {call_us:>10.1} {row_us:>10.2}", point.rows);
    }
    let verdict = verify::verdict(model, warnings);
    let _ = write!(text, "\n{}", terminal::wrapped("this package holds: ", &verdict, 2));
    text
}

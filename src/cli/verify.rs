//! What `model check` and `config check` have in common: the checks that `run` makes before it asks Kafka for anything, and
//! how their findings are told.

use super::output;
use crate::config::Config;
use crate::error::Fatal;
use crate::lane::clock::SystemClock;
use crate::model::{AnswerRange, Model, TreeNode, list_of_classes};
use crate::node::Prepared;

/// A node's model and schemas, verified, and the warnings about them told; returns how many there were.
///
/// # Errors
/// What does not hold, as `run` says it.
pub fn verify(config: &Config) -> Result<(Prepared, usize), Fatal> {
    let prepared = Prepared::of(config, &SystemClock::new(), None)?;
    let warnings = prepared.warnings();
    warnings.iter().for_each(|warning| output::warn(warning));
    for place in unreached(&prepared.model) {
        output::note(&format!("note: no golden record shows {place}"));
    }
    Ok((prepared, warnings.len()))
}

/// Where golden records would not find a wrong contract.
pub fn unreached(model: &Model) -> Vec<String> {
    let (package, features) = (&model.package, &model.package.wanted.features);
    package.golden_records.as_ref().map(|records| records.unreached(features)).unwrap_or_default()
}

/// What was verified of package and library: names and values.
pub fn of_model(model: &Model) -> Vec<(&'static str, String)> {
    let package = &model.package;
    let (rows, difference) = (package.golden.scores.len(), model.report.golden_difference_max);
    vec![
        ("model", format!("{} {}", package.name, package.version)),
        ("sha256", package.sha256.clone()),
        ("runtime", format!("ONNX Runtime {}", model.runtime.version())),
        ("features", package.wanted.features.len().to_string()),
        ("score", score(model)),
        ("golden rows", format!("{rows} hold, largest difference {}", small(difference))),
        ("records", records(model)),
    ]
}

/// A difference of scores, `4.2e-7` or `0`.
fn small(difference: f64) -> String {
    if difference == 0.0 { "0".to_owned() } else { format!("{difference:.1e}") }
}

/// Which of the model's answers is the score.
fn score(model: &Model) -> String {
    let (tensor, columns, column) = model.output();
    let classes = &model.package.output.classes;
    match classes.get(column).filter(|_| classes.len() == columns) {
        _ if columns == 1 => format!("`{tensor}`, its only column"),
        Some(class) => format!(
            "`{tensor}`, column {column} of {columns}: class {class}; the model's classes are {}",
            list_of_classes(classes)
        ),
        None => format!("`{tensor}`, column {column} of {columns}; the model does not name its classes"),
    }
}

fn records(model: &Model) -> String {
    let package = &model.package;
    match (&package.golden_records, package.golden_records_checked()) {
        (None, _) => "none: from record to features nothing is checked".to_owned(),
        (Some(_), 0) => "made by scorewire itself: they count as no check".to_owned(),
        (Some(records), count) => format!("{count} hold, every feature to the bit; made by {}", records.made_by),
    }
}

/// Which writers' schemas are scored.
pub fn schemas(prepared: &Prepared) -> String {
    let (usable, refused) = (prepared.schemas.usable(), prepared.schemas.refused());
    let refused = match refused {
        0 => String::new(),
        count => format!("; {count} that cannot be used, named above"),
    };
    match usable {
        [] => format!("none but the package's own reader schema{refused}"),
        usable => format!("{} can be used: {}{refused}", usable.len(), usable.join(", ")),
    }
}

pub fn trees(model: &Model) -> String {
    let node = |node: &TreeNode| match node {
        TreeNode::Kernel { proof, proof_time, .. } => format!(
            "{node}; ONNX Runtime's bits at all {} decisions ({} rows, {:.0} ms); {} leaves that no row can reach",
            proof.decisions,
            proof.rows,
            proof_time.as_secs_f64() * 1e3,
            proof.leaves_unreachable
        ),
        TreeNode::OnnxRuntime { .. } => node.to_string(),
    };
    let left = model.graph.leaves_some().then(|| "some calls stay with ONNX Runtime's own nodes".to_owned());
    match &model.graph.nodes_told()[..] {
        [] => "by ONNX Runtime, if there are any".to_owned(),
        nodes => {
            let direct = model.graph.direct(&model.package.output.tensor).map(|_| "asked directly".to_owned());
            let nodes = nodes.iter().map(|(count, told)| format!("{}{}", several(*count), node(told)));
            nodes.chain(direct).chain(left).collect::<Vec<_>>().join("; ")
        }
    }
}

/// How many nodes of the graph the words behind it are about.
pub fn several(nodes: usize) -> String {
    if nodes == 1 { String::new() } else { format!("{nodes} nodes: ") }
}

/// The model's answers to varied rows, and how many of them are clamped.
pub fn answers(range: &AnswerRange) -> String {
    let clamped = match range.clamped {
        0 => String::new(),
        some => format!("; {} varied rows a hair outside 0 to 1: clamped", range.share(some)),
    };
    format!("{}{clamped}", range.numbers())
}

/// The last word of a check that passed: what holds, and what is still to be done.
pub fn verdict(model: &Model, warnings: usize) -> String {
    let package = &model.package;
    let records = match package.golden_records_checked() {
        0 => String::new(),
        count => format!(", {count} golden records"),
    };
    let holds = format!("hash, contract, reader schema, {} golden rows{records}", package.golden.scores.len());
    match warnings {
        0 => holds,
        1 => format!("{holds}; see to the warning above"),
        many => format!("{holds}; see to the {many} warnings above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_difference_is_told_as_none() {
        assert_eq!((small(0.0), small(4.2e-7)), ("0".to_owned(), "4.2e-7".to_owned()));
    }
}

//! `scorewire model`: look at model packages.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::output;
use crate::error::{Fatal, exit};
use crate::model::{Model, ModelSettings, ProbeSettings, TreeNode, Trees, prepare};
use crate::pipeline::clock::SystemClock;

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Verify a package: hash, contract, golden rows, golden records; then measure it
    Check(CheckArgs),
}

#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Directory of the package
    #[arg(value_name = "DIR")]
    package: PathBuf,
    /// ONNX Runtime's shared library; otherwise looked for in the usual places
    #[arg(long, value_name = "FILE", env = "SCOREWIRE_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
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

pub fn execute(command: ModelCommand) -> Result<u8, Fatal> {
    match command {
        ModelCommand::Check(args) => check(&args),
    }
}

fn check(args: &CheckArgs) -> Result<u8, Fatal> {
    let trees = if args.trees_by_onnxruntime { Trees::OnnxRuntime } else { Trees::Auto };
    let probe = ProbeSettings {
        slice: Duration::from_micros(args.batch_slice_us),
        latency_max: Duration::from_micros(args.batch_latency_us_max),
        ..ProbeSettings::default()
    };
    let settings = ModelSettings { onnxruntime: args.onnxruntime.clone(), trees, probe, ..ModelSettings::default() };
    let model = prepare(&args.package, &settings, &SystemClock::new())?;
    for warning in &model.report.warnings {
        output::warn(warning);
    }
    for place in unreached(&model) {
        output::note(&format!("note: no golden record shows {place}"));
    }
    output::print(&if args.json { format!("{:#}\n", json(&model)) } else { table(&model) })?;
    Ok(exit::DONE)
}

/// Where golden records would not find a wrong contract.
fn unreached(model: &Model) -> Vec<String> {
    let (package, features) = (&model.package, &model.package.wanted.features);
    package.golden_records.as_ref().map(|records| records.unreached(features)).unwrap_or_default()
}

fn records(model: &Model) -> String {
    let package = &model.package;
    match (&package.golden_records, package.golden_records_checked()) {
        (None, _) => "none: from record to features nothing is checked".to_owned(),
        (Some(_), 0) => "made by scorewire itself: they count as no check".to_owned(),
        (Some(records), count) => format!("{count} hold, every feature to the bit; made by {}", records.made_by),
    }
}

fn json(model: &Model) -> serde_json::Value {
    let (package, report) = (&model.package, &model.report);
    let curve = report.curve.iter().map(|point| {
        serde_json::json!({ "rows": point.rows, "call_us": point.call_ns as f64 / 1e3, "row_us": point.row_ns() / 1e3 })
    });
    serde_json::json!({
        "name": package.name,
        "version": package.version,
        "sha256": package.sha256,
        "onnxruntime": model.runtime.version(),
        "provider": report.placement.provider,
        "trees": model.graph.nodes.iter().map(tree_node).collect::<Vec<_>>(),
        "features": package.wanted.features.len(),
        "thresholds": {
            "review": package.thresholds.review,
            "decline": package.thresholds.decline,
            "version": package.thresholds.version,
        },
        "golden_rows": package.golden.scores.len(),
        "golden_records": package.golden_records_checked(),
        "golden_records_made_by": package.golden_records.as_ref().map(|records| &records.made_by),
        "golden_records_unreached": unreached(model),
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

fn tree_node(node: &TreeNode) -> serde_json::Value {
    match node {
        TreeNode::Kernel { trees, instructions, proof, proof_time } => serde_json::json!({
            "by": "scorewire",
            "trees": trees,
            "instructions": instructions,
            "decisions_checked": proof.decisions,
            "rows_checked": proof.rows,
            "leaves_unreachable": proof.leaves_unreachable,
            "proof_ms": proof_time.as_secs_f64() * 1e3,
        }),
        TreeNode::OnnxRuntime { why } => serde_json::json!({ "by": "onnxruntime", "why": why }),
    }
}

fn trees(model: &Model) -> String {
    let node = |node: &TreeNode| match node {
        TreeNode::Kernel { trees, instructions, proof, proof_time } => format!(
            "{trees} by scorewire's kernel ({instructions}); ONNX Runtime's bits at all {} decisions ({} rows, {:.0} ms); \
             {} leaves that no row can reach",
            proof.decisions,
            proof.rows,
            proof_time.as_secs_f64() * 1e3,
            proof.leaves_unreachable
        ),
        TreeNode::OnnxRuntime { why } => format!("by ONNX Runtime: the node {why}"),
    };
    match &model.graph.nodes[..] {
        [] => "by ONNX Runtime, if there are any".to_owned(),
        nodes => {
            let direct = model.graph.direct(&model.package.output_tensor).map(|_| "asked directly".to_owned());
            nodes.iter().map(node).chain(direct).collect::<Vec<_>>().join("; ")
        }
    }
}

fn table(model: &Model) -> String {
    let (package, report) = (&model.package, &model.report);
    let placement = &report.placement;
    let (rows, difference) = (package.golden.scores.len(), report.golden_difference_max);
    let batches = if report.batch_invariant { "a score does not depend on its batch" } else { "scores depend on it" };
    let memory = if model.is_shared() { "for all lanes together" } else { "per lane" };
    let (thresholds, range) = (&package.thresholds, &report.range);
    let (numbers, clamped) = (range.numbers(), range.share(range.clamped));
    let lines = [
        ("model", format!("{} {}", package.name, package.version)),
        ("sha256", package.sha256.clone()),
        ("runtime", format!("ONNX Runtime {}", model.runtime.version())),
        ("provider", format!("{} ({} of {} nodes)", placement.provider, placement.nodes, placement.nodes_total)),
        ("trees", trees(model)),
        ("features", package.wanted.features.len().to_string()),
        ("golden rows", format!("{rows} hold, largest difference {difference:.1e}")),
        ("records", records(model)),
        ("answers", format!("{numbers}; {clamped} varied rows a hair outside 0 to 1: clamped")),
        ("thresholds", format!("review {}, decline {}", thresholds.review, thresholds.decline)),
        ("batch", format!("up to {} rows; {batches}", report.batch_rows_cap)),
        ("memory", format!("{:.1} MiB {memory}", report.native_bytes as f64 / f64::from(1 << 20))),
    ];
    let mut text: String = lines.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect();
    let _ = write!(text, "\n{:>6} {:>10} {:>10}\n", "rows", "us/call", "us/row");
    for point in &report.curve {
        let (call_us, row_us) = (point.call_ns as f64 / 1e3, point.row_ns() / 1e3);
        let _ = writeln!(text, "{:>6} {call_us:>10.1} {row_us:>10.2}", point.rows);
    }
    text
}

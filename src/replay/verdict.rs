//! Whether a replay passes, and the sentences that say why.

use super::Findings;
use super::index::OutputCounts;
use super::tally::RecordCounts;
use crate::compare::Inputs;
use crate::values::record::Position;

/// What somebody files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub passed: bool,
    /// First what fails it, if something does.
    pub reasons: Vec<String>,
}

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Another model may decide otherwise, up to this share of what was compared, if one is said.
    Flips(Option<f64>),
    /// The same model must give the same bits, and nothing may be lost.
    BitEqual,
}

impl Verdict {
    pub fn of(findings: &Findings, rule: Rule) -> Verdict {
        let compared = findings.tally.counts.compared;
        if compared == 0 {
            return Verdict { passed: false, reasons: vec![nothing(findings, rule)] };
        }
        match rule {
            Rule::Flips(share_max) => flips(findings, share_max),
            Rule::BitEqual => audit(findings),
        }
    }
}

fn nothing(findings: &Findings, rule: Rule) -> String {
    let RecordCounts { other_model, not_a_models, .. } = findings.tally.counts;
    let records = findings.tally.counts.records();
    let why = match rule {
        _ if records == 0 => "the range holds no record".to_owned(),
        Rule::BitEqual if other_model > 0 => format!("{other_model} outputs of the range are of other models"),
        _ if not_a_models > 0 => format!("{not_a_models} outputs of the range are no model's answers"),
        _ if findings.index.counts().recorded == 0 => format!("{} has no output of it", findings.outputs_topic),
        _ => "none of its records was scored both times".to_owned(),
    };
    format!("nothing was compared: {why}")
}

fn flips(findings: &Findings, share_max: Option<f64>) -> Verdict {
    let comparison = &findings.tally.comparison;
    let (flips, compared) = (comparison.flips(), comparison.compared());
    let share = flips as f64 / compared as f64;
    let found = format!("{flips} of {compared} decisions are others ({})", percent(share));
    let (passed, reason) = match share_max {
        Some(max) if share > max => (false, format!("{found}: more than {}", percent(max))),
        Some(max) => (true, format!("{found}: at most {}", percent(max))),
        None => (true, format!("{found}; no bound was given")),
    };
    Verdict { passed, reasons: vec![reason] }
}

fn audit(findings: &Findings) -> Verdict {
    let (counts, tally) = (&findings.tally.counts, &findings.tally);
    let OutputCounts { doubled_otherwise, .. } = findings.index.counts();
    let mut failures = Vec::new();
    if let Some(first) = tally.first_differing {
        let differing = tally.comparison.differing();
        let inputs = match first.inputs {
            Inputs::Same => "; its inputs were the same",
            Inputs::Other => "; its inputs were others",
            Inputs::Unknown => "",
        };
        let bits = both(first.before_bits, first.after_bits);
        failures.push(format!(
            "{differing} of {} scores have other bits: the first at {}: {bits}{inputs}",
            counts.compared,
            place(first.at)
        ));
    }
    if let Some(first) = tally.first_missing {
        failures.push(format!("{} records have no output: the first at {}", counts.missing, place(first)));
    }
    if let Some(first) = findings.index.doubled_otherwise() {
        let bits = both(first.first_bits, first.later_bits);
        failures.push(format!(
            "{doubled_otherwise} outputs double another one with another score: the first at {}: {bits}",
            place(first.at)
        ));
    }
    if let Some((at, reason)) = tally.first_rejected {
        failures.push(format!(
            "{} records have an output and no score now: the first at {} ({reason})",
            counts.rejected_recorded,
            place(at)
        ));
    }
    if counts.waiting > 0 {
        failures.push(format!("{} records were not scored: nobody tells their schemas now", counts.waiting));
    }
    let passed = failures.is_empty();
    if passed {
        failures.push(format!("all {} scores have the recorded bits, and no output is missing", counts.compared));
    }
    Verdict { passed, reasons: failures }
}

/// A recorded score and another one, as numbers and as bits.
fn both(before: u64, after: u64) -> String {
    let (before_score, after_score) = (f64::from_bits(before), f64::from_bits(after));
    format!("recorded {before_score:?} ({before:016x}), then {after_score:?} ({after:016x})")
}

fn place(at: Position) -> String {
    format!("partition {}, offset {}", at.partition, at.offset)
}

/// With as many digits as tell it from zero.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        small if small < 0.01 => format!("{small:.1e} %"),
        other => format!("{other:.2} %"),
    }
}

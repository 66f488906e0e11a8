//! What was found as a report: the two sides, what became of the records, and the sentences that fail it.

use super::index::{OutputCounts, RecordedBy};
use super::replay::Findings;
use super::tally::RecordCounts;
use crate::compare::report::words;
use crate::compare::{Count, Inputs, Kind, Report, Side, Sides};
use crate::error::Reject;
use crate::node::SecondAnswers;
use crate::piece::ranges::Range;
use crate::values::record::Position;
use crate::values::settings::Thresholds;

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Another model may decide otherwise, up to this share of what was compared, if one is said.
    Flips(Option<f64>),
    /// The same model must give the same bits, and no output may be lost.
    BitEqual,
}

/// The report of a replay. `known` are facts of whoever called: they come first among those of where all this is from.
pub fn of(findings: &Findings, answers: &SecondAnswers, rule: Rule, known: Vec<(String, String)>) -> Report {
    let tally = &findings.tally;
    let sides = Sides { before: recorded_side(findings, answers), after: replayed_side(answers) };
    let labels = findings.labelled.as_ref();
    let mut report = Report::new(Kind::Replay, sides, &tally.comparison, findings.drift.as_ref(), labels)
        .with_counts(counts(findings, rule))
        .with_provenance(known)
        .with_provenance(provenance(findings));
    if let Rule::Flips(Some(share)) = rule {
        report = report.with_bound(flips_max(share, tally.counts.compared));
    }
    let sentences = sentences(findings);
    match rule {
        Rule::BitEqual => {
            let first = first_differing(findings);
            first.into_iter().chain(sentences).fold(report, |report, sentence| report.with_failure(sentence))
        }
        Rule::Flips(_) => sentences.into_iter().fold(report, |report, sentence| report.with_finding(sentence)),
    }
}

/// The most flips that are no larger a share of what was compared.
pub(super) fn flips_max(share: f64, compared: u64) -> u64 {
    let mut most = (share * compared as f64) as u64;
    // The product rounds; the share of the flips is what is compared.
    let is_within = |flips: u64| flips <= compared && flips as f64 / compared as f64 <= share;
    while most > 0 && !is_within(most) {
        most -= 1;
    }
    while is_within(most + 1) {
        most += 1;
    }
    most
}

fn thresholds_of(thresholds: &Thresholds) -> crate::compare::Thresholds {
    crate::compare::Thresholds { review: thresholds.review, decline: thresholds.decline }
}

fn replayed_side(answers: &SecondAnswers) -> Side {
    let (package, thresholds) = (answers.package(), answers.thresholds());
    Side {
        role: "replayed now".to_owned(),
        package: package.name.clone(),
        version: package.version.clone(),
        sha256: package.sha256.clone(),
        thresholds: thresholds_of(thresholds),
        thresholds_version: thresholds.version.clone(),
    }
}

/// The answerer of most pairs. Where there are several models, the side is none of them: a change of model in the middle of
/// the range is told, and not judged as one model's.
fn recorded_side(findings: &Findings, answers: &SecondAnswers) -> Side {
    let compared = |place: usize| findings.tally.compared_by.get(place).copied().unwrap_or(0);
    let all: Vec<(usize, &RecordedBy)> = (0..).zip(findings.index.answerers()).collect();
    let used: Vec<&(usize, &RecordedBy)> = all.iter().filter(|(place, _)| compared(*place) > 0).collect();
    // Of equal ones the first.
    let Some((_, main)) = used.iter().rev().max_by_key(|(place, _)| compared(*place)) else {
        return Side {
            role: "recorded: nothing that can be compared".to_owned(),
            package: String::new(),
            version: String::new(),
            sha256: String::new(),
            thresholds: thresholds_of(answers.thresholds()),
            thresholds_version: String::new(),
        };
    };
    let is_one_model = used.iter().all(|(_, by)| by.sha256 == main.sha256);
    let role = match used.len() {
        1 => "recorded outputs".to_owned(),
        several => format!("recorded outputs, of {several} models or thresholds: most of them this one's"),
    };
    Side {
        role,
        package: main.name.clone(),
        version: main.version.clone(),
        sha256: if is_one_model { main.sha256.clone() } else { String::new() },
        thresholds: crate::compare::Thresholds { review: main.review, decline: main.decline },
        thresholds_version: main.thresholds_version.clone(),
    }
}

fn counts(findings: &Findings, rule: Rule) -> Vec<Count> {
    let RecordCounts {
        compared,
        not_a_models,
        other_model,
        missing,
        gone,
        rejected_recorded,
        rejected_both,
        waiting,
        ..
    } = findings.tally.counts;
    let OutputCounts { foreign, other_topic, doubled, doubled_otherwise, recorded, .. } = findings.index.counts();
    let offsets: u64 = findings.ranges.iter().map(Range::offsets).sum();
    let records = findings.tally.counts.records();
    let mut list = vec![
        Count::new("read", records, format!("records of the input, in {} offsets", words::count(offsets))),
        Count::new("compared", compared, "scored now, and a model's score is recorded"),
        Count::new("missing", missing, "scored now, and no output is recorded"),
        Count::new("dead letters now", rejected_recorded, "an output is recorded, and there is no score now"),
        Count::new("dead letters", rejected_both, "no score now, and no output is recorded"),
    ];
    let mut more = |number: u64, name: &str, meaning: &str| {
        if number > 0 {
            list.push(Count::new(name, number, meaning));
        }
    };
    more(gone, "gone", "older than the first output that is kept: nobody can tell");
    more(waiting, "waiting", "their schema is not there: a lane would wait for it");
    more(not_a_models, "fallback", "the recorded score is a fallback's, not a model's");
    if rule == Rule::BitEqual {
        more(other_model, "other model", "recorded by another model than the one that is audited");
    }
    more(
        recorded.saturating_sub(findings.tally.counts.matched),
        "input gone",
        "an output is recorded, and its record is not kept",
    );
    more(doubled, "doubled", "further outputs of one record: the first one counts");
    more(doubled_otherwise, "doubled otherwise", "of those, with another score than the first");
    more(foreign, "foreign", "in the outputs' topic, and no outputs of any version");
    more(other_topic, "other input", "outputs of another input topic");
    list
}

/// What an audit fails by, and others are told.
fn sentences(findings: &Findings) -> Vec<String> {
    let (tally, outputs) = (&findings.tally, findings.index.counts());
    let mut list = Vec::new();
    if let Some(first) = tally.first_missing {
        list.push(format!("{} without an output, the first at {}.", records(tally.counts.missing), place(first)));
    }
    if let Some(first) = findings.index.doubled_otherwise() {
        let scores = both(["first", "then"], first.first_bits, first.later_bits);
        let doubled = words::counted(outputs.doubled_otherwise, "output doubles another one", "outputs double others");
        list.push(format!("{doubled} with another score, the first at {}: {scores}.", place(first.at)));
    }
    if let Some((at, reason)) = tally.first_rejected {
        let rejected = records(tally.counts.rejected_recorded);
        list.push(format!("{rejected} with an output and no score now, the first at {} ({reason}).", place(at)));
    }
    if tally.counts.waiting > 0 {
        list.push(format!("{} not scored: nobody tells their schemas now.", records(tally.counts.waiting)));
    }
    list
}

fn first_differing(findings: &Findings) -> Option<String> {
    let first = findings.tally.first_differing?;
    let inputs = match first.inputs {
        Inputs::Same => ", from the same inputs",
        Inputs::Other => ", from other inputs",
        Inputs::Unknown => "",
    };
    let differing = findings.tally.comparison.differing();
    let differing = words::counted(differing, "score has other bits", "scores have other bits");
    let scores = both(["recorded", "now"], first.before_bits, first.after_bits);
    Some(format!("{differing}, the first at {}: {scores}{inputs}.", place(first.at)))
}

fn records(number: u64) -> String {
    words::counted(number, "record is", "records are")
}

/// Two scores, as numbers and as bits.
fn both([first, second]: [&str; 2], before: u64, after: u64) -> String {
    let (before_score, after_score) = (f64::from_bits(before), f64::from_bits(after));
    format!("{first} {before_score:?} ({before:016x}), {second} {after_score:?} ({after:016x})")
}

fn place(at: Position) -> String {
    format!("partition {}, offset {}", at.partition, at.offset)
}

fn provenance(findings: &Findings) -> Vec<(String, String)> {
    let mut facts = vec![
        ("input topic".to_owned(), findings.input_topic.clone()),
        ("input offsets".to_owned(), ranges_in_words(&findings.ranges)),
        ("outputs topic".to_owned(), findings.outputs_topic.clone()),
        ("outputs offsets".to_owned(), ranges_in_words(&findings.outputs.ranges)),
    ];
    if findings.outputs.head_is_lost {
        let fact = "the topic's first outputs are gone by retention, or were removed";
        facts.push(("outputs before".to_owned(), fact.to_owned()));
    }
    for (place, by) in findings.index.answerers().iter().enumerate() {
        let compared = findings.tally.compared_by.get(place).copied().unwrap_or(0);
        if by.outputs > 0 {
            facts.push((format!("recorded by {}", place + 1), recorded_by(by, compared)));
        }
    }
    facts.extend(rejects(findings));
    facts.push(("took".to_owned(), format!("{:.1} s on {} threads", findings.elapsed.as_secs_f64(), findings.threads)));
    facts
}

fn recorded_by(by: &RecordedBy, compared: u64) -> String {
    let fallback = match (by.fallback, by.is_challenger) {
        (true, _) => ", as a fallback",
        (_, true) => ", as a challenger",
        _ => "",
    };
    format!(
        "{} {}, sha256 {}, thresholds {} (review {}, decline {}){fallback}: {} outputs, {} compared",
        by.name,
        by.version,
        by.sha256,
        by.thresholds_version,
        by.review,
        by.decline,
        words::count(by.outputs),
        words::count(compared)
    )
}

/// Reasons of those that have no score now, by whether an output is recorded.
fn rejects(findings: &Findings) -> Vec<(String, String)> {
    let of = |place: usize| {
        let counted = Reject::ALL.iter().map(|reject| (reject.reason(), findings.tally.rejects[reject.index()][place]));
        let words: Vec<String> = counted
            .filter(|(_, number)| *number > 0)
            .map(|(reason, number)| format!("{reason} {}", words::count(number)))
            .collect();
        words.join(", ")
    };
    let named = [("dead letters now, by reason", of(0)), ("dead letters, by reason", of(1))];
    named.into_iter().filter(|(_, words)| !words.is_empty()).map(|(name, words)| (name.to_owned(), words)).collect()
}

/// `0: 5 to 89; 2: 0 to 3`: first and last offsets.
pub(super) fn ranges_in_words(ranges: &[Range]) -> String {
    let of = |range: &Range| format!("{}: {} to {}", range.partition, range.from, range.until - 1);
    let words: Vec<String> = ranges.iter().map(of).collect();
    if words.is_empty() { "none".to_owned() } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_flips_is_the_most_that_it_allows() {
        for (share, compared, most) in
            [(0.0, 10, 0), (1.0, 10, 10), (0.29, 100, 29), (0.1, 9, 0), (0.001, 59_343, 59), (0.5, 1, 0), (0.7, 10, 7)]
        {
            assert_eq!(flips_max(share, compared), most, "{share} of {compared}");
            assert!(most == 0 || most as f64 / compared as f64 <= share);
        }
    }

    #[test]
    fn scores_are_told_as_numbers_and_as_bits() {
        let text = both(["recorded", "now"], 0.1_f64.to_bits(), (-0.0_f64).to_bits());
        assert_eq!(text, "recorded 0.1 (3fb999999999999a), now -0.0 (8000000000000000)");
    }

    #[test]
    fn offsets_are_told_with_the_last_one() {
        let range = |partition, from, until| Range { partition, from, until };
        assert_eq!(ranges_in_words(&[range(0, 5, 90), range(2, 0, 4)]), "0: 5 to 89; 2: 0 to 3");
        assert_eq!(ranges_in_words(&[]), "none");
    }
}

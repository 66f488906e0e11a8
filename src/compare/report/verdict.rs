//! Whether a comparison passed, and the sentences that say why.

use serde::Serialize;

use crate::compare::drift::FeaturePsi;
use crate::compare::labelled::LabelFigures;
use crate::compare::psi::FALSE_ALARMS;
use crate::compare::report::figures::{Decisions, Scores};
use crate::compare::report::parts::Kind;
use crate::compare::report::words::{count, counted, index, percent, records};

/// Features that a sentence names.
const NAMED_MAX: usize = 5;

/// Passed where there is no failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub passed: bool,
    /// Whether anything could have failed it: another model without a bound is only described.
    pub judged: bool,
    /// Sentences for which it failed.
    pub failures: Vec<String>,
    /// Sentences that a reader must know besides.
    pub findings: Vec<String>,
}

impl Verdict {
    /// In one word.
    pub fn mark(&self) -> &'static str {
        match (self.passed, self.judged) {
            (false, _) => "FAILED",
            (true, true) => "PASSED",
            (true, false) => "COMPARED",
        }
    }
}

/// What the verdict goes by.
pub struct Evidence<'a> {
    pub kind: Kind,
    pub is_one_model: bool,
    pub decisions: &'a Decisions,
    pub scores: &'a Scores,
    pub flips_max: Option<u64>,
    pub features: &'a [FeaturePsi],
    pub labels: Option<&'a LabelFigures>,
    /// The caller's own sentences.
    pub failures: &'a [String],
    pub findings: &'a [String],
}

/// Failures are: nothing compared; scores that are no probability; more flips than the bound; of the same model without a bound,
/// any score with other bits; and what the caller says. Drift and labels are told and fail nothing: how much of either matters
/// is a person's to say.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let judged = evidence.is_one_model || evidence.flips_max.is_some();
    let mut verdict = Verdict { passed: false, judged, failures: evidence.failures.to_vec(), findings: Vec::new() };
    if evidence.decisions.compared == 0 {
        verdict.failures.push("Nothing was compared: no record has both answers.".to_owned());
    } else {
        evidence.judge_decisions(&mut verdict);
        evidence.judge_scores(&mut verdict);
        verdict.findings.extend(evidence.inputs());
        verdict.findings.extend(evidence.distribution());
        verdict.findings.extend(evidence.drift());
        verdict.findings.extend(evidence.labels());
    }
    verdict.findings.extend_from_slice(evidence.findings);
    verdict.passed = verdict.failures.is_empty();
    verdict
}

impl Evidence<'_> {
    fn judge_decisions(&self, verdict: &mut Verdict) {
        let Decisions { compared, flips, stricter, milder, .. } = *self.decisions;
        let bounded = |within: &str, beyond: &str| match self.flips_max {
            Some(max) if flips > max => format!(", {beyond} the bound of {}", count(max)),
            Some(max) => format!(", {within} the bound of {}", count(max)),
            None => String::new(),
        };
        let sentence = if flips == 0 {
            format!("All {} compared have the same decision from both sides.", records(compared))
        } else {
            let share = percent(compared - flips, compared);
            format!(
                "Of {} compared, {share} have the same decision from both sides; {}{}: {} stricter, {} milder.",
                records(compared),
                counted(flips, "decision flips", "decisions flip"),
                bounded("within", "more than"),
                count(stricter),
                count(milder),
            )
        };
        if self.flips_max.is_some_and(|max| flips > max) {
            verdict.failures.push(sentence);
        } else {
            verdict.findings.push(sentence);
        }
    }

    fn judge_scores(&self, verdict: &mut Verdict) {
        let compared = self.decisions.compared;
        let Scores { differing, no_probability, .. } = *self.scores;
        if no_probability > 0 {
            let sentence = format!(
                "{} a score that is no probability (outside of 0 to 1).",
                counted(no_probability, "pair has", "pairs have")
            );
            verdict.failures.push(sentence);
        }
        match (self.is_one_model, differing) {
            (true, 0) => {
                verdict.findings.push("Both sides are one model, and all scores have the same bits.".to_owned())
            }
            (true, _) => {
                let sentence = format!(
                    "Both sides are one model, and {} of its scores ({}) have other bits.",
                    count(differing),
                    percent(differing, compared)
                );
                // Who gives a bound for decisions has said what may differ.
                if self.flips_max.is_some() {
                    verdict.findings.push(sentence);
                } else {
                    verdict.failures.push(sentence);
                }
            }
            (false, _) => {}
        }
        if !self.is_one_model && self.flips_max.is_none() {
            let [_, after] = self.kind.sides();
            let sentence = format!("No bound for flips was given: how many the {after} side may have is not judged.");
            verdict.findings.push(sentence);
        }
    }

    fn inputs(&self) -> Vec<String> {
        let inputs = &self.scores.inputs;
        let mut sentences = Vec::new();
        if self.is_one_model && inputs.differing_same > 0 {
            sentences.push(format!(
                "{} from the same inputs: the runtime, the processor or the kernel is another one.",
                counted(inputs.differing_same, "score differs", "scores differ")
            ));
        }
        if inputs.other > 0 {
            sentences.push(format!(
                "{} scored from other inputs ({} of them differ in score): they were decoded or prepared in another way.",
                counted(inputs.other, "record was", "records were"),
                count(inputs.differing_other)
            ));
        }
        sentences
    }

    fn distribution(&self) -> Option<String> {
        let psi = self.scores.psi.filter(|psi| psi.is_significant())?;
        let (value, critical) = (index(psi.value), index(psi.critical));
        Some(format!("Scores are distributed otherwise: PSI {value}, where chance gives up to {critical}."))
    }

    fn drift(&self) -> Option<String> {
        let judged = self.features.iter().filter(|feature| feature.psi.is_some()).count();
        if judged == 0 {
            return (!self.features.is_empty())
                .then(|| "There are too few rows to judge the drift of features.".to_owned());
        }
        let is_drifted = |feature: &&FeaturePsi| feature.psi.is_some_and(|psi| psi.is_significant());
        let drifted: Vec<&str> = self.features.iter().filter(is_drifted).map(|feature| feature.name.as_str()).collect();
        if drifted.is_empty() {
            return Some(format!("None of {judged} features drifted from the reference rows."));
        }
        let more = drifted.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!(
            "{} of {} from the reference rows ({}{more}); chance alone would give about {:.1}.",
            drifted.len(),
            counted(judged as u64, "feature drifted", "features drifted"),
            drifted[..drifted.len().min(NAMED_MAX)].join(", "),
            judged as f64 * FALSE_ALARMS,
        ))
    }

    fn labels(&self) -> Option<String> {
        let labels = self.labels?;
        let records = records(labels.records);
        let (Some(before), Some(after)) = (labels.before.auc, labels.after.auc) else {
            return Some(format!("Labels are there of {records}, all of one kind: they say nothing of the scores."));
        };
        let (was, is) = (index(before), index(after));
        Some(format!(
            "With the labels of {records} ({} fraud), AUC is {is} after {was} ({:+.4}).",
            count(labels.fraud),
            after - before,
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::compare::comparison::Comparison;
    use crate::compare::pair::{Answer, Inputs, Pair};
    use crate::compare::report::sample::{self, side};
    use crate::compare::report::{Kind, Report, Sides};
    use crate::values::record::{Decision, Position};

    fn report(pairs: &[(f64, f64)], sha256: [&str; 2]) -> Report {
        let mut comparison = Comparison::new();
        for (offset, (before, after)) in (0..).zip(pairs) {
            let answer = |score: f64| Answer { score, decision: Decision::ALL[usize::from(score >= 0.5)] };
            let at = Position { partition: 0, offset };
            let (before, after) = (answer(*before), answer(*after));
            comparison.add(&Pair { at, id: None, before, after, inputs: Inputs::Same });
        }
        let [before, after] = sha256.map(|sha256| side("model", sha256));
        Report::new(Kind::Replay, Sides { before, after }, &comparison, None, None)
    }

    #[test]
    fn nothing_compared_is_a_failure() {
        let report = report(&[], ["a", "b"]);
        assert!(!report.passed());
        assert_eq!(report.verdict.failures, ["Nothing was compared: no record has both answers."]);
    }

    #[test]
    fn one_model_must_give_its_bits_again_unless_flips_are_bounded() {
        let same = report(&[(0.1, 0.1), (0.6, 0.6)], ["a", "A"]);
        assert!(same.passed(), "{:?}", same.verdict);
        let other = report(&[(0.1, 0.1), (0.6, 0.7)], ["a", "a"]);
        assert_eq!(other.verdict.failures, ["Both sides are one model, and 1 of its scores (50.0 %) have other bits."]);
        assert!(other.verdict.findings.iter().any(|words| words.starts_with("1 score differs from the same inputs")));
        assert_eq!((other.verdict.mark(), other.with_bound(0).verdict.mark()), ("FAILED", "PASSED"));
        // Nobody knows which models these are.
        let described = report(&[(0.1, 0.2)], ["", ""]);
        assert_eq!((described.verdict.mark(), described.passed()), ("COMPARED", true), "nobody said what may differ");
    }

    #[test]
    fn more_flips_than_the_bound_are_a_failure() {
        let pairs = [(0.1, 0.6), (0.6, 0.1), (0.7, 0.2), (0.1, 0.2)];
        let report = report(&pairs, ["a", "b"]);
        assert!(report.passed() && report.clone().with_bound(3).passed());
        let failed = report.with_bound(2);
        assert_eq!(
            failed.verdict.failures,
            [
                "Of 4 records compared, 25.0 % have the same decision from both sides; 3 decisions flip, more than the bound of 2: \
              1 stricter, 2 milder."
            ]
        );
    }

    #[test]
    fn scores_that_are_none_and_the_callers_word_fail() {
        assert!(!report(&[(0.1, f64::NAN)], ["a", "b"]).passed());
        let report = report(&[(0.1, 0.1)], ["a", "b"]).with_finding("Some are late.").with_failure("Three are gone.");
        assert_eq!(
            (report.verdict.mark(), report.verdict.failures.as_slice()),
            ("FAILED", &["Three are gone.".to_owned()][..])
        );
        assert!(report.verdict.findings.contains(&"Some are late.".to_owned()));
    }

    #[test]
    fn drift_and_labels_are_told() {
        let verdict = sample::report().verdict;
        let has = |start: &str| verdict.findings.iter().any(|words| words.starts_with(start));
        assert!(verdict.passed, "{verdict:?}");
        assert!(has("Scores are distributed otherwise: PSI"), "{verdict:?}");
        assert!(has("2 of 14 features drifted from the reference rows (hour, amount_to_average"), "{verdict:?}");
        assert!(has("With the labels of "), "{verdict:?}");
    }
}

//! A comparison as it is judged, printed and filed: [`Report`], the same figures for programs (JSON), for a terminal
//! ([`text::text`]) and as a page ([`html::page`]).

mod chart;
mod distribution;
pub mod figures;
pub mod html;
mod markup;
mod pages;
mod parts;
#[cfg(test)]
mod sample;
pub mod text;
mod verdict;
mod words;

use serde::Serialize;

use crate::compare::comparison::Comparison;
use crate::compare::drift::{FeatureDrift, FeaturePsi};
use crate::compare::labelled::{LabelFigures, LabelledScores};

pub use figures::{Decisions, Scores, WorstCase};
pub use parts::{Count, Facts, Kind, Side, Sides};
pub use verdict::Verdict;

/// All that a page prints. Every number in it is finite, or left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub kind: Kind,
    pub verdict: Verdict,
    pub before: Side,
    pub after: Side,
    /// What became of the records, by the caller: read, paired, left out and why.
    pub counts: Vec<Count>,
    /// The most flips that may be, where somebody said so.
    pub flips_max: Option<u64>,
    pub decisions: Decisions,
    pub scores: Scores,
    /// The largest PSI first; empty where there are no reference rows.
    pub features: Vec<FeaturePsi>,
    /// Rows of the stream that were compared with the reference rows.
    pub feature_rows: u64,
    pub labels: Option<LabelFigures>,
    pub worst: Vec<WorstCase>,
    /// Where all this is from, in reading order: command, topics, offsets, times, hashes, versions.
    pub provenance: Facts,
    /// What the caller found, for the verdict.
    #[serde(skip)]
    failures: Vec<String>,
    #[serde(skip)]
    findings: Vec<String>,
}

impl Report {
    /// `drift` is of the rows that the after side scored; `labels` of those of the compared records whose label is known.
    pub fn new(
        kind: Kind,
        sides: Sides,
        comparison: &Comparison,
        drift: Option<&FeatureDrift>,
        labels: Option<&LabelledScores>,
    ) -> Report {
        let mut features = drift.map_or_else(Vec::new, FeatureDrift::features);
        let size = |feature: &FeaturePsi| feature.psi.map_or(-1.0, |psi| psi.value);
        // Stable: equal ones stay in the contract's order.
        features.sort_by(|a, b| size(b).total_cmp(&size(a)));
        let labels = labels.map(|labels| labels.figures(sides.before.thresholds, sides.after.thresholds));
        let report = Report {
            kind,
            verdict: Verdict::default(),
            before: sides.before,
            after: sides.after,
            counts: Vec::new(),
            flips_max: None,
            decisions: Decisions::of(comparison),
            scores: Scores::of(comparison),
            features,
            feature_rows: drift.map_or(0, FeatureDrift::rows),
            labels,
            worst: comparison.worst().iter().map(WorstCase::of).collect(),
            provenance: Facts::default(),
            failures: Vec::new(),
            findings: Vec::new(),
        };
        report.judged()
    }

    /// What became of the records, in reading order.
    pub fn with_counts(mut self, counts: impl IntoIterator<Item = Count>) -> Report {
        self.counts.extend(counts);
        self
    }

    /// More flips than this are a failure. With a bound, other bits of the same model alone are none.
    pub fn with_bound(mut self, flips_max: u64) -> Report {
        self.flips_max = Some(flips_max);
        self.judged()
    }

    /// Where all this is from: names and values, in reading order.
    pub fn with_provenance<N: Into<String>, V: Into<String>>(
        mut self,
        facts: impl IntoIterator<Item = (N, V)>,
    ) -> Report {
        self.provenance.0.extend(facts.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// A sentence for which the comparison has failed, beyond what the figures say: records that should be there and are not.
    pub fn with_failure(mut self, sentence: impl Into<String>) -> Report {
        self.failures.push(sentence.into());
        self.judged()
    }

    /// A sentence that a reader must know, and for which nothing has failed.
    pub fn with_finding(mut self, sentence: impl Into<String>) -> Report {
        self.findings.push(sentence.into());
        self.judged()
    }

    pub fn passed(&self) -> bool {
        self.verdict.passed
    }

    /// One JSON object, with line breaks.
    pub fn json(&self) -> String {
        // Maps with keys that are no strings and failing writers are all that can fail here, and neither is there.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    fn judged(mut self) -> Report {
        self.verdict = verdict::judge(&self.evidence());
        self
    }

    fn evidence(&self) -> verdict::Evidence<'_> {
        verdict::Evidence {
            kind: self.kind,
            is_one_model: self.before.is_model_of(&self.after),
            decisions: &self.decisions,
            scores: &self.scores,
            flips_max: self.flips_max,
            features: &self.features,
            labels: self.labels.as_ref(),
            failures: &self.failures,
            findings: &self.findings,
        }
    }
}

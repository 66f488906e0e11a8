//! Where a scored record's time goes, as means, because means of parts add up to the mean of the whole and quantiles do
//! not.
//!
//! The record's own stamps cut its way into three parts without a gap ([`Part`]). Within them, what the generator
//! measured of itself and what the lanes measured of their steps says more; what these leave over stands as a stage of
//! its own, so nothing is hidden.
//!
//! ```text
//! due ------------------------> received ------------------------> scored ------------------> read back
//!  | generator | topic           | intake decode batch_wait inference | emit | ack | back       |
//!                                | and the rest: `unexplained`        |
//! ```

use serde::Serialize;

use crate::load::report::figures::Named;
use crate::load::verify::interval::{Interval, Part};
use crate::observe::latency::{Step, StepTimes};

/// Mean times of the measured, scored records, microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Breakdown {
    /// Records whose stamps were read; all means are theirs.
    pub records: u64,
    /// From due to read back.
    pub end_to_end_us: f64,
    /// In the order of the way. See [`meaning`].
    pub stages_us: Named<f64>,
    pub sum_us: f64,
    /// What the stages leave of the whole; below zero where they claim more than there is.
    pub unexplained_us: f64,
    /// Records that the lanes' steps are the means of; `null` where no lane told its steps.
    pub lane_records: Option<u64>,
}

/// What a stage is, for people.
pub fn meaning(stage: &str) -> &'static str {
    match stage {
        "generator" => "due to handed to the generator's client",
        "topic" => "handed over to received by the lane, which is when it was polled",
        "intake" => "received to decoding begun: the wait in the lane",
        "decode" => "the batch's records decoded into rows",
        "batch_wait" => "decoded to model called",
        "inference" => "the model's call for the batch",
        "inside" => "received to scored: decode, batch, model",
        "emit" => "scored to the batch's outcomes handed to the client",
        "ack" => "handed over to acknowledged by the broker",
        "back" => "acknowledged to read back; negative: the reader was quicker",
        "out" => "scored to read back: produce, broker, fetch",
        "unexplained" => "what the stages leave of the whole",
        _ => "",
    }
}

/// Lanes publish a few times a second, so at both ends of the run some records are counted on the other side.
const RECORDS_APART_MAX: f64 = 0.25;

/// Steps of the lane between received and scored, and after.
const INSIDE: [Step; 4] = [Step::Intake, Step::Decode, Step::BatchWait, Step::Inference];
const OUT: [Step; 2] = [Step::Emit, Step::Ack];

impl Breakdown {
    /// `None` without a stamped record. `generator_us` is the generator's mean delay.
    pub fn of(total: &Interval, generator_us: f64, steps: Option<&StepTimes>) -> Option<Breakdown> {
        if total.stamped() == 0 {
            return None;
        }
        let steps = steps.filter(|steps| !steps.get(Step::Inference).is_empty());
        let [in_topic, inside, out] = Part::ALL.map(|part| total.part(part).mean_us());
        let mean = |step: Step| steps.map_or(0.0, |steps| steps.get(step).mean());
        let mut stages = Vec::new();
        let mut put = |name: &str, us: f64| stages.push((name.to_owned(), us));
        put("generator", generator_us);
        put("topic", in_topic - generator_us);
        if steps.is_some() {
            INSIDE.iter().chain(&OUT).for_each(|step| put(step.name(), mean(*step)));
            put("back", out - OUT.iter().map(|step| mean(*step)).sum::<f64>());
        } else {
            put(Part::Inside.name(), inside);
            put(Part::Out.name(), out);
        }
        let sum: f64 = stages.iter().map(|(_, us)| us).sum();
        let end_to_end = in_topic + inside + out;
        let rounded = |us: f64| (us * 1_000.0).round() / 1_000.0;
        Some(Breakdown {
            records: total.stamped(),
            end_to_end_us: rounded(end_to_end),
            stages_us: Named(stages.into_iter().map(|(name, us)| (name, rounded(us))).collect()),
            sum_us: rounded(sum),
            unexplained_us: rounded(end_to_end - sum),
            lane_records: steps.map(|steps| steps.get(Step::Inference).len()),
        })
    }

    /// Why the stages may not be those of these records, if so.
    pub fn doubt(&self) -> Option<String> {
        let lane_records = self.lane_records?;
        let apart = lane_records.abs_diff(self.records) as f64 / self.records.max(1) as f64;
        (apart > RECORDS_APART_MAX).then(|| {
            format!(
                "the lanes scored {lane_records} records while {} were measured: their stages' means are of other \
                 records too, or of a part of these",
                self.records
            )
        })
    }

    /// Each stage and the rest with its share of the whole, in the order of the way.
    pub fn rows(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        let share = |us: f64| if self.end_to_end_us > 0.0 { us / self.end_to_end_us } else { 0.0 };
        let stages = self.stages_us.0.iter().map(|(name, us)| (name.as_str(), *us));
        stages.chain([("unexplained", self.unexplained_us)]).map(move |(name, us)| (name, us, share(us)))
    }
}

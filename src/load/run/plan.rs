//! What a run is asked to do, already checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::kafka::embedded::EmbeddedBroker;
use crate::load::report::files::ReportFiles;
use crate::load::send::schedule::Arrival;
use crate::load::simulate::payloads::{Framing, PayloadSource};
use crate::load::verify::inject::Injection;
use crate::load::verify::verifier::Check;
use crate::values::topics::Topics;

/// One load run. [`LoadPlan::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// What runs it, for reports.
    pub command: &'static str,
    pub bootstrap: String,
    /// librdkafka properties of both clients (security above all), then of each.
    pub properties: BTreeMap<String, String>,
    pub producer_properties: BTreeMap<String, String>,
    pub consumer_properties: BTreeMap<String, String>,
    pub topics: Topics,
    /// The pipeline may put records off: read the letters on the topic of those that are scored again later.
    pub retry_later: bool,
    /// Records per second; positive.
    pub rate: f64,
    pub arrival: Arrival,
    /// Measured time, after the warm-up.
    pub duration: Duration,
    pub warm_up: Duration,
    pub seed: u64,
    /// Poison instead of this many of a million records.
    pub poison_per_million: u32,
    pub source: PayloadSource,
    pub framing: Framing,
    /// Send this many records as fast as the broker takes them, instead of rate and duration; there is no warm-up then.
    pub preload: Option<u64>,
    /// Shortest time between two requests to one partition; zero sends each record when it is due. With any, the verifier
    /// waits a millisecond between its requests too. Waiting counts as latency.
    pub gather: Duration,
    /// Threads that send, each with its own producer.
    pub threads: u16,
    /// Measure how fast this process, which runs on this machine, works off what `preload` sends: it stands still
    /// meanwhile, and outcomes are read back only afterwards.
    pub drain: Option<u32>,
    /// Read the outcomes back and account for them.
    pub verify: bool,
    pub check: Check,
    /// About how many scores to check, where somebody knows what they should be; 0 for none.
    pub check_scores: u64,
    /// After sending, give up when no outcome has come for this long.
    pub quiet: Duration,
    /// Draw a live line where stderr is a terminal.
    pub progress: bool,
    /// Write `row,score` of every scored row to this file (row 0 is the first of the source).
    pub scores_to: Option<PathBuf>,
    /// Reports to write besides.
    pub reports: ReportFiles,
    /// What the reports should say of the pipeline that is loaded: names and values.
    pub facts: Vec<(String, String)>,
    /// Faults to inject into the outcomes, to see the run fail.
    pub inject: Vec<Injection>,
}

impl LoadPlan {
    /// Twenty seconds of simulated transactions at 1,000/s, a thousandth of them poison, after two seconds of warm-up.
    pub fn new(bootstrap: &str, topics: Topics) -> LoadPlan {
        LoadPlan {
            command: "scorewire load",
            bootstrap: bootstrap.to_owned(),
            properties: BTreeMap::new(),
            producer_properties: BTreeMap::new(),
            consumer_properties: BTreeMap::new(),
            topics,
            retry_later: false,
            rate: 1_000.0,
            arrival: Arrival::Constant,
            duration: Duration::from_secs(20),
            warm_up: Duration::from_secs(2),
            seed: 1,
            poison_per_million: 1_000,
            source: PayloadSource::default(),
            framing: Framing::SingleObject,
            preload: None,
            gather: Duration::ZERO,
            threads: 1,
            drain: None,
            verify: true,
            check: Check::Full,
            check_scores: 500,
            // Longer than a broker's failover.
            quiet: Duration::from_secs(15),
            progress: true,
            scores_to: None,
            reports: ReportFiles::default(),
            facts: Vec::new(),
            inject: Vec::new(),
        }
    }

    /// Settings for the embedded broker.
    pub fn for_embedded_broker(mut self) -> LoadPlan {
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        self.consumer_properties.extend(EmbeddedBroker::consumer_properties().map(own));
        self.producer_properties.extend(EmbeddedBroker::producer_properties().map(own));
        self.quiet = Duration::from_secs(5);
        self
    }

    /// Rows of the source that the run takes at most: what is behind them need not be read.
    pub fn rows_max(&self) -> u64 {
        if let Some(count) = self.preload {
            return count;
        }
        let expected = self.rate * (self.warm_up + self.duration).as_secs_f64();
        // Far beyond the spread of Poisson arrivals.
        (expected + 10.0 * expected.sqrt()) as u64 + 100
    }

    /// How long the generator's client waits for company, unless its properties say. Waiting counts as latency like
    /// everything after the due time.
    pub(super) fn linger_ms(&self) -> u32 {
        match self.preload {
            // Nothing is due at a time of its own: full requests fill a topic fastest.
            Some(_) => 5,
            None => 0,
        }
    }

    /// Both clients' properties, then the one's own.
    pub fn merged(&self, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        self.properties.iter().chain(own).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_wait_for_company_only_where_none_is_due() {
        let mut plan = LoadPlan::new("nowhere:1", Topics::default());
        assert_eq!(plan.linger_ms(), 0);
        plan.preload = Some(1);
        assert_eq!(plan.linger_ms(), 5);
    }
}

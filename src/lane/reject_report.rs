//! Tells of records that are rejected: at most one line per reason and interval for the whole process, with how many they
//! were and where the first of them is found, and an alarm on their share. The conductor's work, once a second; lanes only
//! count.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Reject;
use crate::observe::dead_letter_share::{Change, ShareWatch, SharedShare, Totals};
use crate::observe::reject_examples::RejectExample;
use crate::observe::stats::LaneStats;
use crate::values::limits::nanoseconds;

/// How often the counters are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Between two lines on one reason.
pub const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What was told of one reason.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    count: u64,
    at_ns: Option<u64>,
}

/// Looks at all lanes of the process.
#[derive(Debug, Default)]
pub struct RejectReport {
    lanes: Vec<Arc<LaneStats>>,
    told: [Told; Reject::REASONS],
    share: Option<ShareWatch>,
    next_look_ns: u64,
}

impl RejectReport {
    /// `alarm_share_per_million`: above that share of dead letters there is an alarm, which `shown` holds for readers.
    pub fn new(lanes: Vec<Arc<LaneStats>>, alarm_share_per_million: u64, shown: SharedShare) -> RejectReport {
        let share = Some(ShareWatch::new(alarm_share_per_million, shown));
        RejectReport { lanes, share, ..RejectReport::default() }
    }

    /// Called every few milliseconds.
    pub fn look(&mut self, now_ns: u64) {
        if now_ns < self.next_look_ns {
            return;
        }
        self.next_look_ns = now_ns + nanoseconds(LOOK_EVERY);
        let totals = Totals::of(&self.lanes);
        self.lines(&totals, now_ns, REPORT_EVERY).iter().for_each(|line| tracing::warn!("{line}"));
        match self.share.as_mut().and_then(|share| share.look(totals)) {
            Some(Change::Began(alarm)) => tracing::error!("alarm: {alarm}"),
            Some(Change::Ended(words)) => tracing::info!("the alarm on dead letters is over: {words}"),
            None => {}
        }
    }

    /// What was not told yet, when the lanes have ended.
    pub fn finish(&mut self, now_ns: u64) {
        let totals = Totals::of(&self.lanes);
        self.lines(&totals, now_ns, Duration::ZERO).iter().for_each(|line| tracing::warn!("{line}"));
    }

    /// Lines on reasons of which there is more to tell, and of which nothing was told for `every`.
    fn lines(&mut self, totals: &Totals, now_ns: u64, every: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        for reject in Reject::ALL {
            let index = reject.index();
            let (told, count) = (self.told[index], totals.rejected[index]);
            let silent_ns = told.at_ns.map(|at_ns| now_ns.saturating_sub(at_ns));
            if count == told.count || silent_ns.is_some_and(|silent| silent < nanoseconds(every)) {
                continue;
            }
            self.told[index] = Told { count, at_ns: Some(now_ns) };
            // Each lane's is given up, so that the next line has a new one.
            let examples: Vec<RejectExample> =
                self.lanes.iter().filter_map(|stats| stats.reject_examples.take(index)).collect();
            lines.push(line(reject, count - told.count, silent_ns, examples.first()));
        }
        lines
    }
}

fn line(reject: Reject, count: u64, silent_ns: Option<u64>, example: Option<&RejectExample>) -> String {
    let (reason, s) = (reject.reason(), if count == 1 { "" } else { "s" });
    let within = silent_ns.map_or_else(String::new, |ns| format!(" in {} s", (ns + 500_000_000) / 1_000_000_000));
    let example = example.map_or_else(String::new, |RejectExample { at, schema, message }| {
        let schema = if schema.is_empty() { String::new() } else { format!(", schema {schema}") };
        let message = if reject.feature().is_some() { format!(" ({message})") } else { String::new() };
        format!(", first at {at}{schema}{message}")
    });
    format!("{count} dead letter{s} with reason {reason}{within}{example}: {}", reject.meaning())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn example(at: &str, schema: &str, message: &str) -> RejectExample {
        RejectExample { at: at.into(), schema: schema.into(), message: message.into() }
    }

    #[test]
    fn each_reason_has_one_line_at_once_and_then_one_per_interval_over_all_lanes() {
        let lanes: Vec<Arc<LaneStats>> = (0..2).map(|_| Arc::default()).collect();
        let mut report = RejectReport::new(lanes.clone(), 50_000, SharedShare::default());
        let mut said = |now_s: u64| report.lines(&Totals::of(&report.lanes.clone()), now_s * SECOND, REPORT_EVERY);
        let reject = |lane: usize, reject: Reject, count: u64, example: RejectExample| {
            lanes[lane].rejected[reject.index()].add(count);
            if lanes[lane].reject_examples.wants(reject) {
                lanes[lane].reject_examples.keep(reject, example);
            }
        };
        assert!(said(0).is_empty());
        reject(0, Reject::UnknownSchema, 1, example("in-0-5", "4711", "unknown_schema at decode"));
        let first = said(1);
        assert_eq!(first.len(), 1);
        let begin =
            "1 dead letter with reason unknown_schema, first at in-0-5, schema 4711: neither schemas.directory nor";
        assert!(first[0].starts_with(begin), "{first:?}");

        reject(0, Reject::UnknownSchema, 300, example("in-0-6", "4711", "unknown_schema at decode"));
        reject(0, Reject::UnknownSchema, 10, example("in-0-400", "9", "unknown_schema at decode"));
        reject(1, Reject::UnknownSchema, 2, example("in-1-7", "4711", "unknown_schema at decode"));
        reject(1, Reject::MissingFeature(3), 4, example("in-1-9", "", "missing_feature in feature amount"));
        let other = said(2);
        assert_eq!(other.len(), 1, "the first reason waits for its interval: {other:?}");
        let begin = "4 dead letters with reason missing_feature, first at in-1-9 (missing_feature in feature amount): ";
        assert!(other[0].starts_with(begin), "{other:?}");
        assert!(said(10).is_empty());
        let later = said(11);
        let begin = "312 dead letters with reason unknown_schema in 10 s, first at in-0-6, schema 4711: ";
        assert!(later.len() == 1 && later[0].starts_with(begin), "{later:?}");
        assert!(said(100).is_empty(), "nothing new");
    }

    #[test]
    fn what_was_not_told_yet_is_told_at_the_end() {
        let lanes: Vec<Arc<LaneStats>> = vec![Arc::default()];
        let mut report = RejectReport::new(lanes.clone(), 50_000, SharedShare::default());
        lanes[0].rejected[Reject::Truncated.index()].add(1);
        report.look(SECOND);
        lanes[0].rejected[Reject::Truncated.index()].add(2);
        let totals = Totals::of(&lanes);
        assert!(report.lines(&totals, 2 * SECOND, REPORT_EVERY).is_empty());
        assert_eq!(report.lines(&totals, 2 * SECOND, Duration::ZERO).len(), 1);
        assert!(report.lines(&totals, 2 * SECOND, Duration::ZERO).is_empty());
    }
}

//! What challengers answered, read back from the topic of challenges: both answers stand in each row, so nothing is scored.

use std::collections::{BTreeMap, HashMap};

use super::INSPECT_TIMEOUT;
use super::report::{flips_max, ranges_in_words};
use crate::avro::challenge::{Challenge, ChallengeReader, Stand};
use crate::avro::written::Written;
use crate::compare::report::words;
use crate::compare::{
    Answer, Comparison, Count, Inputs, Kind, LabelledScores, Labels, Pair, Report, Side, Sides, Thresholds,
};
use crate::config::Config;
use crate::doors::{Clock, SourceRecord};
use crate::error::{Fatal, exit};
use crate::kafka::cluster::{self, starting_offsets};
use crate::kafka::consumer::RangeSource;
use crate::lane::clock::SystemClock;
use crate::node::OwnSchemas;
use crate::piece::places::Place;
use crate::piece::progress::Progress;
use crate::piece::ranges::{self, Range};
use crate::piece::reader::Reader;
use crate::values::record::Position;
use crate::values::topics::TopicRole;

/// Records taken at once.
const ROOM: usize = 1_024;

/// Pairs of champion and challenger in one report: whoever has changed more often has two reports to read.
const PAIRS_MAX: usize = 256;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    pub from: Place,
    pub to: Place,
    /// By the configuration's name; `None` where the topic holds one alone.
    pub challenger: Option<String>,
}

/// A champion and a challenger, each by model and thresholds.
#[derive(Clone, Debug, PartialEq)]
struct Rivals {
    champion: Side,
    challenger: Side,
}

/// What was found of one pair of them.
struct Found {
    rivals: Rivals,
    comparison: Comparison,
    labelled: LabelledScores,
    rows: u64,
    /// When the champion scored the last of them.
    last_us: i64,
}

/// What was found in the topic.
pub struct Findings {
    found: Vec<Found>,
    counts: Counts,
    failures: BTreeMap<String, u64>,
    topic: String,
    ranges: Vec<Range>,
    /// Those with rows in the range.
    names: BTreeMap<String, u64>,
    has_labels: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    read: u64,
    foreign: u64,
    other_input: u64,
    other_challenger: u64,
    doubled: u64,
    failed: u64,
}

/// Reads the rows and adds them up.
///
/// # Errors
/// [`exit::UNAVAILABLE`] when the cluster does not answer; [`exit::FAILED`] where there is nothing to read;
/// [`exit::USAGE`] where several challengers are there and none is named.
pub fn run(config: &Config, options: &Options, own: &OwnSchemas, labels: Option<&Labels>) -> Result<Findings, Fatal> {
    let clock = SystemClock::new();
    let topic = config.topics[TopicRole::Challenges].as_str();
    let partitions = cluster::partitions(&config.kafka, &[topic], INSPECT_TIMEOUT)?[0];
    let kept = starting_offsets::kept(&config.kafka, topic, partitions)?;
    let mut at_time = |ms| starting_offsets::at_time(&config.kafka, topic, partitions, ms);
    let now_ms = clock.wall_us() / 1_000;
    let ranges = ranges::between((&options.from, &options.to), &kept, now_ms, &mut at_time)?;
    let mut sums = Sums::new(config, options, own, labels);
    let mut progress = Progress::start("reading challenges", ranges.iter().map(Range::offsets).sum(), clock.now_ns());
    let mut reader = Reader::new(RangeSource::open(&config.kafka, topic)?, topic, clock);
    for range in &ranges {
        reader.begin(*range)?;
    }
    let (mut open, mut ended) = (ranges.len(), Vec::new());
    while open > 0 {
        for record in reader.poll(ROOM, &mut ended)? {
            sums.add(record.value().unwrap_or_default())?;
        }
        for range in &ended {
            reader.end(range.partition)?;
            open -= 1;
        }
        progress.show(sums.counts.read, clock.now_ns());
    }
    progress.finish();
    sums.finish(topic, ranges)
}

/// Rows on their way into sums.
struct Sums<'a> {
    rows: ChallengeReader,
    input: &'a [u8],
    wanted: Option<&'a str>,
    labels: Option<&'a Labels>,
    found: Vec<Found>,
    seen: Seen,
    counts: Counts,
    failures: BTreeMap<String, u64>,
    names: BTreeMap<String, u64>,
}

impl<'a> Sums<'a> {
    fn new(config: &'a Config, options: &'a Options, own: &OwnSchemas, labels: Option<&'a Labels>) -> Sums<'a> {
        Sums {
            rows: ChallengeReader::new(own.ids(Written::Challenges)),
            input: config.topics.input().as_bytes(),
            wanted: options.challenger.as_deref(),
            labels,
            found: Vec::new(),
            seen: Seen::default(),
            counts: Counts::default(),
            failures: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    fn add(&mut self, value: &[u8]) -> Result<(), Fatal> {
        self.counts.read += 1;
        let Some(row) = self.rows.read(value) else {
            self.counts.foreign += 1;
            return Ok(());
        };
        if row.topic != self.input {
            self.counts.other_input += 1;
            return Ok(());
        }
        let name = String::from_utf8_lossy(row.challenger);
        match self.names.get_mut(name.as_ref()) {
            Some(rows) => *rows += 1,
            None => {
                self.names.insert(name.clone().into_owned(), 1);
            }
        }
        if self.wanted.is_some_and(|wanted| wanted != name) {
            self.counts.other_challenger += 1;
            return Ok(());
        }
        if self.wanted.is_none() && self.names.len() > 1 {
            return Err(several(&self.names));
        }
        self.add_row(&row)
    }

    fn add_row(&mut self, row: &Challenge<'_>) -> Result<(), Fatal> {
        let place = self.place(row)?;
        let found = &mut self.found[place];
        if !self.seen.note((place, row.at)) {
            self.counts.doubled += 1;
            return Ok(());
        }
        found.rows += 1;
        found.last_us = found.last_us.max(row.scored_us);
        match row.answer {
            Ok((score, decision)) => {
                let before = Answer { score: row.champion_score, decision: row.champion_decision };
                let after = Answer { score, decision };
                let pair = Pair { at: row.at, id: row.id, before, after, inputs: Inputs::Unknown };
                found.comparison.add(&pair);
                if let Some(is_fraud) = self.labels.zip(row.id).and_then(|(labels, id)| labels.of(id)) {
                    found.labelled.add(before.score, after.score, is_fraud);
                }
            }
            Err(failure) => {
                self.counts.failed += 1;
                *self.failures.entry(String::from_utf8_lossy(failure).into_owned()).or_default() += 1;
            }
        }
        Ok(())
    }

    /// The place of this pair of packages; the last one first, since most rows are of it.
    fn place(&mut self, row: &Challenge<'_>) -> Result<usize, Fatal> {
        let is_it =
            |found: &Found| is_of(&found.rivals.champion, &row.champion) && is_of(&found.rivals.challenger, &row.model);
        if let Some(place) = self.found.iter().rposition(is_it) {
            return Ok(place);
        }
        if self.found.len() == PAIRS_MAX {
            let what = format!("the range holds more than {PAIRS_MAX} pairs of packages and thresholds");
            return Err(Fatal::new(exit::FAILED, what, "choose a smaller range with --from and --to"));
        }
        let rivals = Rivals {
            champion: side("champion", &row.champion),
            challenger: side(&format!("challenger {}", String::from_utf8_lossy(row.challenger)), &row.model),
        };
        let (comparison, labelled) = (Comparison::new(), LabelledScores::new());
        self.found.push(Found { rivals, comparison, labelled, rows: 0, last_us: i64::MIN });
        Ok(self.found.len() - 1)
    }

    fn finish(self, topic: &str, ranges: Vec<Range>) -> Result<Findings, Fatal> {
        let Sums { mut found, counts, failures, names, wanted, labels, .. } = self;
        if found.is_empty() {
            let there: Vec<&str> = names.keys().map(String::as_str).collect();
            let what = match wanted {
                Some(wanted) => format!("topic {topic} holds no row of challenger {wanted} in this range"),
                None => format!("topic {topic} holds no row of a challenger in this range"),
            };
            let fix = match there.is_empty() {
                true => "is topics.challenges the one that the node writes, and has it [[challengers]]?".to_owned(),
                false => format!("there are rows of {}", there.join(", ")),
            };
            return Err(Fatal::new(exit::FAILED, what, fix));
        }
        // The pair that answered last is the one that is judged.
        found.sort_by_key(|found| std::cmp::Reverse(found.last_us));
        Ok(Findings { found, counts, failures, topic: topic.to_owned(), ranges, names, has_labels: labels.is_some() })
    }
}

fn several(names: &BTreeMap<String, u64>) -> Fatal {
    let names: Vec<&str> = names.keys().map(String::as_str).collect();
    let what = format!("the topic holds rows of several challengers: {}", names.join(", "));
    Fatal::new(exit::USAGE, what, "name one with --challenger")
}

fn is_of(side: &Side, stand: &Stand<'_>) -> bool {
    side.sha256.as_bytes() == stand.sha256
        && side.version.as_bytes() == stand.version
        && side.package.as_bytes() == stand.name
        && side.thresholds_version.as_bytes() == stand.thresholds_version
        && side.thresholds.review.to_bits() == stand.review.to_bits()
        && side.thresholds.decline.to_bits() == stand.decline.to_bits()
}

fn side(role: &str, stand: &Stand<'_>) -> Side {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Side {
        role: role.to_owned(),
        package: text(stand.name),
        version: text(stand.version),
        sha256: text(stand.sha256),
        thresholds: Thresholds { review: stand.review, decline: stand.decline },
        thresholds_version: text(stand.thresholds_version),
    }
}

/// Rows that were seen, by pair and position: a bit for each offset, in blocks of neighbours.
#[derive(Default)]
struct Seen(HashMap<(usize, i32, i64), Box<[u64; SEEN_WORDS]>>);

const SEEN_WORDS: usize = 1_024;
const SEEN_OFFSETS: i64 = SEEN_WORDS as i64 * 64;

impl Seen {
    /// Returns whether it was not there before.
    fn note(&mut self, (pair, at): (usize, Position)) -> bool {
        let key = (pair, at.partition, at.offset.div_euclid(SEEN_OFFSETS));
        let bit = at.offset.rem_euclid(SEEN_OFFSETS) as usize;
        let word = &mut self.0.entry(key).or_insert_with(|| Box::new([0; SEEN_WORDS]))[bit / 64];
        let is_new = *word & (1 << (bit % 64)) == 0;
        *word |= 1 << (bit % 64);
        is_new
    }
}

/// The report. `known` are facts of whoever called: they come first among those of where all this is from.
pub fn report(findings: &Findings, max_flips: Option<f64>, known: Vec<(String, String)>) -> Report {
    let judged = &findings.found[0];
    let sides = Sides { before: judged.rivals.champion.clone(), after: judged.rivals.challenger.clone() };
    let labels = findings.has_labels.then_some(&judged.labelled);
    let mut report = Report::new(Kind::Challenge, sides, &judged.comparison, None, labels)
        .with_counts(counts(findings))
        .with_provenance(known)
        .with_provenance(provenance(findings));
    if let Some(share) = max_flips {
        report = report.with_bound(flips_max(share, judged.comparison.compared()));
    }
    let others = &findings.found[1..];
    if !others.is_empty() {
        let rows = others.iter().map(|found| found.rows).sum();
        let pairs = words::counted(others.len() as u64, "pair of packages", "pairs of packages");
        report = report.with_finding(format!(
            "{} are of {pairs} that answered before, and are not in these figures: choose another range for them.",
            words::counted(rows, "row", "rows")
        ));
    }
    if findings.counts.failed > 0 {
        let failed = words::counted(findings.counts.failed, "record has", "records have");
        report = report.with_finding(format!("{failed} no score of the challenger ({}).", failures(findings)));
    }
    report
}

fn failures(findings: &Findings) -> String {
    let words = findings.failures.iter().map(|(reason, rows)| format!("{reason} {}", words::count(*rows)));
    words.collect::<Vec<_>>().join(", ")
}

fn counts(findings: &Findings) -> Vec<Count> {
    let (judged, counts) = (&findings.found[0], findings.counts);
    let mut list = vec![
        Count::new("read", counts.read, "rows of the topic"),
        Count::new("compared", judged.comparison.compared(), "both have scored the record"),
    ];
    let mut more = |number: u64, name: &str, meaning: &str| {
        if number > 0 {
            list.push(Count::new(name, number, meaning));
        }
    };
    more(counts.failed, "no score", "of the challenger, by its row");
    more(counts.doubled, "doubled", "further rows of one record: the first one counts");
    more(findings.found[1..].iter().map(|found| found.rows).sum(), "other pairs", "of packages that answered before");
    more(counts.other_challenger, "other challengers", "rows of challengers that are not asked for");
    more(counts.other_input, "other input", "rows of another input topic");
    more(counts.foreign, "foreign", "in the topic, and no rows of any version");
    list
}

fn provenance(findings: &Findings) -> Vec<(String, String)> {
    let mut facts =
        vec![("topic".to_owned(), findings.topic.clone()), ("offsets".to_owned(), ranges_in_words(&findings.ranges))];
    let names = findings.names.iter().map(|(name, rows)| format!("{name} {}", words::count(*rows)));
    facts.push(("rows by challenger".to_owned(), names.collect::<Vec<_>>().join(", ")));
    for (number, found) in findings.found.iter().enumerate().skip(1) {
        let of = |side: &Side| {
            format!("{} {} ({}), thresholds {}", side.package, side.version, side.sha256, side.thresholds_version)
        };
        let Rivals { champion, challenger } = &found.rivals;
        let rows = words::counted(found.rows, "row", "rows");
        facts.push((format!("earlier pair {number}"), format!("{} beside {}: {rows}", of(challenger), of(champion))));
    }
    if !findings.failures.is_empty() {
        facts.push(("no score, by reason".to_owned(), failures(findings)));
    }
    let left_out = "are in no row: the node's /status and /metrics count them";
    facts.push(("records left out".to_owned(), left_out.to_owned()));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_seen_once_for_each_pair() {
        let mut seen = Seen::default();
        for offset in [0, 1, 63, 64, SEEN_OFFSETS - 1, SEEN_OFFSETS, 1 << 40] {
            for partition in [0, 7] {
                let at = Position { partition, offset };
                assert!(seen.note((0, at)) && !seen.note((0, at)) && seen.note((1, at)), "{at:?}");
            }
        }
    }
}

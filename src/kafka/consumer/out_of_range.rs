//! Partitions that cannot be read on: what happened, as the brokers tell it, and the way out.
//!
//! The client says that an offset is out of range and no more, and stops fetching (`auto.offset.reset = error`). So the
//! broker is asked what it keeps: records that were removed before they were read (retention, DeleteRecords) are another
//! thing than a log that ends before the offset (an unclean leader election, a topic made anew). Asked by the lane between
//! two polls, with a short limit, and again where nobody answers.

use crate::doors::{Progress, Stop, Why};
use crate::kafka::client::describe;
use crate::kafka::settings::KafkaSettings;

/// Between two questions, in calls of [`OutOfRange::is_due`], which come every
/// [`crate::values::limits::KEEP_AWAKE_EVERY`].
const ASK_EVERY: u32 = 20;

/// A partition whose offset the brokers do not have.
#[derive(Debug)]
pub struct OutOfRange {
    /// Where it would go on.
    pub at: Progress,
    /// The client has compared histories, and they differ.
    pub diverged: Option<String>,
    calls: u32,
    /// Questions without an answer.
    pub tries: u32,
}

impl OutOfRange {
    pub fn new(at: Progress, diverged: Option<String>) -> OutOfRange {
        OutOfRange { at, diverged, calls: 0, tries: 0 }
    }

    /// Whether it is time to ask; counts the call.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.calls.is_multiple_of(ASK_EVERY);
        self.calls += 1;
        is_due
    }
}

/// The commands by which an operator says where a partition goes on.
#[derive(Clone, Debug)]
pub struct OffsetReset {
    topic: String,
    group: String,
    /// `kafka-consumer-groups.sh` with everything but the partition and the place.
    tool: String,
}

impl OffsetReset {
    pub fn of(settings: &KafkaSettings, topic: &str) -> OffsetReset {
        let is_plain = !settings.properties.contains_key("security.protocol")
            && !settings.consumer_properties.contains_key("security.protocol");
        let login = if is_plain { "" } else { " --command-config FILE" };
        let (bootstrap, group) = (&settings.bootstrap, &settings.group);
        let tool = format!("kafka-consumer-groups.sh --bootstrap-server {bootstrap}{login} --group {group}");
        OffsetReset { topic: topic.to_owned(), group: group.clone(), tool }
    }

    /// Asks the node that has the partition.
    fn seek(&self, partition: i32, to: &str) -> String {
        format!("`scorewire seek {}:{partition}:{to}` on this node, with node.state_directory", self.topic)
    }

    /// Kafka moves no offset of a group that has members.
    fn reset(&self, partition: i32, to: &str) -> String {
        let OffsetReset { topic, group, tool } = self;
        format!(
            "stop every process of group {group}, run `{tool} --topic {topic}:{partition} --reset-offsets {to} --execute`, \
             and start them"
        )
    }

    /// Records were removed before they were read.
    fn removed(&self, at: Progress, kept: (i64, i64)) -> Stop {
        let (OffsetReset { topic, .. }, Progress { partition, offset: next }, (first, end)) = (self, at, kept);
        let lost = first - next;
        Stop {
            why: Why::OffsetOutOfRange,
            next,
            kept: Some(kept),
            words: format!(
                "offset out of range: records of {topic}-{partition} were removed before they were read. The next offset \
                 is {next}, the first one kept is {first}: {lost} offsets are lost (the log ends at {end})"
            ),
            fix: format!(
                "to go on at {first} without them: {}; or set kafka.on_offset_out_of_range = \"earliest\" and restart this \
                 process; or {}. If this came from lag, raise retention.ms of the topic or add lanes",
                self.seek(partition, &first.to_string()),
                self.reset(partition, "--to-earliest")
            ),
        }
    }

    /// The log ends before the offset, or has another history.
    pub fn truncated(&self, at: Progress, kept: Option<(i64, i64)>, diverged: Option<&str>) -> Stop {
        let (OffsetReset { topic, .. }, Progress { partition, offset: next }) = (self, at);
        let why = "an unclean leader election cut it, or the topic was deleted and made again";
        let what = match (kept, diverged) {
            (Some((_, end)), _) if next > end => {
                format!("the log of {topic}-{partition} ends at {end}, before the next offset {next}: {why}")
            }
            (_, said) => format!(
                "the log of {topic}-{partition} is not the one that was read up to offset {next}: {why} ({})",
                said.unwrap_or("the client says no more")
            ),
        };
        let to = kept.map_or_else(|| "OFFSET".to_owned(), |(_, end)| end.to_string());
        Stop {
            why: Why::LogTruncated,
            next,
            kept,
            words: format!("{what}. Nothing is passed over and nothing scored twice unasked"),
            fix: format!(
                "say where to go on: {}; or {}. Where the topic was made again: --to-earliest instead of --to-offset {to}",
                self.seek(partition, &format!("{to} --repeat")),
                self.reset(partition, &format!("--to-offset {to}"))
            ),
        }
    }

    /// Out of range, and nobody says what is kept.
    pub fn unknown(&self, at: Progress, why: &str) -> Stop {
        let (OffsetReset { topic, .. }, Progress { partition, offset: next }) = (self, at);
        Stop {
            why: Why::OffsetOutOfRange,
            next,
            kept: None,
            words: format!(
                "offset out of range: the brokers do not have offset {next} of {topic}-{partition}, the next one, and do \
                 not say what they have: {why}"
            ),
            fix: format!(
                "`{} --describe` shows the group's offsets; restart this process when the brokers answer, or {}",
                self.tool,
                self.reset(partition, "--to-earliest")
            ),
        }
    }

    /// The client cannot make records of what it was given.
    pub fn unreadable(&self, at: Progress, code: i32, said: &str, is_too_large: bool) -> Stop {
        let (OffsetReset { topic, .. }, Progress { partition, offset: next }) = (self, at);
        let mend = if is_too_large {
            "raise \"receive.message.max.bytes\" in [kafka.consumer.properties] and restart this process"
        } else {
            "restart this process when another replica leads the partition (kafka-dump-log.sh --deep-iteration shows the \
             batch on the brokers' disks)"
        };
        Stop {
            why: Why::Unreadable,
            next,
            kept: None,
            words: format!(
                "what follows at offset {next} of {topic}-{partition} cannot be read: {}: {said}",
                describe(code)
            ),
            fix: format!(
                "{mend}. To pass it over: {}; or {}, with the first offset behind the batch",
                self.seek(partition, "OFFSET"),
                self.reset(partition, "--to-offset OFFSET")
            ),
        }
    }
}

/// What the broker's answer makes of an offset out of range; `None`: it is in range by now.
pub fn judge(offset_reset: &OffsetReset, found: &OutOfRange, kept: (i64, i64)) -> Option<Stop> {
    let (at, (first, end)) = (found.at, kept);
    if at.offset < 0 && found.diverged.is_none() {
        return Some(
            offset_reset.unknown(at, &format!("they keep {first} to {end}, and the client forgot where it stood")),
        );
    }
    if found.diverged.is_some() || at.offset > end {
        return Some(offset_reset.truncated(at, Some(kept), found.diverged.as_deref()));
    }
    (at.offset < first).then(|| offset_reset.removed(at, kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::settings::{GroupProtocol, Membership, WithoutOffsets};

    fn settings() -> KafkaSettings {
        KafkaSettings {
            bootstrap: "b:9092".into(),
            group: "g".into(),
            node: "n".into(),
            start_at: None,
            without_offsets: WithoutOffsets::Refuse,
            group_protocol: GroupProtocol::Classic,
            membership: Membership::Dynamic,
            properties: Default::default(),
            consumer_properties: Default::default(),
            producer_properties: Default::default(),
            password_files: Default::default(),
        }
    }

    fn offset_reset() -> OffsetReset {
        OffsetReset::of(&settings(), "in")
    }

    fn judged(offset: i64, kept: (i64, i64), diverged: Option<&str>) -> Option<Stop> {
        judge(&offset_reset(), &OutOfRange::new(Progress { partition: 3, offset }, diverged.map(str::to_owned)), kept)
    }

    #[test]
    fn records_that_were_removed_are_counted_and_a_log_that_was_cut_never_is_passed_over() {
        let removed = judged(10, (15, 40), None).unwrap();
        assert_eq!((removed.why, removed.lost(), removed.first_kept()), (Why::OffsetOutOfRange, 5, Some(15)));
        for said in ["next offset is 10", "first one kept is 15", "5 offsets are lost", "in-3"] {
            assert!(removed.words.contains(said), "{}", removed.words);
        }
        let command = "kafka-consumer-groups.sh --bootstrap-server b:9092 --group g --topic in:3 --reset-offsets --to-earliest \
                       --execute";
        assert!(removed.fix.contains(command) && removed.fix.contains("on_offset_out_of_range"), "{}", removed.fix);
        // All of them are gone.
        assert_eq!(judged(10, (40, 40), None).unwrap().first_kept(), Some(40));

        let cut = judged(41, (15, 40), None).unwrap();
        assert_eq!((cut.why, cut.lost(), cut.first_kept()), (Why::LogTruncated, 0, None));
        assert!(cut.words.contains("ends at 40, before the next offset 41"), "{}", cut.words);
        assert!(cut.fix.contains("--to-offset 40") && !cut.fix.contains("on_offset_out_of_range"), "{}", cut.fix);

        // The offset is there again, and stands in another history.
        let other = judged(20, (15, 40), Some("truncation detected")).unwrap();
        assert_eq!((other.why, other.first_kept()), (Why::LogTruncated, None));
        assert!(other.words.contains("not the one that was read up to offset 20"), "{}", other.words);
        assert_eq!(judged(5, (15, 40), Some("truncation detected")).unwrap().first_kept(), None);

        assert_eq!(judged(-1, (15, 40), None).unwrap().first_kept(), None, "nobody knows where it stood");
        assert_eq!(judged(15, (15, 40), None), None, "in range: nobody stops");
        assert_eq!(judged(40, (15, 40), None), None, "at the end as well");
    }

    #[test]
    fn a_cluster_with_a_login_is_told_so_in_the_command() {
        let mut settings = settings();
        settings.properties.insert("security.protocol".into(), "SASL_SSL".into());
        let stop = OffsetReset::of(&settings, "in").unreadable(Progress { partition: 0, offset: 7 }, 2, "crc", false);
        assert!(
            stop.fix.contains("--bootstrap-server b:9092 --command-config FILE --group g --topic in:0"),
            "{}",
            stop.fix
        );
        assert!(stop.words.contains("offset 7") && stop.words.contains("crc"), "{}", stop.words);
    }

    #[test]
    fn nobody_is_asked_more_often_than_once_a_second() {
        let mut found = OutOfRange::new(Progress { partition: 0, offset: 0 }, None);
        let asked = (0..3 * ASK_EVERY).filter(|_| found.is_due()).count();
        assert_eq!(asked, 3);
    }
}

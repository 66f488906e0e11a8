//! What the settings of a topic mean for the outcomes that go into it, or the records that come out of it.

use crate::kafka::client::admin::Settings;
use crate::kafka::client::metadata::Copies;
use crate::values::finding::Finding;
use crate::values::topics::{Destination, TopicRole};

/// What the settings are measured by.
#[derive(Clone, Copy, Debug)]
pub(in crate::kafka) struct Wanted {
    /// `limits.outcome_bytes_max`.
    pub outcome_bytes: u64,
    /// The largest batch that the producer sends.
    pub batch_bytes: u64,
    pub brokers: usize,
    /// `retention.ms` of the input, where it is known and bounded.
    pub input_kept_ms: Option<u64>,
}

const DAY_MS: u64 = 86_400_000;

/// Every point to be told of one topic.
pub(in crate::kafka) fn judge(
    role: TopicRole,
    name: &str,
    settings: &Settings,
    partitions: &[Copies],
    wanted: Wanted,
) -> Vec<Finding> {
    let of = Of { role, name, settings };
    let mut findings = Vec::new();
    if role == TopicRole::Input {
        findings.extend(of.input_is_compacted());
        return findings;
    }
    findings.extend(of.copies(partitions, wanted.brokers));
    findings.extend(of.is_compacted());
    findings.extend(of.takes_batches(wanted));
    findings.extend(of.takes_old_timestamps(wanted));
    findings.extend(of.is_kept_for_review());
    findings
}

/// How long a topic keeps its records, where that is bounded.
pub(in crate::kafka) fn kept_ms(settings: &Settings) -> Option<u64> {
    settings.get("retention.ms")?.parse().ok()
}

struct Of<'a> {
    role: TopicRole,
    name: &'a str,
    settings: &'a Settings,
}

impl Of<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        self.settings.get(name)?.parse().ok()
    }

    fn set(&self, setting: &str) -> String {
        let name = self.name;
        format!(
            "kafka-configs.sh --bootstrap-server BROKER --alter --entity-type topics --entity-name {name} --add-config {setting}"
        )
    }

    fn compacts(&self) -> bool {
        self.settings.get("cleanup.policy").is_some_and(|policy| policy.contains("compact"))
    }

    fn input_is_compacted(&self) -> Option<Finding> {
        let name = self.name;
        self.compacts().then(|| {
            Finding::warning(
                format!(
                    "topic {name} ({}) is compacted: a record that a later one of its key has replaced before it was read is \
                     never scored, and a delete marker becomes a dead letter (tombstone)",
                    self.role.key()
                ),
                format!("if every record is to be scored: {}", self.set("cleanup.policy=delete")),
            )
        })
    }

    fn is_compacted(&self) -> Option<Finding> {
        let name = self.name;
        self.compacts().then(|| {
            Finding::warning(
                format!(
                    "topic {name} ({}) is compacted: it keeps the last outcome of a key only, and brokers refuse outcomes of \
                     records without a key",
                    self.role.key()
                ),
                self.set("cleanup.policy=delete"),
            )
        })
    }

    fn copies(&self, partitions: &[Copies], brokers: usize) -> Option<Finding> {
        let (name, key) = (self.name, self.role.key());
        let replicas = partitions.iter().map(|copies| copies.replicas).min()?;
        let least = usize::try_from(self.number("min.insync.replicas")?).ok()?;
        if least > replicas {
            return Some(Finding::problem(
                format!(
                    "topic {name} ({key}): min.insync.replicas = {least} and {replicas} replicas: brokers take no outcome"
                ),
                format!(
                    "{}, or give the topic more replicas",
                    self.set(&format!("min.insync.replicas={}", replicas.max(2) - 1))
                ),
            ));
        }
        let short: Vec<usize> = (0..partitions.len()).filter(|&at| partitions[at].in_sync < least).collect();
        if let Some(first) = short.first() {
            return Some(Finding::problem(
                format!(
                    "topic {name} ({key}): {} of {} partitions (the first is {first}) have fewer replicas in sync than \
                     min.insync.replicas = {least}: brokers take no outcome for them now",
                    short.len(),
                    partitions.len()
                ),
                "bring the brokers back that hold their replicas: kafka-topics.sh --describe --under-min-isr-partitions names them",
            ));
        }
        if replicas == 1 {
            // One broker has no choice.
            return (brokers > 1).then(|| {
                Finding::warning(
                    format!("topic {name} ({key}) has one replica: its outcomes are lost with their broker's disk"),
                    "create it anew with --replication-factor 3 and min.insync.replicas=2, where there are three brokers",
                )
            });
        }
        (least == 1).then(|| {
            Finding::warning(
                format!(
                    "topic {name} ({key}): {replicas} replicas and min.insync.replicas = 1: an outcome that one broker alone has \
                     counts as delivered, and is lost with it"
                ),
                self.set("min.insync.replicas=2"),
            )
        })
    }

    fn takes_batches(&self, wanted: Wanted) -> Vec<Finding> {
        let (name, key) = (self.name, self.role.key());
        let Some(largest) = self.number("max.message.bytes") else { return Vec::new() };
        let mut findings = Vec::new();
        if wanted.batch_bytes > largest {
            findings.push(Finding::problem(
                format!(
                    "topic {name} ({key}): max.message.bytes = {largest}, and the producer gathers batches of up to {} bytes: \
                     under load the broker refuses them",
                    wanted.batch_bytes
                ),
                format!("set \"batch.size\" = {largest} in [kafka.producer.properties], or: {}", self.set(&format!("max.message.bytes={}", wanted.batch_bytes + 100))),
            ));
        }
        if wanted.outcome_bytes > largest {
            findings.push(Finding::warning(
                format!(
                    "topic {name} ({key}): max.message.bytes = {largest} is less than limits.outcome_bytes_max = {}: a larger \
                     outcome is refused by the broker instead of leaving as a dead letter without payload",
                    wanted.outcome_bytes
                ),
                format!("set limits.outcome_bytes_max to {} or less", largest.saturating_sub(100)),
            ));
        }
        findings
    }

    /// Dead letters keep the timestamps of their records.
    fn takes_old_timestamps(&self, wanted: Wanted) -> Option<Finding> {
        let name = self.name;
        let keeps_ours = self.settings.get("message.timestamp.type").is_none_or(|kind| kind == "CreateTime");
        if self.role != TopicRole::For(Destination::DeadLetters) || !keeps_ours {
            return None;
        }
        let oldest = self.number("message.timestamp.before.max.ms").filter(|ms| *ms < i64::MAX as u64)?;
        wanted.input_kept_ms.is_none_or(|kept| oldest < kept).then(|| {
            Finding::warning(
                format!(
                    "topic {name} ({}): message.timestamp.before.max.ms = {oldest} is less than the input keeps its records for: \
                     dead letters have the timestamps of their records, and those of older ones are refused",
                    self.role.key()
                ),
                self.set("message.timestamp.type=LogAppendTime"),
            )
        })
    }

    fn is_kept_for_review(&self) -> Option<Finding> {
        let kept = kept_ms(self.settings).filter(|_| self.role == TopicRole::For(Destination::Review))?;
        let (name, hours) = (self.name, kept / 3_600_000);
        (kept < DAY_MS).then(|| {
            Finding::warning(
                format!("topic {name} (topics.review) keeps its records for {hours} h: what nobody has reviewed by then is gone"),
                self.set("retention.ms=604800000"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::finding::Verdict;
    use crate::values::topics::TOPICS;

    const WANTED: Wanted =
        Wanted { outcome_bytes: 1_000_000, batch_bytes: 1_000_000, brokers: 3, input_kept_ms: Some(7 * DAY_MS) };

    /// As a broker answers for a topic with three replicas of which two must have a record.
    fn sound(changed: &[(&str, &str)]) -> Settings {
        let defaults = [
            ("cleanup.policy", "delete"),
            ("max.message.bytes", "1048588"),
            ("message.timestamp.type", "CreateTime"),
            ("message.timestamp.before.max.ms", "9223372036854775807"),
            ("min.insync.replicas", "2"),
            ("retention.ms", "604800000"),
        ];
        defaults.iter().chain(changed).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn copies(replicas: usize, in_sync: usize) -> Vec<Copies> {
        vec![Copies { leader: 1, replicas, in_sync: replicas }, Copies { leader: 1, replicas, in_sync }]
    }

    #[track_caller]
    fn one(of: impl Into<TopicRole>, changed: &[(&str, &str)], partitions: &[Copies], verdict: Verdict, says: &str) {
        let role = of.into();
        let findings = judge(role, "t", &sound(changed), partitions, WANTED);
        assert_eq!(findings.len(), 1, "{findings:?}");
        let Finding { verdict: found, what, fix } = &findings[0];
        assert_eq!((*found, what.contains(says), fix.is_some()), (verdict, true, true), "no {says:?} in {findings:?}");
        assert!(what.contains("topic t (") && what.contains(role.key()), "{what}");
    }

    #[test]
    fn a_sound_topic_gives_nothing_to_say() {
        for role in TOPICS.iter().map(|topic| topic.role) {
            assert_eq!(judge(role, "t", &sound(&[]), &copies(3, 3), WANTED), [], "{role:?}");
        }
        let silent = judge(Destination::Outputs.into(), "t", &Settings::new(), &copies(1, 1), WANTED);
        assert_eq!(silent, [], "what the brokers do not tell is no finding");
    }

    #[test]
    fn compaction_is_told_for_what_it_does_to_each_topic() {
        let compact = [("cleanup.policy", "delete,compact")];
        one(TopicRole::Input, &compact, &copies(3, 3), Verdict::Warning, "never scored");
        one(Destination::DeadLetters, &compact, &copies(3, 3), Verdict::Warning, "without a key");
        one(Destination::Outputs, &compact, &copies(3, 3), Verdict::Warning, "last outcome of a key");
    }

    #[test]
    fn replicas_are_held_against_what_an_acknowledgement_needs() {
        one(Destination::Outputs, &[("min.insync.replicas", "1")], &copies(3, 3), Verdict::Warning, "is lost with it");
        one(Destination::Outputs, &[("min.insync.replicas", "4")], &copies(3, 3), Verdict::Problem, "take no outcome");
        one(Destination::Review, &[], &copies(3, 1), Verdict::Problem, "1 of 2 partitions (the first is 1)");
        one(Destination::Timeouts, &[("min.insync.replicas", "1")], &copies(1, 1), Verdict::Warning, "one replica");
        let input = judge(TopicRole::Input, "t", &sound(&[("min.insync.replicas", "1")]), &copies(3, 3), WANTED);
        assert_eq!(input, [], "who writes the input answers for it");
    }

    #[test]
    fn sizes_times_and_retention_are_held_against_the_settings() {
        let small =
            judge(Destination::Outputs.into(), "t", &sound(&[("max.message.bytes", "65536")]), &copies(3, 3), WANTED);
        let verdicts: Vec<Verdict> = small.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Problem, Verdict::Warning], "{small:?}");
        assert!(small[0].fix.as_ref().is_some_and(|fix| fix.contains("\"batch.size\" = 65536")), "{small:?}");
        let day = [("message.timestamp.before.max.ms", "86400000")];
        one(Destination::DeadLetters, &day, &copies(3, 3), Verdict::Warning, "before.max.ms = 86400000");
        let stamped = [day[0], ("message.timestamp.type", "LogAppendTime")];
        assert_eq!(judge(Destination::DeadLetters.into(), "t", &sound(&stamped), &copies(3, 3), WANTED), []);
        one(Destination::Review, &[("retention.ms", "3600000")], &copies(3, 3), Verdict::Warning, "for 1 h");
        assert_eq!(
            judge(Destination::Review.into(), "t", &sound(&[("retention.ms", "-1")]), &copies(3, 3), WANTED),
            []
        );
    }
}

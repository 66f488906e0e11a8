//! Where an outcome comes from, read back from its value.

use super::feature::{Feature, Transform, Wanted};
use super::plan::Plan;
use super::problem::PlanError;
use super::schemas::AvroSchema;
use super::wire::detect;
use super::written::Written;
use crate::values::record::{SchemaKey, TransactionId};
use crate::values::schemas::WireForms;

/// Columns of the plan's row.
const IS_OF_TOPIC: usize = 0;
const PARTITION: usize = 1;

/// What an output's value says about its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A record of the topic asked for.
    Record { partition: i32, offset: i64 },
    /// An outcome of another topic.
    OtherTopic,
    /// No outcome as any version writes them.
    Unknown,
}

/// Reads the source of outputs, or of review copies, of any version; by plans, as records are read.
pub struct OriginReader {
    versions: Vec<VersionReader>,
}

struct VersionReader {
    number: u32,
    /// Its fingerprint, and ids under which it is registered.
    own: Vec<SchemaKey>,
    plan: Plan,
    id_plan: Plan,
}

impl VersionReader {
    fn new(number: u32, schema: &AvroSchema, topic: &str) -> Result<VersionReader, PlanError> {
        let column = |name: &str, transform| Feature {
            name: name.to_owned(),
            path: format!("source.{name}"),
            transform,
            then: Vec::new(),
            missing: None,
            min: None,
            max: None,
        };
        let wanted = Wanted {
            features: vec![
                column("topic", Transform::Equals(topic.to_owned())),
                // Exact in a column of 32 bits: Kafka has far fewer partitions than 2^24.
                column("partition", Transform::Number),
            ],
            // All of its 64 bits.
            transaction_id: Some("source.offset".to_owned()),
            event_time: None,
        };
        let id = Wanted { transaction_id: Some("transaction_id".to_owned()), ..Wanted::default() };
        Ok(VersionReader {
            number,
            own: vec![SchemaKey::Fingerprint(schema.fingerprint())],
            plan: Plan::compile(schema, schema, &wanted)?,
            id_plan: Plan::compile(schema, schema, &id)?,
        })
    }
}

impl OriginReader {
    /// `topic`: the input that outcomes are looked for.
    ///
    /// # Errors
    /// A schema that does not name transaction and source as ours do.
    pub fn new(of: Written, topic: &str) -> Result<OriginReader, PlanError> {
        let versions = of.versions().iter().map(|version| VersionReader::new(version.number, &version.schema(), topic));
        Ok(OriginReader { versions: versions.collect::<Result<_, _>>()? })
    }

    /// The same for values that carry an id of the registry: numbers of versions, and their ids.
    pub fn with_ids(mut self, ids: &[(u32, u32)]) -> OriginReader {
        for (number, id) in ids {
            if let Some(version) = self.versions.iter_mut().find(|version| version.number == *number) {
                version.own.push(SchemaKey::Id(*id));
            }
        }
        self
    }

    /// Whose value it is, and where the datum begins.
    fn version_of(&self, value: &[u8]) -> Option<(&VersionReader, usize)> {
        let forms = WireForms { guid: false, id: true, single_object: true, raw: false };
        let (key, start) = detect(None, value, forms).ok()?;
        Some((self.versions.iter().find(|version| version.own.contains(&key))?, start))
    }

    /// The transaction's id, where it has one.
    pub fn id<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let (version, start) = self.version_of(value)?;
        match version.id_plan.decode(value, start, &mut []).ok()? {
            (TransactionId::Text { start, len }, _) => value.get(start as usize..)?.get(..len as usize),
            _ => None,
        }
    }

    pub fn origin(&self, value: &[u8]) -> Origin {
        let Some((version, start)) = self.version_of(value) else { return Origin::Unknown };
        let mut row = [0.0_f32; 2];
        match version.plan.decode(value, start, &mut row) {
            Ok((TransactionId::Long(offset), _)) if row[IS_OF_TOPIC] == 1.0 => {
                Origin::Record { partition: row[PARTITION] as i32, offset }
            }
            Ok(_) => Origin::OtherTopic,
            Err(_) => Origin::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::encode::{OutcomeEncoder, OutcomeIdentity};
    use crate::values::fingerprint::Fingerprint;
    use crate::values::model::Provider;
    use crate::values::record::{Decision, Decoded, Position, ReviewReason, Scored};

    fn encoder(topic: &str) -> OutcomeEncoder {
        OutcomeEncoder::new(&OutcomeIdentity {
            review_threshold: 0.25,
            decline_threshold: 0.75,
            thresholds_version: "1".into(),
            node: "n".into(),
            lane: 0,
            model_name: "m".into(),
            model_version: "1".into(),
            model_sha256: "00".into(),
            provider: Provider::Cpu,
            topic: topic.into(),
            fallback_step: None,
        })
    }

    fn scored(id: TransactionId) -> Scored<'static> {
        Scored {
            payload: b"tx-1",
            // More than a float holds, and the largest partition that the column does.
            position: Position { partition: (1 << 24) - 1, offset: (1 << 60) + 1 },
            source_timestamp_ms: -1,
            decoded: Decoded { id, event_time_ms: None, schema: SchemaKey::Raw },
            score: 0.5,
            decision: Decision::Review,
            late: false,
            epoch: 1,
            fingerprint: None,
            amends: None,
            received_us: 1,
            scored_us: 2,
        }
    }

    const SOURCE: Origin = Origin::Record { partition: (1 << 24) - 1, offset: (1 << 60) + 1 };

    #[test]
    fn what_was_written_says_where_it_comes_from() {
        let (mut output, mut copy) = (Vec::new(), Vec::new());
        let with_id = scored(TransactionId::Text { start: 0, len: 4 });
        encoder("in").encode_output(&with_id, &mut output);
        encoder("in").encode_review(&with_id, ReviewReason::Band, Some(b"payload"), &mut copy);
        let outputs = OriginReader::new(Written::Outputs, "in").unwrap();
        let copies = OriginReader::new(Written::Review, "in").unwrap();
        assert_eq!((outputs.origin(&output), outputs.id(&output)), (SOURCE, Some(&b"tx-1"[..])));
        assert_eq!((copies.origin(&copy), copies.id(&copy)), (SOURCE, Some(&b"tx-1"[..])));
        assert_eq!((outputs.origin(&copy), copies.origin(&output)), (Origin::Unknown, Origin::Unknown));
        encoder("in").encode_output(&scored(TransactionId::Absent), &mut output);
        assert_eq!((outputs.origin(&output), outputs.id(&output)), (SOURCE, None));
        let with_fingerprint = Scored { fingerprint: Some(Fingerprint([0xff; 16])), ..with_id };
        encoder("in").encode_output(&with_fingerprint, &mut output);
        assert_eq!((outputs.origin(&output), outputs.id(&output)), (SOURCE, Some(&b"tx-1"[..])));
    }

    #[test]
    fn outputs_of_the_first_version_say_it_too() {
        let mut output = Vec::new();
        encoder("in").encode_output(&scored(TransactionId::Text { start: 0, len: 4 }), &mut output);
        let [.., first] = Written::Outputs.versions() else { panic!("no versions") };
        assert_eq!(first.number, 1);
        output[2..10].copy_from_slice(&first.schema().fingerprint().to_le_bytes());
        let reader = OriginReader::new(Written::Outputs, "in").unwrap();
        assert_eq!(reader.origin(&output), Origin::Unknown, "a version's fields are its own");
        output.truncate(output.len() - 6);
        assert_eq!((reader.origin(&output), reader.id(&output)), (SOURCE, Some(&b"tx-1"[..])));
    }

    #[test]
    fn outcomes_of_others_and_spoilt_ones_are_told_apart() {
        let reader = OriginReader::new(Written::Outputs, "in").unwrap();
        let mut output = Vec::new();
        encoder("in2").encode_output(&scored(TransactionId::Absent), &mut output);
        assert_eq!(reader.origin(&output), Origin::OtherTopic);
        for spoilt in [&output[..output.len() - 1], &output[..9], &output[1..], b"", &[&output[..], b"x"].concat()] {
            assert_eq!(reader.origin(spoilt), Origin::Unknown, "{spoilt:02x?}");
        }
    }

    #[test]
    fn outputs_with_an_id_of_the_registry_say_it_where_the_id_is_ours() {
        use crate::avro::encode::{OutcomeForms, OutputForm};
        let forms = OutcomeForms {
            outputs: OutputForm::RegistryId(7),
            review: OutputForm::RegistryId(8),
            ..OutcomeForms::default()
        };
        let mut output = Vec::new();
        encoder("in").with_forms(forms).encode_output(&scored(TransactionId::Text { start: 0, len: 4 }), &mut output);
        let newest = Written::Outputs.versions()[0].number;
        let reader = |ids: &[(u32, u32)]| OriginReader::new(Written::Outputs, "in").unwrap().with_ids(ids);
        assert_eq!(reader(&[(newest, 7)]).origin(&output), SOURCE);
        assert_eq!(reader(&[(newest, 7)]).id(&output), Some(&b"tx-1"[..]));
        for others in [&[][..], &[(newest, 8)], &[(99, 7)]] {
            assert_eq!(reader(others).origin(&output), Origin::Unknown);
        }
    }
}

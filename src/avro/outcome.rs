//! Where an outcome comes from, read back from an output's value.

use super::encode::output_schema;
use super::feature::{Feature, Transform, Wanted};
use super::plan::Plan;
use super::problem::PlanError;
use super::schemas::AvroSchema;
use super::wire::{Accept, detect};
use crate::record::{SchemaKey, TransactionId};

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
    /// No output as this version writes them.
    Unknown,
}

/// Reads the source of outputs in single-object encoding. It reads what decodes records, by the same plans.
pub struct OriginReader {
    schema: AvroSchema,
    plan: Plan,
}

impl OriginReader {
    /// `topic`: the input that outcomes are looked for.
    ///
    /// # Errors
    /// None, as long as the schema of outputs names topic, partition and offset of the source.
    pub fn new(topic: &str) -> Result<OriginReader, PlanError> {
        let schema = output_schema();
        let column = |name: &str, transform| Feature {
            name: name.to_owned(),
            path: format!("source.{name}"),
            transform,
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
        let plan = compile(&schema, &wanted)?;
        Ok(OriginReader { schema, plan })
    }

    pub fn origin(&self, value: &[u8]) -> Origin {
        let own = SchemaKey::Fingerprint(self.schema.fingerprint());
        let single = Accept { guid: false, id: false, single_object: true, raw: false };
        let Ok((key, start)) = detect(None, value, single) else { return Origin::Unknown };
        if key != own {
            return Origin::Unknown;
        }
        let mut row = [0.0_f32; 2];
        match self.plan.decode(value, start, &mut row) {
            Ok((TransactionId::Long(offset), _)) if row[IS_OF_TOPIC] == 1.0 => {
                Origin::Record { partition: row[PARTITION] as i32, offset }
            }
            Ok(_) => Origin::OtherTopic,
            Err(_) => Origin::Unknown,
        }
    }
}

fn compile(schema: &AvroSchema, wanted: &Wanted) -> Result<Plan, PlanError> {
    Plan::compile(schema.schema(), schema.schema(), wanted)
}

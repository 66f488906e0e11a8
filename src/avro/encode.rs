//! Outcomes as bytes: by the newest schemas of [`super::written`], by hand into a reused buffer. What is the same for every
//! record of a lane is encoded once, and what is the same for most of them only where it changes.

use super::datum::{Gathered, LONG_BYTES_MAX, NULL, PRESENT};
use super::schemas::AvroSchema;
use super::wire::SINGLE_OBJECT_MAGIC;
use super::written::Written;
use crate::values::fingerprint::Fingerprint;
use crate::values::model::Provider;
use crate::values::record::{Amends, Decision, ReviewReason, SchemaKey, Scored, TransactionId};

/// A fingerprint's branch and its bytes.
const FINGERPRINT_BYTES_MAX: usize = 1 + size_of::<Fingerprint>();

/// Fields that are null until what they are for is there: remote provider, challenger.
const PLANNED: usize = 2;

/// Of a GUID: two nulls, its branch, its length and 36 characters.
const SCHEMA_KEY_BYTES_MAX: usize = 2 + 1 + 1 + 36;

/// How the consumer finds the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputForm {
    /// `C3 01` + fingerprint: needs no registry.
    SingleObject,
    /// `00` + the id under which the schema is registered.
    RegistryId(u32),
}

/// Those of outputs, of copies for review and of challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeForms {
    pub outputs: OutputForm,
    pub review: OutputForm,
    pub challenges: OutputForm,
}

impl Default for OutcomeForms {
    /// As without a registry.
    fn default() -> OutcomeForms {
        let single = OutputForm::SingleObject;
        OutcomeForms { outputs: single, review: single, challenges: single }
    }
}

/// What every outcome of a lane has in common.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeIdentity {
    pub review_threshold: f64,
    pub decline_threshold: f64,
    pub thresholds_version: String,
    pub node: String,
    pub lane: u32,
    pub model_name: String,
    pub model_version: String,
    pub model_sha256: String,
    pub provider: Provider,
    /// The input topic.
    pub topic: String,
    /// The step of the fallback that gives the scores, where the model does not.
    pub fallback_step: Option<String>,
}

/// Encodes the outcomes of one lane.
#[derive(Clone, Debug)]
pub struct OutcomeEncoder {
    output_prefix: Vec<u8>,
    review_prefix: Vec<u8>,
    /// Thresholds, node, lane, model, provider and the source's topic: neighbours in the schema.
    constants: Vec<u8>,
    topic: String,
    /// Whether the score is not the model's own, and what follows the fingerprint.
    fallback: u8,
    rest: Vec<u8>,
    /// The key of the last record's schema, and its bytes.
    schema: (SchemaKey, Vec<u8>),
}

impl OutcomeEncoder {
    /// In single-object encoding.
    pub fn new(identity: &OutcomeIdentity) -> OutcomeEncoder {
        let single = OutputForm::SingleObject;
        let mut constants = Vec::new();
        double(&mut constants, identity.review_threshold);
        double(&mut constants, identity.decline_threshold);
        bytes(&mut constants, identity.thresholds_version.as_bytes());
        bytes(&mut constants, identity.node.as_bytes());
        long(&mut constants, i64::from(identity.lane & i32::MAX as u32));
        for text in [&identity.model_name, &identity.model_version, &identity.model_sha256] {
            bytes(&mut constants, text.as_bytes());
        }
        long(&mut constants, identity.provider as i64);
        bytes(&mut constants, identity.topic.as_bytes());
        OutcomeEncoder {
            output_prefix: prefix(single, &Written::Outputs.schema()),
            review_prefix: prefix(single, &Written::Review.schema()),
            constants,
            topic: identity.topic.clone(),
            fallback: u8::from(identity.fallback_step.is_some()),
            rest: rest(identity.fallback_step.as_deref()),
            schema: (SchemaKey::Raw, schema_key(SchemaKey::Raw, Vec::with_capacity(SCHEMA_KEY_BYTES_MAX))),
        }
    }

    /// The same encoder with other wire forms.
    pub fn with_forms(mut self, forms: OutcomeForms) -> OutcomeEncoder {
        self.output_prefix = prefix(forms.outputs, &Written::Outputs.schema());
        self.review_prefix = prefix(forms.review, &Written::Review.schema());
        self
    }

    /// Replaces `out` by the record for `model-outputs`. Allocates only while `out` grows to its usual size.
    pub fn encode_output(&mut self, scored: &Scored<'_>, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.output_prefix);
        self.fields(scored, out);
    }

    /// Replaces `out` by the record for `human-review`; `payload` is left out by policy with `None`.
    pub fn encode_review(
        &mut self,
        scored: &Scored<'_>,
        reason: ReviewReason,
        payload: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        out.clear();
        out.extend_from_slice(&self.review_prefix);
        self.fields(scored, out);
        long(out, reason.index() as i64);
        match payload {
            None => out.push(NULL),
            Some(payload) => {
                out.push(PRESENT);
                bytes(out, payload);
            }
        }
    }

    /// Replaces `out` by the key of the record for `human-review`: the transaction's id as text, or
    /// `topic-partition-offset` where it has none, because a compacted topic refuses records without key.
    pub fn write_id_text(&self, scored: &Scored<'_>, out: &mut Vec<u8>) {
        out.clear();
        let mut digits = Digits::default();
        match id_text(scored.decoded.id, scored.payload, &mut digits) {
            Some(text) if !text.is_empty() => out.extend_from_slice(text),
            _ => {
                out.extend_from_slice(self.topic.as_bytes());
                for number in [i64::from(scored.position.partition), scored.position.offset] {
                    out.push(b'-');
                    out.extend_from_slice(digits.write(number));
                }
            }
        }
    }

    fn fields(&mut self, scored: &Scored<'_>, out: &mut Vec<u8>) {
        if self.schema.0 != scored.decoded.schema {
            let room = std::mem::take(&mut self.schema.1);
            self.schema = (scored.decoded.schema, schema_key(scored.decoded.schema, room));
        }
        let mut digits = Digits::default();
        let id = id_text(scored.decoded.id, scored.payload, &mut digits);
        let mut start = Gathered::<{ 1 + LONG_BYTES_MAX }>::new();
        start.optional_long(id.map(|id| id.len() as i64));
        out.extend_from_slice(start.bytes());
        out.extend_from_slice(id.unwrap_or_default());

        // The time, the score, the decision.
        let mut numbers = Gathered::<{ 1 + LONG_BYTES_MAX + 8 + LONG_BYTES_MAX }>::new();
        numbers.optional_long(scored.decoded.event_time_ms);
        numbers.double(scored.score);
        numbers.long(scored.decision.index() as i64);
        out.extend_from_slice(numbers.bytes());
        out.extend_from_slice(&self.constants);

        // The source.
        let mut numbers = Gathered::<{ 3 * LONG_BYTES_MAX + 1 }>::new();
        numbers.long(i64::from(scored.position.partition));
        numbers.long(scored.position.offset);
        numbers.optional_long((scored.source_timestamp_ms >= 0).then_some(scored.source_timestamp_ms));
        out.extend_from_slice(numbers.bytes());
        out.extend_from_slice(&self.schema.1);

        let mut numbers = Gathered::<{ 3 * LONG_BYTES_MAX + 2 + FINGERPRINT_BYTES_MAX }>::new();
        numbers.long(scored.received_us);
        numbers.long(scored.scored_us);
        numbers.byte(self.fallback);
        numbers.byte(u8::from(scored.late));
        numbers.long(i64::from(scored.epoch));
        numbers.optional_fixed(scored.fingerprint.map(|fingerprint| fingerprint.0));
        out.extend_from_slice(numbers.bytes());
        match scored.amends {
            None => out.extend_from_slice(&self.rest),
            Some(amends) => self.amended(amends, out),
        }
    }

    /// What follows the fingerprint where this score takes the place of an earlier outcome.
    fn amended(&self, amends: Amends<'_>, out: &mut Vec<u8>) {
        let (before, after) = self.rest.split_at(self.rest.len() - PLANNED - 1);
        out.extend_from_slice(before);
        out.push(PRESENT);
        long(out, i64::from(amends.attempt));
        out.push(PRESENT);
        bytes(out, amends.cause.as_bytes());
        out.extend_from_slice(&after[1..]);
    }
}

/// What follows the fingerprint where nothing is amended: no reasons, the step of the fallback, no amendment, and what is
/// planned.
fn rest(fallback_step: Option<&str>) -> Vec<u8> {
    let mut out = vec![NULL];
    out.extend(optional_text(fallback_step));
    out.extend([NULL; 1 + PLANNED]);
    out
}

/// Of the union of null and string.
fn optional_text(text: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    match text {
        None => out.push(NULL),
        Some(text) => {
            out.push(PRESENT);
            bytes(&mut out, text.as_bytes());
        }
    }
    out
}

pub(super) fn prefix(form: OutputForm, schema: &AvroSchema) -> Vec<u8> {
    match form {
        OutputForm::SingleObject => [&SINGLE_OBJECT_MAGIC[..], &schema.fingerprint().to_le_bytes()].concat(),
        OutputForm::RegistryId(id) => [&[0][..], &id.to_be_bytes()].concat(),
    }
}

/// The text of an id that was decoded from this payload.
pub fn id_text<'a>(id: TransactionId, payload: &'a [u8], digits: &'a mut Digits) -> Option<&'a [u8]> {
    match id {
        TransactionId::Absent => None,
        TransactionId::Long(id) => Some(digits.write(id)),
        TransactionId::Text { start, len } => {
            let text = payload.get(start as usize..)?.get(..len as usize);
            debug_assert!(text.is_some(), "the id points outside its payload");
            text
        }
    }
}

/// The wire's key as the record `WriterSchema`: id, fingerprint, guid, each nullable. `out` is memory to use.
fn schema_key(key: SchemaKey, mut out: Vec<u8>) -> Vec<u8> {
    out.clear();
    match key {
        SchemaKey::Raw => out.extend_from_slice(&[NULL, NULL, NULL]),
        SchemaKey::Id(id) => {
            out.push(PRESENT);
            long(&mut out, i64::from(id));
            out.extend_from_slice(&[NULL, NULL]);
        }
        SchemaKey::Fingerprint(fingerprint) => {
            out.extend_from_slice(&[NULL, PRESENT]);
            long(&mut out, 16);
            hexadecimal(&mut out, &fingerprint.to_be_bytes());
            out.push(NULL);
        }
        SchemaKey::Guid(guid) => {
            out.extend_from_slice(&[NULL, NULL, PRESENT]);
            long(&mut out, 36);
            for (index, part) in [&guid[..4], &guid[4..6], &guid[6..8], &guid[8..10], &guid[10..]].iter().enumerate() {
                if index > 0 {
                    out.push(b'-');
                }
                hexadecimal(&mut out, part);
            }
        }
    }
    out
}

fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

pub(super) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

pub(super) fn double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn long(out: &mut Vec<u8>, value: i64) {
    let mut number = Gathered::<LONG_BYTES_MAX>::new();
    number.long(value);
    out.extend_from_slice(number.bytes());
}

/// Room for a number in decimal text.
#[derive(Default)]
pub struct Digits([u8; 20]);

impl Digits {
    fn write(&mut self, value: i64) -> &[u8] {
        let mut rest = value.unsigned_abs();
        let mut start = self.0.len();
        loop {
            start -= 1;
            self.0[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            start -= 1;
            self.0[start] = b'-';
        }
        &self.0[start..]
    }
}

/// The schema's symbols are the enums' orders; a change of one without the other would mislabel every decision.
const _: () = {
    assert!(Decision::Approve as usize == 0 && Decision::Review as usize == 1 && Decision::Decline as usize == 2);
    assert!(ReviewReason::Sample as usize == 0 && ReviewReason::Band as usize == 1);
    assert!(Provider::Cpu as usize == 0 && Provider::Cuda as usize == 1);
};

//! What challengers answer, as bytes: by the newest schema of [`super::written`], as outcomes are encoded.

use super::datum::{Gathered, LONG_BYTES_MAX, NULL, PRESENT};
use super::encode::{Digits, OutputForm, bytes, double, id_text, long, prefix};
use super::written::Written;
use crate::error::Reject;
use crate::values::challenge::{Challenged, Rival, SCHEMA_NOT_THERE};

/// What every row of a challenger on a lane has in common.
#[derive(Clone, Debug, PartialEq)]
pub struct ChallengeIdentity {
    /// The challenger's name by the configuration.
    pub name: String,
    pub challenger: Rival,
    pub champion: Rival,
    pub node: String,
    pub lane: u32,
    /// The input topic.
    pub topic: String,
}

/// Encodes the rows of one challenger of one lane.
#[derive(Clone, Debug)]
pub struct ChallengeEncoder {
    prefix: Vec<u8>,
    name: Vec<u8>,
    /// The challenger's model and thresholds: neighbours in the schema.
    challenger: Vec<u8>,
    champion: Vec<u8>,
    /// Node, lane and the source's topic: neighbours too.
    place: Vec<u8>,
}

impl ChallengeEncoder {
    pub fn new(identity: &ChallengeIdentity, form: OutputForm) -> ChallengeEncoder {
        let rival = |rival: &Rival| {
            let mut out = Vec::new();
            for text in [&rival.model_name, &rival.model_version, &rival.model_sha256] {
                bytes(&mut out, text.as_bytes());
            }
            double(&mut out, rival.thresholds.review);
            double(&mut out, rival.thresholds.decline);
            bytes(&mut out, rival.thresholds.version.as_bytes());
            out
        };
        let (mut name, mut place) = (Vec::new(), Vec::new());
        bytes(&mut name, identity.name.as_bytes());
        bytes(&mut place, identity.node.as_bytes());
        long(&mut place, i64::from(identity.lane & i32::MAX as u32));
        bytes(&mut place, identity.topic.as_bytes());
        ChallengeEncoder {
            prefix: prefix(form, &Written::Challenges.schema()),
            name,
            challenger: rival(&identity.challenger),
            champion: rival(&identity.champion),
            place,
        }
    }

    /// Replaces `out` by the row of a record of these bytes.
    pub fn encode(&self, row: &Challenged<'_>, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.prefix);
        let mut digits = Digits::default();
        match id_text(row.id, row.payload, &mut digits) {
            None => out.push(NULL),
            Some(id) => {
                out.push(PRESENT);
                bytes(out, id);
            }
        }
        out.extend_from_slice(&self.name);
        match row.answer {
            Ok((score, decision)) => {
                let mut numbers = Gathered::<{ 3 + 8 + LONG_BYTES_MAX }>::new();
                numbers.byte(PRESENT);
                numbers.double(score);
                numbers.byte(PRESENT);
                numbers.long(decision.index() as i64);
                numbers.byte(NULL);
                out.extend_from_slice(numbers.bytes());
            }
            Err(failure) => {
                out.extend_from_slice(&[NULL, NULL, PRESENT]);
                bytes(out, failure.map_or(SCHEMA_NOT_THERE, Reject::reason).as_bytes());
            }
        }
        out.extend_from_slice(&self.challenger);
        let mut numbers = Gathered::<{ 8 + LONG_BYTES_MAX }>::new();
        numbers.double(row.champion.score);
        numbers.long(row.champion.decision.index() as i64);
        out.extend_from_slice(numbers.bytes());
        out.extend_from_slice(&self.champion);
        let mut flags = Gathered::<{ 2 + 16 }>::new();
        flags.byte(u8::from(row.champion.late));
        flags.optional_fixed(row.champion.fingerprint.map(|fingerprint| fingerprint.0));
        out.extend_from_slice(flags.bytes());
        out.extend_from_slice(&self.place);
        let mut numbers = Gathered::<{ 7 * LONG_BYTES_MAX + 2 }>::new();
        numbers.long(i64::from(row.position.partition));
        numbers.long(row.position.offset);
        numbers.optional_long((row.source_timestamp_ms >= 0).then_some(row.source_timestamp_ms));
        [row.received_us, row.scored_us, row.challenged_us, i64::from(row.epoch)]
            .into_iter()
            .for_each(|at| numbers.long(at));
        numbers.byte(NULL);
        out.extend_from_slice(numbers.bytes());
    }
}

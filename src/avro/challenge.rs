//! Rows of challenges read back: both answers for a record, and who gave them.
//!
//! As outputs are read back ([`super::output`]): the schema is ours, so its fields are read in their order by hand, and nothing
//! is allocated. A value that is no such row to its last byte is none.

use super::output::{optional, reasons};
use super::read::{boolean, chunk, double, index, int, long, text};
use super::wire::detect;
use super::written::Written;
use crate::error::Reject;
use crate::values::record::{Decision, Position, SchemaKey};
use crate::values::schemas::WireForms;

/// A package, by which thresholds, and what it decided. Texts point into the row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stand<'a> {
    pub name: &'a [u8],
    pub version: &'a [u8],
    /// Of the ONNX file, lower-case hexadecimal.
    pub sha256: &'a [u8],
    pub review: f64,
    pub decline: f64,
    pub thresholds_version: &'a [u8],
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Challenge<'a> {
    pub id: Option<&'a [u8]>,
    /// The challenger's name by the configuration.
    pub challenger: &'a [u8],
    /// Its score and decision, or why there is none.
    pub answer: Result<(f64, Decision), &'a [u8]>,
    pub model: Stand<'a>,
    pub champion_score: f64,
    pub champion_decision: Decision,
    pub champion: Stand<'a>,
    pub fingerprint: Option<[u8; 16]>,
    pub node: &'a [u8],
    pub topic: &'a [u8],
    pub at: Position,
    /// Wall clock, microseconds, when the champion had scored it.
    pub scored_us: i64,
}

/// Reads rows of every version there has been.
#[derive(Clone, Debug)]
pub struct ChallengeReader {
    keys: Vec<SchemaKey>,
}

impl ChallengeReader {
    /// `ids`: numbers of versions and the ids under which they are registered, where there is a registry.
    pub fn new(ids: &[(u32, u32)]) -> ChallengeReader {
        let own = Written::Challenges.versions().iter();
        let own = own.map(|version| SchemaKey::Fingerprint(version.schema().fingerprint()));
        ChallengeReader { keys: own.chain(ids.iter().map(|&(_, id)| SchemaKey::Id(id))).collect() }
    }

    /// `None`: no row as any version writes them.
    pub fn read<'v>(&self, value: &'v [u8]) -> Option<Challenge<'v>> {
        let forms = WireForms { guid: false, id: true, single_object: true, raw: false };
        let (key, start) = detect(None, value, forms).ok()?;
        if !self.keys.contains(&key) {
            return None;
        }
        let mut rest = value.get(start..)?;
        let row = fields(&mut rest).ok()?;
        rest.is_empty().then_some(row)
    }
}

/// In the order of `model_challenge.avsc`.
fn fields<'v>(rest: &mut &'v [u8]) -> Result<Challenge<'v>, Reject> {
    let id = optional(rest, text)?;
    let challenger = text(rest)?;
    let score = optional(rest, double)?;
    let decided = optional(rest, decision)?;
    let failure = optional(rest, text)?;
    let model = stand(rest)?;
    let (champion_score, champion_decision) = (double(rest)?, decision(rest)?);
    let champion = stand(rest)?;
    boolean(rest)?;
    let fingerprint = optional(rest, chunk::<16>)?;
    let node = text(rest)?;
    int(rest)?;
    let (topic, partition, offset) = (text(rest)?, int(rest)?, long(rest)?);
    optional(rest, long)?;
    let (_received, scored_us, _challenged, _epoch) = (long(rest)?, long(rest)?, long(rest)?, long(rest)?);
    optional(rest, reasons)?;
    let answer = match (score, decided) {
        (Some(score), Some(decision)) => Ok((score, decision)),
        _ => Err(failure.unwrap_or_default()),
    };
    let at = Position { partition, offset };
    Ok(Challenge {
        id,
        challenger,
        answer,
        model,
        champion_score,
        champion_decision,
        champion,
        fingerprint,
        node,
        topic,
        at,
        scored_us,
    })
}

fn decision(rest: &mut &[u8]) -> Result<Decision, Reject> {
    Ok(Decision::ALL[index(rest, Decision::ALL.len() as u32, Reject::BadEnumSymbol)? as usize])
}

/// A model, and the thresholds behind it.
fn stand<'v>(rest: &mut &'v [u8]) -> Result<Stand<'v>, Reject> {
    let (name, version, sha256) = (text(rest)?, text(rest)?, text(rest)?);
    let (review, decline, thresholds_version) = (double(rest)?, double(rest)?, text(rest)?);
    Ok(Stand { name, version, sha256, review, decline, thresholds_version })
}

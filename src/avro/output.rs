//! Outputs read back whole: what was decided on a record, by which model, and where the record stands. For whoever compares
//! millions of them with something else.
//!
//! The schemas are ours and their versions fixed, so the fields are read in the order of the schema by hand: nothing is
//! compiled, and nothing is allocated. A value that is no output to its last byte is none.

use super::read::{boolean, bytes, chunk, double, index, int, is_null, length, long, skip, text};
use super::wire::detect;
use super::written::Written;
use crate::error::Reject;
use crate::values::fingerprint::Fingerprint;
use crate::values::record::{Decision, Position, SchemaKey};
use crate::values::schemas::WireForms;

/// The branch of our schemas' `["null", ...]` that is null, as a byte.
const NULL: u8 = 0;

/// Levels of the arrays' blocks are flat, so their count is all there is to bound: no item is shorter than this.
const REASON_BYTES_MIN: usize = 1 + 8 + 1;

/// What an output says. Texts point into its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output<'a> {
    pub topic: &'a [u8],
    pub at: Position,
    pub id: Option<&'a [u8]>,
    pub score: f64,
    pub decision: Decision,
    pub by: Answerer<'a>,
    /// 128 bits over what was scored, where they were asked for.
    pub fingerprint: Option<Fingerprint>,
}

/// Who answered, and by which rules it was decided. Nearly all outputs of a topic have the same one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answerer<'a> {
    pub name: &'a [u8],
    pub version: &'a [u8],
    /// Of the ONNX file, lower-case hexadecimal.
    pub sha256: &'a [u8],
    pub review: f64,
    pub decline: f64,
    pub thresholds_version: &'a [u8],
    /// The score is not the model's own.
    pub fallback: bool,
    /// The score is that of a challenger, which decides nothing.
    pub is_challenger: bool,
}

/// Reads outputs of every version there has been.
#[derive(Clone, Debug)]
pub struct OutputReader {
    /// Each version's number, its fingerprint, and ids under which it is registered.
    keys: Vec<(SchemaKey, u32)>,
    /// The key of the last output: a topic has mostly one.
    last: (SchemaKey, u32),
}

impl OutputReader {
    /// `ids`: numbers of versions and the ids under which they are registered, where there is a registry.
    pub fn new(ids: &[(u32, u32)]) -> OutputReader {
        let own = Written::Outputs.versions().iter();
        let own = own.map(|version| (SchemaKey::Fingerprint(version.schema().fingerprint()), version.number));
        let keys: Vec<_> = own.chain(ids.iter().map(|&(number, id)| (SchemaKey::Id(id), number))).collect();
        OutputReader { last: keys[0], keys }
    }

    /// `None`: no output as any version writes them.
    pub fn read<'v>(&mut self, value: &'v [u8]) -> Option<Output<'v>> {
        let forms = WireForms { guid: false, id: true, single_object: true, raw: false };
        let (key, start) = detect(None, value, forms).ok()?;
        if key != self.last.0 {
            self.last = *self.keys.iter().find(|(known, _)| *known == key)?;
        }
        let mut rest = value.get(start..)?;
        let output = fields(&mut rest, self.last.1).ok()?;
        rest.is_empty().then_some(output)
    }
}

/// In the order of `model_output.avsc`; version 1 ends before the fingerprint.
fn fields<'v>(rest: &mut &'v [u8], version: u32) -> Result<Output<'v>, Reject> {
    let id = optional(rest, text)?;
    optional(rest, long)?;
    let score = double(rest)?;
    let decision = Decision::ALL[index(rest, Decision::ALL.len() as u32, Reject::BadEnumSymbol)? as usize];
    let (review, decline, thresholds_version) = (double(rest)?, double(rest)?, text(rest)?);
    bytes(rest)?;
    int(rest)?;
    let (name, model_version, sha256) = (text(rest)?, text(rest)?, text(rest)?);
    index(rest, if version == 1 { 2 } else { 4 }, Reject::BadEnumSymbol)?;
    let (topic, partition, offset) = (bytes(rest)?, int(rest)?, long(rest)?);
    optional(rest, long)?;
    optional(rest, long)?;
    optional(rest, bytes)?;
    optional(rest, bytes)?;
    long(rest)?;
    long(rest)?;
    let (fallback, _late) = (boolean(rest)?, boolean(rest)?);
    long(rest)?;
    let (fingerprint, is_challenger) = if version == 1 { (None, false) } else { added(rest)? };
    let by =
        Answerer { name, version: model_version, sha256, review, decline, thresholds_version, fallback, is_challenger };
    Ok(Output { topic, at: Position { partition, offset }, id, score, decision, by, fingerprint })
}

/// What version 2 has more: the fingerprint, and whether the score is a challenger's; between them reasons, step of the
/// fallback, amendment and remote provider.
fn added(rest: &mut &[u8]) -> Result<(Option<Fingerprint>, bool), Reject> {
    let fingerprint = optional(rest, chunk::<16>)?.map(Fingerprint);
    optional(rest, reasons)?;
    optional(rest, bytes)?;
    optional(rest, |rest| {
        int(rest)?;
        optional(rest, bytes)
    })?;
    optional(rest, |rest| {
        bytes(rest)?;
        optional(rest, bytes)?;
        optional(rest, bytes)
    })?;
    Ok((fingerprint, optional(rest, bytes)?.is_some()))
}

pub(super) fn reasons(rest: &mut &[u8]) -> Result<(), Reject> {
    loop {
        let mut count = long(rest)?;
        if count == 0 {
            return Ok(());
        }
        if count < 0 {
            count = count.checked_neg().ok_or(Reject::BadLength)?;
            // The block's size in bytes: its items say it again.
            length(rest)?;
        }
        let count = usize::try_from(count).map_err(|_| Reject::BadLength)?;
        if count > rest.len() / REASON_BYTES_MIN {
            return Err(Reject::Truncated);
        }
        for _ in 0..count {
            bytes(rest)?;
            skip(rest, 8)?;
            optional(rest, bytes)?;
        }
    }
}

pub(super) fn optional<'v, T>(
    rest: &mut &'v [u8],
    read: impl FnOnce(&mut &'v [u8]) -> Result<T, Reject>,
) -> Result<Option<T>, Reject> {
    if is_null(rest, NULL)? { Ok(None) } else { read(rest).map(Some) }
}

#[cfg(test)]
mod tests;

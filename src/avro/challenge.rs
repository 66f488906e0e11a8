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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::encode::OutputForm;
    use crate::avro::encode_challenge::{ChallengeEncoder, ChallengeIdentity};
    use crate::values::challenge::{Challenged, NoScore, Rival, Ruling, SCHEMA_NOT_THERE};
    use crate::values::fingerprint::Fingerprint;
    use crate::values::record::TransactionId;
    use crate::values::settings::Thresholds;

    fn rival(version: &str, review: f64) -> Rival {
        Rival {
            model_name: "m".into(),
            model_version: version.into(),
            model_sha256: "00ff".into(),
            thresholds: Thresholds { review, decline: 0.75, version: "t".into() },
        }
    }

    fn encoder(form: OutputForm) -> ChallengeEncoder {
        let identity = ChallengeIdentity {
            name: "next".into(),
            challenger: rival("2", 0.5),
            champion: rival("1", 0.25),
            node: "n".into(),
            lane: 3,
            topic: "in".into(),
        };
        ChallengeEncoder::new(&identity, form)
    }

    fn row(answer: Result<(f64, Decision), NoScore>) -> Challenged<'static> {
        Challenged {
            position: Position { partition: 7, offset: (1 << 60) + 1 },
            source_timestamp_ms: -1,
            payload: b"tx-1",
            id: TransactionId::Text { start: 0, len: 4 },
            answer,
            champion: Ruling {
                score: 0.1,
                decision: Decision::Approve,
                late: true,
                fingerprint: Some(Fingerprint([9; 16])),
            },
            epoch: 70_000,
            received_us: 1,
            scored_us: 2,
            challenged_us: 3,
        }
    }

    fn written(row: &Challenged<'_>) -> Vec<u8> {
        let mut value = Vec::new();
        encoder(OutputForm::SingleObject).encode(row, &mut value);
        value
    }

    #[test]
    fn what_was_written_is_read_back() {
        let value = written(&row(Ok((0.875, Decision::Decline))));
        let read = ChallengeReader::new(&[]).read(&value).unwrap();
        assert_eq!(
            (read.id, read.challenger, read.answer),
            (Some(&b"tx-1"[..]), &b"next"[..], Ok((0.875, Decision::Decline)))
        );
        assert_eq!((read.champion_score, read.champion_decision), (0.1, Decision::Approve));
        assert_eq!((read.model.version, read.model.review), (&b"2"[..], 0.5));
        assert_eq!((read.champion.version, read.champion.review), (&b"1"[..], 0.25));
        assert_eq!((read.topic, read.node, read.scored_us), (&b"in"[..], &b"n"[..], 2));
        assert_eq!((read.at, read.fingerprint), (Position { partition: 7, offset: (1 << 60) + 1 }, Some([9; 16])));
        let long = row(Err(Some(Reject::NonFiniteScore)));
        let champion = Ruling { fingerprint: None, ..long.champion };
        let long = Challenged { id: TransactionId::Long(-5), champion, ..long };
        let value = written(&long);
        let read = ChallengeReader::new(&[]).read(&value).unwrap();
        assert_eq!((read.id, read.answer, read.fingerprint), (Some(&b"-5"[..]), Err(&b"non_finite_score"[..]), None));
        let value = written(&Challenged { id: TransactionId::Absent, ..row(Err(None)) });
        let read = ChallengeReader::new(&[]).read(&value).unwrap();
        assert_eq!((read.id, read.answer), (None, Err(SCHEMA_NOT_THERE.as_bytes())));
    }

    #[test]
    fn what_is_cut_or_longer_or_under_anothers_id_is_no_row() {
        let reader = ChallengeReader::new(&[(1, 41)]);
        let value = written(&row(Ok((0.5, Decision::Review))));
        assert!((0..value.len()).all(|len| reader.read(&value[..len]).is_none()));
        assert!(reader.read(&[&value[..], b"x"].concat()).is_none());
        let mut by_id = Vec::new();
        encoder(OutputForm::RegistryId(41)).encode(&row(Ok((0.5, Decision::Review))), &mut by_id);
        assert!(reader.read(&by_id).is_some() && ChallengeReader::new(&[(1, 40)]).read(&by_id).is_none());
    }
}

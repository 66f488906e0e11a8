//! Outputs as they are written, read back: every version, every form, and whatever is none.

use apache_avro::reader::datum::GenericDatumReader;
use proptest::prelude::*;

use super::*;
use crate::avro::encode::{OutcomeEncoder, OutcomeForms, OutcomeIdentity, OutputForm};
use crate::values::model::Provider;
use crate::values::record::{Decoded, Scored, TransactionId};

fn encoder(fallback: bool) -> OutcomeEncoder {
    OutcomeEncoder::new(&OutcomeIdentity {
        review_threshold: 0.25,
        decline_threshold: 0.75,
        thresholds_version: "t-1".into(),
        node: "n\u{e5}".into(),
        lane: 300,
        model_name: "m".into(),
        model_version: "1.2".into(),
        model_sha256: "00ff".into(),
        provider: Provider::Cpu,
        topic: "in".into(),
        fallback_step: fallback.then(|| "score:0.5".into()),
    })
}

fn scored(id: TransactionId, score: f64, schema: SchemaKey) -> Scored<'static> {
    Scored {
        payload: b"tx-1",
        position: Position { partition: i32::MAX, offset: (1 << 60) + 1 },
        source_timestamp_ms: 1_750_000_000_000,
        decoded: Decoded { id, event_time_ms: Some(-5), schema },
        score,
        decision: Decision::Decline,
        late: true,
        epoch: 70_000,
        fingerprint: None,
        amends: None,
        received_us: 1,
        scored_us: 2,
    }
}

/// The first version ends before the six fields of the second, which are null.
fn of_version_1(output: &[u8]) -> Vec<u8> {
    let [.., first] = Written::Outputs.versions() else { panic!("no versions") };
    assert_eq!(first.number, 1);
    let mut output = output[..output.len() - 6].to_vec();
    output[2..10].copy_from_slice(&first.schema().fingerprint().to_le_bytes());
    output
}

fn written(scored: &Scored<'_>) -> Vec<u8> {
    let mut output = Vec::new();
    encoder(false).encode_output(scored, &mut output);
    output
}

fn expected(id: Option<&'static [u8]>, score: f64) -> Output<'static> {
    Output {
        topic: b"in",
        at: Position { partition: i32::MAX, offset: (1 << 60) + 1 },
        id,
        score,
        decision: Decision::Decline,
        by: Answerer {
            name: b"m",
            version: b"1.2",
            sha256: b"00ff",
            review: 0.25,
            decline: 0.75,
            thresholds_version: b"t-1",
            fallback: false,
            is_challenger: false,
        },
        fingerprint: None,
    }
}

/// The fields of version 2 that this program does not write yet, as other writers of the schema would write them.
fn with_everything(output: &[u8]) -> Vec<u8> {
    let mut bytes = output[..output.len() - 6].to_vec();
    bytes.push(2);
    bytes.extend_from_slice(&[7; 16]);
    // Two reasons in a block with its size, one in a block without, and the end.
    let reason = [&[2, b'f'][..], &0.5_f64.to_le_bytes(), &[2, 4, b'R', b'1']].concat();
    let bare = [&[0][..], &[1; 8], &[0]].concat();
    bytes.push(2);
    bytes.extend_from_slice(&[3, (2 * (reason.len() + bare.len())) as u8]);
    bytes.extend([&reason[..], &bare, &[2], &reason, &[0]].concat());
    // Step of the fallback, amendment, remote provider, challenger.
    bytes.extend_from_slice(&[2, 2, b's', 2, 2, 2, 2, b'c', 2, 2, b'e', 0, 2, 2, b'q', 2, 2, b'x']);
    bytes
}

#[test]
fn every_version_says_what_was_decided_by_whom_and_on_what() {
    let mut reader = OutputReader::new(&[]);
    let text = TransactionId::Text { start: 0, len: 4 };
    for (id, said) in [(text, Some(&b"tx-1"[..])), (TransactionId::Absent, None), (TransactionId::Long(7), Some(b"7"))]
    {
        for schema in [SchemaKey::Raw, SchemaKey::Id(9), SchemaKey::Fingerprint(1), SchemaKey::Guid([3; 16])] {
            let score = f64::from_bits(0x3FEF_FFFF_FFFF_FFFF);
            let output = written(&scored(id, score, schema));
            assert_eq!(reader.read(&output), Some(expected(said, score)));
            assert_eq!(reader.read(&of_version_1(&output)), Some(expected(said, score)));
        }
    }
    let with = Scored { fingerprint: Some(Fingerprint([9; 16])), ..scored(text, 0.5, SchemaKey::Raw) };
    assert_eq!(reader.read(&written(&with)).unwrap().fingerprint, with.fingerprint);
    let mut output = Vec::new();
    encoder(true).encode_output(&scored(text, 0.5, SchemaKey::Raw), &mut output);
    assert!(reader.read(&output).unwrap().by.fallback);
}

#[test]
fn fields_that_are_planned_are_read_where_somebody_writes_them() {
    let output = with_everything(&written(&scored(TransactionId::Absent, 0.5, SchemaKey::Raw)));
    let read = OutputReader::new(&[]).read(&output).unwrap();
    assert_eq!((read.fingerprint, read.by.is_challenger), (Some(Fingerprint([7; 16])), true));
    // The same bytes as apache_avro reads them: the layout above is the schema's.
    let schema = apache_avro::Schema::parse_str(Written::Outputs.text()).unwrap();
    let mut rest = &output[10..];
    GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn an_id_of_the_registry_is_ours_or_the_value_is_no_output() {
    let forms = OutcomeForms { outputs: OutputForm::RegistryId(7), ..OutcomeForms::default() };
    let mut output = Vec::new();
    encoder(false).with_forms(forms).encode_output(&scored(TransactionId::Absent, 0.5, SchemaKey::Raw), &mut output);
    assert_eq!(OutputReader::new(&[(2, 7)]).read(&output), Some(expected(None, 0.5)));
    assert_eq!(OutputReader::new(&[(1, 7)]).read(&output), None, "a version's fields are its own");
    output.truncate(output.len() - 6);
    assert_eq!(OutputReader::new(&[(1, 7)]).read(&output), Some(expected(None, 0.5)));
    for ids in [&[][..], &[(2, 8)]] {
        assert_eq!(OutputReader::new(ids).read(&output), None);
    }
}

#[test]
fn copies_for_review_and_spoilt_values_are_no_outputs() {
    let mut reader = OutputReader::new(&[]);
    let record = scored(TransactionId::Absent, 0.5, SchemaKey::Raw);
    let mut copy = Vec::new();
    encoder(false).encode_review(&record, crate::values::record::ReviewReason::Band, None, &mut copy);
    assert_eq!(reader.read(&copy), None);
    let output = written(&record);
    let mut decision = output.clone();
    // Behind the prefix, two unions (the id's null, the event time of one byte) and the score.
    decision[10 + 1 + 2 + 8] = 6;
    for spoilt in [&decision[..], &output[1..], b"", &[&output[..], b"x"].concat()] {
        assert_eq!(reader.read(spoilt), None, "{spoilt:02x?}");
    }
}

proptest! {
    /// What is cut anywhere, or goes on, is no output.
    #[test]
    fn any_truncation_is_refused(score in any::<f64>(), id in any::<i64>(), cut in any::<prop::sample::Index>()) {
        let newest = written(&scored(TransactionId::Long(id), score, SchemaKey::Id(1)));
        for output in [&newest, &of_version_1(&newest), &with_everything(&newest)] {
            let mut reader = OutputReader::new(&[]);
            prop_assert_eq!(reader.read(output).map(|read| read.score.to_bits()), Some(score.to_bits()));
            prop_assert_eq!(reader.read(&output[..cut.index(output.len())]), None);
        }
    }

    /// Bytes of nobody never read beyond their end, and never count without one.
    #[test]
    fn bytes_of_others_are_read_to_an_end(noise in prop::collection::vec(any::<u8>(), 0..200), at in 10_usize..150) {
        let mut output = with_everything(&written(&scored(TransactionId::Absent, 0.5, SchemaKey::Raw)));
        let at = at.min(output.len());
        output.truncate(at);
        output.extend(noise);
        OutputReader::new(&[]).read(&output);
    }
}

//! Outputs of one version are read as another by the libraries that readers use: Java's Avro and Python's fastavro.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::reading_outputs::jars;
use crate::support::python;
use scorewire::avro::encode::{OutcomeEncoder, OutcomeIdentity, OutputForm};
use scorewire::avro::encode_challenge::{ChallengeEncoder, ChallengeIdentity};
use scorewire::avro::written::Written;
use scorewire::values::challenge::{Challenged, Rival, Ruling};
use scorewire::values::fingerprint::Fingerprint;
use scorewire::values::model::Provider;
use scorewire::values::record::{Decision, Decoded, Position, ReviewReason, SchemaKey, Scored, TransactionId};
use scorewire::values::settings::Thresholds;
use serde_json::{Value as Json, json};

/// A line of stdin is the writer's schema, the reader's (files) and a datum in hexadecimal; of stdout, the record as JSON.
const PYTHON: &str = r#"
import io, json, sys
import fastavro
load = lambda path: fastavro.parse_schema(json.load(open(path)))
for line in sys.stdin:
    writer, reader, datum = line.split()
    data = io.BytesIO(bytes.fromhex(datum))
    record = fastavro.schemaless_reader(data, load(writer), load(reader))
    assert not data.read(), "bytes are left over"
    print(json.dumps(record, default=lambda value: value.decode() if isinstance(value, bytes) else value.isoformat()))
"#;

const JAVA: &str = r#"
import java.io.File;
import java.util.HexFormat;
import java.util.Scanner;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

public class ReadAs {
    public static void main(String[] args) throws Exception {
        Scanner lines = new Scanner(System.in);
        while (lines.hasNext()) {
            Schema writer = new Schema.Parser().parse(new File(lines.next()));
            Schema reader = new Schema.Parser().parse(new File(lines.next()));
            byte[] datum = HexFormat.of().parseHex(lines.next());
            BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(datum, null);
            System.out.println(new GenericDatumReader<Object>(writer, reader).read(null, decoder));
            if (!decoder.isEnd()) {
                throw new IllegalStateException("bytes are left over");
            }
        }
    }
}
"#;

/// What [`PYTHON`] or [`JAVA`] says of the lines.
fn said(command: &mut Command, lines: &[String]) -> Vec<Json> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn encoder() -> OutcomeEncoder {
    OutcomeEncoder::new(&OutcomeIdentity {
        review_threshold: 0.25,
        decline_threshold: 0.75,
        thresholds_version: "7".into(),
        node: "n".into(),
        lane: 1,
        model_name: "m".into(),
        model_version: "1.4.0".into(),
        model_sha256: "ab".into(),
        provider: Provider::Cuda,
        topic: "in".into(),
        fallback_step: None,
    })
}

/// Letters, because that is what the two languages print of it.
const FINGERPRINT: &[u8; 16] = b"abcdefghijklmnop";

/// A datum that this program writes.
fn newest(of: Written) -> Vec<u8> {
    datum(of, None)
}

fn datum(of: Written, fingerprint: Option<Fingerprint>) -> Vec<u8> {
    let scored = Scored {
        payload: b"tx-1",
        position: Position { partition: 3, offset: 5_000_000_000 },
        source_timestamp_ms: 1,
        decoded: Decoded {
            id: TransactionId::Text { start: 0, len: 4 },
            event_time_ms: None,
            schema: SchemaKey::Fingerprint(1),
        },
        score: 0.5,
        decision: Decision::Review,
        late: true,
        epoch: 9,
        fingerprint,
        amends: None,
        received_us: 1,
        scored_us: 2,
    };
    let mut out = Vec::new();
    match of {
        Written::Outputs => encoder().encode_output(&scored, &mut out),
        Written::Review => encoder().encode_review(&scored, ReviewReason::Band, Some(b"tx-1"), &mut out),
        Written::Challenges => return challenge(),
    }
    out.split_off(10)
}

fn challenge() -> Vec<u8> {
    let rival = |version: &str| Rival {
        model_name: "m".into(),
        model_version: version.into(),
        model_sha256: "ab".into(),
        thresholds: Thresholds { review: 0.25, decline: 0.75, version: "7".into() },
    };
    let identity = ChallengeIdentity {
        name: "next".into(),
        challenger: rival("2.0.0"),
        champion: rival("1.4.0"),
        node: "n".into(),
        lane: 1,
        topic: "in".into(),
    };
    let row = Challenged {
        position: Position { partition: 3, offset: 5_000_000_000 },
        source_timestamp_ms: 1,
        payload: b"tx-1",
        id: TransactionId::Text { start: 0, len: 4 },
        answer: Ok((0.875, Decision::Decline)),
        champion: Ruling {
            score: 0.5,
            decision: Decision::Review,
            late: true,
            fingerprint: Some(Fingerprint([7; 16])),
        },
        epoch: 9,
        received_us: 1,
        scored_us: 2,
        challenged_us: 3,
    };
    let mut out = Vec::new();
    ChallengeEncoder::new(&identity, OutputForm::SingleObject).encode(&row, &mut out);
    out.split_off(10)
}

/// As the first version had it: without the fields that the second one added behind `epoch`.
fn first(of: Written) -> Vec<u8> {
    let mut datum = newest(of);
    let behind = match of {
        Written::Outputs => 0,
        // The reason, that there is a payload, its length and itself.
        Written::Review => 1 + 1 + 1 + 4,
        Written::Challenges => unreachable!("there is one version"),
    };
    let end = datum.len() - behind;
    assert_eq!(datum.drain(end - 6..end).collect::<Vec<_>>(), [0; 6]);
    datum
}

struct Case {
    line: String,
    check: fn(&Json),
}

fn hexadecimal(datum: &[u8]) -> String {
    datum.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn what_both_versions_have(record: &Json) {
    assert_eq!(
        (&record["transaction_id"], &record["score"], &record["decision"], &record["provider"], &record["late"]),
        (&json!("tx-1"), &json!(0.5), &json!("REVIEW"), &json!("CUDA"), &json!(true)),
        "{record}"
    );
    assert_eq!((&record["source"]["offset"], &record["epoch"]), (&json!(5_000_000_000_u64), &json!(9)));
}

fn as_the_newest(record: &Json) {
    what_both_versions_have(record);
    for added in ["fingerprint", "reasons", "fallback_step", "amendment", "remote", "challenger"] {
        assert_eq!(record.get(added), Some(&Json::Null), "{added}: {record}");
    }
}

/// As letters, or as Java prints the bytes of a fixed.
fn with_a_fingerprint(record: &Json) {
    what_both_versions_have(record);
    let found = &record["fingerprint"];
    assert!(*found == json!(std::str::from_utf8(FINGERPRINT).unwrap()) || *found == json!(FINGERPRINT), "{record}");
    assert_eq!(record["reasons"], Json::Null, "{record}");
}

fn as_the_first(record: &Json) {
    what_both_versions_have(record);
    assert_eq!(record.get("fingerprint"), None, "{record}");
}

/// A version to come: each enum has a symbol more, and the record says it.
fn to_come(of: Written) -> (Json, Vec<u8>) {
    let mut schema: Json = serde_json::from_str(of.text()).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    for field in fields.iter_mut().filter(|field| field["type"]["type"] == "enum") {
        field["type"]["symbols"].as_array_mut().unwrap().push("LATER".into());
    }
    let mut datum = newest(of);
    let decision = 1 + 1 + 4 + 1 + 8;
    assert_eq!(datum[decision], 2, "zigzag of REVIEW's index");
    datum[decision] = 6;
    let sha = datum.windows(3).position(|bytes| bytes == [4, b'a', b'b']).unwrap();
    assert_eq!(datum[sha + 3], 2, "CUDA");
    datum[sha + 3] = 8;
    (schema, datum)
}

fn defaults_of_enums(record: &Json) {
    assert_eq!((&record["decision"], &record["provider"]), (&json!("REVIEW"), &json!("UNKNOWN")), "{record}");
}

fn as_a_challenge(record: &Json) {
    assert_eq!(
        (&record["transaction_id"], &record["score"], &record["decision"], &record["failure"], &record["epoch"]),
        (&json!("tx-1"), &json!(0.875), &json!("DECLINE"), &Json::Null, &json!(9)),
        "{record}"
    );
    let champion = &record["champion"];
    assert_eq!(
        (&champion["score"], &champion["decision"], &champion["model"]["version"], &champion["late"]),
        (&json!(0.5), &json!("REVIEW"), &json!("1.4.0"), &json!(true)),
        "{record}"
    );
    assert_eq!((&record["source"]["offset"], &record["reasons"]), (&json!(5_000_000_000_u64), &Json::Null));
}

fn cases(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    let challenges = folder.join("challenges.avsc");
    std::fs::write(&challenges, Written::Challenges.text()).unwrap();
    let line = format!("{0} {0} {1}", challenges.display(), hexadecimal(&newest(Written::Challenges)));
    cases.push(Case { line, check: as_a_challenge });
    for of in [Written::Outputs, Written::Review] {
        let file = |name: &str, text: &str| -> PathBuf {
            let path = folder.join(format!("{of:?}.{name}.avsc"));
            std::fs::write(&path, text).unwrap();
            path
        };
        let [new, old] = of.versions() else { panic!("a version without a case here") };
        let (newer, older) = (file("2", new.text), file("1", old.text));
        let (schema, later) = to_come(of);
        let to_come = file("3", &schema.to_string());
        let mut case = |writer: &Path, reader: &Path, datum: &[u8], check| {
            let line = format!("{} {} {}", writer.display(), reader.display(), hexadecimal(datum));
            cases.push(Case { line, check });
        };
        case(&newer, &newer, &newest(of), as_the_newest);
        case(&older, &newer, &first(of), as_the_newest);
        case(&newer, &older, &newest(of), as_the_first);
        case(&older, &older, &first(of), as_the_first);
        case(&to_come, &newer, &later, defaults_of_enums);
        let fingerprinted = datum(of, Some(Fingerprint(*FINGERPRINT)));
        case(&newer, &newer, &fingerprinted, with_a_fingerprint);
        case(&newer, &older, &fingerprinted, as_the_first);
    }
    cases
}

#[test]
fn java_and_python_read_each_version_as_each_other() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let lines: Vec<String> = cases.iter().map(|case| case.line.clone()).collect();
    std::fs::write(folder.path().join("ReadAs.java"), JAVA).unwrap();
    let by_python = said(Command::new(python).args(["-B", "-c", PYTHON]), &lines);
    let by_java =
        said(Command::new("java").current_dir(&folder).args(["-cp", &format!("{}/*", jars()), "ReadAs.java"]), &lines);
    for answers in [by_python, by_java] {
        assert_eq!(answers.len(), cases.len());
        cases.iter().zip(&answers).for_each(|(case, record)| (case.check)(record));
    }
}

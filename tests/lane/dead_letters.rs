//! What a dead letter carries. The story: a record is set aside and nobody can find out why, or where it came from;
//! or the dead letter is itself too large and stops the partition; or card numbers end up in headers and logs.
//!
//! Promise 1: score XOR dead letter. Promise 9: payload values never reach logs, and headers carry codes and positions.

use crate::fakes::record::Headers;
use crate::fakes::{self, Payment, Sent, Setup, World, payload};
use scorewire::doors::Destination;
use scorewire::error::{Reject, exit};
use scorewire::values::limits::Limits;
use scorewire::values::settings::{HeaderStyle, PayloadPolicy};

fn headers(pairs: &[(&str, &[u8])]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Some(value.to_vec()))).collect()
}

fn only_dead_letter(world: &World) -> Sent {
    let all = world.dead_letters();
    assert_eq!(all.len(), 1);
    all.into_iter().next().unwrap()
}

/// As the wire has it, and as its owner writes it.
const GUID: [u8; 17] = [1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const GUID_TEXT: &str = "00010203-0405-0607-0809-0a0b0c0d0e0f";

fn missing_must() -> Vec<u8> {
    Payment { must: None, ..Payment::new("secret-4111111111111111", 0.5) }.schema_id(payload::KNOWN_ID).encode()
}

#[test]
fn each_style_tells_why_where_and_by_which_model() {
    let styles = [
        (HeaderStyle::Scorewire, "__scorewire.errors.", "reason", "message"),
        (HeaderStyle::Connect, "__connect.errors.", "exception.class.name", "exception.message"),
        (HeaderStyle::Streams, "__streams.errors.", "exception", "message"),
    ];
    for (header_style, prefix, reason, message) in styles {
        let mut world = Setup { header_style, ..Setup::default() }.build();
        world.source.put_at(41, 1, Some("card-1"), Some(missing_must()), headers(&[("traceparent", b"00-ab")]));
        world.cycle();
        let sent = only_dead_letter(&world);
        let header = |name: &str| sent.header(&format!("{prefix}{name}"));
        assert_eq!(header(reason).as_deref(), Some("missing_feature"));
        assert_eq!(header("stage").as_deref(), Some("decode"));
        assert_eq!(header(message).as_deref(), Some("missing_feature in feature must"));
        assert_eq!(header("topic").as_deref(), Some(fakes::world::TOPIC));
        assert_eq!(header("partition").as_deref(), Some("1"));
        assert_eq!(header("offset").as_deref(), Some("41"));
        assert_eq!(header("schema_id").as_deref(), Some("1"));
        assert_eq!(header("model_version").as_deref(), Some(fakes::world::MODEL_VERSION));
        assert_eq!(header("attempt").as_deref(), Some("1"));
        let now_ms: i64 = header("timestamp").unwrap().parse().unwrap();
        assert_eq!(now_ms, fakes::clock::WALL_START_US / 1_000 + 3);
        assert_eq!(sent.header("traceparent").as_deref(), Some("00-ab"));
        let who = ["node", "lane", "epoch"].map(|name| header(name).unwrap());
        assert_eq!(who, ["node", "0", "1"], "as outputs name theirs; two partitions, and this is the second one");
        assert_eq!(header("source_timestamp").as_deref(), Some("1041"));
        assert_eq!(header("payload").as_deref(), Some("whole"));
        assert_eq!(sent.headers.len(), 16);
        assert_eq!(sent.partition, Some(1), "where counts match, the dead letter keeps its partition too");
    }
}

#[test]
fn by_policy_the_record_goes_along_byte_for_byte_or_stays_out() {
    for policy in [PayloadPolicy::Raw, PayloadPolicy::Omit] {
        let mut world = Setup { dead_letter_payload: policy, ..Setup::default() }.build();
        world.source.put_at(0, 0, Some("card-1"), Some(missing_must()), Vec::new());
        world.cycle();
        let sent = only_dead_letter(&world);
        assert_eq!(sent.key.as_deref(), Some(b"card-1".as_slice()));
        assert_eq!(sent.value, (policy == PayloadPolicy::Raw).then(missing_must));
        let holds = if policy == PayloadPolicy::Raw { "whole" } else { "no_value" };
        assert_eq!(sent.header("__scorewire.errors.payload").as_deref(), Some(holds));
        assert_eq!(sent.timestamp_ms, Some(1_000), "the source's own");
    }
}

#[test]
fn promise_9_headers_never_carry_a_value_of_the_payload() {
    let mut world = Setup::default().build();
    for value in [missing_must(), payload::truncated(), b"secret-4111111111111111".to_vec()] {
        world.source.put(0, value);
    }
    world.cycle();
    for sent in world.dead_letters() {
        for (name, value) in &sent.headers {
            let text = String::from_utf8_lossy(value.as_deref().unwrap());
            assert!(!text.contains("4111") && !text.contains("secret"), "{name}: {text}");
        }
    }
}

#[test]
fn a_record_that_was_a_dead_letter_before_counts_its_attempts() {
    let styles = [
        (HeaderStyle::Scorewire, "__scorewire.errors.attempt"),
        (HeaderStyle::Connect, "__connect.errors.attempt"),
        (HeaderStyle::Streams, "__streams.errors.attempt"),
    ];
    for (header_style, name) in styles {
        for (before, after) in [(&b"2"[..], "3"), (b"4294967295", "4294967295"), (b"-1", "1"), (b"\xff", "1")] {
            let mut world = Setup { header_style, ..Setup::default() }.build();
            world.source.put_at(0, 0, None, None, headers(&[(name, before)]));
            world.cycle();
            assert_eq!(only_dead_letter(&world).header(name).as_deref(), Some(after));
        }
    }
}

/// Whatever the style of this process, and whatever another tool has left beside it: the higher number counts.
#[test]
fn a_record_that_a_redrive_brought_back_counts_its_attempts_in_every_style() {
    for (header_style, name) in [
        (HeaderStyle::Scorewire, "__scorewire.errors.attempt"),
        (HeaderStyle::Connect, "__connect.errors.attempt"),
        (HeaderStyle::Streams, "__streams.errors.attempt"),
    ] {
        for (redriven, before, after) in [(&b"2"[..], None, "3"), (b"1", Some(&b"4"[..]), "5"), (b"x", None, "1")] {
            let mut world = Setup { header_style, ..Setup::default() }.build();
            let mut carried = headers(&[("__scorewire.redrive.attempt", redriven)]);
            carried.extend(before.map(|before| (name.to_owned(), Some(before.to_vec()))));
            world.source.put_at(0, 0, None, None, carried);
            world.cycle();
            assert_eq!(only_dead_letter(&world).header(name).as_deref(), Some(after));
        }
    }
}

#[test]
fn the_schema_is_named_as_its_owner_writes_it_even_when_decoding_never_began() {
    let fingerprint = payload::reader().fingerprint();
    let cases: Vec<(Option<Vec<u8>>, String)> = vec![
        (Some(vec![0, 0, 0, 0, 99, 1, 2, 3]), "99".into()),
        (Some(payload::truncated()), format!("{fingerprint:016x}")),
        (Some(vec![0xC3, 0x01, 0xEF, 0xBE, 0, 0, 0, 0, 0, 0]), "000000000000beef".into()),
        (Some([&GUID[..], &[7]].concat()), GUID_TEXT.into()),
        (Some(b"{}".to_vec()), String::new()),
        (None, String::new()),
    ];
    let in_header = [(GUID.to_vec(), GUID_TEXT), (vec![0, 0, 0, 0, 99], "99"), (vec![2, 3], "")];
    let in_header =
        in_header.map(|(header, text)| (vec![("__value_schema_id".into(), Some(header))], None, text.into()));
    let cases = cases.into_iter().map(|(value, expected)| (Vec::new(), value, expected));
    for (headers, value, expected) in cases.chain(in_header) {
        let mut world = Setup::default().build();
        world.source.put_at(0, 0, None, value, headers);
        world.cycle();
        assert_eq!(only_dead_letter(&world).header("__scorewire.errors.schema_id"), Some(expected));
    }
}

#[test]
fn a_dead_letter_above_the_limit_leaves_its_value_out() {
    let limits = Limits { outcome_bytes_max: 1_000, ..Limits::default() };
    let mut world = Setup { limits, ..Setup::default() }.build();
    world.source.put_at(0, 0, Some("card-1"), Some(vec![7; 2_000]), headers(&[("traceparent", b"00-ab")]));
    world.cycle();
    let sent = only_dead_letter(&world);
    assert_eq!((sent.key.as_deref(), sent.value.as_deref()), (Some(b"card-1".as_slice()), None));
    assert_eq!(sent.header("__scorewire.errors.payload").as_deref(), Some("no_value"));
    assert_eq!(sent.header("traceparent").as_deref(), Some("00-ab"));
}

#[test]
fn a_key_or_headers_above_the_limit_leave_a_stub_that_says_where_the_record_is() {
    let limits = Limits { outcome_bytes_max: 1_000, ..Limits::default() };
    let large = "k".repeat(2_000);
    for (key, source_headers) in [(large.as_str(), Vec::new()), ("k", headers(&[("h", large.as_bytes())]))] {
        let mut world = Setup { limits: limits.clone(), ..Setup::default() }.build();
        world.source.put_at(5, 0, Some(key), Some(b"poison".to_vec()), source_headers);
        world.cycle();
        let sent = only_dead_letter(&world);
        assert_eq!(sent.key.as_deref(), Some(b"enriched-context-0-5".as_slice()), "a compacted topic takes it too");
        assert_eq!(sent.value.as_deref(), Some(b"".as_slice()), "and does not take it for a delete marker");
        assert_eq!(sent.headers.len(), 15, "why and where, and nothing of the source");
        assert_eq!(sent.header("__scorewire.errors.payload").as_deref(), Some("stub"));
    }
}

#[test]
fn what_the_client_refuses_as_too_large_leaves_a_stub() {
    let mut world = Setup::default().build();
    world.sink.state().bytes_max = 600;
    world.source.put_at(5, 0, Some("k"), Some(vec![7; 1_000]), headers(&[("h", &[b'x'; 300])]));
    world.put_payments(0, 1);
    world.cycle();
    let sent = only_dead_letter(&world);
    assert_eq!(sent.key.as_deref(), Some(b"enriched-context-0-5".as_slice()));
    assert_eq!((sent.value.as_deref(), sent.headers.len()), (Some(&[][..]), 15));
    assert_eq!(sent.header("__scorewire.errors.payload").as_deref(), Some("stub"), "though it was to be whole");
    assert_eq!(sent.header("__scorewire.errors.offset").as_deref(), Some("5"));
    world.settle();
    assert_eq!(world.source.committed(0), Some(7));
}

#[test]
fn a_stub_that_is_still_too_large_ends_the_process() {
    let mut world = Setup::default().build();
    world.sink.state().bytes_max = 100;
    world.source.put(0, None);
    let fatal = world.try_cycle().unwrap_err();
    assert_eq!(fatal.code, exit::DELIVERY);
    assert!(fatal.fix.contains("message.max.bytes"), "{fatal}");
}

/// The id is part of the output, and its length is the payload's to choose.
#[test]
fn a_score_too_large_for_its_topic_becomes_a_dead_letter_and_no_score() {
    let limits = Limits { outcome_bytes_max: 1_000, ..Limits::default() };
    for by_client in [false, true] {
        let limits = if by_client { Limits::default() } else { limits.clone() };
        let mut world = Setup { limits, ..Setup::default() }.build();
        if by_client {
            world.sink.state().bytes_max = 1_000;
        }
        world.source.put(0, Payment::new("i".repeat(1_200), 0.5).encode());
        world.put_payments(0, 1);
        world.cycle();
        assert_eq!(world.offsets(Destination::Outputs, 0), [1]);
        let sent = only_dead_letter(&world);
        assert_eq!(sent.header("__scorewire.errors.reason").as_deref(), Some("outcome_too_large"));
        assert_eq!(sent.header("__scorewire.errors.stage").as_deref(), Some("emit"));
        world.settle();
        assert_eq!(world.stats.rejected[Reject::OutcomeTooLarge.index()].get(), 1);
        assert_eq!(world.stats.scored.get(), 1);
    }
}

#[test]
fn a_review_copy_too_large_with_its_payload_goes_without_and_costs_no_score() {
    let setup = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() };
    let small = Limits { outcome_bytes_max: 1_000, ..Limits::default() };
    for (limits, bytes_max) in [(small, usize::MAX), (Limits::default(), 1_000)] {
        let mut world = Setup { limits, ..setup.clone() }.build();
        world.sink.state().bytes_max = bytes_max;
        world.source.put(0, Payment::new("band", 0.5).note(900).encode());
        world.cycle();
        assert!(world.dead_letters().is_empty());
        assert!(world.reviews()[0].payload.is_none());
        assert_eq!(world.outputs()[0].score, 0.5);
        world.settle();
        assert_eq!((world.stats.scored.get(), world.stats.reviews[1].get()), (1, 1));
    }
}

/// The copy is on its way already when the output turns out too large: the record ends once its copy and its dead
/// letter are both acknowledged.
#[test]
fn a_score_too_large_behind_its_review_copy_still_ends_once() {
    let mut world = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..Setup::default() }.build();
    world.source.put_at(0, 0, Some(&"k".repeat(700)), Some(Payment::new("band", 0.5).encode()), Vec::new());
    world.sink.state().bytes_max = 800;
    world.cycle();
    assert_eq!(world.reviews().len(), 1);
    assert!(world.outputs().is_empty());
    let key = only_dead_letter(&world).key.unwrap();
    assert_eq!(key, b"enriched-context-0-0", "its own is too large here");
    world.sink.state().answer(Ok(()), |sent| sent.destination == Destination::Review);
    world.cycles(2);
    assert_eq!(world.stats.rejected_total(), 0);
    world.settle();
    assert_eq!((world.stats.rejected_total(), world.stats.scored.get()), (1, 0));
    assert_eq!(world.source.committed(0), Some(1));
}

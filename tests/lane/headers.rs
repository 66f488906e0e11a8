//! Which headers travel. The story: a record's headers say by which schema to read its value; a scorer forwards them
//! beside a value of its own, and every consumer of the scores decodes them with the input's schema, or fails.

use crate::fakes::record::Headers;
use crate::fakes::{Payment, Sent, Setup, World, payload};
use scorewire::doors::Destination;
use scorewire::values::settings::PayloadPolicy;

const TRACE: &str = "traceparent";
const OF_VALUE: [&str; 4] = ["__value_schema_id", "Content-Type", "ce_type", "apicurio.value.globalId"];
const OF_KEY: &str = "__key_schema_id";
const EVENT: &str = "ce_id";

/// The header names the schema of a value without prefix.
fn headers(schema_id: u32) -> Headers {
    let id = [&[0][..], &schema_id.to_be_bytes()].concat();
    let first = [(OF_VALUE[0], id), (TRACE, b"00-ab".to_vec())];
    let others = OF_VALUE[1..].iter().chain([&OF_KEY, &EVENT]).map(|&name| (name, b"x".to_vec()));
    first.into_iter().chain(others).map(|(name, value)| (name.to_owned(), Some(value))).collect()
}

fn bare(payment: &Payment) -> Vec<u8> {
    payment.encode()[10..].to_vec()
}

/// A payment in the review band, and one that is poison.
fn world(setup: Setup) -> World {
    let world = Setup { review_threshold: 0.5, decline_threshold: 0.75, ..setup }.build();
    world.source.put_at(0, 0, Some("k"), Some(bare(&Payment::new("x", 0.625))), headers(payload::KNOWN_ID));
    world.source.put_at(1, 0, Some("k"), Some(b"poison".to_vec()), headers(payload::KNOWN_ID));
    world
}

/// Names of the source's headers on the only outcome for a destination.
fn forwarded(world: &World, to: Destination) -> Vec<String> {
    let state = world.sink.state();
    let [Sent { headers, .. }] = state.to(to)[..] else { panic!("not one outcome for {to:?}") };
    let names = headers.iter().map(|(name, _)| name.clone());
    names.filter(|name| !name.starts_with("scorewire.") && !name.starts_with("__scorewire.")).collect()
}

#[test]
fn a_header_that_describes_the_value_stays_with_the_value() {
    let mut world = world(Setup::default());
    world.cycles(2);
    assert_eq!(world.outputs()[0].score, 0.625, "decoded by the id in the header");
    assert_eq!(forwarded(&world, Destination::Outputs), [TRACE, OF_KEY, EVENT], "the source's key, a value of ours");
    assert_eq!(forwarded(&world, Destination::Review), [TRACE, EVENT], "keyed by the transaction's id");
    let as_they_came: Vec<String> = headers(0).into_iter().map(|(name, _)| name).collect();
    assert_eq!(forwarded(&world, Destination::DeadLetters), as_they_came, "the value as it came");
    let letter = &world.dead_letters()[0];
    assert_eq!(letter.headers[..as_they_came.len()], headers(payload::KNOWN_ID)[..]);
}

#[test]
fn a_header_that_describes_the_value_goes_with_a_value_that_is_left_out() {
    let mut world = world(Setup { dead_letter_payload: PayloadPolicy::Omit, ..Setup::default() });
    world.cycles(2);
    assert_eq!(forwarded(&world, Destination::DeadLetters), [TRACE, OF_KEY, EVENT]);
    let schema = world.dead_letters()[0].header("__scorewire.errors.schema_id");
    assert_eq!(schema.as_deref(), Some("1"), "what the header said");
}

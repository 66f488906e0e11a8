//! A clock by hand, and a registry that says what the test wants.

use super::*;

const ONE: SchemaKey = SchemaKey::Id(1);
const TWO: SchemaKey = SchemaKey::Id(2);

fn schema(text: &str) -> Arc<AvroSchema> {
    Arc::new(AvroSchema::parse(text, "test").unwrap())
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn away(reach: Reach) -> Outcome {
    Outcome::Away(Away { reach, ..Away::registry("away", "wait") })
}

/// Its next question, which must be for this key.
#[track_caller]
fn ask(keys: &mut Keys, key: SchemaKey, now: Duration) {
    assert_eq!(keys.next(now), Next::Ask(Question::Key(key)));
}

fn is_found(known: &Known, text: &str) -> bool {
    matches!(known, Known::Schema(schema) if schema.text() == text)
}

#[test]
fn a_key_is_asked_for_once_whoever_asks_and_however_often() {
    let mut keys = Keys::new(100);
    assert!((0..9).all(|_| matches!(keys.look_up(ONE, at(1)), Known::Coming)));
    ask(&mut keys, ONE, at(1));
    assert!(matches!(keys.next(at(1)), Next::Wait(_)));
    assert!(keys.answered(Question::Key(ONE), Outcome::Schema(ONE, schema("\"int\"")), at(1)), "the disk lacks it");
    assert_eq!(std::mem::take(&mut keys.arrived), [ONE]);
    assert!(is_found(&keys.look_up(ONE, at(99)), "\"int\"") && keys.open() == 0);
}

#[test]
fn what_the_registry_does_not_have_is_asked_for_again_after_a_while_and_not_before() {
    let mut keys = Keys::new(100);
    keys.look_up(ONE, at(1));
    ask(&mut keys, ONE, at(1));
    keys.answered(Question::Key(ONE), Outcome::Nothing, at(1));
    assert!(matches!(keys.look_up(ONE, at(1)), Known::Coming), "it may have been registered a moment ago");
    assert_eq!(keys.next(at(1)), Next::Wait(Some(at(3))));
    ask(&mut keys, ONE, at(3));
    keys.answered(Question::Key(ONE), Outcome::Nothing, at(3));
    assert!(matches!(keys.look_up(ONE, at(12)), Known::Unknown));
    assert!(matches!(keys.look_up(ONE, at(13)), Known::Coming));
}

#[test]
fn second_looks_are_for_a_few_and_a_flood_has_none() {
    let mut keys = Keys::new(1_000);
    for id in 0..100 {
        keys.look_up(SchemaKey::Id(id), at(1));
        ask(&mut keys, SchemaKey::Id(id), at(1));
        keys.answered(Question::Key(SchemaKey::Id(id)), Outcome::Nothing, at(1));
    }
    let unknown = |keys: &mut Keys, id| matches!(keys.look_up(SchemaKey::Id(id), at(1)), Known::Unknown);
    assert_eq!((0..100).filter(|id| unknown(&mut keys, *id)).count(), 84);
}

/// The server that was asked may not have heard of a schema that another one registered a moment ago.
#[test]
fn the_next_id_is_asked_for_once_more_whatever_a_flood_used_up() {
    let mut keys = Keys::new(1_000_000);
    keys.add_kept(SchemaKey::Id(300), schema("\"int\""));
    let mut is_dead = |id| {
        let key = SchemaKey::Id(id);
        keys.look_up(key, at(1));
        while let Next::Ask(question) = keys.next(at(1)) {
            let outcome = match question {
                Question::Key(SchemaKey::Id(300)) => Outcome::Schema(SchemaKey::Id(300), schema("\"int\"")),
                _ => Outcome::Nothing,
            };
            keys.answered(question, outcome, at(1));
        }
        matches!(keys.look_up(key, at(1)), Known::Unknown)
    };
    assert_eq!((5_000..5_100).filter(|id| is_dead(*id)).count(), 84);
    assert!(!is_dead(301) && !is_dead(300 + NEXT_IDS));
    assert!(is_dead(301 + NEXT_IDS) && is_dead(299), "far from the highest, or below it");
}

/// Ids that come one by one, each looked at twice: the second look costs no grace that the next one needs.
#[test]
fn a_key_that_stays_unknown_costs_one_grace() {
    let mut keys = Keys::new(1_000);
    for id in 0..GRACES_AT_ONCE as u32 {
        let (key, now) = (SchemaKey::Id(id), Duration::from_millis(10 * u64::from(id)));
        keys.look_up(key, now);
        ask(&mut keys, key, now);
        keys.answered(Question::Key(key), Outcome::Nothing, now);
        assert!(matches!(keys.look_up(key, now), Known::Coming), "{id}");
        // The second look, early.
        keys.later.clear();
        keys.wanted.push_back(Question::Key(key));
        ask(&mut keys, key, now);
        keys.answered(Question::Key(key), Outcome::Nothing, now);
        assert!(matches!(keys.look_up(key, now), Known::Unknown), "{id}");
    }
}

#[test]
fn the_memory_of_unknown_keys_is_bounded() {
    let mut keys = Keys::new(1_000_000);
    for id in 0..3 * UNKNOWN_MAX as u32 {
        keys.look_up(SchemaKey::Id(id), at(1));
        if let Next::Ask(question) = keys.next(at(1)) {
            keys.answered(question, Outcome::Nothing, at(1));
        }
    }
    assert!(keys.entries.len() <= UNKNOWN_MAX + 16 && keys.unknown <= UNKNOWN_MAX, "{}", keys.entries.len());
}

#[test]
fn an_outage_asks_one_question_at_a_time_each_in_turn_and_an_answer_frees_them_all() {
    let mut keys = Keys::new(100);
    keys.look_up(ONE, at(1));
    keys.look_up(TWO, at(1));
    ask(&mut keys, ONE, at(1));
    ask(&mut keys, TWO, at(1));
    keys.answered(Question::Key(ONE), away(Reach::Registry), at(1));
    keys.answered(Question::Key(TWO), away(Reach::Registry), at(1));
    assert!(matches!(keys.look_up(ONE, at(1)), Known::Pending) && keys.why(ONE).unwrap().contains("away"));
    assert!(matches!(keys.next(at(1)), Next::Wait(Some(until)) if until > at(1)), "it rests");
    ask(&mut keys, ONE, at(5));
    assert_eq!(keys.next(at(5)), Next::Wait(None), "nobody else meanwhile");
    keys.answered(Question::Key(ONE), away(Reach::Registry), at(5));
    ask(&mut keys, TWO, at(30));
    keys.answered(Question::Key(TWO), Outcome::Schema(TWO, schema("\"int\"")), at(30));
    ask(&mut keys, ONE, at(30));
}

#[test]
fn a_right_that_is_lacking_rests_alone() {
    let mut keys = Keys::new(100);
    keys.look_up(ONE, at(1));
    ask(&mut keys, ONE, at(1));
    keys.answered(Question::Key(ONE), away(Reach::Question), at(1));
    keys.look_up(TWO, at(1));
    ask(&mut keys, TWO, at(1));
    assert!(matches!(keys.next(at(1)), Next::Wait(Some(until)) if until >= at(2)));
    ask(&mut keys, ONE, at(3));
}

#[test]
fn a_registry_that_is_idle_or_away_is_asked_for_its_newest_schema() {
    let mut keys = Keys::new(100);
    assert_eq!(keys.next(at(1)), Next::Wait(Some(PROBE_EVERY)));
    assert_eq!(keys.next(at(31)), Next::Ask(Question::Latest));
    keys.answered(Question::Latest, away(Reach::Registry), at(31));
    assert!(keys.is_settled());
    assert_eq!(keys.next(at(40)), Next::Ask(Question::Latest), "until it is back");
    keys.answered(Question::Latest, Outcome::Nothing, at(40));
    assert_eq!(keys.next(at(41)), Next::Wait(Some(at(70))));
}

#[test]
fn what_is_kept_counts_until_the_registry_says_otherwise_and_is_never_forgotten() {
    let mut keys = Keys::new(100);
    keys.add_kept(ONE, schema("\"int\""));
    keys.add_kept(TWO, schema("\"int\""));
    assert!(!keys.is_settled() && keys.is_unverified(ONE));
    ask(&mut keys, ONE, at(1));
    assert!(keys.answered(Question::Key(ONE), Outcome::Schema(ONE, schema("\"long\"")), at(1)));
    assert_eq!(std::mem::take(&mut keys.changed), [ONE]);
    assert!(is_found(&keys.look_up(ONE, at(1)), "\"long\""));
    keys.want_latest();
    assert_eq!(keys.next(at(1)), Next::Ask(Question::Latest));
    let spelled = Outcome::Schema(ONE, schema("{ \"type\": \"long\" }"));
    assert!(!keys.answered(Question::Latest, spelled, at(1)) && keys.changed.is_empty(), "the same in other words");
    ask(&mut keys, TWO, at(1));
    assert!(!keys.answered(Question::Key(TWO), Outcome::Nothing, at(1)));
    assert!(is_found(&keys.look_up(TWO, at(1)), "\"int\"") && keys.is_settled() && keys.changed.is_empty());
}

#[test]
fn what_is_kept_no_more_is_asked_for_anew() {
    let mut keys = Keys::new(100);
    keys.add_kept(ONE, schema("\"int\""));
    keys.add_kept(TWO, schema("\"int\""));
    ask(&mut keys, ONE, at(1));
    keys.answered(Question::Key(ONE), Outcome::Nothing, at(1));
    assert_eq!(keys.gone, [ONE]);
    keys.forget_kept(&[ONE, TWO, SchemaKey::Id(3)]);
    assert!(keys.known().next().is_none() && keys.schemas() == 0 && keys.is_settled() && keys.texts.is_empty());
    assert!(matches!(keys.look_up(TWO, at(1)), Known::Coming));
}

#[test]
fn a_bad_schema_is_no_answer_for_ever() {
    let mut keys = Keys::new(100);
    keys.look_up(ONE, at(1));
    ask(&mut keys, ONE, at(1));
    keys.answered(Question::Key(ONE), Outcome::Refused("no Avro".into()), at(1));
    keys.forget_refused(at(60));
    assert!(matches!(keys.look_up(ONE, at(60)), Known::Refused(why) if why == "no Avro"));
    keys.forget_refused(at(61));
    assert_eq!(keys.changed, [ONE], "whoever knew it as refused hears it");
    assert!(matches!(keys.look_up(ONE, at(61)), Known::Coming));
}

#[test]
fn no_more_is_asked_in_a_second_than_is_allowed() {
    let mut keys = Keys::new(10);
    (0..30).for_each(|id| drop(keys.look_up(SchemaKey::Id(id), at(1))));
    let mut asked = 0;
    while let Next::Ask(question) = keys.next(at(1)) {
        keys.answered(question, Outcome::Schema(ONE, schema("\"int\"")), at(1));
        asked += 1;
    }
    assert_eq!(asked, 10);
    assert!(matches!(keys.next(at(1)), Next::Wait(Some(until)) if until <= at(2)));
}

//! The desk with a registry behind it: a lane hears of a schema when it comes, without asking again.

use scorewire::avro::planner::{Answer, News, Planner, Plans};
use scorewire::lane::schema_desk::{Counter, SchemaDesk};
use scorewire::values::record::SchemaKey;

use crate::common::{STEP, wait_for};
use crate::source::{answer, folder, source};
use crate::stub::{Said, Stub};
use scorewire::avro::feature::Wanted;
use scorewire::avro::schemas::AvroSchema;
use serde_json::json;
use std::sync::Arc;

const ID: SchemaKey = SchemaKey::Id(7);

fn schema() -> serde_json::Value {
    json!({ "type": "record", "name": "R", "fields": [{ "name": "x", "type": "double" }] })
}

fn next(counter: &mut Counter, desk: &mut SchemaDesk) -> Answer {
    wait_for("news", STEP, || {
        desk.take_arrived();
        std::iter::from_fn(|| counter.news()).find_map(|news| match news {
            News::Answer(ID, answer) => Some(answer),
            _ => None,
        })
    })
}

#[test]
fn a_lane_hears_that_the_registry_is_away_and_then_of_the_schema_without_asking_again() {
    let mut stub = Stub::of_ids([(7, answer(&schema()))]);
    stub.stop();
    let kept = folder();
    let reader = Arc::new(AvroSchema::parse(&schema().to_string(), "test").unwrap());
    let source = source(&stub.url(), kept.path());
    let mut desk = SchemaDesk::new(Planner::new(reader, Wanted::default(), Box::new(source)).unwrap());
    let mut lanes = [desk.counter(), desk.counter()];
    for lane in &mut lanes {
        lane.ask(ID, true);
        assert!(lane.is_coming(ID));
        assert!(desk.serve_one());
    }
    for lane in &mut lanes {
        let Answer::Pending(why) = next(lane, &mut desk) else { panic!("pending") };
        assert!(why.contains("refused"), "{why}");
        assert!(!lane.is_coming(ID) && lane.why(ID) == why);
    }
    stub.start();
    for lane in &mut lanes {
        let plan = wait_for("the plan", STEP, || match next(lane, &mut desk) {
            Answer::Plan(plan) => Some(plan),
            _ => None,
        });
        assert!(plan.is_some(), "it fits");
    }
    assert!(stub.asked("/schemas/ids/7") == 1, "one client for all lanes");
    stub.say(|_| Said::not_found());
}

//! What must hold before simulated transactions are written to a topic: they are the example's, and a topic of real
//! payments is no place for them.

use crate::avro::plan::Plan;
use crate::avro::schemas::AvroSchema;
use crate::config::Connection;
use crate::error::{Fatal, exit};
use crate::kafka::load_consumer::LoadConsumer;
use crate::load::LoadPlan;
use crate::load::report::figures::records;
use crate::load::simulate::marker::MARKER;
use crate::load::simulate::transaction::SCHEMA;
use crate::model::Package;

const OWN_RECORDS: &str = "send records of your own: scorewire load --from FILE.avro";

/// Whether the package can score what is simulated.
///
/// # Errors
/// [`exit::USAGE`] when it reads other records: each would become a dead letter, or be scored by its defaults.
pub fn check_package(package: &Package) -> Result<(), Fatal> {
    let simulated = AvroSchema::parse(SCHEMA, "the simulator's schema")
        .map_err(|error| Fatal::new(exit::INTERNAL, error.to_string(), "report this"))?;
    let why = match Plan::compile(&simulated, &package.reader, &package.wanted) {
        Err(error) => format!("{}: {}", error.place, error.what),
        Ok(plan) if plan.never_given().is_empty() => return Ok(()),
        Ok(plan) => format!("a simulated transaction has no {}", plan.never_given().join(", ")),
    };
    let (name, dir) = (&package.name, package.dir.display());
    let what = format!("simulated card transactions do not fit what the package {name} ({dir}) reads: {why}");
    Err(Fatal::new(exit::USAGE, what, OWN_RECORDS))
}

/// The same for a package that cannot be read here.
pub fn cannot_tell(error: &Fatal) -> Fatal {
    let what = format!("whether simulated transactions fit the configured package cannot be told: {}", error.what);
    let fix = format!("{}; or confirm with --simulate; or {OWN_RECORDS}", error.fix);
    Fatal::new(exit::USAGE, what, fix)
}

/// Whether the input topic is empty.
///
/// # Errors
/// [`exit::USAGE`] when it holds records; those of [`LoadConsumer`].
pub fn check_topic(connection: &Connection) -> Result<(), Fatal> {
    let kafka = &connection.kafka;
    let plan = LoadPlan {
        properties: kafka.properties.clone(),
        consumer_properties: kafka.consumer_properties.clone(),
        ..LoadPlan::new(&kafka.bootstrap, connection.topics.clone())
    };
    let properties = plan.merged(&plan.consumer_properties);
    let topic = connection.topics.input();
    let held = LoadConsumer::start(&plan.bootstrap, &properties, &[], MARKER)?.records_in(topic)?;
    if held == 0 {
        return Ok(());
    }
    let what = format!(
        "topic {topic} at {} already holds {}, and simulated card transactions would be written among them",
        kafka.bootstrap,
        records(held)
    );
    let fix = format!(
        "confirm with --simulate where they may be mixed; otherwise name an empty topic that scorewire run reads too \
         (--set topics.input=NAME), or {OWN_RECORDS}"
    );
    Err(Fatal::new(exit::USAGE, what, fix))
}

//! The decoder of a lane, and what is told of schemas at start.

use std::path::Path;
use std::sync::Arc;

use crate::avro::decoder::{Decoder, Grade};
use crate::avro::schemas::{Lookup, OnUnknown, SchemaDirectory, SchemaError, SchemaSource};
use crate::avro::wire::Accept;
use crate::config::{Config, UnknownSchema};
use crate::error::{Fatal, exit};
use crate::model::Package;
use crate::observe::stats::LaneStats;
use crate::pipeline::intake;
use crate::record::SchemaKey;

/// Makes a decoder only to see what would fail in the lanes, and tells everything there is to tell of the schemas: once,
/// and not by each lane.
///
/// # Errors
/// A folder that cannot be read, or one of schemas none of which can be used.
pub fn checked(config: &Config, package: &Package) -> Result<(), Fatal> {
    let mut directory = directory(config)?;
    let broken: Vec<SchemaError> = directory.problems().cloned().collect();
    for problem in &broken {
        tracing::error!("this schema cannot be used, the others are: {problem}");
    }
    directory.remarks().iter().for_each(|remark| tracing::warn!("{remark}"));
    // A file with the package's own schema is known to the decoder before it asks.
    let own = SchemaKey::Fingerprint(package.reader.fingerprint());
    let has_own = matches!(directory.lookup(own), Lookup::Found(schema) if schema.is_same_as(&package.reader));
    let mut decoder = decoder(config, package, directory)?;
    let usable = decoder.preload();
    let mut refused: Vec<String> = broken.iter().map(ToString::to_string).collect();
    while let Some(note) = decoder.take_note() {
        intake::log(&note);
        if note.grade == Grade::Refused {
            refused.push(note.text);
        }
    }
    if usable == 0 && !has_own && !refused.is_empty() {
        let fix = "correct the schemas named above, or the package's reader schema";
        return Err(Fatal::new(exit::CONFIG, format!("no writer's schema can be used:\n{}", refused.join("\n")), fix));
    }
    Ok(())
}

/// What [`checked`] told is not told again, but shown in `/status`.
///
/// # Errors
/// As [`checked`].
pub fn of_lane(config: &Config, package: &Package, stats: &LaneStats) -> Result<Decoder, Fatal> {
    let mut decoder = decoder(config, package, directory(config)?)?;
    decoder.preload();
    while let Some(note) = decoder.take_note() {
        intake::show(stats, note);
    }
    Ok(decoder)
}

fn directory(config: &Config) -> Result<SchemaDirectory, Fatal> {
    let schemas = &config.schemas;
    let on_unknown = match schemas.on_unknown {
        UnknownSchema::DeadLetter => OnUnknown::DeadLetter,
        UnknownSchema::Wait => OnUnknown::Wait,
    };
    let mut directory = match schemas.directory.as_deref() {
        Some(folder) => SchemaDirectory::open(folder, on_unknown).map_err(refused)?,
        None => SchemaDirectory::without_folder(on_unknown),
    };
    if let Some(file) = schemas.raw_schema.as_deref() {
        directory.set_raw(Path::new(file)).map_err(refused)?;
    }
    Ok(directory)
}

fn refused(error: SchemaError) -> Fatal {
    Fatal::new(exit::CONFIG, error.to_string(), "correct what is named above")
}

fn decoder(config: &Config, package: &Package, mut directory: SchemaDirectory) -> Result<Decoder, Fatal> {
    directory.add(Arc::clone(&package.reader));
    let forms = config.schemas.wire_forms;
    let accept = Accept { guid: forms.guid, id: forms.id, single_object: forms.single_object, raw: forms.raw };
    Decoder::new(Arc::clone(&package.reader), package.wanted.clone(), Box::new(directory), accept)
        .map_err(|error| Fatal::new(exit::MODEL, error.to_string(), "correct the package's contract or reader schema"))
}

//! The plans of a node's schemas: made before the first record, told about once, and handed to the lanes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::registry::Registry;
use crate::avro::decoder::Decoder;
use crate::avro::planner::{Grade, Known, Planner, SchemaNote};
use crate::avro::schemas::{AvroSchema, Lookup, SchemaDirectory, SchemaError, SchemaSource, key_text};
use crate::config::Config;
use crate::error::{Fatal, exit};
use crate::lane::ingest;
use crate::lane::schema_desk::{Counter, SchemaDesk};
use crate::model::Package;
use crate::observe::stats::LaneStats;
use crate::registry::direct::DirectSource;
use crate::registry::source::RegistrySource;
use crate::values::limits::KEPT_SCHEMAS_MAX;
use crate::values::record::SchemaKey;
use crate::values::schemas::{OnUnknown, WireForms};

/// Where a schema comes from that is in no file of the folder.
const OF_REGISTRY: &str = "the schema registry";

/// How long a start waits until kept schemas were asked for again and the input's newest was fetched. What is not answered
/// by then is asked for while records flow.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// What was found at start.
pub struct Preloaded {
    planner: Planner,
    notes: Vec<SchemaNote>,
    broken: Vec<SchemaError>,
    remarks: Vec<String>,
    usable: Vec<String>,
}

/// What a lane makes its decoder of.
pub struct Plans {
    known: Known,
    counter: Counter,
}

/// Makes a plan for every schema that is there. What there is to tell of them is told once, and not by each lane.
///
/// # Errors
/// A folder that cannot be read, or one of schemas none of which can be used.
pub fn preload(config: &Config, package: &Package, registry: Option<&Registry>) -> Result<Preloaded, Fatal> {
    let mut directory = directory(config, registry)?;
    let broken: Vec<SchemaError> = directory.problems().cloned().collect();
    let mut remarks = directory.remarks();
    let is_empty = directory.known().iter().all(|key| *key == SchemaKey::Raw) && broken.is_empty();
    let folder = config.schemas.directory.as_deref().filter(|_| is_empty && registry.is_none());
    remarks.extend(folder.map(|folder| without_files(folder, config)));
    let origins: HashMap<SchemaKey, String> =
        directory.known().into_iter().filter_map(|key| Some((key, directory.origin(key)?.to_owned()))).collect();
    // A file with the package's own schema is known to the planner before it asks.
    let own = SchemaKey::Fingerprint(package.reader.fingerprint());
    let has_own = matches!(directory.lookup(own), Lookup::Found(schema) if schema.is_same_as(&package.reader));
    directory.add(Arc::clone(&package.reader));
    let source = source(config, directory, registry)?;
    let mut planner = Planner::new(Arc::clone(&package.reader), package.wanted.clone(), source)
        .map_err(|error| Fatal::new(exit::MODEL, format!("{}: {}", error.place, error.what), error.fix))?;
    let found = planner.preload();
    let of_notes = found.notes.iter().filter(|note| note.grade == Grade::Refused).map(|note| note.text.clone());
    let refused: Vec<String> = broken.iter().map(ToString::to_string).chain(of_notes).collect();
    // A registry may have another one tomorrow.
    if found.usable.is_empty() && !has_own && !refused.is_empty() && registry.is_none() {
        // Each of them has its own fix.
        let what = format!("no writer's schema can be used:\n{}", refused.join("\n"));
        return Err(Fatal::new(exit::CONFIG, what, ""));
    }
    // A file that has an id is known by it.
    let of = |key: &SchemaKey| origins.get(key).map_or(OF_REGISTRY, String::as_str);
    let own = Some(own).filter(|own| has_own && !found.usable.iter().any(|key| of(key) == of(own)));
    let named = |key: &SchemaKey| format!("{} ({})", of(key), key_text(*key));
    let usable = found.usable.iter().chain(&own).map(named).collect();
    Ok(Preloaded { planner, notes: found.notes, broken, remarks, usable })
}

fn without_files(folder: &Path, config: &Config) -> String {
    let then = match config.schemas.on_unknown {
        OnUnknown::DeadLetter => "are dead letters",
        OnUnknown::Wait => "wait",
    };
    format!(
        "schemas.directory: {} holds no .avsc file: records that name another schema than the package's own {then} until \
         somebody puts their schema there",
        folder.display()
    )
}

impl Preloaded {
    /// Writers' schemas whose records are scored: each one's key and file.
    pub fn usable(&self) -> &[String] {
        &self.usable
    }

    /// Schemas that are there and cannot be used.
    pub fn refused(&self) -> usize {
        self.broken.len() + self.notes.iter().filter(|note| note.grade == Grade::Refused).count()
    }

    /// Everything there is to tell of them, for whoever keeps no log.
    pub(super) fn warnings(&self) -> Vec<String> {
        let broken = self.broken.iter().map(|problem| format!("this schema cannot be used, the others are: {problem}"));
        broken.chain(self.remarks.iter().cloned()).chain(self.notes.iter().map(ingest::sentence)).collect()
    }

    /// Says it in the log.
    pub(super) fn log(&self) {
        for problem in &self.broken {
            tracing::error!("this schema cannot be used, the others are: {problem}");
        }
        self.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
        self.notes.iter().for_each(ingest::log);
    }

    /// What makes the plans, for whoever asks it within the call.
    pub(super) fn into_planner(self) -> Planner {
        self.planner
    }

    /// The desk where further schemas are read and compiled, and each lane's end of it. What was told is not told again,
    /// but shown in `/status`.
    pub fn desk(self, lanes: &[Arc<LaneStats>]) -> (SchemaDesk, Vec<Plans>) {
        let known = self.planner.known();
        let mut desk = SchemaDesk::new(self.planner);
        let of_lane = |stats: &Arc<LaneStats>| {
            self.notes.iter().for_each(|note| ingest::show(stats, note.clone()));
            Plans { known: known.clone(), counter: desk.counter() }
        };
        let plans = lanes.iter().map(of_lane).collect();
        (desk, plans)
    }
}

/// The decoder of one lane.
pub fn decoder(config: &Config, plans: Plans) -> Decoder {
    Decoder::with(plans.known, Box::new(plans.counter), config.schemas.wire_forms)
}

/// What decodes without a lane.
pub(super) struct Decoding {
    pub decoder: Decoder,
    pub accept: WireForms,
}

/// A decoder that answers within the call: for values as they stand on the topic, or for the bare data of a `writer`.
///
/// # Errors
/// As [`preload`].
pub(super) fn offline(
    config: &Config,
    package: &Package,
    found: Preloaded,
    writer: Option<Arc<AvroSchema>>,
) -> Result<Decoding, Fatal> {
    let Some(writer) = writer else {
        let accept = config.schemas.wire_forms;
        let decoder = Decoder::with(found.planner.known(), Box::new(found.planner), accept);
        return Ok(Decoding { decoder, accept });
    };
    let accept = WireForms { guid: false, id: false, single_object: false, raw: true };
    let mut source = SchemaDirectory::without_folder(OnUnknown::DeadLetter);
    source.add_raw(writer);
    let decoder = Decoder::new(Arc::clone(&package.reader), package.wanted.clone(), Box::new(source), accept);
    let decoder =
        decoder.map_err(|error| Fatal::new(exit::MODEL, format!("{}: {}", error.place, error.what), error.fix))?;
    Ok(Decoding { decoder, accept })
}

/// What the folder does not know the registry is asked for, where there is one.
fn source(
    config: &Config,
    directory: SchemaDirectory,
    registry: Option<&Registry>,
) -> Result<Box<dyn SchemaSource + Send>, Fatal> {
    let Some(Registry { client, kept, status, within_the_call }) = registry else { return Ok(Box::new(directory)) };
    let (client, kept, status) = (Arc::clone(client), Arc::clone(kept), Arc::clone(status));
    let (topic, on_unknown) = (config.topics.input(), config.schemas.on_unknown);
    if *within_the_call {
        return Ok(Box::new(DirectSource::new(client, kept, topic, directory, on_unknown)));
    }
    let source = RegistrySource::start(client, kept, topic, directory, on_unknown, status)?;
    if !source.settle(SETTLE_MAX) {
        let kept = source.known().iter().filter(|key| matches!(key, SchemaKey::Id(_) | SchemaKey::Guid(_))).count();
        tracing::warn!(schemas = kept, "the schema registry did not answer at start: schemas that are kept are used");
    }
    source.bound_kept(KEPT_SCHEMAS_MAX);
    Ok(Box::new(source))
}

fn directory(config: &Config, registry: Option<&Registry>) -> Result<SchemaDirectory, Fatal> {
    let schemas = &config.schemas;
    // With a registry the folder's word is not the last one.
    let on_unknown = if registry.is_some() { OnUnknown::DeadLetter } else { schemas.on_unknown };
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
    Fatal::new(exit::CONFIG, format!("{}: {}", error.place, error.what), error.fix)
}

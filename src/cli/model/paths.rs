//! What the arguments of `scorewire model` name: a model's file, a schema.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::avro::container::Blocks;
use crate::avro::problem::SchemaError;
use crate::avro::schemas::AvroSchema;
use crate::config::Config;
use crate::config::machine::Machine;
use crate::config::sources::Sources;
use crate::error::{Fatal, exit};
use crate::model::MANIFEST;
use crate::registry::client::Client;
use crate::registry::fetch::{Fetched, Fetcher};

/// A schema's file holds no more.
const SCHEMA_BYTES_MAX: u64 = 4 << 20;

/// The model's file: the path itself, or the file that the package of this folder names.
///
/// # Errors
/// [`exit::MODEL`] for a folder that is no package.
pub fn model_file(path: &Path) -> Result<PathBuf, Fatal> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let manifest = path.join(MANIFEST);
    let named = std::fs::read_to_string(&manifest).ok().and_then(|text| {
        let table: toml::Table = text.parse().ok()?;
        let file = table.get("model")?.get("file")?.as_str()?;
        // As the contract wants it: a file of the folder itself.
        Path::new(file).file_name().filter(|name| *name == file).map(|name| path.join(name))
    });
    named.ok_or_else(|| {
        let what = format!("{} names no model's file", manifest.display());
        Fatal::new(exit::MODEL, what, "name an ONNX file, or the folder of a package")
    })
}

/// The schema that an argument names: an `.avsc` file, a container file by the schema in its header, or a subject of the
/// registry that a configuration names.
///
/// # Errors
/// [`exit::USAGE`] when there is none, [`exit::UNAVAILABLE`] when the registry gives no answer.
pub fn schema(argument: &Path, config: Option<&Path>) -> Result<AvroSchema, Fatal> {
    match config {
        Some(config) if !argument.exists() => of_subject(&argument.to_string_lossy(), config),
        _ => of_file(argument),
    }
}

/// The subject's newest version.
fn of_subject(subject: &str, config: &Path) -> Result<AvroSchema, Fatal> {
    let sources = Sources { file: Some(config.to_owned()), env: std::env::vars_os().collect(), flags: Vec::new() };
    let settings = Config::load_registry(&sources, &Machine::current())?.registry;
    let fetcher = Fetcher::of_subject(Arc::new(Client::new(&settings)?), subject);
    let (what, fix) = match fetcher.latest() {
        Ok(Some((_, Fetched::Schema(found)))) => {
            let parsed = AvroSchema::parse(found.schema.text(), subject);
            return parsed
                .map_err(|error| Fatal::new(exit::USAGE, format!("{}: {}", error.place, error.what), error.fix));
        }
        Ok(Some((_, Fetched::Refused(why)))) => (why, "name a subject with an Avro schema".to_owned()),
        Ok(_) => {
            let urls = settings.urls.join(", ");
            let what = format!("neither a file nor a subject of the schema registry ({urls})");
            (what, "the values of a topic usually have the subject TOPIC-value".to_owned())
        }
        Err(away) => return Err(Fatal::new(exit::UNAVAILABLE, away.why, away.fix)),
    };
    Err(Fatal::new(exit::USAGE, format!("{subject}: {what}"), fix))
}

fn of_file(argument: &Path) -> Result<AvroSchema, Fatal> {
    let place = argument.display().to_string();
    let fix = "name a file with the Avro schema that producers write with (.avsc), one with their records (.avro), or a subject \
               of the registry of --config";
    let cannot = |error: std::io::Error| Fatal::new(exit::USAGE, format!("{place}: cannot be read: {error}"), fix);
    let refused = |error: SchemaError| Fatal::new(exit::USAGE, format!("{}: {}", error.place, error.what), error.fix);
    let mut file = File::open(argument).map_err(cannot)?;
    let mut start = [0; 4];
    let is_container = std::io::Read::read_exact(&mut file, &mut start).is_ok() && start == *b"Obj\x01";
    let file = File::open(argument).map_err(cannot)?;
    if is_container {
        return Ok(Blocks::open(BufReader::new(file), &place).map_err(refused)?.into_writer());
    }
    let mut text = Vec::new();
    let read = std::io::Read::read_to_end(&mut std::io::Read::take(file, SCHEMA_BYTES_MAX + 1), &mut text);
    read.map_err(cannot)?;
    let text =
        String::from_utf8(text).map_err(|_| Fatal::new(exit::USAGE, format!("{place}: is no UTF-8 text"), fix))?;
    AvroSchema::parse(&text, &place).map_err(refused)
}

//! What the arguments of `scorewire model` name: a model's file, a schema.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::avro::container::Blocks;
use crate::avro::problem::SchemaError;
use crate::avro::schemas::AvroSchema;
use crate::error::{Fatal, exit};
use crate::model::MANIFEST;

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

/// The schema that an argument names: an `.avsc` file, or a container file by the schema in its header. Whoever adds other
/// places for schemas, such as a registry's subjects, adds them here.
///
/// # Errors
/// [`exit::USAGE`] when there is none.
pub fn schema(argument: &Path) -> Result<AvroSchema, Fatal> {
    let place = argument.display().to_string();
    let fix = "name a file with the Avro schema that producers write with (.avsc), or one with their records (.avro)";
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

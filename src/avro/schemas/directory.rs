//! A folder of `.avsc` files as the source of writers' schemas.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::file_name::{key_of, looks_like_id};
use super::types::Types;
use super::{AvroSchema, Lookup, SchemaError, SchemaSource, key_text, text};
use crate::values::record::SchemaKey;
use crate::values::schemas::OnUnknown;

/// Every `*.avsc` of one folder, and schemas known from elsewhere.
///
/// A file's name may carry the registry's id or GUID ([`key_of`]); every file is also known by its CRC-64-AVRO fingerprint.
/// A type that a schema only names is looked for in the other files. Ids are immutable: a file is read once. For a key it
/// does not know the folder is read again.
///
/// An id, a GUID or a fingerprint that two schemas claim is refused as long as they do not mean the same: a fingerprint
/// knows nothing of decimals' scales and timestamps' units.
#[derive(Debug)]
pub struct SchemaDirectory {
    /// Without one, only what was added by hand is known.
    folder: Option<PathBuf>,
    on_unknown: OnUnknown,
    found: HashMap<SchemaKey, Known>,
    /// Keys that two schemas claim, with both.
    contested: HashMap<SchemaKey, SchemaError>,
    /// Contested since somebody asked.
    refused: Vec<SchemaKey>,
    /// Files whose schema was read: an id is immutable, so they are read once.
    read: BTreeSet<PathBuf>,
    /// Types that other files may name.
    types: Types,
    /// Files that cannot be used now; they are tried again.
    broken: BTreeMap<PathBuf, SchemaError>,
    /// The folder itself cannot be read.
    unreadable: Option<SchemaError>,
    /// How the folder looked when it was refreshed last, and how it looks as long as reading it again can find nothing new.
    before: Option<Look>,
    settled: Option<Look>,
    /// How often the folder was read.
    reads: u64,
}

/// When folder and broken files changed last, in seconds and nanoseconds, and their lengths.
type Look = Vec<(i64, i64, u64)>;

/// A schema and where it came from.
#[derive(Clone, Debug)]
struct Known {
    schema: Arc<AvroSchema>,
    origin: String,
}

impl SchemaDirectory {
    /// Reads the folder. What is wrong with single files costs those files only: [`SchemaDirectory::problems`].
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn open(folder: &Path, on_unknown: OnUnknown) -> Result<SchemaDirectory, SchemaError> {
        let mut directory = SchemaDirectory { folder: Some(folder.to_owned()), ..Self::without_folder(on_unknown) };
        directory.read_folder();
        match directory.unreadable {
            None => Ok(directory),
            Some(problem) => Err(problem),
        }
    }

    /// Knows what is added by hand, and nothing else.
    pub fn without_folder(on_unknown: OnUnknown) -> SchemaDirectory {
        SchemaDirectory {
            folder: None,
            on_unknown,
            found: HashMap::new(),
            contested: HashMap::new(),
            refused: Vec::new(),
            read: BTreeSet::new(),
            types: Types::default(),
            broken: BTreeMap::new(),
            unreadable: None,
            before: None,
            settled: None,
            reads: 0,
        }
    }

    /// Makes a schema known that is in no file of the folder: the package's reader schema, by its fingerprint.
    pub fn add(&mut self, schema: Arc<AvroSchema>) {
        self.claim(SchemaKey::Fingerprint(schema.fingerprint()), schema, "the package's reader schema");
    }

    /// Makes a file's schema that of bare data.
    ///
    /// # Errors
    /// When the file cannot be read or is no schema.
    pub fn set_raw(&mut self, file: &Path) -> Result<(), SchemaError> {
        let place = file.display().to_string();
        let schema = AvroSchema::parse(&read_text(file)?, &place)?;
        self.found.insert(SchemaKey::Raw, Known { schema: Arc::new(schema), origin: place });
        Ok(())
    }

    /// Makes a schema that of bare data: the one in a container file's header.
    pub fn add_raw(&mut self, schema: Arc<AvroSchema>) {
        self.found.insert(SchemaKey::Raw, Known { schema, origin: "the file's own schema".to_owned() });
    }

    /// What is wrong with the folder or its files now.
    pub fn problems(&self) -> impl Iterator<Item = &SchemaError> {
        self.unreadable.iter().chain(self.broken.values())
    }

    /// The file that a key's schema came from.
    pub fn origin(&self, key: SchemaKey) -> Option<&str> {
        self.found.get(&key).map(|known| known.origin.as_str())
    }

    /// Worth knowing, no reason to refuse anything: names that look as if they carried an id.
    pub fn remarks(&self) -> Vec<String> {
        let files = self.read.iter().filter_map(|file| Some((file, looks_like_id(file)?)));
        let remark = |(file, id): (&PathBuf, &str)| {
            format!(
                "{}: is known by its fingerprint only; if {id} is its registry id, name it NAME.id-{id}.avsc",
                file.display()
            )
        };
        files.map(remark).collect()
    }

    /// Why the folder cannot answer for a key now.
    pub fn broken(&self, key: SchemaKey) -> Option<String> {
        let about = |(file, problem): (&PathBuf, &SchemaError)| {
            matches!(key_of(file), Ok(Some(named)) if named == key).then(|| problem.to_string())
        };
        let folder = self.unreadable.as_ref().map(ToString::to_string);
        folder.or_else(|| self.broken.iter().find_map(about))
    }

    fn look(&self) -> Option<Look> {
        let look = |path: &PathBuf| fs::metadata(path).ok().map(|data| (data.mtime(), data.mtime_nsec(), data.len()));
        self.folder.iter().chain(self.broken.keys()).map(look).collect()
    }

    fn read_folder(&mut self) {
        // A flood of keys that nobody knows must not read the folder for each.
        if self.settled.is_some() && self.settled == self.look() {
            return;
        }
        self.settled = None;
        self.reads += 1;
        let Some(folder) = &self.folder else { return };
        let files = match list(folder) {
            Ok(files) => files,
            Err(why) => {
                let fix = "create the folder, or correct schemas.directory and the folder's permissions";
                self.unreadable = Some(SchemaError::new(folder.display().to_string(), why.to_string(), fix));
                return;
            }
        };
        self.unreadable = None;
        self.broken.retain(|file, _| files.contains(file));
        let fresh: Vec<PathBuf> = files.into_iter().filter(|file| !self.read.contains(file)).collect();
        // All texts before the first schema: one may name a type of another.
        let texts: Vec<_> = fresh.iter().map(|file| self.read_json(file)).collect();
        for (file, text) in fresh.into_iter().zip(texts) {
            match text.and_then(|(text, json)| self.read_schema(&file, &text, &json)) {
                Ok(()) => {
                    self.broken.remove(&file);
                    self.read.insert(file);
                }
                Err(problem) => {
                    self.broken.insert(file, problem);
                }
            }
        }
    }

    fn read_json(&mut self, file: &Path) -> Result<(String, Json), SchemaError> {
        let place = file.display().to_string();
        let text = read_text(file)?;
        let json = text::json(&text).map_err(|(what, fix)| SchemaError::new(&place, what, fix))?;
        self.types.learn(&json, &place);
        Ok((text, json))
    }

    fn read_schema(&mut self, file: &Path, text: &str, json: &Json) -> Result<(), SchemaError> {
        let place = file.display().to_string();
        let key = key_of(file)?;
        let types = &self.types;
        let schema = Arc::new(AvroSchema::build(text, json, &place, &|name| types.find(name))?);
        if let Some(key) = key {
            self.claim(key, Arc::clone(&schema), &place);
        }
        self.claim(SchemaKey::Fingerprint(schema.fingerprint()), schema, &place);
        Ok(())
    }

    /// The key is this schema's, unless another schema has it that does not mean the same.
    fn claim(&mut self, key: SchemaKey, schema: Arc<AvroSchema>, origin: &str) {
        let Some(known) = self.found.get(&key) else {
            if !self.contested.contains_key(&key) {
                self.found.insert(key, Known { schema, origin: origin.to_owned() });
            }
            return;
        };
        if known.schema.is_same_as(&schema) {
            return;
        }
        let what = format!("claims {} as {} does, and the two do not mean the same", key_text(key), known.origin);
        let fix = match key {
            SchemaKey::Fingerprint(_) => {
                "let the writers send a registry id, or make units and scales of the two schemas equal: a fingerprint \
                 does not cover them"
            }
            _ => "an id has one schema: rename one of the files",
        };
        self.found.remove(&key);
        self.contested.insert(key, SchemaError::new(origin, what, fix));
        self.refused.push(key);
    }

    fn is_waited_for(&self, key: SchemaKey) -> bool {
        let names_key = |file: &PathBuf| matches!(key_of(file), Ok(Some(named)) if named == key);
        self.on_unknown == OnUnknown::Wait || self.unreadable.is_some() || self.broken.keys().any(names_key)
    }
}

impl SchemaSource for SchemaDirectory {
    fn lookup(&mut self, key: SchemaKey) -> Lookup {
        if !self.found.contains_key(&key) && !self.contested.contains_key(&key) {
            self.read_folder();
        }
        if let Some(problem) = self.contested.get(&key) {
            return Lookup::Refused(problem.to_string());
        }
        match self.found.get(&key) {
            Some(known) => Lookup::Found(Arc::clone(&known.schema)),
            // Bare data without a schema of its own is a matter of configuration, not of time.
            None if key != SchemaKey::Raw && self.is_waited_for(key) => Lookup::Pending,
            None => Lookup::Unknown,
        }
    }

    fn known(&self) -> Vec<SchemaKey> {
        let mut keys: Vec<SchemaKey> = self.found.keys().chain(self.contested.keys()).copied().collect();
        // Ids first: a schema is told about by the first of its keys.
        let rank = |key: SchemaKey| match key {
            SchemaKey::Id(id) => (0, id),
            SchemaKey::Guid(_) => (1, 0),
            SchemaKey::Fingerprint(_) => (2, 0),
            SchemaKey::Raw => (3, 0),
        };
        keys.sort_by_cached_key(|&key| (rank(key), key_text(key)));
        keys
    }

    /// A folder that has not changed for a whole second is read once more, and then not again before it changes: what
    /// comes later has a later time, whatever the file system's clock can tell apart.
    fn refresh(&mut self) {
        let look = self.look();
        if self.settled.is_none() && look.is_some() && self.before == look {
            self.read_folder();
            self.settled = look.clone().filter(|_| self.look() == look);
        }
        self.before = look;
    }

    fn take_refused(&mut self) -> Vec<SchemaKey> {
        std::mem::take(&mut self.refused)
    }

    fn problem(&self, key: SchemaKey) -> Option<String> {
        self.broken(key).or_else(|| {
            let missing = !self.found.contains_key(&key);
            missing.then(|| {
                let what = format!("no .avsc file here has schema {}", key_text(key));
                let fix = "put the writer's schema there, named by its id (17.avsc, NAME.id-17.avsc) or GUID";
                let folder = self
                    .folder
                    .as_ref()
                    .map_or_else(|| "schemas.directory (not set)".into(), |f| f.display().to_string());
                SchemaError::new(folder, what, fix).to_string()
            })
        })
    }
}

/// The folder's `.avsc` files in the order of their names, so that the same folder always gives the same answer.
fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "avsc") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_text(file: &Path) -> Result<String, SchemaError> {
    text::of_file(file).map_err(|(what, fix)| SchemaError::new(file.display().to_string(), what, fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_stands_still_is_not_read_for_each_key_and_one_that_changes_is() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("1.avsc", "\"int\"");
        put("2.avsc", "[");
        let mut directory = SchemaDirectory::open(folder.path(), OnUnknown::DeadLetter).unwrap();
        let ask = |directory: &mut SchemaDirectory, id: u32| directory.lookup(SchemaKey::Id(id));
        (100..110).for_each(|id| drop(ask(&mut directory, id)));
        assert_eq!(directory.reads, 11, "until it is known to stand still, each key may be that of a new file");
        directory.refresh();
        directory.refresh();
        let reads = directory.reads;
        (200..10_000).for_each(|id| assert!(matches!(ask(&mut directory, id), Lookup::Unknown)));
        assert_eq!(directory.reads, reads);
        // A new file, and a broken one that is repaired in place.
        put("7.avsc", "\"long\"");
        assert!(matches!(ask(&mut directory, 7), Lookup::Found(_)));
        directory.refresh();
        directory.refresh();
        put("2.avsc", "\"int\" ");
        assert!(matches!(ask(&mut directory, 2), Lookup::Found(_)));
    }
}

//! A folder of `.avsc` files as the source of writers' schemas.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{AvroSchema, Lookup, SchemaError, SchemaSource};
use crate::record::SchemaKey;

/// What an id means that no file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// The record is a dead letter.
    DeadLetter,
    /// The partition waits until somebody puts the file there.
    Wait,
}

/// Every `*.avsc` of one folder, and schemas known from elsewhere.
///
/// A file's registry id is the last number in its stem (`17.avsc`, `transaction-17.avsc`), its GUID what the stem
/// ends in (`transaction-0af3....avsc`, in the usual 8-4-4-4-12 form); every file is also known by its CRC-64-AVRO
/// fingerprint. Ids are immutable: a file is read once. For a key it does not know the folder is read again.
#[derive(Debug)]
pub struct SchemaDirectory {
    /// Without one, only what was added by hand is known.
    folder: Option<PathBuf>,
    on_unknown: OnUnknown,
    found: HashMap<SchemaKey, Arc<AvroSchema>>,
    /// Which file an id or a GUID came from, to name both when they clash.
    origins: HashMap<SchemaKey, PathBuf>,
    /// Files that are done with, good or clashing.
    read: BTreeMap<PathBuf, ()>,
    /// Files that cannot be used now; they are tried again.
    broken: BTreeMap<PathBuf, SchemaError>,
    /// The folder itself cannot be read.
    unreadable: Option<SchemaError>,
}

impl SchemaDirectory {
    /// Reads the folder.
    ///
    /// # Errors
    /// Everything that is wrong at once: an unreadable folder or file, a file that is no schema, an id or GUID that
    /// two files claim.
    pub fn open(folder: &Path, on_unknown: OnUnknown) -> Result<SchemaDirectory, Vec<SchemaError>> {
        let mut directory = SchemaDirectory { folder: Some(folder.to_owned()), ..Self::without_folder(on_unknown) };
        directory.read_folder();
        let problems: Vec<SchemaError> = directory.problems().cloned().collect();
        if problems.is_empty() { Ok(directory) } else { Err(problems) }
    }

    /// Knows what is added by hand, and nothing else.
    pub fn without_folder(on_unknown: OnUnknown) -> SchemaDirectory {
        SchemaDirectory {
            folder: None,
            on_unknown,
            found: HashMap::new(),
            origins: HashMap::new(),
            read: BTreeMap::new(),
            broken: BTreeMap::new(),
            unreadable: None,
        }
    }

    /// Makes a schema known that is in no file of the folder: the package's reader schema, by its fingerprint.
    pub fn add(&mut self, schema: Arc<AvroSchema>) {
        self.found.entry(SchemaKey::Fingerprint(schema.fingerprint())).or_insert(schema);
    }

    /// Makes a file's schema that of bare data.
    ///
    /// # Errors
    /// When the file cannot be read or is no schema.
    pub fn set_raw(&mut self, file: &Path) -> Result<(), SchemaError> {
        let schema = read_schema(file)?;
        self.found.insert(SchemaKey::Raw, schema);
        Ok(())
    }

    /// What is wrong with the folder or its files now.
    pub fn problems(&self) -> impl Iterator<Item = &SchemaError> {
        self.unreadable.iter().chain(self.broken.values())
    }

    fn read_folder(&mut self) {
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
        for file in files {
            if !self.read.contains_key(&file) {
                match self.read_file(&file) {
                    Ok(()) => {
                        self.read.insert(file.clone(), ());
                        self.broken.remove(&file);
                    }
                    Err(problem) => {
                        self.broken.insert(file, problem);
                    }
                }
            }
        }
    }

    fn read_file(&mut self, file: &Path) -> Result<(), SchemaError> {
        let key = key_of(file)?;
        if let Some(other) = key.and_then(|key| self.origins.get(&key)) {
            let what = format!("claims the same schema id as {}", other.display());
            return Err(SchemaError::new(file.display().to_string(), what, "an id has one schema: rename one of them"));
        }
        let schema = read_schema(file)?;
        if let Some(key) = key {
            self.found.insert(key, schema.clone());
            self.origins.insert(key, file.to_owned());
        }
        self.add(schema);
        Ok(())
    }

    fn is_waited_for(&self, key: SchemaKey) -> bool {
        let names_key = |file: &PathBuf| matches!(key_of(file), Ok(Some(named)) if named == key);
        self.on_unknown == OnUnknown::Wait || self.unreadable.is_some() || self.broken.keys().any(names_key)
    }
}

impl SchemaSource for SchemaDirectory {
    fn lookup(&mut self, key: SchemaKey) -> Lookup {
        if !self.found.contains_key(&key) {
            self.read_folder();
        }
        match self.found.get(&key) {
            Some(schema) => Lookup::Found(schema.clone()),
            // Bare data without a schema of its own is a matter of configuration, not of time.
            None if key != SchemaKey::Raw && self.is_waited_for(key) => Lookup::Pending,
            None => Lookup::Unknown,
        }
    }

    fn known(&self) -> Vec<SchemaKey> {
        let mut keys: Vec<SchemaKey> = self.found.keys().copied().collect();
        // Ids first: a schema is told about by the first of its keys.
        let rank = |key: SchemaKey| match key {
            SchemaKey::Id(id) => (0, id),
            SchemaKey::Guid(_) => (1, 0),
            SchemaKey::Fingerprint(_) => (2, 0),
            SchemaKey::Raw => (3, 0),
        };
        keys.sort_by_cached_key(|&key| (rank(key), super::key_text(key)));
        keys
    }

    fn problem(&self, key: SchemaKey) -> Option<String> {
        let about = |(file, problem): (&PathBuf, &SchemaError)| {
            matches!(key_of(file), Ok(Some(named)) if named == key).then(|| problem.to_string())
        };
        let folder = self.unreadable.as_ref().map(ToString::to_string);
        folder.or_else(|| self.broken.iter().find_map(about)).or_else(|| {
            let missing = !self.found.contains_key(&key);
            missing.then(|| {
                let what = format!("no .avsc file here has schema {}", super::key_text(key));
                let fix = "put the writer's schema there, named by its id (17.avsc) or GUID";
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

fn read_schema(file: &Path) -> Result<Arc<AvroSchema>, SchemaError> {
    let place = file.display().to_string();
    let text = fs::read_to_string(file)
        .map_err(|why| SchemaError::new(&place, why.to_string(), "make the file readable UTF-8 text"))?;
    AvroSchema::parse(&text, &place).map(Arc::new)
}

/// The id or GUID that a file's name carries, if any.
fn key_of(file: &Path) -> Result<Option<SchemaKey>, SchemaError> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    if let Some(guid) = trailing_guid(stem) {
        return Ok(Some(SchemaKey::Guid(guid)));
    }
    let Some(end) = stem.rfind(|char: char| char.is_ascii_digit()) else { return Ok(None) };
    let start = stem[..end]
        .rfind(|char: char| !char.is_ascii_digit())
        .map_or(0, |before| before + stem[before..].chars().next().map_or(1, char::len_utf8));
    match stem[start..=end].parse() {
        Ok(id) => Ok(Some(SchemaKey::Id(id))),
        Err(_) => {
            let what = format!("{} is no schema id: ids have 32 bits", &stem[start..=end]);
            Err(SchemaError::new(file.display().to_string(), what, "name the file by its registry id, as 17.avsc"))
        }
    }
}

/// `...xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`
fn trailing_guid(stem: &str) -> Option<[u8; 16]> {
    const LEN: usize = 36;
    let text = stem.get(stem.len().checked_sub(LEN)?..)?;
    let mut guid = [0; 16];
    let mut digits = 0;
    for (place, byte) in text.bytes().enumerate() {
        let is_dash_place = matches!(place, 8 | 13 | 18 | 23);
        match (is_dash_place, char::from(byte).to_digit(16)) {
            (true, _) if byte == b'-' => {}
            (false, Some(digit)) => {
                guid[digits / 2] = guid[digits / 2] << 4 | digit as u8;
                digits += 1;
            }
            _ => return None,
        }
    }
    Some(guid)
}

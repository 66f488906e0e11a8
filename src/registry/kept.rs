//! The folder where what came from the registry is kept: a node that starts while the registry is away scores on with it.
//!
//! One file for each id, GUID, and schema of our own. Each is written beside its place and renamed, so that several nodes
//! may share the folder and none reads half a file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::settings::RegistrySettings;
use crate::avro::schemas::{AvroSchema, key_text};
use crate::error::{Fatal, exit};
use crate::values::record::SchemaKey;

/// The folder, and the context whose ids count.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    context: Option<String>,
    /// Tells files apart that are written at the same time.
    writes: AtomicU64,
}

/// A writer's schema as its file has it: whole, so that nothing else is needed.
#[derive(Debug, Serialize, Deserialize)]
struct SchemaFile {
    key: String,
    context: Option<String>,
    schema: String,
}

/// Under which id a schema of ours is registered.
#[derive(Debug, Serialize, Deserialize)]
struct OwnFile {
    subject: String,
    schema: String,
    id: u32,
}

impl Kept {
    /// Makes the folder where it is absent, and tries to write there.
    ///
    /// # Errors
    /// [`exit::CONFIG`] when nothing can be written: a node would lose what it needs in an outage.
    pub fn open(settings: &RegistrySettings) -> Result<Kept, Fatal> {
        let kept = Kept::as_it_is(settings);
        let tried = fs::create_dir_all(&kept.folder).and_then(|()| kept.write("writable", "{}"));
        tried.map_err(|error| {
            Fatal::new(
                exit::CONFIG,
                format!("schemas.registry.cache_dir: {}: {error}", kept.folder.display()),
                "name a folder of this process's user, on a disk that stays: schemas are kept there for an outage",
            )
        })?;
        Ok(kept)
    }

    /// The folder, whether it is there and may be written or not: for a guest, whose schemas are kept where that can be.
    pub fn as_it_is(settings: &RegistrySettings) -> Kept {
        Kept { folder: settings.cache_dir.clone(), context: settings.context.clone(), writes: AtomicU64::new(0) }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes schemas until no more than `max` are left: those that are `gone` from the registry first, then those that were
    /// fetched longest ago. Returns the keys of those that went.
    pub fn bound(&self, gone: &[SchemaKey], max: usize) -> Vec<SchemaKey> {
        let mut kept: Vec<(bool, SystemTime, SchemaKey)> = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let key = entry.file_name().to_str().and_then(key_of);
            let modified = entry.metadata().and_then(|data| data.modified());
            if let (Some(key), Ok(modified)) = (key, modified) {
                kept.push((!gone.contains(&key), modified, key));
            }
        }
        let surplus = kept.len().saturating_sub(max);
        kept.sort_unstable_by_key(|&(is_there, modified, key)| (is_there, modified, key_text(key)));
        let first = kept.into_iter().take(surplus).map(|(_, _, key)| key);
        first.filter(|key| fs::remove_file(self.folder.join(file_name(*key))).is_ok()).collect()
    }

    /// Every schema that is kept, and what is wrong with files that cannot be used.
    pub fn schemas(&self) -> (Vec<(SchemaKey, Arc<AvroSchema>)>, Vec<String>) {
        let (mut schemas, mut problems) = (Vec::new(), Vec::new());
        let mut names: Vec<String> = fs::read_dir(&self.folder)
            .map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        names.sort();
        for name in names {
            let Some(key) = key_of(&name) else { continue };
            match self.schema(&name, key) {
                Ok(Some(schema)) => schemas.push((key, Arc::new(schema))),
                Ok(None) => {}
                Err(what) => problems.push(format!("{}: {what}", self.folder.join(name).display())),
            }
        }
        (schemas, problems)
    }

    /// The kept schema of a key.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub fn find(&self, key: SchemaKey) -> Result<Option<AvroSchema>, String> {
        let (name, absent) = (file_name(key), std::io::ErrorKind::NotFound);
        match self.folder.join(&name).symlink_metadata() {
            Err(error) if error.kind() == absent => Ok(None),
            _ => self.schema(&name, key).map_err(|what| format!("{}: {what}", self.folder.join(name).display())),
        }
    }

    /// `None`: of another context.
    fn schema(&self, name: &str, key: SchemaKey) -> Result<Option<AvroSchema>, String> {
        let text = fs::read_to_string(self.folder.join(name)).map_err(|error| error.to_string())?;
        let file: SchemaFile = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if file.key != key_text(key) {
            return Err(format!("holds {} and not {}", file.key, key_text(key)));
        }
        if file.context != self.context {
            return Ok(None);
        }
        AvroSchema::parse(&file.schema, "the kept schema").map(Some).map_err(|error| error.to_string())
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, key: SchemaKey, schema: &AvroSchema) -> Result<(), String> {
        let file = SchemaFile { key: key_text(key), context: self.context.clone(), schema: schema.text().to_owned() };
        self.put(&file_name(key), &file)
    }

    /// The id under which this schema of ours was registered.
    pub fn own_id(&self, subject: &str, schema: &str) -> Option<u32> {
        let text = fs::read_to_string(self.folder.join(own_name(subject, schema))).ok()?;
        let file: OwnFile = serde_json::from_str(&text).ok()?;
        (file.subject == subject && file.schema == schema).then_some(file.id)
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn keep_own(&self, subject: &str, schema: &str, id: u32) -> Result<(), String> {
        let file = OwnFile { subject: subject.to_owned(), schema: schema.to_owned(), id };
        self.put(&own_name(subject, schema), &file)
    }

    fn put(&self, name: &str, file: &impl Serialize) -> Result<(), String> {
        let text = serde_json::to_string_pretty(file).map_err(|error| error.to_string())?;
        self.write(name, &text).map_err(|error| format!("{}: {error}", self.folder.join(name).display()))
    }

    fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        let turn = self.writes.fetch_add(1, Ordering::Relaxed);
        let beside = self.folder.join(format!(".{name}.{}.{turn}", std::process::id()));
        let written = File::create(&beside).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| fs::rename(&beside, self.folder.join(name)));
        if renamed.is_err() {
            // Whatever is left of it is not looked at.
            let _ = fs::remove_file(&beside);
        }
        renamed
    }
}

fn file_name(key: SchemaKey) -> String {
    format!("{}.json", key_text(key).replace(' ', "-"))
}

fn key_of(name: &str) -> Option<SchemaKey> {
    let stem = name.strip_suffix(".json")?;
    if let Some(id) = stem.strip_prefix("id-") {
        return id.parse().ok().map(SchemaKey::Id);
    }
    let guid = u128::from_str_radix(&stem.strip_prefix("guid-")?.replace('-', ""), 16).ok()?;
    let key = SchemaKey::Guid(guid.to_be_bytes());
    (file_name(key) == name).then_some(key)
}

/// A subject may hold anything.
fn own_name(subject: &str, schema: &str) -> String {
    let digest = Sha256::digest(format!("{subject}\n{schema}"));
    let digits: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("own-{digits}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(folder: &Path, context: Option<&str>) -> Kept {
        let mut settings = RegistrySettings::new("http://r:1", folder);
        settings.context = context.map(str::to_owned);
        Kept::open(&settings).unwrap()
    }

    fn schema(text: &str) -> AvroSchema {
        AvroSchema::parse(text, "test").unwrap()
    }

    const GUID: SchemaKey = SchemaKey::Guid([0xab; 16]);

    #[test]
    fn what_is_kept_comes_back_and_spoilt_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(&folder.path().join("made/new"), None);
        kept.keep(SchemaKey::Id(17), &schema("\"int\"")).unwrap();
        kept.keep(GUID, &schema("\"long\"")).unwrap();
        kept.keep(SchemaKey::Id(17), &schema("\"string\"")).unwrap();
        let put = |name: &str, text: &str| fs::write(kept.folder().join(name), text).unwrap();
        put("id-18.json", "");
        put("id-19.json", r#"{"key":"id 17","context":null,"schema":"\"int\""}"#);
        put("id-20.json", r#"{"key":"id 20","context":null,"schema":"nothing"}"#);
        put("notes.txt", "of somebody");
        let (schemas, problems) = kept.schemas();
        let texts: Vec<_> = schemas.iter().map(|(key, schema)| (*key, schema.text())).collect();
        assert_eq!(texts, [(GUID, "\"long\""), (SchemaKey::Id(17), "\"string\"")]);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn ids_of_another_context_are_others() {
        let folder = tempfile::tempdir().unwrap();
        kept(folder.path(), Some(".a")).keep(SchemaKey::Id(1), &schema("\"int\"")).unwrap();
        assert!(kept(folder.path(), None).schemas().0.is_empty());
        assert_eq!(kept(folder.path(), Some(".a")).schemas().0.len(), 1);
    }

    #[test]
    fn our_own_ids_belong_to_a_subject_and_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(folder.path(), None);
        kept.keep_own("out-value", "{}", 7).unwrap();
        assert_eq!(kept.own_id("out-value", "{}"), Some(7));
        assert_eq!((kept.own_id("out-value", "{ }"), kept.own_id("other", "{}")), (None, None));
        assert!(kept.schemas().0.is_empty() && kept.schemas().1.is_empty());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let fatal = Kept::open(&RegistrySettings::new("http://r:1", file.path().join("x"))).unwrap_err();
        assert!(fatal.code == exit::CONFIG && fatal.what.contains("cache_dir"), "{fatal}");
    }
}

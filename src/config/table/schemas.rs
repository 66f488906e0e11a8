//! `[schemas]`.

use super::draft::Draft;
use super::key::{Given, Key, Reread, Section, apart};
use super::kinds::{OwnKind, Path, Place, Word, Words};
use crate::config::read::Reader;
use crate::values::schemas::{OnUnknown, WireForms};

const ON_UNKNOWN: Words<OnUnknown> = &[("dead_letter", OnUnknown::DeadLetter), ("wait", OnUnknown::Wait)];

/// The forms by name, in the order of [`accepted`].
const WIRE_FORMS: [&str; 4] = ["guid", "id", "single_object", "raw"];

pub const SCHEMAS: Section = Section {
    head: "\n\n[schemas]",
    keys: &[
        Key {
            name: "schemas.directory",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.config.schemas.directory), check: directory },
            given: Given::Maybe(r#""schemas""#),
            reread: Reread::AtStart,
            text: "
# Directory of .avsc files by which ids and fingerprints are resolved. A registry id is in the name, 17.avsc or
# NAME.id-17.avsc, a GUID at its end; every file is known by its fingerprint too. Types that a file only names are looked
# for in the others. One bad file costs its own records only; a start with no usable file at all is refused. Files put there
# later are read, up to 4 MiB each, while records of the schemas that are known go on.",
        },
        Key {
            name: "schemas.on_unknown",
            kind: &Word { words: ON_UNKNOWN, place: Place::Always(|draft| &mut draft.config.schemas.on_unknown) },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"

# A record whose schema is not known: "dead_letter", or "wait", which holds its partition until the schema is there."#,
        },
        Key {
            name: "schemas.wire_forms",
            kind: &OwnKind { read: wire_forms, show: |draft| accepted(draft.config.schemas.wire_forms).into() },
            given: Given::Default,
            reread: Reread::AtStart,
            text: r#"
# Wire forms accepted: "id" (00 + 4-byte id) and "guid" (01 + 16-byte GUID), each in the header __value_schema_id or
# before the value; "single_object" (C3 01 + fingerprint); "raw" (a bare datum of raw_schema). Recognised in this order:
# header, 00, 01, C3 01, raw. A bare datum that begins like another accepted form is taken for it."#,
        },
        Key {
            name: "schemas.raw_schema",
            kind: &Path { place: Place::Maybe(|draft| &mut draft.config.schemas.raw_schema), check: raw_schema },
            given: Given::Maybe(r#""schemas/transaction.avsc""#),
            reread: Reread::AtStart,
            text: r#"

# The writer's schema of raw payloads; needed with "raw" in wire_forms."#,
        },
    ],
    finish: apart,
};

fn directory(reader: &mut Reader<'_>, key: &'static str, directory: &std::path::Path) {
    if !directory.is_dir() {
        let what = format!("{} is not a directory", directory.display());
        reader.problem(key, what, "name the directory of the .avsc files");
    }
}

fn raw_schema(reader: &mut Reader<'_>, key: &'static str, path: &std::path::Path) {
    if !path.is_file() {
        let what = format!("{} is not a file", path.display());
        reader.problem(key, what, "name the .avsc file that raw payloads are written with");
    }
}

fn wire_forms(reader: &mut Reader<'_>, key: &'static str, draft: &mut Draft) {
    let Some(forms) = reader.list(key) else { return };
    for form in forms.iter().filter(|form| !WIRE_FORMS.contains(&form.as_str())) {
        let fix = format!("choose from {}", WIRE_FORMS.join(", "));
        reader.problem(key, format!("{form:?} is no wire form"), fix);
    }
    if forms.is_empty() {
        reader.problem(key, "no wire form: nothing could be decoded", "name at least one");
    }
    let [guid, id, single_object, raw] = WIRE_FORMS.map(|name| forms.iter().any(|form| form == name));
    draft.config.schemas.wire_forms = WireForms { guid, id, single_object, raw };
}

fn accepted(forms: WireForms) -> Vec<&'static str> {
    let accepted = [forms.guid, forms.id, forms.single_object, forms.raw];
    WIRE_FORMS.into_iter().zip(accepted).filter(|(_, accepted)| *accepted).map(|(name, _)| name).collect()
}

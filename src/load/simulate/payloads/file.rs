//! Rows out of an Avro object container file: each record's bytes as they stand there. They are not decoded and encoded
//! again, because another encoder might write a map in another order, and would refuse what the pipeline must cope with.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::{Framing, Pool, Row, wire_form};
use crate::avro::container::Blocks;
use crate::avro::key::KeyField;
use crate::avro::schemas::SchemaError;
use crate::error::{Fatal, exit};
use crate::load::simulate::poison::of_any_schema;

/// Bytes that rows may take. They are held until the end: senders and the check of scores take them by number.
const BYTES_MAX: usize = 2 << 30;

impl Pool {
    /// The first `rows_max` records of the file.
    ///
    /// # Errors
    /// [`exit::FAILED`] when the file cannot be read or has no records, [`exit::USAGE`] when it lacks the key's field or
    /// holds more than memory takes.
    pub(super) fn from_file(
        path: &Path,
        key: Option<&str>,
        repeat: bool,
        framing: Framing,
        rows_max: u64,
    ) -> Result<Pool, Fatal> {
        let place = path.display().to_string();
        let file = File::open(path).map_err(|error| {
            let what = format!("{place}: cannot be opened: {error}");
            Fatal::new(exit::FAILED, what, "name an Avro object container file with --from")
        })?;
        let mut file = Blocks::open(BufReader::new(file), &place).map_err(unreadable)?;
        let key = key.map(|path| KeyField::new(file.writer(), path)).transpose().map_err(|error| {
            let what = format!("{place}: {}: {}", error.place, error.what);
            Fatal::new(exit::USAGE, what, format!("{} (--key-field)", error.fix))
        })?;
        let wire = wire_form(framing, file.writer());
        let mut pool = Pool::empty(repeat);
        (pool.schema, pool.prefix) = (file.writer().text().to_owned(), wire.prefix_length());
        let (mut value, mut key_text) = (Vec::new(), Vec::new());
        // A run that sends nothing is checked by one record all the same.
        let rows_max = rows_max.max(1);
        while (pool.rows.len() as u64) < rows_max
            && let Some(mut block) = file.next_block().map_err(unreadable)?
        {
            while (pool.rows.len() as u64) < rows_max
                && let Some(datum) = block.next_record().map_err(unreadable)?
            {
                key_text.clear();
                let has_key =
                    key.as_ref().map_or(Ok(false), |key| key.put(datum, &mut key_text)).map_err(|reject| {
                        let (record, reason) = (pool.rows.len() + 1, reject.reason());
                        let what = format!("{place}: the key of record {record} cannot be read ({reason})");
                        Fatal::new(exit::FAILED, what, "correct the record, or name another field with --key-field")
                    })?;
                value.clear();
                wire.put_prefix(&mut value);
                value.extend_from_slice(datum);
                pool.push(has_key.then_some(key_text.as_slice()), &value);
                if pool.bytes.len() + pool.rows.len() * size_of::<Row>() > BYTES_MAX {
                    return Err(too_large(&place, pool.rows.len()));
                }
            }
        }
        if pool.rows.is_empty() {
            let what = format!("{place}: holds no records");
            return Err(Fatal::new(exit::FAILED, what, "write records to it, or name another file with --from"));
        }
        pool.bytes.shrink_to_fit();
        pool.rows.shrink_to_fit();
        pool.poisons = of_any_schema(pool.value(0), wire);
        Ok(pool)
    }
}

fn unreadable(error: SchemaError) -> Fatal {
    Fatal::new(exit::FAILED, format!("{}: {}", error.place, error.what), error.fix)
}

fn too_large(place: &str, records: usize) -> Fatal {
    let what = format!(
        "{place}: {records} records take {} MiB, and no more is held in memory while they are sent",
        BYTES_MAX >> 20
    );
    let fix = "send fewer of them (--seconds, --rate, --preload), or cut the file into parts";
    Fatal::new(exit::USAGE, what, fix)
}

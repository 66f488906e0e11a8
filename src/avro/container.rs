//! Avro object container files: the writer's schema from the header, and each record's own bytes, as they would arrive
//! on a topic. Nothing is decoded to values and encoded again: another encoder might write other bytes.

use apache_avro::{Codec, DeflateSettings};

use super::feature::Wanted;
use super::plan::Plan;
use super::problem::SchemaError;
use super::read;
use super::schemas::AvroSchema;
use crate::error::Reject;

const MAGIC: &[u8] = b"Obj\x01";
const SYNC_BYTES: usize = 16;

/// Records of one file, which are all kept in memory.
pub const RECORDS_MAX: usize = 1 << 16;
/// Bytes of one file's records, uncompressed.
pub const BYTES_MAX: usize = 64 << 20;

/// A container file's content.
#[derive(Debug)]
pub struct Container {
    pub writer: AvroSchema,
    /// Data without any prefix, in the file's order.
    pub records: Vec<Vec<u8>>,
}

impl Container {
    /// `place` names the file in messages.
    ///
    /// # Errors
    /// When the bytes are no whole container file, its codec is not `null` or `deflate`, its schema is none, or a
    /// record does not follow the schema.
    pub fn read(bytes: &[u8], place: &str) -> Result<Container, SchemaError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| {
            let fix =
                "write it with a library's file writer (fastavro.writer): a bare record does not carry its schema";
            SchemaError::new(place, "is no Avro object container file", fix)
        })?;
        let header = Header::read(&mut rest).map_err(|_| damaged(place, "its header is cut or malformed"))?;
        let codec = header.codec(place)?;
        let schema = header.schema.and_then(|text| std::str::from_utf8(text).ok());
        let schema = schema.ok_or_else(|| damaged(place, "its header holds no schema"))?;
        let writer = AvroSchema::parse(schema, &format!("{place}: the schema in its header"))?;
        // Nothing is wanted, so all is skipped: what is left of a block is where the next record begins.
        let whole = Plan::compile(&writer, &writer, &Wanted::default());
        let whole = whole.map_err(|error| SchemaError::new(place, error.to_string(), "correct the writer's schema"))?;
        let mut container = Container { writer, records: Vec::new() };
        let (mut blocks, mut bytes) = (0, 0);
        while !rest.is_empty() {
            blocks += 1;
            let block = Block::read(&mut rest, header.sync)
                .map_err(|_| damaged(place, &format!("block {blocks} is cut, or its end is not marked")))?;
            let mut data = block.data.to_vec();
            let inflated = codec.decompress(&mut data);
            inflated.map_err(|error| damaged(place, &format!("block {blocks} cannot be unpacked: {error}")))?;
            bytes += data.len();
            container.split(&whole, &data, block.records, place)?;
            if container.records.len() > RECORDS_MAX || bytes > BYTES_MAX {
                let what = format!("holds more than {RECORDS_MAX} records or {BYTES_MAX} bytes");
                return Err(SchemaError::new(place, what, "choose fewer records"));
            }
        }
        Ok(container)
    }

    /// Takes a block's records apart.
    fn split(&mut self, whole: &Plan, mut data: &[u8], count: u64, place: &str) -> Result<(), SchemaError> {
        for _ in 0..count {
            if self.records.len() > RECORDS_MAX {
                return Ok(());
            }
            let (record, rest) = whole.datum_len(data).map(|len| data.split_at(len)).map_err(|reject| {
                let record = self.records.len() + 1;
                damaged(place, &format!("record {record} does not follow its schema ({})", reject.reason()))
            })?;
            self.records.push(record.to_vec());
            data = rest;
        }
        match data {
            [] => Ok(()),
            _ => Err(damaged(place, &format!("bytes are left over after record {}", self.records.len()))),
        }
    }
}

fn damaged(place: &str, what: &str) -> SchemaError {
    SchemaError::new(place, format!("is damaged: {what}"), "write the file again, and copy it as binary")
}

struct Header<'a> {
    schema: Option<&'a [u8]>,
    codec: Option<&'a [u8]>,
    sync: [u8; SYNC_BYTES],
}

impl<'a> Header<'a> {
    /// A map of bytes, then the marker that ends each block.
    fn read(rest: &mut &'a [u8]) -> Result<Header<'a>, Reject> {
        let (mut schema, mut codec) = (None, None);
        loop {
            let count = read::long(rest)?;
            if count == 0 {
                break;
            }
            if count < 0 {
                // The block's length in bytes, which only skipping needs.
                read::long(rest)?;
            }
            // Each entry takes two bytes at least: a count that lies ends with the bytes.
            for _ in 0..count.unsigned_abs() {
                let (key, value) = (read::bytes(rest)?, read::bytes(rest)?);
                match key {
                    b"avro.schema" => schema = Some(value),
                    b"avro.codec" => codec = Some(value),
                    _ => {}
                }
            }
        }
        Ok(Header { schema, codec, sync: read::chunk(rest)? })
    }

    fn codec(&self, place: &str) -> Result<Codec, SchemaError> {
        match self.codec {
            None | Some(b"null" | b"") => Ok(Codec::Null),
            Some(b"deflate") => Ok(Codec::Deflate(DeflateSettings::default())),
            Some(other) => Err(SchemaError::new(
                place,
                format!("is compressed with `{}`", String::from_utf8_lossy(other)),
                "write it with the codec deflate or null (fastavro: codec=\"deflate\")",
            )),
        }
    }
}

struct Block<'a> {
    records: u64,
    data: &'a [u8],
}

impl<'a> Block<'a> {
    fn read(rest: &mut &'a [u8], sync: [u8; SYNC_BYTES]) -> Result<Block<'a>, Reject> {
        let records = u64::try_from(read::long(rest)?).map_err(|_| Reject::BadLength)?;
        let data = read::bytes(rest)?;
        if read::chunk(rest)? != sync {
            return Err(Reject::BadLength);
        }
        Ok(Block { records, data })
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::types::Value;
    use apache_avro::writer::datum::GenericDatumWriter;
    use apache_avro::{Schema, Writer};

    use super::*;

    const SCHEMA: &str = r#"{"type": "record", "name": "T", "fields": [
        {"name": "id", "type": "string"}, {"name": "amounts", "type": {"type": "array", "items": "long"}}]}"#;

    fn record(number: i64) -> Value {
        let amounts = (0..number % 5).map(Value::Long).collect();
        let id = Value::String("x".repeat(number as usize % 70));
        Value::Record(vec![("id".into(), id), ("amounts".into(), Value::Array(amounts))])
    }

    fn file(codec: Codec, records: i64) -> Vec<u8> {
        let schema = Schema::parse_str(SCHEMA).unwrap();
        let mut writer = Writer::with_codec(&schema, Vec::new(), codec).unwrap();
        for number in 0..records {
            writer.append_value(record(number)).unwrap();
            if number % 40 == 39 {
                writer.flush().unwrap();
            }
        }
        writer.into_inner().unwrap()
    }

    /// A file without blocks.
    fn header(codec: &str, schema: &str) -> Vec<u8> {
        let short = |text: &str| [&[2 * text.len() as u8], text.as_bytes()].concat();
        let entries = ["avro.codec", codec, "avro.schema", schema].map(short).concat();
        [MAGIC, &[4], &entries, &[0], &[7; SYNC_BYTES]].concat()
    }

    fn why(bytes: &[u8]) -> String {
        Container::read(bytes, "golden.avro").unwrap_err().to_string()
    }

    #[test]
    fn records_come_out_as_their_writer_wrote_them() {
        let schema = Schema::parse_str(SCHEMA).unwrap();
        let encoder = GenericDatumWriter::builder(&schema).build().unwrap();
        for codec in [Codec::Null, Codec::Deflate(DeflateSettings::default())] {
            let container = Container::read(&file(codec, 100), "golden.avro").unwrap();
            assert_eq!(container.records.len(), 100);
            for (number, found) in container.records.iter().enumerate() {
                let mut written = Vec::new();
                encoder.write_value_ref(&mut written, &record(number as i64)).unwrap();
                assert_eq!(*found, written, "record {number}, {codec:?}");
            }
        }
        assert!(Container::read(&file(Codec::Null, 0), "golden.avro").unwrap().records.is_empty());
    }

    #[test]
    fn a_file_cut_anywhere_is_refused_and_never_read_in_part() {
        let whole = file(Codec::Null, 50);
        let blocks = whole.windows(SYNC_BYTES).filter(|window| *window == &whole[whole.len() - SYNC_BYTES..]).count();
        assert_eq!(blocks, 3, "the header's marker, and one for each of two blocks");
        let mut whole_blocks = Vec::new();
        for cut in 0..whole.len() {
            match Container::read(&whole[..cut], "golden.avro") {
                // Between two blocks nothing shows the cut but the number of records, which the caller knows.
                Ok(container) => whole_blocks.push(container.records.len()),
                Err(error) => assert_eq!(error.place, "golden.avro", "cut at {cut}: {error}"),
            }
        }
        assert_eq!(whole_blocks, [0, 40]);
    }

    #[test]
    fn a_count_that_no_byte_bounds_is_bounded_all_the_same() {
        // A million records of no size in a block of no bytes.
        let block = [&[0x80, 0x80, 0x80, 0x01, 0x00][..], &[7; SYNC_BYTES]].concat();
        let told = why(&[header("null", "\"null\""), block].concat());
        assert!(told.contains("holds more than 65536 records"), "{told}");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let good = file(Codec::Null, 3);
        assert!(why(b"{\"id\": 1}").contains("is no Avro object container file"));
        let mut marker = good.clone();
        *marker.last_mut().unwrap() ^= 1;
        assert!(why(&marker).contains("block 1 is cut, or its end is not marked"), "{}", why(&marker));
        let at = good.len() - SYNC_BYTES - 1;
        let mut wrong = good.clone();
        wrong[at] = 9;
        assert!(why(&wrong).contains("record 3 does not follow its schema"), "{}", why(&wrong));
        let compressed = why(&header("zstandard", "\"long\""));
        assert!(compressed.contains("compressed with `zstandard`") && compressed.contains("deflate"), "{compressed}");
    }
}

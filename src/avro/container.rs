//! Avro object container files: the writer's schema from the header, and each record's own bytes, as they would arrive
//! on a topic. Nothing is decoded to values and encoded again: another encoder might write other bytes.

mod blocks;

pub use blocks::{Block, Blocks};

use super::problem::SchemaError;
use super::schemas::AvroSchema;

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
    /// When the bytes are no whole container file, its codec is unknown, its schema is none, or a record does not follow
    /// the schema.
    pub fn read(bytes: &[u8], place: &str) -> Result<Container, SchemaError> {
        let mut file = Blocks::open(bytes, place)?;
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(mut block) = file.next_block()? {
            while let Some(record) = block.next_record()? {
                bytes += record.len();
                if records.len() == RECORDS_MAX || bytes > BYTES_MAX {
                    let what = format!("holds more than {RECORDS_MAX} records or {BYTES_MAX} bytes");
                    return Err(SchemaError::new(place, what, "choose fewer records"));
                }
                records.push(record.to_vec());
            }
        }
        Ok(Container { writer: file.into_writer(), records })
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::types::Value;
    use apache_avro::writer::datum::GenericDatumWriter;
    use apache_avro::{Bzip2Settings, Codec, DeflateSettings, Schema, Writer, XzSettings, ZstandardSettings};

    use super::*;

    const MAGIC: &[u8] = b"Obj\x01";
    const SYNC_BYTES: usize = 16;

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
        for codec in [
            Codec::Null,
            Codec::Deflate(DeflateSettings::default()),
            Codec::Snappy,
            Codec::Zstandard(ZstandardSettings::default()),
            Codec::Bzip2(Bzip2Settings::default()),
            Codec::Xz(XzSettings::default()),
        ] {
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
        assert!(why(&marker).contains("block 1 (at byte"), "{}", why(&marker));
        assert!(why(&marker).contains("does not end with the file's sync marker"), "{}", why(&marker));
        let at = good.len() - SYNC_BYTES - 1;
        let mut wrong = good.clone();
        wrong[at] = 9;
        assert!(why(&wrong).contains("does not follow its schema"), "{}", why(&wrong));
        let compressed = why(&header("lzo", "\"long\""));
        assert!(compressed.contains("compressed with `lzo`") && compressed.contains("zstandard"), "{compressed}");
    }
}

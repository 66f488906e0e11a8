//! A container file read block by block: one block is held at a time, whatever the file's size.

use std::io::{self, Read};

use apache_avro::{Bzip2Settings, Codec, DeflateSettings, XzSettings, ZstandardSettings};

use crate::avro::feature::Wanted;
use crate::avro::plan::Plan;
use crate::avro::problem::SchemaError;
use crate::avro::schemas::AvroSchema;

const MAGIC: &[u8; 4] = b"Obj\x01";
const SYNC_BYTES: usize = 16;

/// Bytes of one block as it lies in the file. Writers make blocks of some kilobytes to some megabytes; what a block holds
/// uncompressed is bounded by the codecs, at as much.
const BLOCK_BYTES_MAX: u64 = 512 << 20;
/// Bytes of one key or value of the header: the schema above all.
const HEADER_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the longest legal variable-length integer.
const VARINT_BYTES_MAX: usize = 10;

/// A file under way.
pub struct Blocks<R> {
    source: Counted<R>,
    place: String,
    writer: AvroSchema,
    codec: Codec,
    sync: [u8; SYNC_BYTES],
    /// Wants nothing, so all is skipped: what is left of a block is where the next record begins.
    whole: Plan,
    data: Vec<u8>,
    blocks: u64,
    records: u64,
}

/// The records of one block.
pub struct Block<'a> {
    rest: &'a [u8],
    left: u64,
    whole: &'a Plan,
    records: &'a mut u64,
    at: u64,
    here: String,
    place: &'a str,
}

impl<R: Read> Blocks<R> {
    /// Reads the header. `place` names the file in messages.
    ///
    /// # Errors
    /// When this is no container file, its codec is none that is known here, or its schema is none.
    pub fn open(source: R, place: &str) -> Result<Blocks<R>, SchemaError> {
        let mut source = Counted { source, offset: 0 };
        match source.chunk() {
            Ok(magic) if magic == *MAGIC => {}
            Ok(_) | Err(Bad::Cut) => return Err(no_container(place)),
            Err(bad) => return Err(bad.told(place, "its header")),
        }
        let header = Header::read(&mut source).map_err(|bad| bad.told(place, "its header"))?;
        let codec = header.codec(place)?;
        let schema = header.schema.and_then(|text| String::from_utf8(text).ok());
        let schema = schema.ok_or_else(|| damaged(place, "its header holds no schema"))?;
        let writer = AvroSchema::parse(&schema, &format!("{place}: the schema in its header"))?;
        let whole = Plan::compile(&writer, &writer, &Wanted::default());
        let whole = whole.map_err(|error| SchemaError::new(place, error.to_string(), "correct the writer's schema"))?;
        let (place, sync) = (place.to_owned(), header.sync);
        Ok(Blocks { source, place, writer, codec, sync, whole, data: Vec::new(), blocks: 0, records: 0 })
    }

    /// The schema that the records were written with, as the header has it.
    pub fn writer(&self) -> &AvroSchema {
        &self.writer
    }

    pub fn into_writer(self) -> AvroSchema {
        self.writer
    }

    /// The next block, unpacked; `None` at the end of the file.
    ///
    /// # Errors
    /// When the block is cut or damaged: its number and its place in the file are told.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, SchemaError> {
        let at = self.source.offset;
        let here = format!("block {} (at byte {at})", self.blocks + 1);
        let Some(records) = self.source.long_or_end().map_err(|bad| bad.told(&self.place, &here))? else {
            return Ok(None);
        };
        self.blocks += 1;
        let records = u64::try_from(records).ok();
        let records = records.ok_or_else(|| Bad::Length.told(&self.place, &here))?;
        self.data.clear();
        let read = self.source.bytes(BLOCK_BYTES_MAX, &mut self.data).and_then(|()| self.source.chunk());
        if read.map_err(|bad| bad.told(&self.place, &here))? != self.sync {
            let what = format!("{here} does not end with the file's sync marker");
            return Err(damaged(&self.place, &what));
        }
        let inflated = self.codec.decompress(&mut self.data);
        inflated.map_err(|error| {
            let codec: &str = self.codec.into();
            damaged(&self.place, &format!("{here} cannot be unpacked with {codec}: {error}"))
        })?;
        Ok(Some(Block {
            rest: &self.data,
            left: records,
            whole: &self.whole,
            records: &mut self.records,
            at,
            here,
            place: &self.place,
        }))
    }
}

impl<'a> Block<'a> {
    /// Where it begins in the file, in bytes.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// The bytes of the next record, as they stand in the block.
    ///
    /// # Errors
    /// When they do not follow the file's schema, or bytes are left over behind the last one.
    pub fn next_record(&mut self) -> Result<Option<&'a [u8]>, SchemaError> {
        if self.left == 0 {
            return match self.rest {
                [] => Ok(None),
                rest => {
                    let what =
                        format!("{} bytes are left over after record {} in {}", rest.len(), self.records, self.here);
                    Err(damaged(self.place, &what))
                }
            };
        }
        let len = self.whole.datum_len(self.rest).map_err(|reject| {
            let (record, reason) = (*self.records + 1, reject.reason());
            damaged(self.place, &format!("record {record}, in {}, does not follow its schema ({reason})", self.here))
        })?;
        let (record, rest) = self.rest.split_at(len);
        (self.rest, self.left) = (rest, self.left - 1);
        *self.records += 1;
        Ok(Some(record))
    }
}

fn no_container(place: &str) -> SchemaError {
    let fix = "write it with a library's file writer (fastavro.writer): a bare record does not carry its schema";
    SchemaError::new(place, "is no Avro object container file", fix)
}

fn damaged(place: &str, what: &str) -> SchemaError {
    SchemaError::new(place, format!("is damaged: {what}"), "write the file again, and copy it whole and as binary")
}

struct Header {
    schema: Option<Vec<u8>>,
    codec: Option<Vec<u8>>,
    sync: [u8; SYNC_BYTES],
}

impl Header {
    /// A map of bytes, then the marker that ends each block.
    fn read(source: &mut Counted<impl Read>) -> Result<Header, Bad> {
        let (mut schema, mut codec) = (None, None);
        loop {
            let count = source.long()?;
            if count == 0 {
                break;
            }
            if count < 0 {
                // The block's length in bytes, which only skipping needs.
                source.long()?;
            }
            // Each entry takes two bytes at least: a count that lies ends with the bytes.
            for _ in 0..count.unsigned_abs() {
                let (mut key, mut value) = (Vec::new(), Vec::new());
                source.bytes(HEADER_BYTES_MAX, &mut key)?;
                source.bytes(HEADER_BYTES_MAX, &mut value)?;
                match key.as_slice() {
                    b"avro.schema" => schema = Some(value),
                    b"avro.codec" => codec = Some(value),
                    _ => {}
                }
            }
        }
        Ok(Header { schema, codec, sync: source.chunk()? })
    }

    fn codec(&self, place: &str) -> Result<Codec, SchemaError> {
        Ok(match self.codec.as_deref() {
            None | Some(b"null" | b"") => Codec::Null,
            // Settings are the writers': they change nothing for whoever reads.
            Some(b"deflate") => Codec::Deflate(DeflateSettings::default()),
            Some(b"snappy") => Codec::Snappy,
            Some(b"zstandard") => Codec::Zstandard(ZstandardSettings::default()),
            Some(b"bzip2") => Codec::Bzip2(Bzip2Settings::default()),
            Some(b"xz") => Codec::Xz(XzSettings::default()),
            Some(other) => {
                let what = format!("is compressed with `{}`, which nothing here reads", String::from_utf8_lossy(other));
                let fix = "write it with one of the codecs null, deflate, snappy, zstandard, bzip2, xz";
                return Err(SchemaError::new(place, what, fix));
            }
        })
    }
}

/// Why bytes of the file's frame cannot be read.
#[derive(Debug)]
enum Bad {
    Cut,
    Length,
    Large(u64),
    Io(io::Error),
}

impl Bad {
    fn told(self, place: &str, here: &str) -> SchemaError {
        match self {
            Bad::Cut => damaged(place, &format!("the file ends inside {here}")),
            Bad::Length => damaged(place, &format!("{here} has a length that cannot be")),
            Bad::Large(bytes) => {
                let what = format!("{here} claims {bytes} bytes, and {BLOCK_BYTES_MAX} are the most that is read");
                SchemaError::new(place, what, "write the file with smaller blocks; if they are small, it is damaged")
            }
            Bad::Io(error) => {
                SchemaError::new(place, format!("cannot be read: {error}"), "check the file and the disk")
            }
        }
    }
}

/// Counts what was read.
struct Counted<R> {
    source: R,
    offset: u64,
}

impl<R: Read> Counted<R> {
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let mut chunk = [0; N];
        self.source.read_exact(&mut chunk).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Bad::Cut,
            _ => Bad::Io(error),
        })?;
        self.offset += N as u64;
        Ok(chunk)
    }

    /// A zig-zag varint, or `None` where the file is over.
    fn long_or_end(&mut self) -> Result<Option<i64>, Bad> {
        let start = self.offset;
        match self.long() {
            Err(Bad::Cut) if self.offset == start => Ok(None),
            long => long.map(Some),
        }
    }

    fn long(&mut self) -> Result<i64, Bad> {
        let mut raw = 0u64;
        for place in 0..VARINT_BYTES_MAX {
            let [byte] = self.chunk()?;
            if place == VARINT_BYTES_MAX - 1 && byte > 1 {
                break;
            }
            raw |= u64::from(byte & 0x7F) << (7 * place);
            if byte < 0x80 {
                return Ok((raw >> 1) as i64 ^ -((raw & 1) as i64));
            }
        }
        Err(Bad::Length)
    }

    /// Appends bytes with their length before them. No length is believed: memory grows with what is really there.
    fn bytes(&mut self, max: u64, into: &mut Vec<u8>) -> Result<(), Bad> {
        let len = u64::try_from(self.long()?).map_err(|_| Bad::Length)?;
        if len > max {
            return Err(Bad::Large(len));
        }
        let read = (&mut self.source).take(len).read_to_end(into).map_err(Bad::Io)? as u64;
        self.offset += read;
        if read == len { Ok(()) } else { Err(Bad::Cut) }
    }
}

//! A file's records are sent as they stand in it. Whoever decodes and encodes them again reorders maps, refuses text that is no
//! uuid, and tests with bytes that no producer ever sent. The files here were written by fastavro 1.12.1, and so were the
//! payloads they are held against.

use std::path::Path;

use scorewire::error::{Fatal, exit};
use scorewire::load::simulate::payloads::{Framing, PayloadSource, Pool};

const SCHEMA: &str = r#"{"type": "record", "name": "n.T", "fields": [{"name": "id", "type": "string"}, {"name": "tags", "type": {"type": "map", "values": "int"}}]}"#;

/// What `fastavro.schemaless_writer` makes of the five records: maps in the order in which they were made.
const DATA: [&str; 5] = [
    "04703000",
    "04703102087a756c750200",
    "04703204087a756c75040a616c7068610300",
    "04703306087a756c75060a616c70686105026d0200",
    "04703400",
];

/// The three blocks of the same records by codec, as `fastavro.writer` wrote them.
const BLOCKS: [(&str, &str); 6] = [
    (
        "null",
        "06420470300004703102087a756c75020004703204087a756c75040a616c7068610300000102030405060708090a0b0c0d0e0f022a04703306087a756c75060a616c70686105026d0200000102030405060708090a0b0c0d0e0f020804703400000102030405060708090a0b0c0d0e0f",
    ),
    (
        "deflate",
        "06426329306060293064e2a82acd296502328d58c04c16aec49c828c446606007b5007000102030405060708090a0b0c0d0e0f023463293066e3a82acd2965e34acc29c8486465ca656200003a9005000102030405060708090a0b0c0d0e0f021263293061000001cc00000102030405060708090a0b0c0d0e0f",
    ),
    (
        "snappy",
        "064e21800470300004703102087a756c75020004703204087a756c75040a616c70686103006c93f926000102030405060708090a0b0c0d0e0f0236155004703306087a756c75060a616c70686105026d0200b3afcc58000102030405060708090a0b0c0d0e0f0214040c0470340041fdd3ec000102030405060708090a0b0c0d0e0f",
    ),
    (
        "zstandard",
        "065428b52ffd20210901000470300004703102087a756c75020004703204087a756c75040a616c7068610300000102030405060708090a0b0c0d0e0f023c28b52ffd2015a9000004703306087a756c75060a616c70686105026d0200000102030405060708090a0b0c0d0e0f021a28b52ffd200421000004703400000102030405060708090a0b0c0d0e0f",
    ),
    (
        "bzip2",
        "067e425a68393141592653599328a60400000449805c5070002044421020002194c9a64d310a6000138b7132ae5a059aa4870c6ce0c1f1772453850909328a6040000102030405060708090a0b0c0d0e0f0276425a68393141592653592f365a29000001c98057500800204642102000220464c99a0a600012bbc991042ed5dbf40b3345dc914e14240bcd968a40000102030405060708090a0b0c0d0e0f0258425a6839314159265359616c9b4d000000c8804400040040002000219a68334d30bc5dc914e1424185b26d34000102030405060708090a0b0c0d0e0f",
    ),
    (
        "xz",
        "06b801fd377a585a000004e6d6b4460200210116000000742fe5a30100200470300004703102087a756c75020004703204087a756c75040a616c70686103000000000011db004490a0d14e00013921cf286b621fb6f37d010000000004595a000102030405060708090a0b0c0d0e0f02a001fd377a585a000004e6d6b4460200210116000000742fe5a301001404703306087a756c75060a616c70686105026d020000000000a3f634308b9cd25600012d152f0b716d1fb6f37d010000000004595a000102030405060708090a0b0c0d0e0f0278fd377a585a000004e6d6b4460200210116000000742fe5a3010003047034000071bdaf31cc6febbe00011c046f2c9cc11fb6f37d010000000004595a000102030405060708090a0b0c0d0e0f",
    ),
];

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A file with this header, and these bytes behind it.
fn file(schema: &str, codec: &str, blocks: &[u8]) -> Vec<u8> {
    let put = |text: &str| {
        let mut out = Vec::new();
        scorewire::load::simulate::avro_write::put_string(&mut out, text);
        out
    };
    let entries = ["avro.codec", codec, "avro.schema", schema].map(put).concat();
    let sync: Vec<u8> = (0..16).collect();
    [b"Obj\x01\x04", entries.as_slice(), &[0], &sync, blocks].concat()
}

fn load(bytes: &[u8], key: Option<&str>, framing: Framing, rows_max: u64) -> Result<Pool, Fatal> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.avro");
    std::fs::write(&path, bytes).unwrap();
    let source = PayloadSource::File { path, key: key.map(str::to_owned), repeat: true };
    Pool::load(&source, framing, 1, rows_max)
}

fn values(pool: &mut Pool) -> Vec<Vec<u8>> {
    (0..pool.len() as u64).map(|row| pool.record(row).value.to_vec()).collect()
}

#[track_caller]
fn refused(bytes: &[u8]) -> Fatal {
    match load(bytes, None, Framing::Raw, u64::MAX) {
        Ok(pool) => panic!("{} records were read", pool.len()),
        Err(error) => {
            assert_eq!(error.code, exit::FAILED, "{error}");
            assert!(error.what.contains("records.avro") && !error.fix.is_empty(), "{error}");
            error
        }
    }
}

#[test]
fn every_codec_gives_the_bytes_that_were_written() {
    for (codec, blocks) in BLOCKS {
        let bytes = file(SCHEMA, codec, &unhex(blocks));
        let mut pool = load(&bytes, None, Framing::Registry(0x0102_0304), u64::MAX).unwrap();
        let framed = DATA.map(|datum| [&[0, 1, 2, 3, 4], unhex(datum).as_slice()].concat());
        assert_eq!(values(&mut pool), framed, "{codec}");
        assert!(pool.schema == SCHEMA && pool.prefix == 5, "{codec}");
    }
}

#[test]
fn a_map_keeps_its_order_and_text_that_is_no_uuid_its_bytes() {
    let map =
        r#"{"type": "record", "name": "n.T", "fields": [{"name": "m", "type": {"type": "map", "values": "int"}}]}"#;
    let datum = unhex("1002610002620202630402640602650802660a02670c02680e00");
    let block = [&[2, 2 * datum.len() as u8], datum.as_slice(), &(0..16).collect::<Vec<u8>>()].concat();
    let mut pool = load(&file(map, "null", &block), None, Framing::Raw, u64::MAX).unwrap();
    assert_eq!(values(&mut pool), [datum]);

    let uuid = r#"{"type": "record", "name": "T", "namespace": "n", "fields": [{"name": "id", "type": {"type": "string", "logicalType": "uuid"}}]}"#;
    let block = [&[2, 8, 6], &b"N/A"[..], &(0..16).collect::<Vec<u8>>()].concat();
    let mut pool = load(&file(uuid, "null", &block), Some("id"), Framing::SingleObject, u64::MAX).unwrap();
    // CRC-64-AVRO of {"name":"n.T","type":"record","fields":[{"name":"id","type":"string"}]} by fastavro.schema.fingerprint.
    let record = pool.record(0);
    assert_eq!((record.key, record.value), (Some(&b"N/A"[..]), &unhex("c301b63be4c49b4b254e064e2f41")[..]));
}

#[test]
fn a_key_is_read_from_the_record_and_no_more_records_than_are_sent() {
    let bytes = file(SCHEMA, "zstandard", &unhex(BLOCKS[3].1));
    let mut pool = load(&bytes, Some("id"), Framing::Raw, 4).unwrap();
    let keys: Vec<Vec<u8>> = (0..4).map(|row| pool.record(row).key.unwrap().to_vec()).collect();
    assert_eq!((pool.len(), keys), (4, ["p0", "p1", "p2", "p3"].map(|key| key.as_bytes().to_vec()).to_vec()));
    // What is behind them is not read, so it may be anything.
    let cut = &bytes[..bytes.len() - 20];
    assert_eq!(load(cut, None, Framing::Raw, 4).unwrap().len(), 4);

    let Err(error) = load(&bytes, Some("card.token"), Framing::Raw, 4) else { panic!("no such field") };
    assert_eq!(error.code, exit::USAGE);
    assert!(error.what.contains("no field `card` in record n.T") && error.fix.contains("id, tags"), "{error}");
    let Err(error) = load(&bytes, Some("tags"), Framing::Raw, 4) else { panic!("a map is no key") };
    assert!(error.what.contains("its type is map"), "{error}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_block_and_place() {
    let blocks = unhex(BLOCKS[2].1);
    let whole = file(SCHEMA, "snappy", &blocks);
    let start = whole.len() - blocks.len();
    // The first block is two bytes of counts, 39 of data and the marker.
    let second = start + 2 + 39 + 16;
    let told = |bytes: &[u8], words: &[&str]| {
        let error = refused(bytes);
        for words in words {
            assert!(error.what.contains(words), "{words:?}: {error}");
        }
    };
    told(&whole[..whole.len() - 5], &["the file ends inside block 3"]);
    told(&whole[..second + 10], &[&format!("the file ends inside block 2 (at byte {second})")]);
    let spoilt = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    told(&spoilt(second - 1), &[&format!("block 1 (at byte {start}) does not end with the file's sync marker")]);
    // A letter of the first record, which only the checksum knows.
    let letter = start + 2 + 2 + 2 + 1;
    told(&spoilt(letter), &["block 1", "cannot be unpacked with snappy"]);
    told(&file(SCHEMA, "lzo", &blocks), &["is compressed with `lzo`"]);
    told(&file(SCHEMA, "null", &[]), &["holds no records"]);
    told(b"id,amount\n1,2\n", &["is no Avro object container file"]);
    told(b"", &["is no Avro object container file"]);
    let huge = [&[2][..], &unhex("feffffffffffffffff01")].concat();
    told(&file(SCHEMA, "null", &huge), &["block 1", "9223372036854775807 bytes"]);

    let missing = PayloadSource::File { path: Path::new("/nowhere/x.avro").to_owned(), key: None, repeat: false };
    let Err(error) = Pool::load(&missing, Framing::Raw, 1, 1) else { panic!("it is not there") };
    assert!(error.what.contains("/nowhere/x.avro: cannot be opened: No such file"), "{error}");
}

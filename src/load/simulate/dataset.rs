//! Writes simulated transactions to a file: what a model is trained on, and what `load --from` can send.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Fatal, exit};
use crate::load::simulate::avro_write::{put_bytes, put_long, put_string};
use crate::load::simulate::random;
use crate::load::simulate::simulator::Simulator;
use crate::load::simulate::transaction::{FEATURES, SCHEMA, id_text};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One row per transaction: the features in the contract's order (`nan` where missing), `label` (1: fraud),
    /// `transaction_id`, `event_time_ms`.
    Csv,
    /// An Avro object container file of the payloads, uncompressed. The label is no part of it.
    Avro,
}

impl Format {
    /// By the file's extension.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "csv" => Some(Format::Csv),
            "avro" => Some(Format::Avro),
            _ => None,
        }
    }
}

/// Records in one block of a container file.
const BLOCK_RECORDS: u64 = 1_000;

/// Writes the first `count` transactions of the default world.
///
/// # Errors
/// [`exit::FAILED`] when the file cannot be written.
pub fn export(path: &Path, count: u64, seed: u64, format: Format) -> Result<(), Fatal> {
    let written = File::create(path).map(BufWriter::new).and_then(|mut file| {
        match format {
            Format::Csv => write_csv(&mut file, Simulator::new(seed), count)?,
            Format::Avro => write_avro(&mut file, Simulator::new(seed), count, seed)?,
        }
        file.flush()
    });
    written.map_err(|error| {
        let what = format!("cannot write {}: {error}", path.display());
        Fatal::new(exit::FAILED, what, "check the folder and the free space")
    })
}

/// # Errors
/// Those of `out`.
pub fn write_csv(out: &mut impl Write, simulator: Simulator, count: u64) -> std::io::Result<()> {
    writeln!(out, "{},label,transaction_id,event_time_ms", FEATURES.join(","))?;
    for transaction in simulator.take(count as usize) {
        for value in transaction.features() {
            // Display gives the shortest text that reads back as the same `f32`.
            if value.is_nan() { write!(out, "nan,")? } else { write!(out, "{value},")? }
        }
        let id = id_text(transaction.id);
        out.write_all(if transaction.fraud { b"1," } else { b"0," })?;
        out.write_all(&id)?;
        writeln!(out, ",{}", transaction.event_time_ms)?;
    }
    Ok(())
}

/// # Errors
/// Those of `out`.
pub fn write_avro(out: &mut impl Write, simulator: Simulator, count: u64, seed: u64) -> std::io::Result<()> {
    let mut sync = [0u8; 16];
    sync[..8].copy_from_slice(&random::at(seed, 0x57, 0).to_le_bytes());
    sync[8..].copy_from_slice(&random::at(seed, 0x57, 1).to_le_bytes());
    let mut buffer = b"Obj\x01".to_vec();
    put_long(&mut buffer, 2);
    put_string(&mut buffer, "avro.schema");
    put_string(&mut buffer, SCHEMA);
    put_string(&mut buffer, "avro.codec");
    put_string(&mut buffer, "null");
    put_long(&mut buffer, 0);
    buffer.extend_from_slice(&sync);
    out.write_all(&buffer)?;

    let mut simulator = simulator;
    let mut block = Vec::new();
    let mut left = count;
    while left > 0 {
        let records = left.min(BLOCK_RECORDS);
        block.clear();
        simulator.by_ref().take(records as usize).for_each(|transaction| {
            transaction.encode(&mut block);
        });
        buffer.clear();
        put_long(&mut buffer, records as i64);
        put_bytes(&mut buffer, &block);
        buffer.extend_from_slice(&sync);
        out.write_all(&buffer)?;
        left -= records;
    }
    Ok(())
}

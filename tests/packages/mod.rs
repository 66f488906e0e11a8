//! The packages of `models/`, which are examples to users and so hold the same promises.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};

use scorewire::load::simulate::transaction::{Device, History, Transaction};

/// Every package's folder, by name.
pub fn all() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    assert!(found.len() >= 2, "{found:?}");
    found
}

pub fn name(folder: &Path) -> &str {
    folder.file_name().unwrap().to_str().unwrap()
}

/// A transaction whose features are this row: the simulator's own way, backwards.
pub fn transaction(id: u64, row: &[f32]) -> Transaction {
    let whole = |index: usize| (!row[index].is_nan()).then_some(row[index] as i32);
    let real = |index: usize| (!row[index].is_nan()).then_some(f64::from(row[index]));
    let symbol = |index: usize| (row[index] >= 0.0).then_some(row[index] as u8);
    let history = |from: usize| History {
        count: [0, 2, 4].map(|window| row[from + window] as u32),
        mean: [1, 3, 5].map(|window| real(from + window)),
    };
    let device = Device { age_days: whole(13), ip_country: symbol(14) };
    Transaction {
        id,
        event_time_ms: 1_780_000_000_000 + id as i64,
        amount_cents: (f64::from(row[0]) * 100.0).round() as i64,
        customer: 1,
        terminal: 2,
        channel: row[1] as u8,
        entry_mode: symbol(2),
        scheme: 0,
        funding: if row[3] == 1.0 { 2 } else { 0 },
        issuer_country: 0,
        card_age_days: whole(4),
        merchant_name: None,
        mcc: row[5] as i32,
        merchant_country: row[6] as u8,
        distance_km: real(7),
        local_hour: whole(8),
        is_weekend: row[9] == 1.0,
        is_night: row[10] == 1.0,
        three_ds: symbol(11),
        device: (device.age_days.is_some() || device.ip_country.is_some()).then_some(device),
        seconds_since_last: (!row[15].is_nan()).then_some(row[15] as i64),
        customer_history: history(16),
        terminal_history: history(22),
        fraud: false,
    }
}

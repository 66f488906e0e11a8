//! A card transaction as the simulator makes it, its Avro encoding written by hand, and its features.
//!
//! The schema is the example package's own `transaction.avsc`; a test holds this encoding against apache-avro, and
//! another holds [`Transaction::features`] against the package's contract.

use crate::load::simulate::avro_write::{put_bytes, put_double, put_long, put_string};
use crate::load::simulate::random;

pub const SCHEMA: &str = include_str!("../../../models/card-fraud-gbdt/transaction.avsc");

pub const CHANNELS: [&str; 4] = ["POS", "ECOMMERCE", "MOTO", "ATM"];
pub const CURRENCIES: [&str; 5] = ["EUR", "GBP", "USD", "CHF", "PLN"];
/// Where merchants are; the first is where most customers live.
pub const COUNTRIES: [&str; 12] = ["DE", "FR", "NL", "GB", "US", "CH", "PL", "ES", "IT", "CN", "BR", "NG"];
/// Currency of each country, an index into [`CURRENCIES`]; the rest of the world pays in dollars.
pub const CURRENCY_OF: [u8; 12] = [0, 0, 0, 1, 2, 3, 4, 0, 0, 2, 2, 2];

/// Index of a symbol in its enum; the numbers are those of the schema.
pub mod symbol {
    pub const POS: u8 = 0;
    pub const ECOMMERCE: u8 = 1;
    pub const MOTO: u8 = 2;
    pub const ATM: u8 = 3;

    pub const CHIP: u8 = 0;
    pub const MAGSTRIPE: u8 = 2;
    pub const STORED: u8 = 3;

    pub const AUTHENTICATED: u8 = 0;
    pub const ATTEMPTED: u8 = 1;
    pub const FAILED: u8 = 2;
}

/// Names of the model's features in the order of the package's contract.
pub const FEATURES: [&str; 28] = [
    "amount",
    "channel",
    "entry_mode",
    "card_prepaid",
    "card_age_days",
    "merchant_mcc",
    "merchant_country",
    "merchant_distance_km",
    "local_hour",
    "is_weekend",
    "is_night",
    "three_ds",
    "device_known",
    "device_age_days",
    "ip_country",
    "customer_seconds_since_last",
    "customer_count_1d",
    "customer_avg_amount_1d",
    "customer_count_7d",
    "customer_avg_amount_7d",
    "customer_count_30d",
    "customer_avg_amount_30d",
    "terminal_count_1d",
    "terminal_risk_1d",
    "terminal_count_7d",
    "terminal_risk_7d",
    "terminal_count_30d",
    "terminal_risk_30d",
];

#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    pub age_days: Option<i32>,
    /// Index into [`COUNTRIES`].
    pub ip_country: Option<u8>,
}

/// Count and mean of each of the windows of 1, 7 and 30 days.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct History {
    pub count: [u32; 3],
    pub mean: [Option<f64>; 3],
}

/// One transaction; its label stays beside the payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    pub id: u64,
    pub event_time_ms: i64,
    pub amount_cents: i64,
    pub customer: u32,
    pub terminal: u32,
    pub channel: u8,
    pub entry_mode: Option<u8>,
    pub scheme: u8,
    pub funding: u8,
    pub issuer_country: u8,
    pub card_age_days: Option<i32>,
    pub merchant_name: Option<u32>,
    pub mcc: i32,
    pub merchant_country: u8,
    /// The terminal is in a shop: it has an id of its own and a place.
    pub distance_km: Option<f64>,
    pub local_hour: Option<i32>,
    pub is_weekend: bool,
    pub is_night: bool,
    pub three_ds: Option<u8>,
    pub device: Option<Device>,
    pub seconds_since_last: Option<i64>,
    pub customer_history: History,
    pub terminal_history: History,
    /// What a fraud desk would find out later: not part of the payload.
    pub fraud: bool,
}

/// Where parts of a datum begin, so that a poison record can be made out of a good one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    pub event_time: usize,
    pub amount: usize,
    pub currency: usize,
    pub channel: usize,
    pub entry_mode: usize,
    pub card: usize,
    pub local_hour: usize,
    pub is_weekend: usize,
    pub is_night: usize,
    /// The union branch of `customer.avg_amount_1d`.
    pub average: usize,
}

/// Characters of a transaction's id.
pub const ID_LENGTH: usize = 16;

/// The id of record `index`: hexadecimal, scattered, so that a hash sample of ids is fair.
pub fn id_of(seed: u64, index: u64) -> u64 {
    random::at(seed, 0x1D, index)
}

pub fn id_text(id: u64) -> [u8; ID_LENGTH] {
    std::array::from_fn(|i| b"0123456789abcdef"[(id >> (60 - 4 * i)) as usize & 15])
}

/// Appends a letter and `number` as eight decimal digits.
fn put_code(out: &mut Vec<u8>, letter: u8, number: u32) {
    put_long(out, 9);
    out.extend(code(letter, number));
}

fn code(letter: u8, number: u32) -> [u8; 9] {
    let mut text = [letter; 9];
    let mut rest = number;
    for digit in text[1..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

fn put_enum(out: &mut Vec<u8>, symbol: Option<u8>) {
    match symbol {
        None => put_long(out, 0),
        Some(index) => {
            put_long(out, 1);
            put_long(out, i64::from(index));
        }
    }
}

fn put_optional(out: &mut Vec<u8>, value: Option<i64>) {
    match value {
        None => put_long(out, 0),
        Some(value) => {
            put_long(out, 1);
            put_long(out, value);
        }
    }
}

fn put_optional_double(out: &mut Vec<u8>, value: Option<f64>) {
    match value {
        None => put_long(out, 0),
        Some(value) => {
            put_long(out, 1);
            put_double(out, value);
        }
    }
}

/// A decimal's unscaled value: the fewest bytes of two's complement, big endian.
fn put_decimal(out: &mut Vec<u8>, unscaled: i64) {
    let bytes = unscaled.to_be_bytes();
    let spare = (0..7)
        .take_while(|&i| (bytes[i] == 0 && bytes[i + 1] < 0x80) || (bytes[i] == 0xFF && bytes[i + 1] >= 0x80))
        .count();
    put_bytes(out, &bytes[spare..]);
}

impl Transaction {
    /// The message key: the card's token, so that a card's transactions stay in order.
    pub fn key(&self) -> [u8; 9] {
        code(b'c', self.customer)
    }

    /// Appends the datum (no wire prefix). The id comes first, as [`ID_LENGTH`] characters after one length byte, so
    /// that a sender can give each record its own.
    pub fn encode(&self, out: &mut Vec<u8>) -> Marks {
        let mut marks = Marks::default();
        put_bytes(out, &id_text(self.id));
        marks.event_time = out.len();
        put_long(out, self.event_time_ms);
        marks.amount = out.len();
        put_decimal(out, self.amount_cents);
        marks.currency = out.len();
        put_string(out, CURRENCIES[usize::from(CURRENCY_OF[usize::from(self.merchant_country)])]);
        marks.channel = out.len();
        put_long(out, i64::from(self.channel));
        marks.entry_mode = out.len();
        put_enum(out, self.entry_mode);
        marks.card = out.len();
        self.encode_card(out);
        self.encode_merchant(out);
        marks.local_hour = out.len();
        put_optional(out, self.local_hour.map(i64::from));
        marks.is_weekend = out.len();
        out.push(u8::from(self.is_weekend));
        marks.is_night = out.len();
        out.push(u8::from(self.is_night));
        put_enum(out, self.three_ds);
        self.encode_device(out);
        put_optional(out, self.seconds_since_last);
        put_long(out, i64::from(self.customer_history.count[0]));
        marks.average = out.len();
        put_optional_double(out, self.customer_history.mean[0]);
        encode_windows(out, &self.customer_history, 1);
        encode_windows(out, &self.terminal_history, 0);
        marks
    }

    fn encode_card(&self, out: &mut Vec<u8>) {
        put_code(out, b'c', self.customer);
        put_long(out, i64::from(self.scheme));
        put_long(out, i64::from(self.funding));
        put_string(out, COUNTRIES[usize::from(self.issuer_country)]);
        put_optional(out, self.card_age_days.map(i64::from));
    }

    fn encode_merchant(&self, out: &mut Vec<u8>) {
        put_code(out, b'm', self.terminal);
        match self.merchant_name {
            None => put_long(out, 0),
            Some(number) => {
                put_long(out, 1);
                put_code(out, b'n', number);
            }
        }
        put_long(out, i64::from(self.mcc));
        put_string(out, COUNTRIES[usize::from(self.merchant_country)]);
        match self.distance_km {
            None => put_long(out, 0),
            Some(_) => {
                put_long(out, 1);
                put_code(out, b't', self.terminal);
            }
        }
        put_optional_double(out, self.distance_km);
    }

    fn encode_device(&self, out: &mut Vec<u8>) {
        let Some(device) = &self.device else {
            put_long(out, 0);
            return;
        };
        put_long(out, 1);
        put_optional(out, device.age_days.map(i64::from));
        match device.ip_country {
            None => put_long(out, 0),
            Some(country) => {
                put_long(out, 1);
                put_string(out, COUNTRIES[usize::from(country)]);
            }
        }
    }

    /// The row a model is trained on: what the contract of the example package makes of this transaction.
    pub fn features(&self) -> [f32; FEATURES.len()] {
        let or_nan = |value: Option<f64>| value.map_or(f32::NAN, |value| value as f32);
        let symbol = |value: Option<u8>| value.map_or(-1.0, f32::from);
        let device = self.device.as_ref();
        let (customer, terminal) = (&self.customer_history, &self.terminal_history);
        [
            (self.amount_cents as f64 / 100.0) as f32,
            f32::from(self.channel),
            symbol(self.entry_mode),
            if self.funding == 2 { 1.0 } else { 0.0 },
            or_nan(self.card_age_days.map(f64::from)),
            self.mcc as f32,
            f32::from(self.merchant_country),
            or_nan(self.distance_km),
            or_nan(self.local_hour.map(f64::from)),
            if self.is_weekend { 1.0 } else { 0.0 },
            if self.is_night { 1.0 } else { 0.0 },
            symbol(self.three_ds),
            if device.is_some_and(|device| device.age_days.is_some()) { 1.0 } else { 0.0 },
            or_nan(device.and_then(|device| device.age_days).map(f64::from)),
            symbol(device.and_then(|device| device.ip_country)),
            or_nan(self.seconds_since_last.map(|seconds| seconds as f64)),
            customer.count[0] as f32,
            or_nan(customer.mean[0]),
            customer.count[1] as f32,
            or_nan(customer.mean[1]),
            customer.count[2] as f32,
            or_nan(customer.mean[2]),
            terminal.count[0] as f32,
            or_nan(terminal.mean[0]),
            terminal.count[1] as f32,
            or_nan(terminal.mean[1]),
            terminal.count[2] as f32,
            or_nan(terminal.mean[2]),
        ]
    }
}

fn encode_windows(out: &mut Vec<u8>, history: &History, from: usize) {
    for window in from..3 {
        put_long(out, i64::from(history.count[window]));
        put_optional_double(out, history.mean[window]);
    }
}

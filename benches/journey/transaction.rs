//! The example package's row from other decoders' results: from a typed struct, and from apache-avro's value.

use apache_avro::types::Value;
use scorewire::load::simulate::transaction::COUNTRIES;
use serde::Deserialize;

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
enum Channel {
    Pos,
    Ecommerce,
    Moto,
    Atm,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
enum EntryMode {
    Chip,
    Contactless,
    Magstripe,
    Stored,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Funding {
    Debit,
    Credit,
    Prepaid,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
enum ThreeDs {
    Authenticated,
    Attempted,
    Failed,
}

/// The fields the contract asks for: the others are skipped, which is the cheapest use of serde.
#[derive(Deserialize)]
pub struct Transaction<'a> {
    pub transaction_id: &'a str,
    pub event_time: i64,
    amount: f64,
    channel: Channel,
    entry_mode: Option<EntryMode>,
    card: Card,
    #[serde(borrow)]
    merchant: Merchant<'a>,
    local_hour: Option<i32>,
    is_weekend: bool,
    is_night: bool,
    three_ds: Option<ThreeDs>,
    #[serde(borrow)]
    device: Option<Device<'a>>,
    customer: CustomerHistory,
    terminal: TerminalHistory,
}

#[derive(Deserialize)]
struct Card {
    funding: Funding,
    age_days: Option<i32>,
}

#[derive(Deserialize)]
struct Merchant<'a> {
    mcc: i32,
    country: &'a str,
    distance_km: Option<f64>,
}

#[derive(Deserialize)]
struct Device<'a> {
    age_days: Option<i32>,
    #[serde(borrow)]
    ip_country: Option<&'a str>,
}

#[derive(Deserialize)]
struct CustomerHistory {
    seconds_since_last: Option<i64>,
    count_1d: i32,
    avg_amount_1d: Option<f64>,
    count_7d: i32,
    avg_amount_7d: Option<f64>,
    count_30d: i32,
    avg_amount_30d: Option<f64>,
}

#[derive(Deserialize)]
struct TerminalHistory {
    count_1d: i32,
    risk_1d: Option<f64>,
    count_7d: i32,
    risk_7d: Option<f64>,
    count_30d: i32,
    risk_30d: Option<f64>,
}

fn flag(flag: bool) -> f32 {
    f32::from(u8::from(flag))
}

fn real(value: Option<f64>) -> f32 {
    value.map_or(f32::NAN, |value| value as f32)
}

fn country(name: Option<&str>) -> f32 {
    let place = name.and_then(|name| COUNTRIES.iter().position(|country| *country == name));
    place.map_or(-1.0, |place| place as f32)
}

impl Transaction<'_> {
    pub fn write_row(&self, row: &mut [f32]) {
        let device = self.device.as_ref();
        let device_age = device.and_then(|device| device.age_days);
        let whole = |value: Option<i32>| value.map_or(f32::NAN, |value| value as f32);
        row.copy_from_slice(&[
            self.amount as f32,
            self.channel as u8 as f32,
            self.entry_mode.map_or(-1.0, |mode| mode as u8 as f32),
            flag(self.card.funding == Funding::Prepaid),
            whole(self.card.age_days),
            self.merchant.mcc as f32,
            country(Some(self.merchant.country)),
            real(self.merchant.distance_km),
            whole(self.local_hour),
            flag(self.is_weekend),
            flag(self.is_night),
            self.three_ds.map_or(-1.0, |three_ds| three_ds as u8 as f32),
            flag(device_age.is_some()),
            whole(device_age),
            country(device.and_then(|device| device.ip_country)),
            self.customer.seconds_since_last.map_or(f32::NAN, |seconds| seconds as f32),
            self.customer.count_1d as f32,
            real(self.customer.avg_amount_1d),
            self.customer.count_7d as f32,
            real(self.customer.avg_amount_7d),
            self.customer.count_30d as f32,
            real(self.customer.avg_amount_30d),
            self.terminal.count_1d as f32,
            real(self.terminal.risk_1d),
            self.terminal.count_7d as f32,
            real(self.terminal.risk_7d),
            self.terminal.count_30d as f32,
            real(self.terminal.risk_30d),
        ]);
    }
}

/// The row of a decoded value: fields by their place, which is the cheapest way apache-avro offers.
pub fn value_row(value: &Value, row: &mut [f32]) {
    let top = fields(value);
    let (card, merchant, device) = (fields(&top[6].1), fields(&top[7].1), fields(&top[12].1));
    let device_age = device.first().map_or(f32::NAN, |field| number(&field.1));
    row[..16].copy_from_slice(&[
        number(&top[2].1),
        number(&top[4].1),
        symbol(&top[5].1),
        flag(matches!(&card[2].1, Value::Enum(2, _))),
        number(&card[4].1),
        number(&merchant[2].1),
        country(text(&merchant[3].1)),
        number(&merchant[5].1),
        number(&top[8].1),
        number(&top[9].1),
        number(&top[10].1),
        symbol(&top[11].1),
        flag(!device_age.is_nan()),
        device_age,
        country(device.get(1).and_then(|field| text(&field.1))),
        number(&fields(&top[13].1)[0].1),
    ]);
    let windows = fields(&top[13].1)[1..].iter().chain(fields(&top[14].1));
    for (column, (_, value)) in row[16..].iter_mut().zip(windows) {
        *column = number(value);
    }
}

/// The fields of a record, none where it is null.
fn fields(value: &Value) -> &[(String, Value)] {
    match value {
        Value::Record(fields) => fields,
        Value::Union(_, inner) => fields(inner),
        _ => &[],
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Union(_, inner) => text(inner),
        _ => None,
    }
}

/// An enum's index, or -1 where it is null.
fn symbol(value: &Value) -> f32 {
    match number(value) {
        index if index.is_nan() => -1.0,
        index => index,
    }
}

fn number(value: &Value) -> f32 {
    match value {
        Value::Double(value) => *value as f32,
        Value::Int(value) => *value as f32,
        Value::Long(value) => *value as f32,
        Value::Boolean(value) => flag(*value),
        Value::Enum(index, _) => *index as f32,
        Value::Decimal(value) => {
            let bytes = Vec::<u8>::try_from(value).unwrap();
            // Two's complement, big endian; cents.
            let first = bytes.first().map_or(0, |&byte| i64::from(byte as i8));
            let unscaled = bytes.iter().skip(1).fold(first, |sum, &byte| sum << 8 | i64::from(byte));
            (unscaled as f64 / 100.0) as f32
        }
        Value::Union(_, inner) => number(inner),
        _ => f32::NAN,
    }
}

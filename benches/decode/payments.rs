//! Random card payments, as bytes and as a typed struct.

use serde::{Deserialize, Serialize};

pub const RECORDS: usize = 1 << 17;

pub const SCHEMA: &str = r#"{"type":"record","name":"Payment","fields":[
 {"name":"transaction_id","type":"string"},
 {"name":"event_time","type":{"type":"long","logicalType":"timestamp-millis"}},
 {"name":"amount","type":"double"},
 {"name":"currency","type":"string"},
 {"name":"channel","type":{"type":"enum","name":"Channel","symbols":["Pos","Ecom","Atm","Moto"]}},
 {"name":"installments","type":["null","int"]},
 {"name":"is_recurring","type":"boolean"},
 {"name":"during_weekend","type":"boolean"},
 {"name":"during_night","type":"boolean"},
 {"name":"card","type":{"type":"record","name":"Card","fields":[
  {"name":"hash","type":"string"},
  {"name":"brand","type":{"type":"enum","name":"Brand","symbols":["Visa","Mastercard","Amex"]}},
  {"name":"country","type":"string"},
  {"name":"age_days","type":"int"},
  {"name":"is_virtual","type":"boolean"},
  {"name":"credit_limit","type":["null","double"]}]}},
 {"name":"merchant","type":{"type":"record","name":"Merchant","fields":[
  {"name":"id","type":"string"},
  {"name":"mcc","type":"int"},
  {"name":"country","type":"string"},
  {"name":"risk","type":["null","float"]},
  {"name":"latitude","type":"double"},
  {"name":"longitude","type":"double"}]}},
 {"name":"customer","type":{"type":"record","name":"Windows","fields":[
  {"name":"count_1d","type":"int"},{"name":"value_1d","type":["null","double"]},
  {"name":"count_7d","type":"int"},{"name":"value_7d","type":["null","double"]},
  {"name":"count_30d","type":"int"},{"name":"value_30d","type":["null","double"]}]}},
 {"name":"terminal","type":"Windows"},
 {"name":"device","type":["null",{"type":"record","name":"Device","fields":[
  {"name":"score","type":"float"},{"name":"age_days","type":"int"},{"name":"logins","type":"long"}]}]},
 {"name":"distance_km","type":"double"},
 {"name":"last_amount","type":"double"}]}"#;

#[derive(Serialize, Deserialize, Clone, Copy)]
pub enum Channel {
    Pos,
    Ecom,
    Atm,
    Moto,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub enum Brand {
    Visa,
    Mastercard,
    Amex,
}

#[derive(Serialize, Deserialize)]
pub struct Payment<'a> {
    pub transaction_id: &'a str,
    pub event_time: i64,
    pub amount: f64,
    pub currency: &'a str,
    pub channel: Channel,
    pub installments: Option<i32>,
    pub is_recurring: bool,
    pub during_weekend: bool,
    pub during_night: bool,
    #[serde(borrow)]
    pub card: Card<'a>,
    pub merchant: Merchant<'a>,
    pub customer: Windows,
    pub terminal: Windows,
    pub device: Option<Device>,
    pub distance_km: f64,
    pub last_amount: f64,
}

#[derive(Serialize, Deserialize)]
pub struct Card<'a> {
    pub hash: &'a str,
    pub brand: Brand,
    pub country: &'a str,
    pub age_days: i32,
    pub is_virtual: bool,
    pub credit_limit: Option<f64>,
}

#[derive(Serialize, Deserialize)]
pub struct Merchant<'a> {
    pub id: &'a str,
    pub mcc: i32,
    pub country: &'a str,
    pub risk: Option<f32>,
    pub latitude: f64,
    pub longitude: f64,
}

#[derive(Serialize, Deserialize)]
pub struct Windows {
    pub count_1d: i32,
    pub value_1d: Option<f64>,
    pub count_7d: i32,
    pub value_7d: Option<f64>,
    pub count_30d: i32,
    pub value_30d: Option<f64>,
}

#[derive(Serialize, Deserialize)]
pub struct Device {
    pub score: f32,
    pub age_days: i32,
    pub logins: i64,
}

/// SplitMix64: the same payloads in every run.
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> i32 {
        (self.next() % bound) as i32
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn often<T>(&mut self, value: T) -> Option<T> {
        (!self.next().is_multiple_of(20)).then_some(value)
    }

    fn windows(&mut self) -> Windows {
        let mut value = || {
            let value = self.unit() * 300.0;
            self.often(value)
        };
        let (value_1d, value_7d, value_30d) = (value(), value(), value());
        Windows {
            count_1d: self.below(12),
            value_1d,
            count_7d: self.below(60),
            value_7d,
            count_30d: self.below(250),
            value_30d,
        }
    }
}

/// All payloads in one piece, as a fetched batch lies in memory.
pub struct Payloads {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
}

impl Payloads {
    pub fn new(schema: &serde_avro_fast::Schema) -> Payloads {
        let mut random = Random(41);
        let mut config = serde_avro_fast::ser::SerializerConfig::new(schema);
        let mut payloads = Payloads { bytes: Vec::new(), ends: Vec::new() };
        for number in 0..RECORDS {
            let texts =
                [format!("tx-{number:010}"), format!("{:016x}", random.next()), format!("m{}", random.below(9_999))];
            let payment = payment(&mut random, &texts, number as i64);
            payloads.bytes =
                serde_avro_fast::to_datum(&payment, std::mem::take(&mut payloads.bytes), &mut config).unwrap();
            payloads.ends.push(payloads.bytes.len());
        }
        payloads
    }

    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }
}

pub fn payment<'a>(random: &mut Random, texts: &'a [String; 3], number: i64) -> Payment<'a> {
    const COUNTRIES: [&str; 5] = ["DK", "DE", "SE", "US", "GB"];
    let channel = [Channel::Pos, Channel::Ecom, Channel::Atm, Channel::Moto][random.below(4) as usize];
    let brand = [Brand::Visa, Brand::Mastercard, Brand::Amex][random.below(3) as usize];
    let device =
        Device { score: random.unit() as f32, age_days: random.below(900), logins: random.below(5_000).into() };
    let (limit, risk) = (random.unit() * 9_000.0, random.unit() as f32);
    Payment {
        transaction_id: &texts[0],
        event_time: 1_700_000_000_000 + number * 37,
        amount: random.unit() * 500.0,
        currency: "EUR",
        channel,
        installments: (random.below(4) == 0).then_some(3),
        is_recurring: random.below(9) == 0,
        during_weekend: random.below(7) < 2,
        during_night: random.below(4) == 0,
        card: Card {
            hash: &texts[1],
            brand,
            country: COUNTRIES[random.below(5) as usize],
            age_days: random.below(3_000),
            is_virtual: random.below(5) == 0,
            credit_limit: random.often(limit),
        },
        merchant: Merchant {
            id: &texts[2],
            mcc: 4_000 + random.below(5_000),
            country: COUNTRIES[random.below(5) as usize],
            risk: random.often(risk),
            latitude: random.unit() * 180.0 - 90.0,
            longitude: random.unit() * 360.0 - 180.0,
        },
        customer: random.windows(),
        terminal: random.windows(),
        device: (random.below(3) > 0).then_some(device),
        distance_km: random.unit() * 900.0,
        last_amount: random.unit() * 500.0,
    }
}

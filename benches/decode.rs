//! One card payment of 38 leaf fields into a row: the compiled plan, beside serde_avro_fast and apache-avro in the same
//! run. All three write the same row and are compared before they are timed. Fresh payloads (131,072 distinct ones),
//! because the same one over and over trains the branch predictor.

use std::hint::black_box;
use std::time::Instant;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use scorewire::avro::feature::{Feature, Missing, Transform, Wanted};
use scorewire::avro::plan::Plan;
use scorewire::avro::schemas::AvroSchema;
use scorewire::values::fingerprint::Fingerprinter;

#[path = "decode/payments.rs"]
mod payments;

use payments::{Payloads, Payment, RECORDS, SCHEMA, Windows};

/// The columns, in row order.
const PATHS: [&str; 30] = [
    "amount",
    "channel",
    "installments",
    "is_recurring",
    "during_weekend",
    "during_night",
    "card.brand",
    "card.age_days",
    "card.is_virtual",
    "card.credit_limit",
    "merchant.mcc",
    "merchant.risk",
    "customer.count_1d",
    "customer.value_1d",
    "customer.count_7d",
    "customer.value_7d",
    "customer.count_30d",
    "customer.value_30d",
    "terminal.count_1d",
    "terminal.value_1d",
    "terminal.count_7d",
    "terminal.value_7d",
    "terminal.count_30d",
    "terminal.value_30d",
    "device.score",
    "device.age_days",
    "device.logins",
    "distance_km",
    "last_amount",
    "merchant.latitude",
];

const NULLABLE: [&str; 3] = ["value_", "device.", "installments"];

fn wanted(paths: &[&str]) -> Wanted {
    let feature = |path: &&str| {
        let is_nullable =
            NULLABLE.iter().any(|part| path.contains(part)) || path.ends_with("limit") || path.ends_with("risk");
        Feature {
            name: path.to_string(),
            path: path.to_string(),
            transform: Transform::Number,
            then: Vec::new(),
            missing: is_nullable.then_some(Missing::Nan),
            min: None,
            max: None,
        }
    };
    Wanted {
        features: paths.iter().map(feature).collect(),
        transaction_id: Some("transaction_id".into()),
        event_time: Some("event_time".into()),
    }
}

/// The same row from a typed struct.
fn typed_row(payment: &Payment, row: &mut [f32; 30]) {
    let flag = |flag: bool| f32::from(u8::from(flag));
    let real = |value: Option<f64>| value.map_or(f32::NAN, |value| value as f32);
    let whole = |value: Option<i32>| value.map_or(f32::NAN, |value| value as f32);
    let device = payment.device.as_ref();
    let windows = |of: &Windows| {
        [
            of.count_1d as f32,
            real(of.value_1d),
            of.count_7d as f32,
            real(of.value_7d),
            of.count_30d as f32,
            real(of.value_30d),
        ]
    };
    row[..12].copy_from_slice(&[
        payment.amount as f32,
        payment.channel as u8 as f32,
        whole(payment.installments),
        flag(payment.is_recurring),
        flag(payment.during_weekend),
        flag(payment.during_night),
        payment.card.brand as u8 as f32,
        payment.card.age_days as f32,
        flag(payment.card.is_virtual),
        real(payment.card.credit_limit),
        payment.merchant.mcc as f32,
        payment.merchant.risk.unwrap_or(f32::NAN),
    ]);
    row[12..18].copy_from_slice(&windows(&payment.customer));
    row[18..24].copy_from_slice(&windows(&payment.terminal));
    row[24..].copy_from_slice(&[
        device.map_or(f32::NAN, |device| device.score),
        whole(device.map(|device| device.age_days)),
        device.map_or(f32::NAN, |device| device.logins as f32),
        payment.distance_km as f32,
        payment.last_amount as f32,
        payment.merchant.latitude as f32,
    ]);
}

/// The same row from apache-avro's value: fields by their place, which is the cheapest way it offers.
fn value_row(value: &Value, row: &mut [f32; 30]) {
    let Value::Record(top) = value else { return };
    let child = |place: usize| match &top[place].1 {
        Value::Record(fields) => fields.as_slice(),
        Value::Union(_, inner) => match &**inner {
            Value::Record(fields) => fields.as_slice(),
            _ => &[],
        },
        _ => &[],
    };
    let (card, merchant, device) = (child(9), child(10), child(13));
    let mut places = [2, 4, 5, 6, 7, 8].iter().map(|&place| number(&top[place].1)).collect::<Vec<f32>>();
    places.extend([1, 3, 4, 5].map(|place| number(&card[place].1)));
    places.extend([1, 3].map(|place| number(&merchant[place].1)));
    places.extend(child(11).iter().chain(child(12)).map(|(_, value)| number(value)));
    places.extend([0, 1, 2].map(|place| device.get(place).map_or(f32::NAN, |field| number(&field.1))));
    places.extend([number(&top[14].1), number(&top[15].1), number(&merchant[4].1)]);
    row.copy_from_slice(&places);
}

fn number(value: &Value) -> f32 {
    match value {
        Value::Double(value) => *value as f32,
        Value::Float(value) => *value,
        Value::Int(value) => *value as f32,
        Value::Long(value) => *value as f32,
        Value::Boolean(value) => f32::from(u8::from(*value)),
        Value::Enum(index, _) => *index as f32,
        Value::Union(_, inner) => number(inner),
        _ => f32::NAN,
    }
}

/// All three agree on some thousand records: the figures compare equal work.
fn check(plan: &Plan, payloads: &Payloads, fast: &serde_avro_fast::Schema, apache: &GenericDatumReader) {
    for index in (0..RECORDS).step_by(61) {
        let payload = payloads.get(index);
        let mut rows = [[0.0; 30]; 3];
        plan.decode(payload, 0, &mut rows[0]).unwrap();
        typed_row(&serde_avro_fast::from_datum_slice(payload, fast).unwrap(), &mut rows[1]);
        value_row(&apache.read_value(&mut &payload[..]).unwrap(), &mut rows[2]);
        let bits = rows.map(|row| row.map(|value| if value.is_nan() { u32::MAX } else { value.to_bits() }));
        assert!(bits[0] == bits[1] && bits[0] == bits[2], "record {index}: {rows:?}");
    }
}

fn decode(criterion: &mut Criterion) {
    let schema = apache_avro::Schema::parse_str(SCHEMA).unwrap();
    let ours = AvroSchema::parse(SCHEMA, "payments").unwrap();
    let fast: serde_avro_fast::Schema = SCHEMA.parse().unwrap();
    let apache = GenericDatumReader::builder(&schema).build().unwrap();
    let payloads = Payloads::new(&fast);
    let plan = Plan::compile(&ours, &ours, &wanted(&PATHS)).unwrap();
    let half: Vec<&str> = PATHS.iter().copied().step_by(2).collect();
    let half = Plan::compile(&ours, &ours, &wanted(&half)).unwrap();
    check(&plan, &payloads, &fast, &apache);

    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    let mut next = (0..RECORDS).cycle();
    let mut row = [0.0f32; 30];
    group.bench_function("plan, 30 features", |bench| {
        bench.iter(|| black_box(plan.decode(payloads.get(next.next().unwrap()), 0, &mut row)));
    });
    group.bench_function("plan, 15 features", |bench| {
        bench.iter(|| black_box(half.decode(payloads.get(next.next().unwrap()), 0, &mut row)));
    });
    group.bench_function("serde_avro_fast, 30 features", |bench| {
        bench.iter(|| {
            let payment = serde_avro_fast::from_datum_slice(payloads.get(next.next().unwrap()), &fast).unwrap();
            typed_row(black_box(&payment), &mut row);
            black_box(&row);
        });
    });
    group.bench_function("apache-avro, 30 features", |bench| {
        bench.iter(|| {
            let value = apache.read_value(&mut payloads.get(next.next().unwrap())).unwrap();
            value_row(black_box(&value), &mut row);
            black_box(&row);
        });
    });
    group.bench_function("fingerprint of the row, 30 features", |bench| {
        let maker = Fingerprinter::new(&"0".repeat(64), "1");
        bench.iter(|| black_box(maker.of(black_box(&row))));
    });
    group.finish();
}

/// Rounds of the comparison, and records of each: what a busy machine takes from one it takes from all.
const ROUNDS: usize = 41;
const ROUND_RECORDS: usize = 4_096;

/// The targets are ratios, so they are measured in turn: A B C, A B C, and the median of each round's ratio.
fn ratios(_: &mut Criterion) {
    let schema = apache_avro::Schema::parse_str(SCHEMA).unwrap();
    let ours = AvroSchema::parse(SCHEMA, "payments").unwrap();
    let fast: serde_avro_fast::Schema = SCHEMA.parse().unwrap();
    let apache = GenericDatumReader::builder(&schema).build().unwrap();
    let payloads = Payloads::new(&fast);
    let plan = Plan::compile(&ours, &ours, &wanted(&PATHS)).unwrap();
    let mut row = [0.0f32; 30];
    let (mut over_fast, mut over_apache, mut plan_ns) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let start = round * ROUND_RECORDS % (RECORDS - ROUND_RECORDS);
        let records = || (start..start + ROUND_RECORDS).map(|index| payloads.get(index));
        let ours = nanoseconds(|| {
            records().for_each(|payload| {
                black_box(&plan.decode(payload, 0, &mut row));
            });
        });
        let fast = nanoseconds(|| {
            records().for_each(|payload| {
                typed_row(black_box(&serde_avro_fast::from_datum_slice(payload, &fast).unwrap()), &mut row);
                black_box(&row);
            });
        });
        let apache = nanoseconds(|| {
            records().for_each(|mut payload| {
                value_row(black_box(&apache.read_value(&mut payload).unwrap()), &mut row);
                black_box(&row);
            });
        });
        plan_ns.push(ours);
        over_fast.push(ours / fast);
        over_apache.push(ours / apache);
    }
    println!("interleaved, {ROUNDS} rounds of {ROUND_RECORDS} records: median (10th to 90th percentile)");
    for (name, mut values) in
        [("plan, ns", plan_ns), ("plan / serde_avro_fast", over_fast), ("plan / apache-avro", over_apache)]
    {
        values.sort_by(f64::total_cmp);
        let at = |share: usize| values[(ROUNDS - 1) * share / 100];
        println!("  {name}: {:.3} ({:.3} to {:.3})", at(50), at(10), at(90));
    }
}

/// Per record.
fn nanoseconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / ROUND_RECORDS as f64
}

criterion_group!(benches, decode, ratios);
criterion_main!(benches);

//! Records that must come back as dead letters: each with the reason it is expected to carry.

use crate::load::simulate::avro_write::{WireForm, put_bytes, put_double, put_long};
use crate::load::simulate::random;
use crate::load::simulate::transaction::{ID_LENGTH, Marks, Transaction};

/// One way to be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    /// The dead letter's reason.
    pub reason: &'static str,
    /// Another reason as good: which one depends on the schema.
    pub or_reason: Option<&'static str>,
}

const fn kind(name: &'static str, reason: &'static str) -> Kind {
    Kind { name, reason, or_reason: None }
}

/// A record that ends too early. Where the end falls behind the count of an array or map, more items are promised than
/// bytes are left, and the count is what is wrong.
const fn cut(name: &'static str) -> Kind {
    Kind { name, reason: "truncated", or_reason: Some("bad_length") }
}

/// Every kind. The marker carries its place here, plus one.
pub const KINDS: [Kind; 19] = [
    kind("tombstone", "tombstone"),
    kind("empty value", "unknown_wire_form"),
    kind("JSON instead of Avro", "unknown_wire_form"),
    kind("prefix cut off", "unknown_wire_form"),
    kind("unknown schema", "unknown_schema"),
    cut("last byte missing"),
    cut("second half missing"),
    kind("bytes left over", "trailing_bytes"),
    kind("varint of eleven bytes", "bad_varint"),
    kind("negative length", "bad_length"),
    kind("length beyond the end", "truncated"),
    kind("union branch too high", "bad_union_branch"),
    kind("union branch negative", "bad_union_branch"),
    kind("enum symbol too high", "bad_enum_symbol"),
    kind("boolean of 2", "bad_boolean"),
    kind("id not UTF-8", "bad_utf8"),
    kind("double beyond float32", "feature_out_of_range"),
    kind("required value null", "missing_feature"),
    kind("amount beyond its limit", "feature_out_of_range"),
];

/// One bad value: a place in [`KINDS`], and the bytes (`None`: no value at all).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    pub kind: u8,
    pub value: Option<Vec<u8>>,
}

/// What random numbers are drawn for.
const CHOICE: u64 = 0x90;

/// Bad values made out of a good record, sent instead of a share of the good ones.
#[derive(Clone, Debug)]
pub struct Corpus {
    poisons: Vec<Poison>,
    per_million: u32,
    seed: u64,
}

impl Corpus {
    pub fn new(poisons: Vec<Poison>, per_million: u32, seed: u64) -> Corpus {
        Corpus { poisons, per_million, seed }
    }

    /// The poison that record `sequence` is, if it is one: a function of seed and number.
    pub fn at(&self, sequence: u64) -> Option<&Poison> {
        let word = random::at(self.seed, CHOICE, sequence);
        if self.poisons.is_empty() || word % 1_000_000 >= u64::from(self.per_million) {
            return None;
        }
        Some(&self.poisons[(word / 1_000_000) as usize % self.poisons.len()])
    }
}

fn place(name: &str) -> u8 {
    KINDS.iter().position(|kind| kind.name == name).expect("the kind is in the table") as u8
}

/// Kinds that any schema allows, made from a good value with its wire prefix.
pub fn of_any_schema(good: &[u8], wire: WireForm) -> Vec<Poison> {
    let poison = |name, value: Option<Vec<u8>>| Poison { kind: place(name), value };
    let prefix = wire.prefix_length();
    let mut poisons = vec![
        poison("tombstone", None),
        poison("last byte missing", Some(good[..good.len() - 1].to_vec())),
        poison("second half missing", Some(good[..prefix + (good.len() - prefix) / 2].to_vec())),
        poison("bytes left over", Some([good, &[0]].concat())),
    ];
    let unknown = match wire {
        // Without a prefix there is nothing that could be unknown or missing.
        WireForm::Raw => return poisons,
        WireForm::Registry(id) => WireForm::Registry(id ^ 0x7fff_0000),
        WireForm::SingleObject(fingerprint) => WireForm::SingleObject(!fingerprint),
    };
    let mut of_unknown_schema = Vec::new();
    unknown.put_prefix(&mut of_unknown_schema);
    of_unknown_schema.extend_from_slice(&good[prefix..]);
    poisons.extend([
        poison("empty value", Some(Vec::new())),
        poison("JSON instead of Avro", Some(br#"{"amount": 12.5, "currency": "EUR"}"#.to_vec())),
        poison("prefix cut off", Some(good[..prefix - 1].to_vec())),
        poison("unknown schema", Some(of_unknown_schema)),
    ]);
    poisons
}

/// All kinds, made from a transaction that has a `customer.avg_amount_1d`.
pub fn of_transaction(transaction: &Transaction, wire: WireForm) -> Vec<Poison> {
    let mut good = Vec::new();
    wire.put_prefix(&mut good);
    let prefix = good.len();
    let mut datum = Vec::new();
    let marks = transaction.encode(&mut datum);
    good.extend_from_slice(&datum);
    let mut poisons = of_any_schema(&good, wire);
    for (name, start, end, instead) in replacements(&marks) {
        let value = [&good[..prefix + start], &instead, &good[prefix + end..]].concat();
        poisons.push(Poison { kind: place(name), value: Some(value) });
    }
    poisons
}

/// Kind, the bytes of the datum to replace, and what to put there.
fn replacements(marks: &Marks) -> Vec<(&'static str, usize, usize, Vec<u8>)> {
    let long = |value: i64| {
        let mut bytes = Vec::new();
        put_long(&mut bytes, value);
        bytes
    };
    let mut average = long(1);
    put_double(&mut average, 1e300);
    let mut not_utf8 = Vec::new();
    put_bytes(&mut not_utf8, &[0xFF; ID_LENGTH]);
    let mut huge_amount = Vec::new();
    put_bytes(&mut huge_amount, &99_999_999_999_i64.to_be_bytes()[3..]);
    let eleven = [vec![0xFF; 10], vec![0x01]].concat();
    // Branch byte and eight bytes of a double.
    let average_end = marks.average + 9;
    vec![
        ("varint of eleven bytes", marks.event_time, marks.amount, eleven),
        ("negative length", 0, 1, long(-1)),
        ("length beyond the end", 0, 1, long(1 << 40)),
        ("union branch too high", marks.entry_mode, marks.entry_mode + 1, long(2)),
        ("union branch negative", marks.entry_mode, marks.entry_mode + 1, long(-1)),
        ("enum symbol too high", marks.channel, marks.entry_mode, long(9)),
        ("boolean of 2", marks.is_weekend, marks.is_night, vec![2]),
        ("id not UTF-8", 0, marks.event_time, not_utf8),
        ("double beyond float32", marks.average, average_end, average),
        ("required value null", marks.local_hour, marks.is_weekend, long(0)),
        ("amount beyond its limit", marks.amount, marks.currency, huge_amount),
    ]
}

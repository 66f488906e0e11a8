//! Names of columns that ask for a transform: nothing is decided by them, but whoever decides is told what to write.

use crate::avro::fields::{Holds, SchemaField, Time};
use crate::model::draft::matching::{Fields, Found, How, words_in_order};
use crate::model::draft::transaction::Transaction;

/// Words that a transaction's own time is called by.
const OF_THE_EVENT: [&str; 14] = [
    "tx",
    "txn",
    "trx",
    "transaction",
    "event",
    "payment",
    "time",
    "timestamp",
    "date",
    "datetime",
    "local",
    "of",
    "day",
    "the",
];

/// What a column of this name is likely to be, in words that say what to write; `None` where the name asks for nothing.
pub fn hint(name: &str, fields: &[SchemaField], matcher: &Fields<'_>, transaction: &Transaction) -> Option<String> {
    // Column transformers write `num__hour`.
    let bare = name.rsplit_once("__").map(|(_, bare)| bare).filter(|bare| !bare.is_empty()).unwrap_or(name);
    let words = words_in_order(bare);
    let (hour, of_hour) = without(&words, &[&["hour"], &["hourofday"]]);
    let (weekday, of_weekday) =
        without(&words, &[&["weekday"], &["dow"], &["dayofweek"], &["day", "of", "week"], &["week", "day"]]);
    let (log, of_log) = without(&words, &[&["log1p"], &["log"], &["ln"]]);
    let time = |rest: &[String]| time(rest, fields, matcher, transaction);
    if weekday && let Some(path) = time(&of_weekday) {
        return Some(format!(
            "the name asks for the day of the week: likely path = {path:?} and transform = {{ weekday = \"UTC\" }}, in the \
             training's time zone (Monday is 0)"
        ));
    }
    if hour && let Some(path) = time(&of_hour) {
        return Some(format!(
            "the name asks for the hour: likely path = {path:?} and transform = {{ hour = \"UTC\" }}, in the training's time zone"
        ));
    }
    let found = |rest: &[String]| match matcher.find(&rest.join("_")) {
        Found::Field(index, how) => Some((&fields[index], how)).filter(|(field, _)| field.holds == Holds::Number),
        Found::Several(_) | Found::None(_) => None,
    };
    let field = |rest: &[String]| found(rest).map(|(field, _)| field);
    let in_order = |rest: &[String]| found(rest).filter(|(_, how)| *how != How::SameWords).map(|(field, _)| field);
    if log && let Some(SchemaField { path, .. }) = field(&of_log) {
        return Some(format!(
            "the name asks for a logarithm: likely path = {path:?} and then = [\"log1p\"], which is ln(1 + x); there is no step \
             for ln(x)"
        ));
    }
    // `amount_avg_amount` is `amount` and `avg_amount`, and not `amount_avg` and `amount`.
    of_two(&words, &in_order).or_else(|| of_two(&words, &field))
}

/// Words between two fields, and beside both of them.
const RATIO: ([&str; 4], [&str; 1]) = (["to", "per", "over", "by"], ["ratio"]);
const DIFFERENCE: ([&str; 2], [&str; 3]) = (["minus", "less"], ["diff", "difference", "delta"]);

/// A ratio or a difference, where the name is those of two numbers and of what is made of them.
fn of_two<'a>(words: &[String], field: &dyn Fn(&[String]) -> Option<&'a SchemaField>) -> Option<String> {
    if let Some((one, other)) = two(words, (&RATIO.0, &RATIO.1), field) {
        return Some(format!(
            "the name asks for a ratio: likely path = {one:?} and transform = {{ ratio_to = {other:?} }}, which needs missing where \
             the divisor may be 0 or one of both absent"
        ));
    }
    let (one, other) = two(words, (&DIFFERENCE.0, &DIFFERENCE.1), field)?;
    Some(format!(
        "the name asks for a difference: likely path = {one:?} and transform = {{ difference_from = {other:?} }}, which needs missing \
         where one of both may be absent"
    ))
}

/// The paths of two fields with a word of `between` in their middle, or one of `beside` before or behind both, and a word
/// between them or none.
fn two<'a>(
    words: &[String],
    (between, beside): (&[&str], &[&str]),
    field: &dyn Fn(&[String]) -> Option<&'a SchemaField>,
) -> Option<(&'a str, &'a str)> {
    let is_one_of = |list: &[&str], word: &String| list.contains(&word.as_str());
    let (rest, is_said) = match words {
        [first, rest @ ..] if is_one_of(beside, first) => (rest, true),
        [rest @ .., last] if is_one_of(beside, last) => (rest, true),
        whole => (whole, false),
    };
    let both = |one: &[String], other: &[String]| Some((field(one)?.path.as_str(), field(other)?.path.as_str()));
    let mut found = (1..rest.len()).filter_map(|at| {
        let (one, other) = rest.split_at(at);
        match is_one_of(between, &other[0]) {
            true => both(one, &other[1..]),
            false if is_said => both(one, other),
            false => None,
        }
    });
    // Where the name can be cut in two ways, nobody knows.
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

/// Whether one of `sought` stands among the words, and those that are left without it.
fn without(words: &[String], sought: &[&[&str]]) -> (bool, Vec<String>) {
    for sought in sought {
        if let Some(at) = words.windows(sought.len()).position(|window| window.iter().eq(sought.iter())) {
            return (true, [&words[..at], &words[at + sought.len()..]].concat());
        }
    }
    (false, words.to_vec())
}

/// The time that is meant: the field that the other words name, or the transaction's where they name none.
fn time(rest: &[String], fields: &[SchemaField], matcher: &Fields<'_>, transaction: &Transaction) -> Option<String> {
    if let Found::Field(index, _) = matcher.find(&rest.join("_"))
        && fields[index].time != Time::No
    {
        return Some(fields[index].path.clone());
    }
    let is_of_event = rest.iter().all(|word| OF_THE_EVENT.contains(&word.as_str()));
    transaction.event_time.as_ref().filter(|_| is_of_event).map(|(path, _)| path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::draft::fields_of;
    use crate::model::draft::transaction::transaction;

    #[test]
    fn names_that_ask_for_a_transform_say_what_to_write() {
        let fields = fields_of(
            r#"{"name": "eventTime", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "account", "type": {"type": "record", "name": "A", "fields": [
                    {"name": "openedAt", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}},
                {"name": "amount", "type": "double"},
                {"name": "avgAmount", "type": "double"},
                {"name": "count", "type": "int"},
                {"name": "country", "type": "string"}"#,
        );
        let (matcher, transaction) = (Fields::new(&fields), transaction(&fields));
        let hint = |name: &str| hint(name, &fields, &matcher, &transaction);
        for (name, words) in [
            ("hour", "path = \"eventTime\" and transform = { hour = \"UTC\" }"),
            ("tx_hour", "path = \"eventTime\" and transform = { hour"),
            ("num__hour_of_day", "path = \"eventTime\" and transform = { hour"),
            ("opened_at_hour", "path = \"account.openedAt\" and transform = { hour"),
            ("dayOfWeek", "path = \"eventTime\" and transform = { weekday = \"UTC\" }"),
            ("transaction_weekday", "path = \"eventTime\" and transform = { weekday"),
            ("log_amount", "path = \"amount\" and then = [\"log1p\"]"),
            ("amountLog1p", "path = \"amount\" and then = [\"log1p\"]"),
            ("amount_to_avg_amount", "path = \"amount\" and transform = { ratio_to = \"avgAmount\" }"),
            ("num__avgAmountPerCount", "path = \"avgAmount\" and transform = { ratio_to = \"count\" }"),
            ("amount_over_avg_amount", "path = \"amount\" and transform = { ratio_to = \"avgAmount\" }"),
            ("ratio_amount_avg_amount", "path = \"amount\" and transform = { ratio_to = \"avgAmount\" }"),
            ("amount_to_amount_avg", "path = \"amount\" and transform = { ratio_to = \"avgAmount\" }"),
            ("amount_to_avg_amount_ratio", "path = \"amount\" and transform = { ratio_to = \"avgAmount\" }"),
            ("amount_minus_avg_amount", "path = \"amount\" and transform = { difference_from = \"avgAmount\" }"),
            ("diff_amount_avg_amount", "path = \"amount\" and transform = { difference_from = \"avgAmount\" }"),
        ] {
            let told = hint(name).unwrap_or_default();
            assert!(told.contains(words), "{name}: {told}");
        }
        // Windows of time, other words, what is no number, and names that say nothing of what is made of two fields.
        let others = ["amount_to_country", "amount_avg_amount", "ratio_amount", "per_count", "amount_to"];
        for name in ["count_last_hour", "amount", "login", "log_country", "log_risk"].into_iter().chain(others) {
            assert_eq!(hint(name), None, "{name}");
        }
    }
}

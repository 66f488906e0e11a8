//! Names of columns that ask for a transform: nothing is decided by them, but whoever decides is told what to write.

use crate::avro::fields::{Holds, SchemaField, Time};
use crate::model::draft::matching::{Fields, Found, words_in_order};
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
    let field = |rest: &[String]| match matcher.find(&rest.join("_")) {
        Found::Field(index, _) => Some(&fields[index]).filter(|field| field.holds == Holds::Number),
        Found::Several(_) | Found::None(_) => None,
    };
    let path = &field(&of_log).filter(|_| log)?.path;
    Some(format!(
        "the name asks for a logarithm: likely path = {path:?} and then = [\"log1p\"], which is ln(1 + x); there is no step for \
         ln(x)"
    ))
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
    use crate::avro::schemas::AvroSchema;
    use crate::model::draft::transaction::transaction;

    #[test]
    fn names_of_hours_weekdays_and_logarithms_say_what_to_write() {
        let fields = AvroSchema::parse(
            r#"{"type": "record", "name": "T", "fields": [
                {"name": "eventTime", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "account", "type": {"type": "record", "name": "A", "fields": [
                    {"name": "openedAt", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}},
                {"name": "amount", "type": "double"},
                {"name": "country", "type": "string"}]}"#,
            "test",
        )
        .unwrap()
        .fields();
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
        ] {
            let told = hint(name).unwrap_or_default();
            assert!(told.contains(words), "{name}: {told}");
        }
        // Windows of time, other words, and a logarithm of no number.
        for name in ["count_last_hour", "amount", "login", "log_country", "log_risk"] {
            assert_eq!(hint(name), None, "{name}");
        }
    }
}

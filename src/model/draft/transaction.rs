//! Which fields of a schema are the transaction's id and time.

use crate::avro::fields::{SchemaField, Time};

/// The paths that name a transaction, each with the reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    pub id: Option<(String, String)>,
    pub event_time: Option<(String, String)>,
}

/// Names that a transaction's id has, the likeliest first; then those of its time.
const ID_NAMES: [&str; 14] = [
    "transactionid",
    "txnid",
    "txid",
    "trxid",
    "paymentid",
    "authorizationid",
    "authid",
    "orderid",
    "eventid",
    "messageid",
    "requestid",
    "recordid",
    "uuid",
    "id",
];
const TIME_NAMES: [&str; 14] = [
    "eventtime",
    "eventtimestamp",
    "transactiontime",
    "transactiontimestamp",
    "txtime",
    "txndatetime",
    "transactiondatetime",
    "occurredat",
    "createdat",
    "timestamp",
    "datetime",
    "time",
    "ts",
    "at",
];

/// Which fields are the transaction's id and time, by their names and types.
pub fn transaction(fields: &[SchemaField]) -> Transaction {
    let letters = |field: &SchemaField| {
        let own = field.path.rsplit('.').next().unwrap_or_default();
        own.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    let named = |names: &[&str], fits: &dyn Fn(&SchemaField) -> bool| {
        names.iter().find_map(|name| {
            let of_name = fields.iter().filter(|field| fits(field) && letters(field) == *name);
            // The one at the top is the transaction's; others belong to parts of it.
            of_name.min_by_key(|field| field.path.matches('.').count()).map(|field| field.path.clone())
        })
    };
    // `merchant.id` is the merchant's.
    let is_transactions = |field: &SchemaField| match field.path.rsplit_once('.') {
        Some((around, "id" | "uuid" | "Id" | "ID")) => {
            let around = around.to_lowercase();
            ["transaction", "txn", "payment", "event", "header"].iter().any(|name| around.ends_with(name))
        }
        _ => true,
    };
    let id = named(&ID_NAMES, &|field| field.is_id && is_transactions(field));
    let is_stamp = |field: &SchemaField| field.time == Time::Timestamp;
    let stamps: Vec<&SchemaField> = fields.iter().filter(|field| is_stamp(field)).collect();
    let of_stamps = named(&TIME_NAMES, &is_stamp).map(|path| (path, "a timestamp by its type, and by its name"));
    let event_time = of_stamps
        .or_else(|| match stamps[..] {
            [only] => Some((only.path.clone(), "the only timestamp")),
            _ => None,
        })
        .or_else(|| {
            let path = named(&TIME_NAMES, &|field| field.time == Time::PlainLong)?;
            Some((path, "by its name; it says no unit and is read as milliseconds"))
        });
    Transaction {
        id: id.map(|path| (path, "by its name".to_owned())),
        event_time: event_time.map(|(path, why)| (path, why.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::draft::fields_of as fields;

    #[test]
    fn id_and_time_are_found_by_name_and_type() {
        let found = transaction(&fields(
            r#"{"name": "merchant", "type": {"type": "record", "name": "M", "fields": [{"name": "id", "type": "string"}]}},
               {"name": "txnId", "type": ["null", "string"]},
               {"name": "bookedAt", "type": {"type": "long", "logicalType": "timestamp-micros"}},
               {"name": "time", "type": "long"}"#,
        ));
        assert_eq!(found.id.unwrap().0, "txnId");
        let (path, why) = found.event_time.unwrap();
        assert_eq!((&*path, &*why), ("bookedAt", "the only timestamp"));

        let found = transaction(&fields(
            r#"{"name": "id", "type": "long"}, {"name": "time", "type": "long"}, {"name": "x", "type": "double"}"#,
        ));
        assert_eq!(found.id.unwrap().0, "id");
        assert!(found.event_time.unwrap().1.contains("milliseconds"));
        assert_eq!(transaction(&fields(r#"{"name": "x", "type": "double"}"#)), Transaction::default());
    }
}

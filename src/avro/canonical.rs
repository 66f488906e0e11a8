//! A schema's parsing canonical form, by the specification: what a fingerprint is made of.
//!
//! apache-avro 0.22 leaves the shell of a logical type (`{"type":"long"}` for `"long"`) and the attributes of decimals
//! in place, so that its fingerprints differ from every other implementation's as soon as a schema has a date in it.

use apache_avro::Schema;
use serde_json::Value;

/// What the specification keeps of a schema.
const KEPT: [&str; 7] = ["name", "type", "fields", "symbols", "items", "values", "size"];
const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// CRC-64-AVRO of the parsing canonical form.
pub fn fingerprint(schema: &Schema) -> u64 {
    crc_64_avro(&parsing_canonical_form(schema))
}

/// By the specification's bitwise definition.
fn crc_64_avro(text: &str) -> u64 {
    const EMPTY: u64 = 0xc15d_213a_a4d7_a795;
    text.bytes().fold(EMPTY, |crc, byte| {
        let table =
            (0..8).fold((crc ^ u64::from(byte)) & 0xff, |entry, _| (entry >> 1) ^ (EMPTY & (entry & 1).wrapping_neg()));
        (crc >> 8) ^ table
    })
}

fn parsing_canonical_form(schema: &Schema) -> String {
    let almost = schema.canonical_form();
    let Ok(mut value) = serde_json::from_str::<Value>(&almost) else { return almost };
    reduce(&mut value);
    value.to_string()
}

fn reduce(value: &mut Value) {
    match value {
        Value::Array(parts) => parts.iter_mut().for_each(reduce),
        Value::Object(attributes) => {
            attributes.retain(|name, _| KEPT.contains(&name.as_str()));
            attributes.values_mut().for_each(reduce);
            let primitive = attributes.get("type").filter(|kind| kind.as_str().is_some_and(is_primitive));
            // A field has a name beside its type, and stays.
            if let Some(primitive) = primitive.filter(|_| attributes.len() == 1).cloned() {
                *value = primitive;
            }
        }
        _ => {}
    }
}

fn is_primitive(name: &str) -> bool {
    PRIMITIVES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        parsing_canonical_form(&Schema::parse_str(text).unwrap())
    }

    #[test]
    fn fingerprints_are_the_specification_s() {
        // From Avro's own share/test/data/schema-tests.txt.
        assert_eq!(crc_64_avro("\"null\"") as i64, 7_195_948_357_588_979_594);
        assert_eq!(crc_64_avro("\"boolean\"") as i64, -6_970_731_678_124_411_036);
        assert_eq!(crc_64_avro("\"int\"") as i64, 8_247_732_601_305_521_295);
        // What Avro's Java implementation says of a schema with a date in it.
        let ours = Schema::parse_str(include_str!("../../models/card-fraud-gbdt/transaction.avsc")).unwrap();
        assert_eq!(fingerprint(&ours).to_be_bytes().map(|byte| format!("{byte:02x}")).concat(), "7065b0741fb29899");
    }

    #[test]
    fn logical_types_leave_no_trace() {
        assert_eq!(form(r#"{"type":"long","logicalType":"timestamp-millis"}"#), r#""long""#);
        assert_eq!(form(r#"["null",{"type":"int","logicalType":"date"}]"#), r#"["null","int"]"#);
        assert_eq!(form(r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#), r#""bytes""#);
        let fixed = r#"{"type":"fixed","name":"a.D","size":4,"logicalType":"decimal","precision":9,"scale":2}"#;
        assert_eq!(form(fixed), r#"{"name":"a.D","type":"fixed","size":4}"#);
    }

    #[test]
    fn fields_and_containers_keep_their_form() {
        let text = r#"{"type":"record","name":"R","namespace":"n","doc":"d","fields":[
            {"name":"a","type":{"type":"array","items":{"type":"long","logicalType":"time-micros"}},"default":[]},
            {"name":"type","type":{"type":"string"}},
            {"name":"m","type":{"type":"map","values":"int"}},
            {"name":"e","type":{"type":"enum","name":"E","symbols":["type","long"]}}]}"#;
        let expected = concat!(
            r#"{"name":"n.R","type":"record","fields":["#,
            r#"{"name":"a","type":{"type":"array","items":"long"}},{"name":"type","type":"string"},"#,
            r#"{"name":"m","type":{"type":"map","values":"int"}},"#,
            r#"{"name":"e","type":{"name":"n.E","type":"enum","symbols":["type","long"]}}]}"#
        );
        assert_eq!(form(text), expected);
    }
}

//! A schema's parsing canonical form, by the specification: what a fingerprint is made of. It knows nothing of logical
//! types, so that schemas whose numbers mean different things can share one.

use std::fmt::Write;

use super::graph::{Graph, Kind, NodeId};

const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// The specification's table, by its definition.
const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (mut entry, mut bit) = (at as u64, 0);
        while bit < 8 {
            entry = (entry >> 1) ^ (EMPTY & (entry & 1).wrapping_neg());
            bit += 1;
        }
        table[at] = entry;
        at += 1;
    }
    table
};

/// CRC-64-AVRO of the parsing canonical form.
pub(super) fn fingerprint(form: &str) -> u64 {
    form.bytes().fold(EMPTY, |crc, byte| (crc >> 8) ^ TABLE[((crc ^ u64::from(byte)) & 0xff) as usize])
}

/// The form. Each named type is written out once; its full name, which is bounded, is repeated.
pub(super) fn form(graph: &Graph) -> String {
    let mut form = Form { graph, defined: vec![false; graph.nodes.len()], text: String::new() };
    form.add(graph.root);
    form.text
}

struct Form<'a> {
    graph: &'a Graph,
    defined: Vec<bool>,
    text: String,
}

impl Form<'_> {
    fn add(&mut self, id: NodeId) {
        let graph = self.graph;
        let node = graph.node(id);
        if let Some(names) = &node.names {
            if std::mem::replace(&mut self.defined[id], true) {
                return self.string(&names.full);
            }
            self.text.push_str("{\"name\":");
            self.string(&names.full);
            self.text.push_str(",\"type\":");
        }
        match &node.kind {
            Kind::Null => self.text.push_str("\"null\""),
            Kind::Boolean => self.text.push_str("\"boolean\""),
            Kind::Int => self.text.push_str("\"int\""),
            Kind::Long => self.text.push_str("\"long\""),
            Kind::Float => self.text.push_str("\"float\""),
            Kind::Double => self.text.push_str("\"double\""),
            Kind::Bytes => self.text.push_str("\"bytes\""),
            Kind::String => self.text.push_str("\"string\""),
            Kind::Fixed(size) => {
                // Writing to a string cannot fail.
                let _ = write!(self.text, "\"fixed\",\"size\":{size}}}");
            }
            Kind::Enum { symbols, .. } => {
                self.text.push_str("\"enum\",\"symbols\":[");
                self.list(symbols, |form, symbol| form.string(symbol));
                self.text.push_str("]}");
            }
            Kind::Array(items) => self.container("{\"type\":\"array\",\"items\":", *items),
            Kind::Map(values) => self.container("{\"type\":\"map\",\"values\":", *values),
            Kind::Union(branches) => {
                self.text.push('[');
                self.list(branches, |form, &branch| form.add(branch));
                self.text.push(']');
            }
            Kind::Record(fields) => {
                self.text.push_str("\"record\",\"fields\":[");
                self.list(fields, |form, field| {
                    form.text.push_str("{\"name\":");
                    form.string(&field.name);
                    form.text.push_str(",\"type\":");
                    form.add(field.node);
                    form.text.push('}');
                });
                self.text.push_str("]}");
            }
        }
    }

    fn container(&mut self, head: &str, inner: NodeId) {
        self.text.push_str(head);
        self.add(inner);
        self.text.push('}');
    }

    fn list<T>(&mut self, all: &[T], mut add: impl FnMut(&mut Self, &T)) {
        for (place, one) in all.iter().enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            add(self, one);
        }
    }

    /// As Java writes it: names are not escaped.
    fn string(&mut self, text: &str) {
        self.text.push('"');
        self.text.push_str(text);
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::super::schemas::AvroSchema;
    use super::*;

    fn form(text: &str) -> String {
        AvroSchema::parse(text, "test").unwrap().canonical_form()
    }

    #[test]
    fn fingerprints_are_the_specification_s() {
        // From Avro's own share/test/data/schema-tests.txt.
        assert_eq!(fingerprint("\"null\"") as i64, 7_195_948_357_588_979_594);
        assert_eq!(fingerprint("\"boolean\"") as i64, -6_970_731_678_124_411_036);
        assert_eq!(fingerprint("\"int\"") as i64, 8_247_732_601_305_521_295);
        // What Avro's Java implementation says of a schema with a date in it.
        let ours = AvroSchema::parse(include_str!("../../models/card-fraud-gbdt/transaction.avsc"), "ours").unwrap();
        assert_eq!(ours.fingerprint().to_be_bytes().map(|byte| format!("{byte:02x}")).concat(), "7065b0741fb29899");
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
            {"name":"e","type":{"type":"enum","name":"E","symbols":["type","long"]}},
            {"name":"again","type":{"type":"E"}}]}"#;
        let expected = concat!(
            r#"{"name":"n.R","type":"record","fields":["#,
            r#"{"name":"a","type":{"type":"array","items":"long"}},{"name":"type","type":"string"},"#,
            r#"{"name":"m","type":{"type":"map","values":"int"}},"#,
            r#"{"name":"e","type":{"name":"n.E","type":"enum","symbols":["type","long"]}},"#,
            r#"{"name":"again","type":"n.E"}]}"#
        );
        assert_eq!(form(text), expected);
    }

    #[test]
    fn attributes_of_foreign_places_leave_no_trace() {
        // Each of these words is kept where the specification defines it, and nowhere else.
        let plain = r#"{"type":"record","name":"R","fields":[{"name":"pan","type":"string"}]}"#;
        for foreign in [
            r#""size":19"#,
            r#""size":"varchar(19)""#,
            r#""values":"int""#,
            r#""items":{"type":"none"}"#,
            r#""symbols":[1]"#,
            r#""fields":{}"#,
            r#""scale":2.0"#,
        ] {
            let field =
                format!(r#"{{"type":"record","name":"R","fields":[{{"name":"pan","type":"string",{foreign}}}]}}"#);
            let kind = format!(
                r#"{{"type":"record","name":"R","fields":[{{"name":"pan","type":{{"type":"string",{foreign}}}}}]}}"#
            );
            assert_eq!(form(&field), form(plain), "{foreign}");
            assert_eq!(form(&kind), form(plain), "{foreign}");
        }
        // fastavro's and Avro's Java implementation's fingerprint of a schema with such an attribute.
        let text = r#"{"type":"record","name":"CardTransaction","namespace":"acme.payments","fields":[
            {"name":"pan","type":"string","size":19},
            {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}}]}"#;
        let bytes = AvroSchema::parse(text, "test").unwrap().fingerprint().to_le_bytes();
        assert_eq!(bytes.map(|byte| format!("{byte:02x}")).concat(), "b20c52df57e4a1e1");
    }
}

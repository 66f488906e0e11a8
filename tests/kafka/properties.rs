//! The list of properties that pass, held against the client as it is compiled: what it cannot do does not pass.

use scorewire::config::allow_list::{self, Side, check};
use scorewire::kafka::client::Conf;

/// Whether the client takes any of these values for a property: one that is not compiled in takes none.
fn takes_any(name: &str) -> bool {
    let values = ["1", "1000", "none", "any", "lz4", "PLAIN", "use_all_dns_ips", "plaintext", "all"];
    values.iter().any(|value| Conf::new(&[]).unwrap().set(name, value).is_ok())
}

#[test]
fn every_property_that_passes_is_compiled_into_the_client() {
    for (name, _) in allow_list::allowed() {
        assert!(takes_any(name), "{name}: the client takes no value for it");
    }
    for name in ["https.ca.location", "sasl.oauthbearer.client.id"] {
        assert!(!takes_any(name), "{name}: the client takes it by now: let it pass");
        assert!(check(name, Side::Both).is_err());
    }
}

#[test]
fn the_values_that_pass_are_those_that_the_client_takes() {
    for (name, values) in allow_list::choices() {
        for value in values {
            let in_any_case = [(*value).to_owned(), value.to_ascii_lowercase(), value.to_ascii_uppercase()];
            for value in in_any_case.iter().filter(|value| allow_list::check_value(name, value).is_ok()) {
                assert!(Conf::new(&[]).unwrap().set(name, value).is_ok(), "{name} = {value}");
            }
        }
        // The client finds out about mechanisms when it starts.
        if name != "sasl.mechanism" {
            assert!(Conf::new(&[]).unwrap().set(name, "nonsense").is_err(), "{name}: the client takes anything");
        }
    }
}

//! Which addresses are this machine's own: what goes there crosses no network.

/// Of HOST:PORT.
pub(super) fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        for here in ["localhost:9092", "127.0.0.1:9092", "127.8.8.8:1", "[::1]:9092"] {
            assert!(is_loopback(here), "{here}");
        }
        for there in ["kafka:9092", "10.0.0.1:9092", "localhost.example.com:1", "[2001:db8::1]:9092"] {
            assert!(!is_loopback(there), "{there}");
        }
    }
}

//! How many files and connections the process may have open at once: the soft limit is raised to the hard one before anything
//! is connected, and one that is too low is said before a client meets it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Whatever is open beside Kafka: the log, the runtime, the model's files, the admin port and its connections.
const OTHERS: u64 = 400;
/// A client has a thread for each broker, with a pipe and a connection (a second one, while it is made anew), and the same for
/// its coordinator and for itself. 26 were counted for a lane at three brokers. Partitions cost none.
const PER_CLIENT: u64 = 8;
const PER_BROKER: u64 = 4;
/// And one for each challenger.
const CLIENTS_PER_LANE: u64 = 2;

/// What became of the soft limit. `None` stands for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It was at the hard limit already.
    NotNeeded,
    From(Option<u64>, Option<u64>),
    Refused(Option<u64>, rustix::io::Errno),
}

/// Raises the soft limit of descriptors to the hard one, and says so.
pub fn raise() {
    match raise_of(getrlimit(Resource::Nofile), |limit| setrlimit(Resource::Nofile, limit)) {
        Raised::NotNeeded => {}
        Raised::From(from, to) => {
            tracing::info!(from = words(from), to = words(to), "limit of open descriptors raised");
        }
        Raised::Refused(limit, error) => {
            tracing::warn!(limit = words(limit), %error, "the limit of open descriptors cannot be raised");
        }
    }
}

fn raise_of(limit: Rlimit, set: impl FnOnce(Rlimit) -> rustix::io::Result<()>) -> Raised {
    if limit.current == limit.maximum {
        return Raised::NotNeeded;
    }
    match set(Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => Raised::From(limit.current, limit.maximum),
        Err(error) => Raised::Refused(limit.current, error),
    }
}

fn words(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

/// Descriptors that the process may have open now; `None` for any number.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// What to tell where `limit` may not do for lanes, each with so many challengers, that talk with so many brokers.
pub fn shortage(limit: Option<u64>, (lanes, challengers): (usize, usize), brokers: usize) -> Option<String> {
    let clients = CLIENTS_PER_LANE + challengers as u64;
    let needed = OTHERS + lanes as u64 * clients * (PER_CLIENT + PER_BROKER * brokers as u64);
    let limit = limit.filter(|limit| *limit < needed)?;
    Some(format!(
        "the process may open {limit} descriptors, and {lanes} lanes with {clients} Kafka clients each may take {needed} at \
         {brokers} brokers: raise the hard limit (ulimit -Hn; LimitNOFILE= of systemd; --ulimit nofile= of a container), \
         or run fewer lanes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let limit = |current, maximum| Rlimit { current, maximum };
        let mut set = Vec::new();
        let mut raise = |from, answer| {
            raise_of(from, |limit| {
                set.push((limit.current, limit.maximum));
                answer
            })
        };
        assert_eq!(raise(limit(Some(1_024), Some(4_096)), Ok(())), Raised::From(Some(1_024), Some(4_096)));
        assert_eq!(raise(limit(Some(1_024), None), Ok(())), Raised::From(Some(1_024), None));
        assert_eq!(raise(limit(Some(4_096), Some(4_096)), Ok(())), Raised::NotNeeded);
        let refused = Err(rustix::io::Errno::PERM);
        let end = raise(limit(Some(1), Some(2)), refused);
        assert_eq!(end, Raised::Refused(Some(1), rustix::io::Errno::PERM));
        assert_eq!(set, [(Some(4_096), Some(4_096)), (None, None), (Some(2), Some(2))]);
    }

    #[test]
    fn too_few_descriptors_are_told_with_both_figures() {
        assert_eq!(shortage(None, (64, 4), 1_000), None);
        assert_eq!(shortage(Some(1_024), (4, 0), 12), None);
        assert!(shortage(Some(1_024), (4, 4), 12).is_some_and(|told| told.contains("6 Kafka clients")));
        let told = shortage(Some(1_024), (16, 0), 12).unwrap();
        assert!(
            told.contains("1024 descriptors") && told.contains("16 lanes") && told.contains("12 brokers"),
            "{told}"
        );
        assert!(told.contains("LimitNOFILE"), "{told}");
    }
}

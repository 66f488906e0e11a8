//! Whether the group is heard of.
//!
//! No event says that a coordinator has fallen silent: a broker that is frozen keeps its connections. So it is read from the
//! client's own statistics: when the connection to the coordinator brought something last (a member sends heartbeats, so it
//! always does soon), and whether the client is a member then, and not on its way to become one. They come every two
//! seconds, and say how long ago it was: what is derived from them is exact, however seldom they come.

use std::time::Duration;

/// States of a client that has no place in its group, and is on its way to one.
const NO_MEMBER: [&str; 4] = ["init", "wait-join", "wait-metadata", "wait-sync"];

/// How long ago a member heard of its group; `None` where it is no member, or has no connection to the coordinator. The
/// document grows with the topic's partitions: it is searched from both ends, and not parsed.
pub fn heard_ago(statistics: &str) -> Option<Duration> {
    let (_, group) = statistics.rsplit_once("\"cgrp\": {")?;
    let (_, state) = group.split_once("\"join_state\": \"")?;
    if NO_MEMBER.contains(&state.split('"').next()?) {
        return None;
    }
    let (_, coordinator) = statistics.split_once("\"GroupCoordinator\": {")?;
    let (_, idle) = coordinator.split_once("\"rxidle\":")?;
    let idle_us: u64 = idle.split(',').next()?.trim().parse().ok()?;
    Some(Duration::from_micros(idle_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the client writes it, shortened.
    fn statistics(coordinator: &str, state: &str) -> String {
        format!(
            "{{ \"name\": \"rdkafka#consumer-1\", \"brokers\":{{ \"b:9092/1\": {{ \"name\":\"b:9092/1\", \"rxidle\":7, \
             \"toppars\":{{ }} }} , \"GroupCoordinator\": {{ \"name\":\"GroupCoordinator\", {coordinator} }} }}, \
             \"topics\":{{ \"t\": {{ \"topic\":\"t\" }} }} , \"cgrp\": {{ \"state\": \"up\", \"stateage\": 5, \
             \"join_state\": \"{state}\", \"rebalance_age\": 3 }} }}"
        )
    }

    #[test]
    fn a_member_hears_of_its_group_by_the_coordinators_connection() {
        let of = |coordinator: &str, state: &str| heard_ago(&statistics(coordinator, state));
        assert_eq!(of("\"rxidle\":152000, \"x\":1", "steady"), Some(Duration::from_millis(152)));
        assert_eq!(of("\"rxidle\":0, \"x\":1", "wait-unassign-call"), Some(Duration::ZERO), "it drains a partition");
        assert_eq!(of("\"rxidle\":-1, \"x\":1", "steady"), None, "no connection");
        for state in NO_MEMBER {
            assert_eq!(of("\"rxidle\":5, \"x\":1", state), None, "{state}");
        }
        assert_eq!(heard_ago("{ \"brokers\":{ }, \"topics\":{ } }"), None);
    }
}

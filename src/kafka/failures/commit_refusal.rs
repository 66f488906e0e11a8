//! What the errors of a commit mean.

use rdkafka::types::RDKafkaRespErr as Err;

use super::retriable::is_retriable;
use super::rights;
use crate::doors::CommitRefusal;
use crate::kafka::client::name_and_words;

/// The group moves on: the member's word for its own place in it is out of date.
const OF_REBALANCES: [Err; 6] = [
    Err::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
    Err::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
    Err::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
    Err::RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH,
    Err::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH,
    Err::RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST,
];

const REBALANCE: &str = "a rebalance explains it: the group is dividing its partitions anew. It is committed after that, \
                         or the partition's next owner scores the records again. Where it goes on, members keep coming \
                         and going: look at the log's lines on partitions";
const PASSES: &str = "the group's coordinator moves, loads or cannot be reached. It is tried again by itself; where it \
                      goes on, look at the brokers";
const FENCED: &str = "another process has come with this kafka.node: give each process of the group its own";
const DENIED: &str =
    "the user may not commit for this group: grant READ on it (kafka-acls.sh --add --operation Read --group)";
const OTHER: &str = "it is tried again by itself; where it goes on, the log of the group's coordinator says why";

/// A commit's error code, in words.
pub fn commit_refusal(code: i32) -> CommitRefusal {
    let meaning = if OF_REBALANCES.iter().any(|err| *err as i32 == code) {
        REBALANCE
    } else if code == Err::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID as i32 {
        FENCED
    } else if rights::is_denied(code) {
        DENIED
    } else if is_retriable(code) {
        PASSES
    } else {
        OTHER
    };
    let (name, text) = name_and_words(code).unwrap_or(("UNKNOWN", "an error that the client does not know"));
    CommitRefusal { code, name, text, meaning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_with_its_name_the_clients_words_and_what_it_means() {
        let said = commit_refusal(27).to_string();
        assert_eq!(said, format!("Broker: Group rebalance in progress (REBALANCE_IN_PROGRESS, code 27): {REBALANCE}"));
        for (code, name, meaning) in [
            (22, "ILLEGAL_GENERATION", REBALANCE),
            (25, "UNKNOWN_MEMBER_ID", REBALANCE),
            (16, "NOT_COORDINATOR", PASSES),
            (-185, "_TIMED_OUT", PASSES),
            (30, "GROUP_AUTHORIZATION_FAILED", DENIED),
            (82, "FENCED_INSTANCE_ID", FENCED),
            (12, "OFFSET_METADATA_TOO_LARGE", OTHER),
            (-4_711, "UNKNOWN", OTHER),
        ] {
            let refusal = commit_refusal(code);
            assert_eq!((refusal.code, refusal.name, refusal.meaning), (code, name, meaning));
        }
    }
}

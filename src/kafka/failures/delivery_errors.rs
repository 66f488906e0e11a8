//! What the codes of outcomes that were not acknowledged mean.

use rdkafka::types::RDKafkaRespErr as Err;

use crate::kafka::client::{name_and_words, words};
use crate::values::record::{Hope, Undelivered};

/// What a delivery report with an error says.
pub fn undelivered(err: Err) -> Undelivered {
    let hope = match err {
        // A record or its batch above `max.message.bytes` of the topic; a batch larger than the topic's segments.
        Err::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
        | Err::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE
        // A timestamp that the topic does not allow: by default more than an hour ahead.
        | Err::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP
        // A record that the topic does not allow: a compacted one takes none without key. Also what the client says for
        // either of the two, where a batch holds several of them.
        | Err::RD_KAFKA_RESP_ERR_INVALID_RECORD
        // Headers on a topic of an old message format.
        | Err::RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT => Hope::Never,
        // Another record of its batch; or a transaction that is over, and what is ours to take back.
        Err::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD
        | Err::RD_KAFKA_RESP_ERR__PURGE_QUEUE
        | Err::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT => Hope::Beside,
        _ => Hope::Later,
    };
    let name = name_and_words(err as i32).map_or("no name", |(name, _)| name);
    Undelivered { hope, code: err as i32, name, text: words(err) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_never_takes_is_told_from_what_passes() {
        for err in [
            Err::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            Err::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
            Err::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
            Err::RD_KAFKA_RESP_ERR_INVALID_RECORD,
        ] {
            assert_eq!(undelivered(err).hope, Hope::Never, "{err:?}");
        }
        let rights = undelivered(Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
        assert_eq!((rights.hope, rights.code), (Hope::Later, 29));
        assert_eq!(rights.to_string(), "Broker: Topic authorization failed (TOPIC_AUTHORIZATION_FAILED, code 29)");
        assert_eq!(undelivered(Err::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD).hope, Hope::Beside);
        assert_eq!(undelivered(Err::RD_KAFKA_RESP_ERR__PURGE_QUEUE).hope, Hope::Beside);
    }
}

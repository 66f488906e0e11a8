//! At-least-once delivery: outcomes are acknowledged first, then offsets are committed. And what the codes of outcomes
//! that were not acknowledged mean.

use rdkafka::types::RDKafkaRespErr as Err;

use super::native::{name_and_words, words};
use crate::edge::{Committing, Delivery, Progress, Sink, Source};
use crate::error::Fatal;
use crate::record::{Hope, Undelivered};

/// Commits progress to the group as it comes; there is nothing to begin, and nothing to undo: after a failed
/// delivery the records from the last commit on are read again, and their outcomes may repeat.
#[derive(Debug, Default)]
pub struct AtLeastOnce;

impl<S: Source, K: Sink<S::Record>> Delivery<S, K> for AtLeastOnce {
    const ATOMIC: bool = false;

    fn begin(&mut self, _: &mut K) -> Result<(), Fatal> {
        Ok(())
    }

    fn is_open(&self) -> bool {
        false
    }

    fn commit(&mut self, source: &mut S, _: &mut K, progress: &[Progress]) -> Result<Committing, Fatal> {
        source.commit(progress)?;
        Ok(Committing::Started)
    }

    fn abort(&mut self, _: &mut S, _: &mut K, partitions: &[Progress]) -> Result<Vec<Progress>, Fatal> {
        Ok(partitions.to_vec())
    }
}

/// What a delivery report with an error says.
pub(super) fn undelivered(err: Err) -> Undelivered {
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

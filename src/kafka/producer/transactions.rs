//! The lane's producer in transactions: outcomes and offsets of the group become visible together, or not at all.
//!
//! The reasons for each step's form (drained first, purged first, fresh group metadata) are measured: an end that waits for messages in flight waits in
//! slices of 100 ms, and one that fails half way is only ever finished by a new producer.

use std::time::Duration;

use super::sink::KafkaSink;
use crate::doors::{Progress, Sink, TransactionError, Transactional};
use crate::error::{Fatal, exit};
use crate::failpoint::{Bug, planted};
use crate::kafka::client::{GroupMetadata, PartitionList, c_string};
use crate::kafka::consumer::KafkaSource;
use crate::kafka::failures::retriable::{self, SinceStart};
use crate::kafka::failures::rights;
use crate::kafka::settings::DOUBT_AFTER;
use crate::kafka::wrapped::request_retries;
use crate::values::record::Hope;

/// How long a process that ends by an error waits for its open transaction to be aborted. Otherwise readers would wait
/// for the transaction's time-out.
const LEAVING_MAX: Duration = Duration::from_secs(1);

/// Who commits, for the broker to fence; `None` for no member. Asked for each time: the broker refuses a generation that
/// is over, and accepts a member that never was.
fn member_of(source: &KafkaSource) -> Option<GroupMetadata> {
    if planted(Bug::StaleGroupMetadata)
        && let Ok(group) = c_string(source.group())
    {
        return GroupMetadata::of_no_member(&group);
    }
    source.member().group_metadata()
}

impl KafkaSink {
    pub(super) fn take_name_over(&mut self, id: &str, timeout: Duration) -> Result<(), Fatal> {
        let passing = |error: &TransactionError| match error {
            TransactionError::Retry(why) => Some(why.clone()),
            _ => None,
        };
        let what = format!("start transactions as {id}");
        retriable::ask_until(&SinceStart::now(), timeout, passing, &what, |left| self.renew(left)).map_err(|error| {
            use TransactionError::{Abort, Fenced, Renew, Retry};
            let (Retry(why) | Abort(why) | Renew(why) | Fenced(why)) = error;
            if rights::says_transactional(&why) {
                let prefix = id.rsplit_once('/').map_or(id, |(prefix, _)| prefix);
                return rights::denied_transactions(prefix, self.user());
            }
            Fatal::new(
                exit::UNAVAILABLE,
                format!("the cluster does not start transactions as {id}: {why}"),
                "check the brokers, the access rights to the transactional id, and limits.commit_timeout_ms against \
                 the brokers' transaction.max.timeout.ms",
            )
        })
    }

    /// A transaction that is still open when the producer goes is aborted, where that is quickly done.
    pub(super) fn leave_no_transaction(&mut self) {
        if self.transaction.as_ref().is_some_and(|transaction| transaction.open)
            && let Result::Err(error) = self.abort(LEAVING_MAX)
        {
            tracing::warn!(target: "kafka", ?error, "the open transaction is left to its time-out");
        }
    }

    fn set_open(&mut self, open: bool) {
        if let Some(transaction) = &mut self.transaction {
            transaction.open = open;
        }
    }

    /// Everything in flight comes back failed, and is forgotten. But what the broker refused for good while this was under way
    /// is told by the next poll: it is refused again, as often as it is sent.
    fn give_up_in_flight(&mut self, limit: Duration) -> Result<(), TransactionError> {
        const SLICE: Duration = Duration::from_millis(1);
        self.producer.purge_all();
        let mut refused = Vec::new();
        for _ in 0..=limit.as_millis() {
            self.poll(SLICE, &mut refused).map_err(|fatal| TransactionError::Renew(fatal.what))?;
            refused.retain(|ack| ack.result.is_err_and(|why| why.hope == Hope::Never));
            if self.in_flight == 0 {
                break;
            }
        }
        let left = self.in_flight;
        self.in_flight += refused.len();
        self.producer.reports().acks.append(&mut refused);
        match left {
            0 => Ok(()),
            left => Result::Err(TransactionError::Renew(format!("{left} outcomes cannot be purged"))),
        }
    }
}

impl Transactional<KafkaSource> for KafkaSink {
    fn begin(&mut self) -> Result<(), TransactionError> {
        self.producer.begin_transaction().map(|()| self.set_open(true))
    }

    fn send_offsets(
        &mut self,
        source: &KafkaSource,
        progress: &[Progress],
        limit: Duration,
    ) -> Result<(), TransactionError> {
        if progress.is_empty() {
            return Ok(());
        }
        let list = PartitionList::new(source.member().topic(), progress.iter().copied());
        let Some(member) = member_of(source) else {
            return Result::Err(TransactionError::Abort("the consumer is no member of its group".into()));
        };
        self.producer.send_offsets(&list, &member, limit)
    }

    fn commit(&mut self, limit: Duration) -> Result<(), TransactionError> {
        self.producer.commit_transaction(limit).map(|()| self.set_open(false))
    }

    fn abort(&mut self, limit: Duration) -> Result<(), TransactionError> {
        self.give_up_in_flight(limit)?;
        self.producer.abort_transaction(limit).map(|()| self.set_open(false))
    }

    fn renew(&mut self, limit: Duration) -> Result<(), TransactionError> {
        // One that has not got the name yet goes on asking for it.
        if self.transaction.as_ref().is_some_and(|transaction| transaction.initialised) {
            self.replace_client().map_err(|fatal| TransactionError::Renew(fatal.what))?;
        }
        self.producer.init_transactions(limit)?;
        if let Some(transaction) = &mut self.transaction {
            transaction.initialised = true;
        }
        Ok(())
    }

    fn take_trouble(&mut self) -> bool {
        let retries = request_retries::so_far();
        let repeated = std::mem::replace(&mut self.retries, retries) != retries;
        std::mem::take(&mut self.producer.reports().trouble) || repeated
    }

    fn doubt_after(&self) -> Duration {
        if cfg!(wrapped_client) { Duration::MAX } else { DOUBT_AFTER }
    }

    fn committed(&self, source: &KafkaSource, partitions: &[Progress]) -> Result<Vec<Progress>, Fatal> {
        let numbers: Vec<i32> = partitions.iter().map(|at| at.partition).collect();
        let known = source.committed_offsets(&numbers)?;
        let known_of = |at: &Progress| known.iter().find(|known| known.partition == at.partition && known.offset >= 0);
        Ok(partitions.iter().map(|at| known_of(at).copied().unwrap_or(*at)).collect())
    }
}

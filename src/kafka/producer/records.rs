//! A producer for records that are written again as they were, on one topic: each with the headers that travel and one of ours;
//! in transactions together with a group's offsets, or each by itself.

use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaRespErr as Err;

use crate::doors::{Clock, Complaint, SourceRecord, TransactionError};
use crate::error::{Fatal, exit};
use crate::kafka::client::log_listener::LogListener;
use crate::kafka::client::login::Login;
use crate::kafka::client::{
    Conf, DeliveryReports, GroupMetadata, Headers, KafkaRecord, Message, NO_ERROR, NotedOffset, Own, PartitionList,
    ProducerClient, c_string, describe,
};
use crate::kafka::failures::delivery_errors::undelivered;
use crate::kafka::failures::retriable::{self, SinceStart};
use crate::kafka::failures::rights;
use crate::kafka::settings::{DOUBT_AFTER, KafkaSettings, producer_settings, transaction_settings};
use crate::kafka::wrapped::request_retries;
use crate::values::record::Hope;

/// One wait for acknowledgements.
const SLICE: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Reports {
    acknowledged: usize,
    /// The first that the broker did not take.
    refused: Option<Err>,
    fatal: bool,
}

impl DeliveryReports for Reports {
    fn delivered(&mut self, _: u64, err: Err) {
        self.acknowledged += 1;
        if err != NO_ERROR {
            self.refused.get_or_insert(err);
        }
    }

    fn failed(&mut self, code: i32) {
        self.fatal |= code == Err::RD_KAFKA_RESP_ERR__FATAL as i32;
    }
}

/// The name of transactions in the cluster, and how long one may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transactions {
    pub id: String,
    /// Whose offsets are put into them.
    pub group: String,
    pub timeout: Duration,
}

/// What is written of a record besides its key and value.
pub struct Written<'a> {
    /// `None`: by the key.
    pub partition: Option<i32>,
    /// `None`: the time of the writing.
    pub timestamp_ms: Option<i64>,
    /// Behind the headers that travel.
    pub header: (&'a CStr, &'a [u8]),
}

/// Writes records again.
pub struct RecordSink {
    producer: ProducerClient<Reports>,
    settings: Vec<(String, String)>,
    login: Option<&'static Login>,
    complaint: Arc<Complaint>,
    listener: &'static LogListener,
    topic: CString,
    transactions: Option<Transactions>,
    in_flight: usize,
    /// What the clients of this process had repeated when that was asked last.
    retries: u64,
}

impl RecordSink {
    /// With transactions it has taken their name over when this returns: what somebody left open under it is aborted, and he is
    /// refused from here on. Read the group's offsets afterwards.
    ///
    /// # Errors
    /// [`exit::CONFIG`] when the client refuses its settings; [`exit::UNAVAILABLE`] when the cluster does not give the name away.
    pub fn open(
        settings: &KafkaSettings,
        topic: &str,
        transactions: Option<Transactions>,
    ) -> Result<RecordSink, Fatal> {
        let list = match &transactions {
            Some(of) => transaction_settings(settings, &of.id, of.timeout),
            None => producer_settings(settings),
        };
        let login = Login::of(&list, settings.password_files.producer.as_deref());
        let complaint = Arc::default();
        let listener = LogListener::of(&list, Some(&complaint));
        let topic = c_string(topic)?;
        let producer = client(&list, login, listener, &topic)?;
        let retries = request_retries::so_far();
        let mut sink = RecordSink {
            producer,
            settings: list,
            login,
            complaint,
            listener,
            topic,
            transactions,
            in_flight: 0,
            retries,
        };
        sink.take_name_over()?;
        Ok(sink)
    }

    fn take_name_over(&mut self) -> Result<(), Fatal> {
        let Some(Transactions { id, timeout, .. }) = self.transactions.clone() else { return Ok(()) };
        let passing = |error: &TransactionError| match error {
            TransactionError::Retry(why) => Some(why.clone()),
            _ => None,
        };
        let what = format!("start transactions as {id}");
        let took = retriable::ask_until(&SinceStart::now(), timeout, passing, &what, |left| {
            self.producer.init_transactions(left)
        });
        took.map_err(|error| {
            let why = words(error);
            if rights::says_transactional(&why) {
                // All names of this group's processes begin so.
                let prefix = id.rsplit_once('/').map_or(id.as_str(), |(prefix, _)| prefix);
                return rights::denied_transactions(prefix, self.user());
            }
            let fix = "check the brokers, and limits.commit_timeout_ms against the brokers' transaction.max.timeout.ms";
            Fatal::new(exit::UNAVAILABLE, format!("the cluster does not {what}: {why}"), fix)
        })
    }

    fn user(&self) -> Option<&str> {
        self.listener.identity().user.as_deref()
    }

    /// Opens a transaction, which everything belongs to that is sent from now on. Does nothing without transactions.
    ///
    /// # Errors
    /// [`exit::DELIVERY`] when the producer cannot.
    pub fn begin(&mut self) -> Result<(), Fatal> {
        if self.transactions.is_none() {
            return Ok(());
        }
        let begun = self.producer.begin_transaction();
        begun.map_err(|error| self.failed("begin a transaction", &words(error)))
    }

    /// Hands a record over: its key, its value, and those of its headers that `keeps` wants by their names. Waits while the
    /// client is full.
    ///
    /// # Errors
    /// [`exit::DELIVERY`] when the client cannot take it; those of [`RecordSink::serve`].
    pub fn send(
        &mut self,
        record: &KafkaRecord,
        written: &Written<'_>,
        keeps: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Fatal> {
        let own = [written.header];
        loop {
            let message = Message {
                topic: 0,
                partition: written.partition,
                key: record.key(),
                value: record.value(),
                tag: 0,
                timestamp_ms: written.timestamp_ms,
                headers: Headers::of(record.raw_headers(), &keeps, Own::Fresh(&own)),
            };
            let Result::Err(untaken) = self.producer.send(message) else {
                self.in_flight += 1;
                return Ok(());
            };
            if untaken.code != Err::RD_KAFKA_RESP_ERR__QUEUE_FULL {
                return Result::Err(self.refused(untaken.code));
            }
            self.serve(SLICE)?;
        }
    }

    /// Serves acknowledgements for at most this long.
    ///
    /// # Errors
    /// [`exit::DELIVERY`] when a record was not taken, [`exit::UNAVAILABLE`] where a right is missing.
    pub fn serve(&mut self, wait: Duration) -> Result<(), Fatal> {
        self.producer.poll(wait);
        let reports = self.producer.reports();
        let (acknowledged, refused) = (std::mem::take(&mut reports.acknowledged), reports.refused.take());
        let is_fatal = reports.fatal;
        self.in_flight -= acknowledged;
        if let Some(err) = refused {
            return Result::Err(self.refused(err));
        }
        if is_fatal {
            let (code, text) = self.producer.client().fatal_error().unwrap_or((0, "unknown".into()));
            return Result::Err(self.failed("go on", &format!("{} ({text})", describe(code))));
        }
        Ok(())
    }

    /// Waits until everything is acknowledged.
    ///
    /// # Errors
    /// Those of [`RecordSink::serve`]; [`exit::DELIVERY`] where that takes longer than `limit`.
    pub fn drain(&mut self, limit: Duration, clock: &impl Clock) -> Result<(), Fatal> {
        let begun_ns = clock.now_ns();
        while self.in_flight > 0 {
            self.serve(SLICE)?;
            if u128::from(clock.now_ns().saturating_sub(begun_ns)) > limit.as_nanos() {
                let why = self.complaint.text().map_or(String::new(), |why| format!(" ({why})"));
                let what = format!("{} records are not acknowledged after {} s{why}", self.in_flight, limit.as_secs());
                return Result::Err(self.failed("write", &what));
            }
        }
        Ok(())
    }

    /// Puts the group's offsets of a topic into the open transaction. Everything was acknowledged.
    ///
    /// # Errors
    /// [`exit::DELIVERY`] when the transaction is not to be had; [`exit::UNAVAILABLE`] where the group may not be used.
    pub fn send_offsets(&mut self, topic: &str, progress: &[NotedOffset]) -> Result<(), Fatal> {
        let Some(Transactions { group, timeout, .. }) = self.transactions.clone() else { return Ok(()) };
        let (topic, name) = (c_string(topic)?, c_string(&group)?);
        let list = PartitionList::noted(&topic, progress);
        // Nobody joins this group: the transaction's name alone keeps others away.
        let member = GroupMetadata::of_no_member(&name).expect("librdkafka allocates");
        let sent = self.again(timeout, "commit offsets in a transaction", |producer, left| {
            producer.send_offsets(&list, &member, left)
        });
        sent.map_err(|why| match why.contains("GROUP_AUTHORIZATION_FAILED") {
            true => rights::denied_group(&group, self.user(), "commit its offsets"),
            false => self.failed("commit offsets in a transaction", &why),
        })
    }

    /// Ends the transaction: its records are seen, and its offsets count. Where the client may have asked for the end twice, the
    /// producer is replaced: the second request could end the next transaction.
    ///
    /// # Errors
    /// [`exit::DELIVERY`] when nobody knows whether it is committed.
    pub fn commit(&mut self, clock: &impl Clock) -> Result<(), Fatal> {
        let Some(Transactions { timeout, .. }) = self.transactions.clone() else { return Ok(()) };
        let begun_ns = clock.now_ns();
        let committed = self.again(timeout, "commit a transaction", |producer, left| producer.commit_transaction(left));
        committed.map_err(|why| self.failed("commit a transaction", &why))?;
        let took = Duration::from_nanos(clock.now_ns().saturating_sub(begun_ns));
        let retries = request_retries::so_far();
        let is_repeated = std::mem::replace(&mut self.retries, retries) != retries;
        if is_repeated || (!cfg!(wrapped_client) && took > DOUBT_AFTER) {
            self.producer = client(&self.settings, self.login, self.listener, &self.topic)?;
            self.take_name_over()?;
        }
        Ok(())
    }

    fn again(
        &mut self,
        limit: Duration,
        what: &str,
        mut step: impl FnMut(&mut ProducerClient<Reports>, Duration) -> Result<(), TransactionError>,
    ) -> Result<(), String> {
        let passing = |error: &TransactionError| match error {
            TransactionError::Retry(why) => Some(why.clone()),
            _ => None,
        };
        let producer = &mut self.producer;
        retriable::ask_until(&SinceStart::now(), limit, passing, what, |left| step(producer, left)).map_err(words)
    }

    fn refused(&self, err: Err) -> Fatal {
        let topic = self.topic.to_string_lossy();
        if err == Err::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED {
            return rights::denied_topic(&topic, self.user(), "Write", "write records there");
        }
        let why = undelivered(err);
        let mut fatal = self.failed("write", &why.to_string());
        if why.hope == Hope::Never {
            fatal.fix =
                "the topic takes no such record: see its max.message.bytes, cleanup.policy and message.timestamp.*; \
                         or leave the letter out (--from PARTITION:OFFSET begins behind it)"
                    .into();
        }
        fatal
    }

    fn failed(&self, what: &str, why: &str) -> Fatal {
        let topic = self.topic.to_string_lossy();
        let fix =
            "nothing is lost: the same command goes on behind what is committed; look at the brokers for the cause";
        Fatal::new(exit::DELIVERY, format!("cannot {what} (topic {topic}): {why}"), fix)
    }
}

impl Drop for RecordSink {
    /// A transaction that is left open is aborted where that is quickly done: readers would wait for its time-out.
    fn drop(&mut self) {
        if self.transactions.is_some() && self.in_flight > 0 {
            self.producer.purge_all();
            self.producer.poll(SLICE);
        }
        if self.transactions.is_some() {
            // Refused where none is open.
            let _ = self.producer.abort_transaction(Duration::from_secs(1));
        }
    }
}

fn client(
    list: &[(String, String)],
    login: Option<&'static Login>,
    listener: &'static LogListener,
    topic: &CString,
) -> Result<ProducerClient<Reports>, Fatal> {
    let conf = Conf::new(list)?;
    login.map_or(Ok(()), |login| login.join(&conf))?;
    conf.with_threads(listener);
    ProducerClient::new(conf, std::iter::once(topic))
}

fn words(error: TransactionError) -> String {
    use TransactionError::{Abort, Fenced, Renew, Retry};
    match error {
        Retry(why) | Abort(why) | Renew(why) => why,
        Fenced(why) => format!("another process replays as this group, and has taken its place: {why}"),
    }
}

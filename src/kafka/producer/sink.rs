//! The lane's producer: outcomes go in by copy, acknowledgements come out as tags.

use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaRespErr as Err;

use crate::doors::{Complaint, Destination, Outgoing, SendError, Sink, SourceRecord};
use crate::error::{Fatal, exit};
use crate::kafka::client::log_listener::LogListener;
use crate::kafka::client::login::Login;
use crate::kafka::client::{
    Conf, DeliveryReports, Headers, KafkaRecord, Message, NO_ERROR, Own, ProducerClient, RawHeaders, Standing,
    c_string, describe,
};
use crate::kafka::failures::delivery_errors::undelivered;
use crate::kafka::settings::{KafkaSettings, PasswordFiles, producer_settings, transaction_settings};
use crate::kafka::wrapped::batch_hand_over::Handover;
use crate::kafka::wrapped::review_linger::clock_us;
use crate::values::record::{Ack, Tag};
use crate::values::settings::ForwardHeaders;
use crate::values::topics::{PartitionCounts, Topics};

/// What the delivery callback leaves behind for the owner.
#[derive(Default)]
pub(super) struct Reports {
    pub(super) acks: Vec<Ack>,
    fatal: bool,
    /// A connection was lost, or an answer did not come in time.
    pub(super) trouble: bool,
}

impl DeliveryReports for Reports {
    fn delivered(&mut self, tag: u64, err: Err) {
        let result = if err == NO_ERROR { Ok(()) } else { Result::Err(undelivered(err)) };
        self.acks.push(Ack { tag: Tag::from_bits(tag), result });
    }

    fn failed(&mut self, code: i32) {
        self.fatal |= code == Err::RD_KAFKA_RESP_ERR__FATAL as i32;
        self.trouble |= is_trouble(code);
    }
}

/// An error of the client that says that a request may have been lost on its way.
fn is_trouble(code: i32) -> bool {
    let trouble = [
        Err::RD_KAFKA_RESP_ERR__TRANSPORT,
        Err::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        Err::RD_KAFKA_RESP_ERR__TIMED_OUT,
        Err::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
        Err::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ];
    trouble.iter().any(|err| *err as i32 == code)
}

pub struct KafkaSink {
    pub(super) producer: ProducerClient<Reports>,
    forward: ForwardHeaders,
    standing: Standing,
    pub(super) in_flight: usize,
    blueprint: Blueprint,
    /// Sends in transactions only.
    pub(super) transaction: Option<Transaction>,
    handover: &'static Handover,
    /// What the clients of this process had repeated when that was asked last.
    pub(super) retries: u64,
}

/// What a producer is made from.
struct Blueprint {
    settings: Vec<(String, String)>,
    login: Option<&'static Login>,
    /// With the partitions of each, in the order of [`Destination`].
    topics: Vec<(CString, i32)>,
    complaint: Arc<Complaint>,
    listener: &'static LogListener,
}

/// Where a transactional producer stands.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) open: bool,
    /// The name is this producer's.
    pub(super) initialised: bool,
}

impl Blueprint {
    fn new(
        settings: Vec<(String, String)>,
        files: &PasswordFiles,
        topics: &Topics,
        counts: &PartitionCounts,
    ) -> Result<Blueprint, Fatal> {
        // The last one is not there where the node needs none: it is not to be asked for, which may create it.
        let is_used = |to: &Destination| *to != Destination::RetryLater || counts[*to] > 0;
        let named = Destination::ALL.into_iter().filter(is_used);
        let named = named.map(|to| Ok((c_string(&topics[to])?, counts[to])));
        let login = Login::of(&settings, files.producer.as_deref());
        let topics = named.collect::<Result<_, Fatal>>()?;
        let complaint = Arc::default();
        let listener = LogListener::of(&settings, Some(&complaint));
        Ok(Blueprint { settings, login, topics, complaint, listener })
    }

    fn build(&self, handover: &'static Handover) -> Result<ProducerClient<Reports>, Fatal> {
        let conf = Conf::new(&self.settings)?;
        self.login.map_or(Ok(()), |login| login.join(&conf))?;
        conf.with_threads(self.listener);
        conf.with_threads(handover);
        let producer = ProducerClient::new(conf, self.topics.iter().map(|(name, _)| name))?;
        handover.review.know(producer.topic(Destination::Review as usize));
        Ok(producer)
    }
}

impl KafkaSink {
    pub fn new(
        settings: &KafkaSettings,
        topics: &Topics,
        counts: &PartitionCounts,
        forward: &ForwardHeaders,
    ) -> Result<KafkaSink, Fatal> {
        KafkaSink::build(
            Blueprint::new(producer_settings(settings), &settings.password_files, topics, counts)?,
            forward,
        )
    }

    /// One that sends in transactions, under the name `id`. It has taken the name over when this returns: the open
    /// transaction of whoever had it before is aborted, and that one is refused from here on. Read offsets afterwards.
    ///
    /// # Errors
    /// [`exit::UNAVAILABLE`] when the cluster does not give the name away within `timeout`.
    pub fn transactional(
        settings: &KafkaSettings,
        (id, timeout): (&str, Duration),
        topics: &Topics,
        counts: &PartitionCounts,
        forward: &ForwardHeaders,
    ) -> Result<KafkaSink, Fatal> {
        let list = transaction_settings(settings, id, timeout);
        let blueprint = Blueprint::new(list, &settings.password_files, topics, counts)?;
        let mut sink = KafkaSink::build(blueprint, forward)?;
        sink.transaction = Some(Transaction::default());
        sink.take_name_over(id, timeout)?;
        Ok(sink)
    }

    /// Who the brokers know the client as, where it says a name.
    pub(super) fn user(&self) -> Option<&str> {
        self.blueprint.listener.identity().user.as_deref()
    }

    fn build(blueprint: Blueprint, forward: &ForwardHeaders) -> Result<KafkaSink, Fatal> {
        let handover = Handover::new();
        Ok(KafkaSink {
            producer: blueprint.build(handover)?,
            forward: forward.clone(),
            standing: Standing::default(),
            in_flight: 0,
            blueprint,
            transaction: None,
            handover,
            retries: 0,
        })
    }

    /// Goes on with a new client; whatever the old one still had is given up, and its reports with it.
    pub(super) fn replace_client(&mut self) -> Result<(), Fatal> {
        self.producer = self.blueprint.build(self.handover)?;
        self.in_flight = 0;
        self.transaction = self.transaction.take().map(|_| Transaction::default());
        Ok(())
    }

    /// The source's headers that travel, followed by our own.
    fn headers(&mut self, outcome: &Outgoing<'_>, source: Option<&KafkaRecord>) -> Headers {
        let is_chosen = |name: &[u8]| match &self.forward {
            ForwardHeaders::All => true,
            ForwardHeaders::Only(chosen) => chosen.iter().any(|other| other.as_bytes() == name),
        };
        let own = match outcome.destination {
            // The decisions with the model's version: few values.
            Destination::Outputs | Destination::Review => self.standing.of(outcome.headers),
            Destination::DeadLetters | Destination::Timeouts | Destination::RetryLater => Own::Fresh(outcome.headers),
        };
        Headers::of(
            source.map_or(RawHeaders::NONE, KafkaRecord::raw_headers),
            |name| outcome.takes(name, is_chosen),
            own,
        )
    }

    fn fatal(&self) -> Fatal {
        let (code, text) = self.producer.client().fatal_error().unwrap_or((0, "unknown".into()));
        Fatal::new(
            exit::DELIVERY,
            format!("the producer cannot go on: {} ({text})", describe(code)),
            "restart the process: it goes on from the committed offsets; look at the brokers' logs for the cause",
        )
    }
}

impl Sink<KafkaRecord> for KafkaSink {
    fn send(&mut self, outcome: &Outgoing<'_>, source: Option<&KafkaRecord>) -> Result<(), SendError> {
        let message = Message {
            topic: outcome.destination as usize,
            partition: outcome.partition,
            // In this order: headers may be taken away from the source, which moves neither key nor value.
            headers: self.headers(outcome, source),
            key: outcome.key.resolve(source.and_then(SourceRecord::key)),
            value: outcome.value.resolve(source.and_then(SourceRecord::value)),
            tag: outcome.tag.to_bits(),
            timestamp_ms: outcome.timestamp_ms,
        };
        let Result::Err(untaken) = self.producer.send(message) else {
            self.in_flight += 1;
            return Ok(());
        };
        match untaken.code {
            // Why, and whether another transaction or another producer helps, its end will say.
            code if self.transaction.is_some() && (untaken.is_fatal || code == Err::RD_KAFKA_RESP_ERR__STATE) => {
                Result::Err(SendError::Aborted)
            }
            Err::RD_KAFKA_RESP_ERR__QUEUE_FULL => Result::Err(SendError::Full),
            Err::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE => Result::Err(SendError::TooLarge),
            Err::RD_KAFKA_RESP_ERR__FATAL => Result::Err(SendError::Fatal(self.fatal())),
            // A topic that is gone, or that this user may not write any more, is known to the client before the broker says
            // so of the first outcome, or after it: the same either way.
            other => {
                self.in_flight += 1;
                self.producer.reports().acks.push(Ack { tag: outcome.tag, result: Result::Err(undelivered(other)) });
                Ok(())
            }
        }
    }

    fn poll(&mut self, wait: Duration, acks: &mut Vec<Ack>) -> Result<(), Fatal> {
        self.producer.poll(wait);
        let reports = self.producer.reports();
        self.in_flight -= reports.acks.len();
        acks.append(&mut reports.acks);
        let ends_here = reports.fatal && self.transaction.is_none();
        if ends_here { Result::Err(self.fatal()) } else { Ok(()) }
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn complaint(&self) -> Option<String> {
        self.blueprint.complaint.text()
    }

    fn begin_batch(&mut self) {
        self.handover.begin();
    }

    fn end_batch(&mut self) {
        self.handover.end();
    }

    fn hold_copies(&mut self, wait: Duration) {
        if self.handover.review.hold(wait, clock_us()) && wait.is_zero() {
            // Wakes the client's threads, which find that nothing is held, and waits for nobody.
            self.producer.flush_at_once();
        }
    }

    fn partitions(&self, destination: Destination) -> i32 {
        self.blueprint.topics.get(destination as usize).map_or(0, |(_, partitions)| *partitions)
    }

    fn purge(&mut self) {
        self.producer.purge_queued();
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        self.leave_no_transaction();
    }
}

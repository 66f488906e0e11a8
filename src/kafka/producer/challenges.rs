//! A challenger's producer: rows go in by copy, and nobody waits for them.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaRespErr as Err;

use crate::doors::{Challenges, Complaint, Delivered, SendError};
use crate::error::{Fatal, exit};
use crate::kafka::client::log_listener::LogListener;
use crate::kafka::client::login::Login;
use crate::kafka::client::{
    Conf, DeliveryReports, Headers, Message, NO_ERROR, ProducerClient, RawHeaders, Standing, c_string, describe,
};
use crate::kafka::settings::{KafkaSettings, challenge_settings};

/// The challenger's name on each row, so that a reader of one need not decode the others'.
const CHALLENGER_HEADER: &CStr = c"scorewire-challenger";

#[derive(Default)]
struct Reports {
    delivered: Delivered,
    /// What a row was given up for last.
    refused: Option<Err>,
    fatal: bool,
}

impl DeliveryReports for Reports {
    fn delivered(&mut self, _: u64, err: Err) {
        if err == NO_ERROR {
            self.delivered.acknowledged += 1;
        } else {
            self.delivered.failed += 1;
            self.refused = Some(err);
        }
    }

    fn failed(&mut self, code: i32) {
        self.fatal |= code == Err::RD_KAFKA_RESP_ERR__FATAL as i32;
    }
}

pub struct ChallengeSink {
    producer: ProducerClient<Reports>,
    standing: Standing,
    name: String,
    topic: String,
    partitions: i32,
    in_flight: usize,
    is_told: bool,
}

impl ChallengeSink {
    /// For rows of the challenger `name`, on a topic with so many partitions. Its threads are born here, and inherit the
    /// priority of the calling one.
    ///
    /// # Errors
    /// [`exit::CONFIG`] when the client refuses its settings.
    pub fn new(settings: &KafkaSettings, name: &str, topic: &str, partitions: i32) -> Result<ChallengeSink, Fatal> {
        let list = challenge_settings(settings);
        let conf = Conf::new(&list)?;
        if let Some(login) = Login::of(&list, settings.password_files.producer.as_deref()) {
            login.join(&conf)?;
        }
        let complaint: Arc<Complaint> = Arc::default();
        conf.with_threads(LogListener::of(&list, Some(&complaint)));
        let topics = [c_string(topic)?];
        Ok(ChallengeSink {
            producer: ProducerClient::new(conf, topics.iter())?,
            standing: Standing::default(),
            name: name.to_owned(),
            topic: topic.to_owned(),
            partitions,
            in_flight: 0,
            is_told: false,
        })
    }

    fn fatal(&self) -> Fatal {
        let (code, text) = self.producer.client().fatal_error().unwrap_or((0, "unknown".into()));
        let what = format!("the producer of challenger {} cannot go on: {} ({text})", self.name, describe(code));
        Fatal::new(exit::DELIVERY, what, "restart the process where the challenger is wanted; the champion goes on")
    }

    fn tell(&mut self, err: Err) {
        if !std::mem::replace(&mut self.is_told, true) {
            let (challenger, topic, why) = (&self.name, &self.topic, describe(err as i32));
            tracing::warn!(challenger, topic, "rows of the challenger are given up: {why}");
        }
    }
}

impl Challenges for ChallengeSink {
    fn send(
        &mut self,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: &[u8],
        timestamp_ms: i64,
    ) -> Result<(), SendError> {
        let own = [(CHALLENGER_HEADER, self.name.as_bytes())];
        let headers = Headers::of(RawHeaders::NONE, |_| false, self.standing.of(&own));
        let timestamp_ms = Some(timestamp_ms);
        let message = Message { topic: 0, partition, key, value: Some(value), tag: 0, timestamp_ms, headers };
        let Result::Err(untaken) = self.producer.send(message) else {
            self.in_flight += 1;
            return Ok(());
        };
        match untaken.code {
            Err::RD_KAFKA_RESP_ERR__QUEUE_FULL => Result::Err(SendError::Full),
            Err::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE => Result::Err(SendError::TooLarge),
            Err::RD_KAFKA_RESP_ERR__FATAL => Result::Err(SendError::Fatal(self.fatal())),
            // The topic is gone, or this user may not write it any more: the same as a report that says so.
            other => {
                self.in_flight += 1;
                self.producer.reports().delivered(0, other);
                Ok(())
            }
        }
    }

    fn poll(&mut self, wait: Duration) -> Result<Delivered, Fatal> {
        self.producer.poll(wait);
        let reports = self.producer.reports();
        let (delivered, refused, fatal) =
            (std::mem::take(&mut reports.delivered), reports.refused.take(), reports.fatal);
        self.in_flight -= (delivered.acknowledged + delivered.failed) as usize;
        if let Some(err) = refused {
            self.tell(err);
        }
        if fatal { Result::Err(self.fatal()) } else { Ok(delivered) }
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn partitions(&self) -> i32 {
        self.partitions
    }
}

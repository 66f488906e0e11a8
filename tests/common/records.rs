//! Records as tests write and read them: bytes, nothing interpreted.

use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use rdkafka::util::IntoOpaque;
use rdkafka::{Message, Timestamp};

/// A record to be written to an explicit partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestRecord {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// In order; names may repeat.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since the epoch; `None`: the client's clock.
    pub timestamp_ms: Option<i64>,
}

impl TestRecord {
    /// No key, no value (a tombstone), no headers.
    pub fn new(partition: i32) -> TestRecord {
        TestRecord { partition, ..TestRecord::default() }
    }

    pub fn key(mut self, key: impl Into<Vec<u8>>) -> TestRecord {
        self.key = Some(key.into());
        self
    }

    pub fn value(mut self, value: impl Into<Vec<u8>>) -> TestRecord {
        self.value = Some(value.into());
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> TestRecord {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }

    /// A header that is there without a value, which Kafka tells apart from an empty one.
    pub fn null_header(mut self, name: &str) -> TestRecord {
        self.headers.push((name.to_owned(), None));
        self
    }

    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> TestRecord {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// As the client takes it; `opaque` comes back with the delivery report.
    pub(super) fn to_client<'a, D: IntoOpaque>(&'a self, topic: &'a str, opaque: D) -> BaseRecord<'a, [u8], [u8], D> {
        let mut record = BaseRecord::with_opaque_to(topic, opaque).partition(self.partition);
        if let Some(key) = &self.key {
            record = record.key(key.as_slice());
        }
        if let Some(value) = &self.value {
            record = record.payload(value.as_slice());
        }
        if let Some(timestamp_ms) = self.timestamp_ms {
            record = record.timestamp(timestamp_ms);
        }
        if !self.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(self.headers.len());
            record =
                record.headers(self.headers.iter().fold(headers, |headers, (name, value)| {
                    headers.insert(Header { key: name, value: value.as_deref() })
                }));
        }
        record
    }
}

/// A record as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp_ms: Option<i64>,
}

impl ReadRecord {
    pub fn from_client(message: &BorrowedMessage<'_>) -> ReadRecord {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        let timestamp_ms = match message.timestamp() {
            Timestamp::NotAvailable => None,
            Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms) => Some(ms),
        };
        ReadRecord {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
            timestamp_ms,
        }
    }

    /// The last header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rev().find(|(key, _)| key == name)?.1.as_deref()
    }

    /// [`Self::header`] as text; panics when it is there and no UTF-8.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header(name).map(|value| std::str::from_utf8(value).expect("a text header is UTF-8"))
    }
}

//! A record as the fake source hands it out.

use std::sync::Arc;

use scorewire::doors::SourceRecord;
use scorewire::values::record::Position;

/// Name and value, in order; names may repeat.
pub type Headers = Vec<(String, Option<Vec<u8>>)>;

/// What is in the topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    pub position: Position,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Headers,
}

/// A record in the lane's hands. Handing one out copies nothing.
#[derive(Clone, Debug)]
pub struct FakeRecord {
    pub data: Arc<Data>,
}

impl FakeRecord {
    pub fn new(data: &Arc<Data>) -> FakeRecord {
        FakeRecord { data: Arc::clone(data) }
    }

    pub fn headers(&self) -> &[(String, Option<Vec<u8>>)] {
        &self.data.headers
    }
}

impl SourceRecord for FakeRecord {
    fn position(&self) -> Position {
        self.data.position
    }

    fn timestamp_ms(&self) -> i64 {
        self.data.timestamp_ms
    }

    fn key(&self) -> Option<&[u8]> {
        self.data.key.as_deref()
    }

    fn value(&self) -> Option<&[u8]> {
        self.data.value.as_deref()
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().iter().rev().find(|(known, _)| known == name).and_then(|(_, value)| value.as_deref())
    }

    fn each_header(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        self.headers().iter().for_each(|(name, value)| visit(name, value.as_deref()));
    }
}

//! A schema source that keeps a partition waiting for as long as the test wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use scorewire::avro::schemas::{AvroSchema, Lookup, SchemaSource};
use scorewire::record::SchemaKey;

/// Ids it was told about are found, pending ones wait, all others are unknown. Clones share the answers.
#[derive(Clone, Debug, Default)]
pub struct FakeSchemas(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    answers: HashMap<u32, Option<Arc<AvroSchema>>>,
    asked: usize,
}

impl FakeSchemas {
    pub fn found(&self, id: u32, schema: &Arc<AvroSchema>) {
        self.0.lock().unwrap().answers.insert(id, Some(Arc::clone(schema)));
    }

    pub fn pending(&self, id: u32) {
        self.0.lock().unwrap().answers.insert(id, None);
    }

    /// Nobody knows it from now on.
    pub fn forget(&self, id: u32) {
        self.0.lock().unwrap().answers.remove(&id);
    }

    /// Look-ups so far.
    pub fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }
}

impl SchemaSource for FakeSchemas {
    fn lookup(&mut self, key: SchemaKey) -> Lookup {
        let mut state = self.0.lock().unwrap();
        state.asked += 1;
        let SchemaKey::Id(id) = key else { return Lookup::Unknown };
        match state.answers.get(&id) {
            Some(Some(schema)) => Lookup::Found(Arc::clone(schema)),
            Some(None) => Lookup::Pending,
            None => Lookup::Unknown,
        }
    }
}

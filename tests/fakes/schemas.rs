//! A schema source that keeps a partition waiting for as long as the test wants.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use scorewire::avro::schemas::{AvroSchema, Lookup, SchemaSource};
use scorewire::values::record::SchemaKey;

/// Ids it was told about are found, pending ones wait, all others are unknown. Clones share the answers.
#[derive(Clone, Debug, Default)]
pub struct FakeSchemas {
    state: Arc<Mutex<State>>,
    /// A look-up does not come back, until the process ends.
    pub never_answers: Arc<AtomicBool>,
    pub panics: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    answers: HashMap<u32, Option<Arc<AvroSchema>>>,
    asked: usize,
}

impl FakeSchemas {
    pub fn found(&self, id: u32, schema: &Arc<AvroSchema>) {
        self.state.lock().unwrap().answers.insert(id, Some(Arc::clone(schema)));
    }

    pub fn pending(&self, id: u32) {
        self.state.lock().unwrap().answers.insert(id, None);
    }

    /// Nobody knows it from now on.
    pub fn forget(&self, id: u32) {
        self.state.lock().unwrap().answers.remove(&id);
    }

    /// Look-ups so far.
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }
}

impl SchemaSource for FakeSchemas {
    fn lookup(&mut self, key: SchemaKey) -> Lookup {
        assert!(!self.panics.load(Ordering::SeqCst), "for the test");
        self.state.lock().unwrap().asked += 1;
        while self.never_answers.load(Ordering::SeqCst) {
            std::thread::park();
        }
        let state = self.state.lock().unwrap();
        let SchemaKey::Id(id) = key else { return Lookup::Unknown };
        match state.answers.get(&id) {
            Some(Some(schema)) => Lookup::Found(Arc::clone(schema)),
            Some(None) => Lookup::Pending,
            None => Lookup::Unknown,
        }
    }
}

//! A package for several threads that answer beside each other, each with a decoder and a session of its own: what a lane
//! answers, without a lane.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::decoding::Preloaded;
use super::lane_package::package;
use super::prepared::Prepared;
use crate::avro::decoder::Decoder;
use crate::avro::planner::{Known, News, Planner, Plans, SchemaNote};
use crate::avro::schemas::AvroSchema;
use crate::config::Config;
use crate::doors::ScoreError;
use crate::error::{Fatal, exit};
use crate::lane::ingest;
use crate::lane::score::Patience;
use crate::lane::scoring::Scoring;
use crate::model::{Model, Package, Session};
use crate::values::record::SchemaKey;
use crate::values::schemas::WireForms;
use crate::values::settings::Thresholds;

/// Makes a [`Scoring`] for each thread that asks.
pub struct SecondAnswers {
    model: Model,
    thresholds: Thresholds,
    plans: SharedPlans,
    accept: WireForms,
    payload_bytes_max: usize,
    model_failures_max: u32,
}

impl SecondAnswers {
    /// With the thresholds and limits of `config`, and of what was prepared by it.
    pub fn new(config: &Config, prepared: Prepared) -> SecondAnswers {
        let Prepared { model, schemas } = prepared;
        SecondAnswers {
            thresholds: config.effective_thresholds(&model.package.thresholds).clone(),
            plans: SharedPlans::new(schemas),
            accept: config.schemas.wire_forms,
            payload_bytes_max: config.limits.payload_bytes_max,
            model_failures_max: config.limits.model_failures_max,
            model,
        }
    }

    pub fn package(&self) -> &Package {
        &self.model.package
    }

    /// Those by which it is decided.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Where the model runs, by what, and who scores its trees; in words.
    pub fn scored_by(&self) -> String {
        let provider = self.model.report.placement.provider.name();
        let nodes = self.model.graph.nodes.iter().map(|node| format!(", {node}"));
        format!("{provider}, ONNX Runtime {}{}", self.model.runtime.version(), nodes.collect::<String>())
    }

    /// A thread's own, to be made on that thread.
    ///
    /// # Errors
    /// When ONNX Runtime opens no further session.
    pub fn scoring(&self) -> Result<Scoring<Session>, Fatal> {
        let package = package(&self.model, self.plans.decoder(self.accept), &self.thresholds)?;
        Ok(Scoring::new(package, self.payload_bytes_max, Patience::ends_after(self.model_failures_max)))
    }
}

/// The end of whoever scores with a model that fails on row after row.
pub fn broken(package: &Package, error: Option<ScoreError>) -> Fatal {
    let why = error.map(|error| error.text).unwrap_or_default();
    let what = format!("model package {}: the model fails on row after row: {why}", package.dir.display());
    Fatal::new(exit::MODEL, what, "export the model anew; a plain runtime should score these rows too")
}

/// What there is to tell of schemas since the last call.
pub fn notes(scoring: &mut Scoring<Session>) -> Vec<String> {
    let told = |note: SchemaNote| ingest::sentence(&note);
    std::iter::from_fn(|| scoring.decoder().take_note()).map(told).collect()
}

/// One planner that several decoders ask, each within the call.
pub struct SharedPlans {
    known: Known,
    planner: Arc<Mutex<Planner>>,
}

impl SharedPlans {
    pub(super) fn new(found: Preloaded) -> SharedPlans {
        let planner = found.into_planner();
        SharedPlans { known: planner.known(), planner: Arc::new(Mutex::new(planner)) }
    }

    /// Another decoder of the same plans.
    pub fn decoder(&self, accept: WireForms) -> Decoder {
        let asker = Asker { planner: Arc::clone(&self.planner), news: VecDeque::new() };
        Decoder::with(self.known.clone(), Box::new(asker), accept)
    }
}

/// A decoder's end of it. What is told of a schema goes to whoever asked first.
struct Asker {
    planner: Arc<Mutex<Planner>>,
    news: VecDeque<News>,
}

impl Asker {
    /// A planner whose thread has panicked holds what it held.
    fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plans for Asker {
    fn ask(&mut self, key: SchemaKey, is_first: bool) {
        let mut planner = self.planner.lock().unwrap_or_else(PoisonError::into_inner);
        planner.ask(key, is_first);
        self.news.extend(std::iter::from_fn(|| planner.news()));
    }

    fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    fn why(&self, key: SchemaKey) -> String {
        Plans::why(&*self.planner(), key)
    }

    /// What is read has an end: schemas count as they were found.
    fn refresh(&mut self) {}

    fn writer(&mut self, key: SchemaKey) -> Option<Arc<AvroSchema>> {
        self.planner().writer(key)
    }
}

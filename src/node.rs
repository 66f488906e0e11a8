//! One scoring node: the real doors wired to lanes. `run` and `demo` start it; everything it is made of is checked
//! before the first record is taken.

mod announce;
mod challengers;
mod control;
mod control_words;
mod crashes;
mod decoding;
mod fallback;
mod fallback_words;
mod lane_package;
mod last_outcomes;
mod offline;
mod own_schemas;
mod prepared;
mod registry;
mod running;
mod second_answers;
mod starting;

use std::sync::Arc;
use std::time::Duration;

use self::announce::Why;
use self::challengers::NodeChallenger;
use self::crashes::Crashes;
use crate::avro::encode::OutcomeForms;
use crate::config::{Config, DeliveryMode, Job, descriptors};
use crate::doors::Clock;
use crate::error::{Fatal, exit};
use crate::kafka::cluster::{self, Inspected};
use crate::kafka::consumer::KafkaSource;
use crate::kafka::producer::KafkaSink;
use crate::kafka::settings::transactional_id;
use crate::lane::challenge::Taps;
use crate::lane::clock::SystemClock;
use crate::lane::commit::{AtLeastOnce, Commit, ExactlyOnce};
use crate::lane::reject_report::RejectReport;
use crate::lane::threads::{ChallengerThreads, Conductor, Lanes};
use crate::lane::{
    InputSettings, Lane, LaneDoors, LanePackages, LaneSettings, Mailbox, OnFailure, OutcomeSettings, Types,
};
use crate::model::{Model, Session};
use crate::observe::admin::{self, AdminServer, ModelInfo, Phase};
use crate::observe::challengers::ShownChallenger;
use crate::observe::connections::ConnectionLimits;
use crate::observe::dead_letter_share::SharedShare;
use crate::observe::stats::LaneStats;
use crate::values::topics::{PartitionCounts, TopicRole};

pub use challengers::{PreparedChallenger, prepare as prepare_challengers};
pub use crashes::state_directory;
pub use fallback::prepare as prepare_fallback;
pub use fallback_words::in_words as fallback_in_words;
pub use lane_package::package;
pub use offline::{Fate, Offline, Outcome};
pub use own_schemas::{OwnSchemas, newest as newest_schemas};
pub use prepared::Prepared;
pub use registry::Registry;
pub use running::RunningNode;
pub use second_answers::{SecondAnswers, broken as model_broken, notes as schema_notes};

/// How long the cluster may take to answer the questions asked at start.
const INSPECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A lane on the real doors.
type NodeLane<D> = Lane<Types<KafkaSource, Session, KafkaSink, D, SystemClock>>;

/// A node at work.
pub struct Node {
    lanes: Lanes<SystemClock>,
    stats: Vec<Arc<LaneStats>>,
    model: ModelInfo,
    phase: Arc<Phase>,
    admin: Option<AdminServer>,
    until_end: bool,
    clock: SystemClock,
    drain_timeout: Duration,
}

/// A node that holds, and has taken nothing yet.
pub struct Checked {
    shared: Arc<Shared>,
    schemas: decoding::Preloaded,
    fallback_schemas: Vec<decoding::Preloaded>,
    counts: PartitionCounts,
    until: Option<Vec<i64>>,
    clock: SystemClock,
}

impl Checked {
    /// Checks model, schemas and cluster, in this order, and makes sure that the group has a place to begin. With `until_end`
    /// the node stops by itself when the end offsets seen now are scored and committed.
    ///
    /// # Errors
    /// What does not hold, with its fix and exit code.
    pub fn of(config: &Config, until_end: bool) -> Result<Checked, Fatal> {
        let clock = SystemClock::new();
        let crashes = Crashes::open(config)?;
        let registry = Registry::open(config)?;
        let prepared = Prepared::of(config, &clock, registry.as_ref())?;
        prepared.log();
        let Prepared { model, schemas } = prepared;
        let challengers = challengers::prepare(config, &clock, registry.as_ref())?;
        let challengers: Vec<NodeChallenger> = challengers.into_iter().map(NodeChallenger::of).collect();
        let (fallback, fallback_schemas) = fallback::apart(fallback::prepare(config, &clock, registry.as_ref())?);
        let needs = config.needs();
        let own = match &registry {
            Some(registry) => {
                let own = OwnSchemas::find(registry, &config.topics, needs.challenges)?;
                registry.status.set_outcomes(own.shown());
                own
            }
            None => OwnSchemas::default(),
        };
        let forms = own.forms;
        let shared =
            Arc::new(Shared { config: config.clone(), model, challengers, fallback, registry, forms, crashes });
        let Inspected { partitions: counts, brokers } =
            cluster::inspect(&config.kafka, &config.topics, needs, INSPECT_TIMEOUT)?;
        if let Some(shortage) =
            descriptors::shortage(descriptors::limit(), (config.lanes.len(), config.challengers.len()), brokers)
        {
            tracing::warn!("{shortage}");
        }
        let group_has = starting::fix(config, counts, &own)?;
        shared.crashes.iter().for_each(|crashes| crashes.forget(&group_has));
        let until = if until_end { Some(starting::end_offsets(config, counts)?) } else { None };
        Ok(Checked { shared, schemas, fallback_schemas, counts, until, clock })
    }

    /// Opens the admin port and starts the lanes.
    ///
    /// # Errors
    /// What the machine refuses; nothing has been taken from Kafka then.
    pub fn start(self) -> Result<Node, Fatal> {
        let Checked { shared, schemas, fallback_schemas, counts, until, clock } = self;
        let (config, until_end) = (&shared.config, until.is_some());
        let stats: Vec<Arc<LaneStats>> = config.lanes.iter().map(|_| Arc::new(LaneStats::default())).collect();
        let phase = Arc::new(Phase::default());
        let model = model_info(&shared.model, stats.len());
        let shown: Vec<ShownChallenger> = shared.challengers.iter().map(|of| of.shown(stats.len())).collect();
        let (admin, share) = start_admin(&shared, &model, &stats, (&phase, clock), &shown)?;
        announce::start(config, &shared.model, counts, admin.as_ref().map(AdminServer::address));
        let mut lanes = Lanes::new(clock, config.limits.clone());
        lanes.report_rejects(RejectReport::new(stats.clone(), config.dead_letters.alarm_share_per_million, share));
        let (desk, plans) = schemas.desk(&stats);
        lanes.start_schemas(desk)?;
        let fallback_plans = fallback::start_schemas(&lanes, fallback_schemas, &stats)?;
        let mut challengers = ChallengerThreads::default();
        let plans = plans.into_iter().zip(fallback_plans);
        let mailboxes: Vec<Mailbox> = stats.iter().map(|_| Mailbox::default()).collect();
        for (index, ((lane, stats), (plans, fallback))) in config.lanes.iter().zip(&stats).zip(plans).enumerate() {
            let (shared, until, lane_stats) = (Arc::clone(&shared), until.clone(), Arc::clone(stats));
            let (name, stats) = (format!("lane-{index}"), Arc::clone(stats));
            let taps = shared.start_challengers((index, counts, clock), &shown, &mut challengers)?;
            let mailbox = mailboxes[index].clone();
            let inputs = LaneInputs { index, counts, until, stats: lane_stats, plans, fallback, clock, taps, mailbox };
            match config.delivery {
                DeliveryMode::AtLeastOnce => lanes.start(name, lane.cores, stats, move || {
                    let commit = AtLeastOnce::new(&shared.config.limits);
                    shared.build_lane(inputs, Shared::sink, commit)
                })?,
                DeliveryMode::ExactlyOnce => lanes.start(name, lane.cores, stats, move || {
                    let commit = ExactlyOnce::new(&shared.config.limits, clock, Arc::clone(&inputs.stats));
                    shared.build_lane(inputs, Shared::transactional_sink, commit)
                })?,
            }
        }
        lanes.wait_for(challengers);
        let book = shared.crashes.as_ref().map(|crashes| &*crashes.book);
        control::start(config, book, mailboxes, counts[TopicRole::Input], clock)?;
        shared.crashes.iter().for_each(|crashes| lanes.clear_at_end(Arc::clone(&crashes.book) as Arc<_>));
        phase.set_warm();
        let drain_timeout = config.limits.drain_timeout;
        Ok(Node { lanes, stats, model, phase, admin, until_end, clock, drain_timeout })
    }
}

impl Node {
    /// Checks everything and starts the lanes.
    ///
    /// # Errors
    /// Those of [`Checked::of`] and [`Checked::start`].
    pub fn start(config: &Config, until_end: bool) -> Result<Node, Fatal> {
        Checked::of(config, until_end)?.start()
    }

    /// Lets the node run beside the caller.
    ///
    /// # Errors
    /// When its thread does not start.
    pub fn in_background(self) -> Result<RunningNode, Fatal> {
        let conductor = Conductor::start(self.lanes)?;
        Ok(RunningNode::new(self.stats, self.model, conductor, self.admin))
    }

    /// Waits until the node has ended, which `interrupted` asks for with a name for what did. Returns whether everything
    /// taken in was finished and committed. Logs how it ended.
    ///
    /// # Errors
    /// The first fatal error of a lane; [`exit::DELIVERY`] for a bounded run that ended without reading a partition
    /// to its end.
    pub fn wait(self, mut interrupted: impl FnMut() -> Option<&'static str>) -> Result<bool, Fatal> {
        let Node { lanes, stats, phase, admin, until_end, clock, drain_timeout, .. } = self;
        let mut stopping = None;
        let mut failed = 0;
        let ended = lanes.wait(|| {
            // Looked at while lanes run: what they leave they own no more.
            failed = stats.iter().map(|stats| stats.failed_partitions.get()).sum::<u64>().max(failed);
            if stopping.is_none()
                && let Some(why) = interrupted()
            {
                stopping = Some((why, clock.now_ns()));
                phase.set_stopping();
                announce::stopping(why, &stats, drain_timeout);
            }
            stopping.is_some()
        });
        drop(admin);
        let drained = stopping.map(|(_, since_ns)| Duration::from_nanos(clock.now_ns().saturating_sub(since_ns)));
        let why = match (stopping, &ended) {
            (_, Err(_)) => Why::Fatal,
            (Some((signal, _)), _) => Why::Asked(signal),
            (None, _) if until_end => Why::EndReached,
            (None, _) => Why::Unknown,
        };
        announce::stopped(why, &ended, drained, &stats);
        if ended.is_ok() && until_end && stopping.is_none() && failed > 0 {
            return Err(Fatal::new(
                exit::DELIVERY,
                format!("{failed} partitions were stopped before their end; the others are finished and committed"),
                "the log names each, why, and the way out",
            ));
        }
        ended
    }
}

/// What one lane is made with.
struct LaneInputs {
    index: usize,
    counts: PartitionCounts,
    until: Option<Vec<i64>>,
    stats: Arc<LaneStats>,
    plans: decoding::Plans,
    /// For the packages of the fallback.
    fallback: Vec<decoding::Plans>,
    clock: SystemClock,
    taps: Taps,
    /// For what operators ask.
    mailbox: Mailbox,
}

/// What all lanes have in common.
struct Shared {
    config: Config,
    model: Model,
    challengers: Vec<NodeChallenger>,
    /// By the package steps of the fallback.
    fallback: Vec<Model>,
    registry: Option<Registry>,
    forms: OutcomeForms,
    /// Where the node has a state directory.
    crashes: Option<Crashes>,
}

impl Shared {
    fn settings(&self, lane: usize, counts: PartitionCounts, until: Option<Vec<i64>>) -> LaneSettings {
        let config = &self.config;
        LaneSettings {
            node: config.kafka.node.clone(),
            lane: u32::try_from(lane).unwrap_or(u32::MAX),
            input: InputSettings {
                topic: config.topics.input().clone(),
                partitions: counts[TopicRole::Input],
                letters: config.job == Job::Retry,
            },
            outcomes: OutcomeSettings { forms: self.forms, outputs: config.outputs },
            review: config.review.clone(),
            dead_letters: config.dead_letters.clone(),
            on_failure: OnFailure {
                deadline: config.deadline,
                model_timeout: config.model.timeout,
                fallback: config.fallback.clone(),
                retry: config.retry,
            },
            limits: config.limits.clone(),
            layout: config.layout,
            out_of_range: config.out_of_range,
            until,
        }
    }

    fn sink(&self, _: usize, counts: &PartitionCounts) -> Result<KafkaSink, Fatal> {
        let config = &self.config;
        KafkaSink::new(&config.kafka, &config.topics, counts, &config.forward_headers)
    }

    /// It has fenced its predecessor when it is there: before the consumer reads where to go on.
    fn transactional_sink(&self, lane: usize, counts: &PartitionCounts) -> Result<KafkaSink, Fatal> {
        let config = &self.config;
        let id = transactional_id(&config.kafka, lane);
        let named = (id.as_str(), config.limits.commit_timeout);
        KafkaSink::transactional(&config.kafka, named, &config.topics, counts, &config.forward_headers)
    }

    /// Everything a lane owns, made on its own thread: the session first, so that a member that cannot score never
    /// joins the group.
    fn build_lane<D>(
        &self,
        inputs: LaneInputs,
        make_sink: fn(&Shared, usize, &PartitionCounts) -> Result<KafkaSink, Fatal>,
        commit: D,
    ) -> Result<NodeLane<D>, Fatal>
    where
        D: Commit<KafkaSource, KafkaSink>,
    {
        let config = &self.config;
        let LaneInputs { index, counts, until, stats, plans, fallback, clock, taps, mailbox } = inputs;
        let thresholds = config.effective_thresholds(&self.model.package.thresholds);
        let model = package(&self.model, decoding::decoder(config, plans), thresholds)?;
        let packages = LanePackages { model, fallback: fallback::packages(config, &self.fallback, fallback)? };
        let sink = make_sink(self, index, &counts)?;
        let (topic, timeout) = (&config.topics[config.source()], config.limits.offsets_timeout());
        let source = KafkaSource::subscribe(&config.kafka, index, topic, until.is_some(), timeout)?;
        let doors = LaneDoors { source, sink, commit, clock, stats };
        let mut lane = Lane::build(packages, self.settings(index, counts, until), doors);
        lane.challenge(taps);
        lane.hear(mailbox);
        self.crashes.iter().for_each(|crashes| lane.mark(crashes.of_lane(index)));
        Ok(lane)
    }
}

/// What outsiders may know of the model that `lanes` lanes run.
fn model_info(model: &Model, lanes: usize) -> ModelInfo {
    ModelInfo {
        name: model.package.name.clone(),
        version: model.package.version.clone(),
        sha256: model.package.sha256.clone(),
        provider: model.report.placement.provider.name().to_owned(),
        trees: model.graph.nodes.iter().map(ToString::to_string).collect(),
        native_bytes: model.native_bytes(lanes),
    }
}

fn start_admin(
    shared: &Shared,
    model: &ModelInfo,
    stats: &[Arc<LaneStats>],
    (phase, clock): (&Arc<Phase>, SystemClock),
    challengers: &[ShownChallenger],
) -> Result<(Option<AdminServer>, SharedShare), Fatal> {
    let config = &shared.config;
    let Some(listen) = config.admin_listen else { return Ok((None, SharedShare::default())) };
    let mut state = config.admin_state(stats.to_vec(), model.clone(), Arc::clone(phase), Arc::new(clock));
    state.registry = shared.registry.as_ref().map(|registry| Arc::clone(&registry.status));
    state.crashes = shared.crashes.as_ref().map(|crashes| Arc::clone(crashes.book.status()));
    state.challengers = challengers.to_vec();
    let share = Arc::clone(&state.dead_letter_share);
    let server = admin::start(listen, Arc::new(state), ConnectionLimits::within(descriptors::limit()))?;
    Ok((Some(server), share))
}

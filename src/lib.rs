//! scorewire: a low-latency embedded fraud-scoring stream processor.
//!
//! One binary that runs on scoring nodes. It consumes Avro transactions from Kafka, turns each record into one row of
//! a tensor, scores micro-batches in process with ONNX Runtime, and produces exactly one outcome per record: a score
//! or a dead letter. Kafka is transport, buffer, coordination and replay; scale-out is Kafka's consumer groups.
//!
//! This page is the map of the house.
//!
//! # The way of a record
//!
//! ```text
//! enriched-context -> ingest (poll, decode) -> score -> decide -> deliver -> model-outputs
//!                       |           |            |        |         |-----> human-review (sample, band)
//!                       |           '-- Reject --'--------'---------|-----> model-dead-letters (closed reasons)
//!                       |                        |     ^              |---> model-timeouts (too late)
//!                       |                  no score, fallback         |---> retry-later (letters) -> `scorewire retry`
//!                       |                                             '-> challengers (copies, queue) -> model-challenges
//!                       '<-- commit <-- ledger <-- acknowledgements --'
//! ```
//!
//! # Layers
//!
//! Imports point one way, without exceptions: `main -> cli -> {prove, redrive} -> {node, load, piece} -> config -> {lane, model,
//! kafka, registry, state} -> {avro, observe} -> {doors, compare} -> values -> {error, memory, failpoint}`. `load` is beside the node,
//! since the verifier must not believe it. `tests/tidy/` holds this, and that no more than two files import each other in a circle.
//!
//! | module | what it knows |
//! |---|---|
//! | [`error`] | [`error::Reject`], a record's fate, and [`error::Fatal`], the process's, with its exit code |
//! | [`memory`] | what the process holds, as the kernel and the allocator count it |
//! | [`failpoint`] | test builds only: moments to die at, and mistakes to make on purpose |
//! | [`values`] | what several layers speak of, each of one type: positions, ids, decisions, fingerprints of rows, acknowledgements, the table of topics, limits, settings of the stages, wire forms, providers, findings |
//! | [`compare`] | two answers for one source position, added up: flips, differences, distributions and their drift, what labels say; the report and its page |
//! | [`doors`] | the doors to the world: `Source`, `Group`, `Scorer`, `Sink`, `Transactional`, `Clock` |
//! | [`avro`] | wire forms, schemas, the compiled decode plan and who makes it, container files, the encoding of outcomes and every version of their schemas |
//! | [`model`] | package, hash, contract, what ONNX Runtime must not be given, its sessions, probe, the kernels for tree ensembles; a package's first draft and what a retraining makes of it; alone knows `ort` |
//! | [`kafka`] | `settings`, `client` (the only raw C, behind safe calls), `wrapped` (before seven functions of the client: `scripts/build.rs`), `failures`, `cluster` (what it says of a configuration), `consumer`, `producer`; embedded broker; alone knows `rdkafka` |
//! | [`registry`] | a schema registry with Confluent's API: its client and threads, the folder of what it said, our own schemas there; alone knows `ureq` |
//! | [`state`] | a node's state directory: its lock, the marks of records in work, the suspects that were counted of them, and the socket of its operator |
//! | [`lane`] | the stages, who owns which state, and the threads that run lanes; `docs/design.md` draws it |
//! | [`observe`] | histograms, the table of metrics, health and status over HTTP, logs |
//! | [`load`] | simulator, open-loop generator, the verifier that reads outcomes back, and the reports of a run |
//! | [`config`] | the table of keys, what was typed, and the checked plan that comes of it |
//! | [`node`] | one scoring node: what it verifies before it asks Kafka (`config check` and `model check` too), the way of a record without Kafka (`score`), the real doors wired to lanes, and where its group begins |
//! | [`piece`] | bounded pieces of topics: where they begin and end, their reading, and how far that is |
//! | [`prove`] | a bounded piece of the input, scored again beside the recorded outputs; what challengers answered, read back; `docs/proving-models.md` |
//! | [`redrive`] | dead letters of three header styles: listed, brought back to the input under a group of their own, dropped; `docs/dead-letters.md` |
//! | [`cli`] | one file per command |
//!
//! # Words
//!
//! | word | means |
//! |---|---|
//! | record, outcome | a message of the input topic; what becomes of it: an output with its score, or a dead letter |
//! | lane | one consumer, one producer, one session of the model and one thread, which move records from poll to commit |
//! | assignment | a partition from when it is handed to a lane, or goes back, until it leaves; acknowledgements name it |
//! | progress | the next offset to commit of a partition; everything below is finished |
//! | round (duty cycle) | one bounded pass of a lane through all its parts |
//! | row batch | the rows of a batch and their scores: all that the model sees |
//! | park | to keep a received record until its schema is there |
//! | hand over | to give outcomes to the producer, which sends them when it likes |
//! | desk | where the model runs on a thread of its own |
//! | champion, challenger | the package that decides; one that answers beside it, and is only compared with it |
//! | tap | the lane's end of a challenger's queue |
//! | fallback, step | who decides where the model gives no score; one of its steps, the last of which is an end ([`lane::fallback`]) |
//! | letter | a record of the topic of retries: one of the input that is to be scored again later ([`lane::letter`]) |
//! | amendment | an output that takes the place of an earlier outcome of the same source position |
//! | order | what an operator asks of one partition: to skip a record, or to go on elsewhere ([`values::order`]) |
//! | in work | a record from before it is decoded until its outcomes are handed over; a mark says so to the next process |
//! | suspect | records that were in work when a process of the node died |
//! | alone | a suspect that is in work with nothing beside it in any lane |
//! | package | a model with its contract, reader's schema, thresholds and golden rows |
//! | golden rows, golden records | inputs with expected scores; the model must give these before the first record |
//! | journey | a record's way from the poll to the acknowledgement of its outcome |
//! | oracle | what tells the load generator the scores to expect |
//!
//! # Threads
//!
//! | thread | how many | does |
//! |---|---|---|
//! | `lane-N` | one per lane, pinned where configured | everything a record needs: poll, decode, score, produce, acknowledgements, commit |
//! | `lane-N-model` | one per lane with `lanes.layout = "dedicated"`, pinned where configured | the model call alone ([`lane::score::Desk`]) |
//! | `lane-N-chal-M` | one per lane and challenger, at the lowest priority | what a challenger does with copies of scored records, with a producer of its own ([`lane::challenge`]) |
//! | `schemas` | 1 | reads and compiles the schemas that lanes ask for while they run ([`lane::schema_desk`]) |
//! | `registry-N` | 2, with a schema registry | ask it for the schemas that `schemas` wants, and keep them on disk (`registry::pool`) |
//! | `rdk:*` | the client's own, two clients per lane | sockets, fetches, produce requests, heartbeats |
//! | conductor (`run`: the main thread) | 1 | signals, end of a bounded run, first fatal error, watchdog, what is told of dead letters |
//! | `admin` | 1 | `/metrics`, `/livez`, `/readyz`, `/status`, `/latency.hlog`, and `/`, which lists them |
//! | `control` | 1, with a state directory | hears `scorewire skip` and `scorewire seek` at the node's socket, and hands them to the lanes ([`lane::Mailbox`]) |
//! | `log` | 1 | writes the log to stderr, so that nobody else waits for it |
//! | `starting` | 1, until the lanes start | hears signals while the main thread waits for brokers |
//! | `load-*` | `demo`, `load` only | generator, verifier |
//! | `replay-N` | `replay` only, one per core or `--threads` | reads pieces of the input, scores and counts their records |
//!
//! Lanes share nothing that is written (orders come through a mailbox of one place, which a lane looks at once a round): each has its own group member, session of the model, batch buffers and ledger;
//! compiled plans never change, and a large model is opened once and read by the sessions of all lanes
//! ([`model::Session`]). A lane is a bounded duty cycle ([`lane::Lane::duty_cycle`]); tests drive it by hand, with
//! a clock they set. In layout `dedicated` only rows and scores ([`lane::score::RowBatch`]) cross threads, through two
//! bounded queues; records and the ledger stay with the lane, and a batch that is back ends the lane's wait
//! ([`doors::Waker`]).
//!
//! # What must never be
//!
//! 1. A record below the committed offset without an outcome (score, dead letter, letter); a record with two on an
//!    undisturbed run, amendments aside. Operators may ask for either: `--without-letter`, `--repeat`.
//! 2. An offset that moves before every outcome of its record is acknowledged ([`lane::ledger`]).
//! 3. Outcomes of one partition and topic out of source order ([`lane::deliver`]); at-least-once, what a broker refused
//!    comes behind what was sent after it (`lane::recover`).
//! 4. A queue without a named limit ([`values::limits`]).
//! 5. A score that depends on its batch, unless the probe said so at start ([`model`]).
//! 6. Anything produced or committed for a partition that is no longer ours ([`lane::ledger`], `lane::group`); exactly-once:
//!    an outcome that readers see without its offset, or the other way round ([`lane::commit::ExactlyOnce`]).
//! 7. A record scored by a model that did not pass its hash, contract, golden rows and golden records, or by a kernel of
//!    ours that did not give ONNX Runtime's bits at every decision of its trees.
//! 8. A shutdown that loses or doubles: SIGTERM drains, commits and leaves.
//! 9. A payload value in a log or a metric.
//! 10. A dead letter `crashed_process` of a record that did not end the process alone ([`lane::Turn`]).
//! 11. A challenger that changes an outcome, or holds one up ([`lane::challenge`]).

#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        clippy::disallowed_types,
        reason = "clippy.toml says why"
    )
)]

pub mod avro;
pub mod cli;
pub mod compare;
pub mod config;
pub mod doors;
pub mod error;
pub mod failpoint;
pub mod kafka;
pub mod lane;
pub mod load;
pub mod memory;
pub mod model;
pub mod node;
pub mod observe;
pub mod piece;
pub mod prove;
pub mod redrive;
pub mod registry;
pub mod state;
pub mod values;

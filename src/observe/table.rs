//! THE table of metrics, and nothing else: whoever adds one adds an entry here, and counts it where it happens. From the
//! entry follow the field of `LaneStats` ([`super::stats`]), the family in `/metrics` ([`super::metrics`]), the field in
//! `/status` ([`super::status`]) and the row of docs/metrics.md, which its test writes anew when told to.
//!
//! - `numbers` are read from one field of each lane as it stands: `name: Kind "help" in field => PLACE "path";`
//! - `families` have labels of their own, or are worked out: `name: Kind [labels] "help" in field: Type => PLACE "path" by
//!   show;`. The function that reads one is `readings::name`, and `show` is a function in `lane_status`.
//!
//! Names go without `scorewire_` and without the `_total` and `_info` that the exposition adds; a help ends without a full
//! stop. The order is that of `/metrics`. In `/status` the fields of a lane stand by their PLACE; `"records.late"` is
//! `late` in the object `records`. What has no `in` stores nothing of its own, and what has no `=>` is not in `/status`.
//!
//! Counters partition the input; per lane, whenever it is quiet,
//! `records_received = records_scored + sum(records_rejected) + records_deferred + records_handed_back + records_in_flight`.

/// Hands the whole table to a macro, which takes of it what it is there for.
macro_rules! metrics {
    ($with:ident) => {
        $with! {
numbers {
    records_received: Counter "Records taken from the source" in received => 10 "records.received";
    records_scored: Counter "Records whose score the broker acknowledged" in scored => 11 "records.scored";
    records_deferred: Counter "Records whose letter on topics.retry_later the broker acknowledged"
        in deferred => 18 "records.deferred";
    records_handed_back: Counter "Records given back unfinished, to be received again"
        /// Revoked, lost or rewound. They will be received again, here or elsewhere.
        in handed_back => 14 "records.handed_back";
    records_late: Counter "Records decided after their deadline" in late => 16 "records.late";
    records_incomplete: Counter "Records whose writer's schema never gives something that the model asks for"
        in incomplete_records => 17 "records.incomplete";
    batches: Counter "Model calls" in batches => 30 "batches.count";
    batch_rows: Counter "Rows of all model calls" in batch_rows => 31 "batches.rows";
    model_failures: Counter "Batches that failed in the model and were retried row by row"
        in model_failures => 59 "model_failures";
    backpressure_stalls: Counter "Times intake stopped at a limit"
        in backpressure_stalls => 51 "backpressure_stalls";
    rebalances: Counter "Rebalances of the group seen" in rebalances => 52 "rebalances";
    commits: Counter "Commits that the broker acknowledged" in commits => 53 "commits";
    commit_failures: Counter "Commits that failed, and transactions that were aborted"
        in commit_failures => 54 "commit_failures";
    producers_replaced: Counter "Transactional producers that were in doubt or broken"
        /// Exactly-once: each is followed by a new one under the lane's name.
        in producers_replaced => 55 "producers_replaced";
    review_copies_refused: Counter "Copies for review that the broker refuses for good"
        in copies_refused => 58 "review_copies_refused";
    delivery_failures: Counter "Outcomes that the broker did not take" in delivery_failures => 57 "delivery_failures";
    records_lost: Counter "Offsets removed before they were read: a partition stopped at them, or went on behind them"
        in records_lost => 56 "records_lost";
    skips: Counter "Records that an operator passed over with scorewire skip" in skips => 67 "orders.skips";
    seeks: Counter "Times that an operator moved a partition with scorewire seek" in seeks => 68 "orders.seeks";
    records_skipped: Counter "Offsets that operators passed over: some may have been no records"
        in records_skipped => 69 "orders.records_skipped";
    records_in_flight: Gauge "Records received and not finished"
        /// Their outcomes are not all acknowledged or, exactly-once, not committed.
        in in_flight_records => 15 "records.in_flight";
    in_flight_bytes: Gauge "Keys and values of the records in flight" in in_flight_bytes => 50 "in_flight_bytes";
    batch_rows_max: Gauge "Rows of the largest model call so far" in batch_rows_max => 33 "batches.rows_max";
    partitions_assigned: Gauge "Partitions this lane owns" in assigned_partitions => 40 "partitions.assigned";
    partitions_paused: Gauge "Partitions paused now"
        /// For whatever reason.
        in paused_partitions => 41 "partitions.paused";
    partitions_failed: Gauge "Partitions that stopped with an alarm" in failed_partitions => 42 "partitions.failed";
}
families {
    lane_joined: Gauge [lane] "1 when the lane has joined its group";
    records_rejected: Counter [lane stage reason] "Records whose dead letter the broker acknowledged"
        /// By [`Reject::index`].
        in rejected: [Counter; Reject::REASONS] => 12 "records.rejected" by rejected;
    decisions: Counter [lane decision] "Decisions made"
        /// By [`Decision::index`]; counted when handed to the sink.
        in decisions: [Counter; Decision::ALL.len()] => 20 "decisions" by decisions;
    fallbacks: Counter [lane step] "Decisions made by a step of the fallback"
        /// By the step's number less one; counted when handed to the sink.
        in fallbacks: [Counter; FALLBACK_STEPS_MAX] => 22 "fallbacks" by fallbacks;
    fallback_seconds: Gauge [lane] "How long the fallback has been deciding without a score of the model between, 0 when all is well"
        /// Wall clock, milliseconds, since when that is so; 0: the model scores.
        in fallback_since_ms: Mark => 65 "fallback_seconds" by fallback_seconds;
    model_paused_seconds: Gauge [lane] "How long the lane has been standing still since its model gives no scores, 0 when all is well"
        /// Wall clock, milliseconds, since when that is so; 0: it does not.
        in model_paused_since_ms: Mark => 66 "model_paused_seconds" by model_paused_seconds;
    reviews: Counter [lane reason] "Copies made for review"
        /// By [`ReviewReason::index`].
        in reviews: [Counter; ReviewReason::ALL.len()] => 21 "reviews" by reviews;
    partition_lag_records: Gauge [lane partition] "Records between the lane's position and the end of the partition";
    partition_state: Gauge [lane partition state]
        "1 for the state that a partition is in; lost: its lag is the last one known";
    partition_stopped: Gauge [lane partition why] "1 for the reason why a partition is not read on";
    partition_waiting_for_schema_seconds: Gauge [lane partition]
        "How long a partition has been waiting for a schema";
    since_group_contact_seconds: Gauge [lane]
        "How long ago the lane heard from its group's coordinator as a member; up to 2 s when all is well"
        /// Monotonic milliseconds.
        in group_contact_ms: Mark => 62 "since_group_contact_seconds" by since_group_contact;
    since_commit_seconds: Gauge [lane] "How long ago a commit was confirmed; without records there is none"
        /// Monotonic milliseconds.
        in committed_ms: Mark => 63 "since_commit_seconds" by since_commit;
    since_record_seconds: Gauge [lane] "How long ago a record was received"
        /// Monotonic milliseconds.
        in received_ms: Mark => 64 "since_record_seconds" by since_record;
    duty_cycle_max_seconds: Gauge [lane] "Longest duty cycle since start"
        /// Nanoseconds of a batch's way, from the first look at its first record to the hand-over of its last outcome.
        /// Where the lane calls its model itself this is its longest duty cycle.
        in duty_cycle_ns_max: Counter => 60 "duty_cycle_us_max" by duty_cycle_us;
    sink_stalled_seconds: Gauge [lane] "How long no outcome has been acknowledged, 0 when all is well"
        /// Wall clock, milliseconds, since when that is so though some are in flight; 0: all well.
        in sink_stalled_since_ms: Mark => 61 "sink_stalled_seconds" by sink_stalled;
    step_latency_seconds: Histogram [step]
        "Time of each step of a record's way: topic ends and intake begins at the poll";
    step_latency_quantile_seconds: Gauge [step quantile] "The same times as quantiles since start";
    registry_reachable: Gauge [] "1 when the schema registry answered what it was asked last";
    registry_away_seconds: Gauge [] "How long the schema registry has given no answer, 0 when all is well";
    registry_answers: Counter [] "Answers of the schema registry";
    registry_failures: Counter [] "Requests to the schema registry that brought no answer";
    registry_schemas: Gauge [] "Schemas of the registry that are there, kept ones as well";
    registry_schemas_fetched: Counter [] "Schemas fetched from the registry since start";
    registry_schemas_pending: Gauge [] "Schemas that the registry is being asked for";
    crashes: Counter []
        "Times that a process of this node died with records in work, ever; with node.state_directory";
    suspects: Gauge [] "Ranges of records that are suspected of having ended a process of this node";
    challenger: Info [challenger name version sha256] "A package that is compared with the one that decides";
    challenger_records_sampled: Counter [challenger] "Scored records that a challenger was to be asked about";
    challenger_records_shed: Counter [challenger]
        "Sampled records left out since the challenger was behind; the champion is not concerned";
    challenger_records_compared: Counter [challenger] "Records that both have scored";
    challenger_records_failed: Counter [challenger reason] "Records that the challenger gave no score for";
    challenger_rows_written: Counter [challenger] "Rows of the topic of challenges that the broker has";
    challenger_rows_lost: Counter [challenger] "Rows that were given up";
    challenger_flips: Counter [challenger direction]
        "Records that the challenger would have decided otherwise: stricter (towards a decline) or milder";
    challenger_scores_differing: Counter [challenger] "Records whose two scores differ in any bit";
    challenger_agreement_ratio: Gauge [challenger] "Share of compared records with the same decision, since start";
    challenger_score_difference_mean: Gauge [challenger] "Mean of the challenger's score less the champion's, since start";
    challenger_score_difference_max: Gauge [challenger] "Largest difference of the two scores, since start";
    challenger_score_psi: Gauge [challenger]
        "Population stability index of the challenger's scores against the champion's, since start";
    challenger_score_psi_critical: Gauge [challenger]
        "What that index exceeds by chance once in a hundred times, with so many records";
    model: Info [name version sha256 provider] "The model that scores";
    build: Info [version commit] "This program";
    ready: Gauge [] "1 when /readyz says yes";
    alarms: Gauge [] "Alarms that /status tells: an operator should look, though records flow";
    uptime_seconds: Gauge [] "Time since start";
    resident_memory_bytes: Gauge [] "Physical memory of the process";
    native_heap_bytes: Gauge []
        "What the allocator holds for all code of the process: librdkafka, ONNX Runtime, scorewire";
    model_native_bytes: Gauge [] "Memory that loading the model sessions took";
    client_native_bytes: Gauge [] "The rest of the heap: the Kafka clients', but for a few megabytes";
    log_lines_dropped: Counter [] "Lines of the log that stderr did not take in time";
}
        }
    };
}

pub(super) use metrics;

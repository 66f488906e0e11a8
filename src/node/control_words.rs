//! What operators are told of their orders.

use std::time::Duration;

use crate::config::Config;
use crate::error::exit;
use crate::values::order::{Ask, Moved, Order, Refusal, Reply};

pub(super) const NO_SOCKET: &str = "give node.state_directory a shorter path, or look at its rights";

fn not_done(what: impl Into<String>, fix: impl Into<String>) -> Reply {
    Reply { code: exit::FAILED, what: what.into(), fix: fix.into() }
}

/// `topic-partition`.
fn name(topic: &str, order: &Order) -> String {
    format!("{topic}-{}", order.partition)
}

pub(super) fn not_allowed(uid: u32) -> Reply {
    let what = format!("user {uid} may not move partitions of this node");
    Reply { code: exit::UNAVAILABLE, what, fix: "run the command as the node's own user".to_owned() }
}

pub(super) fn not_understood() -> Reply {
    let fix = "use the program that the node runs: `scorewire --version` says which this is, and the log's first lines which that is".to_owned();
    Reply { code: exit::USAGE, what: "the node does not understand the order".to_owned(), fix }
}

pub(super) fn other_topic(topic: &str, input: &str) -> Reply {
    let what = format!("this node reads {input}, and not {topic}");
    Reply { code: exit::USAGE, what, fix: "name the input topic, or another node's configuration".to_owned() }
}

pub(super) fn not_held(config: &Config, order: &Order, held: &[i32]) -> Reply {
    let (kafka, topic) = (&config.kafka, config.topics.input());
    let held = match held {
        [] => "none".to_owned(),
        held => held.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let what = format!("this node does not have {} now; its partitions: {held}", name(topic, order));
    not_done(
        what,
        format!(
            "ask the node that has it: `kafka-consumer-groups.sh --bootstrap-server {} --group {} --describe --members \
             --verbose` shows it",
            kafka.bootstrap, kafka.group
        ),
    )
}

pub(super) fn not_kept(topic: &str, order: &Order, (first, end): (i64, i64)) -> Reply {
    let what =
        format!("offset {} of {} is not there: its log goes from {first} to {end}", order.offset, name(topic, order));
    not_done(what, format!("choose an offset from {first} to {end} (the next record that comes)"))
}

pub(super) fn done(topic: &str, order: &Order, Moved { from, to, has_letter }: Moved) -> Reply {
    let of = name(topic, order);
    let trace = match has_letter {
        true => "with one dead letter (skipped)",
        false => "without a dead letter: the log and the metrics are all that tells of it",
    };
    let what = match to - from {
        0 => format!("{of} goes on at {to}: what stopped it there is tried again"),
        1 => format!("offset {from} of {of} is passed over, {trace}; the partition goes on at {to}"),
        2.. => format!("offsets {from} to {} of {of} are passed over, {trace}; the partition goes on at {to}", to - 1),
        _ => format!(
            "{of} goes back from {from} to {to}: offsets {to} to {} have their outcomes a second time, and consumers see both",
            from - 1
        ),
    };
    Reply { code: exit::DONE, what, fix: String::new() }
}

pub(super) fn too_late(topic: &str, order: &Order, wait: Duration) -> Reply {
    let what = format!("{} is not moved within {wait:?}: what is in flight of it is not finished", name(topic, order));
    not_done(
        what,
        "see /status for what the node waits for, and ask again; what had begun by then is finished without you, and the \
         log says so (\"goes on where an operator moved it\")",
    )
}

pub(super) fn stopping(topic: &str, order: &Order) -> Reply {
    let what = format!("the node stops, and {} with it", name(topic, order));
    not_done(what, "ask the node that has the partition next")
}

pub(super) fn refused(topic: &str, order: &Order, why: &Refusal) -> Reply {
    let (of, Order { partition, offset, .. }) = (name(topic, order), order);
    let at = |next: i64| format!("{topic}:{partition}:{next}");
    match why {
        Refusal::Flows => match order.ask {
            Ask::Skip => not_done(
                format!("{of} is not stopped, and no record of it waits for the model: nothing is to be skipped"),
                "see /status for the partitions that are stopped, and where",
            ),
            Ask::Seek { .. } => {
                not_done(format!("{of} is not stopped: its records are scored"), "to move it all the same, say --force")
            }
        },
        Refusal::Leaves => not_done(format!("{of} is about to leave this node"), "ask the node that has it next"),
        Refusal::TooLate => not_done(format!("{of} is not moved: the time was over"), "ask again"),
        Refusal::Lost => not_done(
            format!("{of} was lost on the way: another node may have it. Its dead letter may be written"),
            "look whether it is stopped there, and ask that node",
        ),
        Refusal::StandsAt(next) => not_done(
            format!("{of} stands before offset {next}, not before {offset}"),
            format!("to skip that record: scorewire skip {}", at(*next)),
        ),
        Refusal::NothingRead { why, next } => not_done(
            format!("{of} is stopped at offset {next} for another reason ({why}): no record was read there"),
            format!("say where it goes on: scorewire seek {topic}:{partition}:OFFSET; /status says what is kept"),
        ),
        Refusal::Backwards { from } => not_done(
            format!(
                "offset {offset} is before {from}, where {of} stands: offsets {offset} to {} would be scored a second \
                     time",
                from - 1
            ),
            "if consumers may see these twice, say --repeat",
        ),
        Refusal::LetterRefused { why } => not_done(
            format!("the brokers take no dead letter of {of}, and nothing is moved: {why}"),
            "mend the dead-letter topic (max.message.bytes, cleanup.policy, the right Write) and ask again; or say \
             --without-letter: only the log and the metrics tell of the record then, and who compares input and outcomes \
             misses it",
        ),
    }
}

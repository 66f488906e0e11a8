//! What `scorewire skip` and `scorewire seek` have in common: the partition that is meant, and the word to the node that has
//! it, at the socket in its state directory.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::config_args::ConfigArgs;
use super::output;
use crate::config::Config;
use crate::error::{Fatal, exit};
use crate::state::socket_path;
use crate::values::order::{Ask, LINE_BYTES_MAX, Order, Reply, Request, VERSION, WAIT_S_MAX};

/// The node looks up what the brokers keep, and answers a while after the wait.
const ANSWER_TAKES: Duration = Duration::from_secs(60);

/// An offset of a partition, as `TOPIC:PARTITION:OFFSET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    topic: String,
    partition: i32,
    offset: i64,
}

/// What the command line says beside the move itself.
#[derive(Args, Debug)]
pub struct OrderArgs {
    /// Where, in the input topic: TOPIC:PARTITION:OFFSET
    #[arg(value_name = "TOPIC:PARTITION:OFFSET", value_parser = at)]
    at: At,
    /// Write no dead letter, where the brokers take none: only the log and the metrics tell of it then
    #[arg(long)]
    without_letter: bool,
    /// How long to wait until it is done
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=WAIT_S_MAX))]
    wait: u64,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Parses `TOPIC:PARTITION:OFFSET`.
fn at(text: &str) -> Result<At, String> {
    let mut parts = text.rsplitn(3, ':');
    let (offset, partition, topic) = (parts.next(), parts.next(), parts.next());
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok()).filter(|number| *number >= 0);
    let found = (number(offset), number(partition).and_then(|number| i32::try_from(number).ok()), topic);
    match found {
        (Some(offset), Some(partition), Some(topic)) if !topic.is_empty() => {
            Ok(At { topic: topic.to_owned(), partition, offset })
        }
        _ => Err("write it as topic:partition:offset, such as enriched-context:0:4211".to_owned()),
    }
}

/// Asks the node, and says its answer.
///
/// # Errors
/// Why it is not done.
pub(super) fn execute(args: &OrderArgs, ask: Ask) -> Result<u8, Fatal> {
    let config = args.config.load()?.config;
    let Some(directory) = &config.state_directory else { return Err(without_directory()) };
    let At { topic, partition, offset } = args.at.clone();
    let order = Order { partition, offset, ask, without_letter: args.without_letter };
    let request = Request { version: VERSION, topic, order, wait_s: args.wait };
    let reply = answer_of(&config, directory, &request)?;
    if reply.code == exit::DONE {
        output::print(&format!("{}\n", reply.what))?;
        return Ok(exit::DONE);
    }
    Err(Fatal::new(reply.code, reply.what, reply.fix))
}

fn without_directory() -> Fatal {
    Fatal::new(
        exit::CONFIG,
        "no state directory (node.state_directory): the socket of the node would be there",
        "where systemd gave the node one (StateDirectory=), name it: --set node.state_directory=/var/lib/scorewire. \
         Where it has none, set node.state_directory and restart the node: a stopped partition is tried again then",
    )
}

fn answer_of(config: &Config, directory: &Path, request: &Request) -> Result<Reply, Fatal> {
    let (node, at) = (&config.kafka.node, socket_path(directory, &config.kafka.node));
    let failed = |error: io::Error| {
        let (what, fix) = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => (
                format!("no process of node {node} listens at {}", at.display()),
                "start it with `scorewire run`; or name the running one by its configuration (kafka.node, \
                 node.state_directory)",
            ),
            io::ErrorKind::PermissionDenied => (
                format!("this user may not ask node {node} at {}", at.display()),
                "run the command as the node's own user",
            ),
            _ => (
                format!("node {node} gives no answer at {}: {error}", at.display()),
                "the log of the node says what it heard; it answers one command at a time",
            ),
        };
        Fatal::new(exit::UNAVAILABLE, what, fix)
    };
    let mut line = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
    line.push(b'\n');
    let mut stream = UnixStream::connect(&at).map_err(failed)?;
    let limit = Duration::from_secs(request.wait_s) + ANSWER_TAKES;
    let said = stream.set_read_timeout(Some(limit)).and_then(|()| stream.write_all(&line));
    // A node that hears nothing of this user has said so.
    said.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(failed(error)) })?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX as u64)).read_line(&mut answer).map_err(failed)?;
    serde_json::from_str(&answer).map_err(|error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_topic_a_partition_and_an_offset() {
        let found = at("a.b-c:3:9000000000");
        assert_eq!(found, Ok(At { topic: "a.b-c".into(), partition: 3, offset: 9_000_000_000 }));
        for wrong in ["", "t", "t:1", ":1:2", "t:1:", "t:x:2", "t:-1:2", "t:1:-2", "t:9999999999:1"] {
            assert!(at(wrong).is_err_and(|why| why.contains("enriched-context:0:4211")), "{wrong}");
        }
    }
}

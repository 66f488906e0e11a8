//! The node's end of `scorewire skip` and `scorewire seek`: one operator at a time, one line in and one line out. The order goes
//! to every lane, and the one that has the partition carries it out.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, bounded, never};

use super::control_words as words;
use crate::config::{Config, Job};
use crate::doors::Clock;
use crate::error::{Fatal, exit};
use crate::kafka::cluster::starting_offsets;
use crate::lane::clock::SystemClock;
use crate::lane::{Asked, Mailbox};
use crate::state::{ControlSocket, CrashBook, Peer, has_gone};
use crate::values::order::{Answer, Ask, LINE_BYTES_MAX, Order, Reply, Request, VERSION, WAIT_S_MAX};
use crate::values::topics::TopicRole;

/// A peer that says nothing, or does not read, holds up others for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether whoever waits for an answer still does.
const LOOK: Duration = Duration::from_millis(100);

/// After the system refused a connection.
const REST: Duration = Duration::from_secs(1);

/// Hears operators, on a thread of its own.
struct Control {
    config: Config,
    mailboxes: Vec<Mailbox>,
    /// Of the input.
    partitions: i32,
    clock: SystemClock,
}

/// Starts to listen, where the node has a state directory. Nobody waits for the thread: a stop goes on without it.
///
/// # Errors
/// When the thread does not start.
pub(super) fn start(
    config: &Config,
    book: Option<&CrashBook>,
    mailboxes: Vec<Mailbox>,
    partitions: i32,
    clock: SystemClock,
) -> Result<(), Fatal> {
    // Letters stand at offsets of another topic than dead letters name.
    let Some(book) = book.filter(|_| config.job == Job::Score) else { return Ok(()) };
    let socket = match book.listen() {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(%error, "no socket for `scorewire skip` and `scorewire seek`: {}", words::NO_SOCKET);
            return Ok(());
        }
    };
    let control = Control { config: config.clone(), mailboxes, partitions, clock };
    let serve = move || control.serve(&socket);
    #[expect(clippy::disallowed_methods, reason = "the thread that hears operators")]
    let started = std::thread::Builder::new().name("control".to_owned()).spawn(serve);
    let failed =
        |error| Fatal::new(exit::SYSTEM, format!("no thread for operators: {error}"), "raise the limit on threads");
    started.map(drop).map_err(failed)
}

impl Control {
    fn serve(&self, socket: &ControlSocket) {
        loop {
            match socket.accept() {
                Ok((stream, peer)) => self.hear(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "an operator cannot be heard");
                    // Descriptors may be back then.
                    let _ = never::<()>().recv_timeout(REST);
                }
            }
        }
    }

    fn hear(&self, mut stream: UnixStream, peer: Peer) {
        let Peer { uid, pid } = peer;
        let reply = if !peer.is_allowed() {
            Some(words::not_allowed(uid))
        } else {
            match self.read_line(&mut stream).map(|line| serde_json::from_slice::<Request>(&line)) {
                Ok(Ok(request)) if request.version == VERSION => {
                    let Request { topic, order, wait_s, .. } = &request;
                    tracing::warn!(uid, pid, topic, partition = order.partition, ?order, wait_s, "an operator asks");
                    self.carry_out(&request, &stream)
                }
                Ok(_) => Some(words::not_understood()),
                Err(error) => {
                    tracing::warn!(uid, pid, %error, "an operator said nothing that can be read");
                    return;
                }
            }
        };
        let Some(reply) = reply else {
            tracing::warn!(uid, pid, "an operator has gone before the answer: what had not begun is not done");
            return;
        };
        tracing::warn!(uid, pid, code = reply.code, "an operator is told: {}", reply.what);
        let said = serde_json::to_vec(&reply).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.write_all(&line)
        });
        if let Err(error) = said {
            tracing::warn!(uid, pid, %error, "an operator has gone before the answer");
        }
    }

    /// Up to the end of the line.
    fn read_line(&self, stream: &mut UnixStream) -> io::Result<Vec<u8>> {
        let until_ns = self.clock.now_ns() + u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
        let (mut line, mut part) = (Vec::new(), [0; 512]);
        while !line.contains(&b'\n') {
            let left = Duration::from_nanos(until_ns.saturating_sub(self.clock.now_ns()));
            if left.is_zero() || line.len() > LINE_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => line.extend_from_slice(&part[..read]),
            }
        }
        Ok(line)
    }

    /// `None` where nobody waits for the answer any more: he may have asked again, and nothing is done twice for it.
    fn carry_out(&self, Request { topic, order, wait_s, .. }: &Request, asker: &UnixStream) -> Option<Reply> {
        let input = self.config.topics.input();
        if topic != input {
            return Some(words::other_topic(topic, input));
        }
        if let Some(refused) = self.is_out_of_range(order) {
            return Some(refused);
        }
        // He may have been waiting for others to be answered.
        if has_gone(asker) {
            return None;
        }
        let (answer, answers) = bounded(self.mailboxes.len());
        let is_over = Arc::new(AtomicBool::new(false));
        for mailbox in &self.mailboxes {
            mailbox.put(Asked { order: *order, answer: answer.clone(), is_over: Arc::clone(&is_over) });
        }
        drop(answer);
        let wait = Duration::from_secs((*wait_s).min(WAIT_S_MAX));
        let until_ns = self.clock.now_ns() + u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let (mut all_held, mut lanes_left) = (Vec::new(), self.mailboxes.len());
        let reply = loop {
            let left = Duration::from_nanos(until_ns.saturating_sub(self.clock.now_ns()));
            match answers.recv_timeout(left.min(LOOK)) {
                Ok(Answer::NotHeld { held }) => {
                    all_held.extend(held);
                    lanes_left -= 1;
                    if lanes_left == 0 {
                        all_held.sort_unstable();
                        break Some(words::not_held(&self.config, order, &all_held));
                    }
                }
                Ok(Answer::Done(moved)) => break Some(words::done(input, order, moved)),
                Ok(Answer::Refused(why)) => break Some(words::refused(input, order, &why)),
                Err(RecvTimeoutError::Timeout) if has_gone(asker) => break None,
                Err(RecvTimeoutError::Timeout) if left > LOOK => {}
                Err(RecvTimeoutError::Timeout) => break Some(words::too_late(input, order, wait)),
                Err(RecvTimeoutError::Disconnected) => break Some(words::stopping(input, order)),
            }
        };
        is_over.store(true, Ordering::Release);
        self.mailboxes.iter().for_each(Mailbox::withdraw);
        reply
    }

    /// Why there is nothing to read where a partition is to go, if so.
    fn is_out_of_range(&self, order: &Order) -> Option<Reply> {
        let (Ask::Seek { .. }, config) = (order.ask, &self.config) else { return None };
        let topic = &config.topics[TopicRole::Input];
        let kept = match starting_offsets::kept(&config.kafka, topic, self.partitions) {
            Ok(kept) => kept,
            Err(Fatal { code, what, fix }) => return Some(Reply { code, what, fix }),
        };
        let kept = kept.get(usize::try_from(order.partition).ok()?)?;
        let is_kept = (kept.first..=kept.end).contains(&order.offset);
        (!is_kept).then(|| words::not_kept(topic, order, (kept.first, kept.end)))
    }
}

//! What a client says of its connections, heard on its own threads: for the log, for who looks at a lane from outside, and for
//! who waits for an answer that does not come. Its events come with a poll only, and whoever waits within the client polls
//! nothing.
#![allow(unsafe_code, reason = "librdkafka tells its threads and certificates in C only; each block says why it holds")]
#![expect(clippy::disallowed_methods, reason = "the client's own time, on its threads")]

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::bindings as rd;

use super::causes::{self, Cause};
use super::threads::OnThreads;
use crate::doors::Complaint;
use crate::kafka::settings::identity::Identity;
use crate::kafka::settings::value_of;

/// Causes that are kept of one client: one for each broker, and brokers are few.
const CAUSES_MAX: usize = 64;

/// After so long a cause that does not pass by waiting is believed: a broker that starts may not know its users yet.
const BELIEVED_AFTER: Duration = Duration::from_millis(1_500);

/// How often the log has the same cause of the same broker. A little less than the client's own 30 s, of which one would be missed.
const TOLD_EVERY: Duration = Duration::from_secs(25);

/// Of one client.
pub struct LogListener {
    identity: Identity,
    bootstrap: String,
    complaint: Option<Arc<Complaint>>,
    heard: Mutex<Vec<KnownCause>>,
}

/// The last cause of one broker.
struct KnownCause {
    cause: Cause,
    /// When it was heard first.
    since: Instant,
    /// When it was logged last.
    told: Instant,
}

thread_local! {
    /// Of the client whose thread this is.
    static LISTENER: Cell<Option<&'static LogListener>> = const { Cell::new(None) };
    /// What the check of the last certificate on this thread found, and whose it was.
    static CERTIFICATE: RefCell<Option<(c_int, String)>> = const { RefCell::new(None) };
}

impl LogListener {
    /// For a client with these settings. It is never freed, since the client's threads may outlive whoever made them; there is
    /// one to each client of a lane, and one to each question at start.
    pub fn of(settings: &[(String, String)], complaint: Option<&Arc<Complaint>>) -> &'static LogListener {
        Box::leak(Box::new(LogListener {
            identity: Identity::of(settings),
            bootstrap: value_of(settings, "bootstrap.servers").unwrap_or_default().to_owned(),
            complaint: complaint.map(Arc::clone),
            heard: Mutex::default(),
        }))
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The brokers that are asked first.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The last cause of each broker, oldest first.
    pub fn causes(&self) -> Vec<Cause> {
        self.lock().iter().map(|known| known.cause.clone()).collect()
    }

    /// Whether so many brokers were tried, and each refuses for good.
    pub fn is_hopeless(&self, brokers: usize) -> bool {
        let heard = self.lock();
        heard.len() >= brokers.max(1)
            && heard.iter().all(|known| known.cause.is_final && known.since.elapsed() >= BELIEVED_AFTER)
    }

    /// Notes it. Answers whether it is to be told: the client repeats itself with each try, in turns of words.
    fn hear(&self, cause: Cause) -> bool {
        let mut heard = self.lock();
        let is_full = heard.len() >= CAUSES_MAX;
        let now = Instant::now();
        match heard.iter_mut().find(|known| known.cause.broker == cause.broker) {
            Some(known) => {
                if !(known.cause.is_final && cause.is_final) {
                    known.since = now;
                }
                let is_new = known.cause.what != cause.what || now.duration_since(known.told) >= TOLD_EVERY;
                if is_new {
                    known.told = now;
                }
                known.cause = cause;
                is_new
            }
            None => {
                if !is_full {
                    heard.push(KnownCause { cause, since: now, told: now });
                }
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<KnownCause>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnThreads for LogListener {
    const NAME: &'static CStr = c"log_listener";

    fn thread_started(&'static self, _: *mut rd::rd_kafka_t, _: bool) {
        LISTENER.set(Some(self));
    }
}

/// A line of the client's log, on the thread that wrote it. Returns whether it was told here.
pub fn line(level: c_int, facility: &str, text: &str) -> bool {
    match facility {
        "SSLCERTVRFY" => {
            // It comes with each try; the line about the connection, which follows, comes twice a minute.
            CERTIFICATE.with_borrow_mut(|found| {
                if let Some((_, whose)) = found {
                    *whose = between(text, "(subject=", ", issuer=").unwrap_or_default().to_owned();
                }
            });
            tracing::debug!(target: "kafka", facility, "{text}");
            true
        }
        // It comes with each try, and says less than the line about the connection.
        "ERROR" if text.ends_with("brokers are down") => {
            tracing::debug!(target: "kafka", facility, "{text}");
            true
        }
        "FAIL" if level <= 6 => of_connection(level, text),
        "TXNERR" if level <= 3 => {
            complain(text);
            false
        }
        _ => false,
    }
}

fn of_connection(level: c_int, text: &str) -> bool {
    let Some(listener) = LISTENER.get() else { return false };
    let found = if text.contains("certificate verify failed") { CERTIFICATE.take() } else { None };
    let cause = causes::of(text, &listener.identity, found.as_ref().map(|(code, _)| *code));
    let text = match &found {
        // The client's own advice is about one of several reasons.
        Some((_, whose)) => {
            let (words, _) = text.split_once(": broker certificate could not").unwrap_or((text, ""));
            format!("{words}: {} (subject {whose})", cause.what)
        }
        None => text.to_owned(),
    };
    let (fix, is_new) = (cause.fix.clone(), listener.hear(cause));
    if level <= 3 {
        complain(&text);
    }
    if level > 3 {
        tracing::info!(target: "kafka", facility = "FAIL", "{text}");
    } else if is_new {
        tracing::error!(target: "kafka", facility = "FAIL", login = %listener.identity.words(), %fix, "{text}");
    } else {
        tracing::debug!(target: "kafka", facility = "FAIL", "{text}");
    }
    true
}

fn complain(line: &str) {
    if let Some(complaint) = LISTENER.get().and_then(|listener| listener.complaint.as_ref()) {
        // The thread's name stands before it.
        complaint.say(line.split_once("]: ").map_or(line, |(_, words)| words).to_owned());
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

/// The client has checked a certificate of a broker and asks whether it may pass. What does not hold does not pass; the client
/// itself says of all reasons that the CA may be unknown, so that the reason is noted here.
///
/// # Safety
/// Called by librdkafka, with a valid pointer to the error's number.
pub unsafe extern "C" fn on_certificate(
    _: *mut rd::rd_kafka_t,
    _: *const c_char,
    _: i32,
    x509_error: *mut c_int,
    _: c_int,
    _: *const c_char,
    _: usize,
    _: *mut c_char,
    _: usize,
    _: *mut c_void,
) -> c_int {
    // SAFETY: by the contract above.
    let code = unsafe { *x509_error };
    if code != 0 {
        CERTIFICATE.set(Some((code, String::new())));
    }
    c_int::from(code == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(broker: &str, is_final: bool) -> Cause {
        Cause { broker: broker.to_owned(), what: "w".to_owned(), fix: "f".to_owned(), is_final }
    }

    #[test]
    fn it_is_hopeless_when_every_broker_has_refused_for_good_for_a_while() {
        let listener = LogListener::of(&[], None);
        assert!(!listener.is_hopeless(1), "nothing was said");
        listener.hear(cause("a:1", true));
        assert!(!listener.is_hopeless(1), "it may be starting");
        let age = |listener: &LogListener| listener.lock().iter_mut().for_each(|known| known.since -= BELIEVED_AFTER);
        age(listener);
        assert!(listener.is_hopeless(1));
        listener.hear(cause("a:1", true));
        assert!(!listener.is_hopeless(2), "another broker was not tried yet");
        assert!(listener.is_hopeless(1), "said again, it is no younger");
        listener.hear(cause("b:1", false));
        age(listener);
        assert!(!listener.is_hopeless(1), "another one may come back");
        assert_eq!(listener.causes().len(), 2);
    }

    #[test]
    fn the_same_cause_of_a_broker_is_told_twice_a_minute_and_another_at_once() {
        let listener = LogListener::of(&[], None);
        let of = |broker: &str, what: &str| Cause { what: what.to_owned(), ..cause(broker, true) };
        assert!(listener.hear(of("a:1", "expired")) && listener.hear(of("b:1", "expired")));
        assert!(!listener.hear(of("a:1", "expired")), "just told");
        assert!(listener.hear(of("a:1", "refused")), "another cause");
        listener.lock().iter_mut().for_each(|known| known.told -= TOLD_EVERY);
        assert!(listener.hear(of("a:1", "refused")) && !listener.hear(of("a:1", "refused")));
    }
}

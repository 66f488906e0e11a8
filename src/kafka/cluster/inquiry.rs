//! A client that only asks: who the brokers are, and what they know of a topic. It says why nobody answers.

use std::time::Duration;

use rdkafka::types::RDKafkaType;

use crate::error::{Fatal, exit};
use crate::kafka::client::causes::Cause;
use crate::kafka::client::log_listener::LogListener;
use crate::kafka::client::metadata::Answer;
use crate::kafka::client::{Client, Conf, describe};
use crate::kafka::settings::identity::Identity;

/// The first wait for an answer. Between two of them it is asked whether there is hope.
const FIRST_WAIT: Duration = Duration::from_millis(500);

pub(in crate::kafka) struct Inquiry {
    pub(in crate::kafka) client: Client,
    listener: &'static LogListener,
}

impl Inquiry {
    /// # Errors
    /// [`exit::CONFIG`] when the client refuses its settings, with the reason.
    pub fn begin(settings: &[(String, String)]) -> Result<Inquiry, Fatal> {
        Inquiry::with(settings, &[])
    }

    /// The same with settings over the others.
    ///
    /// # Errors
    /// Those of [`Inquiry::begin`].
    pub fn with(settings: &[(String, String)], more: &[(&str, &str)]) -> Result<Inquiry, Fatal> {
        // A port that speaks another protocol closes the connection, and only then the client says so.
        let own = [("log.connection.close", "true")];
        let named = |name: &str| own.iter().chain(more).any(|(key, _)| *key == name);
        let mut list: Vec<_> = settings.iter().filter(|(name, _)| !named(name)).cloned().collect();
        list.extend(own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (conf, listener) = (Conf::new(&list)?, LogListener::of(&list, None));
        conf.with_threads(listener);
        // A producer's question would create a topic that is not there, where the brokers let it; transactions are a producer's.
        let kind = match list.iter().any(|(name, _)| name == "transactional.id") {
            true => RDKafkaType::RD_KAFKA_PRODUCER,
            false => RDKafkaType::RD_KAFKA_CONSUMER,
        };
        let client = conf.create(kind)?;
        Ok(Inquiry { client, listener })
    }

    pub fn identity(&self) -> &Identity {
        self.listener.identity()
    }

    pub fn causes(&self) -> Vec<Cause> {
        self.listener.causes()
    }

    /// Whether all brokers of the bootstrap list refuse for good.
    pub fn is_hopeless(&self) -> bool {
        self.listener
            .is_hopeless(self.listener.bootstrap().split(',').filter(|address| !address.trim().is_empty()).count())
    }

    /// Asks any broker, and for no longer than there is hope.
    ///
    /// # Errors
    /// The client's code: nobody answered.
    pub fn ask(&self, topic: Option<&str>, limit: Duration) -> Result<Answer, i32> {
        let (mut left, mut wait) = (limit, FIRST_WAIT);
        loop {
            let now = wait.min(left);
            let answer = self.client.metadata(topic, now);
            left -= now;
            if answer.is_ok() || left.is_zero() || self.is_hopeless() {
                return answer;
            }
            // Soon where the brokers refuse, and else with time for one far away.
            wait = if self.causes().is_empty() { wait * 2 } else { FIRST_WAIT };
        }
    }

    /// What ends a start to which nobody answered.
    pub fn no_answer(&self, code: i32) -> Fatal {
        no_answer(self.listener.bootstrap(), self.identity(), &self.causes(), code)
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        self.client.destroy();
    }
}

fn no_answer(bootstrap: &str, identity: &Identity, causes: &[Cause], code: i32) -> Fatal {
    let whom = format!("no answer from Kafka at {bootstrap} ({})", identity.words());
    if causes.is_empty() {
        let fix =
            "check kafka.bootstrap, that the brokers run, and that their advertised listeners can be reached from here";
        return Fatal::new(exit::UNAVAILABLE, format!("{whom}: {}", describe(code)), fix);
    }
    let told = causes.iter().map(|cause| cause_at(bootstrap, cause)).collect::<Vec<_>>();
    let what: Vec<&str> = told.iter().map(|(what, _)| what.as_str()).collect();
    Fatal::new(exit::UNAVAILABLE, format!("{whom}: {}", what.join("; ")), fixes(told.iter().map(|(_, fix)| fix)))
}

/// A broker outside the list of the configuration was named by another one.
fn cause_at(bootstrap: &str, cause: &Cause) -> (String, String) {
    let Cause { broker, what, fix, .. } = cause;
    if broker.is_empty() || bootstrap.split(',').any(|address| address.trim() == broker) {
        return (format!("broker {broker}: {what}"), fix.clone());
    }
    (
        format!(
            "the brokers answer, and name {broker} as their address (advertised.listeners), where no connection comes about: {what}"
        ),
        format!("let advertised.listeners of the brokers name an address that this machine reaches; {fix}"),
    )
}

/// Each fix once.
fn fixes<'a>(all: impl Iterator<Item = &'a String>) -> String {
    let mut fixes: Vec<&str> = Vec::new();
    for fix in all {
        if !fixes.contains(&fix.as_str()) {
            fixes.push(fix);
        }
    }
    fixes.join("; ")
}

/// Adds to a failure why brokers cannot be reached, where the client has said so. What is denied is no matter of reach.
pub(in crate::kafka) fn explain(fatal: Fatal, listener: &LogListener) -> Fatal {
    let causes = listener.causes();
    if causes.is_empty() || fatal.what.contains(" is denied to ") {
        return fatal;
    }
    let told = causes.iter().map(|cause| cause_at(listener.bootstrap(), cause)).collect::<Vec<_>>();
    let why: Vec<&str> = told.iter().map(|(what, _)| what.as_str()).collect();
    let fix = fixes(told.iter().map(|(_, fix)| fix));
    Fatal { code: fatal.code, what: format!("{}; {}", fatal.what, why.join("; ")), fix }
}

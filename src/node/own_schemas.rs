//! Our own schemas in the registry: under which ids outputs and copies for review are written, and were before.
#![expect(clippy::disallowed_methods, reason = "the rest between two tries of a start, before a lane runs")]

use std::time::Duration;

use super::registry::Registry;
use crate::avro::encode::{OutcomeForms, OutputForm};
use crate::avro::written::{Version, Written};
use crate::error::{Fatal, exit};
use crate::registry::answers::Away;
use crate::registry::settings::{OwnForm, RegistrySettings};
use crate::registry::subjects::{self, NotDone, Own, record_name};
use crate::values::topics::{Destination, TopicRole, Topics};

/// A server that is busy for a moment must not fail a start.
const TRIES: u32 = 3;
const REST: Duration = Duration::from_millis(500);

/// Registered versions of our schemas: number and id. Empty without a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnSchemas {
    pub forms: OutcomeForms,
    outputs: Vec<(u32, u32)>,
    review: Vec<(u32, u32)>,
    challenges: Vec<(u32, u32)>,
}

impl OwnSchemas {
    /// Versions and the ids they are or were written under.
    pub fn ids(&self, of: Written) -> &[(u32, u32)] {
        match of {
            Written::Outputs => &self.outputs,
            Written::Review => &self.review,
            Written::Challenges => &self.challenges,
        }
    }

    /// What `/status` says of outputs and of copies for review.
    pub fn shown(&self) -> [String; 2] {
        [self.forms.outputs, self.forms.review].map(|form| match form {
            OutputForm::SingleObject => "single_object".to_owned(),
            OutputForm::RegistryId(id) => format!("id {id}"),
        })
    }

    /// Of a registry that is only read: nobody is asked. What lies in the topics may be of the time before, under ids that
    /// are kept.
    fn kept(registry: &Registry, topics: &Topics) -> OwnSchemas {
        let ids = |of: Written| {
            let id_of = |version: &Version| {
                let own = own(of, *version, registry.client.settings(), topics);
                Some((version.number, registry.kept.own_id(&own.subject, &own.text)?))
            };
            of.versions().iter().filter_map(id_of).collect()
        };
        let [outputs, review, challenges] = Written::ALL.map(ids);
        tracing::info!("outcomes are in single-object encoding: the registry is only read");
        OwnSchemas { forms: OutcomeForms::default(), outputs, review, challenges }
    }

    /// For somebody who reads what others wrote: the ids are asked for, and nothing is registered. Those that nobody tells are
    /// no ids of ours.
    pub fn of_reader(registry: &Registry, topics: &Topics) -> OwnSchemas {
        let mut finder = Finder { registry, away: None };
        let mut ids = |of: Written| {
            let settings = registry.client.settings();
            let id_of =
                |version: &Version| Some((version.number, finder.earlier(&own(of, *version, settings, topics))?));
            of.versions().iter().filter_map(id_of).collect()
        };
        let [outputs, review, challenges] = Written::ALL.map(&mut ids);
        OwnSchemas { forms: OutcomeForms::default(), outputs, review, challenges }
    }

    /// Looks the newest up, and registers it where that is configured; then the earlier ones, as what lies in the topics may
    /// still be theirs. While the registry is away what is kept counts. That of challenges is asked for only where there are
    /// `challengers`.
    ///
    /// # Errors
    /// [`exit::CONFIG`] where a schema is not registered or not taken; [`exit::UNAVAILABLE`] where nobody can say and nothing
    /// is kept.
    pub fn find(registry: &Registry, topics: &Topics, challengers: bool) -> Result<OwnSchemas, Fatal> {
        if registry.client.settings().outputs == OwnForm::SingleObject {
            return Ok(OwnSchemas::kept(registry, topics));
        }
        let mut finder = Finder { registry, away: None };
        let (outputs, review) = (finder.all(Written::Outputs, topics)?, finder.all(Written::Review, topics)?);
        let challenges = if challengers { finder.all(Written::Challenges, topics)? } else { Vec::new() };
        // The newest is the first.
        let form =
            |ids: &[(u32, u32)]| ids.first().map_or(OutputForm::SingleObject, |(_, id)| OutputForm::RegistryId(*id));
        let forms = OutcomeForms { outputs: form(&outputs), review: form(&review), challenges: form(&challenges) };
        tracing::info!(outputs = outputs[0].1, review = review[0].1, "outcomes are written with ids of the registry");
        Ok(OwnSchemas { forms, outputs, review, challenges })
    }
}

/// Each schema that is written now, under its subject; that of challenges where there are `challengers`.
pub fn newest(settings: &RegistrySettings, topics: &Topics, challengers: bool) -> Vec<Own> {
    let written = Written::ALL.into_iter().filter(|of| challengers || *of != Written::Challenges);
    written.map(|of| own(of, of.versions()[0], settings, topics)).collect()
}

fn own(of: Written, version: Version, settings: &RegistrySettings, topics: &Topics) -> Own {
    let role = match of {
        Written::Outputs => TopicRole::For(Destination::Outputs),
        Written::Review => TopicRole::For(Destination::Review),
        Written::Challenges => TopicRole::Challenges,
    };
    let subject = settings.subject(&topics[role], &record_name(version.text));
    Own { topic_key: role.key(), subject, text: version.text.to_owned() }
}

struct Finder<'a> {
    registry: &'a Registry,
    /// Once it gave no answer, it is not asked again: each question would take its time.
    away: Option<Away>,
}

impl Finder<'_> {
    /// Version and id, the newest first.
    fn all(&mut self, of: Written, topics: &Topics) -> Result<Vec<(u32, u32)>, Fatal> {
        let settings = self.registry.client.settings();
        let [newest, earlier @ ..] = of.versions() else { return Ok(Vec::new()) };
        let mut ids = vec![(newest.number, self.newest(&own(of, *newest, settings, topics))?)];
        for version in earlier {
            let own = own(of, *version, settings, topics);
            ids.extend(self.earlier(&own).map(|id| (version.number, id)));
        }
        Ok(ids)
    }

    fn newest(&mut self, own: &Own) -> Result<u32, Fatal> {
        let id = match self.ask(own) {
            Ok(Some(id)) => id,
            Ok(None) if self.registry.client.settings().auto_register => self.register(own)?,
            Ok(None) => return Err(not_registered(own)),
            Err(NotDone::Refused(said)) => return Err(refused(own, &said)),
            Err(NotDone::Away(away)) => {
                let kept = self.registry.kept.own_id(&own.subject, &own.text);
                let Some(id) = kept else { return Err(nobody_knows(own, &away)) };
                tracing::warn!(subject = %own.subject, id, "the registry did not answer: the id that is kept is used: {away}");
                return Ok(id);
            }
        };
        self.keep(own, id);
        Ok(id)
    }

    fn earlier(&mut self, own: &Own) -> Option<u32> {
        let kept = self.registry.kept.own_id(&own.subject, &own.text);
        match self.ask(own) {
            Ok(Some(id)) => {
                self.keep(own, id);
                Some(id)
            }
            Ok(None) | Err(_) => kept,
        }
    }

    fn ask(&mut self, own: &Own) -> Result<Option<u32>, NotDone> {
        if let Some(away) = &self.away {
            return Err(NotDone::Away(away.clone()));
        }
        for attempt in 1.. {
            match subjects::id_of(&self.registry.client, &own.subject, &own.text) {
                Err(NotDone::Away(away)) if attempt == TRIES => {
                    self.away = Some(away.clone());
                    return Err(NotDone::Away(away));
                }
                Err(NotDone::Away(_)) => std::thread::sleep(REST),
                answer => return answer.map(|found| found.map(|(id, _)| id)),
            }
        }
        Ok(None)
    }

    fn register(&self, own: &Own) -> Result<u32, Fatal> {
        match subjects::register(&self.registry.client, own) {
            Ok(id) => {
                tracing::info!(subject = %own.subject, id, "registered the schema of {}", own.topic_key);
                Ok(id)
            }
            Err(NotDone::Refused(said)) => Err(refused(own, &said)),
            Err(NotDone::Away(away)) => Err(nobody_knows(own, &away)),
        }
    }

    fn keep(&self, own: &Own, id: u32) {
        let kept = &self.registry.kept;
        match kept.own_id(&own.subject, &own.text) {
            Some(before) if before == id => return,
            Some(before) => tracing::warn!(
                subject = %own.subject, before, id,
                "the registry has another id for the same schema than before: records are written with the new one"
            ),
            None => {}
        }
        if let Err(why) = kept.keep_own(&own.subject, &own.text, id) {
            tracing::error!("the id of subject {} is used and not kept for an outage: {why}", own.subject);
        }
    }
}

fn not_registered(own: &Own) -> Fatal {
    let Own { topic_key, subject, .. } = own;
    Fatal::new(
        exit::CONFIG,
        format!("the schema that records of {topic_key} are written with is not registered under subject {subject}"),
        "scorewire schema register shows whether it is compatible, and registers it; or set \
         schemas.registry.auto_register = true",
    )
}

fn refused(own: &Own, said: &str) -> Fatal {
    let Own { topic_key, subject, .. } = own;
    Fatal::new(
        exit::CONFIG,
        format!("the registry does not take the schema of {topic_key} under subject {subject}: {said}"),
        "is the subject another program's? Choose another topic or schemas.registry.subject_strategy; or set the \
         subject's compatibility to BACKWARD",
    )
}

fn nobody_knows(own: &Own, away: &Away) -> Fatal {
    let Own { topic_key, subject, .. } = own;
    Fatal::new(
        exit::UNAVAILABLE,
        format!(
            "the registry does not say under which id subject {subject} ({topic_key}) has our schema: {}",
            away.why
        ),
        format!("{}; from its first answer on the id is kept in schemas.registry.cache_dir", away.fix),
    )
}

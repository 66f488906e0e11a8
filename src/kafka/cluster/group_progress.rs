//! How far a group is that nobody joins: one process reads for it, and says itself how far it got.

use std::ffi::CString;
use std::time::Duration;

use super::offsets::QUERY_TIMEOUT;
use super::starting_offsets::{GroupClient, named};
use crate::error::Fatal;
use crate::kafka::client::{NotedOffset, PartitionList, c_string};
use crate::kafka::failures::retriable;
use crate::kafka::failures::rights::GroupAndTopic;
use crate::kafka::settings::KafkaSettings;

/// How long the answer to one commit is waited for before it is sent again: the same offsets, which does no harm.
const COMMIT_ANSWER: Duration = Duration::from_secs(10);

/// The group of these settings, and its offsets of one topic.
pub struct GroupProgress {
    settings: KafkaSettings,
    topic: CString,
    client: GroupClient,
}

impl GroupProgress {
    /// # Errors
    /// [`crate::error::exit::CONFIG`] when the client refuses its settings; [`crate::error::exit::UNAVAILABLE`] where the group
    /// may not be used.
    pub fn open(settings: KafkaSettings, topic: &str) -> Result<GroupProgress, Fatal> {
        // A transaction that is ending holds offsets back until it is known how: only then they are told.
        let client = GroupClient::begin(&settings, "read_committed")?;
        let group = GroupProgress { topic: c_string(topic)?, client, settings };
        group.client.may_use(group.named(), "commit its offsets")?;
        Ok(group)
    }

    fn named(&self) -> GroupAndTopic<'_> {
        named(&self.settings, &self.topic)
    }

    /// The committed offset of each of these partitions, with the note beside it; `None` where there is none.
    ///
    /// # Errors
    /// [`crate::error::exit::UNAVAILABLE`] when the cluster does not answer, or refuses.
    pub fn committed(&self, partitions: &[i32]) -> Result<Vec<Option<NotedOffset>>, Fatal> {
        let told = self.named().committed_with_notes(&self.client.client, partitions, QUERY_TIMEOUT);
        let told = told.map_err(|fatal| self.client.explain(fatal))?;
        Ok(told.into_iter().map(|offset| Some(offset).filter(|offset| offset.at.offset >= 0)).collect())
    }

    /// Commits, and waits for the broker's word.
    ///
    /// # Errors
    /// Those of [`GroupProgress::committed`].
    pub fn commit(&self, progress: &[NotedOffset]) -> Result<(), Fatal> {
        let list = PartitionList::noted(&self.topic, progress);
        let what = "commit the group's offsets";
        let said = retriable::ask(QUERY_TIMEOUT, what, |left| {
            self.client.client.commit_and_wait(&list, left.min(COMMIT_ANSWER))
        });
        said.map_err(|code| self.client.explain(self.named().refused(what, code)))
    }
}

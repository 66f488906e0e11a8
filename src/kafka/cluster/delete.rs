//! Records deleted from a partition's beginning, which is where Kafka deletes at all.

use super::inquiry::Inquiry;
use super::offsets::QUERY_TIMEOUT;
use crate::doors::Progress;
use crate::error::{Fatal, exit};
use crate::kafka::client::{PartitionList, admin, c_string, describe};
use crate::kafka::failures::retriable;
use crate::kafka::failures::rights;
use crate::kafka::settings::KafkaSettings;
use crate::kafka::settings::connection::writer_settings;

/// Deletes the records of each of these partitions before its offset, for good. Returns where each partition begins now.
///
/// # Errors
/// [`exit::UNAVAILABLE`] when the cluster does not answer, or refuses: partitions before the one that is told may be done.
pub fn delete_before(settings: &KafkaSettings, topic: &str, before: &[Progress]) -> Result<Vec<Progress>, Fatal> {
    let inquiry = Inquiry::begin(&writer_settings(settings))?;
    let name = c_string(topic)?;
    let what = format!("delete records of {topic}");
    let said = retriable::ask(QUERY_TIMEOUT, &what, |left| {
        let list = PartitionList::new(&name, before.iter().copied());
        // What was deleted already is deleted again without harm.
        admin::delete_records(&inquiry.client, &list, left)
    });
    said.map_err(|code| {
        if rights::is_denied(code) {
            let user = inquiry.identity().user.as_deref();
            return rights::denied_topic(topic, user, "Delete", "delete its records");
        }
        let fix =
            "check that the brokers are reachable; a topic that is only compacted (cleanup.policy) lets nobody delete";
        Fatal::new(exit::UNAVAILABLE, format!("cannot {what}: {}", describe(code)), fix)
    })
}

//! Questions to the cluster that only administrators' requests answer: what this client may do, and how topics are set. And the
//! one order among them, to delete records.
#![allow(unsafe_code, reason = "librdkafka's C interface; each block says why it holds")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;
use std::time::Duration;

use rd::rd_kafka_admin_op_t as Op;
use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr as Err;

use super::metadata::Copies;
use crate::doors::Progress;
use crate::kafka::client::errors::{c_string, take_error, timeout_ms, to_result};
use crate::kafka::client::handle::Client;
use crate::kafka::client::partitions::{PartitionList, entries};

/// What a client may do with a topic or a group, by the names that kafka-acls.sh takes. Empty where the brokers do not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(pub Vec<&'static str>);

impl Allowed {
    pub fn is_told(&self) -> bool {
        !self.0.is_empty()
    }

    pub fn lacks(&self, operation: &str) -> bool {
        self.is_told() && !self.0.contains(&operation)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub partitions: Vec<Copies>,
    pub allowed: Allowed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub members: usize,
    pub allowed: Allowed,
}

/// A code of the client or of a broker.
pub type Refused = i32;

/// Each topic in the order of `names`; the brokers' error where they do not show one.
///
/// # Errors
/// Nobody answered.
pub fn topics(client: &Client, names: &[&str], timeout: Duration) -> Result<Vec<Result<Topic, Refused>>, Refused> {
    let owned = c_strings(names)?;
    let mut pointers: Vec<*const c_char> = owned.iter().map(|name| name.as_ptr()).collect();
    let request = Request::of(client, Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout)?;
    request.with_operations()?;
    // SAFETY: the names live during the call, which copies them; the list is ours and freed once. The result lives as long as
    // its event.
    let event = unsafe {
        let list = rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        rd::rd_kafka_DescribeTopics(client.as_ptr(), list, request.options.as_ptr(), request.queue.as_ptr());
        rd::rd_kafka_TopicCollection_destroy(list);
        request.answer()?
    };
    // SAFETY: the event is alive, and everything that is read belongs to it.
    let said: Vec<_> = unsafe {
        let result = rd::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
        let mut count = 0;
        let first = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        list(first, count).iter().map(|topic| read_topic(*topic)).collect()
    };
    let unknown = || Result::Err(Err::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC as i32);
    let find =
        |name: &&str| said.iter().find(|(known, _)| known == name).map_or_else(unknown, |(_, topic)| topic.clone());
    Ok(names.iter().map(find).collect())
}

/// # Safety
/// A topic of a result that lives during the call.
unsafe fn read_topic(topic: *const rd::rd_kafka_TopicDescription_t) -> (String, Result<Topic, Refused>) {
    // SAFETY: by the contract above; names are NUL-terminated.
    unsafe {
        let name = CStr::from_ptr(rd::rd_kafka_TopicDescription_name(topic)).to_string_lossy().into_owned();
        if let Result::Err(code) = error_of(rd::rd_kafka_TopicDescription_error(topic)) {
            return (name, Result::Err(code));
        }
        let mut count = 0;
        let operations = rd::rd_kafka_TopicDescription_authorized_operations(topic, &mut count);
        let allowed = read_operations(operations, count);
        let first = rd::rd_kafka_TopicDescription_partitions(topic, &mut count);
        let partitions = list(first, count).iter().map(|&partition| {
            let (mut replicas, mut in_sync) = (0, 0);
            rd::rd_kafka_TopicPartitionInfo_replicas(partition, &mut replicas);
            rd::rd_kafka_TopicPartitionInfo_isr(partition, &mut in_sync);
            let leader = rd::rd_kafka_TopicPartitionInfo_leader(partition);
            let leader = if leader.is_null() { -1 } else { rd::rd_kafka_Node_id(leader) };
            Copies { leader, replicas, in_sync }
        });
        let partitions = partitions.collect();
        (name.clone(), Ok(Topic { name, partitions, allowed }))
    }
}

/// A group as its coordinator knows it.
///
/// # Errors
/// Nobody answered, or the group may not be looked at.
pub fn group(client: &Client, name: &str, timeout: Duration) -> Result<Group, Refused> {
    let owned = c_strings(&[name])?;
    let mut pointers: Vec<*const c_char> = owned.iter().map(|name| name.as_ptr()).collect();
    let request = Request::of(client, Op::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout)?;
    request.with_operations()?;
    // SAFETY: the name lives during the call, which copies it; the result lives as long as its event.
    unsafe {
        let (options, queue) = (request.options.as_ptr(), request.queue.as_ptr());
        rd::rd_kafka_DescribeConsumerGroups(client.as_ptr(), pointers.as_mut_ptr(), 1, options, queue);
        let event = request.answer()?;
        let result = rd::rd_kafka_event_DescribeConsumerGroups_result(event.0.as_ptr());
        let mut count = 0;
        let first = rd::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
        let Some(&group) = list(first, count).first() else {
            return Result::Err(Err::RD_KAFKA_RESP_ERR__UNKNOWN_GROUP as i32);
        };
        error_of(rd::rd_kafka_ConsumerGroupDescription_error(group))?;
        let operations = rd::rd_kafka_ConsumerGroupDescription_authorized_operations(group, &mut count);
        let allowed = read_operations(operations, count);
        Ok(Group { members: rd::rd_kafka_ConsumerGroupDescription_member_count(group), allowed })
    }
}

/// The settings of a topic, defaults of the brokers included.
pub type Settings = BTreeMap<String, String>;

/// The settings of each topic in the order of `names`.
///
/// # Errors
/// Nobody answered.
pub fn settings(client: &Client, names: &[&str], timeout: Duration) -> Result<Vec<Result<Settings, Refused>>, Refused> {
    let owned = c_strings(names)?;
    let request = Request::of(client, Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout)?;
    // SAFETY: the resources are ours, copied by the call, and freed once; the result lives as long as its event.
    let event = unsafe {
        let topic = rd::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
        let mut asked: Vec<_> =
            owned.iter().map(|name| rd::rd_kafka_ConfigResource_new(topic, name.as_ptr())).collect();
        let (options, queue) = (request.options.as_ptr(), request.queue.as_ptr());
        rd::rd_kafka_DescribeConfigs(client.as_ptr(), asked.as_mut_ptr(), asked.len(), options, queue);
        rd::rd_kafka_ConfigResource_destroy_array(asked.as_mut_ptr(), asked.len());
        request.answer()?
    };
    // SAFETY: the event is alive, and everything that is read belongs to it.
    let said: Vec<_> = unsafe {
        let result = rd::rd_kafka_event_DescribeConfigs_result(event.0.as_ptr());
        let mut count = 0;
        let first = rd::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
        list(first, count).iter().map(|resource| read_settings(*resource)).collect()
    };
    let silent = || Result::Err(Err::RD_KAFKA_RESP_ERR__BAD_MSG as i32);
    let find =
        |name: &&str| said.iter().find(|(known, _)| known == name).map_or_else(silent, |(_, found)| found.clone());
    Ok(names.iter().map(find).collect())
}

/// # Safety
/// A resource of a result that lives during the call.
unsafe fn read_settings(resource: *const rd::rd_kafka_ConfigResource_t) -> (String, Result<Settings, Refused>) {
    // SAFETY: by the contract above; texts are NUL-terminated, and a value may be null.
    unsafe {
        let name = CStr::from_ptr(rd::rd_kafka_ConfigResource_name(resource)).to_string_lossy().into_owned();
        if let Result::Err(code) = to_result(rd::rd_kafka_ConfigResource_error(resource)) {
            return (name, Result::Err(code));
        }
        let mut count = 0;
        let first = rd::rd_kafka_ConfigResource_configs(resource, &mut count);
        let text = |p: *const c_char| (!p.is_null()).then(|| CStr::from_ptr(p).to_string_lossy().into_owned());
        let entries = list(first, count).iter().filter_map(|&entry| {
            Some((text(rd::rd_kafka_ConfigEntry_name(entry))?, text(rd::rd_kafka_ConfigEntry_value(entry))?))
        });
        (name, Ok(entries.collect()))
    }
}

/// Deletes the records of partitions before the offsets that stand in the list. Returns where each begins now.
///
/// # Errors
/// Nobody answered, or the first partition's error: others may be done.
pub fn delete_records(client: &Client, before: &PartitionList, timeout: Duration) -> Result<Vec<Progress>, Refused> {
    let request = Request::of(client, Op::RD_KAFKA_ADMIN_OP_DELETERECORDS, timeout)?;
    // SAFETY: list and object are ours, copied by the calls, and the object is freed once; the result and the list in it live as
    // long as their event.
    unsafe {
        let mut asked = [rd::rd_kafka_DeleteRecords_new(before.as_ptr())];
        let (options, queue) = (request.options.as_ptr(), request.queue.as_ptr());
        rd::rd_kafka_DeleteRecords(client.as_ptr(), asked.as_mut_ptr(), asked.len(), options, queue);
        rd::rd_kafka_DeleteRecords_destroy(asked[0]);
        let event = request.answer()?;
        let result = rd::rd_kafka_event_DeleteRecords_result(event.0.as_ptr());
        let said = entries(rd::rd_kafka_DeleteRecords_result_offsets(result));
        said.into_iter().map(|(at, error)| error.map(|()| at)).collect()
    }
}

/// Whether this client may write transactions under a name, which nobody else may use: its owner would be fenced.
///
/// # Errors
/// The code and the words of who refuses.
pub fn transactions(client: &Client, timeout: Duration) -> Result<(), (Refused, String)> {
    // SAFETY: the client is alive; the error is null or ours, and freed.
    unsafe { take_error(rd::rd_kafka_init_transactions(client.as_ptr(), timeout_ms(timeout))) }
}

/// One request on its way.
struct Request {
    options: NonNull<rd::rd_kafka_AdminOptions_t>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    timeout: Duration,
}

struct AnswerEvent(NonNull<rd::rd_kafka_event_t>);

impl Request {
    fn of(client: &Client, op: Op, timeout: Duration) -> Result<Request, Refused> {
        let (client, mut text) = (client.as_ptr(), [0 as c_char; 128]);
        // SAFETY: the client is alive; both objects are ours and freed in `drop`; the buffer's length is passed along.
        unsafe {
            let options = NonNull::new(rd::rd_kafka_AdminOptions_new(client, op)).expect("librdkafka allocates");
            let queue = NonNull::new(rd::rd_kafka_queue_new(client)).expect("librdkafka allocates");
            let request = Request { options, queue, timeout };
            let wait = timeout_ms(timeout);
            let set =
                rd::rd_kafka_AdminOptions_set_request_timeout(options.as_ptr(), wait, text.as_mut_ptr(), text.len());
            to_result(set).map(|()| request)
        }
    }

    /// Asks for what this client may do as well.
    fn with_operations(&self) -> Result<(), Refused> {
        // SAFETY: the options are ours; the error is null or ours, and freed.
        let set = unsafe {
            take_error(rd::rd_kafka_AdminOptions_set_include_authorized_operations(self.options.as_ptr(), 1))
        };
        set.map_err(|(code, _)| code)
    }

    fn answer(&self) -> Result<AnswerEvent, Refused> {
        // A little longer than the request itself may take, whose own end is the better answer.
        let wait = self.timeout + Duration::from_millis(500);
        // SAFETY: the queue is ours; the event is ours from here on, and freed once.
        unsafe {
            let event = rd::rd_kafka_queue_poll(self.queue.as_ptr(), timeout_ms(wait));
            let event = AnswerEvent(NonNull::new(event).ok_or(Err::RD_KAFKA_RESP_ERR__TIMED_OUT as i32)?);
            to_result(rd::rd_kafka_event_error(event.0.as_ptr())).map(|()| event)
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: both are ours, freed once.
        unsafe {
            rd::rd_kafka_AdminOptions_destroy(self.options.as_ptr());
            rd::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

impl Drop for AnswerEvent {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { rd::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

fn c_strings(names: &[&str]) -> Result<Vec<CString>, Refused> {
    let invalid = |_| Err::RD_KAFKA_RESP_ERR__INVALID_ARG as i32;
    names.iter().map(|name| c_string(name).map_err(invalid)).collect()
}

/// # Safety
/// `error` is null, or belongs to a result that lives during the call.
unsafe fn error_of(error: *const rd::rd_kafka_error_t) -> Result<(), Refused> {
    // SAFETY: by the contract above.
    if error.is_null() { Ok(()) } else { to_result(unsafe { rd::rd_kafka_error_code(error) }) }
}

/// # Safety
/// `first` is null, or the first of `count` operations that live during the call.
unsafe fn read_operations(first: *const rd::rd_kafka_AclOperation_t, count: usize) -> Allowed {
    use rd::rd_kafka_AclOperation_t as Operation;
    let named = [
        (Operation::RD_KAFKA_ACL_OPERATION_READ, "Read"),
        (Operation::RD_KAFKA_ACL_OPERATION_WRITE, "Write"),
        (Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE, "Describe"),
        (Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, "DescribeConfigs"),
    ];
    // SAFETY: by the contract above.
    let told = unsafe { list(first.cast_mut(), count) };
    let names = named.iter().filter(|(operation, _)| told.contains(operation)).map(|(_, name)| *name);
    Allowed(names.collect())
}

/// # Safety
/// `first` is null, or the first of `count` elements that live as long as what is made of them.
unsafe fn list<'a, T>(first: *mut T, count: usize) -> &'a [T] {
    // SAFETY: by the contract above; a null pointer has no elements.
    if first.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(first, count) } }
}

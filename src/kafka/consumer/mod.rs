//! The lane's consumer: a member of the group that hands out records in batches and leaves every decision about
//! partitions, offsets and commits to the lane.

mod coordinator_contact;
mod events;
mod fast_rebalance;
mod first_offsets;
mod inbox;
mod input_topic;
mod out_of_range;
mod partition_events;
mod source;
#[cfg(test)]
mod tests;

pub use source::KafkaSource;

//! The lane's consumer: a member of the group that hands out records in batches and leaves every decision about
//! partitions, offsets and commits to the lane. Beside it a consumer without a group, which reads ranges.

mod coordinator_contact;
mod events;
mod fast_rebalance;
mod first_offsets;
mod inbox;
mod input_topic;
mod out_of_range;
mod partition_events;
mod range_source;
mod source;
#[cfg(test)]
mod tests;

pub use range_source::RangeSource;
pub use source::KafkaSource;

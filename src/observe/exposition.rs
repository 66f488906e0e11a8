//! The encoder of metrics, with its ceremony folded away.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Writes families one after the other.
pub(super) struct Out<'a> {
    pub(super) encoder: DescriptorEncoder<'a>,
}

impl Out<'_> {
    pub(super) fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        fill: impl FnOnce(&mut Family<'_>) -> fmt::Result,
    ) -> fmt::Result {
        fill(&mut Family { encoder: self.encoder.encode_descriptor(name, help, None, kind)? })
    }
}

pub(super) struct Family<'a> {
    encoder: MetricEncoder<'a>,
}

impl Family<'_> {
    pub(super) fn counter(&mut self, labels: &[(&str, &str)], value: u64) -> fmt::Result {
        if labels.is_empty() {
            return self.encoder.encode_counter::<NoLabelSet, _, f64>(&value, None);
        }
        self.encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    pub(super) fn gauge(&mut self, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        if labels.is_empty() {
            return self.encoder.encode_gauge(&value);
        }
        self.encoder.encode_family(&labels)?.encode_gauge(&value)
    }

    pub(super) fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        sum: f64,
        count: u64,
        buckets: &[(f64, u64)],
    ) -> fmt::Result {
        self.encoder.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }

    pub(super) fn info(&mut self, labels: &[(&str, &str)]) -> fmt::Result {
        self.encoder.encode_info(&labels)
    }
}

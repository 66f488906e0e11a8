//! The encoder of metrics, with its ceremony folded away: a family's labels are named once, with the family.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The series of one family. Values of labels come in the order of the family's labels.
pub(super) struct Series<'a> {
    encoder: MetricEncoder<'a>,
    kind: MetricType,
    labels: &'static [&'static str],
}

impl<'a> Series<'a> {
    /// Writes the family's head.
    pub(super) fn begin(
        encoder: &'a mut DescriptorEncoder<'_>,
        name: &'a str,
        help: &str,
        kind: MetricType,
        labels: &'static [&'static str],
    ) -> Result<Series<'a>, fmt::Error> {
        Ok(Series { encoder: encoder.encode_descriptor(name, help, None, kind)?, kind, labels })
    }

    fn labelled<'v>(&self, values: &[&'v str]) -> Vec<(&'static str, &'v str)> {
        debug_assert_eq!(self.labels.len(), values.len(), "labels and values: {:?}, {values:?}", self.labels);
        self.labels.iter().copied().zip(values.iter().copied()).collect()
    }

    /// A whole number, as a counter or a gauge.
    pub(super) fn count(&mut self, values: &[&str], count: u64) -> fmt::Result {
        if !matches!(self.kind, MetricType::Counter) {
            return self.gauge(values, count as f64);
        }
        if values.is_empty() {
            return self.encoder.encode_counter::<NoLabelSet, _, f64>(&count, None);
        }
        let labels = self.labelled(values);
        self.encoder.encode_family(&labels.as_slice())?.encode_counter::<NoLabelSet, _, f64>(&count, None)
    }

    pub(super) fn gauge(&mut self, values: &[&str], value: f64) -> fmt::Result {
        if values.is_empty() {
            return self.encoder.encode_gauge(&value);
        }
        let labels = self.labelled(values);
        self.encoder.encode_family(&labels.as_slice())?.encode_gauge(&value)
    }

    pub(super) fn histogram(&mut self, values: &[&str], sum: f64, count: u64, buckets: &[(f64, u64)]) -> fmt::Result {
        let labels = self.labelled(values);
        self.encoder.encode_family(&labels.as_slice())?.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }

    pub(super) fn info(&mut self, values: &[&str]) -> fmt::Result {
        let labels = self.labelled(values);
        self.encoder.encode_info(&labels.as_slice())
    }
}

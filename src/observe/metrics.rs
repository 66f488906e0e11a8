//! `/metrics` for Prometheus: the families of [`super::table`] in its order.
//!
//! Nothing is copied on a record's way: a scrape reads the lanes' counters where they stand, so while records move the
//! two sides of their equation may differ by what moved in between.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::exposition::Series;
use super::lane_status::{self, Field};
use super::readings::{self, Scrape, each_lane};
use super::state::AdminState;
use super::table::metrics;

/// What the text is: OpenMetrics 1.0, which Prometheus reads since 2.5.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PREFIX: &str = "scorewire";

/// A family of `/metrics`.
pub struct Metric {
    name: &'static str,
    /// Without a full stop.
    pub help: &'static str,
    pub kind: MetricType,
    pub labels: &'static [&'static str],
    read: fn(&Scrape<'_>, &mut Series<'_>) -> fmt::Result,
    /// What `/status` tells of each lane.
    pub(super) field: Option<Field>,
}

impl Metric {
    /// As it stands in `/metrics`, and in what is asked of Prometheus. A histogram's series have `_bucket`, `_sum` and
    /// `_count` behind it.
    pub fn full_name(&self) -> String {
        let suffix = match self.kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            _ => "",
        };
        format!("{PREFIX}_{}{suffix}", self.name)
    }

    /// The field of each lane that `/status` has of it: `records.received` is `received` in the object `records`.
    pub fn field_of_lane(&self) -> Option<&'static str> {
        self.field.as_ref().map(|field| field.path)
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metric").field("name", &self.name).field("help", &self.help).finish_non_exhaustive()
    }
}

macro_rules! catalogue {
    (
        numbers { $(
            $number:ident: $number_kind:ident $number_help:literal
            $(#[$number_doc:meta])* in $counter:ident $(=> $place:literal $path:literal)?;
        )* }
        families { $(
            $family:ident: $family_kind:ident [$($label:ident)*] $family_help:literal
            $( $(#[$family_doc:meta])* in $field:ident: $type:ty $(=> $at:literal $way:literal by $show:ident)? )?;
        )* }
    ) => {
        /// Every metric there is.
        pub static METRICS: &[Metric] = &[
            $(Metric {
                name: stringify!($number),
                help: $number_help,
                kind: MetricType::$number_kind,
                labels: &["lane"],
                read: |scrape, series| {
                    each_lane(scrape, |lane, stats| series.count(&[lane], stats.$counter.get()))
                },
                field: Field::first(&[$(Field::new($place, $path, |_, stats| stats.$counter.get().into()))?]),
            },)*
            $(Metric {
                name: stringify!($family),
                help: $family_help,
                kind: MetricType::$family_kind,
                labels: &[$(stringify!($label)),*],
                read: readings::$family,
                field: Field::first(&[$($(Field::new($at, $way, lane_status::$show))?)?]),
            },)*
        ];
    };
}

metrics!(catalogue);

/// Turns the state of the lanes into text, at each call anew.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    pub fn new(state: Arc<AdminState>) -> Metrics {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(Families { state }));
        Metrics { registry }
    }

    /// The whole exposition, of type [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(32 << 10);
        // Writing to a String cannot fail, and neither do the values written.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[derive(Debug)]
struct Families {
    state: Arc<AdminState>,
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let scrape = Scrape::of(&self.state);
        METRICS.iter().try_for_each(|metric| {
            let Metric { name, help, kind, labels, read, .. } = metric;
            read(&scrape, &mut Series::begin(&mut encoder, name, help, *kind, labels)?)
        })
    }
}

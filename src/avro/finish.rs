//! Columns that are computed of numbers of a record: ratios, differences, hours, numbers with steps behind them, and what
//! was found in arrays and maps. The walk leaves those numbers in places of their own, in whatever order the writer has
//! them; when the whole record was read, the columns are made of them.

use super::feature::{Feature, Missing, Wanted};
use super::plan::Plan;
use super::problem::PlanError;
use super::step::Step;
use super::transform::Transform;
use super::wants::place_of;
use super::zone::Zone;
use crate::error::Reject;

/// Numbers that one plan keeps at most.
pub(super) const RAW_MAX: usize = 1_024;

/// What stands in a place until the walk puts a number there: a NaN that nobody computes.
pub(super) const MISSING: f64 = f64::from_bits(0x7FF8_7363_6F72_6577);

fn is_missing(value: f64) -> bool {
    value.to_bits() == MISSING.to_bits()
}

/// What a column is computed of; numbers are places, but for the zone's.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Number(u16),
    Ratio(u16, u16),
    Difference(u16, u16),
    Hour { of: u16, zone: u16 },
    Weekday { of: u16, zone: u16 },
}

/// One column, after the walk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Computed {
    column: u16,
    source: Source,
    steps: Box<[Step]>,
    missing: Missing,
}

/// The columns that `wanted` asks to be computed, and their zones.
///
/// # Errors
/// A time zone that nobody knows, or too many numbers to keep.
pub(super) fn computed(wanted: &Wanted) -> Result<(Vec<Computed>, Vec<Zone>), PlanError> {
    let (places, count) = wanted.places();
    if count > RAW_MAX {
        let what = format!("its computed features need {count} numbers");
        return Err(PlanError::new(
            "the contract",
            what,
            format!("at most {RAW_MAX} are possible: compute some before"),
        ));
    }
    let (mut all, mut zones) = (Vec::new(), Zones::default());
    for (column, (feature, place)) in wanted.features.iter().zip(places).enumerate() {
        let Some(place) = place else { continue };
        let source = match &feature.transform {
            Transform::RatioTo(_) => Source::Ratio(place, place + 1),
            Transform::DifferenceFrom(_) => Source::Difference(place, place + 1),
            Transform::Hour(zone) => Source::Hour { of: place, zone: zones.of(zone, feature)? },
            Transform::Weekday(zone) => Source::Weekday { of: place, zone: zones.of(zone, feature)? },
            _ => Source::Number(place),
        };
        let missing = feature.missing.unwrap_or(Missing::Reject);
        all.push(Computed { column: column as u16, source, steps: feature.then.clone().into(), missing });
    }
    Ok((all, zones.all))
}

/// Zones, each once.
#[derive(Default)]
struct Zones<'w> {
    names: Vec<&'w str>,
    all: Vec<Zone>,
}

impl<'w> Zones<'w> {
    /// The place of a feature's zone among them.
    fn of(&mut self, name: &'w str, feature: &Feature) -> Result<u16, PlanError> {
        if let Some(at) = self.names.iter().position(|known| *known == name) {
            return Ok(at as u16);
        }
        let unknown = |fix| PlanError::new(place_of(feature), format!("its time zone {name:?} is not known"), fix);
        self.all.push(Zone::named(name).map_err(unknown)?);
        self.names.push(name);
        Ok(self.names.len() as u16 - 1)
    }
}

impl Plan {
    /// Makes the computed columns of the numbers that the walk left.
    ///
    /// # Errors
    /// A number that is missing where that is rejected, or one outside what its column accepts.
    pub(super) fn compute(&self, raw: &[f64], row: &mut [f32]) -> Result<(), Reject> {
        for computed in &self.computed {
            let column = computed.column;
            let value = self.source(computed.source, raw);
            if is_missing(value) {
                row[usize::from(column)] = match computed.missing {
                    Missing::Reject => return Err(Reject::MissingFeature(column)),
                    Missing::Nan => f32::NAN,
                    Missing::Constant(constant) => constant,
                };
                continue;
            }
            let value = computed.steps.iter().fold(value, |value, step| step.of(value));
            if self.ranges[usize::from(column)].holds(value) {
                row[usize::from(column)] = value as f32;
            } else {
                self.outside(row, column, value)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn source(&self, source: Source, raw: &[f64]) -> f64 {
        let at = |place: u16| raw[usize::from(place)];
        match source {
            Source::Number(of) => at(of),
            Source::Ratio(one, other) | Source::Difference(one, other)
                if is_missing(at(one)) || is_missing(at(other)) =>
            {
                MISSING
            }
            // There is no such ratio: as where one of the two is missing.
            Source::Ratio(_, other) if at(other) == 0.0 => MISSING,
            Source::Ratio(one, other) => at(one) / at(other),
            Source::Difference(one, other) => at(one) - at(other),
            Source::Hour { of, .. } | Source::Weekday { of, .. } if is_missing(at(of)) => MISSING,
            Source::Hour { of, zone } => self.zones[usize::from(zone)].hour(at(of)),
            Source::Weekday { of, zone } => self.zones[usize::from(zone)].weekday(at(of)),
        }
    }
}

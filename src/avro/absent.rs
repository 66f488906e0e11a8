//! What a plan does for values that are not there, and what it tells about pairs of schemas that fit and still deserve
//! a look.

use serde_json::Value as Json;

use super::compile::{Compiler, milliseconds_divisor};
use super::feature::{Missing, Transform};
use super::graph::{Kind, NodeId};
use super::logical::Logical;
use super::meaning;
use super::ops::{Meaning, Op};
use super::problem::{PlanError, shortened};
use super::wants::{Use, Want};
use crate::error::Reject;

const FIX_NEVER: &str = "add the field to the writer's schema (or an alias to the reader's, where it was renamed), or \
                         declare another missing policy";

/// Remarks on one pair of schemas at most.
const REMARKS_MAX: usize = 512;

impl Compiler<'_> {
    /// What a null means to everything wanted at or below it.
    pub fn missing(&self, want: &Want) -> Vec<Op> {
        let mut ops = Vec::new();
        let mut rejected: Option<u16> = None;
        for wanted in want.all_uses() {
            // What columns are computed of is missing until something is read.
            let Use::Feature(column) = wanted else { continue };
            let feature = self.feature(column);
            match (feature.transform.of_presence(false), feature.missing) {
                (Some(value), _) => ops.push(Op::Constant { column, value }),
                (_, Some(Missing::Nan)) => ops.push(Op::Constant { column, value: f32::NAN }),
                (_, Some(Missing::Constant(value))) => ops.push(Op::Constant { column, value }),
                // Without a policy the reader's path cannot be null: only this writer's can.
                (_, Some(Missing::Reject) | None) => rejected = Some(rejected.map_or(column, |of| of.min(column))),
            }
        }
        match rejected {
            Some(column) => vec![Op::Reject(Reject::MissingFeature(column))],
            None => ops,
        }
    }

    /// What the writer never gives: each of its records has nothing there.
    ///
    /// # Errors
    /// As [`Compiler::note_never_given`].
    pub fn never_given(&mut self, want: &Want) -> Result<(), PlanError> {
        self.note_never_given(want)?;
        self.missing(want).into_iter().try_for_each(|op| self.emit.push(op))
    }

    /// # Errors
    /// When a feature's policy rejects what is missing: every record of this writer would be a dead letter.
    pub fn note_never_given(&mut self, want: &Want) -> Result<(), PlanError> {
        for wanted in want.all_uses() {
            if let Some(column) = wanted.column()
                && self.feature(column).transform.of_presence(false).is_none()
                && matches!(self.feature(column).missing, Some(Missing::Reject) | None)
            {
                let what = "this writer never gives it, and its missing policy is \"reject\"";
                return Err(PlanError::new(self.place_of(wanted), what, FIX_NEVER));
            }
        }
        self.name_never_given(want);
        Ok(())
    }

    fn name_never_given(&mut self, want: &Want) {
        for wanted in want.all_uses() {
            let name = match wanted {
                Use::Feature(column) | Use::Raw { column, .. } => format!("feature `{}`", self.feature(column).name),
                Use::TransactionId => "transaction id".to_owned(),
                Use::EventTime => "event time".to_owned(),
            };
            if !self.plan.never_given.contains(&name) {
                self.plan.never_given.push(name);
            }
        }
    }

    /// A field that the writer does not have: the reader's default.
    ///
    /// # Errors
    /// A default that does not fit, or one that is null where a missing value is rejected.
    pub fn absent(&mut self, r: NodeId, default: &Json, want: &Want) -> Result<(), PlanError> {
        self.name_never_given(want);
        self.default(r, default, want)
    }

    /// The reader's default, as the constants it amounts to.
    fn default(&mut self, r: NodeId, default: &Json, want: &Want) -> Result<(), PlanError> {
        let node = self.reader.branches(r).into_iter().find(|&branch| meaning::fits_json(self.reader, branch, default));
        let Some(node) = node else {
            let what = format!("the default of its {} does not fit the type", self.reader.describe(r));
            return Err(PlanError::new(self.place(want), what, "correct the default in the reader's schema"));
        };
        if self.reader.is_null(node) {
            return self.never_given(want);
        }
        for &wanted in &want.uses {
            let op = match wanted {
                Use::Feature(column) => {
                    let value = meaning::of_default(self.feature(column), self.reader, node, default);
                    let value = value.map_err(|what| {
                        PlanError::new(self.place(want), what, "correct the default in the reader's schema")
                    })?;
                    Op::Constant { column, value }
                }
                Use::Raw { column, place } => {
                    let value = meaning::raw_of_default(self.feature(column), self.reader, node, default);
                    let value = value.map_err(|what| {
                        PlanError::new(self.place(want), what, "correct the default in the reader's schema")
                    })?;
                    let divisor = match self.is_time(column, node) {
                        true => milliseconds_divisor([&Logical::None, &self.reader.node(node).logical]),
                        false => 1,
                    };
                    self.plan.constants.push(value / divisor as f64);
                    Op::RawConstant { place, index: self.plan.constants.len() as u32 - 1 }
                }
                Use::TransactionId => {
                    let what = "the writer does not have it, and a default would name every record alike";
                    return Err(PlanError::new(
                        self.place(want),
                        what,
                        "make it nullable with default null, or write it",
                    ));
                }
                Use::EventTime => {
                    let divisor = milliseconds_divisor([&Logical::None, &self.reader.node(node).logical]);
                    Op::EventTime(default.as_i64().unwrap_or_default().div_euclid(divisor))
                }
            };
            self.emit.push(op)?;
        }
        let reader = self.reader;
        if let Kind::Map(values) = reader.kind(node) {
            for (key, want) in &want.keys {
                if let Some(default) = default.get(key) {
                    self.default(*values, default, want)?;
                }
            }
        }
        let Kind::Record(fields) = reader.kind(node) else { return Ok(()) };
        for field in fields {
            let Some(want) = want.fields.get(&field.name) else { continue };
            match default.get(&field.name).or(field.default.as_ref()) {
                Some(default) => self.default(field.node, default, want)?,
                None => {
                    let what = format!("the default of a record lacks its field `{}`", field.name);
                    return Err(PlanError::new(self.place(want), what, "complete the default in the reader's schema"));
                }
            }
        }
        Ok(())
    }

    /// Tells of numbers whose unit or scale nobody holds against anything, or that a tensor cannot hold.
    ///
    /// # Errors
    /// An event's time in a unit that is not known.
    pub fn remark_number(&mut self, w: NodeId, r: NodeId, uses: &[Use], want: &Want) -> Result<(), PlanError> {
        let (written, read) = (&self.writer.node(w).logical, &self.reader.node(r).logical);
        if matches!(written, Logical::Unclear(_)) && uses.contains(&Use::EventTime) {
            let what = format!("the unit of the writer's {} is not known", self.writer.describe(w));
            return Err(PlanError::new(self.place(want), what, "write it as timestamp-millis, -micros or -nanos"));
        }
        for &wanted in uses {
            let Some(column) = wanted.column() else { continue };
            let place = self.place_of(wanted);
            if self.is_time(column, r) {
                continue;
            }
            if read.timestamp().is_some() {
                self.remark(format!(
                    "{place} is a timestamp as a plain number: as float32 it is exact to two minutes only; take {} instead, \
                     with transform =",
                    Transform::OF_TIMES
                ));
            } else if *read == Logical::None && *written != Logical::None {
                self.remark(format!(
                    "{place}: the writer says {}, the package's reader schema says nothing: the number is taken as it is",
                    written.name()
                ));
            }
        }
        Ok(())
    }

    /// Tells of symbols that the reader does not have, and what each feature makes of them.
    pub fn remark_symbols(&mut self, symbols: &[String], r: NodeId, uses: &[Use]) {
        let Kind::Enum { symbols: known, default } = self.reader.kind(r) else { return };
        let new: Vec<&str> =
            symbols.iter().map(String::as_str).filter(|new| !known.iter().any(|of| of == new)).collect();
        if new.is_empty() {
            return;
        }
        for &wanted in uses {
            let Some(column) = wanted.column() else { continue };
            let meant = match (default, meaning::of_unknown(self.feature(column))) {
                (Some(default), _) => format!("read as the reader's default {default}"),
                (None, Meaning::Value(value)) => format!("scored as {value}, as the contract says of all others"),
                (None, Meaning::UnknownSymbol) => {
                    format!("dead letters ({})", Reject::UnknownSymbol(column).reason())
                }
                (None, Meaning::OutOfRange) => {
                    format!("dead letters ({})", Reject::FeatureOutOfRange(column).reason())
                }
            };
            let place = self.place_of(wanted);
            self.remark(format!(
                "{place}: the writer's enum has symbols that the package's reader schema lacks ({}): they are {meant}",
                new.join(", ")
            ));
        }
    }

    pub fn remark(&mut self, text: String) {
        let remarks = &mut self.plan.remarks;
        let text = shortened(text);
        if remarks.len() < REMARKS_MAX {
            if !remarks.contains(&text) {
                remarks.push(text);
            }
        } else if remarks.len() == REMARKS_MAX {
            remarks.push(format!("there are more than {REMARKS_MAX} remarks on it"));
        }
    }
}

//! From a writer's schema, a reader's schema and what is wanted to a [`Plan`].
//!
//! Only what is wanted is resolved: a field that no feature needs may change in any way, and is still walked over
//! exactly as the writer's schema says.

use super::feature::{Feature, Transform, Wanted};
use super::finish;
use super::graph::{Graph, Kind, NodeId};
use super::logical::{Logical, Unit};
use super::meaning::{self, meaning};
use super::ops::{EnumSink, Op, Range, Sink, TextSink, Wire};
use super::plan::Plan;
use super::problem::PlanError;
use super::resolve::{self, Terms};
use super::schemas::AvroSchema;
use super::skip::Emitter;
use super::wants::{Use, Want, place_of};
use crate::error::Reject;

const FIX_WRITER: &str = "register a schema that resolves to the package's reader schema, or change the package";

impl Plan {
    /// Compiles how records of `writer` become rows of `wanted`, whose paths are those of `reader`.
    ///
    /// # Errors
    /// A path that the reader's schema lacks, a type that does not fit its use, a nullable feature without a missing
    /// policy, or a writer's schema that cannot be resolved where something is wanted.
    pub fn compile(writer: &AvroSchema, reader: &AvroSchema, wanted: &Wanted) -> Result<Plan, PlanError> {
        let (writer, reader) = (writer.graph(), reader.graph());
        let want = Want::new(reader, wanted)?;
        let ranges = wanted.features.iter().map(Range::of).collect();
        let (computed, zones) = finish::computed(wanted)?;
        let raw_len = wanted.places().1;
        let plan = Plan { ranges, raw_len, computed, zones, ..Plan::default() };
        let mut compiler = Compiler { writer, reader, wanted, emit: Emitter::new(writer), plan };
        compiler.value(writer.root, reader.root, &want)?;
        compiler.emit.finish()?;
        let Emitter { ops, targets, .. } = compiler.emit;
        Ok(Plan { ops, targets, ..compiler.plan })
    }
}

pub(super) struct Compiler<'a> {
    pub writer: &'a Graph,
    pub reader: &'a Graph,
    wanted: &'a Wanted,
    pub emit: Emitter<'a>,
    pub plan: Plan,
}

impl Compiler<'_> {
    pub fn feature(&self, column: u16) -> &Feature {
        &self.wanted.features[usize::from(column)]
    }

    /// Names the first use of a place, for messages.
    pub fn place(&self, want: &Want) -> String {
        want.all_uses().first().map_or_else(|| "the reader's schema".into(), |&first| self.place_of(first))
    }

    pub fn place_of(&self, wanted: Use) -> String {
        match wanted {
            Use::Feature(column) | Use::Raw { column, .. } => place_of(self.feature(column)),
            Use::TransactionId => {
                format!("transaction id ({})", self.wanted.transaction_id.as_deref().unwrap_or(""))
            }
            Use::EventTime => format!("event time ({})", self.wanted.event_time.as_deref().unwrap_or("")),
        }
    }

    fn problem(&self, want: &Want, what: impl Into<String>) -> PlanError {
        PlanError::new(self.place(want), what, FIX_WRITER)
    }

    /// Reads a value of the writer's type `w` as the reader's type `r`.
    pub fn value(&mut self, w: NodeId, r: NodeId, want: &Want) -> Result<(), PlanError> {
        if want.is_empty() {
            return self.emit.skip(w);
        }
        match self.writer.kind(w) {
            Kind::Union(branches) => self.union(branches, r, want),
            Kind::Null => self.never_given(want),
            _ => {
                let r = self.reader_branch(w, r, want).map_err(|why| self.problem(want, why))?;
                self.typed(w, r, want)
            }
        }
    }

    fn reader_branch(&self, w: NodeId, r: NodeId, want: &Want) -> Result<NodeId, String> {
        let terms = Terms {
            at_top: w == self.writer.root,
            time_only: want.fields.is_empty() && want.uses.iter().all(|wanted| *wanted == Use::EventTime),
        };
        resolve::reader_branch(self.writer, w, self.reader, r, terms)
    }

    /// A writer's union: each branch is resolved on its own, and one that does not resolve rejects the records
    /// that use it, as Avro's rules ask.
    fn union(&mut self, branches: &[NodeId], r: NodeId, want: &Want) -> Result<(), PlanError> {
        let resolved: Vec<Result<NodeId, String>> = branches
            .iter()
            .filter(|&&branch| !self.writer.is_null(branch))
            .map(|&branch| self.reader_branch(branch, r, want))
            .collect();
        if resolved.is_empty() {
            self.note_never_given(want)?;
        }
        if let Some(Err(why)) = resolved.first()
            && resolved.iter().all(Result::is_err)
        {
            return Err(self.problem(want, why));
        }
        for why in resolved.iter().filter_map(|branch| branch.as_ref().err()) {
            let place = self.place(want);
            self.remark(format!("{place}: {why}: records with such a value are dead letters"));
        }
        let mut resolved = resolved.into_iter();
        let mut layout = self.emit.open_union(branches, self.missing(want))?;
        for (index, &branch) in branches.iter().enumerate() {
            if self.writer.is_null(branch) {
                continue;
            }
            self.emit.open_branch(&mut layout, index);
            match resolved.next() {
                Some(Ok(r)) => self.typed(branch, r, want)?,
                _ => self.emit.push(Op::Reject(Reject::IncompatibleSchema))?,
            }
            self.emit.close_branch(&mut layout)?;
        }
        self.emit.close_union(layout)
    }

    /// Neither type is a union, and they fit.
    fn typed(&mut self, w: NodeId, r: NodeId, want: &Want) -> Result<(), PlanError> {
        let mut uses = Vec::with_capacity(want.uses.len());
        for &wanted in &want.uses {
            let answer = match wanted {
                Use::Feature(column) => self.feature(column).transform.of_presence(true).map(|value| (column, value)),
                Use::Raw { .. } | Use::TransactionId | Use::EventTime => None,
            };
            match answer {
                Some((column, value)) => self.emit.push(Op::Constant { column, value })?,
                None => uses.push(wanted),
            }
        }
        let (writer, reader) = (self.writer, self.reader);
        match (writer.kind(w), reader.kind(r)) {
            (Kind::Record(written), Kind::Record(read)) if !want.fields.is_empty() => {
                self.record(w, written, read, want)
            }
            (Kind::Array(_) | Kind::Map(_), _) if !uses.is_empty() || !want.keys.is_empty() => {
                self.within(w, r, &uses, want)
            }
            _ if uses.is_empty() => self.emit.skip(w),
            (Kind::Enum { symbols, .. }, _) => self.symbols(symbols, r, &uses),
            (Kind::Bytes | Kind::String | Kind::Fixed(_), _) => self.bytes(w, r, &uses, want),
            (Kind::Record(_), _) => {
                let (first, count) = self.columns(&uses);
                self.emit.push(Op::VariableScaleDecimal { first, count })
            }
            _ => self.number(w, r, &uses, want),
        }
    }

    fn record(
        &mut self,
        w: NodeId,
        written: &[super::graph::Field],
        read: &[super::graph::Field],
        want: &Want,
    ) -> Result<(), PlanError> {
        let wanted: Vec<_> = read.iter().filter_map(|field| Some((field, want.fields.get(&field.name)?))).collect();
        let mut sources: Vec<Option<usize>> = vec![None; written.len()];
        for (place, (field, want)) in wanted.iter().enumerate() {
            match resolve::writer_field(field, written) {
                Some(source) if sources[source].is_none() => sources[source] = Some(place),
                Some(source) => {
                    let what = format!("two of the reader's fields are read from `{}`", written[source].name);
                    return Err(PlanError::new(self.place(want), what, "correct the aliases"));
                }
                None => match &field.default {
                    Some(default) => self.absent(field.node, default, want)?,
                    None => return Err(self.no_such_field(w, &field.name, want)),
                },
            }
        }
        for (field, source) in written.iter().zip(sources) {
            match source {
                Some(place) => self.value(field.node, wanted[place].0.node, wanted[place].1)?,
                None => self.emit.skip(field.node)?,
            }
        }
        Ok(())
    }

    fn no_such_field(&self, w: NodeId, name: &str, want: &Want) -> PlanError {
        let record = self.writer.describe(w);
        let what = format!("the writer's {record} has no field `{name}`, and the reader's field has no default");
        let fix = "give the field a default or an alias in the package's reader schema, or write it";
        let is_other_record = w == self.writer.root && !resolve::same_name(self.writer, self.reader);
        PlanError { is_other_record, ..PlanError::new(self.place(want), what, fix) }
    }

    fn number(&mut self, w: NodeId, r: NodeId, uses: &[Use], want: &Want) -> Result<(), PlanError> {
        let wire = match (self.writer.kind(w), self.reader.kind(r)) {
            (Kind::Boolean, _) => Wire::Boolean,
            (Kind::Int, Kind::Float) => Wire::IntAsFloat,
            (Kind::Int, _) => Wire::Int,
            (Kind::Long, Kind::Float) => Wire::LongAsFloat,
            (Kind::Long, _) => Wire::Long,
            (Kind::Float, _) => Wire::Float,
            (Kind::Double, _) => Wire::Double,
            _ => return Err(self.problem(want, format!("{} is not a number", self.writer.describe(w)))),
        };
        self.remark_number(w, r, uses, want)?;
        if let &[Use::Feature(column)] = uses
            && self.feature(column).min.is_none()
            && self.feature(column).max.is_none()
        {
            let single = match wire {
                Wire::Boolean => Some(Op::Boolean(column)),
                Wire::Int => Some(Op::Int(column)),
                Wire::Long => Some(Op::Long(column)),
                Wire::Float => Some(Op::Float(column)),
                Wire::Double => Some(Op::Double(column)),
                Wire::IntAsFloat | Wire::LongAsFloat => None,
            };
            if let Some(op) = single {
                return self.emit.push(op);
            }
        }
        let divisor = milliseconds_divisor([&self.writer.node(w).logical, &self.reader.node(r).logical]);
        if let (&[Use::EventTime], Wire::Long, 1) = (uses, wire, divisor) {
            return self.emit.push(Op::EventTimeMillis);
        }
        let first = self.plan.sinks.len() as u32;
        for wanted in uses {
            self.plan.sinks.push(match *wanted {
                Use::Feature(column) => Sink::Column(column),
                Use::Raw { column, place } => {
                    let is_time = self.is_time(column, r);
                    Sink::Raw { place, divisor: if is_time { divisor as u32 } else { 1 }, column }
                }
                Use::TransactionId => Sink::TransactionId,
                Use::EventTime => Sink::EventTime(divisor),
            });
        }
        self.emit.push(Op::Number { wire, first, count: uses.len() as u32 })
    }

    /// Whether a computed column asks for milliseconds of the reader's type `r`.
    pub fn is_time(&self, column: u16, r: NodeId) -> bool {
        match self.feature(column).transform {
            Transform::Hour(_) | Transform::Weekday(_) => true,
            Transform::DifferenceFrom(_) => self.reader.node(r).logical.timestamp().is_some(),
            _ => false,
        }
    }

    fn symbols(&mut self, symbols: &[String], r: NodeId, uses: &[Use]) -> Result<(), PlanError> {
        let Kind::Enum { symbols: known, default } = self.reader.kind(r) else {
            return Err(PlanError::new("the reader's schema", "an enum was expected", FIX_WRITER));
        };
        let first = self.plan.enums.len() as u32;
        for wanted in uses {
            let &Use::Feature(column) = wanted else { continue };
            self.plan.enums.push(EnumSink { column, first: self.plan.meanings.len() as u32 });
            let feature = &self.wanted.features[usize::from(column)];
            for symbol in symbols {
                let symbol = resolve::reader_symbol(symbol, known, default.as_deref());
                let unknown = || meaning::of_unknown(feature);
                self.plan.meanings.push(symbol.map_or_else(unknown, |symbol| meaning(feature, symbol, known)));
            }
        }
        self.remark_symbols(symbols, r, uses);
        let count = self.plan.enums.len() as u32 - first;
        if let (&[EnumSink { column, first }], Ok(symbols)) =
            (&self.plan.enums[first as usize..], symbols.len().try_into())
        {
            return self.emit.push(Op::Symbol { symbols, column, first });
        }
        self.emit.push(Op::Enum { symbols: symbols.len() as u32, first, count })
    }

    /// Strings and bytes: text, or a decimal, whichever the reader says.
    fn bytes(&mut self, w: NodeId, r: NodeId, uses: &[Use], want: &Want) -> Result<(), PlanError> {
        if let Logical::Decimal { scale } = self.reader.node(r).logical {
            let scale = u16::try_from(scale).map_err(|_| self.problem(want, "its decimal scale is absurd"))?;
            let (first, count) = self.columns(uses);
            let op = match *self.writer.kind(w) {
                Kind::Fixed(size) => {
                    let size = u16::try_from(size).map_err(|_| self.problem(want, "its decimal is absurdly wide"))?;
                    Op::DecimalFixed { size, scale, first, count }
                }
                _ => Op::DecimalBytes { scale, first, count },
            };
            return self.emit.push(op);
        }
        if uses == [Use::TransactionId] {
            return self.emit.push(Op::TransactionText);
        }
        let first = self.plan.texts.len();
        let mut uses = uses.iter();
        while let Some(wanted) = uses.next() {
            self.plan.texts.push(match *wanted {
                Use::Feature(column) => match meaning::one_hot(column, &self.wanted.features) {
                    Some((sink, columns)) => {
                        // The columns behind it are this sink's too.
                        uses.by_ref().take(columns - 1).for_each(drop);
                        sink
                    }
                    None => meaning::of_text(column, self.feature(column)),
                },
                Use::Raw { column, place } => meaning::of_raw_text(column, place, self.feature(column)),
                _ => TextSink::TransactionId,
            });
        }
        let count = (self.plan.texts.len() - first) as u32;
        self.emit.push(Op::Text { first: first as u32, count })
    }

    /// Sinks for a number that only features can use: the first of them, and how many.
    fn columns(&mut self, uses: &[Use]) -> (u32, u32) {
        let first = self.plan.sinks.len();
        self.plan.sinks.extend(uses.iter().filter_map(|wanted| match *wanted {
            Use::Feature(column) => Some(Sink::Column(column)),
            Use::Raw { column, place } => Some(Sink::Raw { place, divisor: 1, column }),
            _ => None,
        }));
        (first as u32, (self.plan.sinks.len() - first) as u32)
    }
}

/// What a timestamp is divided by to be milliseconds: the writer's unit counts, or else the reader's, and a plain long
/// is milliseconds.
pub(super) fn milliseconds_divisor(logical: [&Logical; 2]) -> i64 {
    match logical.into_iter().find_map(Logical::timestamp) {
        None | Some(Unit::Millis) => 1,
        Some(Unit::Micros) => 1_000,
        Some(Unit::Nanos) => 1_000_000,
    }
}

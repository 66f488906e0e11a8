//! From a writer's schema, a reader's schema and what is wanted to a [`Plan`].
//!
//! Only what is wanted is resolved: a field that no feature needs may change in any way, and is still walked over
//! exactly as the writer's schema says.

use apache_avro::Schema;
use serde_json::Value as Json;

use super::feature::{Feature, Missing, Transform, Wanted};
use super::graph::{Graph, Kind, Logical, NodeId, Unit};
use super::meaning::{self, meaning};
use super::ops::{EnumSink, Meaning, Op, Range, Sink, TextSink, Wire};
use super::plan::Plan;
use super::problem::PlanError;
use super::resolve;
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
    pub fn compile(writer: &Schema, reader: &Schema, wanted: &Wanted) -> Result<Plan, PlanError> {
        let graph =
            |schema, place: &str| Graph::new(schema).map_err(|what| PlanError::new(place, what, "correct the schema"));
        let reader = graph(reader, "the reader's schema")?;
        let writer = graph(writer, "the writer's schema")?;
        let want = Want::new(&reader, wanted)?;
        let ranges = wanted.features.iter().map(|feature| Range::new(feature.min, feature.max)).collect();
        let mut compiler = Compiler {
            writer: &writer,
            reader: &reader,
            wanted,
            emit: Emitter::new(&writer),
            plan: Plan { ranges, ..Plan::default() },
        };
        compiler.value(writer.root, reader.root, &want)?;
        compiler.emit.finish()?;
        let Emitter { ops, targets, .. } = compiler.emit;
        Ok(Plan { ops, targets, ..compiler.plan })
    }
}

struct Compiler<'a> {
    writer: &'a Graph,
    reader: &'a Graph,
    wanted: &'a Wanted,
    emit: Emitter<'a>,
    plan: Plan,
}

impl Compiler<'_> {
    fn feature(&self, column: u16) -> &Feature {
        &self.wanted.features[usize::from(column)]
    }

    /// Names the first use of a place, for messages.
    fn place(&self, want: &Want) -> String {
        match want.all_uses().first() {
            Some(&Use::Feature(column)) => place_of(self.feature(column)),
            Some(Use::TransactionId) => {
                format!("transaction id ({})", self.wanted.transaction_id.as_deref().unwrap_or(""))
            }
            Some(Use::EventTime(_)) => format!("event time ({})", self.wanted.event_time.as_deref().unwrap_or("")),
            None => "the reader's schema".into(),
        }
    }

    fn problem(&self, want: &Want, what: impl Into<String>) -> PlanError {
        PlanError::new(self.place(want), what, FIX_WRITER)
    }

    /// Reads a value of the writer's type `w` as the reader's type `r`.
    fn value(&mut self, w: NodeId, r: NodeId, want: &Want) -> Result<(), PlanError> {
        if want.is_empty() {
            return self.emit.skip(w);
        }
        match self.writer.kind(w) {
            Kind::Union(branches) => self.union(branches, r, want),
            Kind::Null => self.missing(want).into_iter().try_for_each(|op| self.emit.push(op)),
            _ => {
                let why = resolve::reader_branch(self.writer, w, self.reader, r);
                let r = why.map_err(|why| self.problem(want, why))?;
                self.typed(w, r, want)
            }
        }
    }

    /// A writer's union: each branch is resolved on its own, and one that does not resolve rejects the records
    /// that use it, as Avro's rules ask.
    fn union(&mut self, branches: &[NodeId], r: NodeId, want: &Want) -> Result<(), PlanError> {
        let resolved: Vec<Result<NodeId, String>> = branches
            .iter()
            .filter(|&&branch| !self.writer.is_null(branch))
            .map(|&branch| resolve::reader_branch(self.writer, branch, self.reader, r))
            .collect();
        if let Some(Err(why)) = resolved.first()
            && resolved.iter().all(Result::is_err)
        {
            return Err(self.problem(want, why));
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
            match wanted {
                Use::Feature(column) if self.feature(column).transform == Transform::IsPresent => {
                    self.emit.push(Op::Constant { column, value: 1.0 })?;
                }
                _ => uses.push(wanted),
            }
        }
        let (writer, reader) = (self.writer, self.reader);
        match (writer.kind(w), reader.kind(r)) {
            (Kind::Record(written), Kind::Record(read)) if !want.fields.is_empty() => {
                self.record(w, written, read, want)
            }
            _ if uses.is_empty() => self.emit.skip(w),
            (Kind::Enum { symbols, .. }, _) => self.symbols(symbols, r, &uses),
            (Kind::Bytes | Kind::String | Kind::Fixed(_), _) => self.bytes(w, r, &uses, want),
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
                    Some(default) => self.default(field.node, default, want)?,
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
        PlanError::new(self.place(want), what, fix)
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
        if let (&[Use::EventTime(misplaced)], Wire::Long) = (uses, wire) {
            let logical = [self.reader.node(r).logical, self.writer.node(w).logical, misplaced];
            if milliseconds_divisor(logical) == 1 {
                return self.emit.push(Op::EventTimeMillis);
            }
        }
        let logical = (self.writer.node(w).logical, self.reader.node(r).logical);
        let first = self.plan.sinks.len() as u32;
        for wanted in uses {
            self.plan.sinks.push(match *wanted {
                Use::Feature(column) => Sink::Column(column),
                Use::TransactionId => Sink::TransactionId,
                Use::EventTime(misplaced) => Sink::EventTime(milliseconds_divisor([logical.1, logical.0, misplaced])),
            });
        }
        self.emit.push(Op::Number { wire, first, count: uses.len() as u32 })
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
                let meaning = symbol.map_or(Meaning::UnknownSymbol, |symbol| meaning(feature, symbol, known));
                self.plan.meanings.push(meaning);
            }
        }
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
        let count = uses.len() as u32;
        if let Logical::Decimal { scale } = self.reader.node(r).logical {
            let scale = u16::try_from(scale).map_err(|_| self.problem(want, "its decimal scale is absurd"))?;
            let first = self.plan.sinks.len() as u32;
            self.plan.sinks.extend(uses.iter().filter_map(|wanted| match *wanted {
                Use::Feature(column) => Some(Sink::Column(column)),
                _ => None,
            }));
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
        let first = self.plan.texts.len() as u32;
        for wanted in uses {
            self.plan.texts.push(match *wanted {
                Use::Feature(column) => meaning::of_text(column, self.feature(column)),
                _ => TextSink::TransactionId,
            });
        }
        self.emit.push(Op::Text { first, count })
    }

    /// What a null means to everything wanted at or below it.
    fn missing(&self, want: &Want) -> Vec<Op> {
        let mut ops = Vec::new();
        let mut rejected: Option<u16> = None;
        for wanted in want.all_uses() {
            let Use::Feature(column) = wanted else { continue };
            let feature = self.feature(column);
            match (&feature.transform, feature.missing) {
                (Transform::IsPresent, _) => ops.push(Op::Constant { column, value: 0.0 }),
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

    /// A field that the writer does not have: the reader's default, as the constants it amounts to.
    fn default(&mut self, r: NodeId, default: &Json, want: &Want) -> Result<(), PlanError> {
        let node = self.reader.branches(r).into_iter().find(|&branch| meaning::fits_json(self.reader, branch, default));
        let Some(node) = node else {
            let what = format!("the default of its {} does not fit the type", self.reader.describe(r));
            return Err(PlanError::new(self.place(want), what, "correct the default in the reader's schema"));
        };
        if self.reader.is_null(node) {
            return self.missing(want).into_iter().try_for_each(|op| self.emit.push(op));
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
                Use::TransactionId => {
                    let what = "the writer does not have it, and a default would name every record alike";
                    return Err(PlanError::new(
                        self.place(want),
                        what,
                        "make it nullable with default null, or write it",
                    ));
                }
                Use::EventTime(misplaced) => {
                    let divisor = milliseconds_divisor([self.reader.node(node).logical, misplaced, Logical::None]);
                    Op::EventTime(default.as_i64().unwrap_or_default().div_euclid(divisor))
                }
            };
            self.emit.push(op)?;
        }
        let reader = self.reader;
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
}

/// What a timestamp is divided by to be milliseconds: the first unit that is named counts, and a plain long is
/// milliseconds.
fn milliseconds_divisor(logical: [Logical; 3]) -> i64 {
    let unit = logical.into_iter().find_map(|logical| match logical {
        Logical::Timestamp(unit) | Logical::LocalTimestamp(unit) => Some(unit),
        _ => None,
    });
    match unit {
        None | Some(Unit::Millis) => 1,
        Some(Unit::Micros) => 1_000,
        Some(Unit::Nanos) => 1_000_000,
    }
}

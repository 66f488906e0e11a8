//! Operations that walk over what the model does not need: merged where nothing has to be looked at.

use std::collections::HashMap;

use super::graph::{Graph, Kind, NodeId};
use super::ops::{Nullable, Op};
use super::problem::PlanError;

/// Operations of one plan at most: a small schema can expand to any size by naming its types over and over.
const OPS_MAX: usize = 1 << 16;

/// Types that one plan walks over at most, each as often as it stands there: neighbours that merge into one operation
/// cost time all the same.
const VISITS_MAX: usize = 1 << 18;

/// Types nested in each other, without recursion, at most.
const NESTING_MAX: u32 = 128;

/// The list of operations under construction.
pub(super) struct Emitter<'a> {
    pub writer: &'a Graph,
    pub ops: Vec<Op>,
    pub targets: Vec<u32>,
    /// No merging across this place: something jumps here.
    barrier: usize,
    /// Handling of a null, emitted behind the end so that the usual way has no jump: where it is chosen, what it
    /// does, and where the walk goes on.
    nulls: Vec<(usize, Vec<Op>, u32)>,
    recursive: Vec<bool>,
    /// Starts of the recursive records emitted so far, and the calls that wait for one.
    subroutines: HashMap<NodeId, u32>,
    calls: Vec<(usize, NodeId)>,
    sizes: HashMap<NodeId, Option<u64>>,
    nesting: u32,
    visits: usize,
}

/// A union under construction.
pub(super) enum UnionLayout {
    /// Null and one other type: the place of the choice, and what null does.
    Nullable { choice: usize, nulls: Vec<Op> },
    /// Any other: the first of its targets, and the jumps at its branches' ends.
    Table { first: usize, jumps: Vec<usize> },
}

impl<'a> Emitter<'a> {
    pub fn new(writer: &'a Graph) -> Emitter<'a> {
        Emitter {
            writer,
            ops: Vec::new(),
            targets: Vec::new(),
            barrier: 0,
            nulls: Vec::new(),
            recursive: writer.recursive(),
            subroutines: HashMap::new(),
            calls: Vec::new(),
            sizes: HashMap::new(),
            nesting: 0,
            visits: 0,
        }
    }

    /// The place of the next operation.
    pub fn here(&self) -> u32 {
        self.ops.len() as u32
    }

    /// The same, as a place that something jumps to.
    pub fn label(&mut self) -> u32 {
        self.barrier = self.ops.len();
        self.here()
    }

    /// Appends an operation, or merges a skip into the one before it.
    ///
    /// # Errors
    /// When the plan grows beyond its limit.
    pub fn push(&mut self, op: Op) -> Result<(), PlanError> {
        if self.ops.len() > self.barrier
            && let Some(last) = self.ops.last_mut()
            && let Some(merged) = merged(*last, op)
        {
            *last = merged;
            return Ok(());
        }
        if self.ops.len() >= OPS_MAX {
            return Err(too_large(format!("it expands to more than {OPS_MAX} operations")));
        }
        self.ops.push(op);
        Ok(())
    }

    /// Starts a choice among a writer's branches; `nulls` is what its null does. With null and one other type the
    /// null's handling goes out of the way of the other.
    ///
    /// # Errors
    /// When the plan grows beyond its limit.
    pub fn open_union(&mut self, branches: &[NodeId], nulls: Vec<Op>) -> Result<UnionLayout, PlanError> {
        let null = branches.iter().position(|&branch| self.writer.is_null(branch));
        let choice = self.ops.len();
        if let (2, Some(null)) = (branches.len(), null) {
            self.push(Op::UnlessNull { null: 2 * null as u8, target: 0 })?;
            return Ok(UnionLayout::Nullable { choice, nulls });
        }
        let first = self.targets.len();
        self.targets.resize(first + branches.len(), 0);
        self.push(Op::Branch { count: branches.len() as u32, first: first as u32 })?;
        let mut layout = UnionLayout::Table { first, jumps: Vec::new() };
        if let Some(null) = null {
            self.open_branch(&mut layout, null);
            nulls.into_iter().try_for_each(|op| self.push(op))?;
            self.close_branch(&mut layout)?;
        }
        Ok(layout)
    }

    /// What follows belongs to the branch of this index, which is not null.
    pub fn open_branch(&mut self, layout: &mut UnionLayout, index: usize) {
        if let UnionLayout::Table { first, .. } = layout {
            self.targets[*first + index] = self.label();
        }
    }

    /// # Errors
    /// When the plan grows beyond its limit.
    pub fn close_branch(&mut self, layout: &mut UnionLayout) -> Result<(), PlanError> {
        if let UnionLayout::Table { jumps, .. } = layout {
            jumps.push(self.label() as usize);
            self.push(Op::Jump(0))?;
        }
        Ok(())
    }

    /// # Errors
    /// When the plan grows beyond its limit.
    pub fn close_union(&mut self, layout: UnionLayout) -> Result<(), PlanError> {
        match layout {
            UnionLayout::Nullable { choice, nulls } => {
                let fused = match self.ops[choice..] {
                    [Op::UnlessNull { null, .. }, op] => nullable(null, op, &nulls),
                    _ => None,
                };
                match fused {
                    Some(op) => {
                        self.ops.truncate(choice);
                        self.push(op)?;
                        self.label();
                    }
                    None => {
                        let next = self.label();
                        self.nulls.push((choice, nulls, next));
                    }
                }
            }
            UnionLayout::Table { jumps, .. } => {
                let next = self.label();
                jumps.into_iter().for_each(|jump| self.ops[jump] = Op::Jump(next));
            }
        }
        Ok(())
    }

    /// Walks over a value of this type.
    ///
    /// # Errors
    /// When the plan grows beyond its limits.
    pub fn skip(&mut self, id: NodeId) -> Result<(), PlanError> {
        if self.visits == VISITS_MAX {
            return Err(too_large(format!("it expands to more than {VISITS_MAX} types")));
        }
        self.visits += 1;
        match self.size(id) {
            Some(0) => return Ok(()),
            Some(size) => return self.push(Op::Skip(checked_size(size)?)),
            None => {}
        }
        if self.nesting == NESTING_MAX {
            let what = format!("its types are nested deeper than {NESTING_MAX} levels");
            return Err(PlanError::new("the writer's schema", what, "flatten the schema"));
        }
        self.nesting += 1;
        let writer = self.writer;
        match writer.kind(id) {
            Kind::Boolean => self.push(Op::SkipBooleans(1))?,
            Kind::Int => self.push(Op::SkipInts(1))?,
            Kind::Long => self.push(Op::SkipLongs(1))?,
            Kind::Bytes | Kind::String => self.push(Op::SkipBytes(1))?,
            Kind::Enum { symbols, .. } => self.push(Op::SkipEnum { symbols: symbols.len() as u32 })?,
            Kind::Array(items) => match self.size(*items) {
                Some(size) => self.push(Op::SkipFixedBlocks { size: checked_size(size)? })?,
                None => self.blocks(|emitter| emitter.skip(*items))?,
            },
            Kind::Map(values) => self.blocks(|emitter| {
                emitter.push(Op::SkipBytes(1))?;
                emitter.skip(*values)
            })?,
            Kind::Union(branches) => self.skip_union(branches)?,
            Kind::Record(_) if self.recursive[id] => {
                self.calls.push((self.ops.len(), id));
                self.push(Op::SkipRecursive { start: 0 })?;
            }
            Kind::Record(fields) => fields.iter().try_for_each(|field| self.skip(field.node))?,
            Kind::Null | Kind::Float | Kind::Double | Kind::Fixed(_) => unreachable!("these have a size"),
        }
        self.nesting -= 1;
        Ok(())
    }

    fn skip_union(&mut self, branches: &[NodeId]) -> Result<(), PlanError> {
        let mut layout = self.open_union(branches, Vec::new())?;
        for (index, &branch) in branches.iter().enumerate() {
            if !self.writer.is_null(branch) {
                self.open_branch(&mut layout, index);
                self.skip(branch)?;
                self.close_branch(&mut layout)?;
            }
        }
        self.close_union(layout)
    }

    /// Ends the main walk, and appends what stands apart: null handling, and recursive records.
    ///
    /// # Errors
    /// When the plan grows beyond its limits.
    pub fn finish(&mut self) -> Result<(), PlanError> {
        self.label();
        self.push(Op::End)?;
        self.place_nulls()?;
        while let Some((call, id)) = self.calls.pop() {
            let start = match self.subroutines.get(&id) {
                Some(&start) => start,
                None => self.subroutine(id)?,
            };
            self.ops[call] = Op::SkipRecursive { start };
        }
        Ok(())
    }

    fn subroutine(&mut self, id: NodeId) -> Result<u32, PlanError> {
        let start = self.label();
        self.subroutines.insert(id, start);
        let writer = self.writer;
        if let Kind::Record(fields) = writer.kind(id) {
            fields.iter().try_for_each(|field| self.skip(field.node))?;
        }
        self.label();
        self.push(Op::End)?;
        self.place_nulls()?;
        Ok(start)
    }

    fn place_nulls(&mut self) -> Result<(), PlanError> {
        for (choice, ops, next) in std::mem::take(&mut self.nulls) {
            let target = if ops.is_empty() { next } else { self.label() };
            if !ops.is_empty() {
                for op in ops {
                    self.push(op)?;
                }
                self.push(Op::Jump(next))?;
            }
            if let Op::UnlessNull { target: place, .. } = &mut self.ops[choice] {
                *place = target;
            }
        }
        Ok(())
    }

    fn blocks(&mut self, item: impl FnOnce(&mut Self) -> Result<(), PlanError>) -> Result<(), PlanError> {
        let head = self.ops.len();
        self.push(Op::SkipBlocks { next: 0 })?;
        self.label();
        item(self)?;
        self.label();
        self.push(Op::End)?;
        self.ops[head] = Op::SkipBlocks { next: self.label() };
        Ok(())
    }

    /// Bytes of every value of this type, where they are the same and need no look. Booleans do need one.
    fn size(&mut self, id: NodeId) -> Option<u64> {
        if let Some(&size) = self.sizes.get(&id) {
            return size;
        }
        let writer = self.writer;
        let size = match writer.kind(id) {
            Kind::Null => Some(0),
            Kind::Float => Some(4),
            Kind::Double => Some(8),
            Kind::Fixed(size) => Some(u64::from(*size)),
            Kind::Record(fields) if !self.recursive[id] && self.nesting < NESTING_MAX => {
                self.nesting += 1;
                let size = fields.iter().try_fold(0u64, |sum, field| sum.checked_add(self.size(field.node)?));
                self.nesting -= 1;
                size
            }
            _ => None,
        };
        self.sizes.insert(id, size);
        size
    }
}

/// A choice between null and one step, as one step, where there is one for it.
fn nullable(null: u8, op: Op, nulls: &[Op]) -> Option<Op> {
    Some(match (op, nulls) {
        (Op::Skip(len), []) => Op::SkipNullable { null, len },
        (Op::SkipBytes(1), []) => Op::SkipNullableBytes { null },
        (op, &[Op::Constant { column, value: missing }]) => {
            let of = Nullable { null, column, missing };
            match op {
                Op::Double(same) if same == column => Op::NullableDouble(of),
                Op::Float(same) if same == column => Op::NullableFloat(of),
                Op::Int(same) if same == column => Op::NullableInt(of),
                Op::Long(same) if same == column => Op::NullableLong(of),
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// Two steps as one. Nothing is lost: the one rejects what the two reject, in the same order.
fn merged(last: Op, next: Op) -> Option<Op> {
    Some(match (last, next) {
        (Op::Skip(a), Op::Skip(b)) => Op::Skip(a.checked_add(b)?),
        (Op::SkipBooleans(a), Op::SkipBooleans(b)) => Op::SkipBooleans(a.checked_add(b)?),
        (Op::SkipInts(a), Op::SkipInts(b)) => Op::SkipInts(a.checked_add(b)?),
        (Op::SkipLongs(a), Op::SkipLongs(b)) => Op::SkipLongs(a.checked_add(b)?),
        (Op::SkipBytes(a), Op::SkipBytes(b)) => Op::SkipBytes(a.checked_add(b)?),
        (Op::Int(column), Op::NullableDouble(of)) => Op::IntNullableDouble(column, of),
        _ => return None,
    })
}

fn too_large(what: String) -> PlanError {
    PlanError::new("the writer's schema", what, "use fewer nested copies of large types")
}

fn checked_size(size: u64) -> Result<u32, PlanError> {
    u32::try_from(size).map_err(|_| {
        let what = format!("a value of {size} bytes is larger than any payload");
        PlanError::new("the writer's schema", what, "correct the size of its fixed types")
    })
}

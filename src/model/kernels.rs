//! Which kernel scores how many rows: measured on this machine, with this model, beside ONNX Runtime's own nodes.

use ndarray::{Array2, s};

use crate::doors::Clock;
use crate::error::Fatal;
use crate::model::curve::{Calls, measure, quartile};
use crate::model::open::SessionSettings;
use crate::model::package::Package;
use crate::model::probe::{POOL_ROWS, varied_rows};
use crate::model::runtime::Runtime;
use crate::model::session::Session;
use crate::model::trees::{Choice, Graph, Kind, ROWS_TOLD, RowsLeft};

/// Who may score a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scorer {
    Kernel(Kind),
    OnnxRuntime,
}

/// Numbers of rows that are measured. Between two of them, what a call takes is taken to lie between theirs.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// All are measured in turn, several times over, so that a slow moment of the machine touches them alike.
const ROUNDS: usize = 5;
/// Of one size by one scorer in a round.
const CALLS: Calls = Calls { min: 2, max: 40, budget_ns: 400_000 };
/// For everything; a round that has begun is finished.
const BUDGET_NS: u64 = 500_000_000;
/// A scorer whose calls take this many times the best one's is not asked again.
const HOPELESS: u64 = 2;
/// A scorer whose call takes longer is not asked for more rows: it costs as much a row from here on.
const CALL_LONG_NS: u64 = 20_000_000;
/// A kernel that spares no call more than this share of its time is not worth its memory.
const SPARED: f64 = 0.05;
/// ONNX Runtime's nodes are worth a second session when they spare more than this.
const LEFT_SPARED: f64 = 0.03;

/// What a call of one size takes by each kernel and by ONNX Runtime, in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelPoint {
    pub rows: usize,
    pub by_kernel: Vec<(&'static str, f64)>,
    /// `None`: the package's own file did not open.
    pub by_onnxruntime: Option<f64>,
}

/// The graph with the kernels that pay, and what was measured.
///
/// # Errors
/// As opening a session with one of the kernels.
pub fn choose(
    runtime: &Runtime,
    package: &Package,
    graph: &Graph,
    settings: SessionSettings,
    clock: &dyn Clock,
) -> Result<(Graph, Vec<KernelPoint>), Fatal> {
    let kinds = graph.kinds();
    if kinds.is_empty() {
        return Ok((graph.clone(), Vec::new()));
    }
    let mut measured = Vec::new();
    for kind in &kinds {
        let alone = graph.with(&Choice::only(*kind), RowsLeft::default());
        let session = Session::open(runtime, package, &alone, settings)?;
        measured.push(Measured { scorer: Scorer::Kernel(*kind), session, times: Vec::new() });
    }
    // Where the package's own file does not open, there is no such choice.
    if let Ok(session) = Session::open(runtime, package, &Graph::unchanged(), settings) {
        measured.push(Measured { scorer: Scorer::OnnxRuntime, session, times: Vec::new() });
    }
    let sizes: Vec<usize> = match measured[0].session.rows_fixed() {
        Some(fixed) => vec![fixed],
        None => SIZES.into_iter().filter(|rows| *rows <= settings.rows_max).collect(),
    };
    let pool = varied_rows(&package.golden.rows, POOL_ROWS.max(sizes[sizes.len() - 1]));
    measure_all(&mut measured, package, &pool, &sizes, clock)?;
    let costs: Vec<Costs> = measured.iter().map(|measured| Costs::of(measured, &sizes)).collect();
    let (choice, left) = chosen(&costs, |kind| graph.bytes_of(kind));
    let graph = match left.is_all() {
        true => graph.given_up("is scored sooner by ONNX Runtime, whatever the number of rows"),
        false => graph.with(&choice, left),
    };
    Ok((graph, points(&costs, &sizes)))
}

/// The kernels that [`usual`] takes.
pub const USUAL: [Kind; 3] = [Kind::Prefix, Kind::Together, Kind::Bytes];

/// The graph with kernels as they mostly pay.
pub fn usual(graph: &Graph) -> Graph {
    let kinds = graph.kinds();
    let kind = |rows: usize| match rows {
        0..8 => Kind::Prefix,
        8..40 => Kind::Together,
        _ => Kind::Bytes,
    };
    let there = |kind: Kind| if kinds.contains(&kind) { Some(kind) } else { kinds.last().copied() };
    graph.with(&Choice::of(|rows| there(kind(rows)).unwrap_or(kind(rows))), RowsLeft::default())
}

struct Measured {
    scorer: Scorer,
    session: Session,
    /// By size, as far as it was measured.
    times: Vec<Vec<u64>>,
}

fn measure_all(
    all: &mut [Measured],
    package: &Package,
    pool: &Array2<f32>,
    sizes: &[usize],
    clock: &dyn Clock,
) -> Result<(), Fatal> {
    let mut spent = 0;
    for _ in 0..ROUNDS {
        for (index, rows) in sizes.iter().enumerate() {
            let best = all.iter().filter_map(|measured| measured.times.get(index)?.iter().min().copied()).min();
            for measured in &mut *all {
                let shortest = measured.times.get(index).and_then(|times| times.iter().min().copied());
                if shortest.zip(best).is_some_and(|(shortest, best)| shortest > best.saturating_mul(HOPELESS)) {
                    continue;
                }
                let is_long = |times: &Vec<u64>| times.iter().min().is_some_and(|call_ns| *call_ns > CALL_LONG_NS);
                if measured.times.iter().take(index).any(is_long) {
                    continue;
                }
                spent += measured.add(package, pool, index, *rows, clock)?;
            }
        }
        if spent > BUDGET_NS {
            break;
        }
    }
    Ok(())
}

impl Measured {
    /// A few calls of one size. Returns the time that they took.
    fn add(
        &mut self,
        package: &Package,
        pool: &Array2<f32>,
        index: usize,
        rows: usize,
        clock: &dyn Clock,
    ) -> Result<u64, Fatal> {
        if self.times.len() == index {
            self.times.push(Vec::new());
        }
        // The first call finds its memory in no cache, and may fault it in: it is not counted.
        self.session.answer(package, pool.slice(s![..rows, ..]), &mut vec![0.0; rows])?;
        measure(&mut self.session, package, pool, rows, &CALLS, clock, &mut self.times[index])
    }
}

/// What calls take, by their rows less one.
struct Costs {
    scorer: Scorer,
    by_size: Vec<f64>,
    by_rows: [f64; ROWS_TOLD],
}

impl Costs {
    fn of(measured: &Measured, sizes: &[usize]) -> Costs {
        let mut by_size: Vec<f64> = measured.times.iter().map(|times| quartile(times.clone()) as f64).collect();
        // Beyond what was measured, rows cost what they cost last.
        while let (Some(last), at) = (by_size.last().copied(), by_size.len())
            && at < sizes.len()
        {
            by_size.push(last * sizes[at] as f64 / sizes[at - 1] as f64);
        }
        let by_rows = std::array::from_fn(|at| between(sizes, &by_size, at + 1));
        Costs { scorer: measured.scorer, by_size, by_rows }
    }
}

/// The cost of `rows` rows, by the sizes around it.
fn between(sizes: &[usize], costs: &[f64], rows: usize) -> f64 {
    let (first, last) = (0, sizes.len() - 1);
    if rows <= sizes[first] {
        return costs[first];
    }
    // The last number that is told apart speaks for more, and so does the largest size.
    if rows == ROWS_TOLD || rows >= sizes[last] {
        return costs[last] * rows as f64 / sizes[last] as f64;
    }
    let above = sizes.iter().position(|size| *size >= rows).unwrap_or(last);
    let (low, high) = (sizes[above - 1], sizes[above]);
    let share = (rows - low) as f64 / (high - low) as f64;
    costs[above - 1] + share * (costs[above] - costs[above - 1])
}

/// For each number of rows the cheapest kernel, without those that spare little, and what ONNX Runtime's own nodes score
/// for less.
fn chosen(costs: &[Costs], bytes_of: impl Fn(Kind) -> usize) -> (Choice, RowsLeft) {
    let kernel = |costs: &Costs| match costs.scorer {
        Scorer::Kernel(kind) => Some(kind),
        Scorer::OnnxRuntime => None,
    };
    let mut kept: Vec<(Kind, &Costs)> = costs.iter().filter_map(|costs| Some((kernel(costs)?, costs))).collect();
    let cheapest = |kept: &[(Kind, &Costs)], rows: usize| {
        kept.iter().map(|(_, costs)| costs.by_rows[rows - 1]).fold(f64::INFINITY, f64::min)
    };
    let best: Vec<f64> = (1..=ROWS_TOLD).map(|rows| cheapest(&kept, rows)).collect();
    // What takes the most memory is given up first.
    let mut order: Vec<Kind> = kept.iter().map(|(kind, _)| *kind).collect();
    order.sort_by_key(|kind| std::cmp::Reverse((bytes_of(*kind), *kind)));
    for kind in order {
        let others: Vec<(Kind, &Costs)> = kept.iter().copied().filter(|(other, _)| *other != kind).collect();
        let spares = |rows: usize| cheapest(&others, rows) > best[rows - 1] * (1.0 + SPARED);
        if !others.is_empty() && !(1..=ROWS_TOLD).any(spares) {
            kept = others;
        }
    }
    let choice = Choice::of(|rows| {
        let by_cost = kept.iter().min_by(|one, other| one.1.by_rows[rows - 1].total_cmp(&other.1.by_rows[rows - 1]));
        by_cost.map_or(Kind::ALL[0], |(kind, _)| *kind)
    });
    let own = costs.iter().find(|costs| costs.scorer == Scorer::OnnxRuntime);
    let left =
        RowsLeft::of(|rows| own.is_some_and(|own| own.by_rows[rows - 1] < cheapest(&kept, rows) * (1.0 - LEFT_SPARED)));
    (choice, left)
}

fn points(costs: &[Costs], sizes: &[usize]) -> Vec<KernelPoint> {
    let point = |(index, rows): (usize, &usize)| {
        let mut point = KernelPoint { rows: *rows, by_kernel: Vec::new(), by_onnxruntime: None };
        for costs in costs {
            match costs.scorer {
                Scorer::Kernel(kind) => point.by_kernel.push((kind.name(), costs.by_size[index])),
                Scorer::OnnxRuntime => point.by_onnxruntime = Some(costs.by_size[index]),
            }
        }
        point
    };
    sizes.iter().enumerate().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times of calls at [`SIZES`].
    fn costs(scorer: Scorer, by_size: [f64; 7]) -> Costs {
        let by_rows = std::array::from_fn(|at| between(&SIZES, &by_size, at + 1));
        Costs { scorer, by_size: by_size.to_vec(), by_rows }
    }

    fn choose(costs: &[Costs]) -> (Vec<(usize, Kind)>, RowsLeft) {
        let (choice, left) = chosen(costs, |kind| kind as usize);
        (choice.runs(), left)
    }

    #[test]
    fn each_number_of_rows_gets_its_cheapest_kernel() {
        let together = costs(Scorer::Kernel(Kind::Together), [50.0, 50.0, 50.0, 50.0, 50.0, 100.0, 200.0]);
        let prefix = costs(Scorer::Kernel(Kind::Prefix), [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0]);
        let bytes = costs(Scorer::Kernel(Kind::Bytes), [120.0; 7]);
        let walk = costs(Scorer::Kernel(Kind::WalkTrees), [9.8, 21.0, 42.0, 84.0, 168.0, 336.0, 672.0]);
        let own = costs(Scorer::OnnxRuntime, [60.0, 90.0, 150.0, 300.0, 600.0, 1_200.0, 2_400.0]);
        let (runs, left) = choose(&[together, bytes, prefix, walk, own]);
        // The walk spares one row two percent: it is not worth its memory. Between 32 and 64 rows, `together` meets the
        // others' line at 38, and with five rows it costs what the prefixes do.
        assert_eq!(runs, [(1, Kind::Prefix), (5, Kind::Together), (39, Kind::Bytes)]);
        assert_eq!(left, RowsLeft::default());
    }

    #[test]
    fn what_onnx_runtime_scores_for_less_is_left_to_it() {
        let kernel = costs(Scorer::Kernel(Kind::WalkTrees), [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0]);
        let own = costs(Scorer::OnnxRuntime, [12.0, 20.0, 39.5, 70.0, 140.0, 280.0, 560.0]);
        let (runs, left) = choose(&[kernel, own]);
        assert_eq!(runs, [(1, Kind::WalkTrees)]);
        // A hair is no reason for a second session.
        assert_eq!(left, RowsLeft::of(|rows| rows >= 5));
        assert!(!left.is_all());
        let kernel = costs(Scorer::Kernel(Kind::WalkTrees), [10.0; 7]);
        let own = costs(Scorer::OnnxRuntime, [9.0; 7]);
        assert!(choose(&[kernel, own]).1.is_all());
    }

    #[test]
    fn one_size_alone_speaks_for_all() {
        assert_eq!([1, 20, 40, 64].map(|rows| between(&[40], &[8.0], rows)), [8.0, 8.0, 8.0, 12.8]);
        assert_eq!([1, 2, 3, 4, 8].map(|rows| between(&[1, 2, 4], &[1.0, 2.0, 3.0], rows)), [1.0, 2.0, 2.5, 3.0, 6.0]);
    }
}

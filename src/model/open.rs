//! Opening a model: ONNX Runtime's settings, and the checks of what the model really is against its contract.

use ort::ep;
use ort::session::Session as OrtSession;
use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};
use ort::value::{Outlet, TensorElementType, ValueType};

use crate::error::{Fatal, exit};
use crate::model::package::Package;
use crate::model::problem::Problems;
use crate::model::reading::Reading;
use crate::model::runner::{Answers, Runner};
use crate::model::runtime::Runtime;
use crate::values::model::Provider;

/// How a session is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    pub provider: Provider,
    /// Rows of one call at most; larger batches are cut.
    pub rows_max: usize,
    /// Every call is filled up to this many rows, so that a record's score cannot depend on its batch.
    pub pad_rows: Option<usize>,
    /// Each row is a call of its own, however many there are.
    pub alone: bool,
}

/// Where the graph's nodes ended up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The provider really used: the one asked for if at least one node runs there.
    pub provider: Provider,
    /// Nodes that run there, of all.
    pub nodes: usize,
    pub nodes_total: usize,
}

/// The shapes a model answers in, learned from its answers (declared shapes are hints).
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerShape {
    /// For one row.
    pub one: Vec<i64>,
    /// For more.
    pub many: Vec<i64>,
    /// Which of `many`'s dimensions is the number of rows. Those before it are 1.
    pub rows_axis: usize,
    /// Answers per row.
    pub columns: usize,
    /// Those that are the score; several are summed up.
    pub chosen: Vec<usize>,
    /// What is made of them.
    pub reading: Reading,
}

impl AnswerShape {
    /// The scores of as many rows of `answers`.
    pub fn read<T: Copy + Into<f64>>(&self, answers: &[T], scores: &mut [f64]) {
        let rows = scores.iter_mut().zip(answers.chunks_exact(self.columns));
        match self.chosen[..] {
            [column] if self.reading.is_plain() => rows.for_each(|(score, row)| *score = row[column].into()),
            _ => rows.for_each(|(score, row)| *score = self.reading.score(row, &self.chosen)),
        }
    }
}

pub fn fixed_rows(declared: Option<usize>, settings: SessionSettings, warnings: &mut Vec<String>) -> Option<usize> {
    let Some(declared) = declared else { return settings.pad_rows };
    warnings.push(format!(
        "the model's batch is fixed at {declared}: every call has exactly {declared} rows, which costs throughput; \
         export it with a dynamic first dimension"
    ));
    Some(declared)
}

pub fn builder(runtime: &Runtime, provider: Provider) -> Result<SessionBuilder, Fatal> {
    let broken = |error: String| Fatal::new(exit::SYSTEM, format!("ONNX Runtime: {error}"), "run scripts/onnxruntime");
    let builder = SessionBuilder::new(&runtime.environment).map_err(|error| broken(error.to_string()))?;
    let builder = configure(builder).map_err(|error| broken(error.to_string()))?;
    if provider == Provider::Cpu {
        return Ok(builder);
    }
    with_cuda(builder).map_err(|error| {
        Fatal::new(
            exit::SYSTEM,
            format!("the CUDA provider cannot be used with {}: {error}", runtime.path().display()),
            "name an ONNX Runtime that was built for CUDA (model.onnxruntime) with its CUDA and cuDNN libraries on \
             LD_LIBRARY_PATH, or choose the CPU provider",
        )
    })
}

/// An error rather than a silent fall back to the CPU.
fn with_cuda(builder: SessionBuilder) -> Result<SessionBuilder, ort::Error> {
    let cuda = ep::CUDA::default().with_device_id(0).build().error_on_failure();
    Ok(builder.with_execution_providers([cuda])?)
}

/// Every setting, with its reason.
fn configure(builder: SessionBuilder) -> Result<SessionBuilder, ort::Error> {
    builder
        // More threads would make a row's score depend on its batch, and the lane's core is ours anyway.
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        // With one thread there is nobody to wait for; written out because idle threads would spin for 16 ms.
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // Fusions pay for small networks (a Gemm and its activation become one node); the level above chooses
        // memory layouts by the CPU it finds, for convolutions that models of tables do not have.
        .with_optimization_level(GraphOptimizationLevel::Level2)?
        // The arena keeps the largest batch's memory for ever, and patterns keep one plan per batch size seen.
        .with_execution_providers([ep::CPU::default().with_arena_allocator(false).build()])?
        .with_memory_pattern(false)?
        // Which provider really runs each node, kept from the start for the report; costs nothing later.
        .with_config_entry("session.record_ep_graph_assignment_info", "1")?
        // Devices are what the configuration says, never what a plugin finds.
        .with_auto_device(AutoDevicePolicy::PreferCPU)
        .map_err(ort::Error::from)
}

pub fn refused(package: &Package, provider: Provider, error: &ort::Error) -> Fatal {
    let what = format!("model package {}: ONNX Runtime refuses the model: {error}", package.dir.display());
    let fix = match provider {
        Provider::Cpu => "export the model anew, for an opset that ONNX Runtime 1.28 reads",
        Provider::Cuda => "try the CPU provider; if that works, the GPU's libraries are at fault",
    };
    Fatal::new(exit::MODEL, what, fix)
}

/// Input and output as the model declares them. Returns the input's name and its batch size where that is fixed.
pub fn check_outlets(session: &OrtSession, package: &Package) -> Result<(String, Option<usize>), Fatal> {
    let mut problems = Problems::default();
    let input = check_input(session.inputs(), package, &mut problems);
    let output = session.outputs().iter().find(|output| output.name() == package.output.tensor);
    let is_float = |outlet: &Outlet| {
        matches!(outlet.dtype(), ValueType::Tensor { ty: TensorElementType::Float32 | TensorElementType::Float64, .. })
    };
    let floats = session.outputs().iter().filter(|output| is_float(output)).map(Outlet::name);
    let floats = floats.collect::<Vec<_>>().join(", ");
    match output {
        None => problems.add(
            "output.tensor",
            format!("the model has no output `{}`", package.output.tensor),
            format!("name one of: {floats}"),
        ),
        Some(output) if !is_float(output) => problems.add(
            "output.tensor",
            format!("`{}` is {}, not a tensor of floats", output.name(), output.dtype()),
            match floats.is_empty() {
                true => "export probabilities as a tensor (for scikit-learn and LightGBM: zipmap=False)".to_owned(),
                false => format!("name the tensor of probabilities: {floats}"),
            },
        ),
        Some(_) => {}
    }
    problems.check(&package.dir)?;
    input.ok_or_else(|| Fatal::new(exit::INTERNAL, "the model's input is not known", "report this"))
}

fn check_input(inputs: &[Outlet], package: &Package, problems: &mut Problems) -> Option<(String, Option<usize>)> {
    let width = package.wanted.features.len();
    let names = inputs.iter().map(Outlet::name).collect::<Vec<_>>().join(", ");
    let [input] = inputs else {
        let fix = "export the model with one float32 input [N, features]: join the columns in the graph (Concat), or export what \
                   stands behind the column transformer; docs/model-package.md has what becomes of each Avro type";
        problems.add("input", format!("the model has {} inputs: {names}", inputs.len()), fix);
        return None;
    };
    if let Some(expected) = &package.input_tensor
        && expected != input.name()
    {
        problems.add("input.tensor", format!("the model has no input `{expected}`"), format!("write `{names}`"));
    }
    let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = input.dtype() else {
        let what = format!("`{}` is {}, not a tensor of float32", input.name(), input.dtype());
        let fix = "export the model with one float32 input [N, features], and a Cast node behind it where it computes in \
                   another type";
        problems.add("input", what, fix);
        return None;
    };
    let [rows, columns] = shape[..] else {
        // An undeclared rank is left for the first call to check.
        if !shape.is_empty() {
            let what = format!("`{}` has {} dimensions, not two", input.name(), shape.len());
            problems.add("input", what, "export the model with one input [N, features]");
        }
        return Some((input.name().to_owned(), None));
    };
    if columns >= 0 && columns != width as i64 {
        problems.add(
            "features",
            format!("the contract has {width} features, the model takes {columns}"),
            "list one [[features]] for each column of the model, in its order",
        );
    }
    Some((input.name().to_owned(), usize::try_from(rows).ok().filter(|rows| *rows > 0)))
}

/// `count` rows of the package's golden ones, over and over.
fn golden_rows(package: &Package, count: usize) -> Vec<f32> {
    package.golden.rows.rows().into_iter().cycle().take(count).flatten().copied().collect()
}

/// Answers are written in place, unless the model's declared output shape contradicts its answers: ONNX Runtime
/// holds memory given to it against the declaration.
pub fn choose_way_back(
    runner: &mut Runner,
    package: &Package,
    answer: &AnswerShape,
    rows_fixed: Option<usize>,
) -> bool {
    let count = rows_fixed.unwrap_or(3);
    runner.run(&golden_rows(package, count), &answer.many).is_ok()
}

/// Runs golden rows to see the shapes the model really answers in. Returns them and whether the answers are doubles.
pub fn learn_shape(
    runner: &mut Runner,
    package: &Package,
    rows_fixed: Option<usize>,
) -> Result<(AnswerShape, bool), Fatal> {
    let learned = learn(runner, &|count| golden_rows(package, count), rows_fixed).map_err(|error| {
        let what = format!("model package {}: the model fails on golden rows: {error}", package.dir.display());
        Fatal::new(exit::MODEL, what, "check that the features' order and number are those of the training")
    })?;
    let mut problems = Problems::default();
    let Learned { one, many, rows_axis, columns, double } = match learned {
        Ok(learned) => learned,
        Err(Unreadable { rows, shape }) => {
            let what = format!("{rows} rows give `{}` the shape {shape:?}", package.output.tensor);
            problems.add("output.tensor", what, Unreadable::FIX);
            return Err(problems.check(&package.dir).err().unwrap_or_else(unreachable_problem));
        }
    };
    let chosen = package.output.columns_among(columns, &mut problems);
    problems.check(&package.dir)?;
    let reading = package.output.reading.clone();
    Ok((AnswerShape { one, many, rows_axis, columns, chosen, reading }, double))
}

/// What was learned of a model's answers; the first four as in [`AnswerShape`].
pub struct Learned {
    pub one: Vec<i64>,
    pub many: Vec<i64>,
    pub rows_axis: usize,
    pub columns: usize,
    pub double: bool,
}

/// Answers of which not each row has its own together.
pub struct Unreadable {
    pub rows: usize,
    pub shape: Vec<i64>,
}

impl Unreadable {
    pub const FIX: &str = "name an output with one answer per row ([N], [N, 1], [N, classes] or [1, N]), or put a Reshape node to \
                           [-1, 1] behind this one";
}

/// Runs some rows, as many as are asked for, to learn what becomes of them.
///
/// # Errors
/// The model fails on them.
pub fn learn(
    runner: &mut Runner,
    rows: &dyn Fn(usize) -> Vec<f32>,
    rows_fixed: Option<usize>,
) -> Result<Result<Learned, Unreadable>, ort::Error> {
    let mut run = |count: usize| runner.run_free(&rows(count));
    let (one, count, many) = match rows_fixed {
        Some(fixed) => {
            let answer = run(fixed)?;
            (answer.clone(), fixed, answer)
        }
        // Three, because two rows of two classes would look alike either way round.
        None => (run(1)?, 3, run(3)?),
    };
    let double = matches!(many.answers, Answers::Double(_));
    Ok(match rows_axis(&one.shape, &many.shape, rows_fixed.unwrap_or(1), count) {
        Some((rows_axis, columns)) => Ok(Learned { one: one.shape, many: many.shape, rows_axis, columns, double }),
        None => Err(Unreadable { rows: count, shape: many.shape }),
    })
}

/// Which dimension of the answers counts rows, and how many answers a row has: `one` is the shape for `few` rows, `many` that
/// for `count`. Only dimensions of 1 may stand before it, so that a row's answers lie together.
fn rows_axis(one: &[i64], many: &[i64], few: usize, count: usize) -> Option<(usize, usize)> {
    // One row alone may come without the dimension that counts rows.
    let grows = |axis: usize| one.len() != many.len() || one[axis] == few as i64;
    let (size, of_one): (i64, i64) = (many.iter().product(), one.iter().product());
    if many.is_empty() && count == 1 {
        return Some((0, 1));
    }
    let axis = (0..many.len()).find(|axis| many[*axis] == count as i64 && grows(*axis))?;
    let columns = usize::try_from(size / count as i64).ok().filter(|columns| *columns > 0)?;
    let lies_together = many[..axis].iter().all(|size| *size == 1);
    (lies_together && of_one == (columns * few) as i64).then_some((axis, columns))
}

fn unreachable_problem() -> Fatal {
    Fatal::new(exit::INTERNAL, "a problem was found and lost", "report this")
}

pub fn placement(runner: &Runner, provider: Provider, warnings: &mut Vec<String>) -> Placement {
    let nodes = runner.nodes_by_provider().unwrap_or_default();
    let on = |provider: Provider| {
        nodes.iter().filter(|(name, _)| name.starts_with(provider.name())).map(|(_, count)| count).sum::<usize>()
    };
    let total = nodes.iter().map(|(_, count)| count).sum();
    let here = on(provider);
    if here < total {
        warnings.push(format!(
            "{here} of {total} nodes run on {}; the others (tree ensembles among them) only run on the CPU, and the CPU \
             provider would spare the copies",
            provider.name()
        ));
    }
    // A provider that was asked for and runs nothing is not the one used.
    let used = if here > 0 { provider } else { Provider::Cpu };
    Placement { provider: used, nodes: here, nodes_total: total }
}

#[cfg(test)]
mod tests {
    use super::rows_axis;

    #[test]
    fn the_dimension_that_counts_rows_is_the_one_that_grows_with_them() {
        for (one, many, expected) in [
            (&[1][..], &[3][..], Some((0, 1))),
            (&[1, 1], &[3, 1], Some((0, 1))),
            (&[1, 2], &[3, 2], Some((0, 2))),
            (&[1, 3], &[3, 3], Some((0, 3))),
            (&[1, 1], &[1, 3], Some((1, 1))),
            (&[1, 1, 1], &[3, 1, 1], Some((0, 1))),
            (&[1, 1, 2], &[1, 3, 2], Some((1, 2))),
            (&[], &[3], Some((0, 1))),
            (&[2], &[3, 2], Some((0, 2))),
            // Each class has a row of its own, and a transaction's answers lie apart.
            (&[2, 1], &[2, 3], None),
            (&[3, 1], &[3, 3], None),
            (&[1, 2], &[1, 2], None),
            (&[1, 0], &[3, 0], None),
        ] {
            assert_eq!(rows_axis(one, many, 1, 3), expected, "{one:?} {many:?}");
        }
        assert_eq!(rows_axis(&[8, 2], &[8, 2], 8, 8), Some((0, 2)));
        assert_eq!(rows_axis(&[], &[], 1, 1), Some((0, 1)));
    }
}

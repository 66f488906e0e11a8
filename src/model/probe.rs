//! What is asked of a model before the first record: does it answer as it did when it was exported, does a row's
//! score depend on its batch, how large should batches be on this machine, and does it answer probabilities.

use ndarray::{Array2, s};

use crate::doors::Clock;
use crate::error::{Fatal, exit};
use crate::model::answers::AnswerRange;
use crate::model::curve::{CurvePoint, ProbeSettings, choose_cap, measure_curve, sizes};
use crate::model::golden::Golden;
use crate::model::golden_records;
use crate::model::open::Placement;
use crate::model::package::Package;
use crate::model::sequence::Sequence;
use crate::model::session::Session;
use crate::values::record::{SCORE_SLACK, score_of};

/// What the probe found; for the log, `/status` and metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeReport {
    /// Rows of one batch from here on.
    pub batch_rows_cap: usize,
    pub curve: Vec<CurvePoint>,
    /// Whether the same row gave the same bits in every batch size tried.
    pub batch_invariant: bool,
    /// Largest difference from a golden score, of a row or a record.
    pub golden_difference_max: f64,
    /// Of the answers to varied golden rows; none of them truly outside 0..=1.
    pub range: AnswerRange,
    pub placement: Placement,
    /// What ONNX Runtime holds for one session, in `malloc`'s count; 0 where that is not known.
    pub native_bytes: u64,
    pub warnings: Vec<String>,
}

/// Distinct rows to measure with: the same few rows again and again would teach the branch predictor a tree's way.
pub(super) const POOL_ROWS: usize = 8192;
/// Rows whose score is compared between batch sizes, at least, and at most as long as they are scored one by one in this time.
const INVARIANCE_ROWS: usize = 96;
const INVARIANCE_ROWS_MAX: usize = 1_024;
const INVARIANCE_BUDGET_NS: u64 = 50_000_000;
const INVARIANCE_SIZES: [usize; 7] = [2, 3, 8, 16, 33, 64, 96];
/// Time to spend on the range of the answers: a slow model shows it in fewer rows.
const RANGE_BUDGET_NS: u64 = 2_000_000_000;

const ANSWERS_CHANGED: &str = "model, feature order or ONNX Runtime are not those the package was made with: go back, or export \
                               the package anew and look at how far its scores moved";
const OTHER_CLASS: &str = "what is expected is 1 minus it: output.column or output.class names the other class, or the golden \
                           rows have its scores";

/// Golden rows, then the rows of golden records. Returns the largest difference.
///
/// # Errors
/// [`exit::MODEL`] with the row or record, the score expected and the one given.
pub fn check_golden(session: &mut Session, package: &Package) -> Result<f64, Fatal> {
    let of_rows = check_scores(session, package, &package.golden, "row")?;
    let Some(records) = &package.golden_records else { return Ok(of_rows) };
    // The contract gives these very rows, to the bit: the package was not loaded otherwise.
    Ok(of_rows.max(check_scores(session, package, &records.expected, "record")?))
}

/// Each row alone and all in one batch.
fn check_scores(session: &mut Session, package: &Package, golden: &Golden, kind: &str) -> Result<f64, Fatal> {
    let mut together = vec![0.0; golden.scores.len()];
    session.answer_afresh(package, golden.rows.view(), &mut together)?;
    let mut difference_max = 0.0f64;
    for (index, &expected) in golden.scores.iter().enumerate() {
        let mut alone = [0.0];
        session.answer_afresh(package, golden.rows.slice(s![index..=index, ..]), &mut alone)?;
        for (answer, how) in [(alone[0], "alone"), (together[index], "in a batch of all")] {
            // What is no score is told as it came.
            let got = score_of(answer).unwrap_or(answer);
            let difference = (got - expected).abs();
            if difference.is_nan() || difference > golden.tolerance {
                let is_other_class = (1.0 - got - expected).abs() <= golden.tolerance.max(SCORE_SLACK);
                let fix = if is_other_class { OTHER_CLASS } else { ANSWERS_CHANGED };
                return Err(Fatal::new(
                    exit::MODEL,
                    format!(
                        "model package {}: golden {kind} {} scored {got} {how}, expected {expected} within {}",
                        package.dir.display(),
                        index + 1,
                        golden.tolerance
                    ),
                    fix,
                ));
            }
            difference_max = difference_max.max(difference);
        }
    }
    Ok(difference_max)
}

/// Rows like the golden ones and yet all different: each is a golden row, one value in sixteen taken from another, all
/// moved a little. Keeping most of a row together matters: values mixed freely make trees guess wrong more often than
/// real rows do, and the model look slower. Deterministic; `[rows, features]`.
pub fn varied_rows(golden: &Array2<f32>, rows: usize) -> Array2<f32> {
    let mut sequence = Sequence::default();
    let mut next = move || sequence.next();
    let count = golden.nrows() as u64;
    let mut varied = Array2::zeros((rows, golden.ncols()));
    for mut row in varied.rows_mut() {
        let origin = (next() % count) as usize;
        for (column, value) in row.iter_mut().enumerate() {
            let from = if next() % 16 == 0 { (next() % count) as usize } else { origin };
            let share = next() as f32 / u32::MAX as f32;
            *value = golden[[from, column]] * (0.95 + 0.1 * share);
        }
    }
    varied
}

/// Whether each row gets the same bits alone and within batches of several sizes, at several places. Of a fixed batch that
/// shows too that what calls are filled up with changes nothing, and neither do other rows in its place.
fn is_invariant(
    session: &mut Session,
    package: &Package,
    pool: &Array2<f32>,
    clock: &dyn Clock,
) -> Result<bool, Fatal> {
    let (start_ns, mut alone) = (clock.now_ns(), Vec::with_capacity(INVARIANCE_ROWS_MAX));
    // A fast model is asked for more: of some, one row in hundreds shows it.
    while alone.len() < INVARIANCE_ROWS
        || alone.len() < INVARIANCE_ROWS_MAX && clock.now_ns().saturating_sub(start_ns) < INVARIANCE_BUDGET_NS
    {
        let (index, mut score) = (alone.len(), [0.0]);
        session.answer(package, pool.slice(s![index..=index, ..]), &mut score)?;
        alone.push(score[0]);
    }
    // A full call of a fixed batch that is larger than all of these is one more size.
    let fixed = session.rows_fixed().filter(|fixed| *fixed > INVARIANCE_ROWS);
    let rows = fixed.map_or(alone.len(), |fixed| fixed.max(alone.len()));
    let mut scores = vec![0.0; rows];
    for size in INVARIANCE_SIZES.into_iter().chain(fixed) {
        for start in (0..rows).step_by(size) {
            let end = (start + size).min(rows);
            session.answer(package, pool.slice(s![start..end, ..]), &mut scores[start..end])?;
        }
        if scores.iter().zip(&alone).any(|(one, other)| one.to_bits() != other.to_bits()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The range of the model's answers to `pool`, or to as much of it as it answers in two seconds.
///
/// # Errors
/// [`exit::MODEL`] where one of them is no probability. The rows are like golden ones, so a model that answers
/// probabilities leaves 0 to 1 on none of them; one that does would turn its surest frauds into dead letters.
fn check_range(
    session: &mut Session,
    package: &Package,
    pool: &Array2<f32>,
    batch_rows: usize,
    clock: &dyn Clock,
) -> Result<AnswerRange, Fatal> {
    let (start_ns, mut answers) = (clock.now_ns(), Vec::with_capacity(pool.nrows()));
    while answers.len() < pool.nrows() && clock.now_ns().saturating_sub(start_ns) < RANGE_BUDGET_NS {
        let (from, to) = (answers.len(), (answers.len() + batch_rows).min(pool.nrows()));
        answers.resize(to, f64::NAN);
        session.answer_afresh(package, pool.slice(s![from..to, ..]), &mut answers[from..])?;
    }
    let range = AnswerRange::of(&answers);
    if range.outside == 0 {
        return Ok(range);
    }
    let (kind, fix) = range.likely();
    let (dir, output, numbers) = (package.dir.display(), &package.output.tensor, range.numbers());
    let (outside, clamped) = (range.share(range.outside), range.share(range.clamped));
    let what = format!(
        "model package {dir}: `{output}` does not answer probabilities: {outside} answers to varied golden rows are \
         outside 0 to 1, and {clamped} a hair, which would be clamped; {numbers}; they look like {kind}"
    );
    Err(Fatal::new(exit::MODEL, what, fix))
}

/// Asks all of the above. `native_before`: bytes of the heap in use before
/// the session was opened.
///
/// # Errors
/// As [`check_golden`]; and when the model fails on any of the rows.
pub fn probe(
    session: &mut Session,
    package: &Package,
    settings: &ProbeSettings,
    clock: &dyn Clock,
    native_before: u64,
) -> Result<ProbeReport, Fatal> {
    let golden_difference_max = check_golden(session, package)?;
    let pool_rows = POOL_ROWS.max(settings.rows_max).max(session.rows_fixed().unwrap_or(0));
    let pool = varied_rows(&package.golden.rows, pool_rows);
    let batch_invariant = is_invariant(session, package, &pool, clock)?;
    let curve = measure_curve(session, package, &pool, settings, clock)?;
    let (batch_rows_cap, slow) = choose_cap(&curve, settings);
    let range = check_range(session, package, &pool, batch_rows_cap, clock)?;
    let mut warnings: Vec<String> = package.warnings.iter().chain(session.warnings()).cloned().chain(slow).collect();
    if !batch_invariant {
        warnings.push(
            "a row's score depends in its last bits on the batch it is in; model.determinism = \"strict\" makes it \
             repeatable, and costs throughput: calls are filled up to one number of rows"
                .to_owned(),
        );
    }
    warnings.extend(golden_records::warning(package.golden_records.as_ref()));
    if range.not_finite > 0 {
        warnings.push(format!(
            "{} answers to varied golden rows are not finite: such records become dead letters (non_finite_score)",
            range.share(range.not_finite)
        ));
    }
    Ok(ProbeReport {
        batch_rows_cap,
        curve,
        batch_invariant,
        golden_difference_max,
        range,
        placement: session.placement().clone(),
        native_bytes: crate::memory::used_bytes().saturating_sub(native_before),
        warnings,
    })
}

/// A few calls of the sizes that will be used: the first ones fault memory in and fill caches.
pub fn warm_up(session: &mut Session, package: &Package, rows_max: usize) -> Result<(), Fatal> {
    let pool = varied_rows(&package.golden.rows, rows_max);
    let mut scores = vec![0.0; rows_max];
    for rows in sizes(rows_max) {
        session.answer(package, pool.slice(s![..rows, ..]), &mut scores)?;
    }
    Ok(())
}

//! Wrong scores: a seeded sample of what was scored is scored again, after the run, by somebody else.

use crate::error::Fatal;
use crate::load::simulate::payloads::Pool;
use crate::load::simulate::poison::Corpus;
use crate::load::simulate::random;
use crate::load::verify::faults::{FaultKind, FirstFaults};

/// Largest difference between two computations of one score: what 32-bit floats may lose in another batch.
pub const TOLERANCE: f64 = 1e-6;

/// What random numbers are drawn for.
const SAMPLE: u64 = 0x5C;

/// Knows what a record's score should be, without the pipeline's decoder. Called after the run only, so that it takes
/// no CPU time from what is measured.
pub trait Oracle {
    /// Told once, before the first record: the Avro schema that the payloads were written with.
    ///
    /// # Errors
    /// When the schema cannot be read as what the model wants.
    fn prepare(&mut self, writer_schema: &str) -> Result<(), Fatal>;

    /// The score of one record, `datum` being its payload without the wire prefix. `None` when it cannot be scored.
    fn score(&mut self, datum: &[u8]) -> Option<f64>;
}

/// Picks records by their number alone, and keeps the scores that came back for them.
#[derive(Clone, Debug)]
pub struct Sampler {
    seed: u64,
    share: f64,
    taken: Vec<(u64, f64)>,
}

impl Sampler {
    /// About `wanted` of `expected` records.
    pub fn new(seed: u64, wanted: u64, expected: u64) -> Sampler {
        Sampler { seed, share: wanted as f64 / expected.max(1) as f64, taken: Vec::new() }
    }

    pub fn offer(&mut self, sequence: u64, score: f64) {
        if random::unit(random::at(self.seed, SAMPLE, sequence)) < self.share {
            self.taken.push((sequence, score));
        }
    }

    /// By number.
    pub fn into_sorted(mut self) -> Vec<(u64, f64)> {
        self.taken.sort_by_key(|(sequence, _)| *sequence);
        self.taken
    }
}

/// What the oracle found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub checked: u64,
    pub wrong: u64,
}

/// Scores the sample again, after [`Oracle::prepare`]. `sample` is sorted by number; poison in it was scored by mistake,
/// and counted as that.
pub fn check(
    oracle: &mut dyn Oracle,
    sample: &[(u64, f64)],
    pool: &mut Pool,
    corpus: &Corpus,
    firsts: &mut FirstFaults,
) -> Verdict {
    let mut verdict = Verdict::default();
    let (mut row, mut next) = (0, 0);
    for (sequence, score) in sample {
        // Poison stands between the rows and takes none.
        row += (next..*sequence).filter(|before| corpus.at(*before).is_none()).count() as u64;
        next = *sequence;
        if corpus.at(*sequence).is_some() {
            continue;
        }
        let prefix = pool.prefix;
        let expected = oracle.score(&pool.record(row).value[prefix..]);
        verdict.checked += 1;
        // A score is within 0 to 1, though the model's answer may lie a hair outside.
        let is_score = (0.0..=1.0).contains(score);
        let right = is_score && expected.is_some_and(|expected| (score - expected).abs() <= TOLERANCE);
        if !right {
            verdict.wrong += 1;
            firsts.note(FaultKind::WrongScore, *sequence);
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::simulate::payloads::Framing;
    use crate::load::simulate::population::World;

    /// Scores by the bytes: each record has another id, so no two have the same score.
    struct ByBytes;

    impl Oracle for ByBytes {
        fn prepare(&mut self, writer_schema: &str) -> Result<(), Fatal> {
            assert!(writer_schema.contains("transaction_id"));
            Ok(())
        }

        fn score(&mut self, datum: &[u8]) -> Option<f64> {
            Some(score_of(datum))
        }
    }

    fn score_of(datum: &[u8]) -> f64 {
        let sum = datum.iter().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        random::unit(random::scramble(sum))
    }

    /// Its model's answer was clamped.
    struct AlwaysOne;

    impl Oracle for AlwaysOne {
        fn prepare(&mut self, _: &str) -> Result<(), Fatal> {
            Ok(())
        }

        fn score(&mut self, _: &[u8]) -> Option<f64> {
            Some(1.0)
        }
    }

    #[test]
    fn an_answer_that_was_not_clamped_is_a_wrong_score() {
        let world = World { customers: 60, terminals: 60, warm_up_days: 1 };
        let mut pool = Pool::simulated(50, Framing::Registry(7), 3, &world);
        let corpus = Corpus::new(pool.poisons.clone(), 0, 3);
        let scores = [(0, 1.0), (1, f64::from(1.000_000_1_f32)), (2, 1.0)];
        let mut firsts = FirstFaults::default();
        let verdict = check(&mut AlwaysOne, &scores, &mut pool, &corpus, &mut firsts);
        assert_eq!(verdict, Verdict { checked: 3, wrong: 1 });
        assert_eq!(firsts.iter().copied().collect::<Vec<_>>(), [(FaultKind::WrongScore, 1)]);
    }

    #[test]
    fn the_sample_depends_on_seed_and_number_alone() {
        let sample = |seed, order: &mut dyn Iterator<Item = u64>| {
            let mut sampler = Sampler::new(seed, 500, 10_000);
            order.for_each(|sequence| sampler.offer(sequence, 0.5));
            sampler.into_sorted()
        };
        let mine = sample(3, &mut (0..10_000));
        assert_eq!(mine, sample(3, &mut (0..10_000).rev()));
        assert_ne!(mine, sample(4, &mut (0..10_000)));
        assert!((400..600).contains(&mine.len()), "{}", mine.len());
        let mut all = Sampler::new(3, 100, 100);
        (0..100).for_each(|sequence| all.offer(sequence, 0.5));
        assert_eq!(all.into_sorted().len(), 100);
    }

    #[test]
    fn a_wrong_score_between_poison_is_found_by_its_number() {
        let world = World { customers: 60, terminals: 60, warm_up_days: 1 };
        let mut pool = Pool::simulated(50, Framing::Registry(7), 3, &world);
        let corpus = Corpus::new(pool.poisons.clone(), 100_000, 3);
        let mut row = 0;
        let mut scores = Vec::new();
        for sequence in 0..1_000 {
            if corpus.at(sequence).is_none() {
                scores.push((sequence, score_of(&pool.record(row).value[5..])));
                row += 1;
            }
        }
        assert!(scores.len() < 950, "there is poison between them");
        let mut firsts = FirstFaults::default();
        let verdict = check(&mut ByBytes, &scores, &mut pool, &corpus, &mut firsts);
        assert_eq!((verdict.checked, verdict.wrong), (scores.len() as u64, 0));

        let (at, noise) = (scores.len() / 2, scores.len() / 3);
        scores[at].1 += 0.01;
        scores[noise].1 += TOLERANCE / 2.0;
        scores[at + 1].1 = f64::NAN;
        let verdict = check(&mut ByBytes, &scores, &mut pool, &corpus, &mut firsts);
        assert_eq!(verdict.wrong, 2);
        let named: Vec<_> = firsts.iter().copied().collect();
        assert_eq!(named, [(FaultKind::WrongScore, scores[at].0), (FaultKind::WrongScore, scores[at + 1].0)]);
    }
}

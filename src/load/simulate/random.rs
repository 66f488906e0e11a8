//! Small seeded generators: the same seed gives the same stream on every machine and in every version.
//!
//! splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators") and xoshiro256++ (Blackman,
//! Vigna: "Scrambled linear pseudorandom number generators"), both public domain, written from the papers.

use std::f64::consts::TAU;

/// The golden ratio in 64 bits: splitmix64's increment.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// splitmix64's finaliser: a bijection that scatters every bit.
pub fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A random word that is a function of seed, purpose and index alone, so that record `i` needs no record before it.
pub fn at(seed: u64, purpose: u64, index: u64) -> u64 {
    scramble(
        scramble(seed ^ purpose.wrapping_mul(GOLDEN)).wrapping_add(index.wrapping_mul(GOLDEN)).wrapping_add(GOLDEN),
    )
}

/// The upper 53 bits as a number in `0.0..1.0`.
pub fn unit(word: u64) -> f64 {
    (word >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// xoshiro256++.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    pub fn new(seed: u64) -> Random {
        let mut next = seed;
        let state = std::array::from_fn(|_| {
            next = next.wrapping_add(GOLDEN);
            scramble(next)
        });
        Random { state }
    }

    pub fn word(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        let c = c ^ a;
        let d = d ^ b;
        self.state = [a ^ d, b ^ c, c ^ shifted, d.rotate_left(45)];
        result
    }

    /// Uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        unit(self.word())
    }

    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..n` (Lemire's multiply-shift; the bias is below 2^-32 for the small `n` used here).
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.word()) * n as u128) >> 64) as usize
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Normal by Box and Muller; the second value is not kept, so that one call uses exactly two words.
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        mean + deviation * radius * (TAU * self.unit()).cos()
    }

    /// Poisson by Knuth's product of uniforms: for small means.
    pub fn poisson(&mut self, mean: f64) -> u32 {
        let limit = (-mean).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// The index of one weight, chosen in proportion to it.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return index;
            }
        }
        weights.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_the_published_first_words() {
        // The reference implementation's output for seed 1234567.
        let mut state = 1_234_567u64;
        let words: Vec<u64> = (0..3)
            .map(|_| {
                state = state.wrapping_add(GOLDEN);
                scramble(state)
            })
            .collect();
        assert_eq!(words, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn xoshiro_follows_its_recurrence() {
        // From the state {1, 2, 3, 4}, as the reference implementation answers.
        let mut random = Random { state: [1, 2, 3, 4] };
        let words: Vec<u64> = (0..4).map(|_| random.word()).collect();
        assert_eq!(words, [41943041, 58720359, 3588806011781223, 3591011842654386]);
    }

    #[test]
    fn distributions_have_their_means() {
        let mut random = Random::new(7);
        let n = 50_000;
        let mean = |sum: f64| sum / f64::from(n);
        let uniform = mean((0..n).map(|_| random.uniform(10.0, 20.0)).sum());
        let normal = mean((0..n).map(|_| random.normal(100.0, 30.0)).sum());
        let poisson = mean((0..n).map(|_| f64::from(random.poisson(2.5))).sum());
        let weighted = mean((0..n).map(|_| random.weighted(&[1.0, 1.0, 2.0]) as f64).sum());
        assert!((uniform - 15.0).abs() < 0.1, "{uniform}");
        assert!((normal - 100.0).abs() < 1.0, "{normal}");
        assert!((poisson - 2.5).abs() < 0.05, "{poisson}");
        assert!((weighted - 1.25).abs() < 0.02, "{weighted}");
    }

    #[test]
    fn a_word_at_an_index_depends_on_all_three() {
        assert_eq!(at(1, 2, 3), at(1, 2, 3));
        let words = [at(1, 2, 3), at(2, 2, 3), at(1, 3, 3), at(1, 2, 4)];
        for (i, a) in words.iter().enumerate() {
            assert!(words[i + 1..].iter().all(|b| a != b));
        }
    }
}

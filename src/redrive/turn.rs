//! How fast records are brought back.

/// When the next record may go. Time that was lost is not made up for: the rate is what the input is spared.
pub struct Turn {
    /// Records in a second; `None` as fast as it goes.
    rate: Option<f64>,
    chunk_max: usize,
    next_ns: u64,
}

impl Turn {
    /// The first record may go now. `chunk_max`: records between two commits, where no rate says fewer.
    pub fn new(rate: Option<f64>, chunk_max: usize, now_ns: u64) -> Turn {
        Turn { rate, chunk_max, next_ns: now_ns }
    }

    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// A record goes now.
    pub fn take(&mut self, now_ns: u64) {
        let interval_ns = self.rate.map_or(0, |rate| (1e9 / rate) as u64);
        self.next_ns = self.next_ns.max(now_ns).saturating_add(interval_ns);
    }

    /// Records of a second at most, so that none waits long for its commit.
    pub fn records_max(&self) -> usize {
        self.rate.map_or(self.chunk_max, |rate| (rate as usize).clamp(1, self.chunk_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_take_turns_at_their_rate_and_a_chunk_is_a_second_of_them() {
        let turn = |rate| Turn::new(rate, 250, 5_000);
        let after = |rate, now_ns: &[u64]| {
            let mut turn = turn(rate);
            now_ns.iter().for_each(|now_ns| turn.take(*now_ns));
            turn.next_ns()
        };
        assert_eq!((after(None, &[4_000, 6_000]), turn(None).records_max()), (6_000, 250));
        assert_eq!((after(Some(2e6), &[5_000, 5_500]), turn(Some(2.0)).records_max()), (6_000, 2));
        assert_eq!(after(Some(2e6), &[5_000, 99_000]), 99_500, "what brokers held up is not made up for");
        assert_eq!((after(Some(0.1), &[5_000]), turn(Some(0.1)).records_max()), (10_000_005_000, 1));
        assert_eq!(turn(Some(1e9)).records_max(), 250);
    }
}

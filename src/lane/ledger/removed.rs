//! Offsets of partitions that were removed before they were read, counted once.

/// Those that were counted. A partition that goes back to before them comes to them again.
#[derive(Debug, Default)]
pub(super) struct Removed(Vec<(i32, i64, i64)>);

impl Removed {
    /// Notes `from..to` of a partition. Returns how many of them were not counted before.
    pub(super) fn note(&mut self, partition: i32, from: i64, to: i64) -> u64 {
        let Some((_, known_from, known_to)) = self.0.iter_mut().find(|known| known.0 == partition) else {
            self.0.push((partition, from, to));
            return u64::try_from(to - from).unwrap_or(0);
        };
        let counted = (to.min(*known_to) - from.max(*known_from)).max(0);
        (*known_from, *known_to) = (from, to);
        u64::try_from(to - from - counted).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_that_was_counted_is_not_counted_again() {
        let mut removed = Removed::default();
        assert_eq!(removed.note(0, 10, 15), 5);
        assert_eq!(removed.note(1, 10, 15), 5, "another partition");
        assert_eq!(
            removed.note(0, 7, 15),
            3,
            "back to before them: what was taken in and not finished is lost as well"
        );
        assert_eq!(removed.note(0, 7, 18), 3, "and more was removed meanwhile");
        assert_eq!(removed.note(0, 30, 32), 2);
    }
}

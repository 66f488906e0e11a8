//! Where things lie in a list, by a number that each of them has: looked up for each record where neighbours are of different
//! partitions, however many partitions there are.

use std::collections::HashMap;

use crate::values::scatter::Scattered;

/// Numbers of partitions and assignments, to indices. The numbers are the group's and the lane's own.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<u32, usize, Scattered>);

impl Places {
    pub(super) fn get(&self, number: u32) -> Option<usize> {
        self.0.get(&number).copied()
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.0.contains_key(&number)
    }

    pub(super) fn set(&mut self, number: u32, place: usize) {
        self.0.insert(number, place);
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<usize> {
        self.0.remove(&number)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_they_were_put_last() {
        let mut places = Places::default();
        (0..1_000).for_each(|number| places.set(number * 7, number as usize));
        places.set(14, 5);
        assert_eq!((places.get(14), places.get(7), places.get(8)), (Some(5), Some(1), None));
        assert_eq!((places.remove(7), places.remove(7), places.has(7), places.has(21)), (Some(1), None, false, true));
        places.clear();
        assert!(!places.has(21));
    }
}

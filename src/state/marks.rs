//! The file of marks: a header, then the same number of places for each lane, all of 64-bit words in the machine's own order. A
//! place is a seal, the partition, the first offset and the one behind the last. The seal is made of the other three: a place
//! without its own seal was being written, or is empty, and says nothing.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use super::directory::private;
use super::mapped::Mapped;
use super::suspects::CrashBook;
use crate::doors::{CrashMarks, Progress};
use crate::values::crash::Mark;
use crate::values::scatter::mixed;

/// `scwmark`, and the version of what follows: one that knows another says nothing of it.
const MAGIC: u64 = u64::from_be_bytes(*b"scwmark\x01");
/// Magic, run, lanes, places of each lane, and room.
const HEADER_WORDS: usize = 8;
const PLACE_WORDS: usize = 4;

/// Partitions of a lane that may be in work at a time: more than a batch has rows unless somebody says so. A lane takes in
/// what finds a place.
const PLACES: usize = 1_024;

/// Bit of a place's partition word: nothing else was in work.
const ALONE: u64 = 1 << 32;

/// What a process had in work when it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Which process of the node that was.
    pub(super) run: u64,
    pub(super) marks: Vec<Mark>,
}

/// The marks of all lanes of this process.
#[derive(Debug)]
pub(super) struct MarkFile {
    words: Mapped,
}

impl MarkFile {
    /// In place of the file of an earlier process.
    pub(super) fn create(path: &Path, run: u64, lanes: usize) -> io::Result<MarkFile> {
        let file = private().read(true).write(true).create(true).truncate(false).open(path)?;
        let words = Mapped::new(&file, HEADER_WORDS + lanes * PLACES * PLACE_WORDS)?;
        for (word, value) in words.iter().skip(1).zip([run, lanes as u64, PLACES as u64]) {
            word.store(value, Relaxed);
        }
        fence(Release);
        words[0].store(MAGIC, Relaxed);
        Ok(MarkFile { words })
    }

    fn place(&self, lane: usize, place: usize) -> &[AtomicU64] {
        let start = HEADER_WORDS + (lane * PLACES + place) * PLACE_WORDS;
        &self.words[start..start + PLACE_WORDS]
    }

    pub(super) fn clear_all(&self) {
        self.words[HEADER_WORDS..].chunks_exact(PLACE_WORDS).for_each(|place| place[0].store(0, Relaxed));
    }
}

/// What the last process left; `None` where there is no such file, or not a whole one of this version.
///
/// # Errors
/// What the system says.
pub(super) fn read(path: &Path) -> io::Result<Option<Left>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    if words.len() < HEADER_WORDS || words[0] != MAGIC {
        return Ok(None);
    }
    let places = words[HEADER_WORDS..].chunks_exact(PLACE_WORDS);
    Ok(Some(Left { run: words[1], marks: places.filter_map(mark).collect() }))
}

fn mark(place: &[u64]) -> Option<Mark> {
    let &[seal, partition, first, end] = place else { return None };
    let is_whole = seal == sealed(partition, first, end) && first < end;
    let (first, end, alone) = (first.cast_signed(), end.cast_signed(), partition & ALONE != 0);
    is_whole.then_some(Mark { partition: (partition as u32).cast_signed(), first, end, alone })
}

/// Never 0.
fn sealed(partition: u64, first: u64, end: u64) -> u64 {
    mixed(partition.rotate_left(48) ^ first.rotate_left(24) ^ end) | 1
}

/// A lane's end of the file.
#[derive(Debug)]
pub struct LaneMarks {
    lane: usize,
    book: Arc<CrashBook>,
}

impl LaneMarks {
    pub(super) fn new(lane: usize, book: Arc<CrashBook>) -> LaneMarks {
        LaneMarks { lane, book }
    }
}

impl CrashMarks for LaneMarks {
    fn places(&self) -> usize {
        PLACES
    }

    fn set(&mut self, place: usize, mark: Mark) {
        write(self.book.file().place(self.lane, place), mark);
    }

    fn clear(&mut self, place: usize) {
        self.book.file().place(self.lane, place)[0].store(0, Relaxed);
    }

    fn finished(&mut self, progress: &[Progress]) {
        self.book.forget(progress);
    }
}

/// The place is open while it is written. What the thread has stored is in the file when the process dies, in this order as
/// far as the compiler is concerned; the model's thread is told of the records afterwards.
fn write(place: &[AtomicU64], mark: Mark) {
    let partition = u64::from(mark.partition.cast_unsigned()) | if mark.alone { ALONE } else { 0 };
    let (first, end) = (mark.first.cast_unsigned(), mark.end.cast_unsigned());
    place[0].store(0, Relaxed);
    fence(Release);
    place[1].store(partition, Relaxed);
    place[2].store(first, Relaxed);
    place[3].store(end, Relaxed);
    fence(Release);
    place[0].store(sealed(partition, first, end), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark_of(partition: i32, first: i64, end: i64) -> Mark {
        Mark { partition, first, end, alone: false }
    }

    #[test]
    fn what_stands_in_the_file_is_read_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.marks");
        assert_eq!(read(&path).unwrap(), None, "nobody was there before");
        let file = MarkFile::create(&path, 7, 2).unwrap();
        assert_eq!(read(&path).unwrap(), Some(Left { run: 7, marks: Vec::new() }));
        let alone = Mark { alone: true, ..mark_of(i32::MAX, i64::MAX - 1, i64::MAX) };
        write(file.place(0, 0), mark_of(3, 100, 612));
        write(file.place(0, PLACES - 1), mark_of(0, 0, 1));
        write(file.place(1, 0), alone);
        let marks = vec![mark_of(3, 100, 612), mark_of(0, 0, 1), alone];
        assert_eq!(read(&path).unwrap(), Some(Left { run: 7, marks }));
        write(file.place(0, 0), mark_of(3, 200, 612));
        file.place(1, 0)[0].store(0, Relaxed);
        let marks = vec![mark_of(3, 200, 612), mark_of(0, 0, 1)];
        assert_eq!(read(&path).unwrap(), Some(Left { run: 7, marks }));
        file.clear_all();
        assert_eq!(read(&path).unwrap(), Some(Left { run: 7, marks: Vec::new() }));
    }

    #[test]
    fn a_place_that_was_being_written_is_no_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.marks");
        let file = MarkFile::create(&path, 1, 1).unwrap();
        for word in 0..PLACE_WORDS {
            write(file.place(0, 0), mark_of(3, 100, 612));
            file.place(0, 0)[word].fetch_add(1, Relaxed);
            assert_eq!(read(&path).unwrap().unwrap().marks, [], "word {word} is of another mark");
        }
        // A file that is cut off has the places that it has; one of another version none.
        write(file.place(0, 0), mark_of(3, 100, 612));
        let bytes = fs::read(&path).unwrap();
        let cut = folder.path().join("cut");
        fs::write(&cut, &bytes[..(HEADER_WORDS + PLACE_WORDS) * 8 + 5]).unwrap();
        assert_eq!(read(&cut).unwrap().unwrap().marks, [mark_of(3, 100, 612)]);
        fs::write(&cut, &bytes[..40]).unwrap();
        assert_eq!(read(&cut).unwrap(), None);
        fs::write(&cut, [&[0], &bytes[1..]].concat()).unwrap();
        assert_eq!(read(&cut).unwrap(), None);
    }
}

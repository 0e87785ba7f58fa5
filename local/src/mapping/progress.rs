//! Which records of a stream are done, and up to where all of them are.

use std::collections::VecDeque;

/// The records that are read, in stream order, until all before them are done.
#[derive(Debug, Default)]
pub(super) struct Progress {
    open: VecDeque<(String, bool)>,
    /// The place of the first open record: places count up from 0 for the whole run.
    first: u64,
}

impl Progress {
    /// How many records wait for themselves or for one before them.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Adds the next record and says its place.
    pub(super) fn add(&mut self, sequence: String, done: bool) -> u64 {
        let place = self.first + self.open.len() as u64;
        self.open.push_back((sequence, done));
        place
    }

    /// Marks the records at these places as done.
    pub(super) fn finish(&mut self, places: &[u64]) {
        for place in places {
            let index = place
                .checked_sub(self.first)
                .and_then(|index| usize::try_from(index).ok());
            if let Some(record) = index.and_then(|index| self.open.get_mut(index)) {
                record.1 = true;
            }
        }
    }

    /// Forgets what is open, to be read again: under new places, so that late news of the old ones means nothing.
    pub(super) fn forget(&mut self) {
        self.first += self.open.len() as u64;
        self.open.clear();
    }

    /// The sequence number up to which every record is done, if it moved.
    pub(super) fn advance(&mut self) -> Option<String> {
        let mut reached = None;
        while self.open.front().is_some_and(|(_, done)| *done) {
            reached = self.open.pop_front().map(|(sequence, _)| sequence);
            self.first += 1;
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_only_past_what_is_done_with_all_before_it() {
        let mut progress = Progress::default();
        let places: Vec<u64> = ["a", "b", "c", "d"]
            .map(|sequence| progress.add(sequence.to_owned(), false))
            .to_vec();
        assert_eq!(progress.advance(), None);
        progress.finish(&places[1..3]);
        assert_eq!(progress.advance(), None);
        progress.finish(&places[..1]);
        assert_eq!(progress.advance().as_deref(), Some("c"));
        assert_eq!(progress.advance(), None);
        progress.add("e".to_owned(), true);
        assert_eq!(progress.advance(), None);
        progress.finish(&places[3..]);
        assert_eq!(progress.advance().as_deref(), Some("e"));
        assert_eq!(progress.open(), 0);
    }
}

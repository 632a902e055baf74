//! Keys that were seen, and where each was first.
//!
//! Knows digests and places; refuses to know what a key is made of. Keys are in shards by their
//! first byte: each is small enough for a processor's cache, and threads take shards apart.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::threads::{self, change};

/// A digest of a key.
pub(super) type Digest = [u8; 16];

/// The number of a file and of a row in it.
pub(super) type Place = (u32, u64);

const SHARDS: usize = 16;

/// Keys, and where each was first.
#[derive(Debug)]
pub(super) struct Seen {
    shards: Vec<FxHashMap<Digest, Place>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { shards: vec![FxHashMap::default(); SHARDS] }
    }
}

fn shard(digest: &Digest) -> usize {
    usize::from(digest[0]) % SHARDS
}

impl Seen {
    /// Where a key was first.
    pub(super) fn get(&self, digest: &Digest) -> Option<Place> {
        self.shards[shard(digest)].get(digest).copied()
    }

    /// Takes a key in.
    pub(super) fn insert(&mut self, digest: Digest, place: Place) {
        self.shards[shard(&digest)].insert(digest, place);
    }

    /// Takes in the keys of rows of a file from `number` on; `false` where one was there before,
    /// and then some may be in.
    ///
    /// # Errors
    /// Where a thread failed.
    pub(super) fn take(
        &mut self,
        (file, number): Place,
        digests: &[Option<Digest>],
    ) -> Result<bool> {
        let shards = std::mem::take(&mut self.shards).into_iter().enumerate();
        let all = shards.map(|(place, own)| (place, own, true)).collect();
        let all = change(all, threads::count(), |(place, own, new)| {
            own.reserve(digests.len() / SHARDS);
            let rows = (number..).zip(digests);
            let rows = rows.filter_map(|(row, digest)| digest.map(|digest| (row, digest)));
            for (row, digest) in rows.filter(|(_, digest)| shard(digest) == *place) {
                match own.entry(digest) {
                    Entry::Vacant(free) => drop(free.insert((file, row))),
                    Entry::Occupied(_) => *new = false,
                }
            }
        })?;
        let new = all.iter().all(|(_, _, new)| *new);
        self.shards = all.into_iter().map(|(_, own, _)| own).collect();
        Ok(new)
    }

    /// Takes the keys of these rows out again, where they were the first.
    pub(super) fn forget(&mut self, (file, number): Place, digests: &[Option<Digest>]) {
        for (row, digest) in (number..).zip(digests) {
            if let Some(digest) = digest
                && self.get(digest) == Some((file, row))
            {
                self.shards[shard(digest)].remove(digest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_in_together_or_found_to_be_there() {
        let digest = |row: u64| {
            let mut digest = [0; 16];
            digest[..8].copy_from_slice(&row.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            digest
        };
        let keys =
            |rows: std::ops::Range<u64>| rows.map(|row| Some(digest(row))).collect::<Vec<_>>();
        let mut seen = Seen::default();
        assert!(seen.take((0, 1), &keys(0..900)).unwrap());
        seen.insert(digest(2000), (0, 901));
        assert_eq!(seen.get(&digest(7)), Some((0, 8)));
        let mut with_nulls = keys(900..1800);
        with_nulls[3] = None;
        assert!(seen.take((1, 1), &with_nulls).unwrap());
        assert_eq!((seen.get(&digest(903)), seen.get(&digest(904))), (None, Some((1, 5))));
        let again = keys(1999..2100);
        assert!(!seen.take((2, 1), &again).unwrap(), "one was there");
        seen.forget((2, 1), &again);
        assert_eq!(seen.get(&digest(2000)), Some((0, 901)), "the first stays");
        assert!(again.iter().flatten().filter(|own| seen.get(own).is_some()).count() == 1);
    }
}

//! Keys that were seen, and where each was first.
//!
//! Knows digests and places; refuses to know what a key is made of. Keys of whole columns are only
//! put by, and looked at together at the end: that they differ is found by sorting, in a quarter of
//! the room that a table of places takes. Only who asks where a key was needs that table.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::threads::{self, parallel};

/// A digest of a key.
pub(super) type Digest = [u8; 16];

/// The digest of a key of these bytes. Of a short key it is the key itself, its bits stirred so that
/// each half tells most apart: two short keys never share one. Of a longer one it is 128 bits of
/// BLAKE3, but for one bit that short keys do not have: any two of 20 million keys share one with a
/// probability below 2^-64.
pub(super) fn digest(key: &[u8]) -> Digest {
    let mut digest = [0; 16];
    if key.len() < digest.len() {
        digest[..key.len()].copy_from_slice(key);
        digest[15] = key.len() as u8;
    } else {
        digest.copy_from_slice(&blake3::hash(key).as_bytes()[..16]);
        digest[15] |= 0x80;
    }
    // Each step can be undone, so that no two become one.
    let mut bits = u128::from_le_bytes(digest);
    bits ^= bits >> 64;
    bits = bits.wrapping_mul(STIR);
    bits ^= bits >> 64;
    bits.wrapping_mul(STIR).swap_bytes().to_le_bytes()
}

/// An odd number of many bits.
const STIR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// The number of a file and of a row in it.
pub(super) type Place = (u32, u64);

/// Keys are sorted in parts by their first byte, each small enough for a processor's cache.
const SHARDS: usize = 16;

/// Keys, and where each was first.
#[derive(Debug, Default)]
pub(super) struct Seen {
    first: FxHashMap<Digest, Place>,
    /// Keys of rows that follow each other, the place of the first of them before.
    put_by: Vec<(Place, Vec<Option<Digest>>)>,
    /// Whether a key that was put by was there twice.
    twice: bool,
}

impl Seen {
    /// Where a key was first.
    pub(super) fn get(&mut self, digest: &Digest) -> Option<Place> {
        self.place_all();
        self.first.get(digest).copied()
    }

    /// Takes a key in that [`Self::get`] does not know.
    pub(super) fn insert(&mut self, digest: Digest, place: Place) {
        self.first.insert(digest, place);
    }

    /// Puts by the keys of rows of a file from `place` on, to be looked at later.
    pub(super) fn put_by(&mut self, place: Place, digests: Vec<Option<Digest>>) {
        self.put_by.push((place, digests));
    }

    fn place_all(&mut self) {
        for ((file, number), digests) in std::mem::take(&mut self.put_by) {
            self.first.reserve(digests.len());
            for (row, digest) in (number..).zip(digests) {
                match digest.map(|digest| self.first.entry(digest)) {
                    Some(Entry::Vacant(free)) => drop(free.insert((file, row))),
                    Some(Entry::Occupied(_)) => self.twice = true,
                    None => {}
                }
            }
        }
    }

    /// Whether all keys that were put by differ, from each other and from those that were taken in.
    ///
    /// # Errors
    /// Where a thread failed.
    pub(super) fn all_differ(&mut self) -> Result<bool> {
        if !self.first.is_empty() {
            self.place_all();
        }
        // Mostly their first halves differ already, which are sorted sooner.
        let half =
            |digest: &Digest| digest.first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
        Ok(!self.twice && (self.differ(half)? || self.differ(|digest| *digest)?))
    }

    /// Whether no two of the keys that were put by have the same `part`.
    fn differ<T: Ord + Send>(&self, part: impl Fn(&Digest) -> T + Sync) -> Result<bool> {
        let differ = |own: &mut Vec<T>, shard: usize| {
            own.clear();
            let all = self.put_by.iter().flat_map(|(_, digests)| digests).flatten();
            own.extend(all.filter(|own| usize::from(own[0]) % SHARDS == shard).map(&part));
            own.sort_unstable();
            own.windows(2).all(|pair| pair[0] != pair[1])
        };
        Ok(!parallel(SHARDS, threads::count(), Vec::new, differ)?.contains(&false))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(row: u64) -> Digest {
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&row.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        digest
    }

    fn keys(rows: std::ops::Range<u64>) -> Vec<Option<Digest>> {
        rows.map(|row| Some(digest(row))).collect()
    }

    proptest! {
        #[test]
        fn short_keys_have_digests_of_their_own(
            l in prop::collection::vec(0u8..3, 0..17), r in prop::collection::vec(0u8..3, 0..17),
        ) {
            prop_assert_eq!(super::digest(&l) == super::digest(&r), l == r);
        }
    }

    #[test]
    fn halves_and_first_bytes_of_digests_tell_short_keys_apart() {
        let keys: Vec<Digest> = (0..10_000)
            .map(|number| super::digest(format!("rec-{number:07}").as_bytes()))
            .collect();
        let halves: std::collections::BTreeSet<&[u8]> = keys.iter().map(|own| &own[..8]).collect();
        assert_eq!(halves.len(), keys.len());
        for shard in 0..SHARDS {
            let own = keys.iter().filter(|own| usize::from(own[0]) % SHARDS == shard).count();
            assert!((400..900).contains(&own), "{own}");
        }
    }

    #[test]
    fn a_key_that_is_put_by_twice_is_found() {
        let mut seen = Seen::default();
        assert!(seen.all_differ().unwrap());
        seen.put_by((0, 1), keys(0..900));
        let mut with_nulls = keys(900..1800);
        (with_nulls[3], with_nulls[4]) = (None, None);
        seen.put_by((1, 1), with_nulls);
        assert!(seen.all_differ().unwrap(), "what is not known is equal to nothing");
        seen.put_by((1, 901), keys(899..900));
        assert!(!seen.all_differ().unwrap());
    }

    #[test]
    fn who_asks_where_a_key_was_is_told_of_those_that_were_put_by() {
        let mut seen = Seen::default();
        seen.put_by((0, 1), keys(0..900));
        assert_eq!(seen.get(&digest(7)), Some((0, 8)));
        assert_eq!(seen.get(&digest(900)), None);
        seen.insert(digest(900), (0, 901));
        seen.put_by((1, 1), keys(901..1000));
        assert!(seen.all_differ().unwrap());
        assert_eq!(seen.get(&digest(905)), Some((1, 5)));
        seen.put_by((1, 100), keys(900..901));
        assert!(!seen.all_differ().unwrap(), "one that was taken in");
        assert_eq!(seen.get(&digest(900)), Some((0, 901)), "the first stays");
    }
}

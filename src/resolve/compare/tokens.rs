//! Words that two texts share.

use std::sync::Arc;

use super::{Comparator, ComparisonKind, threshold_level};
use crate::intern::{Arena, Texts};
use crate::resolve::columns::{Tuples, Values};
use crate::resolve::fold;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "tokens",
    description: "Words shared over all words (Jaccard), after folding: for names of organisations and products.",
    columns: &["text"],
    levels: &["exact", "jaccard >= {}", "else"],
    thresholds: &[0.75, 0.5, 0.3],
    normalise: |_, text| fold::text_fold(text),
    build,
};

/// Lists of codes, one after another.
#[derive(Default)]
pub(super) struct Lists {
    ends: Vec<u32>,
    codes: Vec<u32>,
}

impl Lists {
    /// Takes a list in.
    pub(super) fn push(&mut self, list: impl IntoIterator<Item = u32>) {
        self.codes.extend(list);
        self.ends.push(self.codes.len() as u32);
    }

    /// The list at this place.
    pub(super) fn get(&self, place: u32) -> &[u32] {
        let place = place as usize;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.codes[start as usize..self.ends[place] as usize]
    }
}

/// What bounds the words that two sets have in common without looking at them again.
#[derive(Clone, Copy)]
pub(super) struct Bag {
    bits: u64,
    words: u32,
    /// Words that the bits do not hold: another has their bit.
    over: u32,
}

/// Sets of more words are not bounded: what rounding may be wrong by grows with them.
const BOUNDED: usize = 1 << 14;

impl Bag {
    /// The bag of a sorted set of codes.
    pub(super) fn new(set: &[u32]) -> Self {
        if set.len() > BOUNDED {
            // All words of another may be among them, and are all that there are.
            return Self { bits: u64::MAX, words: 0, over: BOUNDED as u32 };
        }
        // Codes of frequent words are small and near each other.
        let bit = |word: u32| 1u64 << (word.wrapping_mul(0x9e37_79b9) >> 26);
        let bits = set.iter().fold(0, |bits, word| bits | bit(*word));
        let words = set.len() as u32;
        Self { bits, words, over: words - bits.count_ones() }
    }

    /// Whether the Jaccard index of two sets is surely under `least`.
    #[inline]
    pub(super) fn surely_under(&self, other: &Self, least: f32) -> bool {
        let common = (self.bits & other.bits).count_ones() + self.over.min(other.over);
        let all = (self.words + other.words).saturating_sub(common);
        // Of so few words rounding may be wrong by far less than a hundredth.
        common as f32 + 0.01 < least * all as f32
    }
}

/// Bags that are held against one, each part of all together: a processor looks at several at a time.
pub(super) struct Bags {
    bits: Vec<u64>,
    words: Vec<u32>,
    overs: Vec<u32>,
}

impl Bags {
    /// These bags.
    pub(super) fn new(all: impl Iterator<Item = Bag> + Clone) -> Self {
        Self {
            bits: all.clone().map(|own| own.bits).collect(),
            words: all.clone().map(|own| own.words).collect(),
            overs: all.map(|own| own.over).collect(),
        }
    }

    /// Of the first `count` of them, as [`Bag::surely_under`].
    pub(super) fn surely_under(
        &self,
        other: &Bag,
        count: usize,
        least: f32,
        under: &mut Vec<bool>,
    ) {
        let own = self.bits[..count].iter().zip(&self.words).zip(&self.overs);
        under.clear();
        under.extend(own.map(|((bits, words), over)| {
            Bag { bits: *bits, words: *words, over: *over }.surely_under(other, least)
        }));
    }
}

/// The words of each distinct value, as sorted sets of codes; and the words.
pub(super) fn token_sets(values: &Values) -> (Lists, Arena) {
    let (mut known, mut sets, mut set) = (Texts::default(), Lists::default(), Vec::new());
    for code in 0..values.len() as u32 {
        set.clear();
        set.extend(values.get(code).split_whitespace().map(|word| known.number(word)));
        set.sort_unstable();
        set.dedup();
        sets.push(set.iter().copied());
    }
    (sets, known.values)
}

struct Tokens {
    sets: Lists,
    bags: Vec<Bag>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Arc<Tuples>, thresholds: &[f64]) -> Box<dyn Comparator> {
    let (sets, _) = token_sets(tuples.values(0));
    let bags = (0..tuples.len() as u32).map(|code| Bag::new(sets.get(code))).collect();
    Box::new(Tokens { sets, bags, thresholds: thresholds.to_vec() })
}

impl Comparator for Tokens {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let loosest = self.thresholds.last().copied().unwrap_or(1.0);
        if self.bags[l as usize].surely_under(&self.bags[r as usize], loosest as f32) {
            return 2 + self.thresholds.len() as u8;
        }
        let similarity = similarity::jaccard(self.sets.get(l), self.sets.get(r));
        threshold_level(similarity, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Bag;
    use crate::resolve::compare::testing::level;
    use crate::resolve::similarity;

    proptest! {
        #[test]
        fn a_bag_bounds_what_sets_share(
            l in prop::collection::btree_set(0u32..90, 0..70), r in prop::collection::btree_set(0u32..90, 0..70),
        ) {
            let (l, r): (Vec<u32>, Vec<u32>) = (l.into_iter().collect(), r.into_iter().collect());
            for least in [0.1, 0.3, 0.5, 0.75, 1.0] {
                let under = Bag::new(&l).surely_under(&Bag::new(&r), least);
                prop_assert!(!under || similarity::jaccard(&l, &r) < f64::from(least));
            }
        }
    }

    #[test]
    fn order_and_case_of_words_do_not_matter() {
        assert_eq!(level("tokens", &["Blue Nile Ltd"], &["blue nile LTD"]), "exact");
        assert_eq!(level("tokens", &["Blue Nile Ltd"], &["ltd blue nile"]), "jaccard >= 0.75");
        assert_eq!(level("tokens", &["Blue Nile Ltd"], &["Blue Nile"]), "jaccard >= 0.5");
        assert_eq!(level("tokens", &["Blue Nile"], &["Red Sea"]), "else");
    }
}

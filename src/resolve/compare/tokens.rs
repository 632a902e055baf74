//! Words that two texts share.

use std::sync::Arc;

use super::{Comparator, ComparisonKind, threshold_level};
use crate::resolve::columns::{Tuples, Values};
use crate::resolve::fold;
use crate::resolve::intern::Texts;
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

/// The words of each distinct value, as sorted sets of codes; and the words.
pub(super) fn token_sets(values: &Values) -> (Lists, Values) {
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
    thresholds: Vec<f64>,
}

fn build(tuples: &Arc<Tuples>, thresholds: &[f64]) -> Box<dyn Comparator> {
    Box::new(Tokens { sets: token_sets(tuples.values(0)).0, thresholds: thresholds.to_vec() })
}

impl Comparator for Tokens {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let similarity = similarity::jaccard(self.sets.get(l), self.sets.get(r));
        threshold_level(similarity, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn order_and_case_of_words_do_not_matter() {
        assert_eq!(level("tokens", &["Blue Nile Ltd"], &["blue nile LTD"]), "exact");
        assert_eq!(level("tokens", &["Blue Nile Ltd"], &["ltd blue nile"]), "jaccard >= 0.75");
        assert_eq!(level("tokens", &["Blue Nile Ltd"], &["Blue Nile"]), "jaccard >= 0.5");
        assert_eq!(level("tokens", &["Blue Nile"], &["Red Sea"]), "else");
    }
}

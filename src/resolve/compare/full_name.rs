//! Two whole names of persons, each in one column, word by word.
//!
//! Knows no order of words: family names come first or last, and a column that holds both does not
//! say which.

use std::sync::Arc;

use super::name::{Name, Relation, relation};
use super::{Comparator, ComparisonKind};
use crate::resolve::columns::Tuples;
use crate::resolve::fold;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "full_name",
    description: "Whole names of persons in one column: words in any order, across spellings and scripts, with short \
        forms, initials and words that one record leaves out.",
    columns: &["full_name"],
    levels: &[
        "exact",
        "same words in another order, spelling or script",
        "the shorter's words all in the longer, also short forms and initials",
        "jaro_winkler >= 0.92 each word of the shorter",
        "jaro_winkler >= 0.8 each word of the shorter",
        "same last word",
        "one word the same",
        "else",
    ],
    thresholds: &[],
    normalise: |_, text| {
        let clean = fold::person_name_clean(text);
        let folded = fold::text_fold(clean.as_deref().unwrap_or(text));
        folded.map(|folded| folded.into_owned().into())
    },
    build,
};

struct Whole {
    text: String,
    /// The words without the spaces between them.
    joined: String,
    words: Vec<Name>,
}

struct Wholes {
    names: Vec<Whole>,
}

fn build(tuples: &Arc<Tuples>, _: &[f64]) -> Box<dyn Comparator> {
    let prepare = |code| {
        let text = tuples.part(code, 0).unwrap_or_default().to_owned();
        Whole {
            joined: text.replace(' ', ""),
            words: text.split(' ').map(|word| Name::new(word.to_owned())).collect(),
            text,
        }
    };
    Box::new(Wholes { names: (0..tuples.len() as u32).map(prepare).collect() })
}

/// The relation of each word of the shorter name to a word of the longer, no word taken twice: the
/// strictest pairs first.
fn pairs(shorter: &Whole, longer: &Whole) -> Vec<Relation> {
    let mut all = Vec::new();
    for (own_place, own) in shorter.words.iter().enumerate() {
        for (other_place, other) in longer.words.iter().enumerate() {
            all.push((relation(own, other), own_place, other_place));
        }
    }
    all.sort_unstable();
    let mut own_taken = vec![false; shorter.words.len()];
    let mut other_taken = vec![false; longer.words.len()];
    let mut pairs = Vec::new();
    for (relation, own, other) in all {
        if !own_taken[own] && !other_taken[other] {
            (own_taken[own], other_taken[other]) = (true, true);
            pairs.push(relation);
        }
    }
    pairs
}

impl Comparator for Wholes {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (l, r) = (&self.names[l as usize], &self.names[r as usize]);
        // In one order, so that words pair off in the same way from both sides.
        let first = (l.words.len(), &l.text) <= (r.words.len(), &r.text);
        let (shorter, longer) = if first { (l, r) } else { (r, l) };
        let pairs = pairs(shorter, longer);
        let strictest = pairs.first().copied().unwrap_or(Relation::Far);
        let loosest = pairs.last().copied().unwrap_or(Relation::Far);
        let all = shorter.words.len() == longer.words.len();
        // One word of a name of several is no more than one word.
        let several = shorter.words.len() > 1 || all;
        let last = shorter.words.last().zip(longer.words.last());
        let last = last.map_or(Relation::Far, |(l, r)| relation(l, r));
        match loosest {
            _ if l.joined == r.joined => 2,
            Relation::Same | Relation::Sound if all => 2,
            Relation::Same | Relation::Sound if several => 3,
            Relation::Part if several && strictest <= Relation::Sound => 3,
            Relation::Part | Relation::Near if several => 4,
            Relation::Like if several => 5,
            _ if last <= Relation::Sound => 6,
            _ if strictest <= Relation::Sound => 7,
            _ => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn levels_nest_from_strict_to_loose() {
        let same = "same words in another order, spelling or script";
        let within = "the shorter's words all in the longer, also short forms and initials";
        let near = "jaro_winkler >= 0.92 each word of the shorter";
        let cases = [
            ("Mohamed Hassan", "MOHAMED  hassan", "exact"),
            ("Dr. Ana Diaz", "Ana Díaz", "exact"),
            ("Mohamed Hassan", "Hassan Mohamed", same),
            ("Mohamed Hassan", "محمد حسن", same),
            ("Ana Maria Diaz", "AnaMaria Diaz", same),
            ("Ana Diaz Moreno", "Ana Diaz", within),
            ("M. Hassan", "Mohamed Hassan", within),
            ("Bob Taylor", "Robert J Taylor", within),
            ("Katharina Schmidt", "Katherinna Schmitd", near),
            ("Marta Ondieki", "Maria Ondieki", "jaro_winkler >= 0.8 each word of the shorter"),
            ("Lucia Ondieki", "Peter Ondieki", "same last word"),
            ("Peter Hassan", "Peter Ondieki", "one word the same"),
            ("Hassan", "Mohamed Hassan", "same last word"),
            ("Lucia Ondieki", "Peter Hassan", "else"),
            ("Lucia Ondieki", "-", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("full_name", &[l], &[r]), expected, "{l} {r}");
        }
    }
}

//! Two names of organisations, in one script or in two.
//!
//! A firm's name in another script is as often a translation as a transcription, and a translation
//! cannot be compared: names in two scripts that do not sound alike have a level of their own, so
//! that training finds out how little it says.

use std::sync::Arc;

use super::tokens::{Lists, token_sets};
use super::{Comparator, ComparisonKind, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::fold;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "organisation_name",
    description: "Names of organisations without their legal form: spelling, sound across scripts, and \
        names in two scripts that may be translations of each other.",
    columns: &["name"],
    levels: &[
        "exact",
        "same in another spelling or script",
        "words of one within the other",
        "jaro_winkler >= {}",
        "in two scripts",
        "else",
    ],
    thresholds: &[0.92, 0.8],
    normalise: |_, text| fold::text_fold(text),
    build,
};

struct Name {
    text: String,
    /// Its words without spaces.
    joined: String,
    skeleton: Option<String>,
}

struct Names {
    names: Vec<Name>,
    /// The words of each, as sorted sets of codes.
    words: Lists,
    thresholds: Vec<f64>,
}

impl Names {
    /// Whether all words of one are among those of the other: one more word is a place, a branch, a
    /// kind of business. One word alone may be no more than that.
    fn within(&self, l: u32, r: u32) -> bool {
        let (l, r) = (self.words.get(l), self.words.get(r));
        let fewer = l.len().min(r.len());
        fewer >= 2 && similarity::common(l, r) == fewer
    }
}

/// A skeleton shorter than this is shared by chance.
const SHORT: usize = 3;

fn build(tuples: &Arc<Tuples>, thresholds: &[f64]) -> Box<dyn Comparator> {
    let prepare = |code| {
        let text = tuples.part(code, 0).unwrap_or_default().to_owned();
        Name {
            joined: text.replace(' ', ""),
            skeleton: fold::name_skeleton(&text).filter(|skeleton| skeleton.len() >= SHORT),
            text,
        }
    };
    Box::new(Names {
        names: (0..tuples.len() as u32).map(prepare).collect(),
        words: token_sets(tuples.values(0)).0,
        thresholds: thresholds.to_vec(),
    })
}

impl Comparator for Names {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (left, right) = (&self.names[l as usize], &self.names[r as usize]);
        let one_script = left.text.is_ascii() == right.text.is_ascii();
        let similarity = similarity::jaro_winkler(&left.text, &right.text);
        let same_sound = left.skeleton.is_some()
            && left.skeleton == right.skeleton
            && (!one_script || similarity >= 0.8);
        if same_sound || left.joined == right.joined {
            return 2;
        }
        if self.within(l, r) {
            return 3;
        }
        let level = threshold_level(similarity, &self.thresholds, 4);
        // Past the thresholds stands the level of two scripts, and after it all else.
        let looser = level as usize == 4 + self.thresholds.len();
        if looser && one_script { level + 1 } else { level }
    }

    fn agreed(&self, level: u8) -> u8 {
        u8::from(level <= 4)
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn a_translation_is_not_a_disagreement() {
        let cases = [
            ("Nile Trading", "NILE  trading", "exact"),
            ("Nile Trading", "Nil Tradding", "same in another spelling or script"),
            ("Al Noor", "AlNoor", "same in another spelling or script"),
            ("Nile Trading", "The Nile Trading (Cairo)", "words of one within the other"),
            ("Trading", "Nile Trading", "else"),
            ("Nile Trading", "Nile Tradxing", "jaro_winkler >= 0.92"),
            ("Nile Trading", "النيل للتجارة", "in two scripts"),
            ("Nile Trading", "Cedar Schools", "else"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("organisation_name", &[l], &[r]), expected, "{l} {r}");
        }
    }
}

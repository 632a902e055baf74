//! One given or family name, and how two of them stand to each other.
//!
//! Knows spellings, sounds and short forms; refuses to know which column a name is of.

use std::hash::Hasher;
use std::ops::Range;

use rustc_hash::FxHasher;

use crate::resolve::fold;
use crate::resolve::similarity::{self, Sketch, Sketches};

/// A distinct given or family name. There are many: all that is said of one lies together.
pub(super) struct Name {
    /// The name, what it sounds like, the name that it is short for, and it without spaces, as far
    /// as there are such.
    letters: String,
    text: u32,
    skeleton: Option<Range<u32>>,
    root: Option<Range<u32>>,
    joined: Option<Range<u32>>,
    /// Where it has several words: skeletons of those that are long enough to tell.
    parts: Vec<String>,
    pub(super) outline: Outline,
}

/// What tells most pairs of names apart at one look.
#[derive(Clone, Copy)]
pub(super) struct Outline {
    sketch: Sketch,
    /// Hashes, of which only a difference says something.
    skeleton: u32,
    root: u32,
    /// A bit for each of its words, by what it sounds like.
    words: u32,
    pub(super) latin: bool,
    pub(super) several: bool,
    /// One letter, which stands for many names.
    pub(super) initial: bool,
}

impl Outline {
    /// Whether two names are surely far from each other: as `relation` finds after long.
    #[inline]
    pub(super) fn far(&self, other: &Self) -> bool {
        self.unlike(other) & self.sketch.surely_under(&other.sketch, LIKE)
    }

    /// Whether two names in Latin letters have neither a sound, a short form, a word nor an initial
    /// in common.
    #[inline]
    fn unlike(&self, other: &Self) -> bool {
        // Every question is asked: most pairs of names are far, and to guess wrong costs more.
        let shared = (self.several | other.several) & (self.words & other.words != 0);
        let begins = (self.initial | other.initial) & self.sketch.same_first(&other.sketch);
        (self.latin & other.latin)
            & (self.skeleton != other.skeleton)
            & (self.root != other.root)
            & !shared
            & !begins
    }
}

/// Outlines that are held against one.
pub(super) struct Outlines {
    all: Vec<Outline>,
    sketches: Sketches,
}

impl Outlines {
    /// These outlines.
    pub(super) fn new(all: Vec<Outline>) -> Self {
        Self { sketches: Sketches::new(all.iter().map(|own| &own.sketch)), all }
    }

    /// Of the first `count` of them, as [`Outline::far`].
    pub(super) fn far(&self, other: &Outline, count: usize, far: &mut Vec<bool>) {
        self.sketches.surely_under(&other.sketch, count, LIKE, far);
        far.iter_mut().zip(&self.all).for_each(|(far, own)| *far &= own.unlike(other));
    }
}

/// Names under this similarity are far from each other.
const LIKE: f32 = 0.8;

/// A word's skeleton shorter than this is shared by chance.
const SHORT: usize = 3;

fn hash(text: Option<&str>) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(text.unwrap_or_default().as_bytes());
    (hasher.finish() >> 32) as u32
}

impl Name {
    /// A name of its folded text.
    pub(super) fn new(text: String) -> Self {
        let skeleton = fold::name_skeleton(&text);
        let several = text.contains(' ');
        let root = fold::nickname_root(&text);
        let bit = |word: &str, sound: Option<&str>| 1u32 << (hash(sound.or(Some(word))) & 31);
        let mut words = 0;
        let mut parts = Vec::new();
        if several {
            for word in text.split(' ') {
                let sound = fold::name_skeleton(word);
                words |= bit(word, sound.as_deref());
                parts.extend(sound.filter(|sound| sound.len() >= SHORT));
            }
        } else {
            words = bit(&text, skeleton.as_deref());
        }
        let outline = Outline {
            sketch: Sketch::new(&text),
            skeleton: hash(skeleton.as_deref()),
            root: hash(root.as_deref()),
            words,
            latin: text.is_ascii(),
            several,
            initial: text.chars().nth(1).is_none() && !text.is_empty(),
        };
        let joined = several.then(|| text.replace(' ', ""));
        let (end, mut letters) = (text.len() as u32, text);
        let mut put = |own: Option<String>| {
            let start = letters.len() as u32;
            letters.push_str(own.as_deref()?);
            Some(start..letters.len() as u32)
        };
        let [skeleton, root, joined] = [skeleton, root, joined].map(&mut put);
        Self { text: end, skeleton, root, joined, parts, outline, letters }
    }

    fn part(&self, own: &Range<u32>) -> &str {
        &self.letters[own.start as usize..own.end as usize]
    }

    /// The name.
    pub(super) fn text(&self) -> &str {
        &self.letters[..self.text as usize]
    }

    /// What it sounds like.
    pub(super) fn skeleton(&self) -> Option<&str> {
        self.skeleton.as_ref().map(|own| self.part(own))
    }

    /// The name that it is a short form of.
    fn root(&self) -> Option<&str> {
        self.root.as_ref().map(|own| self.part(own))
    }

    /// Skeletons of its words that are long enough to tell.
    fn words(&self) -> impl Iterator<Item = &str> {
        let one = self.skeleton().filter(|own| !self.outline.several && own.len() >= SHORT);
        self.parts.iter().map(String::as_str).chain(one)
    }

    /// Its words without the spaces between them.
    fn joined(&self) -> &str {
        self.joined.as_ref().map_or_else(|| self.text(), |own| self.part(own))
    }
}

/// How two given or two family names stand to each other, from strict to loose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    Same,
    /// The same in another spelling or script.
    Sound,
    /// A short form, an initial, or a part of a name of several words.
    Part,
    /// Jaro-Winkler of 0.92 or more.
    Near,
    /// Jaro-Winkler of 0.8 or more.
    Like,
    Far,
}

/// Equal, or of one skeleton and not far apart where both are in one script: skeletons of short
/// names meet by chance (Dan, Dean, Dina).
pub(super) fn same_sound(l: &Name, r: &Name) -> bool {
    if l.joined() == r.joined() {
        return true;
    }
    let (Some(sound), Some(other)) = (l.skeleton(), r.skeleton()) else { return false };
    if l.outline.initial || r.outline.initial || sound != other {
        return false;
    }
    let long = sound.len() > 1;
    if l.outline.latin == r.outline.latin {
        long && similarity::jaro_winkler(l.text(), r.text()) >= 0.8
    } else {
        true
    }
}

/// One is a short form of the other, its initial, or one or more of its words.
fn part(l: &Name, r: &Name) -> bool {
    let begins = |short: &Name, long: &Name| match short.outline.initial {
        true if short.outline.latin == long.outline.latin => long.text().starts_with(short.text()),
        true => match (short.skeleton(), long.skeleton()) {
            (Some(short), Some(long)) => long.starts_with(short),
            _ => false,
        },
        false => {
            long.outline.several && short.words().any(|word| long.words().any(|own| own == word))
        }
    };
    let root = l.root();
    (root.is_some() && root == r.root()) || begins(l, r) || begins(r, l)
}

/// How a name stands to itself: one initial stands for many names.
pub(super) fn itself(initial: bool) -> Relation {
    if initial { Relation::Part } else { Relation::Same }
}

/// How two names stand to each other.
pub(super) fn relation(l: &Name, r: &Name) -> Relation {
    if l.text() == r.text() {
        return itself(l.outline.initial);
    }
    if same_sound(l, r) {
        return Relation::Sound;
    }
    if part(l, r) {
        return Relation::Part;
    }
    let close = match (l.skeleton(), r.skeleton()) {
        // In two scripts what they sound like is all that can be compared.
        (Some(l), Some(r)) if l.len() > 1 && r.len() > 1 => similarity::jaro_winkler(l, r),
        _ => 0.0,
    };
    let close = if l.outline.latin == r.outline.latin {
        similarity::jaro_winkler(l.text(), r.text())
    } else {
        close
    };
    match close {
        close if close >= 0.92 => Relation::Near,
        close if close >= 0.8 => Relation::Like,
        _ => Relation::Far,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "([a-d]|[a-d]{2,6}|[a-d]{1,5}( [a-d]{1,4}){1,2}|bob|robert|[ا-د]{2,4})";

    proptest! {
        #[test]
        fn outlines_tell_far_names_only(l in NAME, r in NAME) {
            let (l, r) = (Name::new(l), Name::new(r));
            let far = l.outline.far(&r.outline);
            prop_assert_eq!(far, r.outline.far(&l.outline));
            let mut of_many = Vec::new();
            let outlines = Outlines::new(vec![r.outline, l.outline]);
            outlines.far(&l.outline, 2, &mut of_many);
            prop_assert_eq!(&of_many, &[far, l.outline.far(&l.outline)]);
            outlines.far(&l.outline, 1, &mut of_many);
            prop_assert_eq!(of_many, [far]);
            prop_assert!(!far || relation(&l, &r) == Relation::Far, "{} {}", l.text(), r.text());
        }
    }
}

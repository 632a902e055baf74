//! Similarities of two texts, as strsim defines them.
//!
//! Knows texts and numbers; refuses to know levels. strsim's Jaro is greedy from the left text, so
//! that swapping the texts can change it: here the lesser text is always the left one, which makes
//! every similarity symmetric and still strsim's own.

/// The longest text in bytes whose characters fit the bits of a word.
const WORD: usize = 64;

/// Both texts as bytes, where bytes are characters and fit a word.
fn words<'a>(a: &'a str, b: &'a str) -> Option<(&'a [u8], &'a [u8])> {
    let fits = |text: &str| text.len() <= WORD && text.is_ascii();
    (fits(a) && fits(b)).then_some((a.as_bytes(), b.as_bytes()))
}

/// For each ASCII character the places where a text has it, as bits.
fn places(text: &[u8]) -> [u64; 128] {
    let mut places = [0; 128];
    for (place, byte) in text.iter().enumerate() {
        places[usize::from(*byte & 127)] |= 1 << place;
    }
    places
}

/// Jaro-Winkler (Winkler 1990), 0 to 1, with strsim's prefix scale 0.1 over 4 characters.
pub(crate) fn jaro_winkler(a: &str, b: &str) -> f64 {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    let Some((left, right)) = words(a, b) else { return strsim::jaro_winkler(a, b) };
    let similarity = jaro_of_words(left, right);
    if similarity > 0.7 {
        let prefix = left.iter().zip(right).take(4).take_while(|(l, r)| l == r).count();
        similarity + 0.1 * prefix as f64 * (1.0 - similarity)
    } else {
        similarity
    }
}

/// Jaro (1989), 0 to 1: Jaro-Winkler without its prefix.
pub(crate) fn jaro(a: &str, b: &str) -> f64 {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    words(a, b).map_or_else(|| strsim::jaro(a, b), |(left, right)| jaro_of_words(left, right))
}

/// strsim's Jaro, greedy from the left: of the free places of a character within reach the first is
/// the lowest bit.
fn jaro_of_words(a: &[u8], b: &[u8]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return if a.len() == b.len() { 1.0 } else { 0.0 };
    }
    let reach = (a.len().max(b.len()) / 2).saturating_sub(1);
    let places = places(b);
    let (mut matched_a, mut matched_b) = (0u64, 0u64);
    // Places from `i - reach` to `i + reach`.
    let mut window = ones(reach + 1);
    for (place, byte) in a.iter().enumerate() {
        let free = places[usize::from(*byte & 127)] & window & !matched_b;
        matched_b |= free & free.wrapping_neg();
        matched_a |= u64::from(free != 0) << place;
        window = window << 1 | u64::from(place < reach);
    }
    let matches = matched_a.count_ones() as usize;
    if matches == 0 {
        return 0.0;
    }
    let mut transposed = 0usize;
    while matched_a != 0 {
        let (l, r) = (matched_a.trailing_zeros(), matched_b.trailing_zeros());
        transposed += usize::from(a[l as usize] != b[r as usize]);
        matched_a &= matched_a - 1;
        matched_b &= matched_b - 1;
    }
    ((matches as f64 / a.len() as f64)
        + (matches as f64 / b.len() as f64)
        + ((matches - transposed / 2) as f64 / matches as f64))
        / 3.0
}

/// So many low bits.
fn ones(count: usize) -> u64 {
    if count >= WORD { u64::MAX } else { (1 << count) - 1 }
}

/// Edits between two texts: insertion, deletion, substitution and the swap of two neighbours, no
/// part edited twice (optimal string alignment, the restricted Damerau-Levenshtein distance).
pub(crate) fn edits(a: &str, b: &str) -> usize {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    match words(a, b) {
        Some((a, b)) => edits_of_words(a, b, true),
        None => strsim::osa_distance(a, b),
    }
}

/// Insertions, deletions and substitutions between two texts (Levenshtein 1966).
pub(crate) fn levenshtein(a: &str, b: &str) -> usize {
    match words(a, b) {
        Some((a, b)) => edits_of_words(a, b, false),
        None => strsim::levenshtein(a, b),
    }
}

/// Edits by a column of the table at a time, as bits that say where it rises and falls (Hyyrö
/// 2003); with swaps of neighbours or without.
fn edits_of_words(a: &[u8], b: &[u8], swaps: bool) -> usize {
    if a.is_empty() {
        return b.len();
    }
    let places = places(a);
    let last = 1u64 << (a.len() - 1);
    let (mut rises, mut falls, mut diagonal, mut before) = (u64::MAX, 0u64, 0u64, 0u64);
    let mut edits = a.len();
    for byte in b {
        let here = places[usize::from(*byte & 127)];
        let swapped = if swaps { ((!diagonal & here) << 1) & before } else { 0 };
        diagonal = (((here & rises).wrapping_add(rises)) ^ rises) | here | falls | swapped;
        let up = falls | !(diagonal | rises);
        let down = diagonal & rises;
        edits += usize::from(up & last != 0);
        edits -= usize::from(down & last != 0);
        let (up, down) = (up << 1 | 1, down << 1);
        rises = down | !(diagonal | up);
        falls = up & diagonal;
        before = here;
    }
    edits
}

/// What bounds the Jaro-Winkler similarity of two texts without looking at them again: which
/// characters, how many, and the first four.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sketch {
    /// Two bits for each of 32 classes of characters: one of it, two or more.
    bag: u64,
    prefix: u32,
    /// 1 over the number of characters; 0 for a text that is not of a few ASCII characters, of
    /// which nothing is known.
    inverse: f32,
    /// Characters that the bag does not hold.
    over: u16,
    length: u16,
}

impl Sketch {
    /// The sketch of a text.
    pub(crate) fn new(text: &str) -> Self {
        if text.is_empty() || text.len() > WORD || !text.is_ascii() {
            return Self { bag: 0, prefix: 0, inverse: 0.0, over: 0, length: 0 };
        }
        Self::of_bag(text, bag(0, text))
    }

    /// The sketches of a beginning of a text, which ends there, and of the whole.
    pub(crate) fn of_beginning(text: &str, end: usize) -> (Self, Self) {
        if text.len() > WORD || !text.is_ascii() || end == 0 {
            return (Self::new(&text[..end]), Self::new(text));
        }
        let (beginning, rest) = text.split_at(end);
        let own = bag(0, beginning);
        (Self::of_bag(beginning, own), Self::of_bag(text, bag(own, rest)))
    }

    /// Of a text that is known to have one.
    fn of_bag(text: &str, bag: u64) -> Self {
        let first = text.bytes().take(4).rev();
        let prefix = first.fold(0, |prefix, byte| prefix << 8 | u32::from(byte));
        let length = text.len() as u16;
        let over = length - bag.count_ones() as u16;
        Self { bag, prefix, inverse: 1.0 / f32::from(length), over, length }
    }

    /// Whether two texts are surely less alike than `least`, which is 0.1 or more.
    #[inline]
    pub(crate) fn surely_under(&self, other: &Self, least: f32) -> bool {
        surely_under(self.parts(), other.parts(), least)
    }

    fn parts(&self) -> Parts {
        (self.bag, u32::from(self.over), self.inverse, self.prefix)
    }

    /// Whether two known texts begin with the same character.
    pub(crate) fn same_first(&self, other: &Self) -> bool {
        (self.prefix ^ other.prefix) & 0xff == 0
    }

    /// What [`surely_edited`] asks of a text.
    pub(crate) fn letters(&self) -> (u64, u16) {
        (self.bag, self.length)
    }
}

/// A bag with a text's letters added: of each class whether it is there, and whether it is twice.
fn bag(mut bag: u64, text: &str) -> u64 {
    for byte in text.bytes() {
        let class = 2 * (byte & 31);
        bag |= (1 + (bag >> class & 1)) << class;
    }
    bag
}

/// Of a sketch its bag, what is over, the inverse length and the prefix.
type Parts = (u64, u32, f32, u32);

#[inline]
fn surely_under(l: Parts, r: Parts, least: f32) -> bool {
    let ((bag_l, over_l, inverse_l, prefix_l), (bag_r, over_r, inverse_r, prefix_r)) = (l, r);
    let known = (inverse_l != 0.0) & (inverse_r != 0.0);
    let common = (bag_l & bag_r).count_ones() + over_l.min(over_r);
    let jaro = (common as f32 * (inverse_l + inverse_r) + 1.0) / 3.0;
    // How many of the first four characters are the same, one after another.
    let differ = prefix_l ^ prefix_r;
    let same = |later: u32| u32::from(differ << later == 0);
    let prefix = same(24) + same(16) + same(8) + same(0);
    let boost = 0.1 * prefix as f32 * (1.0 - jaro).max(0.0);
    // What rounding may be wrong by is far under a hundred-thousandth.
    known & (jaro + boost < least - 1e-5)
}

/// Sketches that are held against one, each part of all together: a processor looks at several at a
/// time.
#[derive(Debug, Default)]
pub(crate) struct Sketches {
    bags: Vec<u64>,
    overs: Vec<u32>,
    inverses: Vec<f32>,
    prefixes: Vec<u32>,
}

impl Sketches {
    /// These sketches.
    pub(crate) fn new<'a>(all: impl Iterator<Item = &'a Sketch>) -> Self {
        let mut own = Self::default();
        for (bag, over, inverse, prefix) in all.map(Sketch::parts) {
            own.bags.push(bag);
            own.overs.push(over);
            own.inverses.push(inverse);
            own.prefixes.push(prefix);
        }
        own
    }

    /// Of the first `count` of them, as [`Sketch::surely_under`].
    pub(crate) fn surely_under(
        &self,
        other: &Sketch,
        count: usize,
        least: f32,
        under: &mut Vec<bool>,
    ) {
        let other = other.parts();
        let own =
            self.bags[..count].iter().zip(&self.overs).zip(&self.inverses).zip(&self.prefixes);
        under.clear();
        under.extend(own.map(|(((bag, over), inverse), prefix)| {
            surely_under((*bag, *over, *inverse, *prefix), other, least)
        }));
    }
}

/// Whether more than one edit surely lies between two texts, of which these are a sketch's letters:
/// one edit takes a character from a class and adds one to another, at most.
#[inline]
pub(crate) fn surely_edited((bag, length): (u64, u16), (others, other_length): (u64, u16)) -> bool {
    let known = (length > 0) & (other_length > 0);
    let without_lowest = |bits: u64| bits & bits.wrapping_sub(1);
    let further = without_lowest(without_lowest(bag ^ others)) != 0;
    known & ((length.abs_diff(other_length) > 1) | further)
}

/// Insertions, deletions, substitutions and swaps of neighbours, also around other edits
/// (Damerau 1964, unrestricted).
pub(crate) fn damerau_levenshtein(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

/// 1 less edits over the longer text's characters; 1 for two empty texts.
pub(crate) fn edit_similarity(a: &str, b: &str) -> f64 {
    let longest = a.chars().count().max(b.chars().count());
    if longest == 0 { 1.0 } else { 1.0 - edits(a, b) as f64 / longest as f64 }
}

/// Whether at most one edit lies between two texts: what is left between their common beginning and
/// their common end is at most one character of each, or two that are swapped.
pub(crate) fn one_edit(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return one_edit_of_bytes(a.as_bytes(), b.as_bytes());
    }
    if a.len().abs_diff(b.len()) > 4 {
        return false;
    }
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        let rest = (a.clone(), b.clone());
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(l), Some(r)) if l == r => {}
            _ => {
                (a, b) = rest;
                break;
            }
        }
    }
    loop {
        let rest = (a.clone(), b.clone());
        match (a.next_back(), b.next_back()) {
            (Some(l), Some(r)) if l == r => {}
            _ => {
                (a, b) = rest;
                break;
            }
        }
    }
    match ((a.next(), a.next(), a.next()), (b.next(), b.next(), b.next())) {
        ((_, None, _), (_, None, _)) => true,
        ((Some(first), Some(second), None), (Some(other), Some(last), None)) => {
            first == last && second == other
        }
        _ => false,
    }
}

/// The same of texts whose bytes are characters.
fn one_edit_of_bytes(a: &[u8], b: &[u8]) -> bool {
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let begin = a.iter().zip(b).take_while(|(l, r)| l == r).count();
    let (a, b) = (&a[begin..], &b[begin..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(l, r)| l == r).count();
    match (&a[..a.len() - end], &b[..b.len() - end]) {
        ([] | [_], [] | [_]) => true,
        ([first, second], [other, last]) => first == last && second == other,
        _ => false,
    }
}

/// How many codes two sorted sets have in common.
pub(crate) fn common(a: &[u32], b: &[u32]) -> usize {
    let (mut left, mut right, mut common) = (0, 0, 0usize);
    while left < a.len() && right < b.len() {
        match a[left].cmp(&b[right]) {
            std::cmp::Ordering::Less => left += 1,
            std::cmp::Ordering::Greater => right += 1,
            std::cmp::Ordering::Equal => {
                common += 1;
                left += 1;
                right += 1;
            }
        }
    }
    common
}

/// Common over all, of two sorted sets of codes: the Jaccard index. 0 where both are empty.
pub(crate) fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let common = common(a, b);
    let all = a.len() + b.len() - common;
    if all == 0 { 0.0 } else { common as f64 / all as f64 }
}

/// Common over the geometric mean of the sizes of two sorted sets of codes: their cosine. 0 where
/// one is empty.
pub(crate) fn cosine(a: &[u32], b: &[u32]) -> f64 {
    let sizes = a.len() * b.len();
    if sizes == 0 { 0.0 } else { common(a, b) as f64 / (sizes as f64).sqrt() }
}

/// The different characters of a text, as a sorted set of codes.
pub(crate) fn letters(text: &str) -> Vec<u32> {
    let mut set: Vec<u32> = text.chars().map(u32::from).collect();
    set.sort_unstable();
    set.dedup();
    set
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn similarities_are_symmetric_in_range_and_those_of_strsim(
            a in "[a-eé محم]{0,9}", b in "[a-eé محم]{0,9}",
        ) {
            let (low, high) = if a <= b { (&a, &b) } else { (&b, &a) };
            prop_assert_eq!(jaro_winkler(&a, &b).to_bits(), strsim::jaro_winkler(low, high).to_bits());
            prop_assert_eq!(jaro_winkler(&a, &b).to_bits(), jaro_winkler(&b, &a).to_bits());
            prop_assert_eq!(edits(&a, &b), strsim::osa_distance(&a, &b));
            prop_assert_eq!(edits(&a, &b), edits(&b, &a));
            prop_assert_eq!(jaro(&a, &b).to_bits(), strsim::jaro(low, high).to_bits());
            prop_assert_eq!(jaro(&a, &b).to_bits(), jaro(&b, &a).to_bits());
            prop_assert_eq!(levenshtein(&a, &b), levenshtein(&b, &a));
            prop_assert_eq!(damerau_levenshtein(&a, &b), damerau_levenshtein(&b, &a));
            prop_assert!(damerau_levenshtein(&a, &b) <= edits(&a, &b));
            prop_assert!(edits(&a, &b) <= levenshtein(&a, &b));
            prop_assert!((0.0..=1.0).contains(&jaro_winkler(&a, &b)));
            prop_assert!((0.0..=1.0).contains(&edit_similarity(&a, &b)));
            prop_assert_eq!(one_edit(&a, &b), edits(&a, &b) <= 1);
        }

        /// Few letters, so that there is much to match, to transpose and to bound.
        #[test]
        fn words_of_bits_give_what_strsim_gives(
            a in "([a-d]{0,12}|[a-d0-9@ .]{0,70})", b in "([a-d]{0,12}|[a-d0-9@ .]{0,70})",
        ) {
            let (low, high) = if a <= b { (&a, &b) } else { (&b, &a) };
            prop_assert_eq!(jaro_winkler(&a, &b).to_bits(), strsim::jaro_winkler(low, high).to_bits());
            prop_assert_eq!(jaro(&a, &b).to_bits(), strsim::jaro(low, high).to_bits());
            prop_assert_eq!(edits(&a, &b), strsim::osa_distance(&a, &b));
            prop_assert_eq!(levenshtein(&a, &b), strsim::levenshtein(&a, &b));
            prop_assert_eq!(one_edit(&a, &b), strsim::osa_distance(&a, &b) <= 1);
            let (l, r) = (Sketch::new(&a), Sketch::new(&b));
            let edited = surely_edited(l.letters(), r.letters());
            prop_assert_eq!(edited, surely_edited(r.letters(), l.letters()));
            prop_assert!(!edited || !one_edit(&a, &b));
            for least in [0.3, 0.5, 0.7, 0.8, 0.9, 0.92, 1.0] {
                let under = l.surely_under(&r, least);
                prop_assert_eq!(under, r.surely_under(&l, least));
                prop_assert!(!under || jaro_winkler(&a, &b) < f64::from(least));
            }
        }

        #[test]
        fn jaccard_and_cosine_are_those_of_sets(
            a in prop::collection::btree_set(0u32..9, 0..6), b in prop::collection::btree_set(0u32..9, 0..6),
        ) {
            let all = a.union(&b).count();
            let expected = if all == 0 { 0.0 } else { a.intersection(&b).count() as f64 / all as f64 };
            let angle = (a.len() as f64).sqrt() * (b.len() as f64).sqrt();
            let shared = a.intersection(&b).count() as f64;
            let (a, b): (Vec<u32>, Vec<u32>) = (a.into_iter().collect(), b.into_iter().collect());
            prop_assert_eq!(jaccard(&a, &b), expected);
            let expected = if angle == 0.0 { 0.0 } else { shared / angle };
            prop_assert!((cosine(&a, &b) - expected).abs() < 1e-12);
        }
    }
}

//! Two e-mail addresses, part by part.

use std::borrow::Cow;
use std::hash::Hasher;
use std::sync::Arc;

use rustc_hash::FxHasher;

use super::{Comparator, ComparisonKind, Crowd};
use crate::resolve::columns::Tuples;
use crate::resolve::fold;
use crate::resolve::similarity::{self, Sketch, Sketches};

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "email",
    description: "E-mail addresses: the whole, a slip in it, the part before the @ alone.",
    columns: &["email"],
    levels: &["exact", "one edit", "same user, other domain", "user jaro_winkler >= 0.9", "else"],
    thresholds: &[],
    normalise: |_, text| {
        if fold::email_is_settled(text) {
            return Some(Cow::Borrowed(text));
        }
        // A mailbox has one spelling by its provider's rules; what is no address is kept too.
        let address = fold::email_normalise(text).or_else(|| {
            let text = text.trim().to_lowercase();
            let (user, domain) = text.rsplit_once('@')?;
            (!user.is_empty() && !domain.is_empty()).then_some(text)
        });
        address.map(Cow::Owned)
    },
    build,
};

/// User parts under this similarity are not alike.
const LIKE: f32 = 0.9;

/// The loosest level.
const ELSE: u8 = 5;

/// A user part shorter than this is shared by chance.
const SHORT_USER: usize = 4;

struct Emails {
    whole: Arc<Tuples>,
    outlines: Vec<Outline>,
}

/// What tells most addresses apart without their texts.
struct Outline {
    user: Sketch,
    /// What a sketch of the whole has of its letters.
    bag: u64,
    length: u16,
    /// Where the user part ends, where that is less than this can say.
    end: u16,
    /// A hash of the user part's letters, of which only a difference says something.
    letters: u32,
}

impl Outline {
    fn new(text: &str) -> Self {
        let end = user_end(text);
        let (user, whole) = Sketch::of_beginning(text, end);
        let (bag, length) = whole.letters();
        let mut hasher = FxHasher::default();
        letters(&text[..end]).for_each(|letter| hasher.write_u8(letter));
        Self {
            user,
            bag,
            length,
            end: u16::try_from(end).unwrap_or(u16::MAX),
            letters: (hasher.finish() >> 32) as u32,
        }
    }

    /// Whether two addresses surely have nothing in common, as `level` finds after long.
    #[inline]
    fn far(&self, other: &Self) -> bool {
        (self.letters != other.letters)
            & self.user.surely_under(&other.user, LIKE)
            & similarity::surely_edited((self.bag, self.length), (other.bag, other.length))
    }

    fn end(&self, text: &str) -> usize {
        if self.end < u16::MAX { usize::from(self.end) } else { user_end(text) }
    }
}

/// Where the user part of an address ends.
fn user_end(text: &str) -> usize {
    text.bytes().rposition(|byte| byte == b'@').unwrap_or(text.len())
}

fn build(tuples: &Arc<Tuples>, _: &[f64]) -> Box<dyn Comparator> {
    let outline = |code| Outline::new(tuples.values(0).get(code));
    let outlines = (0..tuples.len() as u32).map(outline).collect();
    Box::new(Emails { whole: Arc::clone(tuples), outlines })
}

/// A user part without what parts its words: `ana.diaz` and `ana_diaz` are one habit.
fn letters(user: &str) -> impl Iterator<Item = u8> {
    user.bytes().filter(|byte| !matches!(byte, b'.' | b'_' | b'-'))
}

impl Comparator for Emails {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (own, other) = (&self.outlines[l as usize], &self.outlines[r as usize]);
        if own.far(other) {
            return ELSE;
        }
        let (left, right) = (self.whole.values(0).get(l), self.whole.values(0).get(r));
        level(left, own.end(left), right, other.end(right))
    }

    fn among<'a>(&'a self, codes: &'a [u32]) -> Option<Box<dyn Crowd + 'a>> {
        let outlines = codes.iter().map(|code| &self.outlines[*code as usize]);
        Some(Box::new(Many {
            emails: self,
            codes,
            users: Sketches::new(outlines.clone().map(|own| &own.user)),
            letters: outlines.clone().map(|own| own.letters).collect(),
            whole: outlines.map(|own| (own.bag, own.length)).collect(),
        }))
    }
}

/// Addresses that are each compared with each: parts of their outlines, each of all together.
struct Many<'a> {
    emails: &'a Emails,
    codes: &'a [u32],
    users: Sketches,
    letters: Vec<u32>,
    whole: Vec<(u64, u16)>,
}

impl Crowd for Many<'_> {
    fn before(&self, place: usize, found: &mut Vec<(u32, u8)>) {
        let code = self.codes[place];
        let own = &self.emails.outlines[code as usize];
        let mut far = Vec::new();
        self.users.surely_under(&own.user, place, LIKE, &mut far);
        let parts = self.letters.iter().zip(&self.whole);
        for ((far, (letters, whole)), (other, other_code)) in
            far.iter().zip(parts).zip((0..).zip(self.codes))
        {
            let far = far
                & (*letters != own.letters)
                & similarity::surely_edited((own.bag, own.length), *whole);
            let level = if far { ELSE } else { self.emails.level(code, *other_code) };
            if level != ELSE {
                found.push((other, level));
            }
        }
    }
}

/// The level of two addresses that differ, whose user parts end there.
fn level(left: &str, end_left: usize, right: &str, end_right: usize) -> u8 {
    let (user_l, user_r) = (&left[..end_left], &right[..end_right]);
    let long = user_l.len() >= SHORT_USER && user_r.len() >= SHORT_USER;
    if long && similarity::one_edit(left, right) {
        2
    } else if user_l == user_r || (long && letters(user_l).eq(letters(user_r))) {
        3
    } else if long && similarity::jaro_winkler(user_l, user_r) >= 0.9 {
        4
    } else {
        ELSE
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::{ELSE, Outline, build};
    use crate::resolve::columns::{Dictionary, Tuples};
    use crate::resolve::compare::testing::{each_with_each, level};

    const ADDRESS: &str = "[ab.@_1é]{1,9}@[ab]{1,2}";

    proptest! {
        #[test]
        fn of_many_addresses_each_two_stand_as_they_do_alone(
            addresses in prop::collection::vec(ADDRESS, 1..40),
        ) {
            let array: ArrayRef = Arc::new(StringArray::from(addresses));
            let tuples = Arc::new(Tuples::new(vec![Dictionary::plain(&array, "x").unwrap()]).0);
            each_with_each(&*build(&tuples, &[]), (0..tuples.len() as u32).rev().collect(), ELSE);
        }

        /// Any other address, and one that an edit of one character makes.
        #[test]
        fn outlines_tell_addresses_that_are_far_only(
            l in ADDRESS, r in ADDRESS, at in 0usize..6, letter in "[ab.1]",
        ) {
            let near: String = l.chars().take(at).chain(letter.chars()).chain(l.chars().skip(at + 1)).collect();
            for r in [&r, &near].into_iter().filter(|r| **r != l) {
                let (own, other) = (Outline::new(&l), Outline::new(r));
                let far = own.far(&other);
                prop_assert_eq!(far, other.far(&own));
                let level = super::level(&l, own.end(&l), r, other.end(r));
                prop_assert!(!far || level == 5, "{} {}", l, r);
            }
        }
    }

    #[test]
    fn user_and_domain_are_looked_at_apart() {
        let cases = [
            ("Ana.Diaz@mail.org ", "ana.diaz@mail.org", "exact"),
            ("ana.diaz+news@googlemail.com", "anadiaz@gmail.com", "exact"),
            ("ana.diaz@hotmial.com", "ana.diaz@hotmail.com", "one edit"),
            ("ana.diaz@mail.org", "ana.diaz@work.net", "same user, other domain"),
            ("ana.diaz@mail.org", "ana_diaz@work.net", "same user, other domain"),
            ("ana.diaz84@mail.org", "ana.diaz@work.net", "user jaro_winkler >= 0.9"),
            ("a@mail.org", "b@mail.org", "else"),
            ("ana.diaz@mail.org", "none", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("email", &[l], &[r]), expected, "{l} {r}");
        }
    }
}

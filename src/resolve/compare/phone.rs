//! Two phone numbers.

use std::sync::Arc;

use super::{Comparator, ComparisonKind, Crowd, Outlined};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "phone",
    description: "Phone numbers, best in E.164: the whole, the last seven digits, one digit wrong or two swapped.",
    columns: &["phone"],
    levels: &["exact", "same last 7 digits", "one edit", "else"],
    thresholds: &[],
    normalise: |_, text| {
        if text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(text.into());
        }
        let digits: String =
            text.chars().filter_map(|c| c.to_digit(10)).map(|d| (b'0' + d as u8) as char).collect();
        (digits.len() >= SHORTEST).then_some(digits.into())
    },
    build,
};

/// Fewer digits are an extension or a placeholder.
const SHORTEST: usize = 5;

const TAIL: usize = 7;

/// The loosest level.
const ELSE: u8 = 4;

struct Phones {
    digits: Arc<Tuples>,
    packed: Vec<Packed>,
}

/// A number of at most [`NIBBLES`] digits, four bits each, the last digit in the lowest.
#[derive(Clone, Copy)]
struct Packed {
    digits: u64,
    /// How many there are; 0 where there are more than fit.
    length: u32,
}

/// Digits that fit 64 bits.
const NIBBLES: usize = 16;

impl Packed {
    fn new(digits: &str) -> Self {
        if digits.len() > NIBBLES {
            return Self { digits: 0, length: 0 };
        }
        let pack = |packed: u64, digit: u8| packed << 4 | u64::from(digit & 15);
        Self { digits: digits.bytes().fold(0, pack), length: digits.len() as u32 }
    }

    /// Whether two numbers end in the same digits, as [`tail`] has it.
    fn same_tail(self, other: Self) -> bool {
        let long = self.length.min(other.length) as usize >= TAIL;
        long && (self.digits ^ other.digits) << (64 - 4 * TAIL) == 0
    }

    /// Whether two numbers surely have nothing in common, as `level` finds after longer.
    fn far(self, other: Self) -> bool {
        let differ = self.digits ^ other.digits;
        // What differs by one edit of the same length differs within two neighbours, eight bits.
        let spread = differ >> 8 >= (differ & differ.wrapping_neg()).max(1);
        let tails = differ << (64 - 4 * TAIL) != 0;
        let longer = self.length.abs_diff(other.length);
        let known = (self.length > 0) & (other.length > 0);
        known & tails & ((longer > 1) | ((longer == 0) & spread))
    }

    /// Whether at most one edit lies between two numbers.
    fn one_edit(self, other: Self) -> bool {
        let differ = self.digits ^ other.digits;
        let last_same = differ.trailing_zeros() / 4;
        if self.length == other.length {
            if differ == 0 {
                return true;
            }
            let from = 4 * last_same;
            let both = |digits: u64| (digits >> from & 15, digits >> from >> 4 & 15);
            let ((l, before_l), (r, before_r)) = (both(self.digits), both(other.digits));
            return differ >> from >> 4 == 0
                || (differ >> from >> 4 >> 4 == 0 && (l, before_l) == (before_r, r));
        }
        let (long, short) = if self.length > other.length { (self, other) } else { (other, self) };
        if long.length - short.length > 1 {
            return false;
        }
        // Each without the lowest digit of the longer one, they begin alike.
        let heads = (long.digits >> 4) ^ short.digits;
        let first_same = short.length - (64 - heads.leading_zeros()).div_ceil(4);
        first_same + last_same >= short.length
    }
}

fn build(tuples: &Arc<Tuples>, _: &[f64]) -> Box<dyn Comparator> {
    let packed = |code| Packed::new(tuples.values(0).get(code));
    let packed = (0..tuples.len() as u32).map(packed).collect();
    Box::new(Phones { digits: Arc::clone(tuples), packed })
}

fn tail(digits: &str) -> &[u8] {
    &digits.as_bytes()[digits.len().saturating_sub(TAIL)..]
}

impl Comparator for Phones {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (packed_l, packed_r) = (self.packed[l as usize], self.packed[r as usize]);
        if packed_l.length > 0 && packed_r.length > 0 {
            return match packed_l.same_tail(packed_r) {
                true => 2,
                false if packed_l.one_edit(packed_r) => 3,
                false => ELSE,
            };
        }
        let (l, r) = (self.digits.values(0).get(l), self.digits.values(0).get(r));
        if l.len() >= TAIL && r.len() >= TAIL && tail(l) == tail(r) {
            2
        } else if l.len().abs_diff(r.len()) <= 1 && similarity::one_edit(l, r) {
            3
        } else {
            ELSE
        }
    }

    fn among<'a>(&'a self, codes: &'a [u32]) -> Option<Box<dyn Crowd + 'a>> {
        Some(Box::new(Outlined {
            comparator: self,
            codes,
            outlines: codes.iter().map(|code| self.packed[*code as usize]).collect(),
            far: |own: &Packed, other: &Packed| own.far(*other),
            loosest: ELSE,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::{ELSE, Packed, tail};
    use crate::resolve::compare::testing::{comparison, each_with_each, level};
    use crate::resolve::similarity;

    proptest! {
        /// The oracle looks at texts.
        #[test]
        fn packed_digits_are_compared_as_their_texts(
            l in "[0-2]{5,16}", r in "[0-2]{5,16}", at in 0usize..16, digit in "[0-2]?", skip in 0usize..3,
        ) {
            let at = at.min(l.len());
            let near = format!("{}{digit}{}", &l[..at], &l[(at + skip).min(l.len())..]);
            for other in [&r, &near].into_iter().filter(|own| (5..=16).contains(&own.len())) {
                let packed = (Packed::new(&l), Packed::new(other));
                prop_assert_eq!(packed.0.one_edit(packed.1), similarity::one_edit(&l, other), "{} {}", l, other);
                prop_assert_eq!(packed.1.one_edit(packed.0), similarity::one_edit(&l, other), "{} {}", l, other);
                let near = similarity::one_edit(&l, other) || packed.0.same_tail(packed.1);
                prop_assert!(!near || !packed.0.far(packed.1), "{} {}", l, other);
                let same = l.len() >= 7 && other.len() >= 7 && tail(&l) == tail(other);
                prop_assert_eq!(packed.0.same_tail(packed.1), same);
            }
        }
    }

    proptest! {
        #[test]
        fn each_is_told_from_each(digits in prop::collection::vec("[0-2]{5,8}|[01]{15,18}", 1..24)) {
            let array: ArrayRef = Arc::new(StringArray::from(digits));
            let own = comparison("phone", &[], &[&array]);
            each_with_each(own.comparator(), (0..own.tuples.len() as u32).collect(), ELSE);
        }
    }

    #[test]
    fn national_forms_and_slips_are_seen() {
        let cases = [
            ("+44 20 7123 4567", "00442071234567", "same last 7 digits"),
            ("+442071234567", "442071234567", "exact"),
            ("+442071234567", "+442071235467", "one edit"),
            ("+442071234567", "+442079999999", "else"),
            ("+442071234567", "12", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("phone", &[l], &[r]), expected, "{l} {r}");
        }
    }
}

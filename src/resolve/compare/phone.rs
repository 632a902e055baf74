//! Two phone numbers.

use super::{Comparator, ComparisonKind};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "phone",
    description: "Phone numbers, best in E.164: the whole, the last seven digits, one digit wrong or two swapped.",
    columns: &["phone"],
    levels: &["exact", "same last 7 digits", "one edit", "else"],
    thresholds: &[],
    normalise: |_, text| {
        let digits: String =
            text.chars().filter_map(|c| c.to_digit(10)).map(|d| (b'0' + d as u8) as char).collect();
        // Fewer digits are an extension or a placeholder.
        (digits.len() >= 5).then_some(digits)
    },
    build,
};

const TAIL: usize = 7;

struct Phones {
    digits: Vec<String>,
}

fn build(tuples: &Tuples, _: &[f64]) -> Box<dyn Comparator> {
    let digits = (0..tuples.len() as u32).map(|c| tuples.part(c, 0).unwrap_or_default().to_owned());
    Box::new(Phones { digits: digits.collect() })
}

fn tail(digits: &str) -> &[u8] {
    &digits.as_bytes()[digits.len().saturating_sub(TAIL)..]
}

impl Comparator for Phones {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (l, r) = (&self.digits[l as usize], &self.digits[r as usize]);
        if l.len() >= TAIL && r.len() >= TAIL && tail(l) == tail(r) {
            2
        } else if l.len().abs_diff(r.len()) <= 1 && similarity::one_edit(l, r) {
            3
        } else {
            4
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

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

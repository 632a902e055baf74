//! Two dates of birth or founding, with the slips that people and systems make.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::civil::Date;

use super::{Comparator, ComparisonKind, Crowd, Outlined};
use crate::resolve::columns::Tuples;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "date",
    description: "Dates with their usual slips: day and month swapped, a digit wrong, also where that leaves no day of a \
        calendar, first of January for unknown.",
    columns: &["date"],
    levels: &[
        "exact",
        "one digit wrong or day and month swapped",
        "same year and month, or same year and first of January",
        "within a year",
        "else",
    ],
    thresholds: &[],
    normalise: |_, text| match parse(text) {
        Some(date) => Some(date.to_string().into()),
        None => no_day_of_a_calendar(text).map(Cow::Borrowed),
    },
    build,
};

/// The date at the beginning of a text in ISO 8601; a time of day after it is dropped.
pub(super) fn parse(text: &str) -> Option<Date> {
    text.trim().get(..10)?.parse().ok()
}

/// What is written as a date and is none, as `1984-13-05`: a slip makes such dates, and leaves seven
/// digits that say something. Zeros and nines stand for what is not known.
fn no_day_of_a_calendar(text: &str) -> Option<&str> {
    let date = text.trim().get(..10)?;
    let (year, month, day) = numbers(date)?;
    let known = |part: i8| part > 0 && part < 99;
    ((1000..9999).contains(&year) && known(month) && known(day)).then_some(date)
}

/// Year, month and day of ten characters.
fn numbers(date: &str) -> Option<(i16, i8, i8)> {
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    if date.len() != 10 || !date.bytes().enumerate().all(shape) {
        return None;
    }
    Some((date[..4].parse().ok()?, date[5..7].parse().ok()?, date[8..].parse().ok()?))
}

#[derive(Clone, Copy)]
struct Prepared {
    year: i16,
    month: i8,
    day: i8,
    /// Days since an epoch, about.
    days: i32,
    /// The eight digits of year, month and day.
    digits: u64,
}

/// The loosest level.
const ELSE: u8 = 5;

impl Prepared {
    /// Whether two dates surely have nothing in common, as `level` finds after longer.
    fn far(&self, other: &Self) -> bool {
        let differ = self.digits ^ other.digits;
        // What differs by one edit differs within two neighbours, sixteen bits.
        let spread = differ >> 16 >= (differ & differ.wrapping_neg()).max(1);
        spread & (self.year != other.year) & (self.days.abs_diff(other.days) > YEAR)
    }
}

/// Days within which two dates are within a year.
const YEAR: u32 = 366;

struct Dates {
    dates: Vec<Prepared>,
}

fn build(tuples: &Arc<Tuples>, _: &[f64]) -> Box<dyn Comparator> {
    let prepare = |code| {
        // Normalisation has let only dates through, and what is written as one.
        let text = tuples.part(code, 0).unwrap_or_default();
        let (year, month, day) = numbers(text).unwrap_or_default();
        let of_year = match parse(text) {
            Some(date) => i32::from(date.day_of_year()),
            None => (i32::from(month) - 1) * 31 + i32::from(day),
        };
        let digits = text.bytes().filter(u8::is_ascii_digit);
        Prepared {
            year,
            month,
            day,
            days: i32::from(year) * 366 + of_year,
            digits: digits.fold(0, |digits, digit| digits << 8 | u64::from(digit)),
        }
    };
    Box::new(Dates { dates: (0..tuples.len() as u32).map(prepare).collect() })
}

/// Whether of eight digits one is another, or two neighbours are swapped: no other edit leaves eight.
fn one_digit(l: u64, r: u64) -> bool {
    let differ = l ^ r;
    if differ == 0 {
        return true;
    }
    let first = differ.trailing_zeros() / 8 * 8;
    if differ >> first >> 8 == 0 {
        return true;
    }
    let pair = |digits: u64| (digits >> first) as u16;
    first < 56 && differ >> first >> 16 == 0 && pair(l) == pair(r).swap_bytes()
}

impl Comparator for Dates {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (l, r) = (&self.dates[l as usize], &self.dates[r as usize]);
        let same_year = l.year == r.year;
        let swapped = same_year && l.month == r.day && l.day == r.month;
        let january = |date: &Prepared| date.month == 1 && date.day == 1;
        if swapped || one_digit(l.digits, r.digits) {
            2
        } else if same_year && (l.month == r.month || january(l) || january(r)) {
            3
        } else if same_year || l.days.abs_diff(r.days) <= YEAR {
            4
        } else {
            ELSE
        }
    }

    fn among<'a>(&'a self, codes: &'a [u32]) -> Option<Box<dyn Crowd + 'a>> {
        Some(Box::new(Outlined {
            comparator: self,
            codes,
            outlines: codes.iter().map(|code| self.dates[*code as usize]).collect(),
            far: Prepared::far,
            loosest: ELSE,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::{ELSE, one_digit};
    use crate::resolve::compare::testing::{comparison, each_with_each, level};
    use crate::resolve::similarity;

    proptest! {
        #[test]
        fn one_digit_is_one_edit_of_eight_digits(l in "[0-2]{8}", at in 0usize..8, r in "[0-2]{8}") {
            let digits = |text: &str| text.bytes().fold(0, |all, digit| all << 8 | u64::from(digit));
            let near = format!("{}{}", &l[..at], &r[at..]);
            for other in [&r, &near] {
                prop_assert_eq!(one_digit(digits(&l), digits(other)), similarity::one_edit(&l, other));
            }
        }
    }

    proptest! {
        /// Dates of few years, and what is written as one and is none.
        #[test]
        fn each_is_told_from_each(
            dates in prop::collection::vec("198[0-3]-(0[1-3]|1[0-2]|98)-(0[1-3]|1[0-2]|31)", 1..24),
        ) {
            let array: ArrayRef = Arc::new(StringArray::from(dates));
            let own = comparison("date", &[], &[&array]);
            each_with_each(own.comparator(), (0..own.tuples.len() as u32).collect(), ELSE);
        }
    }

    #[test]
    fn slips_have_levels_of_their_own() {
        let cases = [
            ("1984-03-05", "1984-03-05 00:00:00", "exact"),
            ("1984-03-05", "1984-05-03", "one digit wrong or day and month swapped"),
            ("1984-03-05", "1985-03-05", "one digit wrong or day and month swapped"),
            ("1984-03-05", "1984-03-27", "same year and month, or same year and first of January"),
            ("1984-08-25", "1984-01-01", "same year and month, or same year and first of January"),
            ("1984-08-25", "1985-02-16", "within a year"),
            ("1984-08-25", "1991-02-16", "else"),
            ("1984-08-25", "unknown", "missing"),
            ("1984-13-05", "1984-12-05", "one digit wrong or day and month swapped"),
            ("1984-13-05", "1984-13-05", "exact"),
            ("1984-08-25", "0000-00-00", "missing"),
            ("1984-08-25", "1984-99-99", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("date", &[l], &[r]), expected, "{l} {r}");
        }
    }
}

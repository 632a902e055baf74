//! Two dates of birth or founding, with the slips that people and systems make.

use jiff::civil::Date;

use super::{Comparator, ComparisonKind};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "date",
    description: "Dates with their usual slips: day and month swapped, a digit wrong, first of January for unknown.",
    columns: &["date"],
    levels: &[
        "exact",
        "one digit wrong or day and month swapped",
        "same year and month, or same year and first of January",
        "within a year",
        "else",
    ],
    thresholds: &[],
    normalise: |_, text| parse(text).map(|date| date.to_string()),
    build,
};

/// The date at the beginning of a text in ISO 8601; a time of day after it is dropped.
pub(super) fn parse(text: &str) -> Option<Date> {
    text.trim().get(..10)?.parse().ok()
}

struct Prepared {
    date: Date,
    /// Days since an epoch.
    day: i32,
    digits: String,
}

struct Dates {
    dates: Vec<Prepared>,
}

fn build(tuples: &Tuples, _: &[f64]) -> Box<dyn Comparator> {
    let prepare = |code| {
        // Normalisation has let only dates through.
        let date = tuples.part(code, 0).and_then(parse).unwrap_or_default();
        let day = date.year() as i32 * 366 + date.day_of_year() as i32;
        Prepared { date, day, digits: date.strftime("%Y%m%d").to_string() }
    };
    Box::new(Dates { dates: (0..tuples.len() as u32).map(prepare).collect() })
}

impl Comparator for Dates {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let (l, r) = (&self.dates[l as usize], &self.dates[r as usize]);
        let same_year = l.date.year() == r.date.year();
        let swapped = same_year && l.date.month() == r.date.day() && l.date.day() == r.date.month();
        let january = |date: Date| date.month() == 1 && date.day() == 1;
        if swapped || similarity::one_edit(&l.digits, &r.digits) {
            2
        } else if same_year
            && (l.date.month() == r.date.month() || january(l.date) || january(r.date))
        {
            3
        } else if same_year || (l.day - r.day).abs() <= 366 {
            4
        } else {
            5
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

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
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("date", &[l], &[r]), expected, "{l} {r}");
        }
    }
}

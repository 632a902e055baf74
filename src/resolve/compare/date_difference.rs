//! Two dates, by how far apart they are.

use std::sync::Arc;

use super::date::parse;
use super::{Comparator, ComparisonKind, distance_level};
use crate::resolve::columns::Tuples;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "date_difference",
    description: "Days between two dates, in windows of days, weeks, months or years (`levels: [1 day, 1 month, 1 year]`): \
        for dates of events; `date` knows the slips of a date of birth.",
    columns: &["date"],
    levels: &["exact", "<= {} days apart", "else"],
    thresholds: &[1.0, 30.4375, 365.25],
    normalise: |_, text| parse(text).map(|date| date.to_string().into()),
    build,
};

struct Days {
    /// Days since an epoch.
    days: Vec<i64>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Arc<Tuples>, thresholds: &[f64]) -> Box<dyn Comparator> {
    let day = |code| {
        let date = tuples.part(code, 0).and_then(parse).unwrap_or_default();
        date.duration_since(jiff::civil::date(1970, 1, 1)).as_secs() / 86_400
    };
    Box::new(Days {
        days: (0..tuples.len() as u32).map(day).collect(),
        thresholds: thresholds.to_vec(),
    })
}

impl Comparator for Days {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let apart = (self.days[l as usize] - self.days[r as usize]).unsigned_abs();
        distance_level(apart as f64, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::compare::testing::{level, level_at};
    use crate::resolve::settings::Level;

    #[test]
    fn windows_are_counted_in_days() {
        let cases = [
            ("2024-02-28", "2024-02-28 12:00:00", "exact"),
            ("2024-02-28", "2024-02-29", "<= 1 days apart"),
            ("2024-02-28", "2024-03-29", "<= 30.4375 days apart"),
            ("2024-02-28", "2023-03-01", "<= 365.25 days apart"),
            ("2024-02-28", "2020-02-28", "else"),
            ("2024-02-28", "soon", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("date_difference", &[l], &[r]), expected, "{l} {r}");
        }
    }

    #[test]
    fn a_window_may_name_its_unit() {
        let asked = ["2 weeks", "10 years"].map(|text| Level::Text(text.to_owned()));
        let found = level_at("date_difference", &asked, &["2024-02-28"], &["2024-03-13"]);
        assert_eq!(found, "<= 14 days apart");
        let found = level_at("date_difference", &asked, &["2024-02-28"], &["2015-01-01"]);
        assert_eq!(found, "<= 3652.5 days apart");
        for wrong in ["2 km", "weeks", "14", "two weeks"] {
            assert!(KIND.thresholds_of(&[Level::Text(wrong.to_owned())]).is_err(), "{wrong}");
        }
        assert!(KIND.thresholds_of(&[7.0.into(), 1.0.into()]).is_err(), "distances rise");
    }
}

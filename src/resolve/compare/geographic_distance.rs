//! Two places on the earth, by the distance between them.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Comparator, ComparisonKind, UNKNOWN, distance_level};
use crate::resolve::columns::Tuples;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "geographic_distance",
    description: "Kilometres between two places given in degrees, along the great circle \
        (`levels: [100 m, 1 km, 10 km]`).",
    columns: &["latitude", "longitude"],
    levels: &["exact", "<= {} km", "else"],
    thresholds: &[0.1, 1.0, 10.0],
    normalise,
    build,
};

/// The earth's mean radius (IUGG R1).
const RADIUS_KM: f64 = 6371.0088;

fn normalise(column: usize, text: &str) -> Option<Cow<'_, str>> {
    let most = if column == 0 { 90.0 } else { 180.0 };
    let degrees: f64 = text.trim().parse().ok()?;
    // Negative zero is zero.
    (-most..=most).contains(&degrees).then(|| (degrees + 0.0).to_string().into())
}

struct Places {
    /// Points of the unit sphere; none where a coordinate is missing.
    points: Vec<Option<[f64; 3]>>,
    thresholds: Vec<f64>,
}

fn point(latitude: f64, longitude: f64) -> [f64; 3] {
    let ((sin, cos), (sin_east, cos_east)) =
        (latitude.to_radians().sin_cos(), longitude.to_radians().sin_cos());
    [cos * cos_east, cos * sin_east, sin]
}

/// Along the great circle, by the chord, which stays exact for places next to each other.
fn kilometres(l: [f64; 3], r: [f64; 3]) -> f64 {
    let chord: f64 = (0..3).map(|axis| (l[axis] - r[axis]).powi(2)).sum::<f64>().sqrt();
    2.0 * RADIUS_KM * (chord / 2.0).min(1.0).asin()
}

fn build(tuples: &Arc<Tuples>, thresholds: &[f64]) -> Box<dyn Comparator> {
    let degrees = |code, column| tuples.part(code, column).and_then(|text| text.parse().ok());
    let points = (0..tuples.len() as u32)
        .map(|code| Some(point(degrees(code, 0)?, degrees(code, 1)?)))
        .collect();
    Box::new(Places { points, thresholds: thresholds.to_vec() })
}

impl Comparator for Places {
    fn level(&self, l: u32, r: u32) -> u8 {
        match (self.points[l as usize], self.points[r as usize]) {
            (Some(_), Some(_)) if l == r => 1,
            (Some(l), Some(r)) => distance_level(kilometres(l, r), &self.thresholds, 2),
            _ => UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resolve::compare::testing::level;

    #[test]
    fn nearness_has_levels_also_across_the_date_line() {
        let home = ["51.5007", "-0.1246"];
        let cases = [
            (home, ["51.50070", " -0.1246"], "exact"),
            (home, ["51.5012", "-0.1246"], "<= 0.1 km"),
            (home, ["51.5007", "-0.1346"], "<= 1 km"),
            (home, ["51.5081", "-0.0759"], "<= 10 km"),
            (home, ["48.8584", "2.2945"], "else"),
            (["0", "179.9999"], ["0", "-179.9999"], "<= 0.1 km"),
            (["90", "0"], ["90", "170"], "<= 0.1 km"),
            (home, ["", "-0.1246"], "missing"),
            (home, ["95", "-0.1246"], "missing"),
            (home, ["north", "west"], "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("geographic_distance", &l, &r), expected, "{l:?} {r:?}");
        }
    }

    proptest! {
        /// Against the spherical law of cosines, which is exact for places that are not near.
        #[test]
        fn kilometres_are_those_of_the_law_of_cosines(
            a in -89f64..89.0, b in -179f64..179.0, c in -89f64..89.0, d in -179f64..179.0,
        ) {
            let own = kilometres(point(a, b), point(c, d));
            let cosine = a.to_radians().sin() * c.to_radians().sin()
                + a.to_radians().cos() * c.to_radians().cos() * (b - d).to_radians().cos();
            let expected = RADIUS_KM * cosine.clamp(-1.0, 1.0).acos();
            prop_assert!((own - expected).abs() < 0.01, "{} {}", own, expected);
        }
    }
}

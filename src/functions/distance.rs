//! Distances on the Earth.
//!
//! Knows degrees and a sphere: the Earth's flattening is left aside, which is half a percent.

use super::{Function, kernel};

/// The Earth's mean radius in kilometres, of the International Union of Geodesy and Geophysics.
const RADIUS: f64 = 6371.0088;

pub(crate) const GREAT_CIRCLE_KM: Function = Function {
    name: "great_circle_km",
    group: "place",
    signature: "great_circle_km(latitude, longitude, latitude, longitude)",
    returns: "number",
    summary: "The kilometres between two places on the Earth, given in degrees north and east, by the haversine formula on a sphere. Null where a latitude is beyond 90 degrees or a longitude beyond 180.",
    examples: &[
        ("CAST(great_circle_km(48.8566, 2.3522, 51.5074, -0.1278) AS DECIMAL(9, 3))", "343.557"),
        ("CAST(great_circle_km(0, 0, 0, 180) AS DECIMAL(9, 3))", "20015.114"),
        ("great_circle_km(30, 31, 30, 31)", "0.0"),
        ("great_circle_km(91, 0, 0, 0)", ""),
    ],
    make: || kernel::numbers("great_circle_km", great_circle_km),
};

/// The kilometres between two places.
fn great_circle_km(degrees: [f64; 4]) -> Option<f64> {
    let [latitude_l, longitude_l, latitude_r, longitude_r] = degrees;
    let is_place =
        |latitude: f64, longitude: f64| latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    if !is_place(latitude_l, longitude_l) || !is_place(latitude_r, longitude_r) {
        return None;
    }
    let half_sine = |l: f64, r: f64| ((r - l).to_radians() / 2.0).sin().powi(2);
    let along = latitude_l.to_radians().cos() * latitude_r.to_radians().cos();
    let chord = half_sine(latitude_l, latitude_r) + along * half_sine(longitude_l, longitude_r);
    Some(2.0 * RADIUS * chord.min(1.0).sqrt().asin())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quarter_of_the_equator_and_of_a_meridian() {
        let quarter = RADIUS * std::f64::consts::FRAC_PI_2;
        for degrees in [[0.0, 0.0, 0.0, 90.0], [0.0, 7.0, 90.0, -50.0], [0.0, 170.0, 0.0, -100.0]] {
            assert!((great_circle_km(degrees).unwrap() - quarter).abs() < 1e-9, "{degrees:?}");
        }
    }

    proptest! {
        #[test]
        fn distances_are_symmetric_and_at_most_half_around(
            places in [-90.0..=90.0, -180.0..=180.0, -90.0..=90.0, -180.0..=180.0_f64]
        ) {
            let [a, b, c, d] = places;
            let distance = great_circle_km(places).unwrap();
            prop_assert!((0.0..=RADIUS * std::f64::consts::PI + 1e-9).contains(&distance));
            prop_assert!((distance - great_circle_km([c, d, a, b]).unwrap()).abs() < 1e-9);
        }
    }
}

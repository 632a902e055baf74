//! The customers of CDNOW, on whom the models were published: `fixtures/profile/README.md`.

use super::bg_nbd::History;

/// Each customer's history, in weeks, and the mean value of its repeat purchases, in dollars.
pub(crate) fn customers() -> impl Iterator<Item = (History, f64)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/profile/cdnow.csv");
    let rows: Vec<(u32, f64, f64, f64, f64)> =
        csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2357);
    rows.into_iter()
        .map(|(_, frequency, recency, age, mean)| (History { frequency, recency, age }, mean))
}

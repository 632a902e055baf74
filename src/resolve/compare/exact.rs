//! Equal or not.

use super::{Comparator, ComparisonKind, as_is};
use crate::resolve::columns::Tuples;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "exact",
    description: "Equal or not: for codes and keys that are right or wrong.",
    columns: &["value"],
    levels: &["exact", "else"],
    thresholds: &[],
    normalise: as_is,
    build,
};

struct Exact;

fn build(_: &Tuples, _: &[f64]) -> Box<dyn Comparator> {
    Box::new(Exact)
}

impl Comparator for Exact {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r { 1 } else { 2 }
    }
}

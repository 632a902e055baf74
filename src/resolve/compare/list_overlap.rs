//! Two lists, by how many elements they share.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use rustc_hash::FxHashMap;

use super::{Comparator, ComparisonKind, threshold_level};
use crate::resolve::columns::Tuples;
use crate::resolve::similarity;

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "list_overlap",
    description: "How many elements two lists share: for columns of telephones, addresses, aliases; a text is a list \
        of one.",
    columns: &["list"],
    levels: &["same elements", ">= {} shared", "else"],
    thresholds: &[2.0, 1.0],
    normalise: |_, text| elements(text),
    build,
};

/// Parts the elements of a list that is written as one text (U+001F, unit separator).
const SEPARATOR: char = '\u{1f}';

/// A list array as text, its elements parted by [`SEPARATOR`]; any other array as it is.
pub(crate) fn as_text(array: &ArrayRef) -> ArrayRef {
    let lists = match array.data_type() {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let field = Field::new_list_field(DataType::Utf8, true);
            cast(array, &DataType::LargeList(Arc::new(field)))
        }
        _ => return Arc::clone(array),
    };
    // Lists of lists have no text form, and that is said of the array as it is.
    let Ok(lists) = lists else { return Arc::clone(array) };
    let lists = lists.as_list::<i64>();
    let mut texts = StringBuilder::new();
    for row in 0..lists.len() {
        if lists.is_null(row) {
            texts.append_null();
            continue;
        }
        let own = lists.value(row);
        let own: Vec<&str> = own.as_string::<i32>().iter().flatten().collect();
        texts.append_value(own.join(&SEPARATOR.to_string()));
    }
    Arc::new(texts.finish())
}

/// The elements of a list, sorted, each once, without blank ones.
pub(super) fn elements(text: &str) -> Option<Cow<'_, str>> {
    let mut own: Vec<&str> =
        text.split(SEPARATOR).map(str::trim).filter(|element| !element.is_empty()).collect();
    own.sort_unstable();
    own.dedup();
    (!own.is_empty()).then(|| own.join(&SEPARATOR.to_string()).into())
}

/// The elements of each distinct list, as sorted sets of codes.
pub(super) fn element_sets(tuples: &Tuples) -> Vec<Vec<u32>> {
    let mut known: FxHashMap<&str, u32> = FxHashMap::default();
    (0..tuples.len() as u32)
        .map(|code| {
            let own = tuples.part(code, 0).unwrap_or_default().split(SEPARATOR);
            let mut set: Vec<u32> = own
                .map(|element| {
                    let next = known.len() as u32;
                    *known.entry(element).or_insert(next)
                })
                .collect();
            set.sort_unstable();
            set
        })
        .collect()
}

struct Overlap {
    sets: Vec<Vec<u32>>,
    thresholds: Vec<f64>,
}

fn build(tuples: &Arc<Tuples>, thresholds: &[f64]) -> Box<dyn Comparator> {
    Box::new(Overlap { sets: element_sets(tuples), thresholds: thresholds.to_vec() })
}

impl Comparator for Overlap {
    fn level(&self, l: u32, r: u32) -> u8 {
        if l == r {
            return 1;
        }
        let shared = similarity::common(&self.sets[l as usize], &self.sets[r as usize]);
        threshold_level(shared as f64, &self.thresholds, 2)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Builder, ListBuilder};

    use super::*;
    use crate::resolve::compare::testing::level;

    #[test]
    fn shared_elements_are_counted() {
        let cases = [
            ("a\u{1f}b\u{1f}c", "c\u{1f} b\u{1f}a\u{1f}a", "same elements"),
            ("a\u{1f}b\u{1f}c", "a\u{1f}b", ">= 2 shared"),
            ("a\u{1f}b", "b\u{1f}d", ">= 1 shared"),
            ("a", "a\u{1f}b", ">= 1 shared"),
            ("a\u{1f}b", "d", "else"),
            ("a", "\u{1f}", "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("list_overlap", &[l], &[r]), expected, "{l} {r}");
        }
    }

    #[test]
    fn lists_of_any_elements_are_read() {
        let mut lists = ListBuilder::new(Int64Builder::new());
        lists.append_value([Some(7), None, Some(3)]);
        lists.append_null();
        lists.append_value([]);
        let array: ArrayRef = Arc::new(lists.finish());
        let text = as_text(&array);
        let text = text.as_string::<i32>();
        assert_eq!((text.value(0), text.is_null(1), text.value(2)), ("7\u{1f}3", true, ""));
    }
}

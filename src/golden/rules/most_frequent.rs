//! `most_frequent`: the value that most of the customer's records hold.

use std::ops::Range;

use super::{Candidates, Rule};

pub(super) const RULE: Rule = Rule {
    name: "most_frequent",
    summary: "The value that most records hold; a group counts as one value.",
    // Two values are equal or each is there once.
    fewest: 3,
    won: "most frequent",
    measure,
    lost: |_, loser, candidates| format!("less frequent ({loser} of {candidates})").into(),
};

/// Candidates of a customer that are compared each with each: sorting more of them is cheaper.
const FEW: usize = 16;

fn measure(candidates: &Candidates<'_>, measures: &mut Vec<i64>) {
    let hints = candidates.hints();
    let before = measures.len();
    measures.resize(before + hints.len(), 1);
    let counts = &mut measures[before..];
    for own in candidates.customers() {
        if own.len() <= FEW {
            compared(candidates, &hints, own, counts);
        } else {
            sorted(candidates, &hints, own, counts);
        }
    }
}

/// Counts equal values by comparing each with each.
fn compared(candidates: &Candidates<'_>, hints: &[u64], own: Range<usize>, counts: &mut [i64]) {
    let exact = candidates.hints_are_exact();
    let same = |l: usize, r: usize| {
        hints[l] == hints[r] && (exact || candidates.same(candidates.rows[l], candidates.rows[r]))
    };
    // Mostly all agree.
    if own.clone().skip(1).all(|at| same(own.start, at)) {
        counts[own.clone()].fill(own.len() as i64);
        return;
    }
    for l in own.clone() {
        for r in l + 1..own.end {
            if same(l, r) {
                counts[l] += 1;
                counts[r] += 1;
            }
        }
    }
}

/// Counts equal values by sorting: any column type has an order.
fn sorted(candidates: &Candidates<'_>, hints: &[u64], own: Range<usize>, counts: &mut [i64]) {
    let rows = candidates.rows;
    let mut order: Vec<usize> = own.collect();
    order
        .sort_by(|&l, &r| hints[l].cmp(&hints[r]).then_with(|| candidates.order(rows[l], rows[r])));
    let same = |l: &usize, r: &usize| hints[*l] == hints[*r] && candidates.same(rows[*l], rows[*r]);
    for equal in order.chunk_by(same) {
        for &position in equal {
            counts[position] = equal.len() as i64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringArray};
    use arrow::datatypes::UInt32Type;
    use proptest::prelude::*;

    use super::super::Measured;
    use super::*;

    proptest! {
        /// Groups of text and numbers, unknown values among them, in customers of few and of many.
        #[test]
        fn a_value_is_counted_within_its_customer_alone(
            customers in prop::collection::vec(
                prop::collection::vec(
                    (prop::option::of("[ab]{0,2}"), prop::option::of(0_i64..3)), 1..40,
                ),
                0..6,
            ),
        ) {
            let values: Vec<_> = customers.iter().flatten().cloned().collect();
            let text: StringArray = values.iter().map(|(text, _)| text.as_deref()).collect();
            let number: Int64Array = values.iter().map(|(_, number)| *number).collect();
            let columns: [ArrayRef; 2] = [Arc::new(text), Arc::new(number)];
            let columns = columns.map(|column| Measured::new(column, false).unwrap());
            // Rows in no order.
            let rows: Vec<u32> = (0..values.len() as u32).rev().collect();
            let mut ends: Vec<usize> = Vec::new();
            for customer in customers.iter().rev() {
                ends.push(ends.last().unwrap_or(&0) + customer.len());
            }
            let candidates = Candidates {
                rows: &rows,
                ends: &ends,
                columns: &columns,
                recency: &[],
                source_rank: &[],
                measure: &[],
            };
            let mut measures = Vec::new();
            measure(&candidates, &mut measures);
            let count = |own: &[_], value| own.iter().filter(|other| *other == value).count() as i64;
            let expected = customers.iter().rev().flat_map(|own| {
                own.iter().rev().map(|value| count(own, value))
            });
            prop_assert_eq!(measures, expected.collect::<Vec<_>>());
            // Numbered texts alone, whose numbers say all.
            let text = values.iter().map(|own| own.0.as_deref());
            let numbered: ArrayRef = Arc::new(text.collect::<DictionaryArray<UInt32Type>>());
            let columns = [Measured::new(numbered, true).unwrap()];
            let candidates = Candidates { columns: &columns, ..candidates };
            let mut measures = Vec::new();
            measure(&candidates, &mut measures);
            let count = |own: &[(Option<String>, _)], value: &Option<String>| {
                own.iter().filter(|other| other.0 == *value).count() as i64
            };
            let expected = customers.iter().rev().flat_map(|own| {
                own.iter().rev().map(|value| count(own, &value.0))
            });
            prop_assert_eq!(measures, expected.collect::<Vec<_>>());
        }
    }
}

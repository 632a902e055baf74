//! What sets a segment apart: its size, its largest standardised differences, and a name of them.
//!
//! Knows features by the names of their columns; refuses to know how segments were made.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::DataType;

use super::matrix::Matrix;
use super::prepare::{Input, decimal};
use super::{Column, Computation, Computed, Kind, Output, Settings};
use crate::error::Result;

/// Differences that a segment's row holds.
const DIFFERENCES: usize = 5;
/// Differences that make a name, and how large one must be.
const IN_NAME: usize = 2;
const NOTABLE: f64 = 0.25;

const SHARE: DataType = DataType::Decimal128(9, 6);
const DIFFERENCE: DataType = DataType::Decimal128(12, 4);

const fn feature(name: &'static str) -> Output {
    Output {
        name,
        data_type: DataType::Utf8,
        nullable: true,
        meaning: "The feature of the difference beside it; the first is the largest.",
    }
}

const fn difference(name: &'static str) -> Output {
    Output {
        name,
        data_type: DIFFERENCE,
        nullable: true,
        meaning: "The segment's mean less that of all customers, in standard deviations.",
    }
}

pub(super) const COMPUTATION: Computation = Computation {
    name: "personas",
    summary: "A row a segment: its size, its five largest standardised differences from all \
              customers, and a plain name made of the two largest (\"high spend, low age\"), of \
              more where two segments would share it. A segment without a difference of a quarter of \
              a standard deviation is \"near the average\". Features that are not known of a customer \
              count as the mean, as they do for `micro_segments`.",
    input: &[
        Column { name: "golden_id", kind: Kind::Text, required: true, meaning: "The customer." },
        Column {
            name: "micro_segment",
            kind: Kind::Number,
            required: true,
            meaning: "The customer's segment, a whole number.",
        },
    ],
    features: Some(
        "A feature of the customer; the name of the column is used in the persona's name.",
    ),
    key: &["golden_id"],
    settings: &[],
    output: &[
        Output {
            name: "micro_segment",
            data_type: DataType::Int64,
            nullable: false,
            meaning: "The segment.",
        },
        Output {
            name: "persona",
            data_type: DataType::Utf8,
            nullable: false,
            meaning: "Its plain name.",
        },
        Output {
            name: "customers",
            data_type: DataType::Int64,
            nullable: false,
            meaning: "Its customers.",
        },
        Output {
            name: "share",
            data_type: SHARE,
            nullable: false,
            meaning: "Their share of all customers.",
        },
        feature("feature_1"),
        difference("difference_1"),
        feature("feature_2"),
        difference("difference_2"),
        feature("feature_3"),
        difference("difference_3"),
        feature("feature_4"),
        difference("difference_4"),
        feature("feature_5"),
        difference("difference_5"),
    ],
    compute,
};

/// A segment, its differences the largest first.
struct Segment<'a> {
    number: i64,
    customers: usize,
    differences: Vec<(&'a str, f64)>,
}

fn compute(input: &Input, _: &Settings) -> Result<Computed> {
    let segments = input.number("micro_segment")?;
    if segments.iter().flatten().any(|number| number.fract() != 0.0) {
        return Err(input.refuse("`micro_segment` is a whole number"));
    }
    let columns: Vec<&Float64Array> = input.features.iter().map(|(_, numbers)| numbers).collect();
    let points = Matrix::standardised(&columns);
    let mut members: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (row, number) in segments.iter().flatten().enumerate() {
        members.entry(number as i64).or_default().push(row);
    }
    let names: Vec<&str> = input.features.iter().map(|(name, _)| name.as_str()).collect();
    let segments: Vec<Segment<'_>> = members
        .iter()
        .map(|(number, rows)| Segment {
            number: *number,
            customers: rows.len(),
            differences: differences(&points, rows, &names),
        })
        .collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(segments.iter().map(|segment| segment.number))),
        Arc::new(StringArray::from_iter_values(personas(&segments))),
        Arc::new(Int64Array::from_iter_values(segments.iter().map(|s| s.customers as i64))),
        decimal(segments.iter().map(|s| Some(s.customers as f64 / points.len() as f64)), &SHARE)?,
    ];
    for place in 0..DIFFERENCES {
        let found: Vec<_> = segments.iter().map(|s| s.differences.get(place).copied()).collect();
        columns.push(Arc::new(StringArray::from_iter(found.iter().map(|d| Some((*d)?.0)))));
        columns.push(decimal(found.iter().map(|d| Some((*d)?.1)), &DIFFERENCE)?);
    }
    Ok(Computed { rows: COMPUTATION.batch(columns)?, findings: Vec::new(), warnings: Vec::new() })
}

/// The means of some rows by feature, the largest first, equal ones by name. All have mean 0.
fn differences<'a>(points: &Matrix, rows: &[usize], names: &[&'a str]) -> Vec<(&'a str, f64)> {
    let mut differences: Vec<(&str, f64)> = names
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let sum: f64 = rows.iter().map(|row| points.row(*row)[place]).sum();
            (*name, sum / rows.len() as f64)
        })
        .collect();
    // By what is given: digits past it are of no meaning, and order nothing.
    let size = |difference: f64| (difference.abs() * 1e4).round() as i64;
    differences.sort_by_key(|(name, difference)| (Reverse(size(*difference)), *name));
    differences
}

/// A name for each segment, no two alike: as many differences as it takes, at least two.
fn personas(segments: &[Segment<'_>]) -> Vec<String> {
    let most = segments.iter().map(|segment| segment.differences.len()).max().unwrap_or(0);
    let mut lengths = vec![IN_NAME; segments.len()];
    let mut names: Vec<String> = Vec::new();
    for _ in 0..=most {
        names = segments.iter().zip(&lengths).map(|(s, length)| name(s, *length)).collect();
        let shared: Vec<bool> = names
            .iter()
            .map(|name| names.iter().filter(|other| *other == name).count() > 1)
            .collect();
        if !shared.contains(&true) {
            return names;
        }
        for (length, shared) in lengths.iter_mut().zip(shared) {
            *length += usize::from(shared);
        }
    }
    names
        .iter()
        .zip(segments)
        .map(|(name, segment)| {
            let shared = names.iter().filter(|other| *other == name).count() > 1;
            if shared { format!("{name} ({})", segment.number) } else { name.clone() }
        })
        .collect()
}

fn name(segment: &Segment<'_>, length: usize) -> String {
    let words: Vec<String> = segment
        .differences
        .iter()
        .take(length)
        .filter(|(_, difference)| difference.abs() >= NOTABLE)
        .map(|(feature, difference)| {
            let level = if *difference > 0.0 { "high" } else { "low" };
            format!("{level} {}", feature.replace('_', " "))
        })
        .collect();
    if words.is_empty() { "near the average".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use arrow::array::RecordBatch;
    use arrow::util::pretty::pretty_format_batches;
    use indexmap::IndexMap;

    use super::*;

    #[test]
    fn personas_say_how_a_segment_differs() {
        let ids = ["a", "b", "c", "d"];
        let rows = RecordBatch::try_from_iter_with_nullable([
            ("golden_id", Arc::new(StringArray::from_iter_values(ids)) as ArrayRef, false),
            ("micro_segment", Arc::new(Int64Array::from(vec![1, 1, 1, 2])), false),
            ("yearly_spend", Arc::new(Float64Array::from(vec![10.0, 10.0, 10.0, 50.0])), true),
            ("visits", Arc::new(Float64Array::from(vec![Some(9.0), Some(1.0), None, None])), true),
            ("constant", Arc::new(Float64Array::from(vec![1.0; 4])), true),
        ])
        .unwrap();
        let settings = COMPUTATION.settings(&IndexMap::new(), "a test").unwrap();
        let computed = COMPUTATION.run(&rows, &settings, "a test").unwrap().rows;
        let shown = pretty_format_batches(&[computed.project(&[0, 1, 2, 3, 4, 5]).unwrap()]);
        let shown = shown.unwrap().to_string();
        // 10, 10, 10, 50: mean 20, deviation 17.32.
        for row in [
            "| 1             | low yearly spend  | 3         | 0.750000 | yearly_spend | -0.5774      |",
            "| 2             | high yearly spend | 1         | 0.250000 | yearly_spend | 1.7321       |",
        ] {
            assert!(shown.contains(row), "{shown}");
        }
    }

    #[test]
    fn no_two_personas_share_a_name() {
        let segment = |number, differences: &[(&'static str, f64)]| Segment {
            number,
            customers: 1,
            differences: differences.to_vec(),
        };
        let names = personas(&[
            segment(1, &[("spend", 2.0), ("visits", 1.0), ("age", -0.5)]),
            segment(2, &[("spend", 1.5), ("visits", 1.2), ("age", 0.1)]),
            segment(3, &[("spend", 0.1)]),
            segment(4, &[("spend", -0.1)]),
        ]);
        assert_eq!(
            names,
            [
                "high spend, high visits, low age",
                "high spend, high visits",
                "near the average (3)",
                "near the average (4)"
            ]
        );
    }
}

//! Customers who are alike: k-means over standardised features, their number by silhouette.
//!
//! Knows features as numbers; refuses to know what they measure.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array};
use arrow::datatypes::DataType;

use super::k_means::{Clusters, k_means};
use super::matrix::{Matrix, sample};
use super::prepare::{Input, decimal};
use super::silhouette::silhouettes;
use super::{Column, Computation, Computed, Kind, Output, Setting, Settings};
use crate::error::{Error, Result};

const DISTANCE: DataType = DataType::Decimal128(18, 6);

pub(super) const COMPUTATION: Computation = Computation {
    name: "micro_segments",
    summary: "Customers who are alike: k-means over standardised features, from fixed seeds, with the \
              number of segments that has the greatest mean silhouette. A feature that is not known \
              of a customer is taken at its mean. Segments are numbered from 1 by size, the largest \
              first. Fewer distinct customers than segments are one segment.",
    input: &[Column {
        name: "golden_id",
        kind: Kind::Text,
        required: true,
        meaning: "The customer.",
    }],
    features: Some("A feature of the customer."),
    key: &["golden_id"],
    settings: &[
        Setting {
            name: "least",
            default: 3.0,
            least: 2.0,
            most: 100.0,
            whole: true,
            meaning: "The least number of segments.",
        },
        Setting {
            name: "most",
            default: 8.0,
            least: 2.0,
            most: 100.0,
            whole: true,
            meaning: "The greatest number of segments.",
        },
        Setting {
            name: "sample",
            default: 20_000.0,
            least: 100.0,
            most: 1e9,
            whole: true,
            meaning: "Customers by whom segments are found at most, those of the least hash; all are assigned.",
        },
        Setting {
            name: "seed",
            default: 1.0,
            least: 0.0,
            most: 1e15,
            whole: true,
            meaning: "Where random numbers begin.",
        },
        Setting {
            name: "silhouette_sample",
            default: 2_000.0,
            least: 100.0,
            most: 1e6,
            whole: true,
            meaning: "Customers of whom silhouettes are measured at most; the time grows as its square.",
        },
        Setting {
            name: "starts",
            default: 10.0,
            least: 1.0,
            most: 1_000.0,
            whole: true,
            meaning: "Starts of k-means for each number of segments; the best is kept.",
        },
    ],
    output: &[
        Output {
            name: "golden_id",
            data_type: DataType::Utf8,
            nullable: false,
            meaning: "The customer.",
        },
        Output {
            name: "micro_segment",
            data_type: DataType::Int64,
            nullable: false,
            meaning: "The segment, from 1 by size.",
        },
        Output {
            name: "distance",
            data_type: DISTANCE,
            nullable: false,
            meaning: "Distance from the segment's centre, in standard deviations.",
        },
    ],
    compute,
};

fn compute(input: &Input, settings: &Settings) -> Result<Computed> {
    let customers = input.text("golden_id")?;
    let columns: Vec<&Float64Array> = input.features.iter().map(|(_, numbers)| numbers).collect();
    let points = Matrix::standardised(&columns);
    let mut findings = Vec::new();
    let seen = sample(customers, settings.count("sample")?);
    let measured = sample(customers, settings.count("silhouette_sample")?.min(seen.len()));
    let found = choose(&points.select(&seen), &points.select(&measured), settings)?;
    let places: Vec<(usize, f64)> = match &found {
        Some((clusters, silhouette)) => {
            findings.push(("silhouette", *silhouette));
            points.rows().map(|row| clusters.nearest(row)).collect()
        }
        None => {
            let middle = vec![0.0; points.width()];
            let distance = |row| super::matrix::squared_distance(row, &middle);
            points.rows().map(|row| (0, distance(row))).collect()
        }
    };
    let numbers = numbered(&places, found.as_ref().map(|(clusters, _)| clusters));
    findings.push(("segments", numbers.len() as f64));
    let segments = places.iter().map(|(place, _)| numbers[*place]);
    let rows = COMPUTATION.batch(vec![
        Arc::new(customers.clone()),
        Arc::new(Int64Array::from_iter_values(segments)),
        decimal(places.iter().map(|(_, squared)| Some(squared.sqrt())), &DISTANCE)?,
    ])?;
    Ok(Computed { rows, findings, warnings: Vec::new() })
}

/// The clusters of the number that has the greatest silhouette, the smaller of equals, and it;
/// `None` where there are too few distinct points for any.
fn choose(
    points: &Matrix,
    measured: &Matrix,
    settings: &Settings,
) -> Result<Option<(Clusters, f64)>> {
    let (least, most) = (settings.count("least")?, settings.count("most")?);
    if least > most {
        return Err(Error::configuration("micro_segments: the setting `least` is above `most`")
            .help("let `least` be the smaller"));
    }
    let (starts, seed) = (settings.count("starts")?, settings.number("seed")? as u64);
    // As many segments as customers would say nothing.
    let most = most.min(points.distinct().saturating_sub(1));
    let candidates: Vec<Clusters> =
        (least..=most).map(|k| k_means(points, k, starts, seed)).collect();
    let labels: Vec<Vec<usize>> = candidates
        .iter()
        .map(|clusters| measured.rows().map(|row| clusters.nearest(row).0).collect())
        .collect();
    let measures = silhouettes(measured, &labels.iter().collect::<Vec<_>>());
    let best = candidates.into_iter().zip(measures).fold(None, |best, next| match best {
        Some((_, measure)) if next.1 <= measure => best,
        _ => Some(next),
    });
    Ok(best)
}

/// The number of each cluster, by size, equal sizes by their centres.
fn numbered(places: &[(usize, f64)], clusters: Option<&Clusters>) -> Vec<i64> {
    let Some(clusters) = clusters else { return vec![1] };
    let mut sizes = vec![0_usize; clusters.centres.len()];
    places.iter().for_each(|(place, _)| sizes[*place] += 1);
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|l, r| {
        let centres = (clusters.centres.row(*l), clusters.centres.row(*r));
        let by_centre = centres.0.iter().zip(centres.1).map(|(l, r)| l.total_cmp(r));
        sizes[*r].cmp(&sizes[*l]).then(by_centre.fold(std::cmp::Ordering::Equal, |a, b| a.then(b)))
    });
    let mut numbers = vec![0; sizes.len()];
    for (number, place) in (1_i64..).zip(order) {
        numbers[place] = number;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
    use arrow::compute::{lexsort_to_indices, take_record_batch};
    use arrow::datatypes::Int64Type;
    use indexmap::IndexMap;

    use super::super::k_means::tests::blobs;
    use super::*;
    use crate::random::SplitMix64;

    fn batch(ids: &[String], columns: &[Vec<f64>]) -> RecordBatch {
        let names = ["golden_id", "x", "y", "z"];
        let ids = Arc::new(StringArray::from_iter_values(ids)) as ArrayRef;
        let features = columns.iter().map(|c| Arc::new(Float64Array::from(c.clone())) as ArrayRef);
        RecordBatch::try_from_iter(names.into_iter().zip(std::iter::once(ids).chain(features)))
            .unwrap()
    }

    fn run(rows: &RecordBatch, settings: &[(&str, f64)]) -> Computed {
        let given: IndexMap<String, f64> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let settings = COMPUTATION.settings(&given, "a test").unwrap();
        COMPUTATION.run(rows, &settings, "a test").unwrap()
    }

    fn customers() -> RecordBatch {
        let (points, _) = blobs();
        let ids: Vec<String> = (0..points.len()).map(|row| format!("c{row:04}")).collect();
        let columns: Vec<Vec<f64>> =
            (0..3).map(|place| points.rows().map(|row| row[place]).collect()).collect();
        batch(&ids, &columns)
    }

    #[test]
    fn the_number_of_segments_is_that_of_the_blobs_and_they_are_numbered_by_size() {
        let computed = run(&customers(), &[]);
        let segments = computed.rows.column(1).as_primitive::<Int64Type>();
        let mut sizes = std::collections::BTreeMap::new();
        segments.values().iter().for_each(|segment| *sizes.entry(*segment).or_insert(0) += 1);
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), BLOB_SIZES);
    }

    /// As the pipeline does: whatever the order of rows, they are sorted by key first.
    #[test]
    fn the_order_of_the_input_changes_nothing() {
        let rows = customers();
        let first = run(&rows, &[]);
        let mut random = SplitMix64::new(5);
        for _ in 0..3 {
            let mut order: Vec<(u64, u32)> =
                (0..rows.num_rows() as u32).map(|row| (random.next(), row)).collect();
            order.sort_unstable();
            let order: arrow::array::UInt32Array = order.into_iter().map(|(_, row)| row).collect();
            let shuffled = take_record_batch(&rows, &order).unwrap();
            assert_ne!(shuffled, rows);
            let key =
                arrow::compute::SortColumn { values: shuffled.column(0).clone(), options: None };
            let sorted = lexsort_to_indices(&[key], None).unwrap();
            let again = run(&take_record_batch(&shuffled, &sorted).unwrap(), &[]);
            assert_eq!(again.rows, first.rows);
        }
    }

    #[test]
    fn segments_of_a_sample_are_given_to_all() {
        let (all, sampled) = (
            run(&customers(), &[]),
            run(&customers(), &[("sample", 100.0), ("silhouette_sample", 100.0)]),
        );
        let (all, sampled) = (all.rows.column(1).clone(), sampled.rows.column(1).clone());
        assert_eq!(&all, &sampled);
        assert_eq!(all.null_count(), 0);
    }

    #[test]
    fn customers_who_do_not_differ_are_one_segment() {
        let ids: Vec<String> = (0..9).map(|row| format!("c{row}")).collect();
        let computed = run(&batch(&ids, &[vec![4.0; 9]]), &[]);
        assert!(computed.rows.column(1).as_primitive::<Int64Type>().iter().all(|s| s == Some(1)));
    }

    const BLOB_SIZES: [(i64, i32); 4] = [(1, 80), (2, 60), (3, 40), (4, 20)];
}

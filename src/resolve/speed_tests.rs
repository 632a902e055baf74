//! A measurement, not a check: candidate pairs a second and core, against the bare similarity kernel.
//!
//! ```text
//! SIMURGH_PEOPLE=people.parquet cargo test --release --lib pairs_a_second -- --ignored --nocapture
//! ```
//!
//! The file is one that the generator of people makes; rules and comparisons are those of
//! `benches/peers/settings/people.yaml`.

use std::collections::HashMap;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::compare::Scratch;
use super::kernel::walk;
use super::run::{Input, Options, prepare};
use super::settings::Resolve;
use super::similarity;

fn columns(path: &str) -> (usize, HashMap<String, ArrayRef>) {
    let file = std::fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let whole = concat_batches(&schema, &batches).unwrap();
    let text = |array: &ArrayRef| cast(array, &DataType::Utf8).unwrap();
    let columns = schema.fields().iter().zip(whole.columns());
    let columns = columns.map(|(field, array)| (field.name().clone(), text(array)));
    (whole.num_rows(), columns.collect())
}

/// Millions of pairs a second.
fn rate(what: &str, pairs: usize, work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    let rate = pairs as f64 / begun.elapsed().as_secs_f64() / 1e6;
    println!("{what:<44} {rate:>8.2} million pairs a second");
    rate
}

#[test]
#[ignore = "a measurement: see the head of the file"]
fn pairs_a_second() {
    let path = std::env::var("SIMURGH_PEOPLE").expect("SIMURGH_PEOPLE names a file");
    let text = include_str!("../../benches/peers/settings/people.yaml");
    let text: String = text
        .lines()
        .skip_while(|line| !line.starts_with("    blocking"))
        .collect::<Vec<_>>()
        .join("\n");
    let settings: Resolve = serde_saphyr::from_str(&text).unwrap();
    let (rows, columns) = columns(&path);
    let surnames = columns["surname"].as_string::<i32>().clone();
    let input = Input {
        kind: "person",
        settings: &settings,
        source: StringArray::from(vec!["people"; rows]),
        record_id: StringArray::from_iter_values((0..rows).map(|row| format!("{row:09}"))),
        expressions: columns,
        coded: false,
        conditions: None,
        hash_key: None,
    };
    let ready = prepare(&input, Options { threads: 2 }).unwrap();
    let held = walk(
        &ready.blocks,
        2,
        |_, _| true,
        || (),
        |(), (l, r): &mut (Vec<u32>, Vec<u32>), chunk| {
            l.extend_from_slice(chunk.l);
            r.extend_from_slice(chunk.r);
        },
    );
    let held = held.unwrap();
    let pairs: usize = held.iter().map(|own| own.0.len()).sum();
    println!("{rows} records, {pairs} candidate pairs");
    let both = |(l, r): (&u32, &u32)| {
        let (l, r) = (*l as usize, *r as usize);
        (surnames.is_valid(l) && surnames.is_valid(r) && surnames.value(l) != surnames.value(r))
            .then(|| (surnames.value(l), surnames.value(r)))
    };
    let names: Vec<(&str, &str)> =
        held.iter().flat_map(|own| own.0.iter().zip(&own.1)).filter_map(both).collect();
    rate("Jaro-Winkler of two surnames, bare", names.len(), || {
        let sum: f64 = names.iter().map(|(l, r)| similarity::jaro_winkler(l, r)).sum();
        std::hint::black_box(sum);
    });
    rate("the same of strsim", names.len(), || {
        let sum: f64 = names.iter().map(|(l, r)| strsim::jaro_winkler(l, r)).sum();
        std::hint::black_box(sum);
    });
    let mut scratch = Scratch::default();
    rate("all comparisons, one thread", pairs, || {
        for own in &held {
            for (l, r) in own.0.chunks(4096).zip(own.1.chunks(4096)) {
                std::hint::black_box(ready.comparisons.patterns(&mut scratch, l, r));
            }
        }
    });
    let compared = |threads: usize| {
        let count = |scratch: &mut Scratch, sum: &mut u64, chunk: super::kernel::Chunk<'_>| {
            let patterns = ready.comparisons.patterns(scratch, chunk.l, chunk.r);
            *sum = patterns.iter().fold(*sum, |sum, own| sum ^ own);
        };
        let found = walk(&ready.blocks, threads, |_, _| true, Scratch::default, count);
        std::hint::black_box(found.unwrap());
    };
    let one = rate("blocks walked and compared, one thread", pairs, || compared(1));
    let two = rate("the same, two threads", pairs, || compared(2));
    println!("two threads over one: {:.2}", two / one);
}

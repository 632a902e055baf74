//! What extraction promises, on small exports made here: each wrong input, one test.

mod columnar;
mod days;
mod text;

use arrow::array::{Array, AsArray};
use arrow::datatypes::UInt64Type;

use super::*;

pub(super) const PROPERTIES: &str = r#"
      - {name: id, logicalType: string, primaryKey: true, logicalTypeOptions: {pattern: "^P[0-9]+$"}}
      - {name: email, logicalType: string, classification: personal, logicalTypeOptions: {maxLength: 20}}
      - {name: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 150}}
      - {name: amount, logicalType: number, physicalType: "decimal(18,2)"}
      - {name: born, logicalType: date}
      - {name: at, logicalType: timestamp, required: true}
      - name: kind
        logicalType: string
        quality:
          - {metric: invalidValues, arguments: {validValues: [person, organisation]}, mustBe: 0}
"#;

pub(super) const HEADER: &str = "id,email,age,amount,born,at,kind";

pub(super) fn contract() -> Contract {
    contract_of(PROPERTIES)
}

/// A contract of these properties.
pub(super) fn contract_of(properties: &str) -> Contract {
    let text = format!(
        "
kind: DataContract
apiVersion: v3.1.0
id: people
version: 1.0.0
status: active
schema:
  - name: people
    properties:{properties}"
    );
    Contract::parse(&text, "people.odcs.yaml").expect("a contract")
}

/// A source with `settings`, one YAML line each, that tolerates any share of refused rows.
pub(super) fn source(settings: &str) -> Source {
    let load = if settings.contains("load:") { "" } else { "load: snapshot\n" };
    let quarantined =
        if settings.contains("max_quarantined") { "" } else { "max_quarantined: 100%\n" };
    serde_saphyr::from_str(&format!("path: x\ncontract: y\n{load}{quarantined}{settings}\n"))
        .expect("settings")
}

pub(super) fn file(path: &str, bytes: impl Into<Vec<u8>>) -> InputFile {
    InputFile { path: path.to_owned(), bytes: Bytes::from(bytes.into()) }
}

pub(super) fn read_one(settings: &str, path: &str, bytes: impl Into<Vec<u8>>) -> Result<Extracted> {
    read("people", &source(settings), &contract(), &[file(path, bytes)])
}

/// The rows' text in a column, in order.
pub(super) fn texts(extracted: &Extracted, column: &str) -> Vec<Option<String>> {
    texts_of(&extracted.batches, column)
}

pub(super) fn texts_of(batches: &[RecordBatch], column: &str) -> Vec<Option<String>> {
    let mut out = Vec::new();
    for batch in batches {
        let array = batch.column_by_name(column).expect("a column");
        for row in 0..batch.num_rows() {
            let text = || arrow::util::display::array_value_to_string(array, row).expect("text");
            out.push(array.is_valid(row).then(text));
        }
    }
    out
}

pub(super) fn rules(extracted: &Extracted) -> Vec<(u64, &'static str)> {
    extracted.quarantine.iter().map(|refused| (refused.row_number, refused.rule)).collect()
}

pub(super) fn row_numbers(extracted: &Extracted) -> Vec<u64> {
    let mut out = Vec::new();
    for batch in &extracted.batches {
        let rows = batch.column_by_name("_row").expect("rows").as_primitive::<UInt64Type>();
        out.extend(rows.values());
    }
    out
}

/// The error's message and help.
pub(super) fn fault<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    let error = outcome.expect_err("refused");
    format!("{error} | {}", error.advice().unwrap_or(""))
}

#[test]
fn formats_are_sorted_unique_and_complete() {
    let first = |format: &FileFormat| format.endings[0];
    assert!(FORMATS.windows(2).all(|pair| first(&pair[0]) < first(&pair[1])));
    let mut endings: Vec<_> = FORMATS.iter().flat_map(|format| format.endings).collect();
    let all = endings.len();
    endings.sort();
    endings.dedup();
    assert_eq!(endings.len(), all);
    for kind in [FormatKind::Csv, FormatKind::Ndjson, FormatKind::Parquet, FormatKind::Xlsx] {
        assert!(FORMATS.iter().any(|format| format.kind == kind));
    }
}

#[test]
fn an_unknown_ending_asks_for_the_type() {
    let text = format!("{HEADER}\nP1,,,,,2026-01-01,\n");
    assert!(fault(read_one("", "people.dat", text.clone())).contains("format.type"));
    let read = read_one("format: {type: csv}", "people.dat", text).expect("read");
    assert_eq!(read.rows_accepted, 1);
}

#[test]
fn quarantine_rows_are_those_of_the_table() {
    let refused = Refused {
        file: "a.csv".to_owned(),
        row_number: 3,
        rule: "type",
        reason: "column `age` is not an integer".to_owned(),
        raw: None,
    };
    let batch = quarantine_batch("run", "people", &[refused]).expect("a batch");
    assert_eq!(batch.schema(), tables::quarantine());
    assert_eq!(texts_of(&[batch], "row_number"), [Some("3".to_owned())]);
    assert_eq!(quarantine_batch("run", "people", &[]).expect("a batch").num_rows(), 0);
}

#[test]
fn counts_read_as_people_write_them() {
    for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(thousands(count), text);
    }
}

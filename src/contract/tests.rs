//! What contracts are read as, and what is said of malformed ones.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampNanosecondArray};

use super::*;

fn with(properties: &str) -> String {
    format!(
        "kind: DataContract\napiVersion: v3.1.0\nid: t\nversion: 1.0.0\nstatus: active\nteam: {{name: unread}}\nschema:\n  - name: t\n    properties:\n{properties}"
    )
}

#[test]
fn columns_rules_and_types_are_read() {
    let contract = Contract::parse(
        &with(
            r#"      - {name: b, logicalType: integer, primaryKey: true, primaryKeyPosition: 2, logicalTypeOptions: {exclusiveMinimum: 0}}
      - {name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 1, classification: personal}
      - {name: m, logicalType: number, physicalType: "DECIMAL(20, 4)", tags: [pii]}
      - {name: f, logicalType: number}
      - {name: d, logicalType: date, physicalName: Geburtsdatum, logicalTypeOptions: {format: dd.MM.yyyy, minimum: "01.01.1900"}}
      - {name: l, logicalType: array, items: {logicalType: integer}}
      - name: code
        logicalType: string
        quality:
          - {metric: nullValues, mustBe: 0}
          - {metric: invalidValues, arguments: {validValues: [no, 1, yes]}, mustBe: 0}
          - {type: sql, query: "SELECT 1", mustBe: 1, name: by_hand}
    quality:
      - {metric: rowCount, mustBeBetween: [1, 10]}
      - {metric: duplicateValues, arguments: {properties: [f]}, mustBe: 0}
"#,
        ),
        "t.yaml",
    )
    .expect("a contract");
    assert_eq!(contract.key(), ["a", "b"]);
    assert_eq!(contract.personal_columns(), ["a", "m"]);
    assert_eq!((contract.min_rows, contract.max_rows), (Some(1), Some(10)));
    let schema = contract.arrow_schema();
    assert_eq!(schema.field(2).data_type(), &DataType::Decimal128(20, 4));
    assert!(!schema.field(0).is_nullable() && schema.field(2).is_nullable());
    let column = |name| contract.column(name).expect("there");
    assert_eq!(column("d").export_name(), "Geburtsdatum");
    assert_eq!(column("b").minimum, Some(Bound { value: Value::Integer(0), exclusive: true }));
    assert!(column("code").required && column("f").unique);
    let values = ["1", "no", "yes"].map(|text| Value::Text(text.to_owned()));
    assert_eq!(column("code").valid_values, values);
    assert!(contract.unenforced[0].contains("by_hand"), "{:?}", contract.unenforced);
}

#[test]
fn every_fault_is_told_with_file_and_property() {
    let faults = [
        ("{name: x, logicalType: object}", "property `x`: logicalType `object` is not supported"),
        ("{name: x}", "property `x`: logicalType is missing"),
        ("{name: x, logicalType: number, physicalType: 'decimal(40,2)'}", "decimal(p,s)"),
        (
            "{name: x, logicalType: string, logicalTypeOptions: {pattern: '('}}",
            "regular expression",
        ),
        (
            "{name: x, logicalType: integer, logicalTypeOptions: {minimum: 1.5}}",
            "is not an integer",
        ),
        ("{name: x, logicalType: integer, logicalTypeOptions: {minimum: 2, maximum: 1}}", "over"),
        ("{name: x, logicalType: string, logicalTypeOptions: {minimum: a}}", "are for numbers"),
        ("{name: x, logicalType: date, logicalTypeOptions: {format: dd/MM/yy}}", "`yy`"),
        (
            "{name: x, logicalType: integer, quality: [{metric: invalidValues, mustBe: 0}]}",
            "validValues",
        ),
        ("{name: x, logicalType: integer, quality: [{metric: rowCont, mustBe: 0}]}", "`rowCont`"),
        ("{name: _row, logicalType: integer}", "reserved"),
    ];
    for (property, expected) in faults {
        let error = Contract::parse(&with(&format!("      - {property}\n")), "t.yaml")
            .expect_err("refused")
            .to_string();
        assert!(error.starts_with("t.yaml: ") && error.contains(expected), "{property}: {error}");
    }
    let two = with("      - {name: x}\n      - {name: y, logicalType: time}\n");
    let error = Contract::parse(&two, "t.yaml").expect_err("refused").to_string();
    assert!(error.contains("`x`") && error.contains("`y`"), "{error}");
    assert!(Contract::parse("{", "t.yaml").is_err());
    assert!(Contract::parse("kind: DataContract\nschema: []\n", "t.yaml").is_err());
}

#[test]
fn landed_tables_are_counted_against_their_contract() {
    let contract = Contract::parse(
        &with(
            r#"      - {name: id, logicalType: string, primaryKey: true}
      - {name: n, logicalType: integer, logicalTypeOptions: {maximum: 5}}
      - {name: at, logicalType: timestamp}
      - {name: gone, logicalType: string}
"#,
        ),
        "t.yaml",
    )
    .expect("a contract");
    let batch = |ids: Vec<Option<&str>>, numbers: Vec<i32>| {
        let rows = numbers.len();
        RecordBatch::try_from_iter([
            ("id", Arc::new(StringArray::from(ids)) as ArrayRef),
            ("n", Arc::new(Int32Array::from(numbers)) as ArrayRef),
            (
                "at",
                Arc::new(TimestampNanosecondArray::from(vec![1; rows]).with_timezone("UTC"))
                    as ArrayRef,
            ),
        ])
        .expect("a batch")
    };
    let found = |batches: &[RecordBatch], sorted_by: &[String]| {
        let mut checker = Checker::new(&contract, sorted_by);
        batches.iter().for_each(|batch| checker.batch(batch).expect("checked"));
        checker.finish()
    };
    let batches = [batch(vec![Some("a"), None], vec![1, 9]), batch(vec![Some("a")], vec![5])];
    let violation =
        |rule, column: &str, count| Violation { rule, column: column.to_owned(), count };
    let broken = [
        violation(Rule::Required, "id", 1),
        violation(Rule::Range, "n", 1),
        violation(Rule::Shape, "gone", 3),
        violation(Rule::Unique, "id", 1),
    ];
    assert_eq!(found(&batches, &[]), broken);
    // Where rows come sorted by the key, each is compared with the one before: within a batch and
    // across two, and nulls with none.
    let sorted = [
        batch(vec![None, None], vec![1, 1]),
        batch(vec![Some("a")], vec![9]),
        batch(vec![], vec![]),
        batch(vec![Some("a"), Some("b"), Some("b"), Some("c")], vec![5, 5, 5, 5]),
    ];
    let by_id = ["id".to_owned()];
    assert_eq!(found(&sorted, &by_id), found(&sorted, &[]));
    assert_eq!(found(&sorted, &by_id).last(), Some(&violation(Rule::Unique, "id", 2)));
}

#[test]
fn formats_of_the_contract_are_those_of_the_text() {
    let contract = Contract::parse(
        &with("      - {name: d, logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy, maximum: 2000-01-01}}\n"),
        "t.yaml",
    )
    .expect("a contract");
    let accept = |text| contract.columns[0].accept(Cell::Text(text), &Zone::Utc);
    assert_eq!(accept("01/01/2000"), Ok(Accepted::Integer(10_957)));
    assert_eq!(accept("02/01/2000"), Err(Rule::Range));
    assert_eq!(accept("2000-01-01"), Err(Rule::Type));
    assert_eq!(accept("  "), Ok(Accepted::Null));
}

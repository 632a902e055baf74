//! Parquet and spreadsheets: other types, damage, bombs.

use std::sync::Arc;

use arrow::array::{
    DictionaryArray, Float64Array, Int32Array, ListArray, StringArray, TimestampMillisecondArray,
    TimestampSecondArray,
};
use arrow::datatypes::{DataType, Int64Type, UInt32Type};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

use super::parquet::new_bytes;
use super::*;

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    parquet_of_groups(columns, usize::MAX)
}

fn parquet_of_groups(columns: Vec<(&str, ArrayRef)>, rows: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let mut out = Vec::new();
    let mut writer =
        ::parquet::arrow::ArrowWriter::try_new(&mut out, batch.schema(), None).expect("a writer");
    for from in (0..batch.num_rows()).step_by(rows) {
        writer.write(&batch.slice(from, rows.min(batch.num_rows() - from))).expect("memory");
        writer.flush().expect("memory");
    }
    writer.close().expect("memory");
    out
}

fn people(amounts: Vec<Option<f64>>) -> Vec<(&'static str, ArrayRef)> {
    let rows = amounts.len();
    let ids: Vec<String> = (1..=rows).map(|row| format!("P{row}")).collect();
    let noon = 1_767_268_800_000_i64;
    vec![
        ("kind", Arc::new(StringArray::from(vec!["person"; rows])) as ArrayRef),
        ("id", Arc::new(StringArray::from(ids))),
        ("email", Arc::new(StringArray::from(vec![None::<&str>; rows]))),
        ("age", Arc::new(Int32Array::from(vec![30; rows]))),
        ("amount", Arc::new(Float64Array::from(amounts))),
        ("born", Arc::new(TimestampSecondArray::from(vec![86_400; rows]))),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![noon; rows]))),
    ]
}

#[test]
fn parquet_is_cast_without_loss() {
    let bytes = parquet(people(vec![Some(19.99), None, Some(0.005), Some(0.1 + 0.2)]));
    let read = read_one("time_zone: Asia/Tehran", "p.parquet", bytes).expect("read");
    assert_eq!(rules(&read), [(3, "type")]);
    assert!(read.quarantine[0].raw.as_deref().is_some_and(|raw| raw.contains("0.005")));
    let amounts = texts(&read, "amount");
    assert_eq!(amounts[..2], [Some("19.99".to_owned()), None]);
    assert_eq!(amounts[2], Some("0.30".to_owned()));
    assert_eq!(texts(&read, "born")[0], Some("1970-01-02".to_owned()));
    // A time without a zone is local to the source.
    assert_eq!(texts(&read, "at")[0], Some("2026-01-01T08:30:00Z".to_owned()));
}

#[test]
fn row_groups_of_any_size_come_in_order() {
    for rows in [1, 3, 40, 400] {
        let bytes = parquet_of_groups(people(vec![None; 100]), rows);
        let read = read_one("", "p.parquet", bytes).expect("read");
        let ids: Vec<_> = (1..=100).map(|row| Some(format!("P{row}"))).collect();
        assert_eq!(texts(&read, "id"), ids);
        assert_eq!(row_numbers(&read), (1..=100).collect::<Vec<u64>>());
    }
}

#[test]
fn texts_that_are_stored_as_a_dictionary_stay_one_where_that_is_asked_for() {
    let contract = contract_of(
        "
      - {name: id, logicalType: string, primaryKey: true}
      - {name: name, logicalType: string, required: true}
      - {name: city, logicalType: string}
",
    );
    let columns = |ids: &dyn Fn(usize) -> String, city: Option<&str>| {
        let text = |of: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
            Arc::new((0..50).map(of).collect::<StringArray>())
        };
        vec![
            ("id", text(&|row| Some(ids(row)))),
            ("name", text(&|row| Some(format!("name {}", row % 7)))),
            ("city", text(&|row| city.filter(|_| row % 3 > 0).map(|city| format!("{city}{row}")))),
        ]
    };
    let own = |row: usize| format!("P{row}");
    let twice = |row: usize| format!("P{}", row.min(48));
    // Whether a column stays a dictionary: not where one of its values is to be looked at.
    for (ids, city, stays) in [
        (&own as &dyn Fn(usize) -> String, Some("c"), true),
        (&own, None, true),
        (&own, Some("\0"), false),
        (&twice, Some("c"), false),
    ] {
        let bytes = parquet_of_groups(columns(ids, city), 20);
        let files = [file("p.parquet", bytes)];
        let read = [read, read_coded]
            .map(|read| read("people", &source(""), &contract, &files).expect("read"));
        let [plain, coded] = &read;
        for column in ["id", "name", "city", "_row"] {
            assert_eq!(texts(plain, column), texts(coded, column));
        }
        assert_eq!(plain.quarantine, coded.quarantine);
        assert_eq!(plain.schema, coded.schema);
        let numbered = |extracted: &Extracted, column: &str| {
            let all = extracted.batches.iter().map(|batch| batch.column_by_name(column).unwrap());
            all.map(|own| own.as_any_dictionary_opt().is_some()).collect::<Vec<bool>>()
        };
        assert!(!numbered(plain, "name").contains(&true));
        assert_eq!(numbered(coded, "name").contains(&false), !stays);
        assert_eq!(numbered(coded, "name").contains(&true), stays);
    }
    // What a file itself calls a dictionary, of texts that are larger than ours.
    let mut columns = columns(&own, None);
    let larger = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::LargeUtf8));
    columns[1].1 = arrow::compute::cast(&columns[1].1, &larger).expect("a cast");
    let files = [file("p.parquet", parquet(columns))];
    let read = read_coded("people", &source(""), &contract, &files).expect("read");
    assert_eq!(read.batches[0].schema().field(1).data_type(), &DataType::Utf8);
}

#[test]
fn a_dictionary_of_many_rows_is_counted_once() {
    let numbered = || -> ArrayRef {
        let texts =
            (0..100).map(|row| if row % 2 > 0 { "one".repeat(99) } else { "two".repeat(99) });
        let texts: Vec<String> = texts.collect();
        Arc::new(texts.iter().map(|own| Some(&**own)).collect::<DictionaryArray<UInt32Type>>())
    };
    let whole = numbered();
    let (one, other) = (whole.slice(0, 50), whole.slice(50, 50));
    let values = whole.as_any_dictionary().values().get_array_memory_size();
    let all = other.get_array_memory_size();
    assert!(values > 2 * 99 * 3);
    assert_eq!(new_bytes(&other, None), all);
    assert_eq!(new_bytes(&other, Some(&numbered())), all);
    assert_eq!(new_bytes(&other, Some(&one)), all - values);
    let plain: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    assert_eq!(new_bytes(&plain, Some(&plain)), plain.get_array_memory_size());
}

#[test]
fn parquet_of_other_types_is_a_fault_of_the_column() {
    let mut columns = people(vec![None]);
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)])]);
    columns[3] = ("age", Arc::new(list));
    let message = fault(read_one("", "p.parquet", parquet(columns)));
    assert!(message.contains("column `age` is stored as a nested type"), "{message}");
    let mut columns = people(vec![None]);
    columns[5] = ("born", Arc::new(Float64Array::from(vec![1.0])));
    assert!(fault(read_one("", "p.parquet", parquet(columns))).contains("column `born`"));
}

#[test]
fn torn_and_oversized_parquet_is_refused() {
    let bytes = parquet(people(vec![Some(1.0); 1000]));
    for cut in [0, 4, bytes.len() / 2, bytes.len() - 1] {
        let message = fault(read_one("", "p.parquet", bytes[..cut].to_vec()));
        assert!(message.contains("p.parquet"), "{message}");
    }
    // Five thousand rows of one value are a few pages of nothing, and decode to much more.
    let mut columns = people(vec![Some(1.0); 5000]);
    columns[1] = ("id", Arc::new(StringArray::from(vec!["P1"; 5000])));
    let bytes = parquet(columns);
    let bound = format!("max_bytes: {}", bytes.len());
    assert!(fault(read_one(&bound, "p.parquet", bytes)).contains("decodes to more than"));
}

#[test]
fn damage_inside_parquet_never_panics_nor_passes_in_silence() {
    let bytes = parquet(people(vec![Some(1.0); 50]));
    for at in (4..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        if let Ok(read) = read_one("", "p.parquet", damaged) {
            assert_eq!(read.rows_read, read.rows_accepted + read.rows_quarantined);
        }
    }
}

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let time = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    for (column, name) in HEADER.split(',').enumerate() {
        sheet.write(2, column as u16, name).expect("memory");
    }
    for (row, id) in [(3, "P1"), (5, "P2")] {
        let born = ExcelDateTime::from_ymd(1990, 2, 28).expect("a day");
        let at =
            ExcelDateTime::from_ymd(2026, 1, 1).and_then(|d| d.and_hms(10, 30, 0)).expect("a time");
        sheet.write(row, 0, id).expect("memory");
        sheet.write(row, 1, 12_345).expect("memory");
        sheet.write(row, 2, 30).expect("memory");
        sheet.write(row, 3, 19.99).expect("memory");
        sheet.write_with_format(row, 4, &born, &date).expect("memory");
        sheet.write_with_format(row, 5, &at, &time).expect("memory");
    }
    sheet.write(6, 9, "stray").expect("memory");
    sheet.write(1_048_575, 16_383, "far").expect("memory");
    book.save_to_buffer().expect("memory")
}

#[test]
fn sheets_are_read_as_text() {
    let read = read_one("", "p.xlsx", workbook()).expect("read");
    assert_eq!(row_numbers(&read), [1, 3]);
    assert_eq!(rules(&read), [(4, "shape"), (1_048_573, "shape")]);
    let first = |column: &str| texts(&read, column)[0].clone().expect("a value");
    assert_eq!(
        (first("email"), first("age"), first("amount")),
        ("12345".into(), "30".into(), "19.99".into())
    );
    assert_eq!((first("born"), first("at")), ("1990-02-28".into(), "2026-01-01T10:30:00Z".into()));
    assert!(
        fault(read_one("format: {sheet: Nope}", "p.xlsx", workbook())).contains("no sheet `Nope`")
    );
}

#[test]
fn sheets_are_measured_before_they_are_opened() {
    let bytes = workbook();
    let size = archive::unpacked_size(&bytes, u64::MAX).expect("an archive");
    assert!(size > bytes.len() as u64);
    assert!(
        fault(read_one("max_bytes: 9000", "p.xlsx", bytes.clone())).contains("unpacks to more")
    );
    for cut in [0, 10, bytes.len() / 2, bytes.len() - 5] {
        assert!(fault(read_one("", "p.xlsx", bytes[..cut].to_vec())).contains("torn or damaged"));
    }
}

#[test]
fn an_archive_that_lies_about_its_sizes_is_measured() {
    let mut bytes = workbook();
    let honest = archive::unpacked_size(&bytes, u64::MAX).expect("an archive");
    let entries: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| *window == b"PK\x01\x02")
        .map(|(at, _)| at)
        .collect();
    for at in entries {
        bytes[at + 24..at + 28].copy_from_slice(&1_u32.to_le_bytes());
    }
    assert_eq!(archive::unpacked_size(&bytes, u64::MAX), Some(honest));
}

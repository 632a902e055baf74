//! Delimited text and JSON lines: rows, headers, encodings, compressions.

use std::io::Write;

use proptest::prelude::*;

use super::*;

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

const GOOD: &str = "P1,a@b.example,30,19.90,1990-02-28,2026-01-01T10:00:00Z,person";

#[test]
fn rows_are_typed_by_the_contract() {
    let text = format!("{HEADER}\n{GOOD}\nP2,,,,,2026-01-01 10:00,\n");
    let read = read_one("time_zone: Asia/Tehran", "p.csv", text).expect("read");
    assert_eq!((read.rows_read, read.rows_accepted, read.rows_quarantined), (2, 2, 0));
    assert_eq!(texts(&read, "amount"), some(&["19.90", ""]));
    assert_eq!(texts(&read, "born"), some(&["1990-02-28", ""]));
    assert_eq!(texts(&read, "at"), some(&["2026-01-01T10:00:00Z", "2026-01-01T06:30:00Z"]));
    assert_eq!(texts(&read, "_file"), some(&["p.csv", "p.csv"]));
    assert_eq!(row_numbers(&read), [1, 2]);
    assert_eq!(read.schema.field(7).name(), "_file");
}

#[test]
fn each_broken_rule_is_named_with_its_row() {
    let rows = [
        GOOD,
        "P2,x,30,1,1990-01-01,2026-01-01", // shape: too few
        "P3,x,30,1,1990-01-01,2026-01-01,person,more", // shape: too many
        ",x,30,1,1990-01-01,2026-01-01,person", // required (key)
        "P5,x,thirty,1,1990-01-01,2026-01-01,person", // type
        "P6,x,30,1.005,1990-01-01,2026-01-01,person", // type: would lose a digit
        "P7,x,30,1,1990-02-30,2026-01-01,person", // type: no such day
        "P8,xxxxxxxxxxxxxxxxxxxxxxxx,30,1,1990-01-01,2026-01-01,person", // length
        "Q9,x,30,1,1990-01-01,2026-01-01,person", // pattern
        "P10,x,151,1,1990-01-01,2026-01-01,person", // range
        "P11,x,30,1,1990-01-01,2026-01-01,dog", // valid_values
        "P1,x,30,1,1990-01-01,2026-01-01,person", // unique
        "P13,x\0,30,1,1990-01-01,2026-01-01,person", // encoding
        "P14,x,thirty,1,1990-01-01,,dog",  // required comes before type
    ];
    let text = format!("{HEADER}\n{}\n", rows.join("\n"));
    let read = read_one("", "p.csv", text).expect("read");
    assert_eq!(
        rules(&read),
        [
            (2, "shape"),
            (3, "shape"),
            (4, "required"),
            (5, "type"),
            (6, "type"),
            (7, "type"),
            (8, "length"),
            (9, "pattern"),
            (10, "range"),
            (11, "valid_values"),
            (12, "unique"),
            (13, "encoding"),
            (14, "required"),
        ]
    );
    assert_eq!((read.rows_read, read.rows_accepted), (14, 1));
    for refused in &read.quarantine {
        let raw = rows[refused.row_number as usize - 1];
        assert_eq!(refused.raw.as_deref(), Some(raw));
        assert!(!refused.reason.contains("thirty") && !refused.reason.contains("dog"));
    }
    assert!(read.quarantine[10].reason.contains("p.csv row 1"), "{}", read.quarantine[10].reason);
}

#[test]
fn the_first_of_a_key_stays_across_files_in_path_order() {
    let text = |email: &str| format!("{HEADER}\nP1,{email},,,,2026-01-01,\n");
    let files = [file("b.csv", text("second")), file("a.csv", text("first"))];
    let read = read("people", &source(""), &contract(), &files).expect("read");
    assert_eq!(texts(&read, "email"), some(&["first"]));
    assert_eq!(read.quarantine[0].file, "b.csv");
    assert!(read.quarantine[0].reason.contains("a.csv row 1"));
}

#[test]
fn a_refused_row_does_not_hold_its_key() {
    let text = format!("{HEADER}\nP1,,old,,,2026-01-01,\nP1,,30,,,2026-01-01,\n");
    let read = read_one("", "p.csv", text).expect("read");
    assert_eq!((row_numbers(&read), rules(&read)), (vec![2], vec![(1, "type")]));
}

#[test]
fn headers_are_held_against_the_contract() {
    let header = |text: &str| fault(read_one("", "p.csv", format!("{text}\n")));
    let renamed = header("id,e_mail,age,amount,born,at,kind");
    assert!(
        renamed.contains(
            "column `e_mail` is not in contract people; `email` is missing: was it renamed?"
        ),
        "{renamed}"
    );
    assert!(header("id,email,age,amount,born,at").contains("`kind` of contract people is missing"));
    assert!(header("id,email,age,amount,born,at,kind,shoe_size").contains("`shoe_size` is not in"));
    assert!(
        header("id,email,Age,amount,born,at,kind").contains("`age` is missing: was it renamed")
    );
    assert!(header("id,email,age,age,amount,born,at,kind").contains("`age` is there twice"));
    // A file without a header line has a customer in it.
    let headless = header("P1,sara@mail.example,30,1,1990-01-01,2026-01-01,person");
    assert!(headless.contains("names no column") && !headless.contains("sara"), "{headless}");
}

#[test]
fn extra_columns_may_be_ignored_aloud_but_renamed_ones_may_not() {
    let text = "id,shoe_size,email,age,amount,born,at,kind\nP1,44,e,,,,2026-01-01,\n";
    let read = read_one("extra_columns: ignore", "p.csv", text).expect("read");
    assert_eq!(texts(&read, "email"), some(&["e"]));
    assert!(read.warnings[0].contains("`shoe_size`"), "{:?}", read.warnings);
    let text = "id,e_mail,age,amount,born,at,kind\n";
    assert!(fault(read_one("extra_columns: ignore", "p.csv", text)).contains("was it renamed"));
}

#[test]
fn delimiters_quotes_marks_and_line_ends_are_found() {
    for delimiter in [";", "\t", "|"] {
        let header = HEADER.replace(',', delimiter);
        let row = ["P1", "\"a,\"\"b\"\"\r\nc\"", "", "", "", "2026-01-01", ""].join(delimiter);
        let text = format!("\u{feff} {header} \r\n{row}\r\n\r\n");
        let read = read_one("", "p.csv", text).expect("read");
        assert_eq!(texts(&read, "email"), some(&["a,\"b\"\r\nc"]));
    }
    let stated = format!("sep=;\r\n{}\r\nP1;a,b;;;;2026-01-01;\r\n", HEADER.replace(',', ";"));
    let read = read_one("", "p.csv", stated).expect("read");
    assert_eq!((texts(&read, "email"), row_numbers(&read)), (some(&["a,b"]), vec![1]));
    let text = format!("{}\nP1;'a;b';;;;2026-01-01;\n", HEADER.replace(',', ";"));
    let read = read_one("format: {delimiter: ';', quote: \"'\"}", "p.csv", text).expect("read");
    assert_eq!(texts(&read, "email"), some(&["a;b"]));
}

#[test]
fn torn_text_is_refused_whole() {
    let quoted = format!("{HEADER}\n{GOOD}\nP2,\"a,,,,2026-01-01,\n");
    assert!(fault(read_one("", "p.csv", quoted)).contains("quoted field, in row 2: it is torn"));
    let short = format!("{HEADER}\n{GOOD}\nP2,a@b");
    let message = fault(read_one("", "p.csv", short));
    assert!(message.contains("inside row 2") && !message.contains("a@b"), "{message}");
    let json = "{\"id\":\"P1\",\"at\":\"2026-01-01\"}\n{\"id\":\"P2\",\"em";
    assert!(fault(read_one("", "p.ndjson", json)).contains("inside row 2"));
    // A whole last row needs no line end.
    let whole = format!("{HEADER}\n{GOOD}");
    assert_eq!(read_one("", "p.csv", whole).expect("read").rows_accepted, 1);
}

#[test]
fn emptiness_is_asked_for() {
    let header = format!("{HEADER}\n");
    assert!(fault(read_one("", "p.csv", header.clone())).contains("no rows"));
    assert!(fault(read_one("", "p.csv", "")).contains("no header line"));
    for text in [header.as_str(), ""] {
        let read = read_one("allow_empty: true", "p.csv", text).expect("read");
        assert_eq!((read.rows_read, read.batches.len()), (0, 0));
    }
    assert!(fault(read("people", &source(""), &contract(), &[])).contains("no export"));
    let none = read("people", &source("optional: true"), &contract(), &[]).expect("read");
    assert_eq!(none.files, 0);
}

#[test]
fn too_many_refused_rows_stop_the_source_without_values() {
    let text = format!("{HEADER}\n{GOOD}\nP2,,secret,,,2026-01-01,\nP3,,,,,,\n");
    let message = fault(read_one("max_quarantined: 1", "p.csv", text));
    assert!(message.contains("2 of 3 rows are refused (limit 1 rows): 1 by required, 1 by type"));
    assert!(message.contains("p.csv:2") && !message.contains("secret"), "{message}");
}

#[test]
fn row_counts_of_the_contract_hold() {
    let rule = "    quality: [{metric: rowCount, mustBeGreaterOrEqualTo: 2}]\n";
    let contract = contract_of(&format!("{PROPERTIES}{rule}"));
    let one = file("p.csv", format!("{HEADER}\n{GOOD}\n"));
    assert!(fault(read("people", &source(""), &contract, &[one])).contains("wants at least 2"));
}

#[test]
fn encodings_are_found_or_held() {
    let name = "محمد علي زاده پور";
    let text = format!("{HEADER}\nP1,{name},,,,2026-01-01,person\n");
    let (windows, _, lossy) = encoding_rs::WINDOWS_1256.encode(&text);
    assert!(!lossy);
    // Short text is hard to guess: what is promised of detection is a warning, not a miracle.
    let read = read_one("", "p.csv", windows.to_vec()).expect("read");
    assert!(read.warnings.iter().any(|warning| warning.contains("detected")));
    let declared = read_one("format: {encoding: windows-1256}", "p.csv", windows.to_vec());
    assert_eq!(texts(&declared.expect("read"), "email"), some(&[name]));
    let message = fault(read_one("format: {encoding: utf-8}", "p.csv", windows.to_vec()));
    let position = HEADER.len() + 1 + 3;
    assert!(message.contains(&format!("byte {position} (from 0) is not UTF-8")), "{message}");
    assert!(
        fault(read_one("format: {encoding: klingon}", "p.csv", text.clone())).contains("klingon")
    );
    for (mark, big) in [(&[0xFF, 0xFE][..], false), (&[][..], false), (&[0xFE, 0xFF][..], true)] {
        let units = text.encode_utf16();
        let mut bytes = mark.to_vec();
        bytes.extend(units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }));
        assert_eq!(texts(&read_one("", "p.csv", bytes).expect("read"), "email"), some(&[name]));
    }
}

#[test]
fn damaged_utf_8_costs_its_rows_not_its_file() {
    let mut bytes = format!("{HEADER}\nP1,محمد,,,,2026-01-01,\nP2,").into_bytes();
    bytes.push(0xC3);
    bytes.extend(b"x,,,,2026-01-01,\n");
    let read = read_one("", "p.csv", bytes.clone()).expect("read");
    assert_eq!((row_numbers(&read), rules(&read)), (vec![1], vec![(2, "encoding")]));
    bytes.truncate(bytes.iter().position(|byte| *byte == 0xC3).expect("there") + 1);
    assert!(fault(read_one("", "p.csv", bytes)).contains("inside a character"));
}

#[test]
fn compressions_are_found_bounded_and_whole() {
    let text = format!("{HEADER}\n{GOOD}\n");
    let second = "P2,,,,,2026-01-01,\n";
    let members = [gzip(text.as_bytes()), gzip(second.as_bytes())].concat();
    assert_eq!(read_one("", "p.csv.gz", members.clone()).expect("read").rows_accepted, 2);
    let frames = zstd::encode_all(text.as_bytes(), 1).expect("memory");
    assert_eq!(read_one("", "p.csv", frames.clone()).expect("read").rows_accepted, 1);
    for whole in [&members, &frames] {
        for cut in [whole.len() - 1, whole.len() / 3, 11] {
            let message = fault(read_one("format: {type: csv}", "p", whole[..cut].to_vec()));
            assert!(message.contains("torn or damaged"), "{cut}: {message}");
        }
    }
    let bomb = gzip(&vec![b'x'; 1 << 20]);
    assert!(fault(read_one("max_bytes: 1000", "p.csv.gz", bomb)).contains("more than 1000 bytes"));
    assert!(fault(read_one("max_bytes: 10", "p.csv", text.clone())).contains("more than 10 bytes"));
    assert!(fault(read_one("", "p.csv.gz", text.clone())).contains("is not gzip as its name says"));
    let declared = "format: {compression: none}";
    assert!(fault(read_one(declared, "p.csv", members)).contains("is not uncompressed"));
}

#[test]
fn json_lines_are_rows() {
    let lines = [
        r#"{"id":"P1","email":"a@b","age":30,"amount":19.9,"at":"2026-01-01","extra":null}"#,
        r#"{"id":"P2","age":"30","at":"2026-01-01","kind":"person"}"#,
        r#"{"id":"P3","age":1.5,"at":"2026-01-01"}"#,
        r#"{"id":"P4","email":{"home":"x"},"at":"2026-01-01"}"#,
        r#"{"id":"P5","id":"P6","at":"2026-01-01"}"#,
        r#"["P7"]"#,
        "not json",
        "",
        r#"{"id":"P8","email":"\u0645","at":"2026-01-01"}"#,
    ];
    let read =
        read_one("extra_columns: ignore", "p.ndjson", lines.join("\n") + "\n").expect("read");
    assert_eq!(rules(&read), [(3, "type"), (4, "type"), (5, "shape"), (6, "shape"), (7, "shape")]);
    assert_eq!(row_numbers(&read), [1, 2, 8]);
    assert_eq!(texts(&read, "email"), some(&["a@b", "", "م"]));
    assert_eq!(read.quarantine[4].raw.as_deref(), Some("not json"));
    assert!(read.warnings.iter().any(|warning| warning.contains("`extra`")));
    assert!(read.warnings.iter().any(|warning| warning.contains("no row has column `born`")));
    let renamed = r#"{"id":"P1","e_mail":"a@b","at":"2026-01-01"}"#.to_owned() + "\n";
    assert!(fault(read_one("", "p.jsonl", renamed)).contains("was it renamed"));
}

proptest! {
    #[test]
    fn every_row_is_accepted_or_quarantined(
        rows in proptest::collection::vec(
            ("(P[0-9]{1,2}|x)?", "[a-z\",;]{0,6}", "[0-9a-z.]{0,3}", "(2026-01-01|soon)?"),
            0..40,
        ),
    ) {
        let mut text = format!("{HEADER}\n");
        for (id, email, age, at) in &rows {
            text += &format!("{id},\"{}\",{age},,,{at},\n", email.replace('"', "\"\""));
        }
        let read = read_one("allow_empty: true", "p.csv", text).expect("read");
        prop_assert_eq!(read.rows_read, rows.len() as u64);
        prop_assert_eq!(read.rows_read, read.rows_accepted + read.rows_quarantined);
        let built: usize = read.batches.iter().map(RecordBatch::num_rows).sum();
        prop_assert_eq!(built as u64, read.rows_accepted);
        let mut all = row_numbers(&read);
        all.extend(read.quarantine.iter().map(|refused| refused.row_number));
        all.sort_unstable();
        prop_assert_eq!(all, (1..=rows.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_panic_and_counts_agree(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        path in "p\\.(csv|ndjson|parquet|xlsx)",
        headed in any::<bool>(),
    ) {
        let mut bytes = if headed { format!("{HEADER}\n").into_bytes() } else { Vec::new() };
        bytes.extend(body);
        if let Ok(read) = read_one("", &path, bytes) {
            prop_assert_eq!(read.rows_read, read.rows_accepted + read.rows_quarantined);
        }
    }
}

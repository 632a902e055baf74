//! Malformed files, made by code and the same every time: whole ones that were damaged at random by
//! a seed, and ones that were thought of.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::feed::{CANARY, match_log_files};
use crate::program::Seeded;

/// How many files of each reader.
pub(crate) const COUNTS: &[(&str, u64)] = &[
    ("configuration", 700),
    ("contract", 600),
    ("csv", 900),
    ("functions", 400),
    ("gzip", 300),
    ("match_log", 300),
    ("ndjson", 700),
    ("parquet", 700),
    ("xlsx", 600),
    ("zstd", 300),
];

/// The n-th file of a reader: those that were thought of first.
pub(crate) struct Maker {
    thought_of: Vec<Vec<u8>>,
    whole: Vec<Vec<u8>>,
    reader: &'static str,
}

impl Maker {
    pub(crate) fn of(reader: &'static str) -> Self {
        let (whole, thought_of) = match reader {
            "configuration" => (configurations(), yaml_tricks()),
            "contract" => (contracts(), yaml_tricks()),
            "csv" => (vec![csv(","), csv(";"), csv("\t")], csv_tricks()),
            "functions" => (texts(), text_tricks()),
            "gzip" => {
                (vec![gzip(&csv(",")), [gzip(&csv(",")), gzip(&csv(","))].concat()], gzip_tricks())
            }
            "match_log" => (match_log_files().to_vec(), Vec::new()),
            "ndjson" => (vec![ndjson()], ndjson_tricks()),
            "parquet" => (vec![parquet(None), parquet(Some(2))], Vec::new()),
            "xlsx" => (vec![workbook(&sheet(), &strings())], xlsx_tricks()),
            "zstd" => (vec![zstd(&csv(","))], zstd_tricks()),
            other => panic!("{other}"),
        };
        Self { thought_of, whole, reader }
    }

    /// The n-th file.
    pub(crate) fn file(&self, n: u64) -> Vec<u8> {
        if let Some(file) = self.thought_of.get(n as usize) {
            return file.clone();
        }
        let mut seeded = Seeded(n * 0x9e37_79b9 + self.reader.len() as u64);
        // Most of what is damaged in a packed file is found by its sums: damage what is within, too.
        if seeded.below(2) == 0 {
            match self.reader {
                "gzip" => return gzip(&damaged(&csv(","), &mut seeded)),
                "zstd" => return zstd(&damaged(&csv(","), &mut seeded)),
                "xlsx" if seeded.below(2) == 0 => {
                    return workbook(&damaged(&sheet(), &mut seeded), &strings());
                }
                "xlsx" => return workbook(&sheet(), &damaged(&strings(), &mut seeded)),
                _ => {}
            }
        }
        let whole = &self.whole[seeded.below(self.whole.len() as u64) as usize];
        damaged(whole, &mut seeded)
    }
}

/// A file with one to four things wrong.
fn damaged(whole: &[u8], seeded: &mut Seeded) -> Vec<u8> {
    const BYTES: &[u8] = b"\0\xff\x80,;\t\"'\n\r{}[]<>&:#*!|-%\\/ 0-1eE.+$@\xc3\xed\xf4PK";
    let mut bytes = whole.to_vec();
    for _ in 0..=seeded.below(4) {
        let length = bytes.len() as u64;
        if length < 2 {
            break;
        }
        let at = seeded.below(length) as usize;
        let end = (at + 1 + seeded.below(64) as usize).min(bytes.len());
        match seeded.below(9) {
            0 => bytes[at] ^= 1 << seeded.below(8),
            1 => bytes[at] = BYTES[seeded.below(BYTES.len() as u64) as usize],
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].to_vec();
                let times = 1 + seeded.below(200) as usize;
                bytes.splice(at..at, part.repeat(times));
            }
            5 => {
                let noise: Vec<u8> = (0..seeded.below(40)).map(|_| seeded.next() as u8).collect();
                bytes.splice(at..at, noise);
            }
            6 => {
                // A length or an offset that is past everything, or before it.
                let extreme = [0u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
                let value = extreme[seeded.below(6) as usize].to_le_bytes();
                bytes.iter_mut().skip(at).zip(value).for_each(|(byte, value)| *byte = value);
            }
            7 => {
                let other = seeded.below(length) as usize;
                bytes.swap(at, other);
            }
            _ => {
                let numbers = [
                    "-1",
                    "1e309",
                    "99999999999999999999",
                    "NaN",
                    "0x7f",
                    "2026-02-30",
                    "\u{202e}",
                ];
                let number = numbers[seeded.below(7) as usize].as_bytes();
                bytes.splice(at..end, number.iter().copied());
            }
        }
    }
    bytes
}

fn csv(delimiter: &str) -> Vec<u8> {
    let rows = [
        "id,email,age,amount,born,at",
        "P1,Zyxcanary@example.org,41,12.50,1984-01-02,2026-01-01T10:00:00",
        "P2,,,,,",
        "\"P3\",\"Zyxcanary, \"\"quoted\"\"\",7,-0.01,2019-02-28,2026-01-01T10:00:00+03:30",
        "P4,\"two\nlines\",150,99999999.99,1900-01-01,2026-06-30 23:59:59",
        "محمد,زیکس@example.org,۳۰,1,1999-12-31,2026-01-01",
    ];
    let text: Vec<String> = rows.iter().map(|row| row.replace(',', delimiter)).collect();
    (text.join("\r\n") + "\r\n").into_bytes()
}

fn csv_tricks() -> Vec<Vec<u8>> {
    let header = "id,email,age,amount,born,at\n";
    let wide = |n: usize| ["x"].repeat(n).join(",");
    vec![
        Vec::new(),
        b"\n\n\n".to_vec(),
        b"\xef\xbb\xbf".to_vec(),
        b"\xff\xfe".to_vec(),
        b"\xff\xfei\0d\0".to_vec(),
        b"id".to_vec(),
        b"sep=".to_vec(),
        b"sep=\xff\n".to_vec(),
        format!("{header}\"{}", "P".repeat(1 << 20)).into_bytes(),
        format!("{header}{}\n", "\"".repeat(1 << 16)).into_bytes(),
        format!("{header}{}\n", wide(100_000)).into_bytes(),
        format!("{},id\n1\n", wide(50_000)).into_bytes(),
        format!("{header}{}", "\r".repeat(1 << 16)).into_bytes(),
        format!("{header}P1,{},1,1,,\n", CANARY.repeat(100_000)).into_bytes(),
        format!("{header}P1,,1,{},,\n", "9".repeat(100_000)).into_bytes(),
        format!("{header}P1,,1,1e{},,\n", "9".repeat(1000)).into_bytes(),
        format!("{header}P1,,1,1,{}-01-01,\n", "9".repeat(1000)).into_bytes(),
        format!("{header}{}", "P,,,,,\n".repeat(200_000)).into_bytes(),
        "id,id,id,email,email\n1,2,3,4,5\n".repeat(1000).into_bytes(),
        vec![0; 1 << 20],
        vec![0xff; 1 << 20],
        vec![b','; 1 << 20],
        [0xed, 0xa0, 0x80].repeat(10_000),
    ]
}

fn ndjson() -> Vec<u8> {
    let rows = [
        r#"{"id": "P1", "email": "Zyxcanary@example.org", "age": 41, "amount": 12.5, "born": "1984-01-02", "at": "2026-01-01T10:00:00Z"}"#,
        r#"{"id": "P2", "email": null, "age": null}"#,
        r#"{"id": "P3", "email": "\u0645\u062d\u0645\u062f \ud83d\ude00", "amount": -1e-3, "tags": ["a", {"b": [1, 2]}]}"#,
        r#"{"id": 4, "email": true, "age": "7"}"#,
    ];
    (rows.join("\n") + "\n").into_bytes()
}

fn ndjson_tricks() -> Vec<Vec<u8>> {
    let nested = |open: &str, n: usize| format!("{{\"id\": {}", open.repeat(n)).into_bytes();
    vec![
        Vec::new(),
        b"{}\n".to_vec(),
        b"[]\n".to_vec(),
        b"null\n".to_vec(),
        b"{\"id\": \"\\ud800\"}\n".to_vec(),
        b"{\"id\": \"P1\"".to_vec(),
        nested("[", 200_000),
        nested("{\"a\":", 200_000),
        format!("{{\"id\": {}1{}}}\n", "[".repeat(120), "]".repeat(120)).into_bytes(),
        format!("{{\"id\": \"{}\"}}\n", "x".repeat(4 << 20)).into_bytes(),
        format!("{{\"age\": 1{}}}\n", "0".repeat(100_000)).into_bytes(),
        format!("{{\"{CANARY}\": 1{}}}\n", ", \"id\": 1".repeat(50_000)).into_bytes(),
        (0..50_000).map(|n| format!("{{\"key{n}\": 1}}\n")).collect::<String>().into_bytes(),
        "{}\n".repeat(200_000).into_bytes(),
        vec![b'{'; 1 << 20],
        vec![b'"'; 1 << 20],
    ]
}

fn texts() -> Vec<Vec<u8>> {
    let all = [
        "Dr. Mohamed Abdel-Rahman al-Sayed, Jr.",
        "مریم رضایی‌زاده",
        "+98 (0)912 345 6789 ext. 5",
        "Flat 2b, 221B Baker St., London NW1 6XE",
        "1370/02/15",
        "۱۴۰۳-۰۶-۱۱ ۱۲:۳۰",
        "zyx.canary+tag@sub.example.co.uk",
        "USD 1.234.567,89-",
        "李 小龍 / Ли Сяолун",
    ];
    // Every function, in the order of the bytes that choose one.
    (0..=255u8)
        .map(|n| [&[n, n / 7][..], all[usize::from(n) % all.len()].as_bytes()].concat())
        .collect()
}

fn text_tricks() -> Vec<Vec<u8>> {
    let long = [
        "x".repeat(1 << 16),
        "é\u{301}".repeat(1 << 14),
        "\u{1f468}\u{200d}\u{1f469}\u{200d}".repeat(1 << 12),
        " ".repeat(1 << 16),
        "(".repeat(1 << 12),
        "9".repeat(1 << 12),
        "-".repeat(1 << 12),
        "a@".repeat(1 << 12),
        "٪".repeat(1 << 12),
    ];
    (0..120u8)
        .map(|n| [&[n % 40, n / 40][..], long[usize::from(n) % long.len()].as_bytes()].concat())
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzip_tricks() -> Vec<Vec<u8>> {
    let bomb = gzip(&vec![b'x'; 200 << 20]);
    vec![
        b"\x1f\x8b".to_vec(),
        b"\x1f\x8b\x08".to_vec(),
        [b"\x1f\x8b\x08\x1f".to_vec(), vec![0xff; 64]].concat(),
        gzip(b""),
        gzip(&bomb),
        bomb,
        [gzip(&csv(",")), b"garbage".to_vec()].concat(),
        gzip(b"id\n").repeat(5000),
        csv(","),
    ]
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn zstd_tricks() -> Vec<Vec<u8>> {
    let magic = b"\x28\xb5\x2f\xfd".to_vec();
    vec![
        magic.clone(),
        // A frame that states a window and a size past everything.
        [magic.clone(), vec![0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]].concat(),
        [magic, vec![0x00, 0xff, 0xff, 0xff]].concat(),
        zstd(&vec![b'x'; 200 << 20]),
        zstd(b""),
        [zstd(&csv(",")), b"garbage".to_vec()].concat(),
        zstd(b"id\n").repeat(5000),
    ]
}

fn parquet(group: Option<usize>) -> Vec<u8> {
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["P1", "P2", "P3", "P4", "P5"]));
    let emails: ArrayRef = Arc::new(StringArray::from(vec![
        Some("Zyxcanary@example.org"),
        None,
        Some("b"),
        Some("b"),
        Some("b"),
    ]));
    let ages: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(41), None, Some(7), Some(7), Some(150)]));
    let amounts: ArrayRef =
        Arc::new(Float64Array::from(vec![Some(12.5), None, Some(-0.01), Some(1.0), None]));
    let born: ArrayRef =
        Arc::new(Date32Array::from(vec![Some(5000), None, Some(0), Some(-1), Some(20_000)]));
    let at: ArrayRef =
        Arc::new(StringArray::from(vec![Some("2026-01-01"), None, None, None, None]));
    let batch = RecordBatch::try_from_iter([
        ("id", ids),
        ("email", emails),
        ("age", ages),
        ("amount", amounts),
        ("born", born),
        ("at", at),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group.unwrap_or(100)))
        .set_dictionary_enabled(group.is_none())
        .build();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    out
}

const MAIN: &str = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"";

fn sheet() -> Vec<u8> {
    let text = |cell: &str, n: u32| format!("<c r=\"{cell}\" t=\"s\"><v>{n}</v></c>");
    let number = |cell: &str, n: &str| format!("<c r=\"{cell}\"><v>{n}</v></c>");
    let header: String = (0..6u32)
        .map(|n| text(&format!("{}1", ['A', 'B', 'C', 'D', 'E', 'F'][n as usize]), n))
        .collect();
    let row = text("A2", 6)
        + &text("B2", 7)
        + &number("C2", "41")
        + &number("D2", "12.5")
        + &number("E2", "30000");
    format!(
        "<?xml version=\"1.0\"?><worksheet {MAIN}><dimension ref=\"A1:F3\"/><sheetData>\
         <row r=\"1\">{header}</row><row r=\"2\">{row}</row>\
         <row r=\"3\"><c r=\"A3\" t=\"inlineStr\"><is><t>P2</t></is></c></row></sheetData></worksheet>"
    )
    .into_bytes()
}

fn strings() -> Vec<u8> {
    let all = ["id", "email", "age", "amount", "born", "at", "P1", "Zyxcanary@example.org"];
    let items: String = all.iter().map(|text| format!("<si><t>{text}</t></si>")).collect();
    format!("<?xml version=\"1.0\"?><sst {MAIN} count=\"8\" uniqueCount=\"8\">{items}</sst>")
        .into_bytes()
}

/// A workbook of one sheet, its members unpacked.
fn workbook(sheet: &[u8], strings: &[u8]) -> Vec<u8> {
    archive(&members(sheet, strings), false)
}

fn members(sheet: &[u8], strings: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"";
    vec![
        ("[Content_Types].xml", b"<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>".to_vec()),
        ("_rels/.rels", format!("<?xml version=\"1.0\"?><Relationships {package}><Relationship Id=\"r1\" Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>").into_bytes()),
        ("xl/workbook.xml", format!("<?xml version=\"1.0\"?><workbook {MAIN} xmlns:r=\"{relations}\"><sheets><sheet name=\"people\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>").into_bytes()),
        ("xl/_rels/workbook.xml.rels", format!("<?xml version=\"1.0\"?><Relationships {package}><Relationship Id=\"r1\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"r2\" Type=\"{relations}/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>").into_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.to_vec()),
        ("xl/sharedStrings.xml", strings.to_vec()),
    ]
}

/// A ZIP archive (APPNOTE.TXT 4.3) whose members are stored, or deflated.
fn archive(members: &[(&str, Vec<u8>)], deflate: bool) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        let packed = if deflate {
            let mut encoder =
                flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        } else {
            bytes.clone()
        };
        let offset = out.len() as u32;
        let mut fields = Vec::new();
        let method: u16 = if deflate { 8 } else { 0 };
        for field in [20, 0, method, 0, 0x21] {
            fields.extend(u16::to_le_bytes(field));
        }
        for field in [sum.sum(), packed.len() as u32, bytes.len() as u32] {
            fields.extend(field.to_le_bytes());
        }
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&fields);
        out.extend(name.as_bytes());
        out.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, length) = (out.len() as u32, directory.len() as u32);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((members.len() as u16).to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn xlsx_tricks() -> Vec<Vec<u8>> {
    let change = |bytes: Vec<u8>, from: &str, to: &str| {
        String::from_utf8(bytes).unwrap().replacen(from, to, 1).into_bytes()
    };
    let sheets = [
        ("<c r=\"A2\"", "<c r=\"XFD1048576\""),
        ("<c r=\"A2\"", "<c r=\"ZZZZZZZ99999999999\""),
        ("<c r=\"A2\"", "<c r=\"\""),
        ("<c r=\"A2\"", "<c r=\"A0\""),
        ("A1:F3", "A1:XFD1048576"),
        ("A1:F3", "XFD1048576:A1"),
        ("A1:F3", ":"),
        ("<v>6</v>", "<v>4294967295</v>"),
        ("<v>6</v>", "<v>-1</v>"),
        ("<v>30000</v>", "<v>1e308</v>"),
        ("<v>30000</v>", "<v>NaN</v>"),
        ("<row r=\"2\">", "<row r=\"4294967296\">"),
        ("<row r=\"3\">", "<row r=\"1\">"),
        ("</sheetData>", ""),
    ];
    let mut all: Vec<Vec<u8>> =
        sheets.iter().map(|(from, to)| workbook(&change(sheet(), from, to), &strings())).collect();
    let entities = change(
        strings(),
        "<sst",
        "<!DOCTYPE sst [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><sst",
    );
    all.push(workbook(&sheet(), &change(entities, "<t>P1</t>", "<t>&b;&b;&b;</t>")));
    all.push(workbook(
        &sheet(),
        &change(strings(), "uniqueCount=\"8\"", "uniqueCount=\"4294967295\""),
    ));
    all.push(workbook(&sheet(), &change(strings(), "<t>P1</t>", &"<r>".repeat(100_000))));
    all.push(workbook(&[b"<a>".repeat(200_000), sheet()].concat(), &strings()));
    // A bomb of one member, of many cells, and of many members.
    let spaces = change(strings(), "<t>P1</t>", &format!("<t>{}</t>", " ".repeat(100 << 20)));
    all.push(archive(&members(&sheet(), &spaces), true));
    let cells = "<c r=\"A2\"><v>1</v></c>".repeat(600_000);
    all.push(archive(
        &members(&change(sheet(), "<c r=\"A2\"", &format!("{cells}<c r=\"A2\"")), &strings()),
        true,
    ));
    let many = (0..3000).flat_map(|_| members(&sheet(), &strings())).collect::<Vec<_>>();
    all.push(archive(&many, true));
    all.extend([Vec::new(), b"PK".to_vec(), archive(&[], false), b"PK\x05\x06".repeat(1000)]);
    all
}

fn configurations() -> Vec<Vec<u8>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read(root.join(path)).unwrap();
    vec![
        read("pipelines/tiny.yaml"),
        read("fixtures/configuration/in_order.yaml"),
        read("pipelines/customer360.yaml"),
    ]
}

fn contracts() -> Vec<Vec<u8>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read(root.join(path)).unwrap();
    vec![read("schemas/crm_contacts.odcs.yaml"), read("schemas/pos_sales.odcs.yaml")]
}

fn yaml_tricks() -> Vec<Vec<u8>> {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let before = format!("*a{}", n - 1);
        laughs += &format!("a{n}: &a{n} [{}]\n", [before.as_str(); 10].join(", "));
    }
    [
        String::new(),
        laughs,
        "a: &a [*a]\n".to_owned(),
        "<<: &a {<<: *a}\n".to_owned(),
        "[".repeat(100_000),
        "{a: ".repeat(50_000),
        "- ".repeat(50_000),
        format!("{}x: 1\n", "a: \n ".repeat(5000)),
        (0..100_000).map(|n| format!("k{n}: 1\n")).collect(),
        format!("version: {}\n", "9".repeat(100_000)),
        format!("name: \"{}\"\n", "\\u0041".repeat(100_000)),
        "x".repeat(5 << 20),
        "%TAG ! tag:x,2000:\n---\n!!binary x\n".to_owned(),
        "version: 1\n---\nversion: 1\n".to_owned(),
        "? {a: 1}\n: {b: 2}\n".to_owned(),
        "name: ${A:-${B:-${C:-${D}}}}\n".to_owned(),
        format!("name: {}\n", "${A:-".repeat(20_000)),
        "\u{feff}version: 1\n".to_owned(),
        "version: !!int 1\nname: |\n".to_owned(),
        "a: 'x\n".to_owned(),
        "\t- x\n".to_owned(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .chain([vec![0xff; 100], vec![0; 100], b"version: 1\r\rname: \x85\n".to_vec()])
    .collect()
}

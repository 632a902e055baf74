//! Exports that are missing, damaged, or not what their contract says.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use super::{CANARY, CRM, Case, DATE, PIPELINE, POS, Setup, case};

const NEXT: &str = "2026-11-02";
const FILE: &str = "crm_contacts-2026-11-01.csv";

/// The bytes as a gzip stream.
fn gzip(bytes: Vec<u8>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

/// The first half of the bytes.
fn torn(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

/// A CSV file as a Parquet file of texts.
fn parquet(csv: Vec<u8>) -> Vec<u8> {
    let mut reader = csv::Reader::from_reader(csv.as_slice());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let column = |index: usize| -> ArrayRef {
        let cells = rows.iter().map(|row| Some(&row[index]).filter(|cell| !cell.is_empty()));
        Arc::new(cells.collect::<StringArray>())
    };
    let columns = names.iter().enumerate().map(|(index, name)| (name, column(index), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn set(setup: &mut Setup, key: &str, value: &str) {
    setup.also(&["--set", &format!("sources.crm_contacts.{key}={value}")]);
}

pub(super) const CASES: &[Case] = &[
    case(
        "no export of the day",
        1,
        &[FILE, "`crm_contacts`"],
        "deliver it, or say `optional: true`",
        |setup| {
            setup.remove(CRM);
            setup.remove(&CRM.replace(DATE, NEXT));
        },
    ),
    case(
        "an export older than `freshness`",
        1,
        &["crm_contacts-2026-11-04.csv", "2026-11-02.csv", "freshness"],
        "wait for it, or raise `freshness`",
        |setup| {
            setup.arguments(&["run", PIPELINE, "--date", "2026-11-04"]);
            set(setup, "freshness", "1");
        },
    ),
    case(
        "no folder of exports",
        1,
        &["/nowhere/crm_contacts-2026-11-01.csv"],
        "mend `inputs`: relative to where simurgh runs",
        |setup| {
            setup.variable("TINY_INPUTS", "nowhere");
        },
    ),
    case(
        "an empty file",
        1,
        &[FILE],
        "export it again; a day without rows has its header",
        |setup| {
            setup.write(CRM, "");
        },
    ),
    case(
        "a header without rows",
        1,
        &["crm_contacts", "allow_empty"],
        "export it again, or say `allow_empty: true`",
        |setup| {
            let header = setup.text(CRM).lines().next().unwrap().to_owned();
            setup.write(CRM, header + "\n");
        },
    ),
    case("no header", 1, &[FILE, "crm_contacts"], "export it with its header", |setup| {
        let text = setup.text(CRM);
        setup.write(CRM, text.split_once('\n').unwrap().1);
    }),
    case(
        "a missing column",
        1,
        &[FILE, "`birth_date`"],
        "mend the export, or the contract with it",
        |setup| {
            let text = setup.text(CRM);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let mut writer = csv::Writer::from_writer(Vec::new());
            let header = reader.headers().unwrap().clone();
            let place = header.iter().position(|name| name == "birth_date").unwrap();
            let rows = reader.records().map(Result::unwrap);
            for row in std::iter::once(header).chain(rows) {
                let cells = row.iter().enumerate().filter(|(index, _)| *index != place);
                writer.write_record(cells.map(|(_, cell)| cell)).unwrap();
            }
            setup.write(CRM, writer.into_inner().unwrap());
        },
    ),
    case(
        "a renamed column",
        1,
        &[FILE, "`birthdate`", "`birth_date`"],
        "mend the export, or say `physicalName` in the contract",
        |setup| {
            setup.replace(CRM, "birth_date", "birthdate");
        },
    ),
    case(
        "a column that the contract does not name",
        1,
        &[FILE, "`shoe_size`"],
        "mend the contract, or say `extra_columns: ignore`",
        |setup| {
            let text = setup.text(CRM);
            let lines = text.lines().enumerate().map(|(index, line)| {
                format!("{line},{}\n", if index == 0 { "shoe_size" } else { CANARY })
            });
            setup.write(CRM, lines.collect::<String>());
        },
    ),
    case("a column twice", 1, &[FILE, "`kind`"], "mend the export", |setup| {
        setup.replace(CRM, "gender", "kind");
    }),
    case("a quote that is never closed", 1, &[FILE, "row 14"], "export it again", |setup| {
        setup.append(CRM, &format!("C-000099,person,\"{CANARY} {CANARY}\n"));
    }),
    case("a file that ends within a row", 1, &[FILE, "row 14"], "export it again", |setup| {
        setup.append(CRM, &format!("C-000099,person,{CANARY}"));
    }),
    case("a torn gzip file", 1, &[".csv.gz", "gzip"], "export it again", |setup| {
        setup.contacts_as(".csv.gz", |csv| torn(gzip(csv)));
    }),
    case(
        "a gzip file that is none",
        1,
        &[".csv.gz", "gzip"],
        "mend its name or its bytes",
        |setup| {
            setup.contacts_as(".csv.gz", |csv| csv);
        },
    ),
    case("a torn Zstandard file", 1, &[".csv.zst", "Zstandard"], "export it again", |setup| {
        setup.contacts_as(".csv.zst", |csv| torn(zstd::encode_all(csv.as_slice(), 0).unwrap()));
    }),
    case(
        "a gzip file that unpacks past `max_bytes`",
        1,
        &[".csv.gz", "100000"],
        "ask who sent it; raise `max_bytes` if it is right",
        |setup| {
            setup.contacts_as(".csv.gz", |mut csv| {
                csv.resize(50_000_000, b'0');
                gzip(csv)
            });
            set(setup, "max_bytes", "100000");
        },
    ),
    case(
        "text of another encoding than is named",
        1,
        &[FILE, "UTF-16LE"],
        "name the right `format.encoding`",
        |setup| {
            set(setup, "format", "{encoding: utf-16le}");
        },
    ),
    case(
        "bytes that are not of the encoding named",
        1,
        &[FILE, "UTF-8"],
        "export it again, or name its encoding",
        |setup| {
            let mut bytes = setup.text(CRM).into_bytes();
            let at =
                bytes.windows(CANARY.len()).position(|word| word == CANARY.as_bytes()).unwrap();
            bytes[at] = 0xE9;
            setup.write(CRM, bytes);
            set(setup, "format", "{encoding: utf-8}");
        },
    ),
    case(
        "an encoding that there is not",
        1,
        &["encoding", "utf-9"],
        "give a WHATWG label",
        |setup| {
            set(setup, "format", "{encoding: utf-9}");
        },
    ),
    case(
        "more refused rows than `max_quarantined`",
        1,
        &["crm_contacts", "crm_contacts-2026-11-01.csv:14", "`kind`", "max_quarantined"],
        "mend the export or the contract",
        |setup| {
            for _ in 0..5 {
                setup.contact(&[("kind", CANARY)]);
            }
        },
    ),
    case(
        "numbers and dates that are none, past `max_quarantined`",
        1,
        &["pos_sales", "`amount`"],
        "mend the export or the contract",
        |setup| {
            for line in 1..=9 {
                let at = if line % 2 == 0 { "never" } else { "2026-11-01T10:00:00" };
                setup.append(POS, &format!("X-9-000001,{line},LON1,{at},,{CANARY},,,soap,beauty,1,{CANARY},0.00,false,GBP,\n"));
            }
        },
    ),
    case(
        "keys twice, past `max_quarantined`",
        1,
        &["crm_contacts", "`contact_id`", "row 13"],
        "mend the export, or the contract's key",
        |setup| {
            for _ in 0..5 {
                setup.contact(&[("contact_id", "C-900013")]);
            }
        },
    ),
    case(
        "more removed records than `max_removed`",
        1,
        &["crm_contacts", "max_removed"],
        "see that the export is whole, or raise `max_removed`",
        |setup| {
            setup.publish(DATE);
            let next = CRM.replace(DATE, NEXT);
            let text: String =
                setup.text(&next).lines().take(4).map(|line| format!("{line}\n")).collect();
            setup.write(&next, text);
            setup.arguments(&["run", PIPELINE, "--date", NEXT]);
        },
    ),
    case(
        "fewer rows than the contract's `rowCount`",
        1,
        &["crm_contacts", "1,000"],
        "see that the export is whole",
        |setup| {
            let contract = "schemas/crm_contacts.odcs.yaml";
            let rule = "    quality:\n      - {name: enough, type: library, metric: rowCount, mustBeGreaterOrEqualTo: 1000}\n";
            setup.replace(contract, "\n    quality:\n", &format!("\n{rule}"));
        },
    ),
    case("an XLSX file that is none", 1, &[".xlsx"], "export it again", |setup| {
        setup.contacts_as(".xlsx", |csv| csv);
    }),
    case("a Parquet file that is none", 1, &[".parquet"], "export it again", |setup| {
        setup.contacts_as(".parquet", |csv| csv);
    }),
    case("a torn Parquet file", 1, &[".parquet"], "export it again", |setup| {
        setup.contacts_as(".parquet", |csv| torn(parquet(csv)));
    }),
    case("a damaged Parquet file", 1, &[".parquet"], "export it again", |setup| {
        setup.contacts_as(".parquet", |csv| {
            let mut bytes = parquet(csv);
            bytes[4..600].fill(0x5A);
            bytes
        });
    }),
    case(
        "a file of no known kind",
        1,
        &[".dat", "format.type"],
        "say `format: {type: ...}`",
        |setup| {
            setup.contacts_as(".dat", |csv| csv);
        },
    ),
    case("NDJSON that is none", 1, &[".ndjson"], "export it again", |setup| {
        setup.contacts_as(".ndjson", |csv| csv);
    }),
    case(
        "an export that changes while it is read",
        75,
        &[FILE],
        "run again, once it is complete",
        |setup| {
            let staged =
                setup.say(&["run", PIPELINE, "--date", DATE, "--stage", "extract"]).answer();
            let run_id = staged["run_id"].as_str().unwrap();
            std::fs::remove_dir_all(setup.stored(&format!("staging/{run_id}/extract"))).unwrap();
            setup.contact(&[]);
            setup.also(&["--stage", "extract", "--run-id", run_id]);
        },
    ),
    case(
        "an export that may not be read",
        1,
        &[FILE],
        "give simurgh's user the right to read it",
        |setup| {
            super::mode(&setup.path(CRM), 0o000);
            setup.without_privileges();
        },
    ),
];

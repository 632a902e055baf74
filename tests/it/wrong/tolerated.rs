//! What is tolerated and said: rows refused one by one, and warnings of the run.

use super::{CANARY, CRM, POS, Setup, code, document, rows};
use crate::warehouse::Warehouse;

/// One thing that is tolerated.
struct Tolerated {
    wrong: &'static str,
    /// The rule that a row is refused by; none where it is a warning.
    rule: Option<&'static str>,
    /// What the reason, or the warning, must name.
    names: &'static str,
    act: &'static str,
    alter: fn(&mut Setup),
}

const fn refused(
    wrong: &'static str,
    rule: &'static str,
    names: &'static str,
    act: &'static str,
    alter: fn(&mut Setup),
) -> Tolerated {
    Tolerated { wrong, rule: Some(rule), names, act, alter }
}

const fn warned(
    wrong: &'static str,
    names: &'static str,
    act: &'static str,
    alter: fn(&mut Setup),
) -> Tolerated {
    Tolerated { wrong, rule: None, names, act, alter }
}

/// Adds a line of a sale, with this time, quantity and amount.
fn sale(setup: &Setup, at: &str, quantity: &str, amount: &str) {
    let line = format!(
        "X-9-000001,1,LON1,{at},,{CANARY} {CANARY},,,soap,beauty,{quantity},{amount},0.00,false,GBP,\n"
    );
    setup.append(POS, &line);
}

const CASES: &[Tolerated] = &[
    refused("a row of too few fields", "shape", "2 fields", "mend the row", |setup| {
        setup.append(CRM, &format!("C-000099,{CANARY}\n"));
    }),
    refused(
        "a row of too many fields, as by a comma outside quotes",
        "shape",
        "21 fields",
        "quote the field",
        |setup| {
            setup.contact(&[("street", &format!("1 {CANARY} Street, {CANARY}"))]);
        },
    ),
    refused(
        "a byte that is no text, in a file of UTF-8",
        "encoding",
        "`city`",
        "mend the row, or name `format.encoding`",
        |setup| {
            setup.contact(&[("city", "#")]);
            let mut bytes = setup.text(CRM).into_bytes();
            let at = bytes.iter().rposition(|byte| *byte == b'#').unwrap();
            bytes[at] = 0xE9;
            setup.write(CRM, bytes);
        },
    ),
    refused(
        "a value that must be there and is not",
        "required",
        "`full_name`",
        "enter it",
        |setup| {
            setup.contact(&[("full_name", "")]);
        },
    ),
    refused("an amount that is no number", "type", "`amount`", "mend it", |setup| {
        sale(setup, "2026-11-01T10:00:00", "1", CANARY);
    }),
    refused(
        "an amount of too many decimals",
        "type",
        "`amount`",
        "mend it, or the contract's scale",
        |setup| {
            sale(setup, "2026-11-01T10:00:00", "1", "918273.6455");
        },
    ),
    refused("a time that is none", "type", "`sold_at`", "mend it", |setup| {
        sale(setup, "2026-02-30T10:00:00", "1", "1.00");
    }),
    refused("a text that is too long", "length", "`given_name`", "shorten it", |setup| {
        setup.contact(&[("given_name", &CANARY.repeat(40))]);
    }),
    refused("an id of another form", "pattern", "`contact_id`", "mend it", |setup| {
        setup.contact(&[("contact_id", CANARY)]);
    }),
    refused(
        "a value that is none of those allowed",
        "valid_values",
        "`kind`",
        "mend it, or add it to the contract",
        |setup| {
            setup.contact(&[("kind", CANARY)]);
        },
    ),
    refused("a key that was there before", "unique", "`contact_id`", "mend the row", |setup| {
        setup.contact(&[("contact_id", "C-900013")]);
    }),
    warned(
        "an encoding that had to be guessed",
        "encoding",
        "name it in `format.encoding`",
        |setup| {
            let text = setup.text(CRM);
            let ascii = text.lines().filter(|line| line.is_ascii()).map(|line| format!("{line}\n"));
            let mut bytes = ascii.collect::<String>().replace("London", "M#laga").into_bytes();
            for byte in bytes.iter_mut().filter(|byte| **byte == b'#') {
                *byte = 0xE1;
            }
            setup.write(CRM, bytes);
        },
    ),
    warned(
        "a column that `extra_columns: ignore` passes over",
        "`shoe_size`",
        "add it to the contract, if it is wanted",
        |setup| {
            let text = setup.text(CRM);
            let lines = text.lines().enumerate().map(|(index, line)| {
                format!("{line},{}\n", if index == 0 { "shoe_size" } else { CANARY })
            });
            setup.write(CRM, lines.collect::<String>());
            setup.also(&["--set", "sources.crm_contacts.extra_columns=ignore"]);
        },
    ),
];

/// Runs it, and gives its row of the table.
fn row(case: &Tolerated) -> String {
    let wrong = case.wrong;
    let mut setup = Setup::new();
    (case.alter)(&mut setup);
    let said = setup.run(setup.arguments.clone());
    let all = format!("{wrong}: {:?}\n{}\n{}", said.code, said.out, said.err);
    let answer = said.answer();
    assert_eq!((said.code, answer["outcome"].as_str()), (Some(0), Some("published")), "{all}");
    setup.says_no_value(wrong, &said);
    let (read, accepted, quarantined) = (
        answer["rows_read"].as_u64().unwrap(),
        answer["rows_accepted"].as_u64().unwrap(),
        answer["rows_quarantined"].as_u64().unwrap(),
    );
    assert_eq!(read, accepted + quarantined, "{all}");
    let (rule, reason) = match case.rule {
        Some(rule) => {
            let rows = Warehouse::at(&setup.place).rows("quarantine");
            assert_eq!(rows.len() as u64, quarantined, "{all}");
            let found =
                rows.iter().find(|row| row["rule"] == rule && row["reason"].contains(case.names));
            let found = found.unwrap_or_else(|| panic!("{all}: no such row in {rows:?}"));
            assert!(!found["raw"].is_empty() && found["file"].ends_with(".csv"), "{all}");
            assert!(!found["reason"].contains(CANARY), "{all}: a reason holds a value");
            (rule.to_owned(), found["reason"].clone())
        }
        None => {
            let warnings = answer["warnings"].as_array().unwrap();
            let mut texts = warnings.iter().filter_map(|warning| warning.as_str());
            let text = texts.find(|text| text.contains(case.names));
            (
                "warning".to_owned(),
                text.unwrap_or_else(|| panic!("{all}: no such warning")).to_owned(),
            )
        }
    };
    format!("| {wrong} | {rule} | {} | {} |", code(&reason), case.act)
}

#[test]
fn tolerated() {
    document("tolerated", &rows(CASES, row));
}

//! Days: snapshot, delta and append over the rows before.

use proptest::prelude::*;
use std::collections::BTreeMap;

use super::*;

fn day(rows: &[(&str, &str)]) -> Extracted {
    let mut text = format!("{HEADER}\n");
    for (id, email) in rows {
        text += &format!("{id},{email},,,,2026-01-01,\n");
    }
    read_one("allow_empty: true", "p.csv", text).expect("read")
}

fn applied(settings: &str, before: &[(&str, &str)], today: &[(&str, &str)]) -> Result<Applied> {
    let before = day(before).batches;
    apply("people", &source(settings), &["id"], Some(&before), &day(today))
}

fn pairs(applied: &Applied) -> Vec<(String, String)> {
    let column = |name| texts_of(&applied.batches, name).into_iter().map(Option::unwrap_or_default);
    column("id").zip(column("email")).collect()
}

fn counts(applied: &Applied) -> [u64; 4] {
    [applied.added, applied.changed, applied.removed, applied.unchanged]
}

const BEFORE: [(&str, &str); 3] = [("P3", "c"), ("P1", "a"), ("P2", "b")];
const TODAY: [(&str, &str); 3] = [("P4", "d"), ("P2", "new"), ("P1", "a")];

fn owned(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(id, email)| ((*id).to_owned(), (*email).to_owned())).collect()
}

#[test]
fn a_snapshot_is_all_there_is() {
    let applied = applied("max_removed: 1", &BEFORE, &TODAY).expect("applied");
    assert_eq!(counts(&applied), [1, 1, 1, 1]);
    assert_eq!(pairs(&applied), owned(&[("P1", "a"), ("P2", "new"), ("P4", "d")]));
}

#[test]
fn delta_and_append_keep_what_they_do_not_name() {
    for load in ["load: delta", "load: append"] {
        let applied = applied(load, &BEFORE, &TODAY).expect("applied");
        assert_eq!(counts(&applied), [1, 1, 0, 2], "{load}");
        let all = [("P1", "a"), ("P2", "new"), ("P3", "c"), ("P4", "d")];
        assert_eq!(pairs(&applied), owned(&all), "{load}");
    }
}

#[test]
fn a_truncated_snapshot_removes_no_customers() {
    let message = fault(applied("", &BEFORE, &[("P1", "a")]));
    assert!(
        message
            .contains("people: 2 of 3 earlier records are missing from today's export (limit 10%)"),
        "{message}"
    );
    assert!(message.contains("sources.people.max_removed"));
}

#[test]
fn a_day_without_files_keeps_the_rows_before() {
    let optional = source("optional: true");
    let none = read("people", &optional, &contract(), &[]).expect("read");
    let before = day(&BEFORE).batches;
    let applied = apply("people", &optional, &["id"], Some(&before), &none).expect("applied");
    assert_eq!(counts(&applied), [0, 0, 0, 3]);
}

#[test]
fn the_first_day_adds_everything() {
    let applied = apply("people", &source(""), &["id"], None, &day(&BEFORE)).expect("applied");
    assert_eq!(counts(&applied), [3, 0, 0, 0]);
    assert_eq!(pairs(&applied)[0].0, "P1");
}

#[test]
fn a_delta_needs_a_key() {
    let outcome = apply("people", &source("load: delta"), &[], None, &day(&BEFORE));
    assert!(fault(outcome).contains("needs a key"));
}

#[test]
fn a_new_optional_column_is_null_before() {
    let mut before = day(&BEFORE).batches;
    for batch in &mut before {
        batch.remove_column(1);
    }
    let applied =
        apply("people", &source("load: delta"), &["id"], Some(&before), &day(&[("P1", "x")]));
    let applied = applied.expect("applied");
    assert_eq!(texts_of(&applied.batches, "email"), [Some("x".to_owned()), None, None]);
}

proptest! {
    #[test]
    fn loads_agree_with_maps(
        before in proptest::collection::btree_map(0_u8..30, 0_u8..3, 0..20),
        today in proptest::collection::btree_map(0_u8..30, 0_u8..3, 0..20),
    ) {
        let rows = |map: &BTreeMap<u8, u8>| -> Vec<(String, String)> {
            map.iter().rev().map(|(k, v)| (format!("P{k:02}"), format!("e{v}"))).collect()
        };
        let (earlier, present) = (rows(&before), rows(&today));
        let borrowed = |rows: &[(String, String)]| -> Extracted {
            day(&rows.iter().map(|(id, e)| (id.as_str(), e.as_str())).collect::<Vec<_>>())
        };
        for (load, snapshot) in [("snapshot", true), ("delta", false), ("append", false)] {
            let source = source(&format!("load: {load}\nmax_removed: 100%"));
            let previous = borrowed(&earlier).batches;
            let applied = apply("people", &source, &["id"], Some(&previous), &borrowed(&present))
                .expect("applied");
            let mut expected: BTreeMap<_, _> =
                if snapshot { BTreeMap::new() } else { earlier.iter().cloned().collect() };
            expected.extend(present.iter().cloned());
            prop_assert_eq!(pairs(&applied), expected.into_iter().collect::<Vec<_>>());
            let changed = today.iter().filter(|(k, v)| before.get(k).is_some_and(|b| b != *v)).count();
            prop_assert_eq!(applied.changed, changed as u64);
            let absent = before.keys().filter(|k| !today.contains_key(k)).count();
            prop_assert_eq!(applied.removed, if snapshot { absent as u64 } else { 0 });
            let total = (applied.added + applied.changed + applied.unchanged) as usize;
            prop_assert_eq!(total, pairs(&applied).len());
        }
    }
}

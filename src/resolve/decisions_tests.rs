//! Decisions by hand, and at random against a plain closure.

use proptest::prelude::*;

use super::*;

fn key(record: u8) -> RecordKey {
    RecordKey::new("crm", record.to_string())
}

fn new(a: u8, b: u8, same: bool, at: i64) -> NewDecision {
    NewDecision {
        a: key(a),
        b: key(b),
        same,
        by: "lea".to_owned(),
        at,
        why: None,
        golden_ids: (None, None),
        keep_golden_id: None,
    }
}

fn decided(all: &[(u8, u8, bool)]) -> Decisions {
    let mut decisions = Decisions::default();
    for (at, (a, b, same)) in (0..).zip(all) {
        decisions.add(new(*a, *b, *same, at * 1_000_000));
    }
    decisions
}

#[test]
fn what_contradicts_is_found_with_its_chain_and_withdrawing_any_link_mends_it() {
    let mut decisions = decided(&[(1, 2, true), (7, 8, true), (3, 2, true), (1, 3, false)]);
    let found = contradiction(decisions.list()).unwrap();
    let ids: Vec<&str> = found.chain.iter().map(|at| &decisions.list()[*at].id[..]).collect();
    assert_eq!(ids, ["d19700101-000000-1", "d19700101-000002-1"]);
    assert_eq!(found.records, [key(1), key(2), key(3)]);
    assert_eq!(decisions.list()[found.different].id, "d19700101-000003-1");
    assert!(decisions.withdraw("d19700101-000002-1", "lea", 9));
    assert!(!decisions.withdraw("d19700101-000002-1", "lea", 9), "it no longer stands");
    assert_eq!(contradiction(decisions.list()), None);
}

#[test]
fn a_decision_is_written_down_once_and_again_after_it_was_withdrawn() {
    let mut decisions = Decisions::default();
    assert_eq!(decisions.add(new(1, 2, true, 0)).as_deref(), Some("d19700101-000000-1"));
    assert_eq!(decisions.add(new(2, 1, true, 5)), None, "the same pair, the other way round");
    assert_eq!(decisions.add(new(1, 3, true, 0)).as_deref(), Some("d19700101-000000-2"));
    assert!(decisions.withdraw("d19700101-000000-1", "lea", 7));
    assert_eq!(decisions.add(new(1, 2, true, 1)).as_deref(), Some("d19700101-000000-3"));
    let kept = NewDecision { keep_golden_id: Some("cx".to_owned()), ..new(1, 2, true, 2) };
    assert!(decisions.add(kept.clone()).is_some(), "it says more: which id is kept");
    assert_eq!(decisions.add(kept), None);
    let again = Decisions::of_batch(&decisions.to_batch().unwrap()).unwrap();
    assert_eq!(again, decisions);
}

#[test]
fn a_decision_outlives_the_record_through_which_it_was_made() {
    let decisions = decided(&[(1, 2, true), (1, 3, true), (1, 4, false)]);
    let without = |gone: &'static [u8]| {
        let present = |own: &RecordKey| !gone.iter().any(|record| key(*record) == *own);
        let said = standing(decisions.list(), &present);
        said.into_iter().map(|own| (own.a.record_id, own.b.record_id, own.same)).collect::<Vec<_>>()
    };
    let pair = |a: &str, b: &str, same| (a.to_owned(), b.to_owned(), same);
    assert_eq!(without(&[]), [pair("1", "2", true), pair("1", "3", true), pair("1", "4", false)]);
    assert_eq!(without(&[1]), [pair("2", "3", true), pair("2", "4", false)]);
    assert_eq!(without(&[1, 2]), [pair("3", "4", false)]);
    assert_eq!(without(&[1, 4]), [pair("2", "3", true)]);
}

/// Records that are the same, by a closure that is taken until nothing is added.
fn closure(decisions: &[Decision]) -> BTreeSet<(RecordKey, RecordKey)> {
    let mut all = BTreeSet::new();
    for own in decisions.iter().filter(|own| own.stands()) {
        for record in [&own.a, &own.b] {
            all.insert((record.clone(), record.clone()));
        }
        if own.same {
            all.insert((own.a.clone(), own.b.clone()));
            all.insert((own.b.clone(), own.a.clone()));
        }
    }
    loop {
        let more: Vec<_> = all
            .iter()
            .flat_map(|(a, b)| all.iter().filter(move |(c, _)| c == b).map(move |(_, d)| (a, d)))
            .map(|(a, d)| (a.clone(), d.clone()))
            .filter(|pair| !all.contains(pair))
            .collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

proptest! {
    #[test]
    fn contradictions_and_what_stands_are_those_of_the_closure(
        pairs in prop::collection::vec((0u8..7, 0u8..7, 0u8..3, 0u8..5), 0..12),
        there in prop::collection::vec(any::<bool>(), 7),
    ) {
        let mut decisions = Decisions::default();
        for (a, b, same, withdrawn) in pairs.into_iter().filter(|(a, b, ..)| a != b) {
            let id = decisions.add(new(a, b, same > 0, 0));
            if let Some(id) = id.filter(|_| withdrawn == 0) {
                decisions.withdraw(&id, "lea", 1);
            }
        }
        let list = decisions.list();
        let same = closure(list);
        let apart = |own: &&Decision| own.stands() && !own.same;
        let wrong = list.iter().filter(apart).any(|own| same.contains(&(own.a.clone(), own.b.clone())));
        let found = contradiction(list);
        prop_assert_eq!(found.is_some(), wrong);
        if let Some(found) = found {
            prop_assert!(!list[found.different].same);
            for (at, place) in found.chain.iter().enumerate() {
                let own = &list[*place];
                prop_assert!(own.same && own.stands());
                let ends = (&found.records[at], &found.records[at + 1]);
                prop_assert!(ends == (&own.a, &own.b) || ends == (&own.b, &own.a));
            }
            let (first, last) = (found.records.first().unwrap(), found.records.last().unwrap());
            let own = &list[found.different];
            prop_assert!((first, last) == (&own.a, &own.b));
            return Ok(());
        }
        let present = |own: &RecordKey| there[own.record_id.parse::<usize>().unwrap()];
        let said = standing(list, &present);
        prop_assert!(said.iter().all(|own| present(&own.a) && present(&own.b) && own.a < own.b));
        // Among the records that are there, what is said implies what the decisions imply, and
        // no more.
        let again: Vec<Decision> = said.iter().map(|own| Decision {
            id: String::new(), a: own.a.clone(), b: own.b.clone(), same: own.same,
            by: own.by.clone(), at: 0, why: None, withdrawn_at: None, withdrawn_by: None,
            golden_id_a: None, golden_id_b: None, keep_golden_id: None,
        }).collect();
        let after = closure(&again);
        for (a, b) in same.iter().filter(|(a, b)| a != b && present(a) && present(b)) {
            prop_assert!(after.contains(&(a.clone(), b.clone())));
        }
        prop_assert!(after.iter().all(|pair| pair.0 == pair.1 || same.contains(pair)));
        let implied = |a: &RecordKey, b: &RecordKey, decisions: &[Decision], same: &BTreeSet<_>| {
            let joined = |x: &RecordKey, y: &RecordKey| {
                x == y || same.contains(&(x.clone(), y.clone()))
            };
            decisions.iter().filter(apart).any(|own| {
                joined(a, &own.a) && joined(b, &own.b) || joined(a, &own.b) && joined(b, &own.a)
            })
        };
        for a in 0..7 {
            for b in (a + 1)..7 {
                let (a, b) = (key(a), key(b));
                if present(&a) && present(&b) {
                    prop_assert_eq!(implied(&a, &b, list, &same), implied(&a, &b, &again, &after));
                }
            }
        }
    }
}

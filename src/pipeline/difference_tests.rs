//! Two small sets of tables whose difference is counted by hand.

use std::collections::BTreeMap;

use super::*;
use crate::engine::Options;

async fn tables(engine: &Engine, named: &[(&str, &str)]) {
    for (name, sql) in named {
        let frame = engine.sql(sql, name).await.unwrap();
        engine.register(name, frame).unwrap();
    }
}

const PAIRS: &str = "SELECT * FROM (VALUES \
    ('crm', 'a', 'crm', 'b', make_array(1.0::DOUBLE, 9.0::DOUBLE), 'merge', 'model', 'm2'), \
    ('crm', 'b', 'pos', 'n', make_array(8.0::DOUBLE, 2.0::DOUBLE), 'merge', 'model', 'm2'), \
    ('crm', 'c', 'crm', 'd', make_array(1.0::DOUBLE, 2.0::DOUBLE), 'merge', 'rule:city', 'm2'), \
    ('crm', 'c', 'crm', 'e', make_array(1.0::DOUBLE, 2.0::DOUBLE), 'merge', 'rule:city', 'm2'), \
    ('crm', 'd', 'crm', 'e', make_array(1.0::DOUBLE, 2.0::DOUBLE), 'review', 'model', 'm2')) \
    t(source_l, record_id_l, source_r, record_id_r, weights, decision, decided_by, model_hash)";

/// a and b become one; c, d and e become one; f and g part; h goes, n and o come; i moves to j.
async fn example(engine: &Engine) {
    let pairs = |sql: &str| format!("SELECT *, 'email' AS blocking_rule FROM ({sql})");
    tables(
        engine,
        &[
            (
                "before_entity_members",
                "SELECT 'crm' AS source, * FROM (VALUES ('a', 'A'), ('b', 'B'), ('c', 'C'), \
                 ('d', 'D'), ('e', 'E'), ('f', 'F'), ('g', 'F'), ('h', 'H'), ('i', 'I')) \
                 t(record_id, golden_id)",
            ),
            (
                "after_entity_members",
                "SELECT 'crm' AS source, * FROM (VALUES ('a', 'A'), ('b', 'A'), ('c', 'C'), \
                 ('d', 'C'), ('e', 'C'), ('f', 'F'), ('g', 'G'), ('i', 'J')) t(record_id, golden_id) \
                 UNION ALL SELECT 'pos', * FROM (VALUES ('n', 'A'), ('o', 'O')) t(r, g)",
            ),
            (
                "before_customers",
                "SELECT * FROM (VALUES ('A', 'person', 'x', 'Rome', 1), ('C', 'person', 'y', NULL, 1), \
                 ('F', 'person', NULL, NULL, 2), ('H', 'person', 'z', 'Bern', 1)) \
                 t(golden_id, kind, name, city, member_count)",
            ),
            (
                "after_customers",
                "SELECT * FROM (VALUES ('A', 'person', 'x', 'Roma', 3), ('C', 'person', 'v', 'Oslo', 3), \
                 ('F', 'person', NULL, NULL, 1), ('G', 'person', 'w', NULL, 1)) \
                 t(golden_id, kind, name, city, member_count)",
            ),
            (
                "before_scored_pairs",
                &pairs(
                    "SELECT source_l, record_id_l, source_r, record_id_r, weights, \
                     'review' AS decision, decided_by, 'm1' AS model_hash FROM \
                     (SELECT * FROM after_pairs WHERE record_id_l = 'a')",
                )
                .replace("after_pairs", &format!("({PAIRS})")),
            ),
            ("after_scored_pairs", &pairs(PAIRS)),
            (
                "after_transactions",
                "SELECT 'crm' AS source, * FROM (VALUES ('a', 10.00), ('b', -2.50), ('g', 4.00), \
                 ('i', 1.25), ('z', 99.00)) t(record_id, net)",
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_counted_as_by_hand() {
    let engine = Engine::new(&Options { threads: 2, ..Options::default() }).unwrap();
    example(&engine).await;
    let comparisons =
        BTreeMap::from([("person".to_owned(), vec!["name".to_owned(), "email".to_owned()])]);
    let amounts = BTreeMap::from([("transactions".to_owned(), "net".to_owned())]);
    let facts = ["transactions".to_owned()];
    let found = difference(&engine, &facts, &amounts, &comparisons).await.unwrap();
    assert_eq!((found.entities_before, found.entities_after), (8, 6));
    assert_eq!((found.created, found.retired), (1, 1), "O came and H went");
    assert_eq!((found.merged, found.split), (3, 1), "B; D and E. G");
    assert_eq!(found.redirected, 4, "B, D, E and I");
    assert_eq!(found.records_moved, 5, "b, d, e, g and i");
    assert_eq!((found.kept, found.changed), (3, 2), "A and C of A, C and F");
    let attributes = [("name".to_owned(), 1), ("city".to_owned(), 2)];
    assert_eq!(found.attributes, BTreeMap::from(attributes));
    let moved = &found.facts["transactions"];
    assert_eq!((moved.rows, moved.moved), (5, 3), "those of b, g and i");
    assert_eq!(moved.amount.as_deref(), Some("116.75"));
    assert_eq!(moved.moved_amount.as_deref(), Some("7.75"));
    let largest: Vec<(&str, u64, u64)> = found
        .largest
        .iter()
        .map(|own| (own.golden_id.as_str(), own.records, own.entities_before))
        .collect();
    assert_eq!(largest, [("A", 3, 2), ("C", 3, 3)]);
    let causes: Vec<(u64, &str)> =
        found.causes.iter().map(|own| (own.pairs, own.cause.as_str())).collect();
    assert!(found.causes.iter().all(|own| own.of == 4), "{causes:?}");
    assert!(causes.contains(&(2, "the rule `city` merges them")), "{causes:?}");
    assert!(causes.contains(&(1, "they agree most on `email` (person)")), "{causes:?}");
    assert!(causes.contains(&(1, "another model scores them higher")), "{causes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_both_sides_is_no_difference() {
    let engine = Engine::new(&Options { threads: 2, ..Options::default() }).unwrap();
    example(&engine).await;
    for table in ["entity_members", "customers", "scored_pairs"] {
        let sql = format!("SELECT * FROM after_{table}");
        let frame = engine.sql(&sql, table).await.unwrap();
        engine.register(&format!("before_{table}"), frame).unwrap();
    }
    let facts = ["transactions".to_owned()];
    let none = BTreeMap::new();
    let found = difference(&engine, &facts, &none, &BTreeMap::new()).await.unwrap();
    let expected =
        Difference { entities_before: 6, entities_after: 6, kept: 4, ..Difference::default() };
    assert_eq!(found, expected);
}

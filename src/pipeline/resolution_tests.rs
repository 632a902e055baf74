use arrow::array::{ListBuilder, StringBuilder};

use super::*;
use crate::config::splink;
use crate::engine::Options;

const PEOPLE: &str = "
    SELECT 'crm' AS source, column1 AS record_id, 'person' AS kind, column2 AS first_name,
        column3 AS surname, column4 AS dob, column5 AS city, column6 AS email
    FROM (VALUES
        ('1', 'Ana', 'Diaz', '1984-03-05', 'Lima', 'ana.diaz@mail.org'),
        ('2', 'Anna', 'Diaz', '1984-03-06', 'Lima', 'ana.diaz@work.net'),
        ('3', 'Ana', 'Diaz', '1951-08-25', NULL, 'diazana@mail.org'),
        ('4', 'Peter', 'Ondieki', '1990-01-01', 'Nairobi', NULL),
        ('5', 'Peter', 'Ondieki', '1990-01-01', 'Nairobi', 'peter@mail.org'))";

async fn engine(records: &str) -> Engine {
    let engine = Engine::new(&Options::default()).unwrap();
    let frame = engine.sql(records, "records").await.unwrap();
    engine.register("records", frame).unwrap();
    engine
}

async fn resolved(engine: &Engine, settings: &resolve::Resolve) -> Result<resolve::Resolved> {
    let input = input_of(engine, "person", "person", settings).await?;
    resolve::resolve(&input, &[], None, resolve::Options { threads: 2 })
}

fn settings(text: &str) -> resolve::Resolve {
    serde_saphyr::from_str(text).unwrap()
}

/// The level of each comparison of the pair of these records.
fn levels(found: &resolve::Resolved, l: &str, r: &str) -> Vec<u8> {
    let text = |name: &str| found.pairs.column_by_name(name).unwrap().as_string::<i32>().clone();
    let (left, right) = (text("record_id_l"), text("record_id_r"));
    let row = (0..left.len()).find(|row| left.value(*row) == l && right.value(*row) == r);
    let levels = found.pairs.column_by_name("levels").unwrap().as_list::<i32>().value(row.unwrap());
    levels.as_primitive::<arrow::datatypes::UInt8Type>().values().to_vec()
}

#[tokio::test]
async fn conditions_are_levels_and_rules_that_decisions_name() {
    let engine = engine(PEOPLE).await;
    let settings = settings(
        "blocking: [{name: surname, keys: [surname]}]
comparisons:
- {name: born, type: sql, levels: ['l.dob = r.dob', 'levenshtein(l.dob, r.dob) <= 1']}
- {name: city, type: sql, columns: [city], levels: ['l.city = r.city'], term_frequency: true}
rules:
- {name: other year, then: separate, where: 'substr(l.dob, 1, 4) <> substr(r.dob, 1, 4)'}
- {name: one mailbox, then: merge, where: 'split_part(l.email, ''@'', 1) = split_part(r.email, ''@'', 1)'}
thresholds: {merge: 0.99, review: 0.0}
",
    );
    let found = resolved(&engine, &settings).await.unwrap();
    assert_eq!(levels(&found, "1", "2"), [2, 1]);
    assert_eq!(levels(&found, "1", "3"), [3, 0]);
    assert_eq!(levels(&found, "4", "5"), [1, 1]);
    let by = found.pairs.column_by_name("decided_by").unwrap().as_string::<i32>();
    assert_eq!((by.value(0), by.value(1)), ("rule:one mailbox", "rule:other year"));
    assert_eq!(found.clusters[0], found.clusters[1]);
    assert_ne!(found.clusters[0], found.clusters[2]);
}

#[tokio::test]
async fn a_wrong_condition_is_named_by_its_place() {
    let engine = engine(PEOPLE).await;
    let wrong = |rules: &str, level: &str| {
        settings(&format!(
            "blocking: [{{name: surname, keys: [surname]}}]
comparisons: [{{name: born, type: sql, levels: ['l.dob = r.dob', '{level}']}}]
rules: [{rules}]"
        ))
    };
    for (rules, level, place) in [
        ("", "l.shoe = r.shoe", "resolve.person: comparison `born`, level 2"),
        ("", "l.dob", "resolve.person: comparison `born`, level 2"),
        ("{name: x, then: merge, where: 'max(l.dob) = r.dob'}", "true", "rule `x`"),
        ("{name: x, then: merge, where: 'random() < 0.5'}", "true", "rule `x`"),
        ("{name: x, then: merge, where: 'CAST(l.city AS INT) = 1'}", "true", "rule `x`"),
    ] {
        let error = resolved(&engine, &wrong(rules, level)).await.err().unwrap().to_string();
        assert!(error.contains(place), "{error}");
    }
}

#[tokio::test]
async fn settings_of_splink_run() {
    let text = include_str!("../../fixtures/splink/trained_people.json");
    let imported = splink::read(text).unwrap().resolve;
    let found = resolved(&engine(PEOPLE).await, &imported).await.unwrap();
    assert_eq!(found.pairs_compared, 4);
    assert_eq!(found.clusters[3], found.clusters[4]);
}

#[tokio::test]
async fn every_condition_of_splinks_library_is_planned() {
    let text = include_str!("../../fixtures/splink/comparison_library.json");
    let mut imported = splink::read(text).unwrap().resolve;
    imported.link = resolve::LinkType::LinkAndDedupe;
    imported.thresholds.review = 0.0;
    let engine = engine(
        "SELECT 'crm' AS source, column1 AS record_id, 'person' AS kind, column2 AS first_name,
            column3 AS surname, column4 AS tax_id, column5 AS phone, column6 AS city,
            column7 AS company, column8 AS dob, column9 AS emails, column10 AS postcode,
            column11 AS latitude, column12 AS longitude, column13 AS amount, column14 AS middle,
            column15 AS tags
        FROM (VALUES
            ('1', 'ana', 'diaz', 't1', '123', 'lima', 'nile', '1984-03-05', ['a', 'b'],
             'N1 9GU', 51.5, 0.1, 100.0, 'x', ['u']),
            ('2', 'diaz', 'ana', 't1', '132', 'lima', 'line', '1984-03-20', ['b'],
             'N1 9XX', 51.5001, 0.1, 105.0, 'ana', ['u', 'v']),
            ('3', 'bob', 'ford', 't1', '999', NULL, 'x', 'none', ['q'],
             NULL, 10.0, 0.1, 5000.0, NULL, ['w']))",
    )
    .await;
    let found = resolved(&engine, &imported).await.unwrap();
    // Names swapped, tax ids equal, a swap of digits, cities equal, the same letters, within a
    // month, one address shared, one sector, within 100 m, within 10 per cent, one name the
    // other's middle name.
    assert_eq!(levels(&found, "1", "2"), [2, 1, 2, 1, 2, 3, 2, 2, 1, 2, 2]);
    assert_eq!(levels(&found, "1", "3"), [7, 1, 3, 0, 4, 0, 3, 0, 4, 4, 0]);
}

#[tokio::test]
async fn columns_that_are_lists_are_compared() {
    let engine = Engine::new(&Options::default()).unwrap();
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("a"), Some("b")]);
    lists.append_value([Some("b"), Some("a"), None]);
    lists.append_value([Some("b"), Some("c")]);
    let text = |values: [&str; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("source", text(["crm"; 3])),
        ("record_id", text(["1", "2", "3"])),
        ("kind", text(["person"; 3])),
        ("phones", Arc::new(lists.finish()) as ArrayRef),
    ])
    .unwrap();
    let frame = engine.batches(batch.schema(), vec![batch]).unwrap();
    engine.register("records", frame).unwrap();
    let settings = settings(
        "blocking: [{name: phone, keys: [phones]}]
comparisons: [{name: phones, type: list_overlap, columns: [phones]}]
thresholds: {merge: 0.99, review: 0.0}
",
    );
    let found = resolved(&engine, &settings).await.unwrap();
    assert_eq!(levels(&found, "1", "2"), [1]);
    assert_eq!(levels(&found, "1", "3"), [3]);
}

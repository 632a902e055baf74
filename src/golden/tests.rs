//! Golden records as a whole: examples that show each promise; in files of their own, relations,
//! and properties over random records and members.

mod properties;
mod relations;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::array_value_to_string;

use super::*;
use crate::tables;

/// One test record: source, id, customer, day of its last change, and attributes.
#[derive(Debug, Clone)]
struct Given {
    source: &'static str,
    id: u32,
    customer: u32,
    day: Option<i64>,
    email: Option<&'static str>,
    street: Option<&'static str>,
    city: Option<&'static str>,
    employees: Option<i64>,
    account: Option<u32>,
}

const DAY: i64 = 86_400_000_000;

fn given(source: &'static str, id: u32, customer: u32, day: i64) -> Given {
    let (email, street, city, employees, account) = (None, None, None, None, None);
    Given { source, id, customer, day: Some(day), email, street, city, employees, account }
}

fn text(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn records(given: &[Given]) -> RecordBatch {
    let always = |value: &'static str| text(given.iter().map(move |_| Some(value.to_owned())));
    let part = |pick: fn(&Given) -> Option<&'static str>| {
        text(given.iter().map(move |g| pick(g).map(str::to_owned)))
    };
    let times = given.iter().map(|g| g.day.map(|day| day * DAY));
    let birth = given.iter().map(|g| g.employees.map(|n| n as i32));
    let credit = given.iter().map(|g| g.employees.map(|n| i128::from(n) * 100));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("source", part(|g| Some(g.source))),
        ("record_id", text(given.iter().map(|g| Some(format!("R{:02}", g.id))))),
        ("kind", always("person")),
        ("updated_at", Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))),
        ("content_hash", always("h")),
        ("run_id", always("r")),
        ("street", part(|g| g.street)),
        ("email", part(|g| g.email)),
        ("city", part(|g| g.city)),
        ("employees", Arc::new(given.iter().map(|g| g.employees).collect::<Int64Array>())),
        ("birth_date", Arc::new(birth.collect::<Date32Array>())),
        (
            "credit",
            Arc::new(credit.collect::<Decimal128Array>().with_precision_and_scale(18, 2).unwrap()),
        ),
        ("account_id", text(given.iter().map(|g| g.account.map(|id| format!("R{id:02}"))))),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn members(given: &[Given]) -> RecordBatch {
    let columns = vec![
        text(given.iter().map(|g| Some(format!("g{:02}", g.customer)))),
        text(given.iter().map(|g| Some(g.source.to_owned()))),
        text(given.iter().map(|g| Some(format!("R{:02}", g.id)))),
        text(given.iter().map(|_| Some("r".to_owned()))),
    ];
    RecordBatch::try_new(tables::entity_members(), columns).unwrap()
}

fn settings(attributes: &[(&str, &str, &[&str])]) -> Golden {
    let survivorship = |rule: &str, columns: &[&str]| Survivorship {
        rule: rule.to_owned(),
        columns: columns.iter().map(|&c| c.to_owned()).collect(),
        ..Survivorship::default()
    };
    Golden {
        source_priority: vec!["crm".to_owned(), "books".to_owned()],
        default_rule: "most_recent".to_owned(),
        attributes: attributes
            .iter()
            .map(|(name, rule, columns)| ((*name).to_owned(), survivorship(rule, columns)))
            .collect(),
        exclude: vec!["account_id".to_owned()],
        relations: Vec::new(),
        trust: indexmap::IndexMap::new(),
        overrides: None,
    }
}

fn relation(kind: &str) -> Relation {
    Relation {
        kind: kind.to_owned(),
        share: Vec::new(),
        reference: None,
        to_source: None,
        inverse: false,
        from_kind: None,
        max_group: 3,
    }
}

/// `survive` without overrides and consents, on day 10.
fn survived(
    records: &[RecordBatch],
    members: &[RecordBatch],
    settings: &Golden,
) -> Result<GoldenTables> {
    let (overrides, consents) = (&[], &Consents::default());
    let members = Members::Table(members);
    survive(&Material { records, members, settings, logical_date: 10, overrides, consents })
}

fn made(given: &[Given], settings: &Golden) -> (RecordBatch, RecordBatch, RecordBatch) {
    tables(survived(&[records(given)], &[members(given)], settings).unwrap())
}

fn tables(tables: GoldenTables) -> (RecordBatch, RecordBatch, RecordBatch) {
    let lineage: Vec<RecordBatch> = tables.lineage.collect::<Result<_>>().unwrap();
    let one = |batches: &[RecordBatch]| concat_batches(&batches[0].schema(), batches).unwrap();
    (one(&tables.customers), one(&lineage), one(&tables.relations))
}

/// A cell as text; `None` for a null.
fn cell(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(column).unwrap();
    column.is_valid(row).then(|| array_value_to_string(column, row).unwrap())
}

fn reasons(lineage: &RecordBatch, attribute: &str) -> Vec<(String, bool, String)> {
    (0..lineage.num_rows())
        .filter(|&row| cell(lineage, "attribute", row).as_deref() == Some(attribute))
        .map(|row| {
            let won = lineage.column_by_name("won").unwrap().as_boolean().value(row);
            (cell(lineage, "record_id", row).unwrap(), won, cell(lineage, "reason", row).unwrap())
        })
        .collect()
}

#[test]
fn each_rule_prefers_what_it_says() {
    let rows = [
        Given { email: Some("a@x"), ..given("books", 1, 0, 5) },
        Given { email: Some("abcdef@x"), ..given("books", 2, 0, 3) },
        Given { email: Some("b@x"), ..given("crm", 3, 0, 1) },
        Given { email: Some("c@x"), ..given("shop", 4, 0, 2) },
        Given { email: Some("c@x"), ..given("shop", 5, 0, 2) },
        Given { ..given("crm", 6, 0, 9) },
    ];
    let expected = [
        ("longest", "abcdef@x"),
        ("most_complete", "a@x"),
        ("most_frequent", "c@x"),
        ("most_recent", "a@x"),
        ("source_priority", "b@x"),
    ];
    // The two that need settings of their own have tests of their own.
    let own = ["expression", "trust"];
    let mut tested: Vec<&str> = expected.map(|(rule, _)| rule).into_iter().chain(own).collect();
    tested.sort_unstable();
    assert_eq!(tested, RULES.iter().map(|r| r.name).collect::<Vec<_>>());
    for (rule, email) in expected {
        let (customers, ..) = made(&rows, &settings(&[("email", rule, &[])]));
        assert_eq!(cell(&customers, "email", 0).as_deref(), Some(email), "{rule}");
    }
}

#[test]
fn what_measures_the_same_goes_by_recency_then_source_then_record() {
    let rows = [
        Given { email: Some("later"), ..given("books", 1, 0, 5) },
        Given { email: Some("b@x"), ..given("crm", 2, 0, 3) },
        Given { email: Some("a@x"), ..given("books", 3, 1, 5) },
        Given { email: Some("source"), ..given("crm", 4, 1, 5) },
        Given { email: Some("record"), ..given("crm", 5, 2, 5) },
        Given { email: Some("a@x"), ..given("crm", 6, 2, 5) },
        Given { email: Some("a@x"), day: None, ..given("crm", 7, 3, 0) },
        Given { email: Some("known"), ..given("shop", 8, 3, 1) },
    ];
    for rule in ["most_complete", "most_frequent"] {
        let (customers, ..) = made(&rows, &settings(&[("email", rule, &[])]));
        let won = (0..4).map(|row| cell(&customers, "email", row).unwrap());
        assert_eq!(won.collect::<Vec<_>>(), ["later", "source", "record", "known"], "{rule}");
    }
}

#[test]
fn lineage_says_why_each_value_lost() {
    let rows = [
        Given { email: Some("a@x"), ..given("books", 1, 0, 5) },
        Given { email: Some("b@x"), ..given("crm", 2, 0, 5) },
        Given { email: Some("c@x"), ..given("crm", 3, 0, 5) },
        Given { email: Some("b@x"), ..given("shop", 4, 0, 1) },
        Given { email: Some("d@x"), ..given("shop", 5, 0, 1) },
    ];
    let (_, lineage, _) = made(&rows, &settings(&[]));
    let reason = |id: &str, won, reason: &str| (id.to_owned(), won, reason.to_owned());
    assert_eq!(
        reasons(&lineage, "email"),
        [
            reason("R01", false, "lower source priority"),
            reason("R02", true, "most recent, after a tie"),
            reason("R03", false, "equal in all else, a later record id"),
            reason("R04", false, "same value as the winner"),
            reason("R05", false, "older"),
        ]
    );
    let (_, lineage, _) = made(&rows, &settings(&[("email", "most_frequent", &[])]));
    assert_eq!(reasons(&lineage, "email")[0], reason("R01", false, "less frequent (1 of 5)"));
}

#[test]
fn a_group_moves_whole_with_its_nulls() {
    let rows = [
        Given { street: Some("1 Nile"), city: Some("Cairo"), ..given("books", 1, 0, 1) },
        Given { city: Some("Giza"), ..given("crm", 2, 0, 9) },
    ];
    let group: &[(&str, &str, &[&str])] = &[("address", "most_recent", &["street", "city"])];
    let (customers, lineage, _) = made(&rows, &settings(group));
    assert_eq!(cell(&customers, "street", 0), None);
    assert_eq!(cell(&customers, "city", 0).as_deref(), Some("Giza"));
    assert_eq!(
        reasons(&lineage, "street"),
        [
            ("R01".to_owned(), false, "older".to_owned()),
            ("R02".to_owned(), true, "most recent".to_owned())
        ]
    );
    let complete: &[(&str, &str, &[&str])] = &[("address", "most_complete", &["street", "city"])];
    let (customers, lineage, _) = made(&rows, &settings(complete));
    assert_eq!(cell(&customers, "city", 0).as_deref(), Some("Cairo"));
    assert_eq!(reasons(&lineage, "city")[1].2, "less complete (1 of 2)");
}

#[test]
fn customers_keep_types_and_count_members() {
    let rows = [
        Given { employees: Some(3), ..given("books", 1, 0, 4) },
        Given { employees: Some(7), ..given("crm", 2, 0, 2) },
        given("crm", 3, 0, 3),
        Given { day: None, ..given("crm", 4, 1, 0) },
    ];
    let (customers, ..) = made(&rows, &settings(&[("employees", "source_priority", &[])]));
    let names: Vec<String> = customers.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(
        names,
        [
            "golden_id",
            "kind",
            "street",
            "email",
            "city",
            "employees",
            "birth_date",
            "credit",
            "member_count",
            "source_count",
            "first_seen",
            "last_updated"
        ]
    );
    let of = |name: &str| customers.schema().field_with_name(name).unwrap().data_type().clone();
    assert_eq!(of("birth_date"), DataType::Date32);
    assert_eq!(of("credit"), tables::MONEY);
    assert_eq!(of("first_seen"), tables::timestamp());
    let row = |name: &str, row| cell(&customers, name, row);
    assert_eq!(row("employees", 0).as_deref(), Some("7"));
    assert_eq!(row("credit", 0).as_deref(), Some("3.00"));
    assert_eq!(row("member_count", 0).as_deref(), Some("3"));
    assert_eq!(row("source_count", 0).as_deref(), Some("2"));
    assert_eq!(row("first_seen", 0).as_deref(), Some("1970-01-03T00:00:00Z"));
    assert_eq!(row("last_updated", 0).as_deref(), Some("1970-01-05T00:00:00Z"));
    assert_eq!(row("last_updated", 1), None);
}

#[test]
fn trust_decays_with_age_and_each_loser_is_told_by_how_much() {
    let rows = [
        Given { email: Some("old@crm"), ..given("crm", 1, 0, 0) },
        Given { email: Some("new@shop"), ..given("shop", 2, 0, 10) },
        Given { email: Some("x@books"), ..given("books", 3, 0, 10) },
    ];
    let mut settings = settings(&[("email", "trust", &[])]);
    let trust = |score, half_life_days| Trust { score, half_life_days };
    settings.trust.insert("crm".to_owned(), trust(0.9, Some(5.0)));
    settings.trust.insert("shop".to_owned(), trust(0.5, Some(5.0)));
    let (customers, lineage, _) = made(&rows, &settings);
    assert_eq!(cell(&customers, "email", 0).as_deref(), Some("new@shop"));
    assert_eq!(
        reasons(&lineage, "email"),
        [
            ("R03".to_owned(), false, "less trusted (0.000, the winner 0.500)".to_owned()),
            ("R01".to_owned(), false, "less trusted (0.225, the winner 0.500)".to_owned()),
            ("R02".to_owned(), true, "most trusted".to_owned()),
        ]
    );
    // An attribute's own trust takes the place of the general one.
    let own = settings.attributes.get_mut("email").unwrap();
    own.trust.insert("crm".to_owned(), trust(0.6, None));
    let (customers, ..) = made(&rows, &settings);
    assert_eq!(cell(&customers, "email", 0).as_deref(), Some("old@crm"));
}

/// Records with SQL evaluated beside them.
fn evaluated(given: &[Given], columns: Vec<ArrayRef>) -> RecordBatch {
    let batch = records(given);
    let mut fields: Vec<Field> =
        batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut all = batch.columns().to_vec();
    for (n, column) in columns.into_iter().enumerate() {
        fields.push(Field::new(expression_column(n), column.data_type().clone(), true));
        all.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), all).unwrap()
}

#[test]
fn an_expression_ranks_and_what_is_not_valid_never_wins() {
    let rows = [
        Given { email: Some("a@x"), city: Some("Cairo"), ..given("crm", 1, 0, 9) },
        Given { email: Some("b@x"), city: Some("Giza"), ..given("crm", 2, 0, 1) },
        Given { email: Some("c@x"), ..given("crm", 3, 0, 2) },
        Given { city: Some("?"), ..given("crm", 4, 1, 2) },
    ];
    let mut settings = settings(&[("email", "expression", &[]), ("city", "most_recent", &[])]);
    settings.attributes["email"].expression = Some("score".to_owned());
    settings.attributes["city"].valid = Some("city <> '?' AND city <> 'Cairo'".to_owned());
    assert_eq!(settings.expressions().len(), 2);
    let score: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(7), None, Some(0)]));
    let valid: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![
        Some(false),
        Some(true),
        None,
        Some(false),
    ]));
    let records = evaluated(&rows, vec![score, valid]);
    let (customers, lineage, _) =
        tables(survived(std::slice::from_ref(&records), &[members(&rows)], &settings).unwrap());
    assert_eq!(cell(&customers, "email", 0).as_deref(), Some("b@x"));
    assert_eq!(reasons(&lineage, "email")[2].2, "lower by the expression");
    // The older city wins before recency is asked; of the other customer nothing survives.
    assert_eq!(cell(&customers, "city", 0).as_deref(), Some("Giza"));
    assert_eq!(cell(&customers, "city", 1), None);
    assert_eq!(
        reasons(&lineage, "city"),
        [
            ("R01".to_owned(), false, "not valid".to_owned()),
            ("R02".to_owned(), true, "only value".to_owned()),
            ("R04".to_owned(), false, "not valid".to_owned()),
        ]
    );
    settings.attributes["city"].valid = Some("score".to_owned());
    let refused = survived(&[records], &[members(&rows)], &settings).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("neither true nor false"), "{refused}");
}

#[test]
fn every_different_value_is_kept_where_asked_the_best_first() {
    let rows = [
        Given { email: Some("old@x"), ..given("crm", 1, 0, 1) },
        Given { email: Some("new@x"), ..given("crm", 2, 0, 3) },
        Given { email: Some("old@x"), ..given("shop", 3, 0, 2) },
        given("crm", 4, 1, 2),
    ];
    let mut settings = settings(&[("email", "most_recent", &[])]);
    settings.attributes["email"].keep_all = Some("emails".to_owned());
    let (customers, lineage, _) = made(&rows, &settings);
    assert_eq!(cell(&customers, "emails", 0).as_deref(), Some("[new@x, old@x]"));
    assert_eq!(cell(&customers, "emails", 1), None);
    assert_eq!(reasons(&lineage, "email")[0].2, "older; kept in `emails`");
    settings.attributes["email"].keep_all = Some("city".to_owned());
    let refused = survived(&[records(&rows)], &[members(&rows)], &settings).map(|_| ());
    assert!(refused.unwrap_err().to_string().contains("`city` cannot keep the values"));
}

#[test]
fn a_steward_overrules_every_record_and_the_latest_word_holds() {
    let rows = [
        Given { email: Some("a@x"), employees: Some(3), ..given("crm", 1, 0, 9) },
        Given { email: Some("b@x"), ..given("crm", 2, 0, 1) },
        Given { email: Some("c@x"), ..given("crm", 3, 1, 1) },
    ];
    let text = "record,attribute,value,by,at\n\
                crm:R02,email,first@x,ann,2026-11-01\n\
                crm:R01,email,said@x,bob,2026-11-02\n\
                crm:R01,employees,12,bob,2026-11-02\n\
                crm:R03,email,,ann,2026-11-01\n\
                crm:R77,email,gone@x,ann,2026-11-01\n";
    let stated = overrides(text, "o.csv").unwrap();
    let (settings, consents) = (settings(&[]), Consents::default());
    let all = [records(&rows)];
    let members = [members(&rows)];
    let material = Material {
        records: &all,
        members: Members::Table(&members),
        settings: &settings,
        logical_date: 10,
        overrides: &stated,
        consents: &consents,
    };
    let made = survive(&material).unwrap();
    assert_eq!(made.warnings, ["golden.overrides: 1 rows name a record that is not there"]);
    let (customers, lineage, _) = tables(made);
    assert_eq!(cell(&customers, "email", 0).as_deref(), Some("said@x"));
    assert_eq!(cell(&customers, "employees", 0).as_deref(), Some("12"));
    assert_eq!(cell(&customers, "email", 1), None, "a steward may say that it is not known");
    let all = reasons(&lineage, "email");
    assert_eq!(all[2], ("crm:R01".to_owned(), true, "stated by bob on 2026-11-02".to_owned()));
    assert_eq!(all[0].2, "overruled by a steward");

    let wrong =
        overrides("record,attribute,value,by,at\ncrm:R01,employees,many,b,2026-11-02\n", "o")
            .unwrap();
    let refused = survive(&Material { overrides: &wrong, ..material }).map(|_| ()).unwrap_err();
    assert!(!refused.to_string().contains("many"), "{refused}");
}

#[test]
fn values_without_consent_do_not_survive_into_the_table_for_a_purpose() {
    use crate::consent::{Consent, Purpose, Stance};

    let rows = [
        Given { email: Some("a@x"), city: Some("Cairo"), ..given("crm", 1, 0, 9) },
        Given { email: Some("b@x"), ..given("shop", 2, 0, 1) },
        Given { email: Some("c@x"), ..given("crm", 3, 1, 1) },
        Given { email: Some("d@x"), ..given("crm", 4, 2, 1) },
    ];
    let purpose = Purpose {
        default: Stance::Denied,
        sources: [("shop".to_owned(), Stance::Granted)].into_iter().collect(),
        tables: Vec::new(),
    };
    let asked =
        Consent { sql: String::new(), linking: None, marketing: Some(purpose), enrichment: None };
    let said: Vec<(&str, ArrayRef)> = vec![
        ("source", Arc::new(StringArray::from(vec!["crm", "shop"]))),
        ("record_id", Arc::new(StringArray::from(vec!["R03", "R02"]))),
        ("purpose", Arc::new(StringArray::from(vec!["marketing", "marketing"]))),
        ("granted", Arc::new(arrow::array::BooleanArray::from(vec![true, true]))),
        ("stated_at", Arc::new(Int64Array::from(vec![1, 1]))),
    ];
    let statements = RecordBatch::try_from_iter(said).unwrap();
    let consents = Consents::new(&asked, &[statements]).unwrap();
    let settings = settings(&[]);
    let made = survive(&Material {
        records: &[records(&rows)],
        members: Members::Table(&[members(&rows)]),
        settings: &settings,
        logical_date: 10,
        overrides: &[],
        consents: &consents,
    })
    .unwrap();
    let all = &made.customers[0];
    assert_eq!(cell(all, "email", 0).as_deref(), Some("a@x"));
    let [(name, own)] = &made.purposes[..] else { unreachable!("one purpose is asked about") };
    assert_eq!(*name, "marketing");
    // The person granted at the shop, which holds for the record that says nothing.
    assert_eq!(cell(&own[0], "email", 0).as_deref(), Some("a@x"));
    assert_eq!(cell(&own[0], "email", 1).as_deref(), Some("c@x"));
    assert_eq!(cell(&own[0], "email", 2), None, "denied by default");
    assert_eq!(own[0].num_rows(), all.num_rows(), "a customer without consent stays a customer");
}

#[test]
fn settings_that_fit_no_record_are_refused() {
    let rows = [given("crm", 1, 0, 1)];
    let refused = |settings: &Golden| {
        let error =
            survived(&[records(&rows)], &[members(&rows)], settings).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Configuration);
        assert!(error.advice().is_some(), "{error}");
        error.to_string()
    };
    let text = refused(&settings(&[("fax", "longest", &[])]));
    assert_eq!(text, "golden.attributes.fax: records have no column `fax`");
    let text = refused(&settings(&[("email", "newest", &[])]));
    assert!(text.contains("no survivorship rule `newest`"));
    let twice: &[(&str, &str, &[&str])] =
        &[("address", "longest", &["city"]), ("city", "longest", &[])];
    assert!(refused(&settings(twice)).contains("named in golden.attributes.address too"));
    let kin = |relation| Golden { relations: vec![relation], ..settings(&[]) };
    assert!(refused(&kin(relation("household"))).contains("needs `share` or `reference`"));
    let share = vec!["fax".to_owned()];
    assert!(refused(&kin(Relation { share, ..relation("household") })).contains("`fax`"));
    let reference = Some("boss".to_owned());
    assert!(refused(&kin(Relation { reference, ..relation("works_for") })).contains("`boss`"));
}

#[test]
fn records_and_members_that_do_not_fit_are_a_bug_not_a_loss() {
    let rows = [given("crm", 1, 0, 1), given("crm", 2, 0, 1)];
    let fails = |r: &[Given], m: &[Given]| {
        let error = survived(&[records(r)], &[members(m)], &settings(&[])).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Bug);
    };
    fails(&rows, &rows[..1]);
    fails(&rows[..1], &rows);
    fails(&rows[..1], &[rows[0].clone(), rows[0].clone()]);
}

#[test]
fn no_records_give_empty_tables() {
    let (customers, lineage, relations) = made(&[], &settings(&[]));
    assert_eq!((customers.num_rows(), lineage.num_rows(), relations.num_rows()), (0, 0, 0));
    assert_eq!(customers.num_columns(), 12);
}

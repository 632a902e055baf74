//! Customers that are related, by what they share and by records that name each other.

use super::*;

fn related(given: &[Given], relation: Relation) -> (Vec<[String; 4]>, Vec<String>) {
    let settings = Golden { relations: vec![relation], ..settings(&[]) };
    let tables = survived(&[records(given)], &[members(given)], &settings).unwrap();
    let batch = &tables.relations[0];
    let names = ["golden_id", "relation", "other_golden_id", "evidence"];
    let row = |row| names.map(|name| cell(batch, name, row).unwrap());
    ((0..batch.num_rows()).map(row).collect(), tables.warnings)
}

#[test]
fn customers_that_share_known_attributes_are_related() {
    let home = |id, customer, city| Given {
        street: Some("1 Nile"),
        city,
        ..given("crm", id, customer, 1)
    };
    let rows = [
        home(1, 2, Some("Cairo")),
        home(2, 1, Some("Cairo")),
        home(3, 3, None),
        home(4, 4, None),
        home(5, 5, Some("Giza")),
        home(6, 6, Some("Giza")),
        home(7, 7, Some("Giza")),
        home(8, 8, Some("Giza")),
    ];
    let share = vec!["street".to_owned(), "city".to_owned()];
    let (found, warnings) = related(&rows, Relation { share, ..relation("household") });
    assert_eq!(found, [["g01", "household", "g02", "shares street, city"].map(str::to_owned)]);
    assert_eq!(warnings.len(), 1, "the four in Giza are left out, and that is said");
    assert!(!warnings[0].contains("Giza"));
}

#[test]
fn customers_whose_records_name_each_other_are_related() {
    let rows = [
        Given { account: Some(9), ..given("crm", 1, 1, 1) },
        Given { account: Some(9), ..given("crm", 2, 1, 1) },
        Given { account: Some(7), ..given("crm", 3, 2, 1) },
        given("firms", 9, 5, 1),
        Given { account: Some(9), ..given("firms", 8, 5, 1) },
    ];
    let reference = Relation {
        reference: Some("account_id".to_owned()),
        to_source: Some("firms".to_owned()),
        ..relation("works_for")
    };
    let (found, warnings) = related(&rows, reference.clone());
    let expected = ["g01", "works_for", "g05", "crm:R01 account_id"].map(str::to_owned);
    assert_eq!(found, [expected]);
    assert_eq!(warnings.len(), 1, "R07 is nobody");
    let (found, _) = related(&rows, Relation { inverse: true, ..reference });
    assert_eq!(found[0][0], "g05");
}

//! Consent and pseudonyms, from a pipeline file to the tables.

use std::collections::BTreeSet;
use std::fs;

use crate::program::{Project, files_below};
use crate::store::Store;
use crate::warehouse::Warehouse;

const CONSENT: &str = "consent:
  sql: |
    SELECT source, record_id, 'linking' AS purpose, record_id <> 'C-000001' AS granted, updated_at AS stated_at
    FROM records WHERE source = 'crm_contacts'
    UNION ALL
    SELECT source, record_id, 'marketing', record_id <> 'C-000003', updated_at
    FROM records WHERE source = 'crm_contacts'
  linking: {default: granted}
  marketing: {default: denied}

";

fn add(project: &Project, before: &str, text: &str) {
    let file = project.folder().join("pipelines/tiny.yaml");
    let whole = fs::read_to_string(&file).unwrap();
    assert!(whole.contains(before));
    fs::write(file, whole.replacen(before, &format!("{text}{before}"), 1)).unwrap();
}

#[test]
fn what_is_not_consented_to_is_not_compared_and_does_not_survive() {
    let store = Store::disk();
    let project = Project::tiny();
    let date = &project.dates()[0];
    let with = |place: &crate::store::Place| {
        let warehouse = Warehouse::at(place);
        let of = |record: &str| -> BTreeSet<String> {
            let members = warehouse.rows("entity_members");
            let id =
                members.iter().find(|row| row["record_id"] == record).unwrap()["golden_id"].clone();
            let own = members.iter().filter(|row| row["golden_id"] == id);
            own.map(|row| row["record_id"].clone()).collect()
        };
        of("C-000001")
    };
    let free = store.place();
    project.run(&free, date, &[]).expect(0, "published");
    assert!(with(&free).len() > 1, "with consent it is linked");

    add(&project, "resolve:\n", CONSENT);
    let place = store.place();
    let ran = project.run(&place, date, &[]).expect(0, "published");
    assert_eq!(with(&place), BTreeSet::from(["C-000001".to_owned()]), "a customer of its own");
    let warehouse = Warehouse::at(&place);
    let pairs = warehouse.rows("scored_pairs");
    assert!(!pairs.is_empty());
    assert!(
        pairs
            .iter()
            .all(|row| row["record_id_l"] != "C-000001" && row["record_id_r"] != "C-000001")
    );
    let resolved =
        ran.answer["stages"].as_array().unwrap().iter().find(|s| s["stage"] == "resolve");
    assert_eq!(resolved.unwrap()["report"]["not_compared"], 1);

    let members = warehouse.rows("entity_members");
    let denied = members.iter().find(|row| row["record_id"] == "C-000003").unwrap();
    let customers = warehouse.rows("customers");
    let addressed = warehouse.rows("customers_for_marketing");
    assert_eq!(customers.len(), addressed.len());
    let email = |rows: &[std::collections::BTreeMap<String, String>], id: &str| {
        rows.iter().find(|row| row["golden_id"] == id).unwrap()["email"].clone()
    };
    assert_ne!(email(&customers, &denied["golden_id"]), "");
    assert_eq!(email(&addressed, &denied["golden_id"]), "");
    let allowed = members.iter().find(|row| row["record_id"] == "C-000002").unwrap();
    assert_eq!(email(&addressed, &allowed["golden_id"]), email(&customers, &allowed["golden_id"]));

    // A table for the purpose may not read values from elsewhere.
    let file = project.folder().join("pipelines/tiny.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text
        .replace("marketing: {default: denied}", "marketing: {default: denied, tables: [mailing]}");
    for (table, code) in [("customers", 1), ("customers_for_marketing", 0)] {
        let made = format!(
            "\nprofile:\n  mailing: {{key: [golden_id], sql: \"SELECT golden_id, email FROM {table}\"}}\n"
        );
        fs::write(&file, text.clone() + &made).unwrap();
        let mut command = project.command(&place);
        let output = command.args(["check", "pipelines/tiny.yaml"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{table}: {said}");
        assert!(said.contains("customers_for_marketing"), "{said}");
    }
}

#[test]
fn a_pseudonymous_export_holds_tokens_that_join_and_no_value() {
    let store = Store::disk();
    let project = Project::tiny();
    let date = &project.dates()[0];
    let file = project.folder().join("pipelines/tiny.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let land = "land:\n  pseudonymous: [customers, customer_lineage]\n  contracts: ../schemas\n";
    fs::write(&file, text.replace("land:\n", land)).unwrap();
    let mut place = store.place();
    project.run(&place, date, &[]).expect(1, "stopped");
    place.environment.push(("SIMURGH_HASH_KEY".to_owned(), "a key of sixteen letters".to_owned()));
    project.run(&place, date, &[]).expect(0, "published");
    let warehouse = Warehouse::at(&place);
    let customers = warehouse.rows("customers");
    let names: BTreeSet<String> = customers.iter().map(|row| row["full_name"].clone()).collect();
    let read = |table: &str| {
        let folder = place.folder.join(format!("exports/pseudonymous_{table}"));
        Warehouse::rows_of(&files_below(&folder)[0])
    };
    let (tokens, lineage) = (read("customers"), read("customer_lineage"));
    assert_eq!(tokens.len(), customers.len());
    for (token, customer) in tokens.iter().zip(&customers) {
        assert_eq!(token["golden_id"], customer["golden_id"]);
        assert_eq!(token["kind"], customer["kind"], "what is not personal stays");
        assert_eq!(token["full_name"].is_empty(), customer["full_name"].is_empty());
        assert!(!names.contains(&token["full_name"]) || token["full_name"].is_empty());
    }
    let known: BTreeSet<&String> =
        tokens.iter().map(|row| &row["email"]).filter(|t| !t.is_empty()).collect();
    let joined = lineage.iter().filter(|row| row["attribute"] == "email" && row["won"] == "true");
    assert!(joined.clone().count() > 0 && joined.clone().all(|row| known.contains(&row["value"])));
}

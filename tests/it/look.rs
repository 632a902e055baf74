//! Commands that look at one customer, on a published warehouse.

use crate::program::Project;
use crate::store::Store;
use crate::warehouse::Warehouse;

#[test]
fn show_gives_a_customer_with_its_records_and_where_each_value_is_from() {
    let store = Store::disk();
    let project = Project::tiny();
    let place = store.place();
    for date in project.dates() {
        project.run(&place, &date, &[]).expect(0, "published");
    }
    let warehouse = Warehouse::at(&place);
    let members = warehouse.rows("entity_members");
    let lineage = warehouse.rows("customer_lineage");
    for member in members.iter().step_by(7) {
        let address = format!("{}:{}", member["source"], member["record_id"]);
        let (output, by_record) = project.ask(&place, &["show", &address, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{by_record}");
        let id = by_record["golden_id"].as_str().unwrap();
        assert_eq!(id, member["golden_id"]);
        let own = |rows: &[std::collections::BTreeMap<String, String>]| {
            rows.iter().filter(|row| row["golden_id"] == id).count()
        };
        assert_eq!(by_record["members"].as_array().unwrap().len(), own(&members));
        assert_eq!(by_record["lineage"].as_array().unwrap().len(), own(&lineage));
        let (_, by_id) = project.ask(&place, &["show", id, "--json"]);
        assert_eq!(by_id, by_record);
    }
    // An id that was given up leads to the one that took its place.
    for redirect in warehouse.rows("id_redirects").iter().filter(|row| row["valid_to"].is_empty()) {
        let (_, answer) = project.ask(&place, &["show", &redirect["old_golden_id"], "--json"]);
        assert_eq!(answer["golden_id"].as_str(), Some(redirect["golden_id"].as_str()));
    }
    let (output, answer) = project.ask(&place, &["show", "crm_contacts:nobody"]);
    assert_eq!((output.status.code(), answer["outcome"].as_str()), (Some(2), Some("failed")));
}

//! Properties of golden records over random records, members and settings.

use arrow::compute::cast;
use proptest::prelude::*;

use super::*;

fn any_records() -> impl Strategy<Value = Vec<Given>> {
    let text = || prop::option::of(prop::sample::select(vec!["a", "bb", "cc", "ddd"]));
    let source = prop::sample::select(vec!["books", "crm", "shop"]);
    let day = prop::option::of(0_i64..3);
    let one = (source, 0_u32..6, day, text(), text(), text(), prop::option::of(0_i64..3));
    prop::collection::vec(one, 1..24).prop_map(|rows| {
        let row = |(at, (source, customer, day, email, street, city, employees))| Given {
            source,
            id: at as u32,
            customer,
            day,
            email,
            street,
            city,
            employees,
            account: None,
        };
        rows.into_iter().enumerate().map(row).collect()
    })
}

fn any_settings() -> impl Strategy<Value = Golden> {
    let plain = RULES.iter().map(|rule| rule.name);
    let plain = plain.filter(|name| !["expression", "trust"].contains(name));
    let rule = || prop::sample::select(plain.clone().collect::<Vec<_>>());
    (rule(), rule(), rule()).prop_map(|(email, address, default)| {
        let attributes: &[(&str, &str, &[&str])] =
            &[("email", email, &[]), ("address", address, &["city", "street"])];
        Golden { default_rule: default.to_owned(), ..settings(attributes) }
    })
}

/// The same records with texts as dictionaries.
fn numbered(records: &RecordBatch) -> RecordBatch {
    let numbered = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let schema = records.schema();
    let columns = schema.fields().iter().zip(records.columns()).map(|(field, column)| {
        let column = match column.data_type() {
            DataType::Utf8 => cast(column, &numbered).unwrap(),
            _ => Arc::clone(column),
        };
        (field.name().clone(), column, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_known_value_has_one_winner_which_is_golden(rows in any_records(), settings in any_settings()) {
        let (customers, lineage, _) = made(&rows, &settings);
        let golden: BTreeMap<String, usize> =
            (0..customers.num_rows()).map(|row| (cell(&customers, "golden_id", row).unwrap(), row)).collect();
        let mut winners: BTreeMap<(String, String), Vec<Option<String>>> = BTreeMap::new();
        let mut known = 0;
        for row in 0..lineage.num_rows() {
            let text = |name| cell(&lineage, name, row);
            let key = (text("golden_id").unwrap(), text("attribute").unwrap());
            let won = winners.entry(key).or_default();
            if lineage.column_by_name("won").unwrap().as_boolean().value(row) {
                won.push(text("value"));
            }
            known += usize::from(text("value").is_some());
        }
        for ((golden_id, attribute), won) in &winners {
            prop_assert_eq!(won.len(), 1, "{} {}", golden_id, attribute);
            prop_assert_eq!(&won[0], &cell(&customers, attribute, golden[golden_id]));
        }
        // Nothing is lost: each known value has its row, and each golden value its lineage.
        let count = |given: &Given| {
            usize::from(given.email.is_some()) + usize::from(given.street.is_some())
                + usize::from(given.city.is_some()) + 3 * usize::from(given.employees.is_some())
        };
        prop_assert_eq!(known, rows.iter().map(count).sum::<usize>());
        for attribute in ["email", "street", "city", "employees", "birth_date", "credit"] {
            for (golden_id, &row) in &golden {
                if cell(&customers, attribute, row).is_some() {
                    prop_assert!(winners.contains_key(&(golden_id.clone(), attribute.to_owned())));
                }
            }
        }
    }

    #[test]
    fn the_order_of_rows_and_batches_never_shows(
        rows in any_records(), settings in any_settings(), seed in any::<u64>(), cut in 0_usize..24
    ) {
        let share = vec!["email".to_owned()];
        let settings = Golden { relations: vec![Relation { share, ..relation("household") }], ..settings };
        let straight = made(&rows, &settings);
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_key(|&row| (u64::from(row) + 1).wrapping_mul(seed | 1));
        let shuffled = |batch: &RecordBatch| take_record_batch(batch, &UInt32Array::from(order.clone())).unwrap();
        let cut = cut.min(rows.len());
        let halves = |batch: RecordBatch| [batch.slice(0, cut), batch.slice(cut, batch.num_rows() - cut)];
        let tables = survived(
            &halves(shuffled(&records(&rows))), &halves(shuffled(&members(&rows))), &settings
        ).unwrap();
        prop_assert_eq!(&tables.customers[0], &straight.0);
        prop_assert_eq!(&tables.lineage.map(Result::unwrap).next().unwrap(), &straight.1);
        prop_assert_eq!(&tables.relations[0], &straight.2);
    }

    #[test]
    fn customers_of_rows_are_those_of_a_table_of_members(
        rows in any_records(), settings in any_settings(), turned in any::<bool>(),
        coded in any::<bool>()
    ) {
        let (customers, ..) = made(&rows, &settings);
        let mut rows = rows;
        rows.sort_by(|l, r| (l.source, l.id).cmp(&(r.source, r.id)));
        // Customers in any order, each with a record.
        let mut all: Vec<u32> = rows.iter().map(|own| own.customer).collect();
        all.sort_unstable();
        all.dedup();
        if turned {
            all.reverse();
        }
        let place = |own: &Given| all.iter().position(|id| *id == own.customer).unwrap() as u32;
        let customer_of: Vec<u32> = rows.iter().map(place).collect();
        let golden_ids: StringArray = all.iter().map(|id| Some(format!("g{id:02}"))).collect();
        let of_rows = |customer_of: &[u32]| {
            let members = Members::Rows { customer_of, golden_ids: &golden_ids, coded };
            let (overrides, consents) = (&[], &Consents::default());
            let numbered = |batch: RecordBatch| if coded { numbered(&batch) } else { batch };
            let (settings, records) = (&settings, &[numbered(records(&rows))]);
            values(&Material { records, members, settings, logical_date: 10, overrides, consents })
        };
        let found = of_rows(&customer_of).unwrap();
        for (field, column) in found.schema().fields().iter().zip(found.columns()) {
            prop_assert_eq!(Some(column), customers.column_by_name(field.name()), "{}", field.name());
        }
        prop_assert_eq!(found.num_columns() + 5, customers.num_columns());
        for wrong in [&customer_of[1..], &vec![all.len() as u32; rows.len()], &vec![0; rows.len()]] {
            let fits = *wrong == customer_of[..];
            prop_assert!(fits || of_rows(wrong).unwrap_err().kind() == crate::error::Kind::Bug);
        }
    }
}

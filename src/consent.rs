//! Consent, by purpose, by person and source: what was stated, and what holds where nothing was.
//!
//! Knows statements and settings; refuses to know who asks: resolution (linking), golden records
//! (values for a purpose), the check of a pipeline.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, Result};

/// What a customer's data may be used for: `consent` of a pipeline file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// A SELECT over `records` and facts that gives what was stated: `source`, `record_id`,
    /// `purpose`, `granted`, `stated_at`. The latest statement of a record and purpose holds; of
    /// two at one time, the one that denies.
    pub sql: String,
    /// Whether a record may be compared with others. One that may not is a customer of its own.
    pub linking: Option<Purpose>,
    /// Whether its values may stand in tables for marketing: `customers_for_marketing`.
    pub marketing: Option<Purpose>,
    /// Whether its values may stand in tables for enrichment: `customers_for_enrichment`.
    pub enrichment: Option<Purpose>,
}

/// One purpose of use.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// What holds where nothing was stated.
    pub default: Stance,
    /// The same for records of some sources.
    #[serde(default)]
    pub sources: indexmap::IndexMap<String, Stance>,
    /// Tables made by SQL for this purpose. They may read personal values only from
    /// `customers_for_<purpose>`: the check of a pipeline holds that. Not for `linking`.
    #[serde(default)]
    pub tables: Vec<String>,
}

/// Granted or denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// It may be used.
    Granted,
    /// It may not.
    Denied,
}

/// The name of the purpose that lets records be compared.
pub const LINKING: &str = "linking";

impl Consent {
    /// The purposes that are asked about, by name.
    pub fn purposes(&self) -> impl Iterator<Item = (&'static str, &Purpose)> {
        let all = [
            (crate::tables::ENRICHMENT, &self.enrichment),
            (LINKING, &self.linking),
            (crate::tables::MARKETING, &self.marketing),
        ];
        all.into_iter().filter_map(|(name, purpose)| Some((name, purpose.as_ref()?)))
    }
}

/// By record (source, then id), the latest statement: when, and whether it grants.
type Stated = FxHashMap<String, FxHashMap<String, (i64, bool)>>;

/// What was stated of every purpose that a pipeline asks about.
#[derive(Debug, Default)]
pub struct Consents {
    purposes: BTreeMap<&'static str, (Purpose, Stated)>,
    /// Statements of a purpose that the pipeline does not ask about.
    pub of_other_purposes: u64,
}

impl Consents {
    /// Reads statements: batches of `source`, `record_id`, `purpose`, `granted`, `stated_at`.
    ///
    /// # Errors
    /// Configuration: a column that is missing or of another type.
    pub fn new(settings: &Consent, statements: &[RecordBatch]) -> Result<Self> {
        let purposes =
            settings.purposes().map(|(name, own)| (name, (own.clone(), Stated::default())));
        let mut consents = Self { purposes: purposes.collect(), of_other_purposes: 0 };
        for batch in statements {
            let column = |name: &str, data_type: &DataType| {
                let found = batch.column_by_name(name);
                found.and_then(|column| cast(column, data_type).ok()).ok_or_else(|| {
                    Error::configuration(format!("consent.sql: no usable column `{name}`"))
                        .help("it gives source, record_id, purpose (text), granted (boolean), stated_at (timestamp or date)")
                })
            };
            let time = DataType::Timestamp(TimeUnit::Microsecond, None);
            let [source, record, purpose] =
                ["source", "record_id", "purpose"].map(|name| column(name, &DataType::Utf8));
            let (source, record, purpose) = (source?, record?, purpose?);
            let (source, record, purpose) =
                (source.as_string::<i32>(), record.as_string::<i32>(), purpose.as_string::<i32>());
            let granted = column("granted", &DataType::Boolean)?;
            let granted = granted.as_boolean();
            let at = column("stated_at", &time)?;
            let at =
                cast(&at, &DataType::Int64).map_err(|_| Error::bug("a time that is no number"))?;
            let at = at.as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                if source.is_null(row) || record.is_null(row) || purpose.is_null(row) {
                    continue;
                }
                let Some((_, stated)) = consents.purposes.get_mut(purpose.value(row)) else {
                    consents.of_other_purposes += 1;
                    continue;
                };
                // What is not said to be granted is denied.
                let grants = granted.is_valid(row) && granted.value(row);
                let said = (if at.is_valid(row) { at.value(row) } else { i64::MIN }, grants);
                let of_source = stated.entry(source.value(row).to_owned()).or_default();
                let latest = of_source.entry(record.value(row).to_owned()).or_insert(said);
                if later(said, *latest) {
                    *latest = said;
                }
            }
        }
        Ok(consents)
    }

    /// Whether the pipeline asks about this purpose.
    pub fn asks(&self, purpose: &str) -> bool {
        self.purposes.contains_key(purpose)
    }

    /// The latest statement of a record: when, and whether it grants.
    pub fn stated(&self, purpose: &str, source: &str, record_id: &str) -> Option<(i64, bool)> {
        self.purposes.get(purpose)?.1.get(source)?.get(record_id).copied()
    }

    /// What holds for a record of this source where nothing was stated; a purpose that is not
    /// asked about is granted.
    pub fn unstated(&self, purpose: &str, source: &str) -> bool {
        let Some((settings, _)) = self.purposes.get(purpose) else { return true };
        let stance = settings.sources.get(source).unwrap_or(&settings.default);
        *stance == Stance::Granted
    }

    /// Whether a record may be compared with others.
    pub fn links(&self, source: &str, record_id: &str) -> bool {
        let stated = self.stated(LINKING, source, record_id);
        stated.map_or_else(|| self.unstated(LINKING, source), |(_, granted)| granted)
    }

    /// Which of a customer's records may be used for a purpose. A record's own latest statement
    /// holds; where it has none, the latest that the person made elsewhere; else what holds for
    /// its source.
    pub fn of_customer(&self, purpose: &str, records: &[(&str, &str)]) -> Vec<bool> {
        let own: Vec<Option<(i64, bool)>> =
            records.iter().map(|(source, id)| self.stated(purpose, source, id)).collect();
        let person = own.iter().flatten().copied().reduce(|a, b| if later(b, a) { b } else { a });
        own.iter()
            .zip(records)
            .map(|(own, (source, _))| {
                own.or(person)
                    .map_or_else(|| self.unstated(purpose, source), |(_, granted)| granted)
            })
            .collect()
    }
}

/// Whether a statement overrules another: the later one, and of two at one time the one that denies.
fn later(said: (i64, bool), before: (i64, bool)) -> bool {
    said.0 > before.0 || (said.0 == before.0 && !said.1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Int64Array, StringArray};

    use super::*;

    fn settings() -> Consent {
        let purpose = |default| Purpose {
            default,
            sources: [("shop".to_owned(), Stance::Denied)].into_iter().collect(),
            tables: Vec::new(),
        };
        Consent {
            sql: String::new(),
            linking: Some(purpose(Stance::Granted)),
            marketing: None,
            enrichment: Some(purpose(Stance::Granted)),
        }
    }

    fn consents(rows: &[(&str, &str, &str, bool, i64)]) -> Consents {
        let batch = RecordBatch::try_from_iter([
            (
                "source",
                Arc::new(rows.iter().map(|r| Some(r.0)).collect::<StringArray>()) as Arc<dyn Array>,
            ),
            ("record_id", Arc::new(rows.iter().map(|r| Some(r.1)).collect::<StringArray>())),
            ("purpose", Arc::new(rows.iter().map(|r| Some(r.2)).collect::<StringArray>())),
            ("granted", Arc::new(rows.iter().map(|r| Some(r.3)).collect::<BooleanArray>())),
            ("stated_at", Arc::new(rows.iter().map(|r| Some(r.4)).collect::<Int64Array>())),
        ])
        .unwrap();
        Consents::new(&settings(), &[batch]).unwrap()
    }

    #[test]
    fn the_latest_statement_holds_and_a_denial_wins_a_tie() {
        let consents = consents(&[
            ("crm", "1", "linking", true, 1),
            ("crm", "1", "linking", false, 2),
            ("crm", "2", "linking", false, 2),
            ("crm", "2", "linking", true, 3),
            ("crm", "3", "linking", true, 2),
            ("crm", "3", "linking", false, 2),
            ("crm", "3", "resale", true, 2),
        ]);
        assert!(!consents.links("crm", "1"));
        assert!(consents.links("crm", "2"));
        assert!(!consents.links("crm", "3"));
        assert!(consents.links("crm", "4"), "the default");
        assert!(!consents.links("shop", "4"), "the source's own default");
        assert_eq!(consents.of_other_purposes, 1);
    }

    #[test]
    fn what_a_person_stated_holds_for_records_that_say_nothing() {
        let consents = consents(&[
            ("crm", "1", "enrichment", true, 5),
            ("books", "1", "enrichment", false, 9),
        ]);
        let records = [("books", "1"), ("crm", "1"), ("crm", "2"), ("shop", "9")];
        assert_eq!(consents.of_customer("enrichment", &records), [false, true, false, false]);
        assert_eq!(consents.of_customer("enrichment", &records[1..]), [true, true, true]);
        assert_eq!(consents.of_customer("enrichment", &records[2..]), [true, false]);
        assert_eq!(consents.of_customer("marketing", &records), [true; 4], "nobody asks");
    }
}

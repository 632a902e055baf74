//! What a pipeline says about golden records: `golden`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// How the golden record of a customer is made of its records.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Sources from the most trusted to the least; those not named come after, by name.
    #[serde(default)]
    pub source_priority: Vec<String>,
    /// How far each source is trusted, for the rule `trust`; a source that is not named has none.
    #[serde(default)]
    pub trust: IndexMap<String, Trust>,
    /// The survivorship rule of attributes that `attributes` does not name.
    #[serde(default = "most_recent")]
    pub default_rule: String,
    /// Survivorship by attribute, or by a group of attributes that moves whole.
    #[serde(default)]
    pub attributes: IndexMap<String, Survivorship>,
    /// A CSV file of golden values that stewards state, relative to the pipeline file, with the
    /// columns `record`, `attribute`, `value`, `by`, `at`, and if wanted `why` and `withdrawn_at`.
    pub overrides: Option<String>,
    /// Columns of `records` that do not become golden attributes.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// How `customer_relations` are found.
    #[serde(default)]
    pub relations: Vec<Relation>,
}

fn most_recent() -> String {
    "most_recent".to_owned()
}

/// How one golden attribute, or one group of them, survives.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Survivorship {
    /// The rule: expression, longest, most_complete, most_frequent, most_recent, source_priority,
    /// trust.
    pub rule: String,
    /// The attributes of a group, which come from one record together; else the attribute itself.
    #[serde(default)]
    pub columns: Vec<String>,
    /// SQL over the columns of `records` that must be true of a record, or its value never
    /// survives, whatever the rule: `phone LIKE '+%'`.
    pub valid: Option<String>,
    /// SQL over the columns of `records`, for the rule `expression`: the greatest value wins.
    pub expression: Option<String>,
    /// A further column of `customers` that keeps every different valid value, the best first.
    pub keep_all: Option<String>,
    /// Trust in the sources for this attribute alone, in place of `golden.trust`.
    #[serde(default)]
    pub trust: IndexMap<String, Trust>,
}

/// How far a source is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Trust in a value of the logical date, from 0 to 1.
    pub score: f64,
    /// Days after which half of it is left, and so on; without it trust does not age. A value
    /// without `updated_at` has none left.
    pub half_life_days: Option<f64>,
}

/// One kind of relation between golden customers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// The relation's kind: household, works_for, subsidiary_of, referred.
    pub kind: String,
    /// Golden customers that share all of these (known) attributes are related, both ways written once.
    #[serde(default)]
    pub share: Vec<String>,
    /// The column of `records` that holds the other record's id.
    pub reference: Option<String>,
    /// The source of the other record, where `reference` is given; else the record's own source.
    pub to_source: Option<String>,
    /// Whether the record that `reference` names is the first of the relation: with `referred_by`,
    /// that customer `referred` this one.
    #[serde(default)]
    pub inverse: bool,
    /// Only records or customers of this kind.
    pub from_kind: Option<String>,
    /// The largest group that may share; a larger one is not a relation.
    #[serde(default = "max_group")]
    pub max_group: u32,
}

fn max_group() -> u32 {
    12
}

impl Golden {
    /// Every SQL expression over `records` that survivorship asks for, each once, in order.
    pub fn expressions(&self) -> Vec<String> {
        let own = self.attributes.values();
        let mut all: Vec<String> =
            own.flat_map(|own| own.valid.iter().chain(&own.expression)).cloned().collect();
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|sql| seen.insert(sql.clone()));
        all
    }
}

/// The column of records that holds the n-th of [`Golden::expressions`], evaluated.
pub fn expression_column(n: usize) -> String {
    format!("_expression_{n}")
}

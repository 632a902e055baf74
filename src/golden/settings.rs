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
    /// The survivorship rule of attributes that `attributes` does not name.
    #[serde(default = "most_recent")]
    pub default_rule: String,
    /// Survivorship by attribute, or by a group of attributes that moves whole.
    #[serde(default)]
    pub attributes: IndexMap<String, Survivorship>,
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
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Survivorship {
    /// The rule: most_recent, source_priority, most_frequent, longest, most_complete.
    pub rule: String,
    /// The attributes of a group, which come from one record together; else the attribute itself.
    #[serde(default)]
    pub columns: Vec<String>,
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

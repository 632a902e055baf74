//! What a pipeline says about resolution: `resolve.<kind>`, one model for each kind of record.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::{ComparisonKind, MEANING};

/// How the records of one kind (`person`, `organisation`) are resolved.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// Which pairs are looked at: a pair that agrees on all keys of any one rule.
    pub blocking: Vec<BlockingRule>,
    /// How a pair is compared.
    pub comparisons: Vec<ComparisonSettings>,
    /// Deterministic rules beside the model, in order of precedence; the first that holds decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// The model's training.
    #[serde(default)]
    pub training: Training,
    /// The match probabilities at which a pair is merged or put to review.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Which pairs may be of one entity, by their sources.
    #[serde(default)]
    pub link: LinkType,
    /// Sources known to hold each entity at most once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicate_free: Vec<String>,
}

/// Which pairs of records are compared, by their sources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkType {
    /// Within each source only: duplicates are found, sources are not linked.
    DedupeOnly,
    /// Between two sources only: two records of one source are never compared.
    LinkOnly,
    /// Within and between sources.
    #[default]
    LinkAndDedupe,
}

impl Resolve {
    /// What shapes the model, as a hash: the layout of its document, comparisons, training, links
    /// and rules that separate. Blocking is not in it: a model is of all pairs of records, compared or not.
    pub fn fingerprint(&self) -> String {
        let training = Training { retrain: Retrain::default(), ..self.training.clone() };
        // What rules separate is known in training, and the rules before decide what that is.
        let told = self.rules.iter().any(|rule| rule.then == Verdict::Separate);
        let prior = |rule: &Rule| training.rules_recall.is_some() && rule.then == Verdict::Merge;
        let rules: Vec<&Rule> = self.rules.iter().filter(|rule| told || prior(rule)).collect();
        let parts = (
            super::model::Model::VERSION,
            MEANING,
            &self.comparisons,
            training,
            rules,
            self.link,
            &self.duplicate_free,
        );
        blake3::hash(format!("{parts:?}").as_bytes()).to_hex().to_string()
    }

    /// All that decides which pairs are compared and merged and which records are together, beside
    /// the records and the model; as text.
    pub fn decisive(&self) -> String {
        let Self { blocking, comparisons, rules, training: _, thresholds, link, duplicate_free } =
            self;
        format!("{:?}", (blocking, (MEANING, comparisons), rules, thresholds, link, duplicate_free))
    }

    /// Every SQL expression that blocking reads, each once, those of merge rules too.
    pub fn blocking_expressions(&self) -> Vec<&str> {
        let blocking = self.blocking.iter().flat_map(|rule| rule.keys.iter().chain(&rule.refine));
        let merging = self.rules.iter().filter(|rule| rule.then == Verdict::Merge);
        let all: indexmap::IndexSet<&str> =
            blocking.chain(merging.flat_map(|rule| &rule.same)).map(String::as_str).collect();
        all.into_iter().collect()
    }

    /// Every SQL expression that resolution reads, each once, in order: blocking keys and refine
    /// keys by rule, columns of comparisons, columns of deterministic rules.
    pub fn expressions(&self) -> Vec<String> {
        let blocking = self.blocking.iter().flat_map(|rule| rule.keys.iter().chain(&rule.refine));
        let comparisons = self.comparisons.iter().flat_map(|comparison| &comparison.columns);
        let rules = self.rules.iter().flat_map(|rule| rule.same.iter().chain(&rule.differ));
        let all: indexmap::IndexSet<&String> = blocking.chain(comparisons).chain(rules).collect();
        all.into_iter().cloned().collect()
    }
}

impl Resolve {
    /// Every SQL condition on pairs, each once and with the words for its place: levels of
    /// comparisons of type `sql`, then `where` of rules.
    pub fn conditions(&self) -> Vec<(String, String)> {
        let mut all: IndexMap<&String, String> = IndexMap::new();
        let of_sql = |own: &&ComparisonSettings| {
            ComparisonKind::find(&own.kind).is_some_and(ComparisonKind::of_conditions)
        };
        for comparison in self.comparisons.iter().filter(of_sql) {
            for (level, sql) in (1..).zip(&comparison.levels) {
                if let Level::Text(sql) = sql {
                    let place = format!("comparison `{}`, level {level}", comparison.name);
                    all.entry(sql).or_insert(place);
                }
            }
        }
        for rule in &self.rules {
            if let Some(sql) = &rule.condition {
                all.entry(sql).or_insert_with(|| format!("rule `{}`", rule.name));
            }
        }
        all.into_iter().map(|(sql, place)| (place, sql.clone())).collect()
    }
}

/// Pairs of records that agree on every key are compared.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockingRule {
    /// The rule's name, in the match log and in reports.
    pub name: String,
    /// SQL expressions over `records`. A null key makes no pair; a list makes a pair for each common element.
    pub keys: Vec<String>,
    /// SQL expressions by which a block past `max_block` is divided further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refine: Vec<String>,
    /// The largest number of records that a block may hold.
    #[serde(default = "max_block")]
    pub max_block: u32,
}

fn max_block() -> u32 {
    500
}

/// One comparison of a pair of records, with its levels.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparisonSettings {
    /// The comparison's name, in the match log and in reports.
    pub name: String,
    /// The kind of comparison: see `simurgh functions --comparisons`.
    #[serde(rename = "type")]
    pub kind: String,
    /// SQL expressions over `records`, as many as the kind takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Where the kind takes thresholds: that of each level, from strict to loose. A similarity
    /// falls, a distance rises; a distance of time or length may name its unit, as `1 month`. Of
    /// the type `sql`: a condition for each level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<Level>,
    /// Whether agreement on a rare value weighs more than on a common one.
    #[serde(default)]
    pub term_frequency: bool,
}

/// What a pair must reach to be at a level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Level {
    /// A threshold, in the unit of the kind's own levels.
    Number(f64),
    /// A threshold with its unit: `1 month`, `500 m`; or a condition on the records `l` and `r`.
    Text(String),
}

/// Units in which a threshold may be given: each with the unit of the kind's levels that it is
/// measured in, and how many of those it is. A month and a year are those of the Julian calendar
/// on average.
const UNITS: &[(&str, &str, f64)] = &[
    ("day", "days", 1.0),
    ("days", "days", 1.0),
    ("km", "km", 1.0),
    ("m", "km", 0.001),
    ("mile", "km", 1.609_344),
    ("miles", "km", 1.609_344),
    ("month", "days", 30.4375),
    ("months", "days", 30.4375),
    ("week", "days", 7.0),
    ("weeks", "days", 7.0),
    ("year", "days", 365.25),
    ("years", "days", 365.25),
];

impl Level {
    /// The threshold in the unit of the kind's levels, `None` where it is not one.
    pub(crate) fn threshold(&self, unit: Option<&str>) -> Option<f64> {
        let text = match self {
            Self::Number(number) => return Some(*number),
            Self::Text(text) => text.trim(),
        };
        let (number, name) = text.split_at(text.find(char::is_alphabetic)?);
        let (_, measured, size) = UNITS.iter().find(|own| own.0 == name)?;
        (Some(*measured) == unit).then_some(number.trim().parse::<f64>().ok()? * size)
    }
}

impl From<f64> for Level {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// A deterministic rule over a pair of records.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The rule's name: `decided_by` is `rule:NAME`.
    pub name: String,
    /// What the rule decides.
    pub then: Verdict,
    /// SQL expressions over `records` that must be known and equal on both sides.
    #[serde(default)]
    pub same: Vec<String>,
    /// SQL expressions over `records` that must be known and different.
    #[serde(default)]
    pub differ: Vec<String>,
    /// Comparisons, by name, that must be known and at their loosest level: different by more than
    /// a slip.
    #[serde(default)]
    pub unlike: Vec<String>,
    /// An SQL condition over the columns of two records `l` and `r` of `records` that must hold,
    /// in either order of the two: `l.tax_id = r.tax_id AND l.name <> r.name`.
    #[serde(default, rename = "where")]
    pub condition: Option<String>,
}

/// What a deterministic rule decides of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The records are the same entity. Such a rule with `same` keys is a blocking rule too.
    Merge,
    /// The records are never the same entity, nor may their clusters be joined.
    Separate,
}

/// When the model is trained again, and the predecessor's no longer used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retrain {
    /// In every run.
    Always,
    /// Where comparisons, training or links differ from those of the run before, or there is none.
    #[default]
    WhenChanged,
}

/// How the model is trained.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// When a run trains anew and does not use its predecessor's model.
    pub retrain: Retrain,
    /// Random pairs from which u probabilities are counted: all pairs of a sample of records that has so many.
    pub random_pairs: u64,
    /// The seed of every random draw.
    pub seed: u64,
    /// The largest number of EM iterations.
    pub max_iterations: u32,
    /// EM has converged when no probability moves by more than this.
    pub tolerance: f64,
    /// A trained model to use in place of training: a model file, relative to the pipeline file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// m and u probabilities that are given and not trained, by comparison name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub given: IndexMap<String, GivenProbabilities>,
    /// The probability that two records drawn at random are of one entity, where it is known and not trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior: Option<f64>,
    /// The share of pairs of one entity that the `merge` rules find, where it is known: the prior follows from their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules_recall: Option<f64>,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            retrain: Retrain::default(),
            random_pairs: 4_000_000,
            seed: 42,
            max_iterations: 1000,
            tolerance: 1e-6,
            model: None,
            given: IndexMap::new(),
            prior: None,
            rules_recall: None,
        }
    }
}

/// Probabilities of a comparison's levels, from strict to loose, the last for all else.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenProbabilities {
    /// The probability of each level among pairs of one entity; trained where it is not given.
    #[serde(default)]
    pub m: Vec<f64>,
    /// The probability of each level among pairs that agree by chance; counted where it is not given.
    #[serde(default)]
    pub u: Vec<f64>,
}

/// The match probabilities at which pairs are merged or put to review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Pairs at or above are merged. The default merges what is likelier one entity than not.
    pub merge: f64,
    /// Pairs at or above, and under `merge`, are put to review; those under are separate.
    pub review: f64,
    /// The least precision of merged pairs, as the model expects it or the judged `sample` shows: where the pairs at or above `merge` fall short, `merge` is raised until they do not.
    pub precision: Option<f64>,
    /// Pairs that a person judged, by which `precision` is kept: a file that `simurgh sample` wrote, its column `verdict` filled in, relative to the pipeline file.
    #[serde(skip_serializing)]
    pub sample: Option<String>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { merge: 0.5, review: 0.2, precision: None, sample: None }
    }
}

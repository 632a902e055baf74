//! Settings saved by Splink (versions 4 and 5), read as ours: blocking rules, comparisons with their
//! levels, m and u, the prior, the link type.
//!
//! Knows what Splink writes; refuses to guess: what has no counterpart here is refused by its name,
//! its place and its SQL, and what is taken over with a difference is said in a note. Nothing is
//! run: the columns that the settings name are looked for where they are planned.

mod condition;

use serde::Deserialize;

use self::condition::{Condition, Measure};
use crate::error::{Error, Result};
use crate::resolve::{
    BlockingRule, ComparisonSettings, GivenProbabilities, Level, LinkType, Resolve, Thresholds,
    Training,
};

/// What a settings file of Splink says, as ours.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The settings. Where every level of a comparison has them, its m and u are under
    /// `training.given`.
    pub resolve: Resolve,
    /// The probability that two records drawn at random are of one entity.
    pub prior: Option<f64>,
    /// The column with each record's id.
    pub unique_id: String,
    /// The column with each record's source.
    pub source: String,
    /// What was taken over with a difference.
    pub notes: Vec<String>,
}

/// The parts of a settings file that we read. All else is about charts and columns to keep.
#[derive(Deserialize)]
struct Settings {
    link_type: LinkType,
    comparisons: Vec<Comparison>,
    #[serde(default)]
    blocking_rules_to_generate_predictions: Vec<Blocking>,
    probability_two_random_records_match: Option<f64>,
    #[serde(default = "unique_id")]
    unique_id_column_name: String,
    #[serde(default = "source")]
    source_dataset_column_name: String,
}

fn unique_id() -> String {
    "unique_id".to_owned()
}

fn source() -> String {
    "source_dataset".to_owned()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Blocking {
    Sql(String),
    Rule { blocking_rule: String },
}

#[derive(Deserialize)]
struct Comparison {
    output_column_name: String,
    comparison_levels: Vec<SavedLevel>,
}

#[derive(Deserialize)]
struct SavedLevel {
    sql_condition: String,
    #[serde(default)]
    label_for_charts: String,
    #[serde(default)]
    is_null_level: bool,
    m_probability: Option<f64>,
    u_probability: Option<f64>,
    tf_adjustment_column: Option<String>,
    tf_adjustment_weight: Option<f64>,
    tf_minimum_u_value: Option<f64>,
}

/// The most records of a block: Splink knows no bound, so this one is generous.
const MAX_BLOCK: u32 = 5000;

/// Reads a settings file that Splink saved (`linker.misc.save_model_to_json`).
///
/// # Errors
/// Where it is not such a file, or says what has no counterpart: every such place at once, by
/// comparison, level and SQL.
pub fn read(text: &str) -> Result<Imported> {
    let settings: Settings = serde_json::from_str(text).map_err(|error| {
        Error::configuration(format!(
            "these are no settings of Splink: {} at line {}",
            kind(&error),
            error.line()
        ))
        .help("give the JSON file that `linker.misc.save_model_to_json` writes (Splink 4 or 5)")
    })?;
    let (mut refused, mut notes) = (Vec::new(), Vec::new());
    let mut blocking = Vec::new();
    for (index, rule) in settings.blocking_rules_to_generate_predictions.iter().enumerate() {
        let (Blocking::Sql(sql) | Blocking::Rule { blocking_rule: sql }) = rule;
        match condition::blocking_keys(sql) {
            Ok((keys, rest)) => {
                for sql in rest {
                    notes.push(format!(
                        "blocking rule {}: pairs are not narrowed by `{sql}`: they are compared, and \
                         more of them",
                        index + 1
                    ));
                }
                let name = keys.join(" and ").replace('"', "");
                let twice = blocking.iter().any(|own: &BlockingRule| own.name == name);
                let name = if twice { format!("{name} ({})", index + 1) } else { name };
                blocking.push(BlockingRule {
                    name,
                    keys,
                    refine: Vec::new(),
                    max_block: MAX_BLOCK,
                });
            }
            Err(why) => refused.push(format!("blocking rule {} `{sql}`: {why}", index + 1)),
        }
    }
    let mut comparisons = Vec::new();
    let mut training = Training::default();
    for comparison in &settings.comparisons {
        let name = &comparison.output_column_name;
        match comparison.read(&mut notes) {
            Ok((own, given)) => {
                comparisons.push(own);
                training.given.extend(given.map(|given| (name.clone(), given)));
            }
            Err(why) => {
                refused.extend(why.into_iter().map(|why| format!("comparison `{name}`, {why}")))
            }
        }
    }
    if !refused.is_empty() {
        return Err(Error::configuration(format!(
            "Splink's settings hold what has no counterpart:\n- {}",
            refused.join("\n- ")
        ))
        .help("write these as comparisons of type `sql`, or leave them out of the file"));
    }
    Ok(Imported {
        resolve: Resolve {
            blocking,
            comparisons,
            rules: Vec::new(),
            training,
            thresholds: Thresholds::default(),
            link: settings.link_type,
            duplicate_free: Vec::new(),
        },
        prior: settings.probability_two_random_records_match,
        unique_id: settings.unique_id_column_name,
        source: settings.source_dataset_column_name,
        notes,
    })
}

fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a key is missing or of another type",
        serde_json::error::Category::Eof => "the file ends too early",
        _ => "this is not JSON",
    }
}

impl Comparison {
    /// The comparison as ours and, where all levels have them, its m and u.
    fn read(
        &self,
        notes: &mut Vec<String>,
    ) -> std::result::Result<(ComparisonSettings, Option<GivenProbabilities>), Vec<String>> {
        let mut refused = Vec::new();
        let (mut null, mut levels, mut conditions) = (None, Vec::new(), Vec::new());
        let (mut last, mut is_whole) = (None, false);
        for (index, level) in self.comparison_levels.iter().enumerate() {
            let sql = level.sql_condition.trim();
            if is_whole {
                refused.push(format!("level {} `{sql}`: it stands after ELSE", index + 1));
            } else if sql.eq_ignore_ascii_case("else") {
                (last, is_whole) = (Some(level), true);
            } else {
                match Condition::parse(sql) {
                    Ok(condition) if level.is_null_level => null = Some(condition),
                    Ok(condition) => {
                        levels.push(level);
                        conditions.push(condition);
                    }
                    Err(why) => refused.push(format!(
                        "level {} ({}) `{}`: {why}",
                        index + 1,
                        level.label_for_charts,
                        sql.split_whitespace().collect::<Vec<_>>().join(" "),
                    )),
                }
            }
        }
        let Some(last) = last else {
            refused.push("level ELSE: it is missing".to_owned());
            return Err(refused);
        };
        if conditions.is_empty() && refused.is_empty() {
            refused.push("level 1: there is none but null and ELSE".to_owned());
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        let mut own = kind_of(&self.output_column_name, null.as_ref(), &conditions);
        self.term_frequency(&mut own, &conditions, &levels, notes);
        levels.push(last);
        Ok((own, given(&self.output_column_name, &levels, notes)))
    }

    /// Term frequencies, where the first level's adjustment is over the comparison's own column.
    fn term_frequency(
        &self,
        own: &mut ComparisonSettings,
        conditions: &[Condition],
        levels: &[&SavedLevel],
        notes: &mut Vec<String>,
    ) {
        for (index, level) in levels.iter().enumerate() {
            let Some(column) = &level.tf_adjustment_column else { continue };
            let quoted = condition::quoted(column);
            let first =
                index == 0 && conditions.first().is_some_and(|c| c.equal.as_ref() == Some(&quoted));
            if first {
                own.term_frequency = true;
                own.columns = vec![quoted];
            }
            let plain = level.tf_adjustment_weight.is_none_or(|weight| weight == 1.0)
                && level.tf_minimum_u_value.is_none_or(|least| least == 0.0);
            if !first || !plain {
                let what = if first { "weight and least u" } else { "adjustment" };
                notes.push(format!(
                    "comparison `{}`: the term frequency {what} of `{column}` at level `{}` is left out",
                    self.output_column_name, level.label_for_charts
                ));
            }
        }
    }
}

/// The kind of comparison that measures what these levels do; `sql` where none does.
fn kind_of(name: &str, null: Option<&Condition>, conditions: &[Condition]) -> ComparisonSettings {
    let settings = |kind: &str, columns, levels| ComparisonSettings {
        name: name.to_owned(),
        kind: kind.to_owned(),
        columns,
        levels,
        term_frequency: false,
    };
    let rest = conditions.get(1..).unwrap_or_default();
    let column = conditions.first().and_then(|first| first.equal.as_ref());
    let own_null = |column: &str| null.is_some_and(|null| null.null.as_deref() == Some(column));
    if let Some(column) = column.filter(|column| own_null(column)) {
        let measures: Option<Vec<&(Measure, String, f64)>> =
            rest.iter().map(|condition| condition.measure.as_ref()).collect();
        let measures = measures.filter(|list| list.iter().all(|own| own.1 == *column));
        let one_kind = measures.filter(|list| list.windows(2).all(|pair| pair[0].0 == pair[1].0));
        let strict = |list: &[&(Measure, String, f64)]| {
            list.windows(2).all(|pair| match pair[0].0.falls() {
                true => pair[0].2 > pair[1].2,
                false => pair[0].2 < pair[1].2,
            })
        };
        if let Some(list) = one_kind.filter(|list| strict(list)) {
            let kind = list.first().map_or("exact", |first| first.0.kind());
            let levels = list.iter().map(|own| Level::Number(own.2)).collect();
            return settings(kind, vec![column.clone()], levels);
        }
    }
    // Three-valued logic says the same as the null level where every condition is of its column
    // and nothing in one turns a null to a value or a value to null.
    let plain = |own: &Condition| {
        own.is_strict && null.is_some_and(|null| null.null.is_some() && null.columns == own.columns)
    };
    let all_plain = conditions.iter().all(plain);
    let levels = conditions.iter().map(|own| {
        Level::Text(match null {
            _ if all_plain => own.sql.clone(),
            Some(null) => {
                format!("CASE WHEN {} THEN NULL ELSE coalesce({}, false) END", null.sql, own.sql)
            }
            None => format!("coalesce({}, false)", own.sql),
        })
    });
    settings("sql", Vec::new(), levels.collect())
}

/// The least probability of a level.
const LEAST: f64 = 1e-9;

/// m and u of the levels, strict to loose, each summing to 1.
fn given(
    name: &str,
    levels: &[&SavedLevel],
    notes: &mut Vec<String>,
) -> Option<GivenProbabilities> {
    let whole = |list: Vec<Option<f64>>| -> Option<Vec<f64>> {
        let list: Option<Vec<f64>> = list.into_iter().collect();
        let list: Vec<f64> = list?.into_iter().map(|p| p.max(LEAST)).collect();
        let sum: f64 = list.iter().sum();
        sum.is_finite().then(|| list.iter().map(|p| p / sum).collect())
    };
    let m = whole(levels.iter().map(|level| level.m_probability).collect());
    let u = whole(levels.iter().map(|level| level.u_probability).collect());
    if let (Some(m), Some(u)) = (m, u) {
        return Some(GivenProbabilities { m, u });
    }
    if levels.iter().any(|level| level.m_probability.or(level.u_probability).is_some()) {
        notes.push(format!(
            "comparison `{name}`: some levels have no m or u, so it is trained anew"
        ));
    }
    None
}

#[cfg(test)]
mod tests;

//! The check of a bundle: every decision made again, and what does not fit.
//!
//! Made of the stages themselves: the same comparisons, scorer, guards and survivorship as a run's, on
//! the bundle's own records. Findings name places, never values.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::array_value_to_string;
use serde::{Deserialize, Serialize};

use super::bundle::Bundle;
use super::names;
use crate::consent::Consents;
use crate::engine::{Engine, Options};
use crate::error::{Error, Result};
use crate::golden::{self, Golden};
use crate::pipeline::{check as configuration, resolution};
use crate::resolve::{self, Inspector, Model, RecordKey, Resolve, StewardDecision};
use crate::tables;

/// What a check came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Audited {
    /// The run whose decisions were made again.
    pub run_id: String,
    /// Customers.
    pub customers: usize,
    /// Records.
    pub records: usize,
    /// Pairs that were scored again.
    pub pairs: usize,
    /// Golden values that survived again.
    pub values: usize,
    /// What does not fit: names places, never values.
    pub findings: Vec<String>,
}

/// What of a pipeline a bundle holds.
#[derive(Deserialize)]
struct Settings {
    resolve: indexmap::IndexMap<String, Resolve>,
    golden: Golden,
}

/// Makes the decisions of a bundle again, and says what does not fit.
///
/// # Errors
/// Where the file is no bundle. What does not fit is no error: it is in the findings.
pub async fn check(bytes: &[u8]) -> Result<Audited> {
    let (bundle, findings) = Bundle::unpack(bytes)?;
    let mut audited =
        Audited { run_id: bundle.cover.run_id.clone(), findings, ..Audited::default() };
    let settings: Settings = serde_json::from_value(bundle.cover.settings.clone())
        .map_err(|_| Error::data("the bundle's settings are damaged"))?;
    let engine = Engine::new(&Options::default())?;
    let records = bundle.table(tables::RECORDS)?;
    let Some(first) = records.first() else {
        return Err(Error::data("the bundle holds no records").help("export it again"));
    };
    engine.register(tables::RECORDS, engine.batches(first.schema(), records.clone())?)?;
    let pairs = Pair::read(&bundle.table(tables::SCORED_PAIRS)?)?;
    let members = members(&bundle.table(tables::ENTITY_MEMBERS)?)?;
    let decisions = decisions(&bundle.table(tables::DECISIONS)?)?;
    audited.customers = bundle.cover.golden_ids.len();
    audited.records = members.len();
    let mut guarded: BTreeSet<(RecordKey, RecordKey)> = BTreeSet::new();
    let mut judged = BTreeSet::new();
    for hash in pairs.iter().map(|pair| &pair.model_hash).collect::<BTreeSet<_>>() {
        let name = format!("models/{hash}.json");
        let Some(model) = bundle.get(&name).and_then(|text| std::str::from_utf8(text).ok()) else {
            audited.findings.push(format!("{name}: is missing: its pairs cannot be judged"));
            continue;
        };
        let model = Model::from_json(model)?;
        if model.hash()? != *hash {
            audited.findings.push(format!("{name}: is not the model of this name"));
        }
        let Some((kind, own)) = settings.resolve.get_key_value(&model.kind) else {
            audited.findings.push(format!("{name}: is of a kind that the settings do not resolve"));
            continue;
        };
        let input = resolution::input_of(&engine, kind, kind, own).await?;
        let options = resolve::Options { threads: 1 };
        let inspector = Inspector::new(&input, options)?;
        let scoring = inspector.scoring(&model)?;
        for pair in pairs.iter().filter(|pair| pair.model_hash == *hash) {
            judged.insert((&pair.l, &pair.r));
            let found = pair.judge(&inspector, &scoring, &model, own, &decisions);
            audited.findings.extend(found);
        }
        let of_kind: Vec<StewardDecision> = decisions
            .iter()
            .filter(|own| inspector.row(&own.a).is_some() && inspector.row(&own.b).is_some())
            .cloned()
            .collect();
        let again = resolve::resolve(&input, &of_kind, Some(model.clone()), options)?;
        for guard in again.guards {
            guarded.insert((guard.l.clone(), guard.r.clone()));
        }
    }
    audited.pairs = judged.len();
    let told: BTreeSet<&str> = bundle.cover.golden_ids.iter().map(String::as_str).collect();
    audited.findings.extend(clusters(&members, &pairs, &guarded, &told));
    let overrides = match bundle.get("overrides.csv") {
        Some(_) => golden::overrides(bundle.text("overrides.csv")?, "overrides.csv")?,
        None => Vec::new(),
    };
    survivors(&engine, &bundle, &settings.golden, &overrides, &members, &told, &mut audited)
        .await?;
    audited.findings.sort();
    audited.findings.dedup();
    Ok(audited)
}

fn text(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    let column = batch.column_by_name(name).and_then(|own| cast(own, &DataType::Utf8).ok());
    column
        .map(|column| column.as_string::<i32>().clone())
        .ok_or_else(|| Error::data(format!("the bundle lacks the column {name}")))
}

/// Every record with its customer.
fn members(batches: &[RecordBatch]) -> Result<BTreeMap<RecordKey, String>> {
    let mut members = BTreeMap::new();
    for batch in batches {
        let [id, source, record] = ["golden_id", "source", "record_id"].map(|n| text(batch, n));
        let (id, source, record) = (id?, source?, record?);
        for row in 0..batch.num_rows() {
            let key = RecordKey::new(source.value(row), record.value(row));
            members.insert(key, id.value(row).to_owned());
        }
    }
    Ok(members)
}

/// Stewards' decisions that are not withdrawn, in order.
fn decisions(batches: &[RecordBatch]) -> Result<Vec<StewardDecision>> {
    let mut found = Vec::new();
    for batch in batches {
        let [a, b, verdict, by] = ["a", "b", "verdict", "by"].map(|name| text(batch, name));
        let (a, b, verdict, by) = (a?, b?, verdict?, by?);
        let withdrawn = batch.column_by_name("withdrawn_at");
        for row in 0..batch.num_rows() {
            if withdrawn.is_some_and(|column| column.is_valid(row)) {
                continue;
            }
            if let (Some(a), Some(b)) =
                (RecordKey::parse(a.value(row)), RecordKey::parse(b.value(row)))
            {
                let same = verdict.value(row) == "same";
                found.push(StewardDecision { a, b, same, by: by.value(row).to_owned() });
            }
        }
    }
    Ok(found)
}

/// A pair as it was logged.
struct Pair {
    l: RecordKey,
    r: RecordKey,
    match_weight: f64,
    match_probability: f64,
    levels: Vec<i64>,
    weights: Vec<f64>,
    decision: String,
    decided_by: String,
    model_hash: String,
}

impl Pair {
    fn read(batches: &[RecordBatch]) -> Result<Vec<Self>> {
        let mut pairs = Vec::new();
        for batch in batches {
            let own = |name: &str| text(batch, name);
            let (source_l, record_l) = (own("source_l")?, own("record_id_l")?);
            let (source_r, record_r) = (own("source_r")?, own("record_id_r")?);
            let (decision, by, model) = (own("decision")?, own("decided_by")?, own("model_hash")?);
            let number = |name: &str| -> Result<Vec<f64>> {
                let column = batch.column_by_name(name);
                let column = column.and_then(|c| c.as_primitive_opt::<Float64Type>());
                let column = column
                    .ok_or_else(|| Error::data(format!("the bundle lacks the column {name}")))?;
                Ok(column.values().to_vec())
            };
            let list = |name: &str, row: usize| -> Result<Vec<f64>> {
                let column = batch.column_by_name(name).and_then(|c| c.as_list_opt::<i32>());
                let items = column.and_then(|c| cast(&c.value(row), &DataType::Float64).ok());
                let items = items
                    .ok_or_else(|| Error::data(format!("the bundle lacks the column {name}")))?;
                Ok(items.as_primitive::<Float64Type>().values().to_vec())
            };
            let (weight, likely) = (number("match_weight")?, number("match_probability")?);
            for row in 0..batch.num_rows() {
                pairs.push(Self {
                    l: RecordKey::new(source_l.value(row), record_l.value(row)),
                    r: RecordKey::new(source_r.value(row), record_r.value(row)),
                    match_weight: weight[row],
                    match_probability: likely[row],
                    levels: list("levels", row)?.into_iter().map(|level| level as i64).collect(),
                    weights: list("weights", row)?,
                    decision: decision.value(row).to_owned(),
                    decided_by: by.value(row).to_owned(),
                    model_hash: model.value(row).to_owned(),
                });
            }
        }
        Ok(pairs)
    }

    /// Scores the pair again: values to levels to weights to the decision.
    fn judge(
        &self,
        inspector: &Inspector<'_>,
        scoring: &resolve::Scoring<'_>,
        model: &Model,
        settings: &Resolve,
        decisions: &[StewardDecision],
    ) -> Vec<String> {
        let place = format!("pair {} {}", self.l, self.r);
        let (Some(l), Some(r)) = (inspector.row(&self.l), inspector.row(&self.r)) else {
            return vec![format!("{place}: one of its records is not in the bundle")];
        };
        let again = scoring.waterfall(l, r);
        let mut findings = Vec::new();
        let mut differs = |what: &str| findings.push(format!("{place}: {what}"));
        for (at, (part, comparison)) in again.parts.iter().zip(&model.comparisons).enumerate() {
            let level = part.level.as_ref().map_or(0, |name| {
                comparison
                    .levels
                    .iter()
                    .position(|own| own.name == *name)
                    .map_or(-1, |n| n as i64 + 1)
            });
            if self.levels.get(at) != Some(&level) {
                differs(&format!("`{}` is of another level than was logged", part.comparison));
            }
            if self.weights.get(at) != Some(&part.weight) {
                differs(&format!("`{}` has another weight than was logged", part.comparison));
            }
        }
        if self.weights.len() != again.parts.len() {
            differs("it was logged with another number of comparisons");
        }
        if again.match_weight != self.match_weight {
            differs("the match weight is another than was logged");
        }
        if again.match_probability != self.match_probability {
            differs("the match probability is another than was logged");
        }
        let thresholds = &settings.thresholds;
        let steward = decisions.iter().rev().find(|own| {
            (own.a == self.l && own.b == self.r) || (own.a == self.r && own.b == self.l)
        });
        let likely = again.match_probability;
        let (decision, by) = match (steward, &again.rule) {
            (Some(own), _) => {
                (if own.same { "merge" } else { "separate" }, format!("steward:{}", own.by))
            }
            (None, Some((rule, merges))) => {
                (if *merges { "merge" } else { "separate" }, format!("rule:{rule}"))
            }
            (None, None) if likely >= thresholds.merge => ("merge", "model".to_owned()),
            (None, None) if likely >= thresholds.review => ("review", "model".to_owned()),
            (None, None) => ("separate", "model".to_owned()),
        };
        // Where a precision is asked for, the whole run's pairs decide from which weight on.
        let raised = thresholds.precision.is_some() && decision == "merge" && by == "model";
        if by != self.decided_by {
            differs("it was decided by another than the rules, the stewards and the model say");
        } else if decision != self.decision && !(raised && self.decision == "review") {
            differs("the decision is another than its probability and the thresholds give");
        }
        findings
    }
}

/// Whether pairs that merge are what makes each customer one.
fn clusters(
    members: &BTreeMap<RecordKey, String>,
    pairs: &[Pair],
    guarded: &BTreeSet<(RecordKey, RecordKey)>,
    told: &BTreeSet<&str>,
) -> Vec<String> {
    let mut findings = Vec::new();
    let mut group: BTreeMap<&RecordKey, usize> =
        members.keys().enumerate().map(|(place, key)| (key, place)).collect();
    for pair in pairs.iter().filter(|pair| pair.decision == "merge") {
        let (Some(l), Some(r)) = (members.get(&pair.l), members.get(&pair.r)) else { continue };
        if l == r {
            let (from, to) = (group[&pair.r], group[&pair.l]);
            group.values_mut().filter(|own| **own == from).for_each(|own| *own = to);
        } else if !guarded.contains(&(pair.l.clone(), pair.r.clone()))
            && !guarded.contains(&(pair.r.clone(), pair.l.clone()))
        {
            findings.push(format!(
                "pair {} {}: merges, and its records are of two customers without a guard between them",
                pair.l, pair.r
            ));
        }
    }
    for id in told {
        let own: BTreeSet<usize> = members
            .iter()
            .filter(|(_, golden_id)| golden_id == id)
            .map(|(key, _)| group[key])
            .collect();
        if own.is_empty() {
            findings.push(format!("customer {id}: has no records"));
        } else if own.len() > 1 {
            findings.push(format!("customer {id}: its pairs do not join all its records"));
        }
    }
    findings
}

/// Whether golden values are those that survive.
async fn survivors(
    engine: &Engine,
    bundle: &Bundle,
    settings: &Golden,
    overrides: &[golden::Override],
    members: &BTreeMap<RecordKey, String>,
    told: &BTreeSet<&str>,
    audited: &mut Audited,
) -> Result<()> {
    let own: Vec<String> = members
        .iter()
        .filter(|(_, id)| told.contains(id.as_str()))
        .map(|(key, _)| key.to_string())
        .collect();
    names(engine, "audit_keys", "address", &own)?;
    let evaluated = configuration::golden_expressions(engine, settings).await?;
    engine.register("audit_evaluated", evaluated)?;
    let sql = "SELECT * FROM audit_evaluated \
               WHERE source || ':' || record_id IN (SELECT address FROM audit_keys)";
    let records = engine.collect_one(engine.sql(sql, "audit").await?, "audit").await?;
    let kept = bundle.table(tables::ENTITY_MEMBERS)?;
    let Some(first) = kept.first() else { return Ok(()) };
    engine.register("audit_members", engine.batches(first.schema(), kept)?)?;
    let sql = "SELECT * FROM audit_members \
               WHERE source || ':' || record_id IN (SELECT address FROM audit_keys)";
    let kept = engine.collect_one(engine.sql(sql, "audit").await?, "audit").await?;
    // Who is related is a matter of all customers: it is not judged here.
    let alone = Golden { relations: Vec::new(), ..settings.clone() };
    let day: jiff::civil::Date = bundle
        .cover
        .logical_date
        .parse()
        .map_err(|_| Error::data("the bundle's logical date is damaged"))?;
    let again = golden::survive(&golden::Material {
        records: &[records],
        members: golden::Members::Table(&[kept]),
        settings: &alone,
        logical_date: resolution::days(day),
        overrides,
        consents: &Consents::default(),
    })?;
    let lineage = again.lineage.collect::<Result<Vec<_>>>()?;
    for (name, key, made) in [
        (tables::CUSTOMERS, &["golden_id"][..], again.customers),
        (tables::CUSTOMER_LINEAGE, &["golden_id", "attribute", "source", "record_id"], lineage),
    ] {
        let (expected, landed) = (rows(&made, key)?, rows(&bundle.table(name)?, key)?);
        audited.values += landed.len();
        for (place, own) in &landed {
            match expected.get(place) {
                None => audited
                    .findings
                    .push(format!("{name} {place}: does not follow from the records")),
                Some(again) => {
                    let columns =
                        own.iter().filter(|(column, value)| again.get(*column) != Some(value));
                    for (column, _) in columns {
                        audited
                            .findings
                            .push(format!("{name} {place}: `{column}` is not what survives"));
                    }
                }
            }
        }
        for place in expected.keys().filter(|place| !landed.contains_key(*place)) {
            audited.findings.push(format!("{name} {place}: is missing"));
        }
    }
    Ok(())
}

/// Rows by their key, each value as text; null is absent.
type Rows = BTreeMap<String, BTreeMap<String, Option<String>>>;

fn rows(batches: &[RecordBatch], key: &[&str]) -> Result<Rows> {
    let mut rows = Rows::new();
    for batch in batches {
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let cell = |name: &str| -> Result<Option<String>> {
                let Some(column) = batch.column_by_name(name) else { return Ok(None) };
                if column.is_null(row) {
                    return Ok(None);
                }
                array_value_to_string(column, row)
                    .map(Some)
                    .map_err(|_| Error::data(format!("the bundle's {name} cannot be read as text")))
            };
            let mut place = Vec::new();
            for name in key {
                place.push(cell(name)?.unwrap_or_default());
            }
            let mut values = BTreeMap::new();
            for field in schema.fields() {
                values.insert(field.name().clone(), cell(field.name())?);
            }
            rows.insert(place.join(" "), values);
        }
    }
    Ok(rows)
}

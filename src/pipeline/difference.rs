//! What lies between two sets of tables: entities created, merged, split; ids that moved, values
//! that changed, and which facts move with them.
//!
//! Knows the two sets as SQL tables, `before_<name>` and `after_<name>`; refuses to know whether
//! they are published, or what may be changed. Counts, ids and names of columns; never a value.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, Schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::tables;

/// What lies between two sets of tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Entities before.
    pub entities_before: u64,
    /// Entities after.
    pub entities_after: u64,
    /// Entities none of whose records was there before.
    pub created: u64,
    /// Entities none of whose records is there any more.
    pub retired: u64,
    /// Entities that went into another.
    pub merged: u64,
    /// Entities that came out of another.
    pub split: u64,
    /// Golden ids that are gone though their records are not.
    pub redirected: u64,
    /// Records, there before and after, whose golden id is another.
    pub records_moved: u64,
    /// Entities that are there before and after under one id.
    pub kept: u64,
    /// Those of them with another value of an attribute.
    pub changed: u64,
    /// How many of these, by attribute.
    pub attributes: BTreeMap<String, u64>,
    /// What moves to another golden id, by table of facts.
    pub facts: BTreeMap<String, Moved>,
    /// The largest entities that were made of several, by size.
    pub largest: Vec<Cluster>,
    /// Why entities were merged, the likeliest first.
    pub causes: Vec<Cause>,
}

/// What of one table of facts moves to another golden id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// Its rows.
    pub rows: u64,
    /// Those that move.
    pub moved: u64,
    /// The column of money that is summed, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The sum of all amounts, without their signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The sum of those that move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_amount: Option<String>,
}

/// An entity that was made of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cluster {
    /// Its golden id.
    pub golden_id: String,
    /// Its records.
    pub records: u64,
    /// The entities that they were of.
    pub entities_before: u64,
}

/// Why pairs that join entities were merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Pairs for which it holds.
    pub pairs: u64,
    /// Of so many pairs that join entities.
    pub of: u64,
    /// The cause, in words.
    pub cause: String,
}

/// Clusters that are shown.
const SHOWN: usize = 5;

/// Pairs that a cause is looked for in, at most.
const PAIRS: usize = 20_000;

/// Compares. `facts` are the tables whose rows belong to records; `amounts` the columns of money
/// to sum, by table; `comparisons` the names of each kind's comparisons, in their order.
pub(super) async fn difference(
    engine: &Engine,
    facts: &[String],
    amounts: &BTreeMap<String, String>,
    comparisons: &BTreeMap<String, Vec<String>>,
) -> Result<Difference> {
    for (name, sql) in [
        (
            "diff_records",
            "SELECT b.source, b.record_id, b.golden_id AS old_id, a.golden_id AS new_id \
             FROM before_entity_members b JOIN after_entity_members a \
             ON a.source = b.source AND a.record_id = b.record_id",
        ),
        ("diff_overlap", "SELECT DISTINCT old_id, new_id FROM diff_records"),
        ("diff_moved", "SELECT source, record_id FROM diff_records WHERE old_id <> new_id"),
        ("diff_old", "SELECT DISTINCT golden_id FROM before_entity_members"),
        ("diff_new", "SELECT DISTINCT golden_id FROM after_entity_members"),
        (
            "diff_merged",
            "SELECT new_id, count(*) AS entities FROM diff_overlap GROUP BY new_id \
             HAVING count(*) > 1",
        ),
    ] {
        let frame = engine.sql(sql, name).await?;
        if name == "diff_records" {
            // As long as the records: made anew for each that reads it.
            engine.register(name, frame)?;
            continue;
        }
        let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
        let batches = engine.collect(frame, name).await?;
        engine.register(name, engine.batches(schema, batches)?)?;
    }
    let mut found = Difference {
        entities_before: count(engine, "SELECT count(*) FROM diff_old").await?,
        entities_after: count(engine, "SELECT count(*) FROM diff_new").await?,
        created: count(
            engine,
            "SELECT count(*) FROM diff_new a LEFT ANTI JOIN diff_overlap o ON a.golden_id = o.new_id",
        )
        .await?,
        retired: count(
            engine,
            "SELECT count(*) FROM diff_old b LEFT ANTI JOIN diff_overlap o ON b.golden_id = o.old_id",
        )
        .await?,
        merged: count(engine, "SELECT coalesce(sum(entities - 1), 0) FROM diff_merged").await?,
        split: count(
            engine,
            "SELECT coalesce(sum(parts - 1), 0) FROM \
             (SELECT old_id, count(*) AS parts FROM diff_overlap GROUP BY old_id)",
        )
        .await?,
        redirected: count(
            engine,
            "SELECT count(*) FROM (SELECT DISTINCT old_id FROM diff_overlap) o \
             LEFT ANTI JOIN diff_new a ON o.old_id = a.golden_id",
        )
        .await?,
        records_moved: count(engine, "SELECT count(*) FROM diff_moved").await?,
        ..Difference::default()
    };
    attributes(engine, &mut found).await?;
    if found.records_moved > 0 {
        for table in facts {
            let amount = amounts.get(table).map(String::as_str);
            found.facts.insert(table.clone(), moved(engine, table, amount).await?);
        }
    }
    if found.merged > 0 {
        found.largest = largest(engine).await?;
        found.causes = causes(engine, comparisons).await?;
    }
    Ok(found)
}

async fn query(engine: &Engine, sql: &str) -> Result<RecordBatch> {
    const WHAT: &str = "comparing two runs";
    engine.collect_one(engine.sql(sql, WHAT).await?, WHAT).await
}

/// A column as 64-bit integers.
fn integer(batch: &RecordBatch, column: usize, row: usize) -> u64 {
    let cast = arrow::compute::cast(batch.column(column), &DataType::Int64).ok();
    let array = cast.as_ref().and_then(|array| array.as_primitive_opt::<Int64Type>());
    array
        .filter(|array| row < array.len() && array.is_valid(row))
        .map_or(0, |array| u64::try_from(array.value(row)).unwrap_or(0))
}

/// A column as text; none where it is null.
fn text(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let cast = arrow::compute::cast(batch.column(column), &DataType::Utf8).ok()?;
    let array = cast.as_string_opt::<i32>()?;
    (row < array.len() && array.is_valid(row)).then(|| array.value(row).to_owned())
}

async fn count(engine: &Engine, sql: &str) -> Result<u64> {
    Ok(integer(&query(engine, sql).await?, 0, 0))
}

async fn schema_of(engine: &Engine, table: &str) -> Result<Schema> {
    let frame = engine.sql(&format!("SELECT * FROM \"{table}\""), table).await?;
    Ok(frame.schema().as_arrow().clone())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Columns of `customers` that count and date its records: no attributes.
const COUNTED: &[&str] =
    &["golden_id", "member_count", "source_count", "first_seen", "last_updated"];

async fn attributes(engine: &Engine, found: &mut Difference) -> Result<()> {
    let before = schema_of(engine, "before_customers").await?;
    let after = schema_of(engine, "after_customers").await?;
    let names: Vec<&String> = after
        .fields()
        .iter()
        .map(|field| field.name())
        .filter(|name| !COUNTED.contains(&name.as_str()) && before.field_with_name(name).is_ok())
        .collect();
    let differs: Vec<String> = names
        .iter()
        .map(|name| {
            let (own, column) = (after.field_with_name(name), quoted(name));
            let same = before.field_with_name(name).ok().map(|field| field.data_type())
                == own.ok().map(|field| field.data_type());
            match same {
                true => format!("(b.{column} IS DISTINCT FROM a.{column})"),
                false => format!(
                    "(CAST(b.{column} AS VARCHAR) IS DISTINCT FROM CAST(a.{column} AS VARCHAR))"
                ),
            }
        })
        .collect();
    let sum =
        |condition: &str| format!("coalesce(sum(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)");
    let mut columns = vec!["count(*)".to_owned()];
    if !differs.is_empty() {
        columns.push(sum(&differs.join(" OR ")));
        columns.extend(differs.iter().map(|condition| sum(condition)));
    }
    let named: Vec<String> =
        columns.iter().enumerate().map(|(place, column)| format!("{column} AS c{place}")).collect();
    let sql = format!(
        "SELECT {} FROM before_customers b JOIN after_customers a ON a.golden_id = b.golden_id",
        named.join(", ")
    );
    let batch = query(engine, &sql).await?;
    found.kept = integer(&batch, 0, 0);
    if !differs.is_empty() {
        found.changed = integer(&batch, 1, 0);
        let counts = names
            .iter()
            .enumerate()
            .map(|(place, name)| ((*name).clone(), integer(&batch, place + 2, 0)));
        found.attributes = counts.filter(|(_, count)| *count > 0).collect();
    }
    Ok(())
}

async fn moved(engine: &Engine, table: &str, amount: Option<&str>) -> Result<Moved> {
    let name = quoted(&format!("after_{table}"));
    let sum = |of: &str| format!(", CAST(coalesce(sum({of}), 0) AS VARCHAR)");
    let sums = amount.map_or_else(String::new, |column| {
        let amount = format!("abs(f.{})", quoted(column));
        let moves = format!("CASE WHEN m.source IS NOT NULL THEN {amount} ELSE 0 END");
        format!("{} AS c2{} AS c3", sum(&amount), sum(&moves))
    });
    let sql = format!(
        "SELECT count(*) AS c0, count(m.source) AS c1{sums} FROM {name} f \
         LEFT JOIN diff_moved m ON m.source = f.source AND m.record_id = f.record_id"
    );
    let batch = query(engine, &sql).await?;
    Ok(Moved {
        rows: integer(&batch, 0, 0),
        moved: integer(&batch, 1, 0),
        column: amount.map(str::to_owned),
        amount: amount.and_then(|_| text(&batch, 2, 0)),
        moved_amount: amount.and_then(|_| text(&batch, 3, 0)),
    })
}

async fn largest(engine: &Engine) -> Result<Vec<Cluster>> {
    let sql = format!(
        "SELECT g.new_id, count(*) AS records, max(g.entities) AS entities FROM diff_merged g \
         JOIN after_entity_members a ON a.golden_id = g.new_id GROUP BY g.new_id \
         ORDER BY records DESC, g.new_id LIMIT {SHOWN}"
    );
    let batch = query(engine, &sql).await?;
    Ok((0..batch.num_rows())
        .map(|row| Cluster {
            golden_id: text(&batch, 0, row).unwrap_or_default(),
            records: integer(&batch, 1, row),
            entities_before: integer(&batch, 2, row),
        })
        .collect())
}

/// Pairs that join entities which were apart: what decided them, what they agree on most, whether
/// they are new.
async fn causes(
    engine: &Engine,
    comparisons: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<Cause>> {
    let sql = format!(
        "SELECT p.decided_by, p.blocking_rule, c.kind, p.weights, q.decision AS decided_before, \
                p.model_hash <> q.model_hash AS rescored, p.source_l, p.source_r \
         FROM after_scored_pairs p \
         JOIN after_entity_members l ON l.source = p.source_l AND l.record_id = p.record_id_l \
         JOIN diff_merged g ON g.new_id = l.golden_id \
         JOIN after_customers c ON c.golden_id = l.golden_id \
         LEFT JOIN before_entity_members x ON x.source = p.source_l AND x.record_id = p.record_id_l \
         LEFT JOIN before_entity_members y ON y.source = p.source_r AND y.record_id = p.record_id_r \
         LEFT JOIN before_scored_pairs q ON q.source_l = p.source_l AND q.record_id_l = p.record_id_l \
          AND q.source_r = p.source_r AND q.record_id_r = p.record_id_r \
         WHERE p.decision = 'merge' \
          AND (x.golden_id IS NULL OR y.golden_id IS NULL OR x.golden_id <> y.golden_id) \
         ORDER BY p.source_l, p.record_id_l, p.source_r, p.record_id_r LIMIT {PAIRS}"
    );
    let batch = query(engine, &sql).await?;
    let of = batch.num_rows() as u64;
    // Who decided comes before what was new, where as many pairs speak for either.
    let mut counts: BTreeMap<(bool, String), u64> = BTreeMap::new();
    for row in 0..batch.num_rows() {
        let decider = text(&batch, 0, row).unwrap_or_default();
        let decided = match decider.split_once(':') {
            Some(("rule", name)) => format!("the rule `{name}` merges them"),
            Some(("steward", _)) => "a steward decided that they are the same".to_owned(),
            _ => {
                let kind = text(&batch, 2, row).unwrap_or_default();
                let names = comparisons.get(&kind).map(Vec::as_slice).unwrap_or_default();
                match strongest(&batch, row)?.and_then(|place| names.get(place)) {
                    Some(name) => format!("they agree most on `{name}` ({kind})"),
                    None => format!("the model of `{kind}` merges them"),
                }
            }
        };
        *counts.entry((false, decided)).or_default() += 1;
        let new = match (text(&batch, 4, row).as_deref(), text(&batch, 5, row).as_deref()) {
            (None, _) => {
                let (l, r) = (text(&batch, 6, row), text(&batch, 7, row));
                let (l, r) = (l.unwrap_or_default(), r.unwrap_or_default());
                match l == r {
                    true => format!("pairs within `{l}` that were not logged before"),
                    false => format!("pairs of `{l}` and `{r}` that were not logged before"),
                }
            }
            (Some("merge"), _) => "pairs that were merged before join more now".to_owned(),
            (_, Some("true" | "1")) => "another model scores them higher".to_owned(),
            _ => "thresholds, rules or decisions changed".to_owned(),
        };
        *counts.entry((true, new)).or_default() += 1;
    }
    let mut causes: Vec<(bool, Cause)> =
        counts.into_iter().map(|((new, cause), pairs)| (new, Cause { pairs, of, cause })).collect();
    causes.sort_by(|a, b| b.1.pairs.cmp(&a.1.pairs).then_with(|| a.0.cmp(&b.0)));
    let mut causes: Vec<Cause> = causes.into_iter().map(|(_, cause)| cause).collect();
    causes.truncate(SHOWN);
    Ok(causes)
}

/// The place of the comparison that speaks most for a pair.
fn strongest(batch: &RecordBatch, row: usize) -> Result<Option<usize>> {
    let wrong = || Error::bug("scored_pairs: `weights` is no list of numbers");
    let list = batch.column(3).as_list_opt::<i32>().ok_or_else(wrong)?;
    let own = list.value(row);
    let weights = own.as_primitive_opt::<arrow::datatypes::Float64Type>().ok_or_else(wrong)?;
    let best = weights.iter().enumerate().filter_map(|(place, weight)| Some((place, weight?)));
    Ok(best
        .fold(None, |best: Option<(usize, f64)>, (place, weight)| match best {
            Some((_, most)) if most >= weight => best,
            _ => Some((place, weight)),
        })
        .map(|(place, _)| place))
}

/// The tables that a comparison reads beside facts, each with the columns that it has where a set
/// lacks it; none for `customers`, which every set has.
pub(super) const READ: &[&str] = &[tables::CUSTOMERS, tables::ENTITY_MEMBERS, tables::SCORED_PAIRS];

#[cfg(test)]
#[path = "difference_tests.rs"]
mod tests;

//! Any pair of published records, scored now under the model that scored them when they were
//! published: what a run makes of it, and why.
//!
//! Knows the warehouse alone: the manifest names each kind's model and repeats its settings, so that
//! an auditor needs no pipeline file. Reads, of a million records, the keys of all and the rest only
//! of those that could be beside the pair in a block.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use serde::{Deserialize, Serialize};

use super::published::{ask, quoted};
use super::{PublishedTables, models, resolution};
use crate::engine::{Engine, Options};
use crate::error::{Error, Result};
use crate::resolve::{self, Inspector, Model, PairBlocking, RecordKey, Resolve, Waterfall};
use crate::tables;

/// What a run makes of a pair.
#[derive(Debug, Clone, Serialize)]
pub struct PairScore {
    /// The kind of both.
    pub kind: String,
    /// The model, as `scored_pairs` names it.
    pub model_hash: String,
    /// The match probability from which pairs are merged.
    pub merge_threshold: f64,
    /// The match probability from which they are put to review.
    pub review_threshold: f64,
    /// What its match weight is made of.
    pub score: Waterfall,
    /// Why the pair is not compared at all, by the settings.
    pub skipped: Option<String>,
    /// Of each blocking rule, whether it brings the pair together.
    pub blocking: Vec<PairBlocking>,
    /// The values that are compared: the SQL, and what it gives of each; they are personal.
    #[serde(skip)]
    pub values: Vec<(String, [Option<String>; 2])>,
}

impl PairScore {
    /// Whether a run compares the pair.
    pub fn compared(&self) -> bool {
        self.skipped.is_none() && self.blocking.iter().any(|rule| rule.together)
    }

    /// What the rules and the model decide of the pair where it is compared, and which of them.
    pub fn verdict(&self) -> (&'static str, String) {
        let probability = self.score.match_probability;
        match &self.score.rule {
            Some((name, true)) => ("merge", format!("rule:{name}")),
            Some((name, false)) => ("separate", format!("rule:{name}")),
            None if probability >= self.merge_threshold => ("merge", "model".to_owned()),
            None if probability >= self.review_threshold => ("review", "model".to_owned()),
            None => ("separate", "model".to_owned()),
        }
    }
}

/// Published records, and the model and settings of each kind.
pub struct Records<'a> {
    engine: &'a Engine,
    kinds: BTreeMap<String, (Resolve, Model, f64)>,
}

impl<'a> Records<'a> {
    /// Opens the records of a published set.
    ///
    /// # Errors
    /// Where a model is damaged, or the run is of a version that did not keep its settings.
    pub async fn open(published: &'a PublishedTables) -> Result<Self> {
        let mut kinds = BTreeMap::new();
        for entry in models::of_entry(&published.warehouse, &published.entry).await? {
            let settings = Resolve::deserialize(&entry.settings).map_err(|_| {
                Error::data(format!(
                    "run {}: its manifest does not hold the settings of kind `{}`",
                    published.entry.run_id, entry.kind
                ))
                .help("it is of an earlier version: run the pipeline again for this date")
            })?;
            let model = models::read(&published.warehouse, &entry).await?;
            kinds.insert(entry.kind, (settings, model, entry.merge_threshold));
        }
        published.register(&[tables::RECORDS]).await?;
        Ok(Self { engine: published.engine(), kinds })
    }

    /// The kind of a record; none where it is not there.
    async fn kind(&self, key: &RecordKey) -> Result<Option<String>> {
        let sql = format!(
            "SELECT kind FROM records WHERE source = {} AND record_id = {}",
            quoted(&key.source),
            quoted(&key.record_id)
        );
        let batch = self.engine.collect_one(self.engine.sql(&sql, "records").await?, "records");
        let batch = batch.await?;
        let kind = text(&batch, 0)?;
        Ok(kind.iter().flatten().next().map(str::to_owned))
    }

    fn of(&self, kind: &str) -> Result<&(Resolve, Model, f64)> {
        self.kinds.get(kind).ok_or_else(|| {
            Error::data(format!("the manifest names no model of kind `{kind}`"))
                .help("run the pipeline again for this date")
        })
    }

    /// An engine that knows these records of a kind alone, as the table `records`.
    async fn only(&self, kind: &str, keys: &[RecordKey]) -> Result<Engine> {
        ask(self.engine, keys)?;
        let sql = format!(
            "SELECT r.* FROM records r JOIN _asked ON source = asked_source AND record_id = asked_id \
             WHERE kind = {}",
            quoted(kind)
        );
        let frame = self.engine.sql(&sql, "records").await?;
        let batch = self.engine.collect_one(frame, "records").await?;
        let engine = Engine::new(&Options::default())?;
        engine.register(tables::RECORDS, engine.batches(batch.schema(), vec![batch])?)?;
        Ok(engine)
    }

    /// The addresses of the records that share a blocking rule's keys with one of these.
    async fn near(
        &self,
        kind: &str,
        settings: &Resolve,
        asked: &[&RecordKey],
    ) -> Result<Vec<RecordKey>> {
        let what = format!("resolve.{kind}");
        let keys = settings.blocking_keys();
        let frame = self
            .engine
            .sql(&resolution::sql(resolution::records_of(self.engine), kind, &keys, &[]), &what)
            .await?;
        let batch = self.engine.collect_one(frame, &what).await?;
        let (source, record_id) = (text(&batch, 0)?, text(&batch, 1)?);
        let columns = batch.columns().iter().skip(2).cloned();
        let expressions = keys.into_iter().zip(columns).collect();
        let is = |row: &u32, key: &&RecordKey| {
            source.value(*row as usize) == key.source
                && record_id.value(*row as usize) == key.record_id
        };
        let rows: Vec<u32> = (0..batch.num_rows() as u32)
            .filter(|row| asked.iter().any(|key| is(row, key)))
            .collect();
        let near = resolve::near(settings, &expressions, batch.num_rows(), &rows)?;
        let key =
            |row: u32| RecordKey::new(source.value(row as usize), record_id.value(row as usize));
        Ok(near.into_iter().map(key).collect())
    }

    /// Scores a pair, whether or not it was ever compared.
    ///
    /// # Errors
    /// Where a record is not published, or both are of different kinds.
    pub async fn pair(&self, a: &RecordKey, b: &RecordKey) -> Result<PairScore> {
        if a == b {
            return Err(Error::usage("both addresses are of the same record")
                .help("name two records: simurgh explain SOURCE:RECORD_ID SOURCE:RECORD_ID"));
        }
        let mut kinds = Vec::new();
        for (which, key) in [("first", a), ("second", b)] {
            kinds.push(self.kind(key).await?.ok_or_else(|| {
                Error::usage(format!("no published record has the {which} address"))
                    .help("a record's address is SOURCE:RECORD_ID, as in the table entity_members")
            })?);
        }
        let kind = &kinds[0];
        if kinds[1] != *kind {
            return Err(Error::usage(format!(
                "the first record is of kind `{kind}`, the second of kind `{}`",
                kinds[1]
            ))
            .help("records of two kinds are never compared, and no decision joins them"));
        }
        let (settings, model, merge) = self.of(kind)?;
        let near = self.near(kind, settings, &[a, b]).await?;
        let engine = self.only(kind, &near).await?;
        let input = resolution::input_of(&engine, kind, kind, settings).await?;
        let threads = engine.options().threads;
        let inspector = Inspector::new(&input, resolve::Options { threads })?;
        let scoring = inspector.scoring(model)?;
        let gone = || Error::bug("a record is not among those near it");
        let l = inspector.row(a).ok_or_else(gone)?;
        let r = inspector.row(b).ok_or_else(gone)?;
        let mut values = Vec::new();
        for (sql, array) in compared(settings, &input)? {
            values.push((sql, [shown(array, l), shown(array, r)]));
        }
        Ok(PairScore {
            kind: kind.clone(),
            model_hash: model.hash()?,
            merge_threshold: *merge,
            review_threshold: settings.thresholds.review,
            score: scoring.waterfall(l, r),
            skipped: inspector.skipped(l, r),
            blocking: inspector.pair_blocking(l, r)?,
            values,
        })
    }

    /// Of each of these pairs of one kind, the level of each comparison and the values compared, by
    /// the comparison's name and by SQL; and what the columns are called.
    ///
    /// # Errors
    /// Where a record is not published.
    pub async fn pairs(&self, kind: &str, pairs: &[(RecordKey, RecordKey)]) -> Result<Compared> {
        let (settings, model, _) = self.of(kind)?;
        let mut keys: Vec<RecordKey> =
            pairs.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        keys.sort();
        keys.dedup();
        let engine = self.only(kind, &keys).await?;
        let input = resolution::input_of(&engine, kind, kind, settings).await?;
        let threads = engine.options().threads;
        let inspector = Inspector::new(&input, resolve::Options { threads })?;
        let scoring = inspector.scoring(model)?;
        let columns = compared(settings, &input)?;
        let mut rows = Vec::with_capacity(pairs.len());
        for (a, b) in pairs {
            let gone = || {
                Error::data("scored_pairs names a record that `records` does not hold")
                    .help("run simurgh verify: a table of the warehouse was changed")
            };
            let (l, r) = (inspector.row(a).ok_or_else(gone)?, inspector.row(b).ok_or_else(gone)?);
            let values = columns.iter().map(|(_, array)| [shown(array, l), shown(array, r)]);
            rows.push(ComparedPair {
                levels: scoring.waterfall(l, r).parts.into_iter().map(|part| part.level).collect(),
                values: values.collect(),
            });
        }
        Ok(Compared {
            comparisons: settings.comparisons.iter().map(|own| own.name.clone()).collect(),
            columns: columns.into_iter().map(|(sql, _)| sql).collect(),
            rows,
        })
    }
}

/// What is compared of pairs.
pub struct Compared {
    /// Names of comparisons.
    pub comparisons: Vec<String>,
    /// SQL of the columns that they read, each once.
    pub columns: Vec<String>,
    /// Of each pair what is compared of it.
    pub rows: Vec<ComparedPair>,
}

/// What is compared of one pair.
pub struct ComparedPair {
    /// The level of each comparison; none where a value is missing.
    pub levels: Vec<Option<String>>,
    /// Both values of each column; they are personal.
    pub values: Vec<[Option<String>; 2]>,
}

/// The columns that comparisons read, each once, with their values.
fn compared<'a>(
    settings: &Resolve,
    input: &'a resolve::Input<'_>,
) -> Result<Vec<(String, &'a ArrayRef)>> {
    let all = settings.comparisons.iter().flat_map(|own| &own.columns);
    let distinct: indexmap::IndexSet<&String> = all.collect();
    let of = |sql: &String| {
        let array = input.expressions.get(sql);
        let array = array.ok_or_else(|| Error::bug(format!("`{sql}` was not evaluated")))?;
        Ok((sql.clone(), array))
    };
    distinct.into_iter().map(of).collect()
}

/// A value as text; none for null.
fn shown(array: &ArrayRef, row: u32) -> Option<String> {
    let row = row as usize;
    (!array.is_null(row)).then(|| array_value_to_string(array, row).unwrap_or_default())
}

fn text(batch: &RecordBatch, column: usize) -> Result<StringArray> {
    let column = arrow::compute::cast(batch.column(column), &DataType::Utf8)
        .map_err(|_| Error::bug("a key of records that is not text"))?;
    Ok(column.as_string::<i32>().clone())
}

//! What a run may take over from the run before it: which records changed since, and whether what
//! was decided of the others still holds.
//!
//! Knows the predecessor's tables and what decided them; refuses to know how they are used
//! (`resolve::resolve_since`). What decided a kind's pairs and clusters stands in the manifest as a
//! hash, so that a run never builds on decisions that it would not make itself.

use std::borrow::Cow;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;

use super::models::{Choice, Entry};
use super::resolution;
use super::run::Run;
use super::stages::earlier_as;
use crate::error::{Error, Result};
use crate::keyed::HashKey;
use crate::land::{History, Published, delta};
use crate::resolve::{self, Before, Earlier, Gone, Input, Model, RecordKey, Resolve};
use crate::tables;

/// What is hashed below changed its meaning, or what resolution makes of it did.
const LAYOUT: u32 = 2;

/// Columns of `records` of which the content hash says nothing.
const UNHASHED: &[&str] = &["updated_at", "run_id"];

/// The tables of the run before; empty where there was none.
pub(super) async fn earlier(run: &Run) -> Result<Earlier> {
    Ok(Earlier {
        pairs: earlier_as(run, tables::SCORED_PAIRS, tables::scored_pairs()).await?,
        members: earlier_as(run, tables::ENTITY_MEMBERS, tables::entity_members()).await?,
        quality: earlier_as(run, tables::ENTITY_QUALITY, tables::entity_quality()).await?,
    })
}

/// The command that arranges files and leaves every row as it was.
const MAINTAIN: &str = "maintain";

/// Whether a command changed what a run decided: members or pairs without the records, or records
/// without these. One that only wrote a steward's decision down did not.
pub(super) fn disturbed(history: &History, entry: &Published) -> bool {
    let decided =
        [tables::RECORDS, tables::SCORED_PAIRS, tables::ENTITY_MEMBERS, tables::ENTITY_QUALITY];
    let mut own = entry;
    while let Some(base) = own.base.and_then(|base| history.get(base)) {
        let same = decided.iter().all(|table| own.tables.get(*table) == base.tables.get(*table));
        if !same && own.command.as_deref() != Some(MAINTAIN) {
            return true;
        }
        own = base;
    }
    false
}

/// A hash of the records that may not be compared with others, for want of consent.
pub(super) fn apart_hash(apart: &[RecordKey]) -> String {
    let mut hasher = blake3::Hasher::new();
    for key in apart {
        for text in [&key.source, &key.record_id] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// A hash of all that decides a kind's pairs and clusters, but for the records that are compared.
/// Who may not be compared is in it, since a record that may be from now on was never compared.
pub(super) async fn decided_by(
    run: &Run,
    kind: &str,
    settings: &Resolve,
    model: &Model,
    apart: &str,
) -> Result<String> {
    let records = run.engine.sql("SELECT * FROM records", "records").await?;
    let columns: Vec<(String, String)> = records
        .schema()
        .fields()
        .iter()
        .map(|field| (field.name().clone(), field.data_type().to_string()))
        .collect();
    let key = HashKey::of_process()?;
    let parts = (
        (LAYOUT, env!("CARGO_PKG_VERSION"), kind, settings.decisive(), model.hash()?),
        (columns, key.as_ref().map(HashKey::id), apart),
    );
    Ok(blake3::hash(format!("{parts:?}").as_bytes()).to_hex().to_string())
}

/// What the run before left of a kind, and what changed in its records since; or why nothing of it
/// is taken over.
pub(super) async fn before<'a>(
    run: &Run,
    input: &'a Input<'_>,
    content_hash: &ArrayRef,
    choice: &Choice,
    (earlier, entries, apart): (&'a Earlier, &[Entry], &str),
) -> Result<std::result::Result<Before<'a>, &'static str>> {
    let (kind, settings) = (input.kind, input.settings);
    if run.full {
        return Ok(Err("--full asks for it"));
    }
    let Some(predecessor) = &run.predecessor else { return Ok(Err("no run is before it")) };
    if run.disturbed {
        return Ok(Err("a command changed the tables of the run before"));
    }
    let Some(model) = &choice.model else { return Ok(Err("the model is trained anew")) };
    let Some(entry) = entries.iter().find(|entry| entry.kind == kind) else {
        return Ok(Err("the run before knew no such kind"));
    };
    if entry.resolution != decided_by(run, kind, settings, model, apart).await? {
        return Ok(Err("settings, columns, model or program are not those of the run before"));
    }
    let conditions = settings.conditions().into_iter().map(|(_, sql)| sql);
    let mut read = settings.expressions().into_iter().chain(conditions);
    if read.any(|sql| UNHASHED.iter().any(|column| sql.contains(column))) {
        return Ok(Err(
            "an expression reads `updated_at` or `run_id`, which no content hash covers",
        ));
    }
    let Some(version) = predecessor.tables.get(tables::RECORDS) else {
        return Ok(Err("the run before left no records"));
    };
    let files = delta::files(&run.warehouse, tables::RECORDS, *version).await?;
    if files.is_empty() {
        return Ok(Err("the run before left no records"));
    }
    let what = format!("records of kind `{kind}` before");
    let name = "simurgh_records_before";
    let frame = run.engine.parquet(&run.warehouse, &files).await?;
    run.engine.register(name, frame)?;
    let literal = kind.replace('\'', "''");
    let sql = format!("SELECT * FROM {name} WHERE kind = '{literal}'");
    let batches = run.engine.collect(run.engine.sql(&sql, &what).await?, &what).await?;
    let lost = || Error::bug("the records of the run before lack a column");
    let text = |array: Option<&ArrayRef>| -> Result<StringArray> {
        let text = cast(array.ok_or_else(lost)?, &DataType::Utf8).map_err(|_| lost())?;
        Ok(text.as_string::<i32>().clone())
    };
    let now = text(Some(content_hash))?;
    let mut changed = resolve::Unchanged::new(input, now);
    let mut gone = Vec::new();
    for batch in &batches {
        let [source, record_id, hash] =
            ["source", "record_id", "content_hash"].map(|name| text(batch.column_by_name(name)));
        let left: BooleanArray = changed.gone(&source?, &record_id?, &hash?)?;
        gone.push(filter_record_batch(batch, &left).map_err(|_| lost())?);
    }
    let schema = match batches.first() {
        Some(batch) => batch.schema(),
        None => return Ok(Err("the run before had no records of this kind")),
    };
    run.engine.register(name, run.engine.batches(schema, gone)?)?;
    let expressions: Vec<String> =
        settings.blocking_expressions().into_iter().map(str::to_owned).collect();
    let sql = resolution::sql(name, kind, &expressions, &[]);
    let batch = run.engine.collect_one(run.engine.sql(&sql, &what).await?, &what).await?;
    let evaluated = batch.columns().iter().skip(2).cloned();
    let gone = Gone {
        source: text(batch.columns().first())?,
        record_id: text(batch.columns().get(1))?,
        expressions: expressions.into_iter().zip(evaluated).collect(),
    };
    changed.before(gone, earlier, run.engine.options().threads).map(Ok)
}

/// Resolves a kind on what the run before left, where that still holds.
pub(super) fn resolve(
    input: &Input<'_>,
    before: std::result::Result<Before<'_>, &'static str>,
    decisions: &[resolve::StewardDecision],
    model: Option<Model>,
    options: resolve::Options,
) -> Result<resolve::Resolved> {
    match (before, model) {
        (Ok(before), Some(model)) => {
            resolve::resolve_since(input, &before, decisions, model, options)
        }
        (before, model) => {
            let resolved = resolve::resolve(input, decisions, model, options)?;
            let why = before.err().unwrap_or("the model is trained anew");
            Ok(resolve::Resolved { extent: resolve::Extent::Everything(why), ..resolved })
        }
    }
}

/// What the match log is made of: pairs before and now, those alone that may differ where every
/// kind was resolved by what changed.
pub(super) fn log_of<'a>(
    earlier: &'a RecordBatch,
    now: &'a RecordBatch,
    extents: &'a [resolve::Extent],
    kinds_before: usize,
) -> Result<(Cow<'a, RecordBatch>, Cow<'a, RecordBatch>)> {
    let changes = |own: &'a resolve::Extent| match own {
        resolve::Extent::Changes(changes) => Some(changes),
        resolve::Extent::Everything(_) => None,
    };
    let all: Option<Vec<&resolve::Changes>> = extents.iter().map(changes).collect();
    // Pairs of a kind that is gone are in no kind's changes.
    let Some(all) = all.filter(|all| all.len() == kinds_before) else {
        return Ok((Cow::Borrowed(earlier), Cow::Borrowed(now)));
    };
    let before = resolve::together(all.iter().map(|own| own.before.clone()).collect())?;
    let now = resolve::together(all.iter().map(|own| own.now.clone()).collect())?;
    Ok((Cow::Owned(before), Cow::Owned(now)))
}

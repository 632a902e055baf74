//! Files to entities in one go, without a warehouse: what `simurgh dedupe` does.
//!
//! Reads files as sources, understands their columns, proposes how to resolve them, and resolves
//! them by the very pipeline file that it writes: what was chosen can be read, edited and run.
//!
//! | file | knows |
//! |---|---|
//! | `files` | files as sources |
//! | `imported` | settings that Splink saved |
//! | `records` | their rows as records, in the order of keys |
//! | `choose` | blocking rules within a budget of pairs; sources that are free of duplicates |
//! | `output` | the files that are written |

mod choose;
mod files;
mod imported;
mod output;
mod records;

use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use rustc_hash::FxHashMap;

use super::resolution::Asked;
use super::sql::Parameters;
use crate::config::{self, Loaded};
use crate::contract::Contract;
use crate::engine::{Engine, Options};
use crate::error::{Error, Result};
use crate::golden::Golden;
use crate::infer::{
    self, Chosen, Column, Ground, Meaning, Proposal, SourceFile, Understood, Written,
};
use crate::memory;
use crate::report::Progress;
use crate::resolve::{self, BlockingReport, Evaluation, LinkType, Resolve, RowPair};
use crate::{clean, tables};
use files::Table;

pub use files::Roles;

/// What is asked for.
pub struct Request<'a> {
    /// The files.
    pub files: &'a [PathBuf],
    /// Where the results go.
    pub out: &'a Path,
    /// Columns with a part of their own.
    pub roles: Roles<'a>,
    /// Whether records of one source are never compared.
    pub link_only: bool,
    /// A pipeline file, or a file with a `resolve` section over the files' own columns.
    pub settings: Option<&'a Path>,
    /// Settings that Splink saved, in place of ours.
    pub splink: Option<&'a Path>,
    /// How the engine runs.
    pub options: Options,
}

/// What came of it.
pub struct Found {
    /// Rows read.
    pub rows: usize,
    /// Columns, as they were understood; none where settings were given.
    pub understood: Vec<Understood>,
    /// What was proposed; none where settings were given.
    pub proposal: Option<Proposal>,
    /// The column by which records are identified; none: by row number.
    pub id: Option<String>,
    /// What each blocking rule did.
    pub blocking: Vec<BlockingReport>,
    /// The model that scored.
    pub model: resolve::Model,
    /// Sources that were found to hold each entity once.
    pub duplicate_free: Vec<String>,
    /// Pairs compared.
    pub pairs_compared: u64,
    /// Pairs written.
    pub pairs_written: usize,
    /// Entities.
    pub entities: usize,
    /// Entities of two records or more.
    pub merged: usize,
    /// Records of the largest entity.
    pub largest: usize,
    /// Whether training converged.
    pub converged: bool,
    /// Iterations of training.
    pub iterations: u32,
    /// How well it went, where there are labels.
    pub evaluation: Option<Evaluation>,
    /// What a person should look at.
    pub warnings: Vec<String>,
    /// Seconds by phase.
    pub seconds: Vec<(&'static str, f64)>,
}

/// Resolves the records of files and writes what was found.
///
/// # Errors
/// Files that cannot be read, columns that are not there, settings that do not fit, data that hold
/// too little to tell records apart.
pub async fn dedupe(request: &Request<'_>) -> Result<Found> {
    let progress = Progress::start();
    let mut seconds = Vec::new();
    let mut begun = Instant::now();
    let mut _work = memory::at("dedupe, reading the files");
    let mut phase = |name, next: &str| {
        _work = memory::at(format!("dedupe, {next}"));
        seconds.push((name, begun.elapsed().as_secs_f64()));
        begun = Instant::now();
        progress.say(next);
    };
    progress.say("reading the files");
    let engine = Engine::new(&request.options)?;
    let imported = request.splink.map(imported::read).transpose()?;
    let roles = Roles {
        usual_id: imported.as_ref().map(|own| own.unique_id.as_str()),
        usual_source: imported.as_ref().map(|own| own.source.as_str()),
        ..request.roles
    };
    let (folder, mut tables) = files::read(request.files, &roles)?;
    let rows: usize = tables.iter().map(|table| table.rows.count()).sum();
    if rows < 2 {
        return Err(Error::data(format!("there is {rows} record: nothing can be a duplicate"))
            .help("name files with two records or more"));
    }
    let mut warnings: Vec<String> =
        tables.iter_mut().flat_map(|table| std::mem::take(&mut table.warnings)).collect();
    phase("read", "understanding columns");
    let mut work = Work { request, engine, tables, folder, progress: &progress };
    let (mut plan, inferred) = match (request.settings, &imported) {
        (_, Some(imported)) => {
            warnings.extend(imported.notes.iter().cloned());
            (work.as_they_are("record", imported.resolve.clone())?, None)
        }
        (Some(settings), None) => (work.given(settings)?, None),
        (None, None) => {
            let (plan, inferred) = work.inferred(&mut warnings).await?;
            (plan, Some(inferred))
        }
    };
    if request.link_only {
        plan.settings.link = LinkType::LinkOnly;
    }
    phase("understand", "preparing records");
    let compared = work.compared(&plan);
    let records = work.records(&plan, &compared).await?;
    let settings = &plan.settings;
    let asked = Asked::of(&work.engine, records.schema(), &plan.kind, settings).await?;
    let input = resolve::Input { coded: !compared.is_empty(), ..asked.over(&records)? };
    phase("prepare", "choosing what to compare");
    let results = output::Results::new(request.out, &input)?;
    let scored = |pairs: &[RowPair]| results.pairs(pairs);
    let chosen =
        choose::choose(&work, &input, settings, inferred.as_ref(), &mut warnings, &scored)?;
    phase("block", "training and scoring");
    let resolved = chosen.resolved;
    phase("resolve", "writing");
    let text = inferred
        .as_ref()
        .map(|inferred| work.written(inferred, &chosen.blocking, &chosen.duplicate_free));
    results.write(&work, &records, &resolved, text.as_deref(), inferred.as_ref(), &plan.golden)?;
    if imported.is_some() {
        output::put(request.out, "settings.yaml", &imported::settings(&plan.kind, settings)?)?;
    }
    phase("write", "done");
    let clusters = resolved.clusters.iter().max().map_or(0, |last| *last as usize + 1);
    let mut sizes = vec![0usize; clusters];
    for cluster in &resolved.clusters {
        sizes[*cluster as usize] += 1;
    }
    warnings.extend(resolved.warnings);
    if rows > 20 && !sizes.iter().any(|size| *size > 1) {
        warnings.push("no two records were found to be one: there may be no duplicates, or too little that identifies".to_owned());
    }
    let evaluation = work.evaluation(&input, &resolved.clusters)?;
    let (understood, proposal, id) = match inferred {
        Some(own) => (own.understood, Some(own.proposal), own.id),
        None => (Vec::new(), None, work.tables.first().and_then(|own| own.file.id.clone())),
    };
    Ok(Found {
        rows,
        understood,
        proposal,
        id,
        blocking: resolved.blocking,
        converged: resolved.model.training.converged,
        iterations: resolved.model.training.iterations,
        model: resolved.model,
        duplicate_free: chosen.duplicate_free,
        pairs_compared: resolved.pairs_compared,
        pairs_written: resolved.pairs.len(),
        entities: sizes.len(),
        merged: sizes.iter().filter(|size| **size > 1).count(),
        largest: sizes.iter().copied().max().unwrap_or(0),
        evaluation,
        warnings,
        seconds,
    })
}

/// What is worked on.
struct Work<'a> {
    request: &'a Request<'a>,
    engine: Engine,
    tables: Vec<Table>,
    folder: PathBuf,
    progress: &'a Progress,
}

/// What to resolve by.
struct Plan {
    /// SELECTs over raw tables by the source of the records that they give; none where rows are
    /// records as they are.
    mappings: Option<Vec<(String, String)>>,
    /// The kind of records, in `records`.
    of: String,
    /// The kind that the model is of.
    kind: String,
    settings: Resolve,
    golden: Golden,
}

impl Plan {
    /// The first kind of a pipeline.
    fn of(mut loaded: Loaded) -> Result<Self> {
        super::judged::apply_all(&mut loaded)?;
        let pipeline = loaded.pipeline;
        let parameters = Parameters::new(&pipeline, "1970-01-01");
        let mappings = pipeline.records.iter().map(|mapping| {
            let what = format!("records of source `{}`", mapping.source);
            Ok((mapping.source.clone(), parameters.bind(&mapping.sql, &what)?))
        });
        let mappings = mappings.collect::<Result<_>>()?;
        let (kind, settings) = pipeline
            .resolve
            .into_iter()
            .next()
            .ok_or_else(|| Error::configuration("`resolve` names no kind of record"))?;
        let golden = pipeline.golden;
        Ok(Self { mappings: Some(mappings), of: kind.clone(), kind, settings, golden })
    }
}

/// What was inferred of the files.
struct Inferred {
    understood: Vec<Understood>,
    proposal: Proposal,
    id: Option<String>,
    updated: Option<String>,
}

impl Work<'_> {
    /// Understands the columns, and makes a pipeline with every candidate as a blocking rule.
    async fn inferred(&mut self, warnings: &mut Vec<String>) -> Result<(Plan, Inferred)> {
        let inferred = self.understand(warnings)?;
        let candidates: Vec<Chosen> = inferred
            .proposal
            .candidates
            .iter()
            .map(|own| Chosen {
                name: own.name.clone(),
                keys: own.keys.clone(),
                refine: Vec::new(),
                max_block: infer::BOUND,
                why: String::new(),
            })
            .collect();
        let text = self.written(&inferred, &candidates, &[]);
        let loaded =
            config::load_text(&text, &self.request.out.join("pipeline.yaml"), &[], &|_| None)?;
        Ok((Plan::of(loaded)?, inferred))
    }

    fn written(
        &self,
        inferred: &Inferred,
        blocking: &[Chosen],
        duplicate_free: &[String],
    ) -> String {
        let sources: Vec<SourceFile> = self.tables.iter().map(|table| table.file.clone()).collect();
        infer::pipeline(&Written {
            inputs: &self.folder.display().to_string(),
            sources: &sources,
            proposal: &inferred.proposal,
            blocking,
            link_only: self.request.link_only,
            duplicate_free,
            updated: inferred.updated.as_deref(),
        })
    }

    fn understand(&mut self, warnings: &mut Vec<String>) -> Result<Inferred> {
        let roles = &self.request.roles;
        // Columns by their plain name: of one name in two files, they are one.
        let mut names: Vec<(String, String)> = Vec::new();
        for table in &self.tables {
            let parts = table.file.parts.as_ref().map(|(column, _)| column);
            for (export, plain) in &table.file.columns {
                let known = names.iter().any(|(_, known)| known == plain);
                if !known && Some(plain) != parts {
                    names.push((export.clone(), plain.clone()));
                }
            }
        }
        let rows: Vec<&RecordBatch> =
            self.tables.iter_mut().map(|table| table.rows.joined()).collect::<Result<_>>()?;
        let columns: Vec<Column<'_>> = names
            .iter()
            .map(|(export, plain)| Column {
                name: export,
                plain,
                parts: rows
                    .iter()
                    .map(|rows| rows.column_by_name(plain).map(|array| array.as_string::<i32>()))
                    .collect(),
            })
            .collect();
        let understood = infer::understand(&columns, roles.id);
        let proposal = infer::propose(&columns, &understood);
        let id = columns
            .iter()
            .zip(&understood)
            .find(|(_, own)| own.meaning == Meaning::RecordId)
            .map(|(column, _)| (column.name.to_owned(), column.plain.to_owned()));
        let updated = columns.iter().zip(&understood).find(|(column, own)| {
            let of_change =
                |called: &str| ["updated", "modified"].iter().any(|word| called.contains(word));
            own.meaning == Meaning::Date
                && matches!(own.ground, Ground::Called(called) if of_change(called))
                && column.parts.iter().all(Option::is_some)
        });
        let updated = updated.map(|(column, _)| column.plain.to_owned());
        let rows: usize = rows.iter().map(|rows| rows.num_rows()).sum();
        if proposal.comparisons.is_empty() || proposal.candidates.is_empty() {
            let columns: Vec<String> = understood
                .iter()
                .map(|own| format!("`{}` ({})", own.name, own.meaning.words()))
                .collect();
            return Err(Error::data(format!(
                "nothing in these {} columns tells one entity of {rows} records from another: {}",
                columns.len(),
                columns.join(", ")
            ))
            .help("records need a name, a title, an address, an e-mail, a phone or a shared number; or say how with --settings"));
        }
        warnings.extend(proposal.warnings.clone());
        for table in &mut self.tables {
            let own = id.as_ref().filter(|(_, plain)| table.rows.has(plain));
            table.file.id = own.map(|(_, plain)| plain.clone());
        }
        Ok(Inferred { understood, proposal, id: id.map(|(export, _)| export), updated })
    }

    /// A pipeline file, or a `resolve` section alone, in which case records are the raw columns.
    fn given(&self, settings: &Path) -> Result<Plan> {
        let text = std::fs::read_to_string(settings).map_err(|error| {
            Error::usage(format!("{}: cannot be read", settings.display()))
                .help("name a pipeline file, or a file with a `resolve` section")
                .because(error)
        })?;
        let whole = text.lines().any(|line| line.starts_with("records:"));
        if whole {
            return Plan::of(config::load(settings, &[], &|name| std::env::var(name).ok())?);
        }
        let (kind, settings) = config::resolution(settings)?;
        self.as_they_are(&kind, settings)
    }

    /// Settings over the files' own columns.
    fn as_they_are(&self, kind: &str, settings: Resolve) -> Result<Plan> {
        let golden = serde_json::from_value(serde_json::json!({"default_rule": "most_frequent"}))
            .map_err(|_| Error::bug("survivorship of its defaults cannot be made"))?;
        Ok(Plan {
            mappings: None,
            of: "record".to_owned(),
            kind: kind.to_owned(),
            settings,
            golden,
        })
    }

    /// The columns that settings over the files' own columns compare, where they ask for columns as
    /// they are and for nothing else.
    fn compared(&self, plan: &Plan) -> Vec<String> {
        let asked = plan.settings.expressions();
        let columns = || self.tables.iter().flat_map(|table| &table.file.columns);
        let is_column = |sql: &String| columns().any(|(export, _)| export == sql);
        let plain = plan.mappings.is_none() && plan.settings.conditions().is_empty();
        if plain && asked.iter().all(is_column) { asked } else { Vec::new() }
    }

    /// Makes records of the raw rows, sorted by their keys. Of the rows, what an evaluation needs is
    /// kept.
    async fn records(&mut self, plan: &Plan, compared: &[String]) -> Result<RecordBatch> {
        let mut kept = Vec::new();
        for table in &self.tables {
            let part = table.file.parts.as_ref().map(|(column, _)| column);
            let key: Vec<&str> = table.file.id.iter().chain(part).map(String::as_str).collect();
            kept.push(table.rows.only(|name| table.labels.is_some() && key.contains(&name))?);
        }
        let records = match &plan.mappings {
            None => {
                let files = self.tables.iter_mut().zip(kept);
                let files = files
                    .map(|(table, kept)| (&table.file, std::mem::replace(&mut table.rows, kept)));
                return records::as_they_are(files.collect(), compared);
            }
            Some(mappings) => self.mapped(mappings).await?,
        };
        self.tables.iter_mut().zip(kept).for_each(|(table, kept)| table.rows = kept);
        records::sorted(records, &plan.of)
    }

    /// The records that SELECTs give.
    async fn mapped(&mut self, mappings: &[(String, String)]) -> Result<RecordBatch> {
        let raw = |table: &Table| format!("raw_{}", table.file.name);
        for table in &mut self.tables {
            let rows = table.rows.joined()?.clone();
            let frame = self.engine.batches(rows.schema(), vec![rows])?;
            self.engine.register(&raw(table), frame)?;
        }
        let mut frames = Vec::new();
        for (source, sql) in mappings {
            let what = format!("records of source `{source}`");
            frames.push((source.clone(), self.engine.sql(sql, &what).await?));
        }
        let records = clean::records(frames, "")?;
        let records = self.engine.collect_one(records, tables::RECORDS).await?;
        for table in &self.tables {
            self.engine.release(&raw(table));
        }
        Ok(records)
    }

    /// Holds clusters against labels.
    fn evaluation(
        &self,
        input: &resolve::Input<'_>,
        clusters: &[u32],
    ) -> Result<Option<Evaluation>> {
        let mut truth: FxHashMap<(String, String), &str> = FxHashMap::default();
        for table in &self.tables {
            let Some(labels) = &table.labels else { return Ok(None) };
            let text = |name: Option<&String>| match name {
                Some(name) => table.rows.column(name),
                None => Ok(None),
            };
            let id = text(table.file.id.as_ref())?;
            let part = text(table.file.parts.as_ref().map(|(column, _)| column))?;
            for row in 0..labels.len() {
                if labels.is_null(row) {
                    continue;
                }
                let own = |ids: &StringArray| ids.value(row).to_owned();
                let id = id.as_ref().map_or_else(|| (row + 1).to_string(), own);
                let source = part.as_ref().map_or(table.file.name.as_str(), |own| own.value(row));
                truth.insert((source.to_owned(), id), labels.value(row));
            }
        }
        let clusters: Vec<String> = clusters.iter().map(u32::to_string).collect();
        let labelled: Vec<(&str, &str)> = (0..clusters.len())
            .filter_map(|row| {
                let key =
                    (input.source.value(row).to_owned(), input.record_id.value(row).to_owned());
                Some((clusters[row].as_str(), *truth.get(&key)?))
            })
            .collect();
        Ok(Some(resolve::evaluate(labelled.iter().copied())))
    }

    /// The contract of each source, by its file name.
    fn contracts(&self, understood: &[Understood]) -> Result<Vec<(String, String)>> {
        let mut contracts = Vec::new();
        for table in &self.tables {
            let text = infer::contract(&table.file, understood);
            let name = format!("{}.odcs.yaml", table.file.name);
            // What is written can be read again.
            Contract::parse(&text, &name)?;
            contracts.push((name, text));
        }
        Ok(contracts)
    }
}

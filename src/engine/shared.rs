//! Plans as they are executed: what a plan reads more than once is computed once, and joins are made
//! in memory where they fit.
//!
//! DataFusion plans a common table expression anew wherever it is named. Here one that joins, groups
//! or ranks, and is named more than once, is written to a file of the machine's temporary folder, which
//! goes when the plan has ended. A hash join is quicker than one that sorts both sides, and cannot
//! spill: where memory runs out, the plan begins anew with joins that do. Neither changes a row.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{LogicalPlan, SubqueryAlias};
use datafusion::prelude::ParquetReadOptions;
use futures::StreamExt;
use futures::stream::BoxStream;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tempfile::{NamedTempFile, TempPath};

use super::session::{Engine, root, translate};
use super::store::refused_by_disk;
use super::write::ROW_GROUP;
use crate::error::{Error, Result};

/// Longer than any task takes to be told that it is over; what others hold is not waited for.
const LETTING_GO: std::time::Duration = std::time::Duration::from_secs(2);

/// How a plan joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joins {
    /// One side in memory, hashed.
    Hashed,
    /// Both sides sorted, which spills.
    Sorted,
}

/// A plan that has begun: its rows, and the files that it reads, which go with it.
pub(super) struct Begun {
    pub(super) rows: BoxStream<'static, std::result::Result<RecordBatch, DataFusionError>>,
    _files: Vec<TempPath>,
}

impl Engine {
    /// Begins a plan, up to its first rows.
    pub(super) async fn begin(&self, frame: DataFrame, what: &str) -> Result<Begun> {
        let (frame, files) = self.share(frame, what).await?;
        let mut joins = Joins::Hashed;
        loop {
            let mut rows = started(frame.clone(), joins, what).await?;
            let (first, rows) = tokio::spawn(async move { (rows.next().await, rows) })
                .await
                .map_err(|_| Error::bug(format!("{what}: execution broke off")))?;
            match first {
                Some(Err(error)) if joins == Joins::Hashed && is_exhausted(&error) => {
                    joins = Joins::Sorted;
                    self.released(rows).await;
                }
                Some(Err(error)) => return Err(translate(what, error)),
                first => {
                    let rows = futures::stream::iter(first).chain(rows).boxed();
                    return Ok(Begun { rows, _files: files });
                }
            }
        }
    }

    /// Lets go of a plan, and waits until its tasks have let go of their memory, which the next needs.
    async fn released(&self, rows: SendableRecordBatchStream) {
        drop(rows);
        let pool = &self.context().runtime_env().memory_pool;
        let begun = std::time::Instant::now();
        while pool.reserved() > 0 && begun.elapsed() < LETTING_GO {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// The plan with everything in files that it would compute more than once.
    async fn share(&self, frame: DataFrame, what: &str) -> Result<(DataFrame, Vec<TempPath>)> {
        let (state, plan) = frame.into_parts();
        let (mut known, mut files) = (HashMap::new(), Vec::new());
        for part in repeated(&plan).map_err(|error| translate(what, error))? {
            let once = with(LogicalPlan::SubqueryAlias(part.clone()), &known)
                .map_err(|error| translate(what, error))?;
            let file = self.keep(DataFrame::new(state.clone(), once), what).await?;
            let path = file.to_string_lossy().into_owned();
            let options = ParquetReadOptions::default().file_extension("");
            let scan = self.context().read_parquet(path, options).await;
            let scan = scan.map_err(|error| translate(what, error))?.into_unoptimized_plan();
            let scan = SubqueryAlias::try_new(Arc::new(scan), part.alias.clone())
                .map_err(|error| translate(what, error))?;
            known.insert(part, LogicalPlan::SubqueryAlias(scan));
            files.push(file);
        }
        let plan = with(plan, &known).map_err(|error| translate(what, error))?;
        Ok((DataFrame::new(state, plan), files))
    }

    /// Writes the rows of a plan to a file of the temporary folder, their types as they are.
    async fn keep(&self, frame: DataFrame, what: &str) -> Result<TempPath> {
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let refused = |error: &(dyn std::error::Error + 'static)| {
            let place = std::env::temp_dir();
            refused_by_disk(&place.display().to_string(), error).unwrap_or_else(|| {
                Error::retry(format!("{what}: the temporary folder refused a file"))
                    .help("check TMPDIR, then run the same command again")
            })
        };
        let mut joins = Joins::Hashed;
        'anew: loop {
            let file = NamedTempFile::new().map_err(|error| refused(&error))?;
            let handle: File = file.reopen().map_err(|error| refused(&error))?;
            let properties = WriterProperties::builder()
                .set_compression(Compression::LZ4_RAW)
                .set_max_row_group_row_count(Some(ROW_GROUP))
                .build();
            let mut writer = ArrowWriter::try_new(handle, Arc::clone(&schema), Some(properties))
                .map_err(|error| refused(&error))?;
            let mut rows = started(frame.clone(), joins, what).await?;
            while let Some(batch) = rows.next().await {
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(error) if joins == Joins::Hashed && is_exhausted(&error) => {
                        joins = Joins::Sorted;
                        self.released(rows).await;
                        continue 'anew;
                    }
                    Err(error) => return Err(translate(what, error)),
                };
                writer.write(&batch).map_err(|error| refused(&error))?;
            }
            writer.close().map_err(|error| refused(&error))?;
            return Ok(file.into_temp_path());
        }
    }
}

/// The frame, to be planned with its joins made so.
fn joined(frame: DataFrame, joins: Joins) -> DataFrame {
    let (mut state, plan) = frame.into_parts();
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = joins == Joins::Hashed;
    if joins == Joins::Sorted {
        // DataFusion hashes all the same where it plans for one thread.
        options.execution.target_partitions = options.execution.target_partitions.max(2);
    }
    DataFrame::new(state, plan)
}

/// Plans a frame with its joins, and starts it.
async fn started(frame: DataFrame, joins: Joins, what: &str) -> Result<SendableRecordBatchStream> {
    // A task of its own: planning recurses more deeply than the caller's stack may hold.
    let planned = tokio::spawn(joined(frame, joins).execute_stream()).await;
    planned
        .map_err(|_| Error::bug(format!("{what}: planning broke off")))?
        .map_err(|error| translate(what, error))
}

fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(root(error), DataFusionError::ResourcesExhausted(_))
}

/// The subqueries that a plan computes more than once and that are worth a file, each after those
/// that it reads.
fn repeated(plan: &LogicalPlan) -> datafusion::common::Result<Vec<SubqueryAlias>> {
    let (mut order, mut named) = (Vec::new(), HashMap::<SubqueryAlias, usize>::new());
    visit(plan, &mut order, &mut named)?;
    order.retain(|part| named.get(part).is_some_and(|times| *times > 1) && is_worth(part));
    Ok(order)
}

/// Counts in how many places of the plan each subquery is named, where a plan that is named twice
/// is one place for what it names.
fn visit(
    plan: &LogicalPlan,
    order: &mut Vec<SubqueryAlias>,
    named: &mut HashMap<SubqueryAlias, usize>,
) -> datafusion::common::Result<()> {
    if let LogicalPlan::SubqueryAlias(part) = plan {
        if let Some(times) = named.get_mut(part) {
            *times += 1;
            return Ok(());
        }
        named.insert(part.clone(), 1);
    }
    let mut inner = |plan: &LogicalPlan| {
        visit(plan, order, named)?;
        Ok(TreeNodeRecursion::Continue)
    };
    plan.apply_subqueries(&mut inner)?;
    plan.apply_children(&mut inner)?;
    if let LogicalPlan::SubqueryAlias(part) = plan {
        order.push(part.clone());
    }
    Ok(())
}

/// Whether a subquery does more than read and filter, can stand alone, and has columns that a file
/// can have.
fn is_worth(part: &SubqueryAlias) -> bool {
    let mut works = false;
    let walked = part.input.apply_with_subqueries(|plan| {
        works |= matches!(
            plan,
            LogicalPlan::Join(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Window(_)
                | LogicalPlan::Distinct(_)
        );
        Ok(if plan.contains_outer_reference() || matches!(plan, LogicalPlan::RecursiveQuery(_)) {
            works = false;
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    let fields = part.schema.fields();
    let names: HashSet<&String> = fields.iter().map(|field| field.name()).collect();
    walked.is_ok() && works && !fields.is_empty() && names.len() == fields.len()
}

/// The plan with what is known in the place of what it would compute.
fn with(
    plan: LogicalPlan,
    known: &HashMap<SubqueryAlias, LogicalPlan>,
) -> datafusion::common::Result<LogicalPlan> {
    if known.is_empty() {
        return Ok(plan);
    }
    let changed = plan.transform_down_with_subqueries(|plan| {
        Ok(match &plan {
            LogicalPlan::SubqueryAlias(part) => match known.get(part) {
                Some(scan) => Transformed::new(scan.clone(), true, TreeNodeRecursion::Jump),
                None => Transformed::no(plan),
            },
            _ => Transformed::no(plan),
        })
    })?;
    Ok(changed.data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Options;

    const SQL: &str = "
        WITH numbers AS (SELECT value AS n FROM generate_series(1, 20000)),
        sums AS (SELECT n % 100 AS k, sum(n) AS s, count(*) AS c FROM numbers GROUP BY n % 100),
        ranked AS (SELECT k, s, row_number() OVER (ORDER BY s ASC, k ASC) AS place FROM sums),
        total AS (SELECT sum(s) AS s, max(c) AS c FROM sums)
        SELECT a.k, a.s, a.place, b.place AS other, t.s AS of_all, t.c
        FROM ranked a JOIN ranked b ON b.place = a.place + 1 CROSS JOIN total t
        WHERE a.k IN (SELECT k FROM sums WHERE s > 1000)
        ORDER BY a.k ASC";

    async fn rows(engine: &Engine, frame: DataFrame) -> String {
        let batches = engine.collect(frame, "a test").await.unwrap();
        arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_named_twice_is_computed_once_and_nothing_changes() {
        let engine = Engine::new(&Options { threads: 2, memory: 1 << 30 }).unwrap();
        let frame = engine.sql(SQL, "a test").await.unwrap();
        let parts = repeated(frame.logical_plan()).unwrap();
        let names: Vec<&str> = parts.iter().map(|part| part.alias.table()).collect();
        assert_eq!(names, ["sums", "ranked"], "numbers is only read, total is named once");
        let (shared, files) = engine.share(frame.clone(), "a test").await.unwrap();
        assert_eq!(files.len(), 2);
        assert!(repeated(shared.logical_plan()).unwrap().is_empty());
        let paths: Vec<_> = files.iter().map(|file| file.to_path_buf()).collect();
        #[expect(clippy::disallowed_methods, reason = "as DataFusion itself does, to compare with")]
        let expected = frame.collect().await.unwrap();
        let expected = arrow::util::pretty::pretty_format_batches(&expected).unwrap().to_string();
        assert!(expected.lines().count() > 90, "{expected}");
        assert_eq!(rows(&engine, shared).await, expected);
        drop(files);
        assert!(paths.iter().all(|path| !path.exists()), "files go with the plan");
        let frame = engine.sql(SQL, "a test").await.unwrap();
        assert_eq!(rows(&engine, frame).await, expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn joins_are_hashed_or_sorted_for_any_number_of_threads() {
        for threads in [1, 2] {
            let engine = Engine::new(&Options { threads, memory: 1 << 30 }).unwrap();
            let sql = "SELECT a.n FROM (SELECT value AS n FROM generate_series(1, 9)) a \
                       JOIN (SELECT value AS n FROM generate_series(1, 9)) b ON a.n = b.n";
            for (joins, expected) in
                [(Joins::Hashed, "HashJoinExec"), (Joins::Sorted, "SortMergeJoinExec")]
            {
                let frame = engine.sql(sql, "a test").await.unwrap();
                let plan = joined(frame, joins).create_physical_plan().await.unwrap();
                let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false);
                assert!(text.to_string().contains(expected), "{threads} threads: {text}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hash_join_that_does_not_fit_is_known_by_its_error() {
        let sql = "SELECT a.n FROM
              (SELECT value AS n, repeat('a', 2000) || value AS text FROM generate_series(1, 30000)) a
              JOIN (SELECT value AS n, repeat('b', 2000) || value AS text FROM generate_series(1, 30000)) b
                ON a.n = b.n AND a.text <> b.text";
        let narrow = Engine::new(&Options { threads: 2, memory: 40 << 20 }).unwrap();
        let frame = narrow.sql(sql, "a test").await.unwrap();
        let mut hashed = started(frame, Joins::Hashed, "a test").await.unwrap();
        assert!(hashed.next().await.unwrap().is_err_and(|error| is_exhausted(&error)));
        narrow.released(hashed).await;
        assert_eq!(narrow.context().runtime_env().memory_pool.reserved(), 0);
    }
}

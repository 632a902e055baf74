//! Plans as they are executed: what a plan reads more than once is computed once, and a plan that does
//! not fit its memory is begun anew in ways that need less.
//!
//! DataFusion plans a common table expression anew wherever it is named. Here one that joins, groups
//! or ranks, and is named more than once, is written to a file of the machine's temporary folder, which
//! goes when the plan has ended. Where memory runs out, every such expression is: the engine shares its
//! memory out among the operators of a whole plan, however few of them work at a time, and those of a
//! part are few; later plans of the session begin so, for one that fails may fail late. Last, joins are
//! sorted, which spill, in the place of hashed ones, which are quicker and cannot. None of this changes
//! a row.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{LogicalPlan, SubqueryAlias};
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::prelude::ParquetReadOptions;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use tempfile::{NamedTempFile, TempPath};

use super::session::{Engine, root, translate};
use super::store::refused_by_disk;
use super::write::ROW_GROUP;
use crate::error::{Error, Result};

/// Longer than any task takes to be told that it is over; what others hold is not waited for.
const LETTING_GO: std::time::Duration = std::time::Duration::from_secs(2);

/// The rows of a batch where memory is short.
const NARROW: usize = 2048;

/// How a plan is executed. Each way needs less memory than the one before it, and more time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Whole; of what is joined one side is in memory, hashed.
    Whole,
    /// In parts: what joins, groups or ranks under a name of its own is a part.
    Parts,
    /// In parts; both sides of a join are sorted.
    Sorted,
}

impl Way {
    fn next(self) -> Option<Self> {
        match self {
            Self::Whole => Some(Self::Parts),
            Self::Parts => Some(Self::Sorted),
            Self::Sorted => None,
        }
    }
}

/// Batches that a plan makes before they are taken, at most.
const AHEAD: usize = 2;

/// What was taken of a plan's rows, or the engine's error, with the plan to let go of.
type Taken<T> = std::result::Result<T, (DataFusionError, SendableRecordBatchStream)>;

/// A plan that has begun: its rows, and the files that it reads, which go with it.
pub(super) struct Begun {
    pub(super) rows: BoxStream<'static, std::result::Result<RecordBatch, DataFusionError>>,
    _files: Vec<TempPath>,
}

impl Engine {
    /// Begins a plan, up to its first rows.
    pub(super) async fn begin(&self, frame: DataFrame, what: &str) -> Result<Begun> {
        let broke_off = format!("{what}: execution broke off");
        let first = move |mut rows: SendableRecordBatchStream| {
            let broke_off = broke_off.clone();
            async move {
                let first = tokio::spawn(async move { (rows.next().await, rows) }).await;
                Ok(match first.map_err(|_| Error::bug(broke_off))? {
                    (Some(Err(error)), rows) => Err((error, rows)),
                    (first, rows) => Ok(futures::stream::iter(first).chain(rows).boxed()),
                })
            }
            .boxed()
        };
        let (rows, files) = self.attempt(frame, what, first).await?;
        Ok(Begun { rows, _files: files })
    }

    /// Executes a plan in one way after another, until memory suffices for what is taken of its rows.
    async fn attempt<T: Send>(
        &self,
        frame: DataFrame,
        what: &str,
        take: impl Fn(SendableRecordBatchStream) -> BoxFuture<'static, Result<Taken<T>>> + Send + Sync,
    ) -> Result<(T, Vec<TempPath>)> {
        let frame = analyzed(frame).map_err(|error| translate(what, error))?;
        let mut way = if self.is_short() { Way::Parts } else { Way::Whole };
        let (mut frame, mut files) = self.share(frame, what, way).await?;
        loop {
            let rows = started(frame.clone(), way, what).await?;
            let (error, rows) = match take(rows).await? {
                Ok(taken) => return Ok((taken, files)),
                Err(broken) => broken,
            };
            way = match way.next() {
                Some(next) if is_exhausted(&error) => next,
                _ => return Err(translate(what, error)),
            };
            tracing::debug!(?way, "{what}: more than its memory, begun anew");
            self.released(rows).await;
            if way == Way::Parts {
                self.set_short();
                let (parts, further) = self.share(frame, what, way).await?;
                frame = parts;
                files.extend(further);
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

    /// The plan with everything in files that is a part for this way.
    async fn share(
        &self,
        frame: DataFrame,
        what: &str,
        way: Way,
    ) -> Result<(DataFrame, Vec<TempPath>)> {
        let (state, plan) = frame.into_parts();
        let (mut known, mut files) = (HashMap::new(), Vec::new());
        for part in parts(&plan, way).map_err(|error| translate(what, error))? {
            let once = with(part.input.as_ref().clone(), &known)
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

    /// Writes the rows of a plan, which may have parts of its own, to a file of the temporary folder,
    /// their types as they are.
    fn keep<'a>(&'a self, frame: DataFrame, what: &'a str) -> BoxFuture<'a, Result<TempPath>> {
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let all = move |rows| write_all(rows, Arc::clone(&schema), what.to_owned()).boxed();
        async move { Ok(self.attempt(frame, what, all).await?.0) }.boxed()
    }
}

/// Writes all rows to a new file of the temporary folder.
async fn write_all(
    mut rows: SendableRecordBatchStream,
    schema: SchemaRef,
    what: String,
) -> Result<Taken<TempPath>> {
    let disk = |error: &(dyn std::error::Error + 'static)| {
        refused_by_disk(&std::env::temp_dir().display().to_string(), error)
    };
    let refused = |error: std::io::Error| {
        disk(&error).unwrap_or_else(|| {
            Error::retry(format!("{what}: the temporary folder refused a file"))
                .help("check TMPDIR, then run the same command again")
        })
    };
    let unwritten = |error: ParquetError| {
        disk(&error).unwrap_or_else(|| Error::bug(format!("{what}: a part cannot be written")))
    };
    let file = NamedTempFile::new().map_err(refused)?;
    let handle: File = file.reopen().map_err(refused)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    let mut writer = ArrowWriter::try_new(handle, schema, Some(properties)).map_err(unwritten)?;
    while let Some(batch) = rows.next().await {
        match batch {
            Ok(batch) => writer.write(&batch).map_err(unwritten)?,
            Err(error) => return Ok(Err((error, rows))),
        }
    }
    writer.close().map_err(unwritten)?;
    Ok(Ok(file.into_temp_path()))
}

/// The frame with the types that its rows will have: a union's are not known before.
fn analyzed(frame: DataFrame) -> datafusion::common::Result<DataFrame> {
    let (state, plan) = frame.into_parts();
    let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
    Ok(DataFrame::new(state, plan))
}

/// The frame, to be planned for this way.
fn planned_for(frame: DataFrame, way: Way) -> DataFrame {
    let (mut state, plan) = frame.into_parts();
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = way != Way::Sorted;
    if way == Way::Sorted {
        // DataFusion hashes all the same where it plans for one thread.
        options.execution.target_partitions = options.execution.target_partitions.max(2);
        // What a merge holds of each file that it reads.
        let config = std::mem::take(state.config_mut());
        *state.config_mut() = config.with_batch_size(NARROW);
    }
    DataFrame::new(state, plan)
}

/// Plans a frame for a way, and starts it.
async fn started(frame: DataFrame, way: Way, what: &str) -> Result<SendableRecordBatchStream> {
    // A task of its own: planning recurses more deeply than the caller's stack may hold.
    let planned = tokio::spawn(planned_for(frame, way).execute_stream()).await;
    let rows = planned
        .map_err(|_| Error::bug(format!("{what}: planning broke off")))?
        .map_err(|error| translate(what, error))?;
    // What merges the last rows works beside what takes them: most are written as Parquet.
    Ok(spawn_buffered(rows, AHEAD))
}

fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(root(error), DataFusionError::ResourcesExhausted(_))
}

/// The subqueries that are worth a file, and that a plan names more than once where it is executed
/// whole; each after those that it reads.
fn parts(plan: &LogicalPlan, way: Way) -> datafusion::common::Result<Vec<SubqueryAlias>> {
    let (mut order, mut named) = (Vec::new(), HashMap::<SubqueryAlias, usize>::new());
    visit(plan, &mut order, &mut named)?;
    let times = if way == Way::Whole { 2 } else { 1 };
    order.retain(|part| named.get(part).is_some_and(|found| *found >= times) && is_worth(part));
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

/// Whether a subquery does more than read and filter, is no other name of one, can stand alone, and has
/// columns that a file can have.
fn is_worth(part: &SubqueryAlias) -> bool {
    if matches!(*part.input, LogicalPlan::SubqueryAlias(_)) {
        return false;
    }
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
        let twice = parts(frame.logical_plan(), Way::Whole).unwrap();
        let names: Vec<&str> = twice.iter().map(|part| part.alias.table()).collect();
        assert_eq!(names, ["sums", "ranked"], "numbers is only read, total is named once");
        let (shared, files) = engine.share(frame.clone(), "a test", Way::Whole).await.unwrap();
        assert_eq!(files.len(), 2);
        assert!(parts(shared.logical_plan(), Way::Whole).unwrap().is_empty());
        let paths: Vec<_> = files.iter().map(|file| file.to_path_buf()).collect();
        #[expect(clippy::disallowed_methods, reason = "as DataFusion itself does, to compare with")]
        let expected = frame.collect().await.unwrap();
        let expected = arrow::util::pretty::pretty_format_batches(&expected).unwrap().to_string();
        assert!(expected.lines().count() > 90, "{expected}");
        assert_eq!(rows(&engine, shared).await, expected);
        drop(files);
        assert!(paths.iter().all(|path| !path.exists()), "files go with the plan");
        let frame = engine.sql(SQL, "a test").await.unwrap();
        assert_eq!(rows(&engine, frame.clone()).await, expected);
        engine.set_short();
        assert_eq!(rows(&engine, frame).await, expected, "in parts");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_part_has_the_types_of_its_rows() {
        // Only analysis makes one type of a union's two.
        let sql = "WITH both AS (
                SELECT k, CAST(NULL AS DECIMAL(18, 2)) AS amount FROM (VALUES (1), (2)) one (k)
                UNION ALL
                SELECT k, sum(CAST(k AS DECIMAL(18, 2))) AS amount FROM (VALUES (1), (2)) other (k)
                GROUP BY k)
            SELECT k, sum(amount) AS amount FROM both GROUP BY k ORDER BY k ASC";
        let engine = Engine::new(&Options { threads: 2, memory: 1 << 30 }).unwrap();
        let frame = engine.sql(sql, "a test").await.unwrap();
        let whole = rows(&engine, frame.clone()).await;
        assert!(whole.contains("2.00"), "{whole}");
        engine.set_short();
        assert_eq!(rows(&engine, frame).await, whole);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn joins_are_hashed_or_sorted_for_any_number_of_threads() {
        for threads in [1, 2] {
            let engine = Engine::new(&Options { threads, memory: 1 << 30 }).unwrap();
            let sql = "SELECT a.n FROM (SELECT value AS n FROM generate_series(1, 9)) a \
                       JOIN (SELECT value AS n FROM generate_series(1, 9)) b ON a.n = b.n";
            for (way, expected) in
                [(Way::Parts, "HashJoinExec"), (Way::Sorted, "SortMergeJoinExec")]
            {
                let frame = engine.sql(sql, "a test").await.unwrap();
                let plan = planned_for(frame, way).create_physical_plan().await.unwrap();
                let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false);
                assert!(text.to_string().contains(expected), "{threads} threads: {text}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_plan_that_does_not_fit_is_begun_anew_until_it_does() {
        let sql = "WITH one AS (SELECT value AS n, repeat('a', 150) || value AS text
                                FROM generate_series(1, 600000)),
              other AS (SELECT value AS n, max(repeat('b', 150) || value) AS text
                        FROM generate_series(1, 600000) GROUP BY value)
              SELECT count(*) AS pairs, sum(octet_length(one.text || other.text)) AS bytes
              FROM one JOIN other ON one.n = other.n AND one.text <> other.text";
        let narrow = Engine::new(&Options { threads: 2, memory: 160 << 20 }).unwrap();
        let frame = narrow.sql(sql, "a test").await.unwrap();
        let mut whole = started(frame.clone(), Way::Whole, "a test").await.unwrap();
        assert!(whole.next().await.unwrap().is_err_and(|error| is_exhausted(&error)));
        narrow.released(whole).await;
        assert_eq!(narrow.context().runtime_env().memory_pool.reserved(), 0);
        let found = rows(&narrow, frame).await;
        let wide = Engine::new(&Options { threads: 2, memory: 4 << 30 }).unwrap();
        let frame = wide.sql(sql, "a test").await.unwrap();
        assert!(found.contains("600000"), "{found}");
        assert_eq!(found, rows(&wide, frame).await);
    }
}

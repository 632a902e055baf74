//! The DataFusion session: threads, memory pool, spill, functions, and SQL in and batches out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, DataFusionError};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{Expr, ParquetReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;

use super::columns::ColumnLineage;
use super::pool::Pool;
use super::store::{Store, refused_by_disk, store_cause, store_error};
use super::windows::WindowsInOrder;
use crate::error::{Error, Result};
use crate::memory;
use crate::threads;

/// How the engine runs. Nothing here changes a result.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that execute plans.
    pub threads: usize,
    /// Bytes that the process may hold, about; SQL operators spill at half of them.
    pub memory: u64,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, memory: memory::half_of_the_machine() }
    }
}

/// Parses a size such as `512MB`, `4GB`, `1.5GiB` or a number of bytes. Decimal and binary units
/// are taken alike, as powers of 1024.
pub fn parse_size(text: &str) -> Result<u64> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => 0,
    };
    let bytes = number.parse::<f64>().unwrap_or(-1.0) * factor as f64;
    if factor == 0 || bytes < 1.0 {
        return Err(Error::usage(format!("`{text}` is not a size"))
            .help("give a number with a unit, such as 512MB or 4GB"));
    }
    Ok(bytes as u64)
}

/// Room on the stack of a thread that plans or executes: DataFusion recurses by the depth of a plan,
/// and its frames are large where it is not optimised. Only what is used is ever taken.
pub const STACK: usize = 64 << 20;

/// Runs a future to its end on a runtime whose threads have room for deep query plans, as the
/// caller's should have: the future itself runs there.
pub fn run_blocking<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).max(2))
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|source| Error::retry("the asynchronous runtime did not start").because(source))?
        .block_on(future)
}

/// The files that a sort which spilled reads at a time.
const MERGED: usize = 8;

/// A session that plans and executes SQL over registered tables.
pub struct Engine {
    context: SessionContext,
    options: Options,
    /// Whether a plan did not fit in memory as a whole.
    short: AtomicBool,
}

impl Engine {
    /// A session with these threads and this memory, and simurgh's SQL functions.
    pub fn new(options: &Options) -> Result<Self> {
        threads::set_count(options.threads);
        let mut config = SessionConfig::new()
            .with_target_partitions(options.threads)
            .with_information_schema(false);
        let settings = config.options_mut();
        // DataFusion 55 reorders the keys of an aggregate under a join and then finds them again
        // by name: two keys of one name become one of them twice, and rows are wrong in silence.
        settings.optimizer.top_down_join_key_reordering = false;
        settings.execution.parquet.schema_force_view_types = false;
        settings.sql_parser.map_string_types_to_utf8view = false;
        settings.execution.sort_spill_reservation_bytes = 4 << 20;
        // Where every fifth row begins a group, as of customers and days, to group in each part
        // before rows are sent to theirs is work done twice; the engine would at four of five.
        settings.execution.skip_partial_aggregation_probe_ratio_threshold = 0.2;
        // A number with decimals is a decimal: float arithmetic is asked for by a cast.
        settings.sql_parser.parse_float_as_decimal = true;
        settings.execution.time_zone = Some("UTC".to_owned());
        let runtime = RuntimeEnvBuilder::new()
            // A merge takes what room there is for as many files as it finds; others wait for room.
            .with_disk_manager_builder(
                DiskManagerBuilder::default().with_max_spill_merge_fan_in(MERGED),
            )
            // The other half is for what stages hold beside it, and for what operators take beyond
            // what they account for: an aggregate that spills, up to twice its share.
            .with_memory_pool(Arc::new(Pool::new(
                usize::try_from(options.memory / 2).unwrap_or(usize::MAX),
            )))
            .build_arc()
            .map_err(|error| translate("the engine did not start", error))?;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_physical_optimizer_rule(Arc::new(WindowsInOrder))
            .build();
        let context = SessionContext::new_with_state(state);
        for function in crate::functions::all() {
            context.register_udf(function);
        }
        Ok(Self { context, options: options.clone(), short: AtomicBool::new(false) })
    }

    /// How the engine runs.
    pub fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Whether memory did not suffice for a plan as a whole.
    pub(super) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    pub(super) fn set_short(&self) {
        self.short.store(true, Ordering::Relaxed);
    }

    /// A copy of the session's state, to plan expressions with.
    pub(super) fn state(&self) -> datafusion::execution::SessionState {
        self.context.state()
    }

    /// The plan of a SELECT over registered tables.
    pub async fn sql(&self, sql: &str, what: &str) -> Result<DataFrame> {
        // No DDL and no statements: a pipeline's SQL only ever reads.
        let options = datafusion::execution::context::SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        // Planning recurses deeply, more than the caller's stack may hold in a debug build.
        let context = self.context.clone();
        let text = sql.to_owned();
        let planned =
            tokio::spawn(async move { context.sql_with_options(&text, options).await }).await;
        match planned {
            Ok(frame) => frame.map_err(|error| translate(what, error)),
            Err(_) => Err(Error::configuration(format!("{what}: planning this SQL failed"))
                .help("write it in simpler parts")),
        }
    }

    /// Names a plan, so that SQL can read it.
    pub fn register(&self, name: &str, frame: DataFrame) -> Result<()> {
        self.release(name);
        self.context
            .register_table(name, frame.into_view())
            .map(drop)
            .map_err(|error| translate(name, error))
    }

    /// Whether SQL may read a table of this name.
    pub fn knows(&self, name: &str) -> bool {
        self.context.table_exist(name).unwrap_or(false)
    }

    /// Takes a name back: SQL no longer reads it, and what it held is let go.
    pub fn release(&self, name: &str) {
        // Nothing is lost where nothing was there.
        let _ = self.context.deregister_table(name);
    }

    /// What a plan's columns are made of, of the tables that SQL may read.
    pub fn lineage(&self, frame: &DataFrame) -> ColumnLineage {
        ColumnLineage::of(frame.logical_plan(), &self.tables())
    }

    fn tables(&self) -> std::collections::BTreeSet<String> {
        let state = self.context.state_ref();
        let catalog = &state.read().config_options().catalog.clone();
        self.context
            .catalog(&catalog.default_catalog)
            .and_then(|found| found.schema(&catalog.default_schema))
            .map_or_else(Default::default, |schema| schema.table_names().into_iter().collect())
    }

    /// A plan over batches in memory.
    pub fn batches(&self, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<DataFrame> {
        let table = datafusion::datasource::MemTable::try_new(schema, vec![batches])
            .map_err(|error| translate("batches in memory", error))?;
        self.context
            .read_table(Arc::new(table))
            .map_err(|error| translate("batches in memory", error))
    }

    /// A plan over Parquet files of a store; `paths` are relative to it and not empty.
    pub async fn parquet(&self, store: &Store, paths: &[String]) -> Result<DataFrame> {
        // A disk's too, in the place of the engine's own: ours is never asked for what is past a
        // file's end.
        let mut bucket = store.url().clone();
        bucket.set_path("/");
        self.context.register_object_store(&bucket, store.root());
        let urls: Vec<String> = paths.iter().map(|path| store.url_of(path)).collect();
        // The engine does not say which file it was; all are of one folder.
        let first = paths.first().map_or("", String::as_str);
        let folder = store.url_of(first.rsplit_once('/').map_or("", |(folder, _)| folder));
        let context = self.context.clone();
        // A task of its own: the reader of a footer may panic on one that is damaged.
        let planned =
            tokio::spawn(
                async move { context.read_parquet(urls, ParquetReadOptions::default()).await },
            );
        let help = "restore it from a copy, or begin a new warehouse from the exports";
        let Ok(planned) = planned.await else {
            return Err(Error::data(format!("{folder}: a Parquet file is damaged")).help(help));
        };
        planned.map_err(|error| match root(&error) {
            // Nothing but paths is planned here: what is not found is a file.
            DataFusionError::Plan(_) => {
                Error::data(format!("{folder}: a file that the table names is missing")).help(help)
            }
            _ => translate(&folder, error),
        })
    }

    /// A plan with its rows in ascending order of these columns.
    pub fn sorted(&self, frame: DataFrame, columns: &[impl AsRef<str>]) -> Result<DataFrame> {
        let order: Vec<_> = columns
            .iter()
            .map(|name| Expr::Column(Column::new_unqualified(name.as_ref())).sort(true, false))
            .collect();
        if order.is_empty() {
            return Ok(frame);
        }
        frame.sort(order).map_err(|error| translate("sorting", error))
    }

    /// All rows of a plan.
    pub async fn collect(&self, frame: DataFrame, what: &str) -> Result<Vec<RecordBatch>> {
        let _work = memory::at(format!("collecting {what}"));
        let begun = self.begin(frame, what).await?;
        match tokio::spawn(begun.rows.try_collect()).await {
            Ok(batches) => batches.map_err(|error| translate(what, error)),
            Err(_) => Err(Error::bug(format!("{what}: execution broke off"))),
        }
    }

    /// All rows of a plan as one batch.
    pub async fn collect_one(&self, frame: DataFrame, what: &str) -> Result<RecordBatch> {
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = self.collect(frame, what).await?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        let _work = memory::at(format!("joining the batches of {what}"));
        memory::need(batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum())?;
        arrow::compute::concat_batches(&schema, &batches)
            .map_err(|_| Error::bug(format!("{what}: batches of different schemas")))
    }

    /// How many rows a plan gives.
    pub async fn count(&self, frame: DataFrame, what: &str) -> Result<u64> {
        let count = tokio::spawn(frame.count()).await;
        match count {
            Ok(count) => Ok(count.map_err(|error| translate(what, error))? as u64),
            Err(_) => Err(Error::bug(format!("{what}: execution broke off"))),
        }
    }
}

/// A foreign error as one of ours: its kind and place, without any value it may quote.
pub(super) fn translate(what: &str, error: DataFusionError) -> Error {
    // A disk's or a store's answer may be wrapped by what was reading or spilling: it says what to
    // do, and they do not.
    if let Some(refused) = refused_by_disk(what, &error) {
        return refused;
    }
    if let Some(cause) = store_cause(&error) {
        return store_error(what, cause);
    }
    let kind = root(&error);
    match kind {
        DataFusionError::Plan(message)
        | DataFusionError::Configuration(message)
        | DataFusionError::NotImplemented(message) => {
            // Planning happens before any row is read: its text names columns and functions only.
            let another_statement =
                message.contains("not supported: ") || message.contains("single SQL statement");
            Error::configuration(format!("{what}: {message}")).help(if another_statement {
                "mend the SQL; it must be one SELECT: simurgh's SQL only reads"
            } else {
                "mend the SQL; `simurgh functions` lists the functions it may call"
            })
        }
        DataFusionError::SchemaError(schema, _) => {
            Error::configuration(format!("{what}: {schema}"))
                .help("mend the SQL; the columns it may read are those of the tables it names")
        }
        DataFusionError::SQL(parser, _) => Error::configuration(format!("{what}: {parser}"))
            .help("mend the SQL; it must be one SELECT"),
        DataFusionError::ResourcesExhausted(message) => {
            Error::data(format!("out of memory: {what}: {}", first_line(message)))
                .help("give more with --memory, of which SQL has half, or fewer --threads")
        }
        DataFusionError::IoError(io) => {
            Error::retry(format!("{what}: {}", io.kind())).help("run the same command again")
        }
        DataFusionError::ParquetError(_) => {
            Error::data(format!("{what}: a Parquet file is damaged or not Parquet"))
                .help("restore it from a copy, or begin a new warehouse from the exports")
        }
        DataFusionError::ArrowError(arrow, _) => {
            Error::data(format!("{what}: {}", arrow_kind(arrow)))
                .help("a value does not fit: use try_cast, or a parsing function that gives null")
        }
        DataFusionError::Execution(_) | DataFusionError::External(_) => {
            Error::data(format!("{what}: a row could not be computed"))
                .help("a function was given a value it refuses: clean it first, or use try_cast")
        }
        _ => Error::bug(format!("{what}: the engine failed")),
    }
}

pub(super) fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, root),
        error => error,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn arrow_kind(error: &arrow::error::ArrowError) -> &'static str {
    use arrow::error::ArrowError as E;
    match error {
        E::CastError(_) => "a value cannot be cast",
        E::ParseError(_) => "a value cannot be parsed",
        E::DivideByZero => "division by zero",
        E::ArithmeticOverflow(_) => "a number is too large",
        E::InvalidArgumentError(_) | E::ComputeError(_) => "a value is out of range",
        _ => "rows cannot be computed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_units() {
        assert_eq!(parse_size("512MB").unwrap(), 512 << 20);
        assert_eq!(parse_size("1.5 GiB").unwrap(), 3 << 29);
        assert_eq!(parse_size("77").unwrap(), 77);
        for wrong in ["", "MB", "-1GB", "4 parsecs", "0"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn errors_of_the_engine_quote_no_values() {
        let engine = Engine::new(&Options::default()).unwrap();
        let frame = engine.sql("SELECT CAST(v AS INT) FROM (VALUES ('canary-77')) t(v)", "a test");
        let error = engine.collect(frame.await.unwrap(), "a test").await.unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert_eq!(error.kind(), crate::error::Kind::Data);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn group_keys_of_one_name_stay_apart_under_a_join() {
        let sql = "WITH edges AS (
               SELECT a.id, b.id AS other, count(*) AS weight
               FROM (VALUES ('x', 'y'), ('y', 'x'), ('x', 'z')) follows (one, two)
               JOIN (VALUES ('x', 1), ('y', 2), ('z', 3)) a (name, id) ON a.name = follows.one
               JOIN (VALUES ('x', 1), ('y', 2), ('z', 3)) b (name, id) ON b.name = follows.two
               GROUP BY a.id, b.id)
             SELECT there.id, there.other, back.id IS NOT NULL AS mutual
             FROM edges there
             LEFT JOIN edges back ON back.id = there.other AND back.other = there.id
             ORDER BY there.id, there.other";
        for threads in [1, 4] {
            let engine = Engine::new(&Options { threads, ..Options::default() }).unwrap();
            let frame = engine.sql(sql, "a test").await.unwrap();
            let rows = engine.collect(frame, "a test").await.unwrap();
            let rows = arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string();
            for row in
                ["| 1  | 2     | true   |", "| 1  | 3     | false  |", "| 2  | 1     | true   |"]
            {
                assert!(rows.contains(row), "{threads} threads:\n{rows}");
            }
        }
    }
}

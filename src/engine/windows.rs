//! Window functions over rows that come in order, a batch at a time.
//!
//! DataFusion evaluates such windows a row at a time, and keeps a state for every partition: where
//! partitions are customers, millions with a few rows each, that takes longer than all else in a plan.
//! `row_number`, `lag` and `lead` by one row, and a sum that runs from the first row on, need to know
//! only where partitions begin, and what came last. A window of any other function stays DataFusion's.
//! None of this changes a row.

use std::fmt::{Formatter, Result as Formatted};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, RecordBatch,
    UInt64Array,
};
use arrow::compute::{concat, nullif, partition};
use arrow::datatypes::{ArrowNativeTypeOp, DataType, Decimal128Type, Int64Type, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, StandardWindowExpr, WindowExpr};
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, InputOrderMode,
    PlanProperties,
};
use futures::StreamExt;

/// What is told of a row by those of its partition up to the next one.
#[derive(Debug, Clone)]
enum Function {
    /// Its number, from 1.
    RowNumber,
    /// The value of the row before; null for the first.
    Before(Arc<dyn PhysicalExpr>),
    /// The value of the row after; null for the last.
    After(Arc<dyn PhysicalExpr>),
    /// The sum up to the row itself; null before the first value. Of this type.
    Sum(Arc<dyn PhysicalExpr>, DataType),
}

impl Function {
    /// What a window asks for of rows of this schema, where it is one of these.
    fn of(window: &dyn WindowExpr, schema: &Schema) -> Option<Self> {
        if let Some(plain) = window.as_any().downcast_ref::<PlainAggregateWindowExpr>() {
            return Self::sum(plain, schema);
        }
        let same = |value: &Arc<dyn PhysicalExpr>| {
            let own = value.data_type(schema).ok();
            own.is_some_and(|own| window.field().is_ok_and(|field| *field.data_type() == own))
        };
        let standard = window.as_any().downcast_ref::<StandardWindowExpr>()?;
        let standard = standard.get_standard_func_expr();
        let function = standard.as_any().downcast_ref::<WindowUDFExpr>()?;
        match (function.fun().name(), function.args()) {
            ("row_number", []) => Some(Self::RowNumber),
            ("lag" | "lead", [value]) if same(value) => {
                // Either may be the other, of an order turned round; the rows it reads tell which.
                let reads = standard.create_evaluator().ok()?.get_range(5, 10).ok()?;
                match (reads.start, reads.end) {
                    (4, 6) => Some(Self::Before(Arc::clone(value))),
                    (5, 6) => Some(Self::After(Arc::clone(value))),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn sum(window: &PlainAggregateWindowExpr, schema: &Schema) -> Option<Self> {
        let sum = window.get_aggregate_expr();
        let frame = window.get_window_frame();
        let runs = frame.units == WindowFrameUnits::Rows
            && frame.start_bound.is_unbounded()
            && matches!(frame.end_bound, WindowFrameBound::CurrentRow);
        // A filter is told in the name alone.
        let plain = !sum.is_distinct() && !window.name().contains("FILTER");
        let kind = sum.field().data_type().clone();
        let known = |value: &Arc<dyn PhysicalExpr>| match (value.data_type(schema), &kind) {
            (Ok(DataType::Int64), DataType::Int64) => true,
            (Ok(DataType::Decimal128(_, own)), DataType::Decimal128(_, scale)) => own == *scale,
            _ => false,
        };
        match sum.expressions().as_slice() {
            [value] if sum.fun().name() == "sum" && runs && plain && known(value) => {
                Some(Self::Sum(Arc::clone(value), kind))
            }
            _ => None,
        }
    }
}

/// Plans windows of functions that are known here as [`InOrder`].
#[derive(Debug)]
pub(super) struct WindowsInOrder;

impl PhysicalOptimizerRule for WindowsInOrder {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let changed = plan.transform_up(|plan| {
            Ok(match plan.downcast_ref::<BoundedWindowAggExec>().and_then(InOrder::of) {
                Some(own) => Transformed::yes(Arc::new(own) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(plan),
            })
        })?;
        Ok(changed.data)
    }

    fn name(&self) -> &'static str {
        "windows_in_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Windows over rows that are sorted by their partition and order; the same in every other respect as
/// the plan of DataFusion's that it stands for.
#[derive(Debug)]
struct InOrder {
    window: BoundedWindowAggExec,
    functions: Vec<Function>,
}

impl InOrder {
    fn of(window: &BoundedWindowAggExec) -> Option<Self> {
        let sorted = matches!(window.input_order_mode, InputOrderMode::Sorted);
        let schema = window.input().schema();
        let functions = window.window_expr().iter().map(|own| Function::of(own.as_ref(), &schema));
        let functions: Option<Vec<Function>> = functions.collect();
        Some(Self { window: window.clone(), functions: functions.filter(|_| sorted)? })
    }
}

impl DisplayAs for InOrder {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut Formatter<'_>) -> Formatted {
        f.write_str("InOrder: ")?;
        self.window.fmt_as(kind, f)
    }
}

impl ExecutionPlan for InOrder {
    fn name(&self) -> &'static str {
        "InOrder"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.window.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.window.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.window.apply_expressions(f)
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.window.required_input_ordering()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.window.input_distribution_requirements()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.window.maintains_input_order()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let window = Arc::new(self.window.clone()).replace_children(children, options)?;
        match window.downcast_ref::<BoundedWindowAggExec>().and_then(Self::of) {
            Some(own) => Ok(Arc::new(own)),
            None => Ok(window),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let state = State {
            input: self.window.input().execute(partition, context)?,
            schema: self.schema(),
            partition_by: self.window.window_expr()[0].partition_by().to_vec(),
            carried: self.functions.iter().map(|_| None).collect(),
            functions: self.functions.clone(),
            last_key: None,
            held: None,
            rows: 0,
        };
        let batches = futures::stream::unfold(Some(state), |state| async {
            let mut state = state?;
            match state.next().await {
                Some(Ok(batch)) => Some((Ok(batch), Some(state))),
                Some(Err(error)) => Some((Err(error), None)),
                None => None,
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}

/// A batch of which all is known but what comes after its last row.
struct Held {
    batch: RecordBatch,
    /// What each function made of it; of one that looks ahead, the values themselves.
    made: Vec<ArrayRef>,
    /// Whether each row is the first of its partition.
    begins: BooleanArray,
}

/// The rows that came, as far as those to come depend on them.
struct State {
    input: SendableRecordBatchStream,
    schema: SchemaRef,
    partition_by: Vec<Arc<dyn PhysicalExpr>>,
    functions: Vec<Function>,
    /// Of each function: the last row's value, or the sum up to it.
    carried: Vec<Option<ArrayRef>>,
    /// The last row's partition.
    last_key: Option<Vec<ArrayRef>>,
    held: Option<Held>,
    /// The last row's number in its partition.
    rows: u64,
}

impl State {
    /// The next batch, each after the one that follows it has come.
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            match self.input.next().await {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => match self.taken(batch) {
                    Ok(None) => {}
                    Ok(Some(done)) => return Some(Ok(done)),
                    Err(error) => return Some(Err(error)),
                },
                Some(Err(error)) => return Some(Err(error)),
                None => return self.held.take().map(|held| self.finished(held, None)),
            }
        }
    }

    /// Takes a batch in, and gives the one before it.
    fn taken(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let rows = batch.num_rows();
        let values = |value: &Arc<dyn PhysicalExpr>| value.evaluate(&batch)?.into_array(rows);
        let key: Vec<ArrayRef> = self.partition_by.iter().map(values).collect::<Result<_>>()?;
        let begins = self.begins(&key, rows)?;
        let mut made = Vec::with_capacity(self.functions.len());
        for (function, carried) in self.functions.iter().zip(&mut self.carried) {
            made.push(match function {
                Function::RowNumber => numbers(&begins, &mut self.rows),
                Function::Before(value) => {
                    let own = values(value)?;
                    let first = carried.replace(own.slice(rows - 1, 1));
                    let first = first.unwrap_or_else(|| own.slice(0, 1));
                    let shifted = concat(&[first.as_ref(), own.slice(0, rows - 1).as_ref()])?;
                    nullif(&shifted, &begins)?
                }
                Function::After(value) => values(value)?,
                Function::Sum(value, kind) => {
                    let own = values(value)?;
                    let sums = match kind {
                        DataType::Int64 => sums::<Int64Type>,
                        _ => sums::<Decimal128Type>,
                    }(&own, &begins, carried.as_ref(), kind)?;
                    *carried = Some(sums.slice(rows - 1, 1));
                    sums
                }
            });
        }
        self.last_key = Some(key.iter().map(|own| own.slice(rows - 1, 1)).collect());
        let held = self.held.replace(Held { batch, made, begins });
        let next = self.held.as_ref();
        held.map(|held| self.finished(held, next)).transpose()
    }

    /// Whether each row of a batch is the first of its partition.
    fn begins(&self, key: &[ArrayRef], rows: usize) -> Result<BooleanArray> {
        let mut begins = vec![false; rows];
        if !key.is_empty() {
            partition(key)?.ranges().iter().for_each(|range| begins[range.start] = true);
        }
        begins[0] = match &self.last_key {
            None => true,
            Some(_) if key.is_empty() => false,
            Some(last) => {
                let both = last
                    .iter()
                    .zip(key)
                    .map(|(last, own)| concat(&[last.as_ref(), own.slice(0, 1).as_ref()]));
                let both: Vec<ArrayRef> = both.collect::<std::result::Result<_, _>>()?;
                partition(&both)?.len() > 1
            }
        };
        Ok(BooleanArray::from(begins))
    }

    /// A batch with what was made of it, given the batch after it.
    fn finished(&self, held: Held, next: Option<&Held>) -> Result<RecordBatch> {
        let rows = held.batch.num_rows();
        let mut columns = held.batch.columns().to_vec();
        for ((place, function), made) in self.functions.iter().enumerate().zip(held.made) {
            columns.push(match function {
                Function::After(_) => {
                    let after =
                        next.map_or_else(|| made.slice(0, 1), |next| next.made[place].slice(0, 1));
                    let ends = next.is_none_or(|next| next.begins.value(0));
                    let ends = held.begins.iter().skip(1).chain([Some(ends)]).collect();
                    nullif(&concat(&[made.slice(1, rows - 1).as_ref(), after.as_ref()])?, &ends)?
                }
                _ => made,
            });
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(DataFusionError::from)
    }
}

/// The number of each row in its partition.
fn numbers(begins: &BooleanArray, last: &mut u64) -> ArrayRef {
    let number = |begins: bool| {
        *last = if begins { 1 } else { *last + 1 };
        *last
    };
    Arc::new(UInt64Array::from_iter_values(begins.values().iter().map(number)))
}

/// The sum up to each row of its partition; past what its type holds it wraps, as DataFusion's does.
fn sums<T: ArrowPrimitiveType>(
    values: &ArrayRef,
    begins: &BooleanArray,
    carried: Option<&ArrayRef>,
    kind: &DataType,
) -> Result<ArrayRef> {
    let other = || DataFusionError::Internal("a running sum of another type".to_owned());
    let values = values.as_primitive_opt::<T>().ok_or_else(other)?;
    let carried = carried.map(|own| own.as_primitive_opt::<T>().ok_or_else(other)).transpose()?;
    let mut sum = carried.filter(|own| own.is_valid(0)).map(|own| own.value(0));
    let sums = values.iter().zip(begins.values()).map(|(value, begins)| {
        if begins {
            sum = None;
        }
        if let Some(value) = value {
            sum = Some(sum.map_or(value, |sum| sum.add_wrapping(value)));
        }
        sum
    });
    let sums: PrimitiveArray<T> = sums.collect();
    Ok(Arc::new(sums.with_data_type(kind.clone())))
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::random::SplitMix64;

    const KNOWN: &str = "SELECT k, o, v, d, t,
        sum(v) OVER w AS sum_v, sum(d) OVER w AS sum_d, row_number() OVER w AS place,
        lag(v) OVER w AS before_v, lag(t) OVER w AS before_t, lead(t) OVER w AS after_t,
        lead(d) OVER w AS after_d FROM rows
        WINDOW w AS (PARTITION BY k ORDER BY o ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)";
    const OF_ALL: &str = "SELECT o, v, sum(v) OVER w AS sum_v, lag(t) OVER w AS before_t,
        lead(v) OVER w AS after_v, row_number() OVER w AS place FROM rows
        WINDOW w AS (ORDER BY o ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)";
    // One order serves both ways, and one of them is turned round.
    const TURNED: &str = "SELECT k, o, lag(t) OVER (PARTITION BY k ORDER BY o DESC) AS a,
        lead(t) OVER (PARTITION BY k ORDER BY o DESC) AS b, lag(t) OVER (PARTITION BY k ORDER BY o ASC) AS c,
        lead(t) OVER (PARTITION BY k ORDER BY o ASC) AS d FROM rows";
    const NOTHING: &str =
        "SELECT k, o, lag(NULL) OVER (PARTITION BY k ORDER BY o ASC) AS x FROM rows";
    const OTHERS: &[&str] = &[
        "SELECT k, o, sum(CAST(v AS DOUBLE)) OVER (PARTITION BY k ORDER BY o ASC
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS x FROM rows",
        "SELECT k, o, lag(t, 2) OVER (PARTITION BY k ORDER BY o ASC) AS x FROM rows",
        "SELECT k, o, lag(t, 1, 'none') OVER (PARTITION BY k ORDER BY o ASC) AS x FROM rows",
        "SELECT k, o, lead(t) IGNORE NULLS OVER (PARTITION BY k ORDER BY o ASC) AS x FROM rows",
        "SELECT k, o, max(v) OVER (PARTITION BY k ORDER BY o ASC) AS x FROM rows",
        "SELECT k, o, sum(v) OVER (PARTITION BY k ORDER BY o ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS x
         FROM rows",
        "SELECT k, o, sum(v) FILTER (WHERE v > 3) OVER (PARTITION BY k ORDER BY o ASC
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS x FROM rows",
    ];

    /// Rows in no order, with nulls, as SQL.
    fn rows(count: u64, keys: u64) -> String {
        let mut random = SplitMix64::new(7);
        let mut of = |below: u64| random.next() % below;
        let values: Vec<String> = (0..count)
            .map(|row| {
                let key = of(keys);
                let key = if key == 0 { "null".to_owned() } else { format!("'k{key}'") };
                let order = (row * 7919) % count;
                let value = if of(4) == 0 { "null".to_owned() } else { format!("{}", of(100)) };
                let text = if of(5) == 0 { "null".to_owned() } else { format!("'t{}'", of(9)) };
                format!("({key}, {order}, CAST({value} AS BIGINT), CAST({value} AS DECIMAL(9, 2)), CAST({text} AS VARCHAR))")
            })
            .collect();
        format!(
            "CREATE TABLE rows AS SELECT * FROM (VALUES {}) t(k, o, v, d, t)",
            values.join(", ")
        )
    }

    #[expect(clippy::disallowed_methods, reason = "as DataFusion itself does, to compare with")]
    async fn context(ours: bool, batch: usize, rows: &str) -> SessionContext {
        let config = SessionConfig::new().with_batch_size(batch).with_target_partitions(2);
        let mut state = datafusion::execution::SessionStateBuilder::new()
            .with_config(config)
            .with_default_features();
        if ours {
            state = state.with_physical_optimizer_rule(Arc::new(WindowsInOrder));
        }
        let context = SessionContext::new_with_state(state.build());
        context.sql(rows).await.unwrap().collect().await.unwrap();
        context
    }

    #[expect(clippy::disallowed_methods, reason = "as DataFusion itself does, to compare with")]
    async fn found(context: &SessionContext, sql: &str) -> (String, usize) {
        let frame = context.sql(&format!("SELECT * FROM ({sql}) ORDER BY o ASC")).await.unwrap();
        let plan = frame.clone().create_physical_plan().await.unwrap();
        let plan = displayable(plan.as_ref()).indent(false).to_string();
        let batches = frame.collect().await.unwrap();
        let rows = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        (rows, plan.matches("InOrder: ").count())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_row_is_as_datafusion_makes_it() {
        for (count, keys, batch) in [(1, 1, 7), (60, 6, 1), (200, 1, 7), (200, 60, 3), (60, 60, 9)]
        {
            let rows = rows(count, keys);
            let ours = context(true, batch, &rows).await;
            let theirs = context(false, batch, &rows).await;
            for sql in [KNOWN, OF_ALL, TURNED, NOTHING].iter().chain(OTHERS) {
                let (own, planned) = found(&ours, sql).await;
                assert_eq!(own, found(&theirs, sql).await.0, "{count} rows, {keys} keys: {sql}");
                assert_eq!(planned > 0, !OTHERS.contains(sql), "{sql}");
            }
        }
    }
}

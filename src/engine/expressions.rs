//! Expressions over the columns of a record: SQL planned once and evaluated over rows at hand, in
//! their order.
//!
//! Knows expressions and rows; refuses to know what they are for, and moves no row. A column by its
//! name is that column, and costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;

use super::session::{Engine, translate};
use crate::error::{Error, Result};
use crate::threads::{self, parallel, ranges};

/// Rows that a thread evaluates at a time.
const ROWS: usize = 16_384;

/// An expression, planned.
struct Planned {
    expression: Arc<dyn PhysicalExpr>,
    /// Whether it is a column by its name.
    plain: bool,
}

/// Expressions planned over the columns of records; no record is seen yet.
pub struct RowPlan {
    /// Where they stand, for errors.
    what: String,
    planned: Vec<Planned>,
    /// The columns that they read.
    schema: SchemaRef,
}

impl Engine {
    /// Plans expressions over records of this schema, as if each stood in `SELECT ... FROM records`.
    ///
    /// # Errors
    /// An expression that is no SQL, reads an unknown column, or is not settled by one record.
    pub async fn row_plan(
        &self,
        records: SchemaRef,
        expressions: &[String],
        what: &str,
    ) -> Result<RowPlan> {
        let (state, texts, place) = (self.state(), expressions.to_vec(), what.to_owned());
        // As for whole queries: planning recurses deeply.
        let planned = tokio::spawn(async move { plan(&state, &records, &texts, place) }).await;
        planned.map_err(|_| {
            Error::configuration(format!("{what}: planning these expressions failed"))
                .help("write them in simpler parts")
        })?
    }
}

fn plan(
    state: &SessionState,
    records: &SchemaRef,
    texts: &[String],
    what: String,
) -> Result<RowPlan> {
    let failed = |error| translate(&what, error);
    let of = |schema: &Schema| DFSchema::try_from_qualified_schema("records", schema);
    let whole = of(records).map_err(failed)?;
    let mut expressions = Vec::with_capacity(texts.len());
    let mut read: BTreeSet<String> = BTreeSet::new();
    for sql in texts {
        let expression = state.create_logical_expr(sql, &whole).map_err(failed)?;
        refuse(
            &expression,
            &what,
            "an expression sees the columns of one record, and nothing else",
        )?;
        read.extend(expression.column_refs().into_iter().map(|column| column.name.clone()));
        expressions.push(expression);
    }
    let places: Vec<usize> =
        (0..records.fields().len()).filter(|at| read.contains(records.field(*at).name())).collect();
    let narrow = records
        .project(&places)
        .map_err(|_| Error::bug(format!("{what}: columns that cannot be chosen")))?;
    let schema = of(&narrow).map_err(failed)?;
    let mut planned = Vec::with_capacity(expressions.len());
    for expression in expressions {
        let plain = matches!(expression, Expr::Column(_));
        let expression = physical(state, expression, &schema).map_err(failed)?;
        planned.push(Planned { expression, plain });
    }
    Ok(RowPlan { what, planned, schema: Arc::new(narrow) })
}

/// An expression that can be evaluated. Some functions are names for other expressions, which
/// simplification puts in their place.
pub(super) fn physical(
    state: &SessionState,
    expression: Expr,
    schema: &DFSchema,
) -> datafusion::common::Result<Arc<dyn PhysicalExpr>> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let expression = simplifier.coerce(expression, schema)?;
    let expression = simplifier.simplify(expression)?;
    state.create_physical_expr(expression, schema)
}

/// Refuses what is not settled by the columns at hand.
pub(super) fn refuse(expression: &Expr, what: &str, help: &str) -> Result<()> {
    let mut refused: Option<String> = None;
    let walked = expression.apply(|own| {
        refused = match own {
            Expr::AggregateFunction(call) => {
                Some(format!("`{}` is an aggregate", call.func.name()))
            }
            Expr::WindowFunction(call) => {
                Some(format!("`{}` looks at other rows", call.fun.name()))
            }
            Expr::ScalarFunction(call)
                if call.func.signature().volatility
                    != datafusion::logical_expr::Volatility::Immutable =>
            {
                Some(format!("`{}` gives another answer each time", call.func.name()))
            }
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => {
                Some("a query stands in it".to_owned())
            }
            Expr::Placeholder(_) => Some("a parameter stands in it".to_owned()),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    });
    walked.map_err(|error| translate(what, error))?;
    match refused {
        Some(why) => Err(Error::configuration(format!("{what}: {why}")).help(help)),
        None => Ok(()),
    }
}

impl RowPlan {
    /// The columns of the records that expressions read, each once, in the records' order.
    pub fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// What each expression gives over these records, which hold [`RowPlan::columns`].
    ///
    /// # Errors
    /// A column that is not among them; a value that a function refuses.
    pub fn over(&self, records: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let places: Option<Vec<usize>> = self
            .schema
            .fields()
            .iter()
            .map(|field| records.schema().index_of(field.name()).ok())
            .collect();
        let narrow = places.and_then(|places| records.project(&places).ok());
        let narrow = narrow.ok_or_else(|| {
            Error::bug(format!("{}: a column of the records is missing", self.what))
        })?;
        self.planned.iter().map(|own| self.evaluate(own, &narrow)).collect()
    }

    fn evaluate(&self, own: &Planned, records: &RecordBatch) -> Result<ArrayRef> {
        let of = |records: &RecordBatch| {
            let value = own.expression.evaluate(records);
            value
                .and_then(|value| value.into_array(records.num_rows()))
                .map_err(|error| translate(&self.what, error))
        };
        let ranges = ranges(records.num_rows(), ROWS);
        if own.plain || ranges.len() < 2 {
            return of(records);
        }
        let part = |place: usize| of(&records.slice(ranges[place].start, ranges[place].len()));
        let parts = parallel(ranges.len(), threads::count(), || (), |(), place| part(place))?;
        let parts: Vec<ArrayRef> = parts.into_iter().collect::<Result<_>>()?;
        let parts: Vec<&dyn arrow::array::Array> = parts.iter().map(AsRef::as_ref).collect();
        concat(&parts).map_err(|_| Error::bug(format!("{}: values of two types", self.what)))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::super::Options;
    use super::*;

    fn records(rows: usize) -> RecordBatch {
        let names = StringArray::from_iter_values((0..rows).map(|row| format!("n{row}")));
        let numbers: Int64Array =
            (0..rows).map(|row| (row % 3 > 0).then_some(row as i64)).collect();
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("name", Arc::new(names), true),
            ("unused", Arc::new(numbers.clone()), true),
            ("n", Arc::new(numbers), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    async fn planned(sql: &str) -> Result<RowPlan> {
        let engine = Engine::new(&Options::default()).unwrap();
        engine.row_plan(records(0).schema(), &[sql.to_owned()], "resolve.person").await
    }

    #[tokio::test]
    async fn expressions_are_evaluated_in_the_order_of_rows_and_a_column_is_itself() {
        let rows = ROWS * 2 + 77;
        let records = records(rows);
        let plan = planned("coalesce(n, -1) * 2").await.unwrap();
        assert_eq!(plan.columns(), ["n"]);
        let found = plan.over(&records).unwrap();
        let found = found[0].as_primitive::<Int64Type>();
        let expected = (0..rows).map(|row| if row % 3 > 0 { 2 * row as i64 } else { -2 });
        assert!(found.iter().eq(expected.map(Some)));
        for plain in ["name", "records.name", "\"name\""] {
            let found = planned(plain).await.unwrap().over(&records).unwrap();
            assert!(Arc::ptr_eq(&found[0], records.column(0)), "{plain} is not copied");
        }
    }

    #[tokio::test]
    async fn what_one_record_does_not_settle_is_refused() {
        for (sql, why) in [
            ("max(name)", "`max` is an aggregate"),
            ("row_number() OVER ()", "`row_number` looks at other rows"),
            ("random()", "`random` gives another answer each time"),
            ("shoe", "shoe"),
        ] {
            let error = planned(sql).await.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("resolve.person") && error.contains(why), "{sql}: {error}");
        }
        let plan = planned("CAST(name AS INT)").await.unwrap();
        let error = plan.over(&records(3)).unwrap_err().to_string();
        assert!(error.contains("resolve.person") && !error.contains("n0"), "{error}");
    }
}

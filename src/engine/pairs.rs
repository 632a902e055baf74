//! Conditions on pairs of records: SQL over `l` and `r`, planned once and evaluated on batches of
//! pairs.
//!
//! Knows expressions and rows; refuses to know what a condition decides. A condition holds of a pair
//! if it holds in either order of the two records, so that no result depends on which is which.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{or_kleene, take};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DFSchema, TableReference};
use datafusion::physical_expr::PhysicalExpr;

use super::expressions::{physical, refuse};
use super::session::{Engine, translate};
use crate::error::{Error, Result};

/// The records of a pair, as conditions name them.
const SIDES: [&str; 2] = ["l", "r"];

/// A condition, planned.
struct Planned {
    /// Where it stands, for errors.
    what: String,
    expression: Arc<dyn PhysicalExpr>,
    /// The columns of the records that it reads, of either side.
    columns: Vec<String>,
}

/// Conditions planned over the columns of records; no record is seen yet.
pub struct PairPlan {
    planned: Vec<Planned>,
    schema: SchemaRef,
}

/// Conditions over records at hand.
pub struct PairConditions {
    planned: Vec<Planned>,
    /// By condition, the columns that it reads, and nothing of the rest.
    records: Vec<RecordBatch>,
}

impl Engine {
    /// Plans conditions over pairs of records of this schema; each comes with the words for its
    /// place.
    ///
    /// # Errors
    /// A condition that is no SQL, reads an unknown column, is not true or false, or is more than an
    /// expression over two records.
    pub async fn pair_plan(
        &self,
        records: SchemaRef,
        conditions: &[(String, String)],
    ) -> Result<PairPlan> {
        let mut planned = Vec::with_capacity(conditions.len());
        for (what, sql) in conditions {
            let (state, schema) = (self.state(), Arc::clone(&records));
            let (text, place) = (sql.clone(), what.clone());
            // As for whole queries: planning recurses deeply.
            let one = tokio::spawn(async move { plan(&state, &schema, &text, place) }).await;
            planned.push(one.map_err(|_| {
                Error::configuration(format!("{what}: planning this condition failed"))
                    .help("write it in simpler parts")
            })??);
        }
        Ok(PairPlan { planned, schema: records })
    }
}

fn plan(
    state: &datafusion::execution::SessionState,
    records: &SchemaRef,
    sql: &str,
    what: String,
) -> Result<Planned> {
    let failed = |error| {
        translate(&what, error).help(
            "write a condition over the records `l` and `r`, as `l.tax_id = r.tax_id`; \
             `simurgh functions` lists the functions it may call",
        )
    };
    let whole = sides(records.as_ref()).map_err(failed)?;
    let expression = state.create_logical_expr(sql, &whole).map_err(failed)?;
    refuse(&expression, &what, "a condition sees the columns of two records, and nothing else")?;
    let names: BTreeSet<&str> =
        expression.column_refs().into_iter().map(|column| column.name.as_str()).collect();
    // In the order of the records' columns; the condition sees these alone.
    let columns: Vec<String> = records
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .filter(|name| names.contains(name.as_str()))
        .collect();
    let indices: Vec<usize> =
        columns.iter().filter_map(|name| records.index_of(name).ok()).collect();
    let narrow = records
        .project(&indices)
        .map_err(|_| Error::bug(format!("{what}: columns that cannot be chosen")))?;
    let narrow = sides(&narrow).map_err(failed)?;
    let expression = physical(state, expression, &narrow).map_err(failed)?;
    let gives = expression.data_type(narrow.as_arrow()).map_err(failed)?;
    if gives != DataType::Boolean {
        return Err(Error::configuration(format!("{what}: the condition gives {gives}"))
            .help("it must be true or false of two records: compare what it gives"));
    }
    Ok(Planned { what, expression, columns })
}

/// The columns of both records of a pair, all nullable.
fn sides(records: &arrow::datatypes::Schema) -> datafusion::common::Result<DFSchema> {
    let fields = SIDES.iter().flat_map(|side| {
        let side = TableReference::bare(*side);
        records.fields().iter().map(move |field| (Some(side.clone()), Arc::clone(field)))
    });
    DFSchema::new_with_metadata(fields.collect(), std::collections::HashMap::new())
}

impl PairPlan {
    /// The columns of the records that conditions read, each once, in the records' order.
    pub fn columns(&self) -> Vec<String> {
        let read: BTreeSet<&String> = self.planned.iter().flat_map(|own| &own.columns).collect();
        let all = self.schema.fields().iter().map(|field| field.name().clone());
        all.filter(|name| read.contains(name)).collect()
    }

    /// The conditions over these records, which hold [`PairPlan::columns`].
    ///
    /// # Errors
    /// Where a column is not among them.
    pub fn over(self, records: &RecordBatch) -> Result<PairConditions> {
        let mut narrow = Vec::with_capacity(self.planned.len());
        for own in &self.planned {
            let indices: Option<Vec<usize>> =
                own.columns.iter().map(|name| records.schema().index_of(name).ok()).collect();
            let columns = indices.and_then(|indices| records.project(&indices).ok());
            narrow.push(columns.ok_or_else(|| {
                Error::bug(format!("{}: a column of the records is missing", own.what))
            })?);
        }
        Ok(PairConditions { planned: self.planned, records: narrow })
    }
}

impl PairConditions {
    /// The columns that a condition reads, by its place.
    pub fn columns(&self, condition: usize) -> Vec<(String, ArrayRef)> {
        let names = self.planned[condition].columns.iter().cloned();
        names.zip(self.records[condition].columns().iter().cloned()).collect()
    }

    /// Whether the condition at this place holds of each pair of rows, in either order of the two:
    /// null where it is unknown in one and not true in the other.
    ///
    /// # Errors
    /// A value that a function refuses.
    pub fn holds(&self, condition: usize, left: &[u32], right: &[u32]) -> Result<BooleanArray> {
        let one = self.one_way(condition, left, right)?;
        // Most pairs meet no condition; those that do need not be asked again.
        if one.true_count() == one.len() {
            return Ok(one);
        }
        let other = self.one_way(condition, right, left)?;
        or_kleene(&one, &other).map_err(|_| Error::bug("conditions of two lengths"))
    }

    fn one_way(&self, condition: usize, left: &[u32], right: &[u32]) -> Result<BooleanArray> {
        let own = &self.planned[condition];
        let records = &self.records[condition];
        let failed = || Error::bug(format!("{}: rows that are not there", own.what));
        let mut columns = Vec::with_capacity(2 * records.num_columns());
        for rows in [left, right] {
            let rows = UInt32Array::from(rows.to_vec());
            for column in records.columns() {
                columns.push(take(column, &rows, None).map_err(|_| failed())?);
            }
        }
        let schema = sides(records.schema().as_ref())
            .map_err(|error| translate(&own.what, error))?
            .as_arrow()
            .clone();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(left.len()));
        let batch = RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)
            .map_err(|_| failed())?;
        let found = own
            .expression
            .evaluate(&batch)
            .and_then(|value| value.into_array(left.len()))
            .map_err(|error| translate(&own.what, error))?;
        found.as_any().downcast_ref::<BooleanArray>().cloned().ok_or_else(failed)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::super::Options;
    use super::*;

    fn records() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("unused", DataType::Utf8, true),
            Field::new("Amount", DataType::Float64, true),
        ]);
        let name = StringArray::from(vec![Some("ana"), Some("anna"), None, Some("bo")]);
        let amount = Float64Array::from(vec![Some(1.0), Some(2.5), Some(9.0), None]);
        let unused = StringArray::new_null(4);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![Arc::new(name), Arc::new(unused), Arc::new(amount)],
        )
        .unwrap()
    }

    async fn planned(sql: &str) -> Result<PairPlan> {
        let engine = Engine::new(&Options::default()).unwrap();
        let condition = ("resolve.person.rules `x`".to_owned(), sql.to_owned());
        engine.pair_plan(records().schema(), &[condition]).await
    }

    async fn found(sql: &str) -> Vec<Option<bool>> {
        let plan = planned(sql).await.unwrap();
        let conditions = plan.over(&records()).unwrap();
        let (l, r) = ([0, 0, 0, 0, 1], [0, 1, 2, 3, 0]);
        conditions.holds(0, &l, &r).unwrap().iter().collect()
    }

    #[tokio::test]
    async fn conditions_hold_in_either_order_and_may_be_unknown() {
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(found("l.name = r.name").await, [yes, no, None, no, no]);
        assert_eq!(found("levenshtein(l.name, r.name) <= 1").await, [yes, yes, None, no, yes]);
        assert_eq!(found("abs(l.\"Amount\" - r.\"Amount\") < 2").await, [yes, yes, no, None, yes]);
        assert_eq!(found("l.\"Amount\" < r.\"Amount\"").await, [no, yes, yes, None, yes]);
        assert_eq!(found("l.name IS NULL").await, [no, no, yes, no, no]);
        assert_eq!(found("jaro_winkler_similarity(l.name, r.name) >= 0.9").await[..2], [yes, yes]);
        assert_eq!(found("coalesce(l.name = r.name, false)").await, [yes, no, no, no, no]);
        assert_eq!(found("true").await, [yes; 5]);
        let plan = planned("l.\"Amount\" > 1 AND r.name IS NOT NULL").await.unwrap();
        assert_eq!(plan.columns(), ["name", "Amount"]);
    }

    #[tokio::test]
    async fn what_is_no_condition_on_two_records_is_refused_with_its_place() {
        for (sql, why) in [
            ("l.shoe = r.shoe", "shoe"),
            ("name = 'ana'", "name"),
            ("l.name || r.name", "gives Utf8"),
            ("max(l.name) = r.name", "`max` is an aggregate"),
            ("row_number() OVER () = 1", "`row_number` looks at other rows"),
            ("random() < 0.5", "`random` gives another answer each time"),
            ("l.name = (SELECT 'ana')", "resolve.person.rules `x`"),
            ("l.name = $limit", "resolve.person.rules `x`"),
            ("l.name =", "resolve.person.rules `x`"),
            ("no_such_function(l.name)", "no_such_function"),
        ] {
            let error = planned(sql).await.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("resolve.person.rules `x`"), "{sql}: {error}");
            assert!(error.contains(why), "{sql}: {error}");
        }
    }

    #[tokio::test]
    async fn a_value_that_a_function_refuses_is_an_error_without_the_value() {
        let plan = planned("CAST(l.name AS INT) = 1").await.unwrap();
        let error = plan.over(&records()).unwrap().holds(0, &[0], &[1]).unwrap_err().to_string();
        assert!(error.contains("resolve.person.rules `x`") && !error.contains("ana"), "{error}");
    }
}

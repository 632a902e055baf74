//! Which columns of which tables a plan's columns are made of: column lineage, from the logical plan.
//!
//! Knows plans as DataFusion's planner makes them, before any optimizer: a table that SQL names is an
//! alias over the scan of its files, and there the trace ends. Executes nothing and sees no value.
//! Rows held in memory have no history: their columns come of nothing.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use serde::{Deserialize, Serialize};

/// How a column of a table is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Use {
    /// As it is.
    Identity,
    /// Computed with.
    Transformation,
    /// Computed with over many rows.
    Aggregation,
    /// Decides which rows there are.
    Filter,
    /// Decides which rows meet.
    Join,
    /// Decides which rows are one.
    GroupBy,
    /// Decides the order of rows.
    Sort,
}

impl Use {
    /// Whether the value itself is handed on, and not only what becomes of rows.
    pub fn is_direct(self) -> bool {
        matches!(self, Use::Identity | Use::Transformation | Use::Aggregation)
    }
}

/// A column of a table, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UsedColumn {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// How it is used.
    pub used: Use,
}

/// What a table is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnLineage {
    /// By column: the columns whose values reach it.
    pub columns: BTreeMap<String, BTreeSet<UsedColumn>>,
    /// The columns that decide which rows there are.
    pub rows: BTreeSet<UsedColumn>,
}

impl ColumnLineage {
    /// The lineage of a plan; `tables` are the names that SQL may read.
    pub(super) fn of(plan: &LogicalPlan, tables: &BTreeSet<String>) -> Self {
        let mut trace = Trace { tables, rows: BTreeSet::new() };
        let columns = trace.plan(plan);
        let names = plan.schema().fields().iter().map(|field| field.name().clone());
        let columns = names.zip(columns).filter(|(_, used)| !used.is_empty()).collect();
        Self { columns, rows: trace.rows }
    }

    /// The tables that are read.
    pub fn tables(&self) -> BTreeSet<&str> {
        let used = self.columns.values().flatten().chain(&self.rows);
        used.map(|column| column.table.as_str()).collect()
    }
}

type Columns = BTreeSet<UsedColumn>;

struct Trace<'a> {
    tables: &'a BTreeSet<String>,
    rows: Columns,
}

impl Trace<'_> {
    /// What each column of a plan is made of, in the order of its schema.
    fn plan(&mut self, plan: &LogicalPlan) -> Vec<Columns> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => {
                let name = alias.alias.table();
                if self.tables.contains(name) && is_scan(&alias.input) {
                    return table(name, plan);
                }
                self.plan(&alias.input)
            }
            LogicalPlan::Projection(projection) => {
                let below = self.plan(&projection.input);
                projection
                    .expr
                    .iter()
                    .map(|expr| self.expr(expr, &projection.input, &below, Use::Transformation))
                    .collect()
            }
            LogicalPlan::Aggregate(aggregate) => {
                let below = self.plan(&aggregate.input);
                let mut made = Vec::new();
                for expr in &aggregate.group_expr {
                    let used = self.expr(expr, &aggregate.input, &below, Use::Transformation);
                    self.decide(&used, Use::GroupBy);
                    made.push(used);
                }
                for expr in &aggregate.aggr_expr {
                    made.push(self.expr(expr, &aggregate.input, &below, Use::Aggregation));
                }
                self.fit(made, plan)
            }
            LogicalPlan::Window(window) => {
                let mut made = self.plan(&window.input);
                let below = made.clone();
                for expr in &window.window_expr {
                    made.push(self.expr(expr, &window.input, &below, Use::Aggregation));
                }
                made
            }
            LogicalPlan::Filter(filter) => {
                let below = self.plan(&filter.input);
                let used = self.expr(&filter.predicate, &filter.input, &below, Use::Transformation);
                self.decide(&used, Use::Filter);
                below
            }
            LogicalPlan::Sort(sort) => {
                let below = self.plan(&sort.input);
                for by in &sort.expr {
                    let used = self.expr(&by.expr, &sort.input, &below, Use::Transformation);
                    self.decide(&used, Use::Sort);
                }
                below
            }
            LogicalPlan::Join(join) => {
                let (left, right) = (self.plan(&join.left), self.plan(&join.right));
                for (one, other) in &join.on {
                    let mut used = self.expr(one, &join.left, &left, Use::Transformation);
                    used.extend(self.expr(other, &join.right, &right, Use::Transformation));
                    self.decide(&used, Use::Join);
                }
                if let Some(filter) = &join.filter {
                    let mut used = self.expr(filter, &join.left, &left, Use::Transformation);
                    used.extend(self.expr(filter, &join.right, &right, Use::Transformation));
                    self.decide(&used, Use::Join);
                }
                // Semi and anti joins keep one side.
                use datafusion::common::JoinType as J;
                let made = match join.join_type {
                    J::LeftSemi | J::LeftAnti | J::LeftMark => left,
                    J::RightSemi | J::RightAnti | J::RightMark => right,
                    J::Inner | J::Left | J::Right | J::Full => [left, right].concat(),
                };
                self.fit(made, plan)
            }
            LogicalPlan::Union(union) => {
                let mut made: Vec<Columns> = vec![Columns::new(); plan.schema().fields().len()];
                for input in &union.inputs {
                    for (place, used) in made.iter_mut().zip(self.plan(input)) {
                        place.extend(used);
                    }
                }
                made
            }
            // What only passes rows on; anything else is made of all that it reads.
            other => {
                let below: Vec<Vec<Columns>> =
                    other.inputs().into_iter().map(|input| self.plan(input)).collect();
                match below.as_slice() {
                    [one] if one.len() == plan.schema().fields().len() => one.clone(),
                    _ => {
                        let all: Columns = below.into_iter().flatten().flatten().collect();
                        vec![computed(all, Use::Transformation); plan.schema().fields().len()]
                    }
                }
            }
        }
    }

    /// What an expression over a plan is made of.
    fn expr(&mut self, expr: &Expr, input: &LogicalPlan, below: &[Columns], used: Use) -> Columns {
        let mut bare = expr;
        while let Expr::Alias(alias) = bare {
            bare = &alias.expr;
        }
        let at = |column: &datafusion::common::Column| {
            input.schema().maybe_index_of_column(column).and_then(|index| below.get(index))
        };
        if let Expr::Column(column) = bare {
            return at(column).cloned().unwrap_or_default();
        }
        let mut found = Columns::new();
        let mut queries = Vec::new();
        let walked = bare.apply(|part| {
            match part {
                Expr::Column(column) => found.extend(at(column).into_iter().flatten().cloned()),
                Expr::ScalarSubquery(query) => queries.push((query.subquery.clone(), true)),
                Expr::InSubquery(query) => queries.push((query.subquery.subquery.clone(), true)),
                Expr::Exists(query) => queries.push((query.subquery.subquery.clone(), false)),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(walked.is_ok(), "the walk itself never fails");
        for (query, has_value) in queries {
            let inner = self.plan(&query);
            if has_value {
                found.extend(inner.into_iter().flatten());
            }
        }
        computed(found, used)
    }

    fn decide(&mut self, columns: &Columns, used: Use) {
        self.rows.extend(columns.iter().cloned().map(|column| UsedColumn { used, ..column }));
    }

    /// As many columns as the plan has: one that it adds by itself is made of nothing.
    fn fit(&self, mut made: Vec<Columns>, plan: &LogicalPlan) -> Vec<Columns> {
        made.resize(plan.schema().fields().len(), Columns::new());
        made
    }
}

/// Columns that an expression computes with: an aggregation below stays one.
fn computed(columns: Columns, used: Use) -> Columns {
    let stronger = |column: UsedColumn| UsedColumn { used: column.used.max(used), ..column };
    columns.into_iter().map(stronger).collect()
}

fn table(name: &str, plan: &LogicalPlan) -> Vec<Columns> {
    let column = |field: &arrow::datatypes::FieldRef| UsedColumn {
        table: name.to_owned(),
        column: field.name().clone(),
        used: Use::Identity,
    };
    plan.schema().fields().iter().map(|field| Columns::from([column(field)])).collect()
}

/// Whether a plan is a scan, and not a query that took a table's name for its own.
fn is_scan(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::SubqueryAlias(alias) => is_scan(&alias.input),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Options, Store, WriteOptions};

    /// An engine with `people(id, name, city)` and `sales(person, amount, day)` in files.
    async fn engine(folder: &std::path::Path) -> Engine {
        let engine = Engine::new(&Options { threads: 2, memory: 64 << 20 }).unwrap();
        let store = Store::open(folder.to_str().unwrap()).unwrap();
        for (name, columns) in [("people", "id, name, city"), ("sales", "person, amount, day")] {
            let sql = format!("SELECT * FROM (VALUES ('a', 'b', 'c')) t({columns})");
            let path = format!("{name}.parquet");
            let options = WriteOptions { sort: &[], unique: false, row_group: 9, keep: true };
            let frame = engine.sql(&sql, "a test").await.unwrap();
            engine.write(frame, &store, &path, &options).await.unwrap();
            let frame = engine.parquet(&store, &[path]).await.unwrap();
            engine.register(name, frame).unwrap();
        }
        engine
    }

    async fn lineage(sql: &str) -> ColumnLineage {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path()).await;
        engine.lineage(&engine.sql(sql, "a test").await.unwrap())
    }

    fn shown(columns: &BTreeSet<UsedColumn>) -> String {
        let one = |c: &UsedColumn| format!("{}.{} {:?}", c.table, c.column, c.used);
        columns.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn values_are_told_from_what_decides_rows() {
        let found = lineage(
            "WITH spent AS (SELECT person, max(amount) AS total FROM sales WHERE day > '1' GROUP BY person)
             SELECT p.id, upper(p.name) || p.city AS label, coalesce(s.total, '0') AS total, 1 AS one
             FROM people p LEFT JOIN spent s ON s.person = p.id ORDER BY p.city",
        )
        .await;
        let of = |name: &str| found.columns.get(name).map(shown).unwrap_or_default();
        assert_eq!(of("id"), "people.id Identity");
        assert_eq!(of("label"), "people.city Transformation, people.name Transformation");
        assert_eq!(of("total"), "sales.amount Aggregation");
        assert_eq!(of("one"), "");
        assert_eq!(
            shown(&found.rows),
            "people.city Sort, people.id Join, sales.day Filter, sales.person Join, \
             sales.person GroupBy"
        );
        assert_eq!(found.tables(), BTreeSet::from(["people", "sales"]));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn unions_subqueries_and_windows_are_followed() {
        let found = lineage(
            "SELECT name AS v, row_number() OVER (PARTITION BY city ORDER BY id) AS place FROM people
             UNION ALL
             SELECT day, (SELECT count(id) FROM people) FROM sales
             WHERE person IN (SELECT id FROM people)",
        )
        .await;
        assert_eq!(shown(&found.columns["v"]), "people.name Identity, sales.day Identity");
        assert_eq!(
            shown(&found.columns["place"]),
            "people.city Aggregation, people.id Aggregation"
        );
        assert_eq!(shown(&found.rows), "people.id Filter, sales.person Filter");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_query_that_takes_a_tables_name_is_looked_into() {
        let found =
            lineage("WITH people AS (SELECT person AS id FROM sales) SELECT id FROM people").await;
        assert_eq!(shown(&found.columns["id"]), "sales.person Identity");
    }
}

//! SQL of a pipeline, looked at before it is run: one SELECT that gives the same answer twice.
//!
//! Knows the text only. What depends on types is not seen here: a SUM, AVG or STDDEV over floats
//! varies with partitioning, and whoever plans the statement refuses it on the logical plan. That a
//! column or a function exists is the planner's to say too. Nor is it seen whether an ORDER BY is
//! total: ties within it are the writer's to break.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Function, FunctionArgumentClause, FunctionArguments, Ident, NamedWindowExpr,
    ObjectName, Query, Select, SetExpr, Spanned, Statement, TableFactor, Value, Visit, Visitor,
    WindowType,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token};

/// Why a statement is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What would mend it.
    pub help: String,
    /// The line and column in the statement, both from 1, where they are known.
    pub at: Option<(u64, u64)>,
}

/// A name in a statement and the line and column, from 1, where it first stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The name, in lower case unless quoted.
    pub name: String,
    /// Its line and column, where they are known.
    pub at: Option<(u64, u64)>,
}

/// What a statement refers to; each name once, in the order in which they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Tables, without the names that WITH gives.
    pub tables: Vec<Mention>,
    /// Functions.
    pub functions: Vec<Mention>,
    /// Parameters, `$name`, without the dollar.
    pub parameters: Vec<Mention>,
}

/// Functions whose value depends on when or how often they are called.
const RESTLESS: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "gen_random_uuid",
    "localtime",
    "localtimestamp",
    "now",
    "random",
    "today",
    "uuid",
];

/// Aggregates whose value depends on the order of rows, unless they are given one.
const ORDERED: &[&str] = &["array_agg", "first_value", "last_value", "nth_value", "string_agg"];

/// Window functions that mean nothing without an order.
const ORDERED_WINDOWS: &[&str] =
    &["first_value", "lag", "last_value", "lead", "nth_value", "ntile", "row_number"];

/// Aggregates whose estimate depends on how rows were partitioned.
const APPROXIMATE: &[&str] =
    &["approx_median", "approx_percentile_cont", "approx_percentile_cont_with_weight"];

/// Checks that `sql` is one query without anything that could give another answer another time, and
/// tells what it refers to.
///
/// # Errors
/// Every reason to refuse it.
pub fn check_sql(sql: &str) -> Result<References, Vec<Refusal>> {
    let (references, refusals) = look_at_query(sql);
    if refusals.is_empty() { Ok(references) } else { Err(refusals) }
}

/// [`check_sql`], with what the statement refers to even where it is refused.
pub(crate) fn look_at_query(sql: &str) -> (References, Vec<Refusal>) {
    let parsed = parser(sql).and_then(|mut parser| parser.parse_statements());
    let refusals = match parsed.as_deref() {
        Err(error) => syntax(error),
        Ok([Statement::Query(query)]) => return looked_at(query.as_ref()),
        Ok([]) => refused("there is no SQL here", "write a SELECT", None),
        Ok([_]) => refused("this is not a query", "write one SELECT, or WITH ... SELECT", None),
        Ok([_, second, ..]) => {
            let at = position(second.span().start);
            refused("a second statement begins here", "keep one SELECT", at)
        }
    };
    (References::default(), refusals)
}

/// Looks at an expression over one record: no order of rows, clock, chance or table in it.
pub(crate) fn look_at_expression(sql: &str) -> (References, Vec<Refusal>) {
    let parsed = parser(sql).and_then(|mut parser| {
        let expression = parser.parse_expr()?;
        Ok((expression, parser.peek_token()))
    });
    let (expression, next) = match parsed {
        Err(error) => return (References::default(), syntax(&error)),
        Ok(parsed) => parsed,
    };
    if next.token != Token::EOF {
        let help = "write one expression: each key or column is an item of its own";
        let refusals = refused("the expression ends before this", help, position(next.span.start));
        return (References::default(), refusals);
    }
    let (references, mut refusals) = looked_at(&expression);
    if let Some(table) = references.tables.first() {
        let help = "an expression sees one record: join in the SQL under `records`";
        refusals.extend(refused("an expression reads no table", help, table.at));
    }
    (references, refusals)
}

fn parser(sql: &str) -> Result<Parser<'static>, ParserError> {
    Parser::new(&GenericDialect {}).try_with_sql(sql)
}

fn looked_at(tree: &impl Visit) -> (References, Vec<Refusal>) {
    let mut look = Look::default();
    // Nothing breaks off: every refusal is wanted.
    let _: ControlFlow<()> = tree.visit(&mut look);
    let named = std::mem::take(&mut look.with);
    look.references.tables.retain(|table| !named.contains(&table.name));
    (look.references, look.refusals)
}

fn refused(message: &str, help: &str, at: Option<(u64, u64)>) -> Vec<Refusal> {
    vec![Refusal { message: message.to_owned(), help: help.to_owned(), at }]
}

/// A parser's error, with the position that it writes into its text.
fn syntax(error: &ParserError) -> Vec<Refusal> {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => {
            return refused("this SQL is nested too deeply", "divide it by WITH", None);
        }
    };
    let (message, at) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => {
            let numbers = place.split_once(", Column: ").and_then(|(line, column)| {
                Some((line.trim().parse().ok()?, column.trim().parse().ok()?))
            });
            (message, numbers)
        }
        None => (text.as_str(), None),
    };
    refused(&format!("this is not SQL: {message}"), "DataFusion's SQL is like PostgreSQL's", at)
}

fn position(location: Location) -> Option<(u64, u64)> {
    (location.line > 0).then_some((location.line, location.column))
}

fn plain_name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The last part of a name and its position.
fn mention(name: &ObjectName) -> Option<Mention> {
    let ident = name.0.last()?.as_ident()?;
    Some(Mention { name: plain_name(ident), at: position(ident.span.start) })
}

fn add_once(list: &mut Vec<Mention>, mention: Mention) {
    if !list.iter().any(|known| known.name == mention.name) {
        list.push(mention);
    }
}

#[derive(Default)]
struct Look {
    references: References,
    refusals: Vec<Refusal>,
    /// Names given by WITH. They are not scoped: a WITH that takes a table's name hides it.
    with: Vec<String>,
    /// Named windows that have an order.
    ordered_windows: Vec<String>,
}

impl Look {
    fn refuse(&mut self, message: String, help: &str, at: Option<(u64, u64)>) {
        self.refusals.push(Refusal { message, help: help.to_owned(), at });
    }

    fn function(&mut self, function: &Function) {
        let Some(Mention { name, at }) = mention(&function.name) else { return };
        if RESTLESS.contains(&name.as_str()) {
            let help = "the same input must give the same output: the run's logical date is the only clock, \
                        and ids come from hashes of the row";
            self.refuse(format!("`{name}` gives another answer each time"), help, at);
        } else if APPROXIMATE.contains(&name.as_str()) {
            let help = "use `median`, or `percentile_cont`";
            self.refuse(format!("`{name}` varies with how rows are divided"), help, at);
        } else if let Some(window) = &function.over {
            if ORDERED_WINDOWS.contains(&name.as_str()) && !self.is_ordered(window) {
                let help =
                    "write `OVER (... ORDER BY ...)`, with a key last so that no two rows tie";
                self.refuse(format!("`{name}` over rows in no order"), help, at);
            }
        } else if ORDERED.contains(&name.as_str()) && !has_order(function) {
            let help = format!(
                "write `{name}(... ORDER BY ...)`, with a key last so that no two rows tie"
            );
            self.refuse(format!("`{name}` over rows in no order"), &help, at);
        }
        add_once(&mut self.references.functions, Mention { name, at });
    }

    fn is_ordered(&self, window: &WindowType) -> bool {
        match window {
            WindowType::WindowSpec(spec) => {
                let named = spec.window_name.as_ref();
                !spec.order_by.is_empty() || named.is_some_and(|name| self.is_ordered_window(name))
            }
            WindowType::NamedWindow(name) => self.is_ordered_window(name),
        }
    }

    fn is_ordered_window(&self, name: &Ident) -> bool {
        self.ordered_windows.contains(&plain_name(name))
    }
}

fn has_order(function: &Function) -> bool {
    let within = match &function.args {
        FunctionArguments::List(list) => list.clauses.iter().any(
            |clause| matches!(clause, FunctionArgumentClause::OrderBy(order) if !order.is_empty()),
        ),
        _ => false,
    };
    within || !function.within_group.is_empty()
}

impl Visitor for Look {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.with.extend(with.cte_tables.iter().map(|table| plain_name(&table.alias.name)));
        }
        let cut = query.limit_clause.is_some() || query.fetch.is_some();
        if cut && query.order_by.is_none() {
            let limit = query.limit_clause.as_ref();
            let at = limit
                .and_then(|limit| position(limit.span().start))
                .or_else(|| position(query.body.span().start));
            let help = "add ORDER BY, with a key last so that no two rows tie";
            self.refuse("LIMIT, OFFSET or FETCH over rows in no order".to_owned(), help, at);
        }
        if let SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) =
            query.body.as_ref()
        {
            let at = position(query.body.span().start);
            self.refuse("this changes a table".to_owned(), "write a SELECT", at);
        }
        if let (SetExpr::Select(select), None) = (query.body.as_ref(), &query.order_by)
            && let Some(Distinct::On(columns)) = &select.distinct
        {
            let at = columns.first().and_then(|column| position(column.span().start));
            let help = "add ORDER BY, with a key last so that no two rows tie";
            self.refuse("DISTINCT ON over rows in no order".to_owned(), help, at);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for window in &select.named_window {
            let ordered = match &window.1 {
                NamedWindowExpr::NamedWindow(name) => self.is_ordered_window(name),
                NamedWindowExpr::WindowSpec(spec) => !spec.order_by.is_empty(),
            };
            if ordered {
                self.ordered_windows.push(plain_name(&window.0));
            }
        }
        let at = position(select.span().start);
        if select.into.is_some() {
            self.refuse("SELECT INTO writes a table".to_owned(), "leave INTO out", at);
        }
        if select.top.is_some() {
            self.refuse("TOP over rows in no order".to_owned(), "use ORDER BY ... LIMIT", at);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let Some(table) = mention(relation) {
            add_once(&mut self.references.tables, table);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { sample: Some(_), name, .. } = factor {
            let at = mention(name).and_then(|table| table.at);
            let help = "choose rows by a hash of their key";
            self.refuse("TABLESAMPLE takes other rows each time".to_owned(), help, at);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Function(function) => self.function(function),
            Expr::Value(value) => {
                if let Value::Placeholder(name) = &value.value {
                    let name = name.trim_start_matches('$').to_owned();
                    let at = position(value.span.start);
                    add_once(&mut self.references.parameters, Mention { name, at });
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(sql: &str) -> Vec<String> {
        check_sql(sql).err().unwrap_or_default().into_iter().map(|r| r.message).collect()
    }

    #[test]
    fn one_settled_query_passes_with_what_it_refers_to() {
        let sql = "WITH latest AS (SELECT *, row_number() OVER w AS n FROM Raw_CRM
                     WINDOW w AS (PARTITION BY a ORDER BY b))
                   SELECT first_value(a ORDER BY b), array_agg(c ORDER BY d), sum(e) OVER ()
                   FROM latest JOIN records r ON r.x = $limit AND EXISTS (SELECT 1 FROM facts)
                   ORDER BY 1 LIMIT 3";
        let references = check_sql(sql).expect("in order");
        let names = |list: &[Mention]| list.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&references.tables), ["raw_crm", "records", "facts"]);
        assert_eq!(names(&references.parameters), ["limit"]);
        assert_eq!(references.tables[1].at, Some((4, 37)));
    }

    #[test]
    fn what_could_differ_is_refused() {
        let refused = [
            "SELECT now() FROM t",
            "SELECT current_date FROM t",
            "SELECT CURRENT_TIMESTAMP FROM t",
            "SELECT random() FROM t",
            "SELECT uuid() FROM t",
            "SELECT * FROM t LIMIT 5",
            "SELECT * FROM t OFFSET 5",
            "SELECT * FROM t FETCH FIRST 5 ROWS ONLY",
            "SELECT (SELECT a FROM u LIMIT 1) FROM t",
            "SELECT DISTINCT ON (a) a, b FROM t",
            "SELECT array_agg(a) FROM t",
            "SELECT first_value(a) FROM t",
            "SELECT first_value(a) OVER (PARTITION BY b) FROM t",
            "SELECT row_number() OVER () FROM t",
            "SELECT row_number() OVER w FROM t WINDOW w AS (PARTITION BY a)",
            "SELECT approx_median(a) FROM t",
            "SELECT * FROM t TABLESAMPLE (10 PERCENT)",
            "WITH a AS (SELECT array_agg(b) AS b FROM t) SELECT * FROM a",
        ];
        for sql in refused {
            assert_eq!(messages(sql).len(), 1, "{sql}");
        }
    }

    #[test]
    fn what_is_not_one_query_is_refused() {
        let refused = [
            "",
            "SELECT",
            "SELECT 1; SELECT 2",
            "DELETE FROM t",
            "DROP TABLE t",
            "CREATE TABLE t (a int)",
            "INSERT INTO t SELECT 1",
            "COPY t TO 'file'",
            "SELECT 'open",
            "SET a = 1",
        ];
        for sql in refused {
            assert_eq!(messages(sql).len(), 1, "{sql}");
        }
    }

    #[test]
    fn expressions_are_one_and_read_no_table() {
        let refusals = |sql: &str| look_at_expression(sql).1.len();
        assert_eq!(refusals("name_skeleton(family_name)"), 0);
        assert_eq!(refusals("substr(email, 1, 3) || city"), 0);
        for wrong in ["", "a, b", "a FROM t", "(SELECT a FROM t)", "random()", "a +"] {
            assert_eq!(refusals(wrong), 1, "{wrong}");
        }
    }

    #[test]
    fn refusals_know_their_place() {
        let refusals = check_sql("SELECT a,\n  array_agg(b)\nFROM t").expect_err("no order");
        assert_eq!(refusals[0].at, Some((2, 3)));
        let refusals = check_sql("SELECT a,\n  (b FROM t").expect_err("no SQL");
        assert!(refusals[0].at.is_some(), "{refusals:?}");
        assert!(!refusals[0].message.contains("Line"), "{refusals:?}");
    }
}

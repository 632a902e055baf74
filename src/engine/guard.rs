//! What a plan may not do, because its result would vary with threads and partitions.
//!
//! The text of SQL is checked with the configuration; here the types are known.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::error::{Error, Result};

/// Refuses float sums, averages and deviations: floating-point addition does not associate, so
/// they change with the order in which rows arrive.
pub fn refuse_unstable(frame: &DataFrame, what: &str) -> Result<()> {
    const SUMS: &[&str] = &[
        "sum",
        "avg",
        "mean",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "var",
        "var_pop",
        "var_samp",
        "covar_pop",
        "covar_samp",
        "corr",
        "regr_slope",
        "regr_intercept",
    ];
    let mut refused = None;
    let walked = frame.logical_plan().apply_with_subqueries(|plan| {
        let inputs = plan.inputs();
        for expression in plan.expressions() {
            expression.apply(|inner| {
                if let Expr::AggregateFunction(call) = inner
                    && SUMS.contains(&call.func.name())
                {
                    let floats = call.params.args.iter().any(|argument| {
                        inputs.iter().any(|input| {
                            argument
                                .get_type(input.schema().as_ref())
                                .is_ok_and(|data_type| data_type.is_floating())
                        })
                    });
                    if floats {
                        refused = Some(call.func.name().to_owned());
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_err(|error| super::session::translate(what, error))?;
    match refused {
        Some(name) => Err(Error::configuration(format!(
            "{what}: `{name}` over floating-point numbers depends on the order of rows"
        ))
        .help("cast to a decimal first, for example CAST(x AS DECIMAL(18, 6))")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{Engine, Options};

    #[tokio::test(flavor = "multi_thread")]
    async fn float_sums_are_refused_and_decimal_ones_are_not() {
        let engine = Engine::new(&Options::default()).unwrap();
        let cases = [
            ("SELECT sum(v) FROM (VALUES (1.5::double)) t(v)", false),
            ("SELECT k, avg(v) FROM (VALUES (1, 1.5::double)) t(k, v) GROUP BY k", false),
            ("SELECT sum(CAST(v AS DECIMAL(18, 2))) FROM (VALUES (1.5::double)) t(v)", true),
            ("SELECT sum(v) FROM (VALUES (1), (2)) t(v)", true),
            ("SELECT max(v) FROM (VALUES (1.5::double)) t(v)", true),
        ];
        for (sql, stable) in cases {
            let frame = engine.sql(sql, "a test").await.unwrap();
            assert_eq!(super::refuse_unstable(&frame, "a test").is_ok(), stable, "{sql}");
        }
    }
}

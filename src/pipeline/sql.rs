//! A pipeline's SQL before it is planned: `$name` becomes the literal of that parameter.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use indexmap::IndexMap;

use crate::config::raw::Scalar;
use crate::error::{Error, Result};

/// The parameters that every pipeline has.
pub(super) const GIVEN: &[&str] = &["logical_date", "reporting_currency", "reporting_time_zone"];

/// Parameters that SQL may read, and their literals.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters(IndexMap<String, String>);

impl Parameters {
    /// A pipeline's parameters, with `logical_date`, `reporting_currency` and `reporting_time_zone`.
    pub(super) fn new(pipeline: &crate::config::raw::Pipeline, logical_date: &str) -> Self {
        let mut literals: IndexMap<String, String> = pipeline
            .parameters
            .iter()
            .map(|(name, value)| (name.clone(), literal(value)))
            .collect();
        literals.insert("logical_date".to_owned(), format!("DATE '{logical_date}'"));
        literals.insert("reporting_currency".to_owned(), text(&pipeline.reporting.currency));
        literals.insert("reporting_time_zone".to_owned(), text(&pipeline.reporting.time_zone));
        Self(literals)
    }

    /// The SQL with every parameter in place.
    ///
    /// # Errors
    /// SQL that cannot be read; a parameter that is not defined, with the nearest one that is.
    pub(super) fn bind(&self, sql: &str, what: &str) -> Result<String> {
        let tokens = Tokenizer::new(&GenericDialect {}, sql)
            .tokenize()
            .map_err(|source| Error::configuration(format!("{what}: {source}")))?;
        let mut bound = String::with_capacity(sql.len());
        for token in tokens {
            match &token {
                Token::Placeholder(name) => {
                    let name = name.trim_start_matches('$');
                    let literal = self.0.get(name).ok_or_else(|| self.unknown(name, what))?;
                    bound.push_str(literal);
                }
                other => bound.push_str(&other.to_string()),
            }
        }
        Ok(bound)
    }

    fn unknown(&self, name: &str, what: &str) -> Error {
        let nearest = self
            .0
            .keys()
            .min_by_key(|known| (strsim::damerau_levenshtein(known, name), known.as_str()))
            .cloned()
            .unwrap_or_default();
        Error::configuration(format!("{what}: parameter `${name}` is not defined"))
            .help(format!("did you mean `${nearest}`? define others under `parameters:`"))
    }
}

fn literal(value: &Scalar) -> String {
    match value {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Integer(value) => value.to_string(),
        // Written with its digits, it is read as a decimal and not as a float.
        Scalar::Number(value) => value.to_string(),
        Scalar::Text(value) => text(value),
    }
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_literals_and_texts_stay_texts() {
        let mut literals = IndexMap::new();
        literals.insert("margin".to_owned(), literal(&Scalar::Number(0.35)));
        literals.insert("who".to_owned(), literal(&Scalar::Text("O'Neil".to_owned())));
        let parameters = Parameters(literals);
        assert_eq!(
            parameters.bind("SELECT $margin, $who, '$margin' -- $margin\n", "a test").unwrap(),
            "SELECT 0.35, 'O''Neil', '$margin' -- $margin\n"
        );
        let error = parameters.bind("SELECT $margn", "a test").unwrap_err();
        assert!(error.advice().unwrap().contains("$margin"));
    }
}

//! The SQL of Splink's comparison levels and blocking rules, as ours.
//!
//! Knows the columns' endings (`x_l` is `l.x`), the functions of Splink's dialects that mean the
//! same here, and the shapes that a kind of comparison measures. Every other function is refused by
//! its name.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    UnaryOperator, Value, visit_expressions, visit_expressions_mut,
};
use datafusion::sql::sqlparser::dialect::DuckDbDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

/// What a threshold is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Levenshtein,
    DamerauLevenshtein,
    Jaro,
    JaroWinkler,
    Jaccard,
    Days,
    Difference,
}

impl Measure {
    /// The kind of comparison that measures it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Levenshtein => "edit_distance",
            Self::DamerauLevenshtein => "damerau_levenshtein",
            Self::Jaro => "jaro",
            Self::JaroWinkler => "jaro_winkler",
            Self::Jaccard => "character_jaccard",
            Self::Days => "date_difference",
            Self::Difference => "numeric_difference",
        }
    }

    /// Whether it is a similarity, whose thresholds fall from strict to loose.
    pub(super) fn falls(self) -> bool {
        matches!(self, Self::Jaro | Self::JaroWinkler | Self::Jaccard)
    }

    fn of(function: &str) -> Option<Self> {
        Some(match function {
            "levenshtein" => Self::Levenshtein,
            "damerau_levenshtein" => Self::DamerauLevenshtein,
            "jaro_similarity" => Self::Jaro,
            "jaro_winkler_similarity" => Self::JaroWinkler,
            "jaccard_similarity" => Self::Jaccard,
            _ => return None,
        })
    }
}

/// The condition of a level, over records `l` and `r`.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    /// As our SQL.
    pub(super) sql: String,
    /// The columns that it reads.
    pub(super) columns: BTreeSet<String>,
    /// Whether it is null exactly where one of its columns is.
    pub(super) is_strict: bool,
    /// `x_l = x_r`: the column.
    pub(super) equal: Option<String>,
    /// `x_l IS NULL OR x_r IS NULL`, whatever is read from it: the column.
    pub(super) null: Option<String>,
    /// A threshold of one column.
    pub(super) measure: Option<(Measure, String, f64)>,
}

/// Functions that mean the same here under the same or another name, sorted; whether each is null
/// exactly where an argument is.
const FUNCTIONS: &[(&str, &str, bool)] = &[
    ("abs", "abs", true),
    ("acos", "acos", true),
    ("array_intersect", "array_intersect", true),
    ("array_length", "array_length", false),
    ("array_size", "array_length", false),
    ("coalesce", "coalesce", false),
    ("concat", "concat", false),
    ("cos", "cos", true),
    ("damerau_levenshtein", "damerau_levenshtein", true),
    ("greatest", "greatest", false),
    ("jaccard", "jaccard_similarity", true),
    ("jaro_sim", "jaro_similarity", true),
    ("jaro_similarity", "jaro_similarity", true),
    ("jaro_winkler", "jaro_winkler_similarity", true),
    ("jaro_winkler_similarity", "jaro_winkler_similarity", true),
    ("least", "least", false),
    ("left", "left", true),
    ("len", "array_length", false),
    ("length", "length", true),
    ("levenshtein", "levenshtein", true),
    ("list_intersect", "array_intersect", true),
    ("lower", "lower", true),
    ("nullif", "nullif", false),
    ("radians", "radians", true),
    ("regexp_extract", "regexp_extract", false),
    ("replace", "replace", true),
    ("right", "right", true),
    ("sin", "sin", true),
    ("size", "array_length", false),
    ("soundex", "soundex", false),
    ("sqrt", "sqrt", true),
    ("substr", "substr", true),
    ("trim", "trim", true),
    ("upper", "upper", true),
];

/// Formats of dates and times that a cast reads as they are.
const FORMATS: &[(&str, &str)] = &[
    ("%Y-%m-%d", "DATE"),
    ("%Y-%m-%dT%H:%M:%SZ", "TIMESTAMP"),
    ("yyyy-MM-dd", "DATE"),
    ("yyyy-MM-dd'T'HH:mm:ss'Z'", "TIMESTAMP"),
];

const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// A column name in double quotes.
pub(super) fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

fn parsed(sql: &str) -> Result<Expr, String> {
    let parse = || {
        let mut parser = Parser::new(&DuckDbDialect {}).try_with_sql(sql)?;
        let expression = parser.parse_expr()?;
        Ok::<_, datafusion::sql::sqlparser::parser::ParserError>((
            expression,
            parser.peek_token().token,
        ))
    };
    match parse() {
        Ok((expression, Token::EOF)) => Ok(expression),
        Ok((_, next)) => Err(format!("the condition should end before `{next}`")),
        Err(_) => Err("this SQL is not understood".to_owned()),
    }
}

/// Our form of an expression: functions by our names, and whether each is strict. In a `pair` a
/// column's ending says whose it is.
fn translated(mut expression: Expr, pair: bool, strict: &mut bool) -> Result<Expr, String> {
    let found = visit_expressions_mut(&mut expression, |own: &mut Expr| {
        match own {
            Expr::Identifier(_) if !pair => {}
            Expr::Identifier(ident) => {
                let sides = [("_l", "l"), ("_r", "r")];
                let side = sides.iter().find_map(|(end, side)| {
                    Some((ident.value.strip_suffix(end)?.to_owned(), *side))
                });
                let Some((column, side)) = side else {
                    let why = format!("the column `{}` ends in neither _l nor _r", ident.value);
                    return ControlFlow::Break(why);
                };
                let column = Ident::with_quote('"', column);
                *own = Expr::CompoundIdentifier(vec![Ident::new(side), column]);
            }
            Expr::Function(_) => match function(own, strict) {
                Ok(Some(new)) => *own = new,
                Ok(None) => {}
                Err(why) => return ControlFlow::Break(why),
            },
            Expr::CompoundIdentifier(_)
            | Expr::Value(_)
            | Expr::Nested(_)
            | Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, .. }
            | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => {}
            Expr::BinaryOp { op, .. }
                if !matches!(op, BinaryOperator::And | BinaryOperator::Or) => {}
            Expr::BinaryOp { .. }
            | Expr::UnaryOp { .. }
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::Like { .. } => *strict = false,
            other => {
                let what = other.to_string();
                let what: String = what.chars().take(40).collect();
                return ControlFlow::Break(format!("`{what}` has no counterpart"));
            }
        }
        ControlFlow::Continue(())
    });
    match found {
        ControlFlow::Break(why) => Err(why),
        ControlFlow::Continue(()) => Ok(expression),
    }
}

fn arguments(own: &Expr) -> Option<(String, Vec<&Expr>)> {
    let Expr::Function(function) = own else { return None };
    let name = function.name.0.last()?.as_ident()?.value.to_lowercase();
    let FunctionArguments::List(list) = &function.args else { return None };
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Some(argument),
        _ => None,
    });
    let plain = function.over.is_none() && function.filter.is_none() && list.clauses.is_empty();
    Some((name, arguments.collect::<Option<_>>()?)).filter(|_| plain)
}

/// Our form of a call; `None` where it is its own.
fn function(own: &Expr, strict: &mut bool) -> Result<Option<Expr>, String> {
    let Some((name, given)) = arguments(own) else {
        return Err("this call of a function has no counterpart".to_owned());
    };
    match (name.as_str(), given.as_slice()) {
        ("epoch", [of]) => return parsed(&format!("date_part('epoch', {of})")).map(Some),
        // Written by the line above.
        ("date_part", [_, _]) => return Ok(None),
        ("try_strptime" | "strptime" | "try_to_timestamp", [of, format]) => {
            // What is no date is null here, though its text is known.
            *strict = false;
            let format = format.to_string();
            let format = format.trim_matches('\'').replace("''", "'");
            let Some((_, kind)) = FORMATS.iter().find(|(own, _)| *own == format) else {
                return Err(format!(
                    "dates in the format `{format}` are not read: make them ISO 8601"
                ));
            };
            return parsed(&format!("TRY_CAST({of} AS {kind})")).map(Some);
        }
        _ => {}
    }
    let Ok(place) = FUNCTIONS.binary_search_by_key(&name.as_str(), |(own, ..)| own) else {
        return Err(format!("the function `{name}` has no counterpart"));
    };
    let (_, ours, is_strict) = FUNCTIONS[place];
    *strict &= is_strict;
    if ours == name {
        return Ok(None);
    }
    let given: Vec<String> = given.iter().map(ToString::to_string).collect();
    parsed(&format!("{ours}({})", given.join(", "))).map(Some)
}

/// The side and the column of a bare column.
fn column(own: &Expr) -> Option<(&str, String)> {
    match own {
        Expr::Nested(inner) => column(inner),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [side, column] => Some((&side.value, quoted(&column.value))),
            _ => None,
        },
        _ => None,
    }
}

/// The column of which `one` is the left record's and `other` the right's.
fn both(one: &Expr, other: &Expr) -> Option<String> {
    let ((left, own), (right, same)) = (column(one)?, column(other)?);
    (left == "l" && right == "r" && own == same).then_some(own)
}

/// A number, also a negative one.
fn number(own: &Expr) -> Option<f64> {
    match own {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// `EPOCH(date)` of a side's column: the column itself.
fn moment(own: &Expr) -> Option<&Expr> {
    let (name, given) = arguments(own)?;
    match (name.as_str(), given.as_slice()) {
        ("date_part", [_, Expr::Cast { expr, .. }]) => Some(expr),
        ("date_part", [_, of]) => Some(of),
        _ => None,
    }
}

fn measure(own: &Expr) -> Option<(Measure, String, f64)> {
    let Expr::BinaryOp { left, op, right } = own else {
        return match own {
            Expr::Nested(inner) => measure(inner),
            _ => None,
        };
    };
    let threshold = number(right)?;
    let (name, given) = arguments(left)?;
    match (name.as_str(), given.as_slice(), op) {
        (
            "abs",
            [Expr::BinaryOp { left, op: BinaryOperator::Minus, right }],
            BinaryOperator::LtEq,
        ) => match (moment(left), moment(right)) {
            (Some(l), Some(r)) => Some((Measure::Days, both(l, r)?, threshold / SECONDS_OF_A_DAY)),
            _ => Some((Measure::Difference, both(left, right)?, threshold)),
        },
        (name, [l, r], op) => {
            let measure = Measure::of(name)?;
            let fits = match op {
                BinaryOperator::GtEq => measure.falls(),
                BinaryOperator::LtEq => !measure.falls(),
                _ => false,
            };
            fits.then_some((measure, both(l, r)?, threshold))
        }
        _ => None,
    }
}

/// The column of `x_l IS NULL OR x_r IS NULL`.
fn null(own: &Expr) -> Option<String> {
    let Expr::BinaryOp { left, op: BinaryOperator::Or, right } = own else { return None };
    let (Expr::IsNull(l), Expr::IsNull(r)) = (left.as_ref(), right.as_ref()) else { return None };
    // What is no date is missing, in a comparison of dates as well.
    let of = |own: &Expr| match own {
        Expr::Cast { expr, .. } => expr.as_ref().clone(),
        own => own.clone(),
    };
    both(&of(l), &of(r))
}

impl Condition {
    /// Reads the condition of a level.
    ///
    /// # Errors
    /// Why it has no counterpart.
    pub(super) fn parse(sql: &str) -> Result<Self, String> {
        let mut is_strict = true;
        let own = translated(parsed(sql)?, true, &mut is_strict)?;
        let mut columns = BTreeSet::new();
        let _: ControlFlow<()> = visit_expressions(&own, |part| {
            columns.extend(column(part).map(|(_, column)| column));
            ControlFlow::Continue(())
        });
        let equal = match &own {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => both(left, right),
            _ => None,
        };
        Ok(Self {
            sql: own.to_string(),
            columns,
            is_strict,
            equal,
            null: null(&own),
            measure: measure(&own),
        })
    }
}

/// The expressions on which a pair of a blocking rule agrees, and the conditions that are none.
///
/// # Errors
/// Where no key is left, or a key has no counterpart.
pub(super) fn blocking_keys(sql: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let mut parts = Vec::new();
    conjuncts(parsed(sql)?, &mut parts);
    let (mut keys, mut rest) = (Vec::new(), Vec::new());
    for part in parts {
        let key = match &part {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                match (side_of(left), side_of(right)) {
                    (Some((l, own)), Some((r, same))) if l != r && own == same => Some(own),
                    _ => None,
                }
            }
            _ => None,
        };
        match key {
            Some(key) => keys.push(translated(parsed(&key)?, false, &mut true)?.to_string()),
            None => rest.push(part.to_string()),
        }
    }
    if keys.is_empty() {
        return Err(
            "it asks for equality of nothing: give one key that both records share".to_owned()
        );
    }
    Ok((keys, rest))
}

/// The parts of a chain of ANDs.
fn conjuncts(own: Expr, parts: &mut Vec<Expr>) {
    match own {
        Expr::Nested(inner) => conjuncts(*inner, parts),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(*left, parts);
            conjuncts(*right, parts);
        }
        own => parts.push(own),
    }
}

/// The one record that an expression reads, and the expression over its columns.
fn side_of(own: &Expr) -> Option<(String, String)> {
    let mut own = own.clone();
    let mut sides = BTreeSet::new();
    let _: ControlFlow<()> = visit_expressions_mut(&mut own, |part| {
        if let Expr::CompoundIdentifier(parts) = part
            && let [side, column] = parts.as_slice()
        {
            sides.insert(side.value.clone());
            // A name without quotes is the same in either case.
            let name = match column.quote_style {
                Some(_) => column.value.clone(),
                None => column.value.to_lowercase(),
            };
            *part = Expr::Identifier(Ident::with_quote('"', name));
        }
        ControlFlow::Continue(())
    });
    let side = sides.pop_first()?;
    (sides.is_empty() && (side == "l" || side == "r")).then(|| (side, own.to_string()))
}

//! The SQL of a pipeline in its places: what each statement may read, and where in the file a
//! refusal stands.
//!
//! Knows the order in which tables are made. What SQL is refused for is [`super::sql`]'s.

use serde_saphyr::granit_parser::ScalarStyle;

use super::nearest::suggestion;
use super::problem::{Place, Problem, Sources};
use super::raw::Pipeline;
use super::sql::{self, References, Refusal};
use super::tree::{Node, Scalar};
use super::validate::Check;
use crate::resolve::{ComparisonKind, Level};
use crate::tables::{self, SqlTables};

/// Checks every statement and expression of the pipeline.
pub(crate) fn check(check: &mut Check<'_>) {
    let loaded = check.loaded;
    let pipeline = &loaded.pipeline;
    let mut readable: Vec<String> =
        pipeline.sources.keys().map(|source| format!("raw_{source}")).collect();
    for (index, mapping) in pipeline.records.iter().enumerate() {
        let index = index.to_string();
        let path = ["records", &index, "sql"];
        let node = loaded.tree.along(&path);
        statement(check, &Text::value(node), &mapping.sql, &readable, &[]);
    }
    readable.push(tables::RECORDS.to_owned());
    readable.extend(check.known.tables.iter().map(|table| (*table).to_owned()));
    let later = names(&pipeline.enrich).chain(names(&pipeline.profile)).collect::<Vec<_>>();
    made(check, "facts", &pipeline.facts, &mut readable, &later);
    if let Some(consent) = &pipeline.consent {
        let node = loaded.tree.along(&["consent", "sql"]);
        statement(check, &Text::value(node), &consent.sql, &readable, &later);
    }
    readable.extend(tables::TABLES.iter().map(|table| table.name.to_owned()));
    let later = names(&pipeline.profile).collect::<Vec<_>>();
    made(check, "enrich", &pipeline.enrich, &mut readable, &later);
    made(check, "profile", &pipeline.profile, &mut readable, &[]);
    let names: Vec<&str> = pipeline.checks.iter().map(|entry| entry.name.as_str()).collect();
    check.distinct(&["checks"], "name", &names);
    for (index, entry) in pipeline.checks.iter().enumerate() {
        let node = loaded.tree.along(&["checks", &index.to_string(), "sql"]);
        statement(check, &Text::value(node), &entry.sql, &readable, &[]);
    }
    let names: Vec<&str> = pipeline.alerts.iter().map(|entry| entry.name.as_str()).collect();
    check.distinct(&["alerts"], "name", &names);
    for (index, entry) in pipeline.alerts.iter().enumerate() {
        let node = loaded.tree.along(&["alerts", &index.to_string(), "sql"]);
        statement(check, &Text::value(node), &entry.sql, &readable, &[]);
    }
    expressions(check);
}

/// Whether this is a landed table as the run before left it.
fn is_previous(pipeline: &Pipeline, name: &str) -> bool {
    name.strip_prefix(tables::PREVIOUS).is_some_and(|table| {
        tables::table(table).is_some()
            || [&pipeline.facts, &pipeline.enrich, &pipeline.profile]
                .iter()
                .any(|section| section.contains_key(table))
    })
}

fn names(tables: &SqlTables) -> impl Iterator<Item = &str> {
    tables.keys().map(String::as_str)
}

/// The tables of one section, in order: each may read those before it.
fn made(
    check: &mut Check<'_>,
    section: &str,
    section_tables: &SqlTables,
    readable: &mut Vec<String>,
    later: &[&str],
) {
    let loaded = check.loaded;
    for (index, (name, table)) in section_tables.iter().enumerate() {
        let at = [section, name.as_str()];
        table_name(check, &at, name, readable);
        if table.key.is_empty() {
            let help = "name the columns that no two rows share";
            check.at(&[section, name, "key"], "`key` is empty", help);
        }
        if let Some(twice) = (1..table.key.len()).find(|i| table.key[..*i].contains(&table.key[*i]))
        {
            let twice = twice.to_string();
            check.at(
                &[section, name, "key", &twice],
                "this column is named before",
                "name it once",
            );
        }
        if let Some(computation) = &table.compute {
            let known = check.known.computations;
            check.refers(&[section, name, "compute"], computation, known, "computations");
        } else if !table.settings.is_empty() {
            let help = "settings are those of a computation: add `compute`, or leave them out";
            check.at_key(&[section, name, "settings"], "nothing is computed here", help);
        }
        let rest: Vec<&str> =
            names(section_tables).skip(index + 1).chain(later.iter().copied()).collect();
        match (&table.sql, &table.file) {
            (Some(text), None) => {
                let node = loaded.tree.along(&[section, name, "sql"]);
                statement(check, &Text::value(node), text, readable, &rest);
            }
            (None, Some(file)) => {
                if let Some(path) = check.exists(&[section, name, "file"], file, false) {
                    match std::fs::read_to_string(&path) {
                        Ok(text) => {
                            // As it was written: a variable in the path is not shown.
                            let shown = check.shown(&[section, name, "file"]);
                            let title = loaded.directory.join(shown).display().to_string();
                            let source = check.sources.add(&title, &text);
                            statement(check, &Text::file(source, &text), &text, readable, &rest);
                        }
                        Err(_) => {
                            let help = "it must be readable, and UTF-8";
                            check.at(&[section, name, "file"], "this file cannot be read", help);
                        }
                    }
                }
            }
            (Some(_), Some(_)) => {
                check.at_key(
                    &[section, name, "file"],
                    "both `sql` and `file` are given",
                    "keep one of them",
                );
            }
            (None, None) => {
                check.at_key(
                    &at,
                    format!("`{name}` has no SQL"),
                    "give `sql`, or `file` with a path",
                );
            }
        }
        readable.push(name.clone());
    }
}

fn table_name(check: &mut Check<'_>, at: &[&str], name: &str, readable: &[String]) {
    check.plain_key(at, name);
    if tables::table(name).is_some() {
        let help = "simurgh makes a table of this name itself: choose another";
        check.at_key(at, format!("`{name}` is a table of the house"), help);
    } else if name.starts_with(tables::PREVIOUS) {
        let help =
            "`previous_` begins the names of tables as the run before left them: choose another";
        check.at_key(at, format!("`{name}` looks like a table of the run before"), help);
    } else if name.starts_with("raw_") {
        let help = "`raw_` begins the names of sources' tables: choose another";
        check.at_key(at, format!("`{name}` looks like a source's table"), help);
    } else if readable.iter().any(|table| table == name) {
        let help = "`facts`, `enrich` and `profile` share one set of names: choose another";
        check.at_key(at, format!("the table `{name}` is made before"), help);
    }
}

/// Expressions over `records`.
fn expressions(check: &mut Check<'_>) {
    let loaded = check.loaded;
    let mut paths: Vec<(Vec<String>, &[String])> = Vec::new();
    for (kind, resolve) in &loaded.pipeline.resolve {
        let mut add = |list: &str, index: usize, key: &str, expressions| {
            let path = ["resolve", kind, list, &index.to_string(), key].map(str::to_owned);
            paths.push((path.to_vec(), expressions));
        };
        for (index, rule) in resolve.blocking.iter().enumerate() {
            add("blocking", index, "keys", rule.keys.as_slice());
            add("blocking", index, "refine", rule.refine.as_slice());
        }
        for (index, comparison) in resolve.comparisons.iter().enumerate() {
            add("comparisons", index, "columns", comparison.columns.as_slice());
        }
        for (index, rule) in resolve.rules.iter().enumerate() {
            add("rules", index, "same", rule.same.as_slice());
            add("rules", index, "differ", rule.differ.as_slice());
        }
    }
    let mut conditions: Vec<(Vec<String>, &str)> = Vec::new();
    for (kind, resolve) in &loaded.pipeline.resolve {
        let path = |list: &str, index: usize, rest: &[&str]| -> Vec<String> {
            let index = index.to_string();
            let start = ["resolve", kind.as_str(), list, &index];
            start.iter().chain(rest).map(|part| (*part).to_owned()).collect()
        };
        for (index, comparison) in resolve.comparisons.iter().enumerate() {
            let kind = ComparisonKind::find(&comparison.kind);
            if !kind.is_some_and(ComparisonKind::of_conditions) {
                continue;
            }
            for (place, level) in comparison.levels.iter().enumerate() {
                if let Level::Text(sql) = level {
                    let place = place.to_string();
                    conditions.push((path("comparisons", index, &["levels", &place]), sql));
                }
            }
        }
        for (index, rule) in resolve.rules.iter().enumerate() {
            if let Some(sql) = &rule.condition {
                conditions.push((path("rules", index, &["where"]), sql));
            }
        }
    }
    for (name, own) in &loaded.pipeline.golden.attributes {
        let path = |key: &str| ["golden", "attributes", name, key].map(str::to_owned).to_vec();
        conditions.extend(own.valid.iter().map(|sql| (path("valid"), sql.as_str())));
        conditions.extend(own.expression.iter().map(|sql| (path("expression"), sql.as_str())));
    }
    for (path, sql) in conditions {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let text = Text::value(loaded.tree.along(&path));
        judged(check, &text, sql, sql::look_at_expression(sql));
    }
    for (path, list) in paths {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        for (index, expression) in list.iter().enumerate() {
            let index = index.to_string();
            let text = Text::value(loaded.tree.along(&[&path[..], &[&index]].concat()));
            let found = sql::look_at_expression(expression);
            judged(check, &text, expression, found);
        }
    }
}

/// Checks one statement; it may read `readable`, and `later` are made after it.
fn statement(
    check: &mut Check<'_>,
    text: &Text<'_>,
    sql: &str,
    readable: &[String],
    later: &[&str],
) {
    let references = judged(check, text, sql, sql::look_at_query(sql));
    for table in &references.tables {
        if readable.contains(&table.name) || is_previous(&check.loaded.pipeline, &table.name) {
            continue;
        }
        let known: Vec<&str> = readable.iter().map(String::as_str).collect();
        let (message, help) = if text.is_secret() {
            (
                "this reads a table that is not there".to_owned(),
                format!("tables: {}", known.join(", ")),
            )
        } else if later.contains(&table.name.as_str()) {
            let help = "a table may read those before it: move this one down, or that one up";
            (format!("the table `{}` is made later", table.name), help.to_owned())
        } else if let Some(house) = tables::table(&table.name) {
            let help = "it is made after this statement: use it in `enrich` or `profile`";
            (format!("the table `{}` is not there yet", house.name), help.to_owned())
        } else {
            let help = suggestion(&table.name, &known, "tables");
            (format!("there is no table `{}`", table.name), help)
        };
        let place = text.place(sql, table.at, &check.sources);
        check.problems.push(Problem::new(place, message, "", help));
    }
}

/// Adds the refusals of a text, and the names in it that nobody knows; gives back its references.
fn judged(
    check: &mut Check<'_>,
    text: &Text<'_>,
    sql: &str,
    (references, refusals): (References, Vec<Refusal>),
) -> References {
    for refusal in refusals {
        let place = text.place(sql, refusal.at, &check.sources);
        let message = match text.is_secret() {
            // The parser quotes what it found, which a variable may have put there.
            true if refusal.message.starts_with("this is not SQL") => "this is not SQL".to_owned(),
            _ => refusal.message,
        };
        check.problems.push(Problem::new(place, message, "", refusal.help));
    }
    let own = check.loaded.pipeline.parameters.keys().map(String::as_str);
    let parameters: Vec<&str> = own.chain(check.known.parameters.iter().copied()).collect();
    unknown(check, text, sql, &references.parameters, &parameters, "parameter");
    if !check.known.functions.is_empty() {
        let functions = check.known.functions;
        unknown(check, text, sql, &references.functions, functions, "function");
    }
    references
}

/// Adds the names that are not known; `what` is one of their kind.
fn unknown(
    check: &mut Check<'_>,
    text: &Text<'_>,
    sql: &str,
    mentions: &[sql::Mention],
    known: &[&str],
    what: &str,
) {
    for mention in mentions.iter().filter(|mention| !known.contains(&mention.name.as_str())) {
        let near = super::nearest::nearest(&mention.name, known);
        let (message, help) = match text.is_secret() {
            true => (format!("there is no such {what}"), String::new()),
            // All functions would fill the screen.
            false if what == "function" && near.is_none() => {
                let help = "`simurgh functions` lists them".to_owned();
                (format!("there is no {what} `{}`", mention.name), help)
            }
            false => {
                let help = suggestion(&mention.name, known, &format!("{what}s"));
                (format!("there is no {what} `{}`", mention.name), help)
            }
        };
        let place = text.place(sql, mention.at, &check.sources);
        check.problems.push(Problem::new(place, message, "", help));
    }
}

/// SQL where it was written.
struct Text<'a> {
    place: Place,
    scalar: Option<&'a Scalar>,
}

impl<'a> Text<'a> {
    fn value(node: &'a Node) -> Self {
        Self { place: node.place, scalar: node.scalar() }
    }

    fn file(source: usize, text: &str) -> Self {
        Self { place: Place { source, start: 0, end: text.len() }, scalar: None }
    }

    /// Whether a variable was put in.
    fn is_secret(&self) -> bool {
        self.scalar.is_some_and(|scalar| scalar.written.is_some())
    }

    /// The place of a line and column of `sql`; the whole value where quoting, folding or a variable
    /// stands between.
    fn place(&self, sql: &str, at: Option<(u64, u64)>, sources: &Sources) -> Place {
        let exact = || {
            let (line, column) = at?;
            let byte = byte_of(sql, line, column)?;
            let word = word_length(&sql[byte..]);
            let slice = sources.slice(self.place);
            let start = match self.scalar {
                Some(scalar) if scalar.written.is_some() => return None,
                Some(scalar) if scalar.style == ScalarStyle::Literal => {
                    self.place.start + in_block(slice, sql, byte)?
                }
                _ => self.place.start + slice.find(sql)? + byte,
            };
            Some(Place { start, end: start + word, ..self.place })
        };
        exact().unwrap_or(self.place)
    }
}

/// The byte of a line and column (of characters), both from 1.
fn byte_of(text: &str, line: u64, column: u64) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let start = match line {
        0 => 0,
        n => text.match_indices('\n').nth(n - 1)?.0 + 1,
    };
    let rest = &text[start..];
    let offset = rest.char_indices().map(|(offset, _)| offset).chain([rest.len()]).nth(column)?;
    Some(start + offset)
}

/// Where byte `byte` of a literal block's text stands in the block as it is written.
fn in_block(slice: &str, text: &str, byte: usize) -> Option<usize> {
    let line = text[..byte].matches('\n').count();
    let column = byte - text[..byte].rfind('\n').map_or(0, |at| at + 1);
    let wanted = text.lines().nth(line)?;
    let mut start = 0;
    let mut number = 0;
    for (index, written) in slice.split_inclusive('\n').enumerate() {
        let header = index == 0 && written.trim_start().starts_with('|');
        if !header {
            if number == line {
                let indent = written.trim_end_matches(['\n', '\r']).strip_suffix(wanted)?.len();
                return Some(start + indent + column);
            }
            number += 1;
        }
        start += written.len();
    }
    None
}

/// The bytes of the word that a text begins with, and of a parameter's dollar before it.
fn word_length(text: &str) -> usize {
    text.char_indices()
        .find(|(at, c)| !(c.is_alphanumeric() || *c == '_' || (*at == 0 && *c == '$')))
        .map_or(text.len(), |(at, _)| at)
}

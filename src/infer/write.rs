//! A proposal as files that a person can read, edit and run: a pipeline and its contracts.
//!
//! Knows how such files are written, with the reason beside each line; refuses to know values.

use std::fmt::Write;

use super::settings::{Attribute, Comparing, Proposal};
use super::{Meaning, Understood};

/// A source of the pipeline.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The source's name: that of its `raw_` table.
    pub name: String,
    /// The file, relative to `inputs`.
    pub path: String,
    /// Its columns: names in the file and in the raw table.
    pub columns: Vec<(String, String)>,
    /// The column that identifies a record, by its name in the raw table; else the row's number does.
    pub id: Option<String>,
    /// Where a column says which source a record is of: that column and its values, each the name
    /// of a source of records.
    pub parts: Option<(String, Vec<String>)>,
}

/// A blocking rule that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// SQL over `records`.
    pub keys: Vec<String>,
    /// SQL that divides a block past the bound.
    pub refine: Vec<String>,
    /// The bound.
    pub max_block: u32,
    /// Why, in a few words.
    pub why: String,
}

/// All that a pipeline file is written of.
#[derive(Debug)]
pub struct Written<'a> {
    /// The folder of the files.
    pub inputs: &'a str,
    /// The sources.
    pub sources: &'a [SourceFile],
    /// What was proposed.
    pub proposal: &'a Proposal,
    /// The blocking rules.
    pub blocking: &'a [Chosen],
    /// Whether records of one source are never compared.
    pub link_only: bool,
    /// Sources that hold each entity once.
    pub duplicate_free: &'a [String],
    /// The column that says when a record changed, by its name in the raw tables.
    pub updated: Option<&'a str>,
}

/// A text as YAML and JSON both write it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // A `$` begins a variable in a pipeline file.
            '$' => out.push_str("$$"),
            _ if letter.is_control() => out.push(' '),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

fn list(texts: &[String]) -> String {
    let plain = |text: &String| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !matches!(
                text.as_str(),
                "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
            )
            && text.starts_with(|c: char| c.is_ascii_lowercase())
    };
    let one = |text: &String| if plain(text) { text.clone() } else { quoted(text) };
    format!("[{}]", texts.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// The pipeline file.
pub fn pipeline(written: &Written<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = sections(&mut text, written);
    text
}

fn sections(out: &mut String, written: &Written<'_>) -> std::fmt::Result {
    let proposal = written.proposal;
    let kind = proposal.kind;
    writeln!(out, "# What `simurgh dedupe` understood of these files, and how it resolved them.")?;
    writeln!(out, "# Edit it, then: simurgh run pipeline.yaml")?;
    writeln!(
        out,
        "# or with the same files: simurgh dedupe FILE... --settings pipeline.yaml --out DIR"
    )?;
    writeln!(out, "version: 1\nname: dedupe\ninputs: {}\n\nsources:", quoted(written.inputs))?;
    for source in written.sources {
        writeln!(out, "  {}:", source.name)?;
        writeln!(out, "    path: {}", quoted(&source.path))?;
        writeln!(out, "    contract: {}.odcs.yaml", source.name)?;
        writeln!(out, "    load: snapshot\n    extra_columns: ignore\n    max_quarantined: 0")?;
    }
    writeln!(out, "\n# Each column of the files, cleaned by what it means.\nrecords:")?;
    for (place, source) in written.sources.iter().enumerate() {
        match &source.parts {
            None => mapping(out, written, place, &source.name, None)?,
            Some((column, values)) => {
                for value in values {
                    let of = format!("{column} = '{}'", value.replace('\'', "''"));
                    mapping(out, written, place, value, Some(&of))?;
                }
            }
        }
    }
    writeln!(out, "\nresolve:\n  {kind}:")?;
    writeln!(
        out,
        "    # Pairs that agree on all keys of any one rule are compared.\n    blocking:"
    )?;
    for rule in written.blocking {
        writeln!(out, "      # {}", rule.why)?;
        let refine = if rule.refine.is_empty() {
            String::new()
        } else {
            format!(", refine: {}", list(&rule.refine))
        };
        let bound = if rule.max_block == BOUND {
            String::new()
        } else {
            format!(", max_block: {}", rule.max_block)
        };
        writeln!(
            out,
            "      - {{name: {}, keys: {}{refine}{bound}}}",
            rule.name,
            list(&rule.keys)
        )?;
    }
    writeln!(out, "    comparisons:")?;
    for own in &proposal.comparisons {
        comparison(out, own)?;
    }
    if written.link_only {
        writeln!(out, "    # Records of one source are never compared.\n    link: link_only")?;
    }
    if !written.duplicate_free.is_empty() {
        writeln!(
            out,
            "    # These hold hardly any duplicates: at most one record of each is of one entity."
        )?;
        writeln!(out, "    duplicate_free: {}", list(written.duplicate_free))?;
    }
    writeln!(out, "    thresholds: {{merge: {MERGE}, review: {REVIEW}}}")?;
    writeln!(out, "\n# Which value an entity keeps where its records differ.\ngolden:")?;
    let rule = if written.updated.is_some() { "most_recent" } else { "most_frequent" };
    writeln!(out, "  default_rule: {rule}")?;
    survivorship(out, proposal)
}

/// The bound of blocks where a rule gives none.
pub const BOUND: u32 = 500;

/// The match probabilities from which pairs are merged and written.
const MERGE: f64 = 0.7;
const REVIEW: f64 = 0.2;

fn mapping(
    out: &mut String,
    written: &Written<'_>,
    place: usize,
    source: &str,
    of: Option<&str>,
) -> std::fmt::Result {
    let file = &written.sources[place];
    let id = file.id.clone().unwrap_or_else(|| "CAST(_row AS VARCHAR)".to_owned());
    writeln!(out, "  - source: {}\n    sql: |", quoted(source))?;
    writeln!(out, "      SELECT {id} AS record_id, '{}' AS kind,", written.proposal.kind)?;
    for own in &written.proposal.attributes {
        let Some(column) = &own.columns[place] else { continue };
        let sql = own.sql.replace("{}", column);
        writeln!(
            out,
            "             {sql} AS {}, -- {}: {}",
            own.name,
            own.meaning.words(),
            comment(&own.why)
        )?;
    }
    let updated = match written.updated {
        Some(column) => {
            format!("coalesce(timestamp_parse({column}), TIMESTAMP '1970-01-01T00:00:00Z')")
        }
        None => "TIMESTAMP '1970-01-01T00:00:00Z'".to_owned(),
    };
    writeln!(out, "             {updated} AS updated_at")?;
    let of = of.map(|of| format!(" WHERE {of}")).unwrap_or_default();
    writeln!(out, "      FROM raw_{}{of}", file.name)
}

/// A reason within a comment of SQL: nothing that ends it or reads as a parameter.
fn comment(text: &str) -> String {
    text.replace(['\n', '$', '\'', '"', ';'], " ")
}

fn comparison(out: &mut String, own: &Comparing) -> std::fmt::Result {
    write!(
        out,
        "      - {{name: {}, type: {}, columns: {}",
        own.name,
        own.kind,
        list(&own.columns)
    )?;
    if !own.levels.is_empty() {
        let levels: Vec<String> = own.levels.iter().map(f64::to_string).collect();
        write!(out, ", levels: [{}]", levels.join(", "))?;
    }
    if own.term_frequency {
        write!(out, ", term_frequency: true")?;
    }
    writeln!(out, "}} # {}", own.why)
}

fn survivorship(out: &mut String, proposal: &Proposal) -> std::fmt::Result {
    let grouped =
        |own: &Attribute| proposal.groups.iter().any(|(_, group)| group.contains(&own.name));
    let single: Vec<&Attribute> = proposal
        .attributes
        .iter()
        .filter(|own| own.survives != "most_frequent" && !grouped(own))
        .collect();
    if single.is_empty() && proposal.groups.is_empty() {
        return Ok(());
    }
    writeln!(out, "  attributes:")?;
    for (name, columns) in &proposal.groups {
        writeln!(out, "    {name}: {{rule: most_complete, columns: {}}}", list(columns))?;
    }
    for own in single {
        writeln!(out, "    {}: {{rule: {}}}", own.name, own.survives)?;
    }
    Ok(())
}

/// The contract of a source: its columns as text, and its key.
pub fn contract(source: &SourceFile, understood: &[Understood]) -> String {
    let mut out = String::new();
    let name = &source.name;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# Every column of the file as text; cleaning is the pipeline's.\nkind: DataContract\napiVersion: v3.1.0\n\
         id: {name}\nname: {name}\nversion: 1.0.0\nstatus: draft\nschema:\n  - name: {name}\n    \
         logicalType: object\n    physicalType: file\n    properties:"
    );
    for (export, plain) in &source.columns {
        let _ = writeln!(out, "      - name: {plain}");
        if export != plain {
            let _ = writeln!(out, "        physicalName: {}", quoted(export).replace("$$", "$"));
        }
        let _ = writeln!(out, "        logicalType: string");
        let meaning = understood.iter().find(|own| own.name == *export).map(|own| own.meaning);
        if meaning.is_some_and(personal) {
            let _ = writeln!(out, "        classification: personal");
        }
        if source.id.as_ref() == Some(plain) && source.parts.is_none() {
            let _ = writeln!(
                out,
                "        primaryKey: true\n        primaryKeyPosition: 1\n        required: true"
            );
        }
    }
    out
}

fn personal(meaning: Meaning) -> bool {
    use Meaning::*;
    matches!(
        meaning,
        GivenName
            | FamilyName
            | MiddleName
            | FullName
            | BirthDate
            | Email
            | Phone
            | Street
            | HouseNumber
            | AddressMore
            | Postcode
            | Identifier
            | Sex
            | Latitude
            | Longitude
    )
}

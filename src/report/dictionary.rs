//! The data dictionary: landed tables as their contracts describe them, in Markdown.
//!
//! Reads of a contract what its readers want: tables, columns, types, units, keys, what is
//! personal. Refuses to know how a contract is held against rows: that is `contract`'s.

use std::fmt::Write;

use serde::Deserialize;

use crate::error::{Error, Result};

/// Parts of the dictionary in the order of the pipeline: a contract's domain, and its heading.
const PARTS: &[(&str, &str)] = &[
    ("identity", "Identity: records, resolution, golden customers"),
    ("facts", "Facts, by source and record"),
    ("enrichment", "Enrichment"),
    ("profile", "Customer 360"),
];

#[derive(Deserialize)]
struct Contract {
    domain: String,
    #[serde(default)]
    schema: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    properties: Vec<Column>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Column {
    name: String,
    #[serde(default)]
    logical_type: String,
    physical_type: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    primary_key: bool,
    #[serde(default)]
    primary_key_position: u32,
    #[serde(default)]
    required: bool,
    classification: Option<String>,
    items: Option<Items>,
    #[serde(default)]
    custom_properties: Vec<Property>,
    #[serde(default)]
    quality: Vec<Quality>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Items {
    logical_type: String,
}

#[derive(Deserialize)]
struct Property {
    property: String,
    value: String,
}

#[derive(Deserialize)]
struct Quality {
    arguments: Option<Arguments>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arguments {
    #[serde(default)]
    valid_values: Vec<String>,
}

/// The data dictionary of contracts (ODCS YAML, each with the name of its file), as Markdown: a
/// part for each domain, in it a table for each table, by name. The order given does not matter.
///
/// # Errors
/// Configuration: a file is no contract, or its domain is none of the dictionary's parts.
pub fn markdown(contracts: &[(String, String)]) -> Result<String> {
    let mut parts: Vec<Vec<Table>> = PARTS.iter().map(|_| Vec::new()).collect();
    for (file, yaml) in contracts {
        let contract: Contract = serde_saphyr::from_str(yaml).map_err(|_| {
            Error::configuration(format!("{file} is not a data contract"))
                .help("write it in the Open Data Contract Standard 3.1")
        })?;
        let part = PARTS.iter().position(|(domain, _)| *domain == contract.domain);
        let part = part.ok_or_else(|| {
            let domains: Vec<&str> = PARTS.iter().map(|(domain, _)| *domain).collect();
            Error::configuration(format!("{file}: the dictionary has no part for its domain"))
                .help(format!("use one of: {}", domains.join(", ")))
        })?;
        parts[part].extend(contract.schema);
    }
    let mut text = String::from(
        "# The tables\n\n\
         Made from the contracts in `schemas/`; change those. Join facts to customers by \
         `entity_members` on (`source`, `record_id`). Times are UTC unless a column says \
         otherwise; money stands beside its currency.\n",
    );
    for ((_, heading), mut tables) in PARTS.iter().zip(parts) {
        if tables.is_empty() {
            continue;
        }
        tables.sort_by(|l, r| l.name.cmp(&r.name));
        let _ = write!(text, "\n## {heading}\n");
        for table in &tables {
            write_table(&mut text, table);
        }
    }
    Ok(text)
}

/// Writing to a `String` cannot fail, so results of `write!` are dropped here.
fn write_table(text: &mut String, table: &Table) {
    let mut key: Vec<&Column> = table.properties.iter().filter(|c| c.primary_key).collect();
    key.sort_by_key(|column| column.primary_key_position);
    let key: Vec<String> = key.iter().map(|column| format!("`{}`", column.name)).collect();
    let _ =
        write!(text, "\n### {}\n\n{} Key: {}.\n\n", table.name, table.description, key.join(", "));
    text.push_str("| column | type | marks | meaning |\n|---|---|---|---|\n");
    for column in &table.properties {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            column.name,
            column.kind(),
            column.marks(),
            column.meaning()
        );
    }
}

impl Column {
    /// The type in one word, with its unit.
    fn kind(&self) -> String {
        let kind = match (&self.physical_type, &self.items) {
            (_, Some(items)) => format!("list of {}", items.logical_type),
            (Some(physical), None) => physical.clone(),
            (None, None) => self.logical_type.clone(),
        };
        match self.custom_properties.iter().find(|property| property.property == "unit") {
            Some(unit) => format!("{kind}, {}", unit.value),
            None => kind,
        }
    }

    /// What is out of the ordinary: it may be null, it is personal.
    fn marks(&self) -> String {
        let null = (!self.required).then_some("nullable");
        let personal = self.classification.as_deref().filter(|class| *class == "personal");
        let marks: Vec<&str> = null.into_iter().chain(personal).collect();
        marks.join(", ")
    }

    /// The description, and the values that there are.
    fn meaning(&self) -> String {
        let values: Vec<&str> = self
            .quality
            .iter()
            .filter_map(|quality| quality.arguments.as_ref())
            .flat_map(|arguments| &arguments.valid_values)
            .map(String::as_str)
            .collect();
        let meaning = self.description.replace('|', "\\|");
        if values.is_empty() {
            return meaning;
        }
        format!("{meaning} One of: {}.", values.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables;

    /// The contracts of landed tables in `schemas/`.
    fn landed() -> Vec<(String, String)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
        let mut contracts = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(".odcs.yaml") {
                let yaml = std::fs::read_to_string(&path).unwrap();
                if yaml.contains("physicalType: table") {
                    contracts.push((name, yaml));
                }
            }
        }
        contracts
    }

    #[test]
    fn the_dictionary_in_docs_is_that_of_the_contracts() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tables.md");
        let made = markdown(&landed()).unwrap();
        if std::env::var_os("SIMURGH_UPDATE").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap();
        assert!(kept == made, "run this test with SIMURGH_UPDATE=1 and commit docs/tables.md");
    }

    #[test]
    fn contracts_of_resolution_have_the_columns_that_the_stages_write() {
        let contracts = landed();
        for (name, schema) in tables::fixed() {
            let file = format!("{name}.odcs.yaml");
            let (_, yaml) = contracts.iter().find(|(other, _)| *other == file).unwrap();
            let contract: Contract = serde_saphyr::from_str(yaml).unwrap();
            let columns = contract.schema[0].properties.iter();
            let said: Vec<(&str, bool)> = columns.map(|c| (c.name.as_str(), !c.required)).collect();
            let fields = schema.fields().iter();
            let made: Vec<(&str, bool)> =
                fields.map(|field| (field.name().as_str(), field.is_nullable())).collect();
            assert_eq!(said, made, "{name}");
        }
        for table in tables::TABLES {
            let file = format!("{}.odcs.yaml", table.name);
            assert!(contracts.iter().any(|(name, _)| *name == file), "{file} is missing");
        }
    }

    #[test]
    fn a_file_that_is_no_contract_is_named() {
        let error = markdown(&[("x.odcs.yaml".to_owned(), "[1]".to_owned())]).unwrap_err();
        assert_eq!(error.to_string(), "x.odcs.yaml is not a data contract");
        let other = "domain: weather".to_owned();
        let error = markdown(&[("y.odcs.yaml".to_owned(), other)]).unwrap_err();
        assert!(error.advice().unwrap().contains("identity"));
    }

    #[test]
    fn a_column_shows_its_type_unit_marks_and_values() {
        let yaml = "domain: facts\nschema:\n  - name: t\n    description: D.\n    properties:\n      \
                    - {name: k, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}\n      \
                    - name: a\n        logicalType: number\n        physicalType: decimal(18,2)\n        \
                    description: How a|b.\n        classification: personal\n        \
                    customProperties: [{property: unit, value: EUR}]\n        \
                    quality: [{arguments: {validValues: [x, y]}}]\n";
        let text = markdown(&[("t".to_owned(), yaml.to_owned())]).unwrap();
        assert!(text.contains("### t\n\nD. Key: `k`.\n"));
        let row = "| a | decimal(18,2), EUR | nullable, personal | How a\\|b. One of: x, y. |";
        assert!(text.contains(row), "{text}");
    }
}

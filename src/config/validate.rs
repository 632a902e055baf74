//! What only a reader of the whole pipeline can see: names that refer to nothing or stand twice,
//! files that are not there, numbers that contradict each other, SQL that could not be run.
//!
//! Knows the pipeline's parts and the names of what other modules offer, which it is given. Reads no
//! data and plans nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::nearest::suggestion;
use super::problem::{self, Place, Problem, Sources};
use super::{Known, Loaded, models, statements};
use crate::error::Result;
use crate::tables;

/// The kinds of record that can be resolved.
pub(crate) const KINDS: &[&str] = &["organisation", "person"];

/// Checks a whole pipeline.
pub(crate) fn check(loaded: &Loaded, known: &Known<'_>) -> Result<()> {
    let sources = loaded.sources.clone();
    let mut check = Check { loaded, known, sources, problems: Vec::new() };
    check.head();
    check.sources();
    check.records();
    models::check(&mut check);
    check.golden();
    check.land();
    statements::check(&mut check);
    if check.problems.is_empty() {
        return Ok(());
    }
    Err(problem::into_error(check.problems, &check.sources))
}

/// A check under way.
pub(crate) struct Check<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) known: &'a Known<'a>,
    pub(crate) sources: Sources,
    pub(crate) problems: Vec<Problem>,
}

impl Check<'_> {
    /// A problem of the value at a path of keys and list indexes.
    pub(crate) fn at(
        &mut self,
        path: &[&str],
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let place = self.loaded.tree.along(path).place;
        self.problems.push(Problem::new(place, message, "", help));
    }

    /// A problem of the last key of a path.
    pub(crate) fn at_key(
        &mut self,
        path: &[&str],
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let place = self.key_place(path);
        self.problems.push(Problem::new(place, message, "", help));
    }

    fn key_place(&self, path: &[&str]) -> Place {
        let (last, before) = path.split_last().unwrap_or((&"", &[]));
        let parent = self.loaded.tree.along(before);
        parent.entry(last).map_or(parent.place, |entry| entry.key_place)
    }

    /// The value at a path as it was written: what a message may show of it.
    pub(crate) fn shown(&self, path: &[&str]) -> String {
        let node = self.loaded.tree.along(path);
        node.scalar().map_or(String::new(), |scalar| scalar.shown().to_owned())
    }

    fn is_from_variable(&self, path: &[&str]) -> bool {
        self.loaded.tree.along(path).scalar().is_some_and(|scalar| scalar.written.is_some())
    }

    /// A name that refers to one of `known`; `what` is that kind in the plural.
    pub(crate) fn refers(&mut self, path: &[&str], name: &str, known: &[&str], what: &str) {
        if known.contains(&name) {
            return;
        }
        let message = format!("`{}` is none of the {what}", self.shown(path));
        let help = match self.is_from_variable(path) {
            true => format!("{what}: {}", known.join(", ")),
            false => suggestion(name, known, what),
        };
        self.at(path, message, help);
    }

    /// Names of a list, at `path`.`index`.`key`, which must be plain and different.
    pub(crate) fn distinct(&mut self, path: &[&str], key: &str, names: &[&str]) {
        for (index, name) in names.iter().enumerate() {
            let index_text = index.to_string();
            let path = [path, &[&index_text, key]].concat();
            if let Some(first) = names[..index].iter().position(|earlier| earlier == name) {
                let message = format!("the {key} `{}` is given twice", self.shown(&path));
                self.at(&path, message, format!("item {} of the list has it already", first + 1));
            }
            self.plain(&path, name);
        }
    }

    /// A name that stands in tables and SQL: lower-case words joined by underscores.
    fn plain(&mut self, path: &[&str], name: &str) {
        if !is_plain(name) {
            let help = "begin with a letter a to z, go on with letters, digits and `_`";
            self.at(path, "this is not a plain name", help);
        }
    }

    /// The name of a mapping's entry.
    pub(crate) fn plain_key(&mut self, path: &[&str], name: &str) {
        if !is_plain(name) {
            let help = "begin with a letter a to z, go on with letters, digits and `_`";
            self.at_key(path, format!("`{name}` is not a plain name"), help);
        }
    }

    /// A file or folder beside the pipeline file.
    pub(crate) fn exists(
        &mut self,
        path: &[&str],
        relative: &str,
        folder: bool,
    ) -> Option<PathBuf> {
        let file = self.loaded.directory.join(relative);
        let kind = if folder { "folder" } else { "file" };
        if if folder { file.is_dir() } else { file.is_file() } {
            return Some(file);
        }
        let message = format!("there is no {kind} `{}`", self.shown(path));
        let directory = self.loaded.directory.display().to_string();
        let beside = if directory.is_empty() { "." } else { &directory };
        let mut help = format!("paths are relative to the pipeline file's folder, {beside}");
        if !self.is_from_variable(path)
            && let Some(near) = neighbour(&file)
        {
            let near = std::path::Path::new(relative).with_file_name(near);
            let near = near.display();
            help = format!("did you mean `{near}`? {help}");
        }
        self.at(path, message, help);
        None
    }

    fn time_zone(&mut self, path: &[&str], name: &str) {
        if jiff::tz::TimeZone::get(name).is_ok() {
            return;
        }
        let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
        let zones: Vec<&str> = zones.iter().map(String::as_str).collect();
        let near = super::nearest::nearest(name, &zones).filter(|_| !self.is_from_variable(path));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "use an IANA name such as `Africa/Cairo`, `Asia/Tehran` or `UTC`".to_owned(),
        };
        self.at(path, format!("`{}` is not a time zone", self.shown(path)), help);
    }

    fn head(&mut self) {
        let pipeline = &self.loaded.pipeline;
        if pipeline.version != 1 {
            self.at(&["version"], "this version of the layout is not known", "write `version: 1`");
        }
        self.plain(&["name"], &pipeline.name);
        if pipeline.inputs.trim().is_empty() {
            self.at(
                &["inputs"],
                "`inputs` is empty",
                "name a folder, or a URL such as `s3://bucket/prefix`",
            );
        }
        self.time_zone(&["reporting", "time_zone"], &pipeline.reporting.time_zone);
        if iso_currency::Currency::from_code(&pipeline.reporting.currency).is_none() {
            let path = ["reporting", "currency"];
            let message = format!("`{}` is not a currency", self.shown(&path));
            self.at(&path, message, "use an ISO 4217 code such as `USD`, `EGP` or `SAR`");
        }
        for name in pipeline.parameters.keys() {
            self.plain_key(&["parameters", name], name);
        }
    }

    fn sources(&mut self) {
        let pipeline = &self.loaded.pipeline;
        if pipeline.sources.is_empty() {
            self.at_key(&["sources"], "there are no sources", "name at least one export");
        }
        for (name, source) in &pipeline.sources {
            let name = name.as_str();
            self.plain_key(&["sources", name], name);
            self.exists(&["sources", name, "contract"], &source.contract, false);
            self.time_zone(&["sources", name, "time_zone"], &source.time_zone);
            let path = ["sources", name, "path"];
            let leaves = source.path.split('/').any(|part| part == "..");
            if source.path.trim().is_empty() || source.path.starts_with('/') || leaves {
                let help = "write a path or glob beneath `inputs`, without `..`";
                self.at(&path, "this path is not beneath `inputs`", help);
            }
            for of in source.subject.keys() {
                let known: Vec<&str> = pipeline.records.iter().map(|m| m.source.as_str()).collect();
                if !known.contains(&of.as_str()) {
                    let message = format!("`{of}` is none of the sources of records");
                    let help = suggestion(of, &known, "sources of records");
                    self.at_key(&["sources", name, "subject", of], message, help);
                }
            }
            if source.max_bytes == 0 {
                self.at(
                    &["sources", name, "max_bytes"],
                    "no file is this small",
                    "leave it out for 4 GiB",
                );
            }
            if let Some(label) = &source.format.encoding
                && encoding_rs::Encoding::for_label(label.as_bytes()).is_none()
            {
                let path = ["sources", name, "format", "encoding"];
                let message = format!("`{}` is not an encoding", self.shown(&path));
                self.at(&path, message, "use a WHATWG label such as `utf-8` or `windows-1256`");
            }
            let marks = [("delimiter", source.format.delimiter), ("quote", source.format.quote)];
            for (key, mark) in marks {
                if mark.is_some_and(|mark| !mark.is_ascii() || matches!(mark, '\n' | '\r' | '\0')) {
                    let help = "use one ASCII character; in double quotes `\"\\t\"` is a tab";
                    self.at(
                        &["sources", name, "format", key],
                        format!("this cannot be the {key}"),
                        help,
                    );
                }
            }
            if source.format.delimiter.is_some() && source.format.delimiter == source.format.quote {
                let path = ["sources", name, "format", "quote"];
                self.at(&path, "the quote is the delimiter", "they must differ");
            }
        }
    }

    fn records(&mut self) {
        let records = &self.loaded.pipeline.records;
        if records.is_empty() {
            let help = "map at least one source to customer records";
            self.at_key(&["records"], "there are no records", help);
        }
        let names: Vec<&str> = records.iter().map(|mapping| mapping.source.as_str()).collect();
        self.distinct(&["records"], "source", &names);
        if self.loaded.pipeline.resolve.is_empty() {
            let help = "add `person:`, `organisation:` or both";
            self.at_key(&["resolve"], "no kind of record is resolved", help);
        }
    }

    pub(crate) fn record_source(&mut self, path: &[&str], name: &str) {
        let loaded = self.loaded;
        let known: Vec<&str> = loaded.pipeline.records.iter().map(|m| m.source.as_str()).collect();
        self.refers(path, name, &known, "sources of records");
    }

    fn golden(&mut self) {
        let golden = &self.loaded.pipeline.golden;
        for (index, source) in golden.source_priority.iter().enumerate() {
            let text = index.to_string();
            let path = ["golden", "source_priority", &text];
            self.record_source(&path, source);
            if golden.source_priority[..index].contains(source) {
                self.at(&path, "this source is named before", "name it once");
            }
        }
        let rules = self.known.survivorship;
        self.refers(&["golden", "default_rule"], &golden.default_rule, rules, "survivorship rules");
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, survivorship) in &golden.attributes {
            let path = ["golden", "attributes", name, "rule"];
            self.refers(&path, &survivorship.rule, rules, "survivorship rules");
            let columns = match survivorship.columns.as_slice() {
                [] => std::slice::from_ref(name),
                columns => columns,
            };
            for column in columns {
                if let Some(other) = owners.insert(column, name) {
                    let message = format!("`{column}` survives by two rules");
                    let help = format!("it is part of `{other}` too: name it in one of them");
                    self.at_key(&["golden", "attributes", name], message, help);
                }
            }
        }
        self.trust(&["golden", "trust"], &golden.trust);
        if let Some(file) = &golden.overrides {
            self.exists(&["golden", "overrides"], file, false);
        }
        for (name, own) in &golden.attributes {
            let at = ["golden", "attributes", name.as_str()];
            self.trust(&[&at[..], &["trust"]].concat(), &own.trust);
            if own.rule == "trust" && golden.trust.is_empty() && own.trust.is_empty() {
                let help = "golden: trust: {crm: {score: 0.9, half_life_days: 365}}";
                self.at(&[&at[..], &["rule"]].concat(), "no source is trusted", help);
            }
            if (own.rule == "expression") != own.expression.is_some() {
                let help =
                    "`rule: expression` and `expression: SQL` go together; the greatest value wins";
                self.at(&[&at[..], &["rule"]].concat(), "a rule without what it asks for", help);
            }
            if let Some(list) = &own.keep_all {
                let path = [&at[..], &["keep_all"]].concat();
                self.plain(&path, list);
                if own.columns.len() > 1 {
                    let help = "a list keeps the values of one attribute: take it out of the group";
                    self.at(&path, "a group is not kept as a list", help);
                }
            }
        }
        for (index, relation) in golden.relations.iter().enumerate() {
            let index = index.to_string();
            let at = ["golden", "relations", &index];
            if relation.share.is_empty() == relation.reference.is_none() {
                let help = "give `share` (attributes in common) or `reference` (a column with the other's id)";
                self.at(&at, "a relation is found in one way", help);
            }
            if let Some(source) = &relation.to_source {
                self.record_source(&[&at[..], &["to_source"]].concat(), source);
            }
            if let Some(kind) = &relation.from_kind {
                self.refers(&[&at[..], &["from_kind"]].concat(), kind, KINDS, "kinds");
            }
            if relation.max_group < 2 {
                let path = [&at[..], &["max_group"]].concat();
                self.at(&path, "a group of one has no relation", "the least is 2");
            }
        }
    }

    fn trust(&mut self, path: &[&str], trust: &indexmap::IndexMap<String, crate::golden::Trust>) {
        let loaded = self.loaded;
        let known: Vec<&str> = loaded.pipeline.records.iter().map(|m| m.source.as_str()).collect();
        for (source, own) in trust {
            let at = [path, &[source.as_str()]].concat();
            if !known.contains(&source.as_str()) {
                let message = format!("`{source}` is none of the sources of records");
                self.at_key(&at, message, suggestion(source, &known, "sources of records"));
            }
            if !(0.0..=1.0).contains(&own.score) {
                self.at(&[&at[..], &["score"]].concat(), "trust is between 0 and 1", "write 0.8");
            }
            if own.half_life_days.is_some_and(|days| days.is_nan() || days <= 0.0) {
                let help = "leave it out where trust does not age";
                self.at(&[&at[..], &["half_life_days"]].concat(), "no time at all", help);
            }
        }
    }

    fn land(&mut self) {
        let pipeline = &self.loaded.pipeline;
        let made =
            pipeline.facts.keys().chain(pipeline.enrich.keys()).chain(pipeline.profile.keys());
        let mut known: Vec<&str> = tables::TABLES.iter().map(|table| table.name).collect();
        known.extend(made.map(String::as_str));
        for (index, name) in pipeline.land.export.iter().enumerate() {
            let index = index.to_string();
            self.refers(&["land", "export", &index], name, &known, "tables");
        }
        for (index, name) in pipeline.land.pseudonymous.iter().enumerate() {
            let index = index.to_string();
            let path = ["land", "pseudonymous", &index];
            self.refers(&path, name, &known, "tables");
            let contract =
                pipeline.land.contracts.as_ref().map(|folder| {
                    self.loaded.directory.join(folder).join(format!("{name}.odcs.yaml"))
                });
            if !contract.is_some_and(|file| file.is_file()) {
                let help = "its contract says which columns are personal: add it to land.contracts";
                self.at(&path, format!("`{}` has no contract", self.shown(&path)), help);
            }
        }
        if let Some(contracts) = &pipeline.land.contracts {
            self.exists(&["land", "contracts"], contracts, true);
        }
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The nearest name in the folder where a file was looked for.
fn neighbour(file: &std::path::Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let folder = file.parent()?;
    let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .take(1000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    super::nearest::nearest(name, &names).map(str::to_owned)
}

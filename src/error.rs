//! Errors, grouped by what the reader does next: mend data or configuration, use the command
//! otherwise, try again, or report a bug. Each group is an exit code.
//!
//! Knows nothing of where an error came from. A message never holds a value read from an export:
//! it says what, where (file, row, column, key path) and what to do; foreign errors that quote
//! values are replaced by kind where they enter (see `engine` and `extract`).

use std::fmt;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the reader of an error does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Mend the data: an export is missing, torn, stale, renamed, or breaks its contract.
    Data,
    /// Mend the configuration: a pipeline file, a contract, a setting.
    Configuration,
    /// Use the command otherwise.
    Usage,
    /// Try again later: a store that does not answer, a predecessor that changed meanwhile.
    Retry,
    /// Report a bug.
    Bug,
}

impl Kind {
    /// The process exit code of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Data | Kind::Configuration => 1,
            Kind::Usage => 2,
            Kind::Bug => 70,
            Kind::Retry => 75,
        }
    }
}

/// One error: what happened, where, and what to do about it.
pub struct Error {
    kind: Kind,
    what: String,
    help: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    reports: Vec<miette::Report>,
    // Most errors have none: a result stays small.
    told: Option<Box<Told>>,
}

/// What an error tells beside.
#[derive(Default)]
struct Told {
    notes: Vec<String>,
    details: serde_json::Map<String, serde_json::Value>,
}

impl Error {
    /// An error of a kind. `what` says what happened and where, without any data value.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), help: None, source: None, reports: Vec::new(), told: None }
    }

    /// The data must be mended.
    pub fn data(what: impl Into<String>) -> Self {
        Self::new(Kind::Data, what)
    }

    /// The configuration must be mended.
    pub fn configuration(what: impl Into<String>) -> Self {
        Self::new(Kind::Configuration, what)
    }

    /// The command must be used otherwise.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what)
    }

    /// The same command may succeed later.
    pub fn retry(what: impl Into<String>) -> Self {
        Self::new(Kind::Retry, what)
    }

    /// A promise of the program's own code was broken.
    pub fn bug(what: impl Into<String>) -> Self {
        Self::new(Kind::Bug, what)
    }

    /// All configuration errors of one file set, each with its place, snippet and help.
    pub fn reports(reports: Vec<miette::Report>) -> Self {
        let what = match reports.len() {
            1 => "1 error in the configuration".to_owned(),
            n => format!("{n} errors in the configuration"),
        };
        Self { reports, ..Self::configuration(what) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the cause. Never an error that may quote data: see the module's text.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Adds what was found, a line each, for people: counts, ids and positions.
    #[must_use]
    pub fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.told.get_or_insert_default().notes.extend(notes);
        self
    }

    /// Adds a key to the last line of standard output, for machines.
    #[must_use]
    pub fn detail(mut self, key: &str, value: serde_json::Value) -> Self {
        self.told.get_or_insert_default().details.insert(key.to_owned(), value);
        self
    }

    /// What was found, a line each.
    pub fn noted(&self) -> &[String] {
        self.told.as_ref().map_or(&[], |told| &told.notes)
    }

    /// What the last line of standard output says beside.
    pub fn details(&self) -> impl Iterator<Item = (&String, &serde_json::Value)> {
        self.told.iter().flat_map(|told| &told.details)
    }

    /// What the reader does next.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What to do about it, where known.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The configuration errors to print one by one, if this error carries them.
    pub fn diagnostics(&self) -> &[miette::Report] {
        &self.reports
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_schedulers_rely_on() {
        let codes = [
            (Kind::Data, 1),
            (Kind::Configuration, 1),
            (Kind::Usage, 2),
            (Kind::Bug, 70),
            (Kind::Retry, 75),
        ];
        for (kind, code) in codes {
            assert_eq!(kind.exit_code(), code);
        }
    }
}

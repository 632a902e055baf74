//! One thing wrong with a configuration: what, where in the text as it was written, and what would
//! mend it.
//!
//! Knows nothing of YAML or of pipelines. A snippet is always the original text, before variables
//! were put in: what came from the environment may be a secret and is never shown.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::error::Error;

/// A range of bytes in one of the [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Which text: 0 is the file, the others are `--set` arguments and referenced files.
    pub(crate) source: usize,
    /// The first byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
}

/// The texts that places refer to, by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources(Vec<Arc<NamedSource<String>>>);

impl Sources {
    /// Adds a text under the name that reports show; returns its number.
    pub(crate) fn add(&mut self, name: &str, text: &str) -> usize {
        self.0.push(Arc::new(NamedSource::new(name, text.to_owned())));
        self.0.len() - 1
    }

    /// The text of this number; empty for one that was never added.
    pub(crate) fn text(&self, source: usize) -> &str {
        self.0.get(source).map_or("", |named| named.inner().as_str())
    }

    /// The text at a place, as it was written.
    pub(crate) fn slice(&self, place: Place) -> &str {
        self.text(place.source).get(place.start..place.end).unwrap_or("")
    }
}

/// One configuration error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What is wrong, without any value that came from a variable.
    pub(crate) message: String,
    /// The words under the snippet.
    pub(crate) label: String,
    /// What would mend it.
    pub(crate) help: String,
    /// Where.
    pub(crate) place: Place,
}

impl Problem {
    /// A problem at a place; `label` stands under the snippet.
    pub(crate) fn new(
        place: Place,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { message: message.into(), label: label.into(), help: help.into(), place }
    }
}

/// A problem beside the text that it is in, for miette.
struct Shown {
    problem: Problem,
    source: Arc<NamedSource<String>>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.problem, f)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.problem.help.is_empty()).then(|| Box::new(&self.problem.help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.shown_range();
        let label = Some(self.problem.label.clone()).filter(|label| !label.is_empty());
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(label, place))))
    }
}

impl Shown {
    /// The range to underline: within the text, on one line, and at least one character where
    /// there is one.
    fn shown_range(&self) -> std::ops::Range<usize> {
        let text = self.source.inner();
        let start = floor(text, self.problem.place.start);
        let end = floor(text, self.problem.place.end.max(start));
        let first_line = text[start..end].lines().next().unwrap_or("").trim_end().len();
        let next =
            text[start..].chars().next().filter(|c| !c.is_control()).map_or(0, char::len_utf8);
        start..start + first_line.max(next)
    }
}

/// The last character boundary at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

/// All problems as one error, in the order in which they stand in the texts, each once.
pub(crate) fn into_error(mut problems: Vec<Problem>, sources: &Sources) -> Error {
    problems.sort_by(|a, b| (a.place, &a.message).cmp(&(b.place, &b.message)));
    problems.dedup();
    let reports = problems
        .into_iter()
        .filter_map(|problem| {
            let source = sources.0.get(problem.place.source)?.clone();
            Some(miette::Report::new(Shown { problem, source }))
        })
        .collect();
    Error::reports(reports)
}

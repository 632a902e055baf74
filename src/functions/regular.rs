//! Parts of a text by a regular expression.
//!
//! Knows patterns; refuses to know what they are for.

use std::cell::RefCell;

use regex::Regex;

use super::{Function, kernel};

pub(crate) const REGEXP_EXTRACT: Function = Function {
    name: "regexp_extract",
    group: "text",
    signature: "regexp_extract(text, pattern[, group])",
    returns: "text",
    summary: "The first match of the pattern in the text, or what its group (a number) matched; null where nothing matches or the pattern is none.",
    examples: &[
        ("regexp_extract('ana.diaz@example.org', '^[^@]+')", "ana.diaz"),
        ("regexp_extract('N1 9GU', '^([A-Z]+)[0-9]+ ([0-9])', 1)", "N"),
        ("regexp_extract('none', '[0-9]+')", ""),
    ],
    make: || kernel::texts("regexp_extract", regexp_extract),
};

thread_local! {
    /// The last pattern, which is mostly the pattern of every row.
    static LAST: RefCell<Option<(String, Option<Regex>)>> = const { RefCell::new(None) };
}

/// `arguments` are text, pattern and, where it is given, the group's number. `None` where the
/// pattern does not match, is no regular expression or has no such group, or an argument is null.
pub fn regexp_extract(arguments: &[Option<&str>]) -> Option<String> {
    let (text, pattern) = (arguments.first().copied()??, arguments.get(1).copied()??);
    let group = match arguments.get(2) {
        Some(group) => group.as_ref()?.parse().ok()?,
        None => 0,
    };
    LAST.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(own, _)| own != pattern) {
            // The bound keeps a pattern from taking all memory.
            let built = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().ok();
            *last = Some((pattern.to_owned(), built));
        }
        let (_, built) = last.as_ref()?;
        Some(built.as_ref()?.captures(text)?.get(group)?.as_str().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_pattern_or_group_gives_none() {
        for (pattern, group) in
            [("(", None), ("a", Some("1")), ("a", Some("x")), ("x{9999}{9999}", None)]
        {
            let mut arguments = vec![Some("aaa"), Some(pattern)];
            arguments.extend(group.map(Some));
            assert_eq!(regexp_extract(&arguments), None, "{pattern}");
        }
        assert_eq!(regexp_extract(&[Some("aab"), Some("a+")]).as_deref(), Some("aa"));
        assert_eq!(regexp_extract(&[Some("aab"), None]), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), pattern in any::<String>()) {
            let _ = regexp_extract(&[Some(&text), Some(&pattern)]);
        }
    }
}

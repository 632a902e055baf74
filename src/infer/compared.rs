//! How a column is compared by itself: a line of a table for each meaning.
//!
//! Knows meanings, comparisons by name and what profiles say; refuses to know which columns there
//! are, and what is compared as one (`settings`).

use super::Meaning::{self, *};
use super::content::Profile;
use super::settings::Comparing;

/// The share of titles with a code from which codes are compared.
const CODED: f64 = 0.3;

/// SQL of the first code of a title, without hyphens, and without the letters at its end, which are
/// of a colour or a country more often than of the thing.
pub(super) fn stem(title: &str) -> String {
    format!(
        "regexp_extract(regexp_replace(upper({title}), '[-/.]', '', 'g'), '[A-Z]{{1,5}}[0-9]{{2,}}')"
    )
}

/// Words of an organisation's name, in the mean, from which it is compared word by word.
const WORDY: f64 = 5.5;

/// A line of the table: how something is compared.
pub(super) struct Line {
    kind: &'static str,
    levels: &'static [f64],
    term_frequency: bool,
    why: &'static str,
}

const fn line(kind: &'static str, why: &'static str) -> Line {
    Line { kind, levels: &[], term_frequency: false, why }
}

impl Line {
    const fn levels(self, levels: &'static [f64]) -> Self {
        Self { levels, ..self }
    }

    /// Agreement on a rare value weighs more.
    const fn rare_weighs_more(self) -> Self {
        Self { term_frequency: true, ..self }
    }

    pub(super) fn over(self, name: &str, columns: Vec<String>) -> Comparing {
        let Self { kind, levels, term_frequency, why } = self;
        let (name, levels) = (name.to_owned(), levels.to_vec());
        Comparing { name, kind, columns, levels, term_frequency, why }
    }
}

pub(super) const PERSON: Line =
    line("person_name", "one comparison of both names, so that they may be swapped")
        .rare_weighs_more();
pub(super) const ADDRESS: Line =
    line("address", "street, city and postcode as one: who moves changes all");
pub(super) const PLACE: Line = line("geographic_distance", "how far apart");
const CODE: Line = line("exact", "the code of a model, which says more than the words around it");

/// How a column of a meaning is compared by itself; none where it is not.
fn by_meaning(meaning: Meaning, own: &Profile) -> Option<Line> {
    const SLIPS: &str = "a name, with slips of the pen";
    const WORDS: &str = "words that both share, rare ones weighing more";
    const NUMBER: &str = "a number that records of one entity share, with slips";
    Some(match meaning {
        GivenName | FamilyName | MiddleName | Brand | Venue => {
            line("jaro_winkler", SLIPS).rare_weighs_more()
        }
        OrganisationName if own.words > WORDY => {
            line("free_text", "long names, such as with a place behind: words that both share")
        }
        OrganisationName => {
            line("organisation_name", "names without their legal form, across spellings")
                .rare_weighs_more()
        }
        Title | FreeText => line("free_text", WORDS),
        Authors => line("free_text", "names that both share, rare ones weighing more"),
        Identifier if own.length >= 5.0 => line("levenshtein", NUMBER).levels(&[0.85, 0.7]),
        Identifier => line("levenshtein", NUMBER).levels(&[0.8]),
        BirthDate => line("date", "a date that belongs to the entity, with slips"),
        Email => line("email", "user and domain apart"),
        Phone => line("phone", "the whole, its last digits, a slip"),
        City | Postcode => {
            line("jaro_winkler", "a place, with slips of the pen").rare_weighs_more()
        }
        AddressMore => line("jaro_winkler", "more of the address").rare_weighs_more(),
        Sex | State | Country | Category => line("exact", "one of few values"),
        Year => line("numeric", "a year, or the one beside it").levels(&[0.9994]),
        Number => line("numeric", "near numbers"),
        Url => line("jaro_winkler", "a web address"),
        Text => line("jaro_winkler", "a short text, with slips of the pen").rare_weighs_more(),
        _ => return None,
    })
}

/// The comparisons of one column by itself.
pub(super) fn by_itself(meaning: Meaning, name: &str, own: &Profile) -> Vec<Comparing> {
    let mut list = Vec::new();
    if let Some(line) = by_meaning(meaning, own) {
        let column = match line.kind {
            "organisation_name" => format!("organisation_name({name})"),
            _ => name.to_owned(),
        };
        list.push(line.over(name, vec![column]));
    }
    if meaning == Title && own.coded > CODED {
        list.push(CODE.over(&format!("{name}_code"), vec![stem(name)]));
    }
    list
}

//! Account names of social networks, with each other and with e-mail addresses.
//!
//! Knows that an account is mostly called as the mailbox of its owner; refuses to know networks.
//! Where both records have an address the addresses are compared, by another comparison, and this
//! one is silent: it would say the same again.

use std::sync::Arc;

use super::{Comparator, ComparisonKind, UNKNOWN};
use crate::resolve::columns::Tuples;
use crate::resolve::fold;
use crate::resolve::similarity::{self, Sketch};

pub(super) const KIND: ComparisonKind = ComparisonKind {
    name: "handle",
    description: "Account names of social networks, with each other and with the part before the @ of e-mail addresses, \
        where one of the records has no address.",
    columns: &["handle", "email"],
    levels: &["same name", "the same but for digits at its end", "jaro_winkler >= 0.9", "else"],
    thresholds: &[],
    normalise: |column, text| {
        let text = match column {
            0 => text.trim().to_lowercase(),
            _ => fold::email_user(text)?,
        };
        let text = text.trim_start_matches('@');
        let own = ADORNED.iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
        let letters: String = own.chars().filter(|letter| letter.is_alphanumeric()).collect();
        (!letters.is_empty()).then_some(letters.into())
    },
    build,
};

/// What is put before a name that is taken.
const ADORNED: &[&str] = &["the.", "the_", "real.", "real_", "official.", "official_"];

/// A name shorter than this is shared by chance.
const SHORT: usize = 4;

struct Own {
    name: String,
    /// Where the digits at its end begin.
    end: usize,
    sketch: Sketch,
    /// Whether it is of an account without an address.
    account: bool,
}

struct Handles {
    own: Vec<Option<Own>>,
}

fn build(tuples: &Arc<Tuples>, _: &[f64]) -> Box<dyn Comparator> {
    let own = |code| {
        let (account, mailbox) = (tuples.part(code, 0), tuples.part(code, 1));
        let name = mailbox.or(account)?.to_owned();
        let end = name.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
        Some(Own { end, sketch: Sketch::new(&name), account: mailbox.is_none(), name })
    };
    Box::new(Handles { own: (0..tuples.len() as u32).map(own).collect() })
}

impl Comparator for Handles {
    fn level(&self, l: u32, r: u32) -> u8 {
        let (Some(l), Some(r)) = (&self.own[l as usize], &self.own[r as usize]) else {
            return UNKNOWN;
        };
        let short = |own: &Own| own.name.len() < SHORT;
        if (!l.account && !r.account) || short(l) || short(r) {
            return UNKNOWN;
        }
        if l.name == r.name {
            1
        } else if l.end >= SHORT && l.name[..l.end] == r.name[..r.end] {
            2
        } else if !l.sketch.surely_under(&r.sketch, 0.9)
            && similarity::jaro_winkler(&l.name, &r.name) >= 0.9
        {
            3
        } else {
            4
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resolve::compare::testing::level;

    #[test]
    fn an_account_is_called_as_its_owners_mailbox_and_two_addresses_are_not_compared() {
        let cases = [
            (["@the.ana_diaz", ""], ["", "Ana.Diaz@mail.org"], "same name"),
            (["ana.diaz", ""], ["AnaDiaz", ""], "same name"),
            (["anadiaz71", ""], ["", "ana.diaz@mail.org"], "the same but for digits at its end"),
            (["anadias", ""], ["", "ana.diaz@mail.org"], "jaro_winkler >= 0.9"),
            (["p.hassan", ""], ["", "ana.diaz@mail.org"], "else"),
            (["ana.diaz", "ana@work.net"], ["", "ana.diaz@mail.org"], "missing"),
            (["", "ana.diaz@work.net"], ["", "ana.diaz@mail.org"], "missing"),
            (["ana.diaz", ""], ["", "none"], "missing"),
            (["ana", ""], ["ana", ""], "missing"),
        ];
        for (l, r, expected) in cases {
            assert_eq!(level("handle", &l, &r), expected, "{l:?} {r:?}");
        }
    }
}

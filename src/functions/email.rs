//! E-mail addresses: one spelling for one mailbox.
//!
//! Knows the rules that providers publish about their own mailboxes (Gmail's dots, plus tags). It
//! never asks a server whether a mailbox exists.

use std::borrow::Cow;

use email_address::{EmailAddress, Options};

use super::{Function, kernel};

pub(crate) const EMAIL_DOMAIN: Function = Function {
    name: "email_domain",
    group: "e-mail",
    signature: "email_domain(text)",
    returns: "text",
    summary: "The domain of an e-mail address, normalised as by email_normalise; null when the address is not valid.",
    examples: &[("email_domain('Info@Bücher.example')", "xn--bcher-kva.example")],
    make: || kernel::text("email_domain", email_domain),
};

pub(crate) const EMAIL_NORMALISE: Function = Function {
    name: "email_normalise",
    group: "e-mail",
    signature: "email_normalise(text)",
    returns: "text",
    summary: "The e-mail address in lower case, without display name or mailto:, its domain in ASCII, and by its provider's rules (Gmail ignores dots and what follows +); null when not valid.",
    examples: &[
        ("email_normalise(' Ana.Maria+news@GoogleMail.com ')", "anamaria@gmail.com"),
        ("email_normalise('Ana <mailto:ana@example.org>')", "ana@example.org"),
        ("email_normalise('ana at example')", ""),
    ],
    make: || kernel::text("email_normalise", email_normalise),
};

pub(crate) const EMAIL_USER: Function = Function {
    name: "email_user",
    group: "e-mail",
    signature: "email_user(text)",
    returns: "text",
    summary: "The part of an e-mail address before the @, normalised as by email_normalise; null when the address is not valid.",
    examples: &[("email_user('Ana.Maria@example.org')", "ana.maria")],
    make: || kernel::text("email_user", email_user),
};

/// Whether mailboxes of a provider ignore a plus sign and what follows it, by their documentation.
fn has_plus_tags(domain: &str) -> bool {
    matches!(
        domain,
        "fastmail.com"
            | "gmail.com"
            | "hotmail.com"
            | "icloud.com"
            | "live.com"
            | "mac.com"
            | "me.com"
            | "msn.com"
            | "outlook.com"
            | "pm.me"
            | "proton.me"
            | "protonmail.com"
    )
}

/// One spelling for one mailbox. Takes off white space, quotes, a display name with angle brackets
/// and `mailto:` with its query; lower-cases (no provider of note tells letter case apart); puts
/// the domain in ASCII by UTS 46 without a trailing dot; asks for a domain of two parts. Gmail's
/// dots go and its domain is gmail.com; tags after + go where the provider has them. `None` when
/// the address is not valid.
pub fn email_normalise(text: &str) -> Option<String> {
    mailbox(text).map(|(address, _)| address)
}

/// The normalised part before the @.
pub fn email_user(text: &str) -> Option<String> {
    mailbox(text).map(|(mut address, user)| {
        address.truncate(user);
        address
    })
}

/// The normalised domain.
pub fn email_domain(text: &str) -> Option<String> {
    mailbox(text).map(|(address, user)| address[user + 1..].to_owned())
}

/// Whether an address is seen at one look to be valid, and in its one spelling: [`email_normalise`]
/// leaves it as it is.
pub(crate) fn email_is_settled(text: &str) -> bool {
    settled(text).is_some()
}

/// The address in its one spelling, and where its @ is.
fn mailbox(text: &str) -> Option<(String, usize)> {
    match settled(text) {
        Some(at) => Some((text.to_owned(), at)),
        None => by_rules(text),
    }
}

/// The same of any address.
fn by_rules(text: &str) -> Option<(String, usize)> {
    let address = if text.bytes().all(is_plain) { text } else { bare(text)? };
    // Addresses are short: looked through byte by byte sooner than searched.
    let at = address.bytes().rposition(|byte| byte == b'@')?;
    let (user, domain) = (&address[..at], &address[at + 1..]);
    let domain = domain.trim_end_matches('.');
    let domain = match plain(domain) {
        true if domain.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Cow::Owned(domain.to_ascii_lowercase())
        }
        true => Cow::Borrowed(domain),
        false => Cow::Owned(idna::domain_to_ascii_strict(domain).ok()?),
    };
    let domain = match &*domain {
        "googlemail.com" => "gmail.com",
        domain => domain,
    };
    let mut address = String::with_capacity(user.len() + 1 + domain.len());
    match user.is_ascii() {
        true => address.push_str(user),
        false => address.push_str(&user.to_lowercase()),
    }
    address.make_ascii_lowercase();
    if has_plus_tags(domain)
        && let Some(tag) = address.find('+')
    {
        address.truncate(tag);
    }
    if domain == "gmail.com" {
        address.retain(|c| c != '.');
    }
    let user = address.len();
    address.push('@');
    address.push_str(domain);
    (settled(&address).is_some() || valid(&address)).then_some((address, user))
}

fn valid(address: &str) -> bool {
    let options =
        Options::default().with_required_tld().without_domain_literal().without_display_text();
    EmailAddress::parse_with_options(address, options).is_ok()
}

/// Where the @ is of an address that is of small letters, digits, `-` and `_` in parts that dots
/// part, and short: of such nobody doubts that they are valid, and most are. None where a rule of
/// its provider may have it otherwise.
fn settled(address: &str) -> Option<usize> {
    let bytes = address.as_bytes();
    let (mut user, mut dotted, mut before) = (None, false, b'.');
    for (place, byte) in bytes.iter().copied().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {}
            // A part begins and ends with a letter, and two signs of a domain follow each other in
            // names of other scripts alone.
            b'-' | b'_' if before == b'.' || before == b'@' => return None,
            b'-' if user.is_none() || before != b'-' => {}
            b'_' if user.is_none() => {}
            b'.' if before.is_ascii_alphanumeric() => dotted = true,
            b'@' if user.is_none() && before.is_ascii_alphanumeric() => {
                if place > LONGEST || bytes.len() > place + 1 + LONGEST {
                    return None;
                }
                let domain = &address[place + 1..];
                if domain == "googlemail.com" || (dotted && domain == "gmail.com") {
                    return None;
                }
                (user, dotted) = (Some(place), false);
            }
            _ => return None,
        }
        before = byte;
    }
    user.filter(|_| dotted && before.is_ascii_alphanumeric())
}

/// Bytes of a user part, and of a domain, that are no more than an address may have.
const LONGEST: usize = 60;

/// Whether a byte is nothing that may stand around an address.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'@' | b'_' | b'-' | b'+')
}

/// An address without what stands around it.
fn bare(text: &str) -> Option<&str> {
    let mut address = text.trim();
    if let (Some(open), Some(close)) = (address.rfind('<'), address.rfind('>')) {
        address = address.get(open + 1..close)?;
    }
    let unwanted = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\'' | '<' | '>' | ',' | ';' | '\u{200B}'..='\u{200F}' | '\u{FEFF}'
            )
    };
    address = address.trim_matches(unwanted);
    if address.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:")) {
        address = address.get(7..)?;
        address = address.split('?').next()?.trim_matches(unwanted);
    }
    Some(address)
}

/// A host name that UTS 46 would only lower-case, and that need not be asked.
fn plain(domain: &str) -> bool {
    let bytes = domain.as_bytes();
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        && !bytes.windows(2).any(|two| two == b"--")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_mailbox_has_one_spelling() {
        for (text, normalised) in [
            ("a.b.c+x@gmail.com", Some("abc@gmail.com")),
            ("a.b@outlook.com", Some("a.b@outlook.com")),
            ("a+b@company.example", Some("a+b@company.example")),
            ("MAILTO:Ana@Example.org?subject=x", Some("ana@example.org")),
            ("\"Ana, M\" <ana@example.org>", Some("ana@example.org")),
            ("ana@example.org.", Some("ana@example.org")),
            ("ana@localhost", None),
            ("+@gmail.com", None),
            ("ana@@example.org", None),
            ("n/a", None),
            ("", None),
        ] {
            assert_eq!(email_normalise(text).as_deref(), normalised, "{text}");
        }
    }

    #[test]
    fn most_addresses_are_seen_to_be_settled_at_one_look() {
        for (address, sure) in [
            ("ana.diaz-2_x@mail.example.org", true),
            ("a@b.c", true),
            ("ana@localhost", false),
            (".ana@example.org", false),
            ("ana.@example.org", false),
            ("ana@-example.org", false),
            ("ana+tag@example.org", false),
            ("ana@xn--bcher-kva.example", false),
            ("anadiaz@gmail.com", true),
            ("ana.diaz@gmail.com", false),
            ("ana@googlemail.com", false),
        ] {
            assert_eq!(
                settled(address),
                Some(address.find('@').unwrap()).filter(|_| sure),
                "{address}"
            );
        }
    }

    proptest! {
        /// The oracles are the crate that knows the standard, and the rules.
        #[test]
        fn what_is_settled_is_valid_and_stays_as_it_is(
            user in "[a-zA.+_-]{0,70}|[a-z.]{1,6}",
            domain in "([a-z.1-]{0,9}|[a-z]{1,4}[.][a-z]{1,60}|g(oogle)?mail[.]com)",
        ) {
            let address = format!("{user}@{domain}");
            if let Some(at) = settled(&address) {
                prop_assert!(valid(&address), "{}", address);
                prop_assert_eq!(by_rules(&address), Some((address, at)));
            }
        }

        #[test]
        fn nothing_stands_around_a_plain_address(text in "[a-zA-Z0-9@._+-]{0,20}") {
            prop_assert_eq!(bare(&text), Some(&*text));
        }

        #[test]
        fn normalising_twice_is_once(text in "(.{0,10}|[a-zA-Z.+]{1,9})@(gmail.com|[a-zA-Zü.-]{1,12}|.{0,8})") {
            if let Some(once) = email_normalise(&text) {
                prop_assert_eq!(email_normalise(&once), Some(once.clone()));
            }
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = email_normalise(&text);
        }
    }
}

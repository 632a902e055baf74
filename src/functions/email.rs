//! E-mail addresses: one spelling for one mailbox.
//!
//! Knows the rules that providers publish about their own mailboxes (Gmail's dots, plus tags). It
//! never asks a server whether a mailbox exists.

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

/// The address in its one spelling, and where its @ is.
fn mailbox(text: &str) -> Option<(String, usize)> {
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
    let (user, domain) = address.rsplit_once('@')?;
    let domain = domain.trim_end_matches('.');
    let domain = if plain(domain) {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii_strict(domain).ok()?
    };
    let domain = match domain.as_str() {
        "googlemail.com" => "gmail.com",
        domain => domain,
    };
    let mut address = user.to_lowercase();
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
    let options =
        Options::default().with_required_tld().without_domain_literal().without_display_text();
    EmailAddress::parse_with_options(&address, options).ok()?;
    Some((address, user))
}

/// A host name that UTS 46 would only lower-case, and that need not be asked.
fn plain(domain: &str) -> bool {
    domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        && !domain.contains("--")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn providers_are_in_order() {}

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

    proptest! {
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

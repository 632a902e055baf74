//! The name of an organisation without its legal form.
//!
//! Knows legal forms in English, Spanish, German, French, Arabic, Persian and some others as they
//! stand in names. Whether two organisations are one is not decided here.

use super::{Function, kernel, script::text_fold};

pub(crate) const ORGANISATION_NAME: Function = Function {
    name: "organisation_name",
    group: "names",
    signature: "organisation_name(text)",
    returns: "text",
    summary: "The folded name of an organisation without legal form (Ltd, LLC, C.A., S.A., GmbH, شركة, ذ.م.م, سهامی خاص) and leading article, the word for group last; the folded name when nothing else is left.",
    examples: &[
        ("organisation_name('The Acme Trading Co., Ltd.')", "acme trading"),
        ("organisation_name('Distribuidora Polar, C.A.')", "distribuidora polar"),
        ("organisation_name('Grupo Éxito S.A.') = organisation_name('Exito Group')", "true"),
        ("organisation_name('شرکت پارس خودرو (سهامی خاص)')", "پارس خودرو"),
    ],
    make: || kernel::text("organisation_name", organisation_name),
};

/// Legal forms at the end of a name, as folded words. A point parts letters: "S.A." is "s a".
const ENDINGS: &[&str] = &[
    "ab",
    "ag",
    "as",
    "bv",
    "b v",
    "c a",
    "ca",
    "co",
    "company",
    "compania anonima",
    "corp",
    "corporation",
    "cia",
    "e v",
    "eirl",
    "gmbh",
    "gmbh co kg",
    "inc",
    "incorporated",
    "intl",
    "kft",
    "kg",
    "l l c",
    "limited",
    "llc",
    "llp",
    "lp",
    "ltd",
    "ltda",
    "n v",
    "nv",
    "ohg",
    "oy",
    "p l c",
    "p s j",
    "pjs",
    "pjsc",
    "plc",
    "pty",
    "private",
    "pvt",
    "qsc",
    "r l",
    "s a",
    "s a c",
    "s a de c v",
    "s a r l",
    "s a s",
    "s a u",
    "s c",
    "s de r l",
    "s l",
    "s l u",
    "s p a",
    "s r l",
    "sa",
    "sa de cv",
    "sac",
    "saog",
    "sarl",
    "sas",
    "saok",
    "sau",
    "sl",
    "slu",
    "sociedad anonima",
    "spa",
    "spol s r o",
    "sp z o o",
    "srl",
    "wll",
    "w l l",
    "با مسيوليت محدود",
    "خاص",
    "ذ م م",
    "ذات مسيوليه محدوده",
    "ذات المسيوليه المحدوده",
    "ذمم",
    "ش م ك",
    "ش م ل",
    "ش م م",
    "ش م ق",
    "ش م ع",
    "سهامي خاص",
    "سهامي عام",
    "شركه مساهمه",
    "المحدوده",
    "المساهمه",
    "المساهمه العامه",
    "م م",
    "محدوده",
    "مساهمه",
    "مسيوليت محدود",
];

/// Legal forms and articles at the beginning of a name.
const BEGINNINGS: &[&str] =
    &["c a", "company", "موسسه", "شركت", "شركه", "the", "ال شركه", "الشركه", "الموسسه"];

/// Words for a group of companies, in several languages.
const GROUPS: &[&str] =
    &["group", "grupo", "groupe", "gruppe", "gruppo", "مجموعه", "گروه", "هولدينگ", "المجموعه"];

/// The folded name without legal form. "&" and "and" go; a word for group becomes "group" and
/// goes last. `None` when the text has no letter or digit.
pub fn organisation_name(text: &str) -> Option<String> {
    let folded = text_fold(text)?;
    let mut words: Vec<&str> = folded.split(' ').filter(|word| *word != "and").collect();
    let all = words.len();
    words.retain(|word| !GROUPS.contains(word));
    let grouped = words.len() < all;
    loop {
        let before = words.len();
        for form in BEGINNINGS {
            let length = form.split(' ').count();
            if words.len() >= length && words.iter().copied().take(length).eq(form.split(' ')) {
                words.drain(..length);
            }
        }
        // The longest ending first, so that "s a s" is not taken for "a s".
        let last = words.last().copied().unwrap_or("");
        let ending = ENDINGS
            .iter()
            .filter(|form| form.ends_with(last))
            .map(|form| (form, form.split(' ').count()))
            .filter(|(form, length)| {
                words.len() >= *length
                    && words.iter().copied().skip(words.len() - length).eq(form.split(' '))
            })
            .max_by_key(|(_, length)| *length);
        if let Some((_, length)) = ending {
            words.truncate(words.len() - length);
        }
        if words.len() == before {
            break;
        }
    }
    if words.is_empty() && !grouped {
        return Some(folded.into_owned());
    }
    if grouped {
        words.push("group");
    }
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_are_written_folded() {
        for form in ENDINGS.iter().chain(BEGINNINGS).chain(GROUPS) {
            assert_eq!(text_fold(form).as_deref(), Some(*form));
        }
    }

    #[test]
    fn legal_forms_go_and_names_stay() {
        for (text, name) in [
            ("Müller GmbH & Co. KG", "muller"),
            ("Société Générale S.A.", "societe generale"),
            ("Industrias Pérez, S. A. de C. V.", "industrias perez"),
            ("شركة النور للتجارة ذ.م.م", "النور للتجاره"),
            ("Smith & Sons LLC", "smith sons"),
            ("AT&T Inc.", "at t"),
            ("Co", "co"),
            ("Group Ltd", "group"),
            ("Acme, Inc.", "acme"),
        ] {
            assert_eq!(organisation_name(text).as_deref(), Some(name), "{text}");
        }
    }

    proptest! {
        #[test]
        fn stripping_twice_is_stripping_once(text in "((the|grupo|acme|co|ltd|s|a|شركة|and|c) ?){0,6}") {
            let once = organisation_name(&text);
            prop_assert_eq!(once.as_deref().and_then(organisation_name), once);
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = organisation_name(&text);
        }
    }
}

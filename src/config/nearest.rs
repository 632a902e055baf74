//! The nearest of the known names, for "did you mean".

/// The known name nearest to `name`, where one is near enough to be meant: at most a third of its
/// letters differ (Damerau-Levenshtein), or only case and `-` for `_`. Of equally near ones, the
/// first by name.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let name = plain(name);
    // Names longer than this are no slips of the pen, and the distance is quadratic.
    if name.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&name, &plain(known)), *known))
        .filter(|(distance, known)| *distance <= (known.chars().count() / 3).max(1))
        .min()
        .map(|(_, known)| known)
}

/// A help line: the nearest known name, or else all of them.
///
/// `what` names the kind in the plural: "known keys".
pub(crate) fn suggestion(name: &str, known: &[&str], what: &str) -> String {
    if let Some(near) = nearest(name, known) {
        return format!("did you mean `{near}`?");
    }
    match known {
        [] => format!("there are no {what} here"),
        known => format!("{what}: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_mended_and_strangers_are_not() {
        let known = ["channel", "contract", "columns", "key"];
        assert_eq!(nearest("chanel", &known), Some("channel"));
        assert_eq!(nearest("Columns", &known), Some("columns"));
        assert_eq!(nearest("ky", &known), Some("key"));
        assert_eq!(nearest("weather", &known), None);
        assert_eq!(suggestion("weather", &["a", "b"], "known keys"), "known keys: a, b");
        assert_eq!(suggestion("weather", &[], "sources"), "there are no sources here");
    }
}

//! A pair's score, comparison by comparison, as lines for people. Levels and weights only: no value.

use crate::resolve::Waterfall;

/// The width of the longest bar.
const WIDTH: usize = 20;

/// A bar as long as a part of a whole.
pub(super) fn bar(part: f64, whole: f64, width: usize) -> String {
    let share = if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 };
    "█".repeat((share * width as f64).round() as usize)
}

/// A bar to the left of a middle for what speaks against, to the right for what speaks for.
pub(super) fn signed_bar(value: f64, largest: f64, width: usize) -> String {
    let own = bar(value.abs(), largest, width);
    match value < 0.0 {
        true => format!("{own:>width$}│"),
        false => format!("{:>width$}│{own}", ""),
    }
}

/// The lines of a pair's score.
pub(super) fn lines(pair: &Waterfall) -> Vec<String> {
    let mut parts: Vec<(String, &str, f64)> = vec![("prior".to_owned(), "", pair.prior)];
    for part in &pair.parts {
        let level = part.level.as_deref().unwrap_or("unknown");
        parts.push((part.comparison.clone(), level, part.weight));
        if part.term_frequency != 0.0 {
            let value = if part.term_frequency > 0.0 { "a rare value" } else { "a common value" };
            parts.push(("  of which".to_owned(), value, part.term_frequency));
        }
    }
    if pair.other_classes != 0.0 {
        parts.push(("household, namesake".to_owned(), "", pair.other_classes));
    }
    let largest = parts.iter().map(|(_, _, weight)| weight.abs()).fold(1.0, f64::max);
    let wide = parts.iter().map(|(_, level, _)| level.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = parts
        .iter()
        .map(|(name, level, weight)| {
            let drawn = signed_bar(*weight, largest, WIDTH / 2);
            format!("{name:<22} {level:<wide$} {weight:>8.2}  {drawn}").trim_end().to_owned()
        })
        .collect();
    let rule = match &pair.rule {
        Some((name, true)) => format!("; rule `{name}` merges"),
        Some((name, false)) => format!("; rule `{name}` separates"),
        None => String::new(),
    };
    lines.push(format!(
        "{:<22} {:<wide$} {:>8.2}  probability {:.6}{rule}",
        "match weight", "", pair.match_weight, pair.match_probability
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::Part;

    #[test]
    fn every_part_has_its_line_and_its_sign_a_side() {
        let part = |name: &str, level: Option<&str>, weight| Part {
            comparison: name.to_owned(),
            level: level.map(str::to_owned),
            weight,
            term_frequency: weight / 4.0,
        };
        let pair = Waterfall {
            prior: -10.0,
            parts: vec![part("name", Some("exact"), 8.0), part("phone", None, 0.0)],
            other_classes: 0.0,
            match_weight: -2.0,
            match_probability: 0.2,
            blocking_rule: None,
            rule: Some(("twins".to_owned(), false)),
        };
        let lines = lines(&pair);
        assert_eq!(lines.len(), 5);
        assert!(lines[0].ends_with("██████████│") && lines[1].ends_with("│████████"), "{lines:#?}");
        assert!(lines[2].contains("of which") && lines[2].contains("a rare value"), "{lines:#?}");
        assert!(lines[3].contains("unknown") && lines[4].contains("rule `twins` separates"));
    }
}

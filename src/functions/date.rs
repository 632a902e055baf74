//! Dates as people and programs write them, in three calendars.
//!
//! Knows how dates are written, not which are likely: it never decides between day and month by
//! plausibility. Parts of a day are left to `timestamp`.

use icu_calendar::{Date, Iso, cal::Hijri};
use jiff::civil;

use super::{Function, date_words::month_of, kernel, script::digit_value};

pub(crate) const DATE_IS_PLACEHOLDER: Function = Function {
    name: "date_is_placeholder",
    group: "dates",
    signature: "date_is_placeholder(date)",
    returns: "boolean",
    summary: "Whether a date is one that systems fill in when none is known: the first of January of 1, 1753, 1800, 1899 to 1901, 1904, 1970, 1980, 2000 or 9999, 30 December 1899, 31 December 1899, 1969 or 9999.",
    examples: &[
        ("date_is_placeholder(DATE '1970-01-01')", "true"),
        ("date_is_placeholder(DATE '1985-06-12')", "false"),
    ],
    make: || kernel::date_flag("date_is_placeholder", date_is_placeholder),
};

pub(crate) const DATE_PARSE: Function = Function {
    name: "date_parse",
    group: "dates",
    signature: "date_parse(text[, hint])",
    returns: "date",
    summary: "The date written in the text: ISO, day/month/year, or with a month name in English, Spanish, Arabic or Persian, in any digits. The hint is 'dmy' (default), 'mdy', 'jalali', 'hijri' or 'gregorian', or an order and a calendar. Without a calendar, a year of 1300 to 1420 is Jalali. Null when it is no date.",
    examples: &[
        ("date_parse('2024-03-09')", "2024-03-09"),
        ("date_parse('9/3/2024')", "2024-03-09"),
        ("date_parse('9/3/2024', 'mdy')", "2024-09-03"),
        ("date_parse('۱۳۶۵/۰۲/۱۵')", "1986-05-05"),
        ("date_parse('1445-09-01', 'hijri')", "2024-03-11"),
        ("date_parse('12 de marzo de 1990')", "1990-03-12"),
        ("date_parse('31/02/2024')", ""),
    ],
    make: || kernel::date_by("date_parse", |text, hint| days(date_parse(text, hint)?)),
};

/// The calendar of a date's year, month and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calendar {
    /// The civil calendar of most countries.
    Gregorian,
    /// The Solar Hijri calendar of Iran and Afghanistan.
    Jalali,
    /// The Islamic calendar of Umm al-Qura, official in Saudi Arabia.
    Hijri,
}

/// Years that are read as Jalali when no calendar is hinted: births and business of living people
/// (1921 to 2042). Hijri years of the same people (1340 to 1450) overlap, which is why Hijri must be
/// asked for; Gregorian years of this range are nobody's birth date.
const JALALI_YEARS: std::ops::RangeInclusive<i32> = 1300..=1420;

/// Years that are known as such behind a day and a month without marks.
const WHOLE_YEARS: std::ops::RangeInclusive<i32> = 1800..=2100;

/// Days from 1970-01-01 to a date.
pub(crate) fn days(date: civil::Date) -> Option<i32> {
    let epoch = civil::date(1970, 1, 1);
    epoch.until(date).ok().map(|span| span.get_days())
}

/// Reads a date. Accepts:
///
/// - year first: `2024-03-09`, `2024/3/9`, `2024.03.09`, `20240309`, and with a time behind
///   (`2024-03-09T10:00:00Z`), which is left off without a change of zone;
/// - year last: `09/03/2024`, `9-3-2024`, `9.3.2024`, `09032024`. The day is first. With the hint `mdy` the
///   month is first, and so it is where the second number is over 12: `3/25/2024` can only be one day.
///   A year has four digits; two digits are refused, being ambiguous about the century;
/// - with a month name, whole or by its first three letters or more in English and Spanish, and
///   whole in Arabic (both the Levantine and the Egyptian names, and the Hijri months) and Persian:
///   `9 March 2024`, `March 9th, 2024`, `9 de marzo de 2024`, `۹ اسفند ۱۴۰۲`. A month of the
///   Jalali or the Hijri calendar says which calendar it is.
///
/// `hint` holds any of `dmy`, `mdy`, `gregorian`, `jalali`, `hijri`, `auto`, parted by spaces or
/// commas; an unknown word gives `None`. Without a calendar, years of 1300 to 1420 are Jalali and
/// all others Gregorian (1 to 9999). `None` when the text is no date of that calendar.
pub fn date_parse(text: &str, hint: Option<&str>) -> Option<civil::Date> {
    let (month_first, hinted) = read_hint(hint)?;
    let parts = read_parts(text)?;
    let mut named = None;
    let mut numbers = [(0_i32, 0_usize); 3];
    let mut count = 0;
    for part in &parts {
        match part {
            Part::Month(month, calendar) if named.is_none() => {
                named = Some((count, *month, *calendar))
            }
            Part::Month(..) => return None,
            Part::Number(value, length) => {
                *numbers.get_mut(count)? = (*value, *length);
                count += 1;
            }
        }
    }
    let [first, second, third] = numbers;
    let (year, month, day, by_name) = match (named, count) {
        (Some((at, month, calendar)), 2) => {
            // A month name comes between the numbers, or before them.
            if first.1 == 4 && at == 1 {
                (first.0, month, second.0, calendar)
            } else if second.1 == 4 {
                (second.0, month, first.0, calendar)
            } else {
                return None;
            }
        }
        (None, 3) if first.1 == 4 => (first.0, second.0, third.0, None),
        (None, 3) if third.1 == 4 => year_last([first.0, second.0, third.0], month_first),
        (None, 1) if first.1 == 8 => match eight_digits(first.0) {
            written @ [_, _, year] if WHOLE_YEARS.contains(&year) => {
                year_last(written, month_first)
            }
            // Any other year that is written last stands in the day's place here, and is no day.
            [year, month, day] => (year, month, day, None),
        },
        _ => return None,
    };
    let calendar = match (by_name, hinted) {
        (Some(calendar), _) => calendar,
        (None, Some(calendar)) => calendar,
        (None, None) if named.is_none() && JALALI_YEARS.contains(&year) => Calendar::Jalali,
        (None, None) => Calendar::Gregorian,
    };
    to_gregorian(calendar, year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
}

/// Year, month and day of three numbers, the year last.
fn year_last(
    [first, second, year]: [i32; 3],
    month_first: bool,
) -> (i32, i32, i32, Option<Calendar>) {
    let swapped = (second > 12 || month_first) && first <= 12;
    let (day, month) = if swapped { (second, first) } else { (first, second) };
    (year, month, day, None)
}

/// Eight digits as three numbers, in the order in which they are written: the year first, but last
/// where a year first would leave a month over 12 and both numbers before a last one may be days.
/// A year last so has four digits that begin with 13 or more.
pub(crate) fn eight_digits(digits: i32) -> [i32; 3] {
    let (first, second, year) = (digits / 1_000_000, digits / 10_000 % 100, digits % 10_000);
    if year / 100 > 12 && first < 32 && second < 32 {
        return [first, second, year];
    }
    [digits / 10_000, digits / 100 % 100, digits % 100]
}

fn read_hint(hint: Option<&str>) -> Option<(bool, Option<Calendar>)> {
    let (mut month_first, mut calendar) = (false, None);
    for word in hint.unwrap_or("").split([' ', ',']).filter(|word| !word.is_empty()) {
        match word.to_ascii_lowercase().as_str() {
            "mdy" => month_first = true,
            "dmy" | "auto" | "ymd" => {}
            "gregorian" => calendar = Some(Calendar::Gregorian),
            "jalali" | "persian" | "shamsi" => calendar = Some(Calendar::Jalali),
            "hijri" | "islamic" => calendar = Some(Calendar::Hijri),
            _ => return None,
        }
    }
    Some((month_first, calendar))
}

fn to_gregorian(calendar: Calendar, year: i32, month: u8, day: u8) -> Option<civil::Date> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let iso = match calendar {
        Calendar::Gregorian => {
            return civil::Date::new(
                i16::try_from(year).ok()?,
                i8::try_from(month).ok()?,
                i8::try_from(day).ok()?,
            )
            .ok();
        }
        Calendar::Jalali => Date::try_new_persian(year, month, day).ok()?.to_calendar(Iso),
        Calendar::Hijri => {
            let months = icu_calendar::types::Month::new(month);
            let date = Date::try_new(year.into(), months, day, Hijri::new_umm_al_qura()).ok()?;
            date.to_calendar(Iso)
        }
    };
    civil::Date::new(
        i16::try_from(iso.year().extended_year()).ok()?,
        i8::try_from(iso.month().number()).ok()?,
        i8::try_from(iso.day_of_month().0).ok()?,
    )
    .ok()
}

enum Part {
    /// Value and number of digits.
    Number(i32, usize),
    /// A month by name, with its calendar where the name says it.
    Month(i32, Option<Calendar>),
}

/// The numbers and month names of a date, up to a time of day. `None` when another word is there.
fn read_parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::with_capacity(3);
    let mut word = String::new();
    let mut characters = text.trim().chars().peekable();
    while let Some(character) = characters.next() {
        if let Some(value) = digit_value(character) {
            let (mut number, mut length) = (i32::from(value), 1);
            while let Some(value) = characters.peek().copied().and_then(digit_value) {
                characters.next();
                number = number.checked_mul(10)?.checked_add(i32::from(value))?;
                length += 1;
            }
            // What follows a whole date is the time of day.
            if characters.peek() == Some(&':') {
                return (parts.len() >= 3).then_some(parts);
            }
            let date_is_whole =
                parts.len() == 3 || matches!(parts.as_slice(), [Part::Number(_, 8)]);
            if date_is_whole {
                return None;
            }
            parts.push(Part::Number(number, length));
        } else if character.is_alphabetic() || is_inside_word(character) {
            word.clear();
            word.push(character);
            while let Some(&next) = characters.peek() {
                if !next.is_alphabetic() && !is_inside_word(next) {
                    break;
                }
                word.push(next);
                characters.next();
            }
            let after_number = matches!(parts.last(), Some(Part::Number(..)));
            if after_number && parts.len() >= 3 && matches!(word.as_str(), "T" | "t") {
                return Some(parts);
            }
            if after_number && matches!(word.as_str(), "st" | "nd" | "rd" | "th" | "º") {
                continue;
            }
            // Hijri and some Arabic months have two words: ربيع الأول, كانون الثاني.
            let mut ahead = characters.clone();
            let mut pair = word.clone();
            while let Some(&next) = ahead.peek() {
                let more = next.is_alphabetic()
                    || is_inside_word(next)
                    || (next == ' ' && !pair.ends_with(' '));
                if !more {
                    break;
                }
                pair.push(next);
                ahead.next();
            }
            if let Some((month, calendar)) = month_of(&pair) {
                characters = ahead;
                parts.push(Part::Month(month, calendar));
            } else if let Some((month, calendar)) = month_of(&word) {
                parts.push(Part::Month(month, calendar));
            } else if !is_filler(&word) {
                return None;
            }
        } else if !matches!(
            character,
            ' ' | '-'
                | '/'
                | '.'
                | ','
                | '،'
                | '\u{200E}'
                | '\u{200F}'
                | '‐'
                | '–'
                | '٫'
                | '\u{A0}'
        ) {
            return None;
        }
    }
    Some(parts)
}

/// Marks within a word: accents written apart, Arabic vowels, the non-joiner.
fn is_inside_word(character: char) -> bool {
    matches!(character, '\u{0300}'..='\u{036F}' | '\u{064B}'..='\u{0655}' | '\u{200C}')
}

fn is_filler(word: &str) -> bool {
    matches!(word, "de" | "del" | "of" | "the" | "م" | "هـ" | "ه" | "ش" | "ماه" | "سال")
}

/// Whether a date, in days since 1970-01-01, is one that systems fill in for an unknown date.
pub fn date_is_placeholder(days: i32) -> Option<bool> {
    let epoch = civil::date(1970, 1, 1);
    let Ok(date) = epoch.checked_add(jiff::Span::new().try_days(days).ok()?) else {
        return Some(true);
    };
    Some(match (date.month(), date.day()) {
        (1, 1) => {
            matches!(date.year(), 1 | 1753 | 1800 | 1899..=1901 | 1904 | 1970 | 1980 | 2000 | 9999)
        }
        (12, 30) => date.year() == 1899,
        (12, 31) => matches!(date.year(), 1899 | 1969 | 9999),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_as_people_write_them() {
        for (text, hint, date) in [
            ("2024-03-09T22:10:00Z", None, Some("2024-03-09")),
            ("2024-03-09 22:10", None, Some("2024-03-09")),
            ("20240309", None, Some("2024-03-09")),
            ("13650215", None, Some("1986-05-05")),
            ("09032024", None, Some("2024-03-09")),
            ("09032024", Some("mdy"), Some("2024-09-03")),
            ("12252019", None, Some("2019-12-25")),
            ("20241301", None, None),
            ("25051365", None, None),
            ("٩/٣/٢٠٢٤", None, Some("2024-03-09")),
            ("3/25/2024", None, Some("2024-03-25")),
            ("25/3/2024", Some("mdy"), Some("2024-03-25")),
            ("March 9th, 2024", None, Some("2024-03-09")),
            ("9 mar. 2024", None, Some("2024-03-09")),
            ("2024 Mar 9", None, Some("2024-03-09")),
            ("9-Mar-2024", None, Some("2024-03-09")),
            ("9 مارس 2024", None, Some("2024-03-09")),
            ("15 كانون الثاني 1990", None, Some("1990-01-15")),
            ("1 رمضان 1445", None, Some("2024-03-11")),
            ("12 ربيع الأول 1445 هـ", None, Some("2023-09-27")),
            ("۱۵ اردیبهشت ۱۳۶۵", None, Some("1986-05-05")),
            ("1365/2/15", Some("jalali"), Some("1986-05-05")),
            ("1399/12/30", None, Some("2021-03-20")),
            ("1398/12/30", None, None),
            ("1365/2/15", Some("gregorian"), Some("1365-02-15")),
            ("9/3/24", None, None),
            ("2024-13-01", None, None),
            ("0000-00-00", None, None),
            ("yesterday", None, None),
            ("9/3/2024", Some("dym"), None),
            ("", None, None),
        ] {
            let parsed = date_parse(text, hint).map(|date| date.to_string());
            assert_eq!(parsed.as_deref(), date, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), hint in any::<Option<String>>()) {
            let _ = date_parse(&text, hint.as_deref());
        }

        #[test]
        fn near_dates_never_panic(text in "[0-9۰-۹]{1,9}[-/. ][0-9a-zمارس]{1,9}[-/. ][0-9]{1,5}( T?[0-9:]{0,9})?",
            hint in "mdy|dmy|jalali|hijri|gregorian") {
            let _ = date_parse(&text, Some(&hint));
        }

        #[test]
        fn iso_is_read_back(day in -700_000_i32..2_900_000) {
            let date = civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(day));
            if let Ok(date) = date && date.year() > 0 {
                prop_assert_eq!(date_parse(&date.to_string(), Some("gregorian")), Some(date));
                prop_assert_eq!(days(date), Some(day));
            }
        }

        #[test]
        fn any_day_may_be_asked_for(day in any::<i32>()) {
            let _ = date_is_placeholder(day);
        }
    }
}

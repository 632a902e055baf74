//! Text to typed values: what an export may write for an integer, a decimal, a date, a time.
//!
//! Every function gives `None` for text that is not wholly such a value, and never rounds: a
//! decimal with more digits than its scale is refused, not cut. Digits of the Arabic and Persian
//! scripts count as digits. Nothing here knows of columns, files or rules.

use std::borrow::Cow;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::pattern::Pattern;

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// Western digits for those of the Arabic and Persian scripts, `.` for the Arabic decimal
/// separator, and no thousands separators of that script.
fn western(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let digit = |base: u32, c: char| char::from_digit(c as u32 - base, 10);
    Cow::Owned(
        text.chars()
            .filter(|c| *c != '\u{66c}')
            .map(|c| match c {
                '\u{660}'..='\u{669}' => digit(0x660, c).unwrap_or(c),
                '\u{6f0}'..='\u{6f9}' => digit(0x6f0, c).unwrap_or(c),
                '\u{66b}' => '.',
                other => other,
            })
            .collect(),
    )
}

/// A whole number. A fraction of zeros (`12.0`, as some tools write nullable integers) is none.
pub(crate) fn integer(text: &str) -> Option<i64> {
    decimal(text, 38, 0).and_then(|value| i64::try_from(value).ok())
}

/// A decimal as its unscaled integer, for `Decimal128(precision, scale)`.
pub(crate) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let text = western(text);
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, bytes),
    };
    let scale = u32::try_from(scale).ok()?;
    let mut value: i128 = 0;
    let mut seen = false;
    let mut fraction: Option<u32> = None;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                if let Some(places) = fraction.as_mut() {
                    if *places == scale {
                        if byte != b'0' {
                            return None;
                        }
                        continue;
                    }
                    *places += 1;
                }
                value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
            }
            b'.' if fraction.is_none() => fraction = Some(0),
            _ => return None,
        }
    }
    if !seen {
        return None;
    }
    let missing = scale - fraction.unwrap_or(0);
    value = value.checked_mul(10_i128.checked_pow(missing)?)?;
    // 10^38 fits an i128, so the bound itself cannot overflow.
    (value < 10_i128.checked_pow(u32::from(precision))?).then_some(if negative {
        -value
    } else {
        value
    })
}

/// A finite number.
pub(crate) fn number(text: &str) -> Option<f64> {
    western(text).parse::<f64>().ok().filter(|value| value.is_finite())
}

/// A decimal that arrived as a float, which is inexact by nature: the nearest decimal of the
/// scale, if the float is that decimal to within what a float can tell.
pub(crate) fn decimal_of_float(value: f64, precision: u8, scale: i8) -> Option<i128> {
    let scaled = value * 10_f64.powi(i32::from(scale));
    let nearest = scaled.round();
    let tolerance = 1e-6_f64.max(scaled.abs() * 4.0 * f64::EPSILON);
    let bound = 10_f64.powi(i32::from(precision));
    // NaN fails both comparisons.
    ((scaled - nearest).abs() <= tolerance && nearest.abs() < bound).then_some(nearest as i128)
}

/// true or false, in the spellings that exports use.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 5] = ["true", "1", "yes", "t", "y"];
    const FALSE: [&str; 5] = ["false", "0", "no", "f", "n"];
    let is = |word: &&str| word.eq_ignore_ascii_case(text);
    if TRUE.iter().any(&is) {
        Some(true)
    } else if FALSE.iter().any(is) {
        Some(false)
    } else {
        None
    }
}

/// A date as days since 1970-01-01: `YYYY-MM-DD`, also with a time of midnight, or in the
/// contract's own format.
pub(crate) fn date(text: &str, format: Option<&Pattern>) -> Option<i32> {
    let text = western(text);
    let bytes = text.as_bytes();
    let parts = match format {
        Some(pattern) => pattern.read(bytes)?,
        None => iso(bytes)?,
    };
    if parts.offset_seconds.is_some_and(|offset| offset != 0) {
        return None;
    }
    let days = days(parts.year, parts.month, parts.day)?;
    (parts.microseconds()? == 0).then_some(days)
}

/// A time as microseconds since 1970-01-01 UTC: ISO 8601 with or without an offset, or in the
/// contract's own format. One without an offset is local to `zone`; an hour that the zone skips
/// is moved forward, one it repeats is the first. Below microseconds the fraction is cut.
pub(crate) fn timestamp(text: &str, format: Option<&Pattern>, zone: &Zone) -> Option<i64> {
    let text = western(text);
    let bytes = text.as_bytes();
    let parts = match format {
        Some(pattern) => pattern.read(bytes)?,
        None => iso(bytes)?,
    };
    let days = i64::from(days(parts.year, parts.month, parts.day)?);
    let local = days * MICROSECONDS_A_DAY + parts.microseconds()?;
    match (parts.offset_seconds, zone) {
        (Some(offset), _) => Some(local - i64::from(offset) * 1_000_000),
        (None, Zone::Utc) => Some(local),
        (None, Zone::Named(zone)) => {
            let civil = DateTime::new(
                i16::try_from(parts.year).ok()?,
                parts.month as i8,
                parts.day as i8,
                parts.hour as i8,
                parts.minute as i8,
                parts.second as i8,
                i32::try_from(parts.micros).ok()? * 1_000,
            )
            .ok()?;
            zone.to_timestamp(civil).ok().map(|instant| instant.as_microsecond())
        }
    }
}

/// The zone of times that carry none.
#[derive(Debug, Clone)]
pub(crate) enum Zone {
    /// UTC: no look-up.
    Utc,
    /// A zone of the IANA database.
    Named(TimeZone),
}

impl Zone {
    /// The zone of an IANA name; `None` if there is none.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "UTC" | "Etc/UTC" | "Z" => Some(Zone::Utc),
            name => TimeZone::get(name).ok().map(Zone::Named),
        }
    }
}

/// The parts of a date and time as they were written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) year: u32,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) micros: u32,
    pub(super) offset_seconds: Option<i32>,
}

impl Parts {
    /// Microseconds since midnight, or `None` if there is no such time of day.
    fn microseconds(&self) -> Option<i64> {
        (self.hour < 24 && self.minute < 60 && self.second < 60).then(|| {
            let seconds = self.hour * 3600 + self.minute * 60 + self.second;
            i64::from(seconds) * 1_000_000 + i64::from(self.micros)
        })
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, or `None` if there is no such day.
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if day == 0 || day > last || year == 0 || year > 9999 {
        return None;
    }
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let day_of_year =
        (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

/// `count` ASCII digits from `at`.
pub(super) fn digits(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    bytes.get(at..at + count)?.iter().try_fold(0_u32, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
    })
}

/// An offset (`Z`, `+03`, `+0330`, `+03:30`) that ends `bytes`, in seconds.
pub(super) fn offset(bytes: &[u8]) -> Option<i32> {
    let sign = match bytes {
        [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let minutes = match bytes.len() {
        3 => 0,
        5 => digits(bytes, 3, 2)?,
        6 if bytes[3] == b':' => digits(bytes, 4, 2)?,
        _ => return None,
    };
    let hours = digits(bytes, 1, 2)?;
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) as i32)
}

/// A fraction of a second from `at`: microseconds, and where it ends.
pub(super) fn fraction(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let length = bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let kept = length.min(6);
    let micros = digits(bytes, at, kept)? * 10_u32.pow(6 - kept as u32);
    Some((micros, at + length))
}

/// ISO 8601: a date, then nothing or `T` or a space, hours and minutes, seconds, fraction, offset.
fn iso(bytes: &[u8]) -> Option<Parts> {
    let separator = |at: usize, byte: u8| (bytes.get(at) == Some(&byte)).then_some(());
    let mut parts = Parts { year: digits(bytes, 0, 4)?, ..Parts::default() };
    separator(4, b'-')?;
    parts.month = digits(bytes, 5, 2)?;
    separator(7, b'-')?;
    parts.day = digits(bytes, 8, 2)?;
    if bytes.len() == 10 {
        return Some(parts);
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    parts.hour = digits(bytes, 11, 2)?;
    separator(13, b':')?;
    parts.minute = digits(bytes, 14, 2)?;
    let mut at = 16;
    if bytes.get(at) == Some(&b':') {
        parts.second = digits(bytes, 17, 2)?;
        at = 19;
        if matches!(bytes.get(at), Some(b'.' | b',')) {
            (parts.micros, at) = fraction(bytes, at + 1)?;
        }
    }
    let rest = &bytes[at..];
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    if !rest.is_empty() {
        parts.offset_seconds = Some(offset(rest)?);
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_exact_or_none() {
        assert_eq!(integer("12"), Some(12));
        assert_eq!(integer("-12.0"), Some(-12));
        assert_eq!(integer("۱۲"), Some(12));
        assert_eq!(integer("9223372036854775807"), Some(i64::MAX));
        for wrong in ["", "-", "1.5", "1e3", "0x1", "1 2", "9223372036854775808", "1,000", "."] {
            assert_eq!(integer(wrong), None, "{wrong}");
        }
        assert_eq!(decimal("19.9", 18, 2), Some(1990));
        assert_eq!(decimal("-.5", 18, 2), Some(-50));
        assert_eq!(decimal("1.230", 18, 2), Some(123));
        assert_eq!(decimal("٣٫٥", 18, 2), Some(350));
        assert_eq!(decimal("1.234", 18, 2), None);
        assert_eq!(decimal("1000", 5, 2), None);
        assert_eq!(decimal("999.99", 5, 2), Some(99_999));
        assert_eq!(number("NaN"), None);
        assert_eq!(number("1e400"), None);
        assert_eq!(decimal_of_float(0.1 + 0.2, 18, 2), Some(30));
        assert_eq!(decimal_of_float(0.125, 18, 2), None);
        assert_eq!(decimal_of_float(f64::NAN, 18, 2), None);
    }

    #[test]
    fn dates_exist_or_are_none() {
        assert_eq!(date("1970-01-01", None), Some(0));
        assert_eq!(date("2024-02-29 00:00:00", None), Some(19_782));
        for wrong in ["2023-02-29", "2023-13-01", "2023-1-1", "20230101", "2023-01-01T01:00", "x"] {
            assert_eq!(date(wrong, None), None, "{wrong}");
        }
    }

    #[test]
    fn times_without_offset_are_local() {
        let tehran = Zone::of("Asia/Tehran").expect("in the database");
        let noon = timestamp("2026-01-01T12:00:00Z", None, &tehran);
        assert_eq!(timestamp("2026-01-01 15:30", None, &tehran), noon);
        assert_eq!(timestamp("2026-01-01T15:30:00+03:30", None, &Zone::Utc), noon);
        assert_eq!(timestamp("2026-01-01 15:30:00.000 +0330", None, &Zone::Utc), noon);
        assert_eq!(timestamp("1970-01-01T00:00:00.0000015Z", None, &Zone::Utc), Some(1));
        for wrong in ["2026-01-01T24:00:00", "2026-01-01T10", "2026-01-01T10:00:00+3"] {
            assert_eq!(timestamp(wrong, None, &Zone::Utc), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn integers_agree_with_the_standard_library(value in any::<i64>()) {
            prop_assert_eq!(integer(&value.to_string()), Some(value));
        }

        #[test]
        fn days_agree_with_jiff(year in 1_i16..=9999, month in 1_i8..=12, day in 1_i8..=31) {
            let epoch = jiff::civil::date(1970, 1, 1);
            let expected = jiff::civil::Date::new(year, month, day).ok().map(|date| {
                (date - epoch).get_days()
            });
            prop_assert_eq!(days(year as u32, month as u32, day as u32), expected);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            integer(&text);
            decimal(&text, 18, 2);
            number(&text);
            boolean(&text);
            date(&text, None);
            timestamp(&text, None, &Zone::Utc);
        }
    }
}

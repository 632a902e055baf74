//! Instants: a date with a time of day, in UTC.
//!
//! The date part is read by `date`; this file knows the time of day, offsets and time zones (IANA,
//! bundled). It reads no clock.

use jiff::civil::Time;
use jiff::tz::{Offset, TimeZone};

use super::{Function, date::date_parse, kernel, script::digits_ascii};

pub(crate) const TIMESTAMP_PARSE: Function = Function {
    name: "timestamp_parse",
    group: "dates",
    signature: "timestamp_parse(text[, time_zone])",
    returns: "timestamp in UTC",
    summary: "The instant written in the text: a date as for date_parse and a time of day (midnight without one), in the offset written, else in the IANA time zone given, else in UTC; null when it cannot be read.",
    examples: &[
        ("timestamp_parse('2024-03-09T10:00:00+03:30')", "2024-03-09T06:30:00Z"),
        ("timestamp_parse('9/3/2024 10:00 PM', 'America/Caracas')", "2024-03-10T02:00:00Z"),
        ("timestamp_parse('۱۴۰۲/۱۲/۱۹ ۱۰:۰۰', 'Asia/Tehran')", "2024-03-09T06:30:00Z"),
    ],
    make: || kernel::timestamp_by("timestamp_parse", timestamp_parse),
};

/// Microseconds from 1970-01-01 00:00 UTC. The text is a date (see `date_parse`), or a date, a
/// `T` or a space, and `H:MM[:SS[.fraction]]` with optional am or pm and an optional offset (`Z`,
/// `UTC`, `+03:30`, `+0330`, `+03`). A time that a zone skips in spring is moved forward by the
/// gap, and one that it repeats in autumn is the first of the two (RFC 5545's rule). Seconds of 60
/// and unknown zones give `None`. More digits than microseconds are cut.
pub fn timestamp_parse(text: &str, time_zone: Option<&str>) -> Option<i64> {
    let text = digits_ascii(text.trim());
    let text = text.as_ref();
    let zone = match time_zone.map(str::trim) {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).ok()?,
    };
    let Some(colon) = text.find(':') else {
        let date = date_parse(text, None)?;
        let instant =
            zone.to_ambiguous_zoned(date.to_datetime(Time::midnight())).compatible().ok()?;
        return Some(instant.timestamp().as_microsecond());
    };
    let hour = text.get(..colon)?.rfind(|c: char| !c.is_ascii_digit())? + 1;
    let (before, after) = (text.get(..hour)?, text.get(hour..)?);
    let date = date_parse(before.trim_end_matches(['T', 't', ' ', ',', '\u{A0}']), None)?;
    let (time, offset) = read_time(after)?;
    let zone = offset.map_or(zone, TimeZone::fixed);
    let instant = zone.to_ambiguous_zoned(date.to_datetime(time)).compatible().ok()?;
    Some(instant.timestamp().as_microsecond())
}

/// The time of day and the offset written behind it.
fn read_time(text: &str) -> Option<(Time, Option<Offset>)> {
    let end =
        text.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(text.len());
    let (clock, rest) = (text.get(..end)?, text.get(end..)?.trim());
    let (clock, fraction) =
        clock.trim_end_matches('.').split_once('.').unwrap_or((clock.trim_end_matches('.'), ""));
    let mut fields = clock.split(':').map(|field| {
        if field.is_empty() || field.len() > 2 { None } else { field.parse::<i8>().ok() }
    });
    let (mut hour, minute) = (fields.next()??, fields.next()??);
    let second = match fields.next() {
        Some(second) => second?,
        None => 0,
    };
    if fields.next().is_some() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    let micros = micros.fold(0_i32, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    let lower = rest.to_lowercase();
    let half = [
        ("a.m.", 0),
        ("am", 0),
        ("ق.ظ", 0),
        ("ص", 0),
        ("p.m.", 12),
        ("pm", 12),
        ("ب.ظ", 12),
        ("م", 12),
    ];
    let half = half.iter().find_map(|(mark, add)| Some((lower.strip_prefix(mark)?, *add)));
    let rest = match half {
        Some((rest, add)) => {
            if !(1..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + add;
            rest.trim()
        }
        None => lower.as_str(),
    };
    let time = Time::new(hour, minute, second, micros * 1000).ok()?;
    Some((time, read_offset(rest)?))
}

fn read_offset(text: &str) -> Option<Option<Offset>> {
    if text.is_empty() {
        return Some(None);
    }
    if matches!(text, "z" | "utc" | "gmt") {
        return Some(Some(Offset::UTC));
    }
    let (sign, digits) = match text.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, text.strip_prefix(['-', '−'])?),
    };
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits, "0"),
        4 => (digits.get(..2)?, digits.get(2..)?),
        _ => digits.split_once(':')?,
    };
    if !hours.bytes().chain(minutes.bytes()).all(|byte| byte.is_ascii_digit())
        || minutes.len() > 2
        || hours.len() > 2
    {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 18 || minutes > 59 {
        return None;
    }
    Some(Some(Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_as_programs_and_people_write_them() {
        for (text, zone, instant) in [
            ("2024-03-09", None, Some("2024-03-09T00:00:00Z")),
            ("2024-03-09 10:00:00.123456789", None, Some("2024-03-09T10:00:00.123456Z")),
            ("2024-03-09T10:00:00Z", Some("Asia/Tehran"), Some("2024-03-09T10:00:00Z")),
            ("2024-03-09 10:00:00 UTC", None, Some("2024-03-09T10:00:00Z")),
            ("2024-03-09 10:00:00-0400", None, Some("2024-03-09T14:00:00Z")),
            ("9/3/2024, 12:05 a.m.", None, Some("2024-03-09T00:05:00Z")),
            ("March 9, 2024 1:05pm", None, Some("2024-03-09T13:05:00Z")),
            ("2024-03-10 02:30", Some("America/New_York"), Some("2024-03-10T07:30:00Z")),
            ("2024-11-03 01:30", Some("America/New_York"), Some("2024-11-03T05:30:00Z")),
            ("2024-03-09 24:00", None, None),
            ("2024-03-09 10:61", None, None),
            ("2024-03-09 13:00 pm", None, None),
            ("2024-03-09 10:00", Some("Nowhere/At_All"), None),
            ("10:00", None, None),
            ("", None, None),
        ] {
            let parsed = timestamp_parse(text, zone)
                .and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok())
                .map(|instant| instant.to_string());
            assert_eq!(parsed.as_deref(), instant, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), zone in any::<Option<String>>()) {
            let _ = timestamp_parse(&text, zone.as_deref());
        }

        #[test]
        fn near_times_never_panic(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{0,12} ?([ap]m|Z|[+-][0-9:]{0,6})?") {
            let _ = timestamp_parse(&text, Some("America/Caracas"));
        }

        #[test]
        fn rfc_3339_is_read_back(micros in 0_i64..4_000_000_000_000_000) {
            let text = jiff::Timestamp::from_microsecond(micros).unwrap().to_string();
            prop_assert_eq!(timestamp_parse(&text, None), Some(micros));
        }
    }
}

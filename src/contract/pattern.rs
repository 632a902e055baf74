//! Date formats of contracts (`dd/MM/yyyy HH:mm`), read byte by byte.
//!
//! The standard names the JDK's letters; those that a customer export needs are read, and every
//! other letter is refused when the contract is read, not when the first row comes.

use super::text::{Parts, digits, fraction, offset};

/// A date format, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Year,
    /// One or two digits, or exactly two.
    Month(bool),
    Day(bool),
    Hour(bool),
    Minute(bool),
    Second(bool),
    Fraction,
    Offset,
    Literal(u8),
}

impl Pattern {
    /// Reads a format: `yyyy`, `MM` or `M`, `dd` or `d`, `HH` or `H`, `mm` or `m`, `ss` or `s`,
    /// `S...`, `X...`, `'text'` and punctuation. The error says which letters were not understood.
    pub(super) fn parse(format: &str) -> Result<Self, String> {
        let bytes = format.as_bytes();
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let letter = bytes[at];
            if letter == b'\'' {
                let end = bytes[at + 1..]
                    .iter()
                    .position(|byte| *byte == b'\'')
                    .ok_or("a quote in the format is not closed")?;
                tokens.extend(bytes[at + 1..at + 1 + end].iter().map(|b| Token::Literal(*b)));
                at += end + 2;
                continue;
            }
            let run = bytes[at..].iter().take_while(|byte| **byte == letter).count();
            let token = match (letter, run) {
                (b'y' | b'u', 4) => Token::Year,
                (b'M', 1 | 2) => Token::Month(run == 2),
                (b'd', 1 | 2) => Token::Day(run == 2),
                (b'H', 1 | 2) => Token::Hour(run == 2),
                (b'm', 1 | 2) => Token::Minute(run == 2),
                (b's', 1 | 2) => Token::Second(run == 2),
                (b'S', 1..=9) => Token::Fraction,
                (b'X' | b'x' | b'Z', 1..=3) => Token::Offset,
                (letter, _) if letter.is_ascii_alphabetic() || !letter.is_ascii() => {
                    let part = String::from_utf8_lossy(&bytes[at..at + run]).into_owned();
                    return Err(format!("`{part}` in a date format is not supported"));
                }
                (literal, run) => {
                    tokens.extend(std::iter::repeat_n(Token::Literal(literal), run - 1));
                    Token::Literal(literal)
                }
            };
            tokens.push(token);
            at += run;
        }
        for (present, name) in [
            (tokens.contains(&Token::Year), "year"),
            (tokens.iter().any(|token| matches!(token, Token::Month(_))), "month"),
            (tokens.iter().any(|token| matches!(token, Token::Day(_))), "day"),
        ] {
            if !present {
                return Err(format!("the date format has no {name}"));
            }
        }
        Ok(Self(tokens))
    }

    /// The parts of a text that has this format to its end.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<Parts> {
        let mut parts = Parts::default();
        let mut at = 0;
        for token in &self.0 {
            let field = match token {
                Token::Year => {
                    parts.year = digits(bytes, at, 4)?;
                    at += 4;
                    continue;
                }
                Token::Fraction => {
                    (parts.micros, at) = fraction(bytes, at)?;
                    continue;
                }
                Token::Offset => {
                    parts.offset_seconds = Some(offset(&bytes[at..])?);
                    at = bytes.len();
                    continue;
                }
                Token::Literal(byte) => {
                    (bytes.get(at) == Some(byte)).then_some(())?;
                    at += 1;
                    continue;
                }
                Token::Month(two) => (&mut parts.month, *two),
                Token::Day(two) => (&mut parts.day, *two),
                Token::Hour(two) => (&mut parts.hour, *two),
                Token::Minute(two) => (&mut parts.minute, *two),
                Token::Second(two) => (&mut parts.second, *two),
            };
            let (value, two) = field;
            let length =
                if two || bytes.get(at + 1).is_some_and(u8::is_ascii_digit) { 2 } else { 1 };
            *value = digits(bytes, at, length)?;
            at += length;
        }
        (at == bytes.len()).then_some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_read_what_they_say_and_no_more() {
        let pattern = Pattern::parse("d/M/yyyy HH:mm").expect("valid");
        let parts = pattern.read(b"3/11/2026 09:05").expect("fits");
        assert_eq!(
            (parts.year, parts.month, parts.day, parts.hour, parts.minute),
            (2026, 11, 3, 9, 5)
        );
        for wrong in ["3/11/2026", "3/11/2026 09:05 ", "2026-11-03 09:05", "3/11/2026 9:05"] {
            assert_eq!(pattern.read(wrong.as_bytes()), None, "{wrong}");
        }
        let pattern = Pattern::parse("yyyy-MM-dd'T'HH:mm:ss.SSSXXX").expect("valid");
        let parts = pattern.read(b"2026-11-03T09:05:01.250+03:30").expect("fits");
        assert_eq!((parts.micros, parts.offset_seconds), (250_000, Some(12_600)));
    }

    #[test]
    fn unsupported_letters_are_named() {
        for (format, part) in [("dd/MM/yy", "yy"), ("EEE dd/MM/yyyy", "EEE"), ("dd/yyyy", "month")]
        {
            assert!(Pattern::parse(format).expect_err("refused").contains(part), "{format}");
        }
    }
}

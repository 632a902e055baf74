//! Amounts of money as people and programs write them.
//!
//! Knows separators, signs and digits of any script, not exchange rates. The currency written
//! beside an amount is read by `currency`.

use super::{Function, kernel, script::digit_value};

pub(crate) const MONEY_PARSE: Function = Function {
    name: "money_parse",
    group: "money",
    signature: "money_parse(text)",
    returns: "decimal(18, 2)",
    summary: "The amount of money in the text, in any digits, with separators of any custom, currency signs and codes passed over; minus or brackets make it negative; more than two decimals are rounded half to even; null when it is no single amount.",
    examples: &[
        ("money_parse('$1,234.5')", "1234.50"),
        ("money_parse('1.234,56 €')", "1234.56"),
        ("money_parse('(۱٬۲۳۴٫۵۰ ریال)')", "-1234.50"),
        ("money_parse('1.005')", "1005.00"),
        ("money_parse('n/a')", ""),
    ],
    make: || kernel::money("money_parse", money_parse),
};

/// Digits before the point that a decimal(18, 2) holds.
const WHOLE_DIGITS: usize = 16;

/// The amount in hundredths. Separators are read so:
///
/// - `٫` is always the decimal point; `'`, `’`, `٬`, `_` and spaces always part thousands;
/// - of `.` and `,` both present, the one that stands last is the decimal point;
/// - one of them present more than once parts thousands;
/// - one of them present once parts thousands when exactly three digits follow and one to three
///   stand before, not a lone zero (`1.005` and `1,005` are 1005; `0.005` is not), else it is the
///   decimal point.
///
/// Thousands come in groups of three, or by Indian custom of two before a last three; other groups
/// are refused. A minus before or after the amount, or brackets round it, make it negative.
/// Decimals beyond the second are rounded half to even. Letters and currency signs may stand
/// before and after, not within. `None` for no amount, two amounts, or over 16 digits.
pub fn money_parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let mut number: Vec<char> = Vec::with_capacity(text.len());
    let (mut negative, mut opened, mut ended) = (false, false, false);
    let mut before = ' ';
    for character in text.chars() {
        let after_letter = std::mem::replace(&mut before, character).is_alphabetic();
        if let Some(value) = digit_value(character) {
            if ended {
                return None;
            }
            number.push(char::from(b'0' + value));
            continue;
        }
        let begun = number.iter().any(char::is_ascii_digit);
        match character {
            // "5,-" is a price without cents, not a debt.
            '-' | '–' if begun && number.last() == Some(&',') => ended = true,
            '-' | '−' | '–' | '﹣' | '－' => {
                if negative {
                    return None;
                }
                negative = true;
                ended = begun;
            }
            '+' if !begun => {}
            // The point of an abbreviation: Rs.500.
            '.' if !begun && after_letter => {}
            '(' if !begun => opened = true,
            ')' if opened && begun => ended = true,
            '.' | ',' | '٫' | '٬' | '\'' | '’' | '_' | '،' if !ended => {
                number.push(if character == '،' { ',' } else { character });
            }
            '.' | ',' => {}
            c if c.is_whitespace()
                || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}') =>
            {
                if !begun {
                    number.clear();
                } else if !ended {
                    number.push(' ');
                }
            }
            c if c.is_alphabetic() || is_currency_sign(c) || matches!(c, '\u{200C}' | '/') => {
                if begun {
                    ended = true;
                } else {
                    number.clear();
                }
            }
            _ => return None,
        }
    }
    if opened {
        if negative || !ended {
            return None;
        }
        negative = true;
    }
    let amount = read_number(&number)?;
    Some(if negative { -amount } else { amount })
}

fn is_currency_sign(character: char) -> bool {
    matches!(character, '$' | '¢'..='¥' | '֏' | '؋' | '৲' | '৳' | '฿' | '៛' | '\u{20A0}'..='\u{20CF}' | '﷼' | '＄' | '￠' | '￡' | '￥' | '￦')
}

/// Reads digits with separators; trailing separators and spaces are punctuation of the text.
fn read_number(number: &[char]) -> Option<i128> {
    let end = number.iter().rposition(char::is_ascii_digit)? + 1;
    let number = number.get(..end)?;
    let count = |wanted: char| number.iter().filter(|c| **c == wanted).count();
    let last = |wanted: char| number.iter().rposition(|c| *c == wanted);
    let point = match (count('٫'), count('.'), count(',')) {
        (1, _, _) => last('٫'),
        (0, 0, 0) => None,
        (0, points, commas) if points > 0 && commas > 0 => {
            let at = last('.').max(last(','))?;
            let mark = *number.get(at)?;
            if count(mark) > 1 {
                return None;
            }
            Some(at)
        }
        (0, 1, 0) | (0, 0, 1) => {
            let at = last('.').or_else(|| last(','))?;
            let before = number.get(..at)?;
            let after = number.len() - at - 1;
            let only_digits = before.iter().all(char::is_ascii_digit);
            let thousands = after == 3
                && only_digits
                && (1..=3).contains(&before.len())
                && before.first() != Some(&'0');
            (!thousands).then_some(at)
        }
        (0, _, _) => None,
        _ => return None,
    };
    let whole = number.get(..point.unwrap_or(end))?;
    let decimals = point.map_or(Some(&[][..]), |at| number.get(at + 1..))?;
    if !decimals.iter().all(char::is_ascii_digit) || (whole.is_empty() && decimals.is_empty()) {
        return None;
    }
    let groups: Vec<&[char]> = whole.split(|c| !c.is_ascii_digit()).collect();
    if let [first, middle @ .., last] = groups.as_slice()
        && (last.len() != 3
            || !(1..=3).contains(&first.len())
            || middle.iter().any(|group| !(2..=3).contains(&group.len())))
        && groups.len() > 1
    {
        return None;
    }
    let mut amount: i128 = 0;
    let digits: Vec<char> = groups.concat();
    let significant = digits.iter().skip_while(|digit| **digit == '0').count();
    if significant > WHOLE_DIGITS {
        return None;
    }
    for digit in digits {
        amount = amount * 10 + i128::from(digit.to_digit(10)?);
    }
    let decimal = |at: usize| decimals.get(at).and_then(|digit| digit.to_digit(10)).unwrap_or(0);
    amount = amount * 100 + i128::from(decimal(0) * 10 + decimal(1));
    let rest = decimals.get(2..).unwrap_or(&[]);
    let above_half =
        decimal(2) > 5 || (decimal(2) == 5 && rest.iter().skip(1).any(|digit| *digit != '0'));
    let half = decimal(2) == 5 && !above_half;
    if above_half || (half && amount % 2 == 1) {
        amount += 1;
    }
    (amount < 10_i128.pow(18)).then_some(amount)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_of_many_customs() {
        for (text, hundredths) in [
            ("1234", Some(123_400)),
            ("1,234,567", Some(123_456_700)),
            ("1.234.567", Some(123_456_700)),
            ("12,34,567.89", Some(123_456_789)),
            ("1 234,50", Some(123_450)),
            ("1'234.50", Some(123_450)),
            ("USD 12.30-", Some(-1_230)),
            ("- $5", Some(-500)),
            ("Bs. 1.500,00", Some(150_000)),
            ("Rs.500", Some(50_000)),
            ("5 د.إ.", Some(500)),
            ("١٬٢٣٤٫٥", Some(123_450)),
            ("0.005", Some(0)),
            ("0.015", Some(2)),
            ("0.025", Some(2)),
            ("0.0251", Some(3)),
            ("1,5", Some(150)),
            (".5", Some(50)),
            ("($5.00)", Some(-500)),
            ("5,-", Some(500)),
            ("9999999999999999.99", Some(999_999_999_999_999_999)),
            ("99999999999999999", None),
            ("9999999999999999.999", None),
            ("1,23,4", None),
            ("1-2", None),
            ("1e5", None),
            ("10%", None),
            ("", None),
            ("$", None),
        ] {
            assert_eq!(money_parse(text), hundredths, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = money_parse(&text);
        }

        #[test]
        fn near_amounts_never_panic(text in "[(+-]?[$€]? ?[0-9.,'٫٬ ۰-۹]{0,24}[)-]?") {
            if let Some(amount) = money_parse(&text) {
                prop_assert!(amount.abs() < 10_i128.pow(18));
            }
        }

        #[test]
        fn hundredths_are_read_back(amount in -999_999_999_999_999_999_i128..=999_999_999_999_999_999) {
            let sign = if amount < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:02}", amount.abs() / 100, amount.abs() % 100);
            prop_assert_eq!(money_parse(&text), Some(amount));
        }
    }
}

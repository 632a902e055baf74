//! Currencies by code, sign or name, as ISO 4217.
//!
//! Codes and English names are iso_currency's; signs, and Arabic, Persian and Spanish names, are
//! ours. A sign that many countries share ($, £, ¥) is given to the currency most traded.

use std::sync::LazyLock;

use iso_currency::Currency;
use rustc_hash::FxHashMap;

use super::{Function, kernel, script::text_fold};

pub(crate) const CURRENCY_CODE: Function = Function {
    name: "currency_code",
    group: "money",
    signature: "currency_code(text)",
    returns: "text",
    summary: "The ISO 4217 code of the currency in the text, given by code, sign or name (English, Spanish, Arabic, Persian), with or without an amount beside it; null when none is known.",
    examples: &[
        ("currency_code('eur')", "EUR"),
        ("currency_code('$1,200.50')", "USD"),
        ("currency_code('۵۰۰ ریال')", "IRR"),
        ("currency_code('درهم إماراتي')", "AED"),
        ("currency_code('12.50')", ""),
    ],
    make: || kernel::text("currency_code", currency_code),
};

/// The code of the currency in the text: the whole text without digits as a name, else a sign of a
/// currency, else its one word that is a code or a name. `None` when there is none, or several.
pub fn currency_code(text: &str) -> Option<String> {
    // Letters of an amount go with it: "Bs. 1.500" is "Bs", "1e5" has no currency.
    let without: String = text.chars().map(|c| if is_amount(c) { ' ' } else { c }).collect();
    let found = text_fold(&without).and_then(|name| {
        let known = |name: &str| NAMES.get(name).copied();
        known(&name).or_else(|| known(&name.replace(' ', ""))).or_else(|| {
            let mut codes = name.split(' ').filter_map(known);
            let first = codes.next()?;
            codes.all(|code| code == first).then_some(first)
        })
    });
    found.or_else(|| sign(text)).map(str::to_owned)
}

fn is_amount(character: char) -> bool {
    super::script::digit_value(character).is_some()
        || matches!(character, ',' | '\'' | '٬' | '٫' | '(' | ')' | '-' | '+')
}

fn sign(text: &str) -> Option<&'static str> {
    let upper = text.to_uppercase();
    SIGNS.iter().find(|(sign, _)| upper.contains(sign)).map(|(_, code)| *code)
}

/// Signs, the longer before those that they hold.
const SIGNS: &[(&str, &str)] = &[
    ("US$", "USD"),
    ("CA$", "CAD"),
    ("C$", "CAD"),
    ("AU$", "AUD"),
    ("A$", "AUD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("MX$", "MXN"),
    ("NT$", "TWD"),
    ("R$", "BRL"),
    ("S/", "PEN"),
    ("$", "USD"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("¥", "JPY"),
    ("￥", "JPY"),
    ("₹", "INR"),
    ("₽", "RUB"),
    ("₺", "TRY"),
    ("₩", "KRW"),
    ("₪", "ILS"),
    ("₫", "VND"),
    ("₴", "UAH"),
    ("₦", "NGN"),
    ("₱", "PHP"),
    ("฿", "THB"),
    ("₡", "CRC"),
    ("₲", "PYG"),
    ("₸", "KZT"),
    ("₼", "AZN"),
    ("₾", "GEL"),
    ("֏", "AMD"),
    ("؋", "AFN"),
    ("﷼", "IRR"),
    ("৳", "BDT"),
];

/// The currencies of countries, by their number in the standard.
fn current() -> impl Iterator<Item = Currency> {
    (0..1000).filter_map(Currency::from_numeric).filter(|currency| !currency.is_special())
}

/// Codes and names, folded. A code comes first and is never hidden by a name.
static NAMES: LazyLock<FxHashMap<String, &'static str>> = LazyLock::new(|| {
    let mut names = FxHashMap::default();
    let mut add = |name: &str, code: &'static str| {
        if let Some(folded) = text_fold(name) {
            names.entry(folded.into_owned()).or_insert(code);
        }
    };
    current().for_each(|currency| add(currency.code(), currency.code()));
    for (code, ours) in OURS {
        ours.iter().for_each(|name| add(name, code));
    }
    current().for_each(|currency| add(currency.name(), currency.code()));
    names
});

/// Names and abbreviations that people use, by code.
const OURS: &[(&str, &[&str])] = &[
    ("AED", &["dirham", "dirhams", "Dh", "Dhs", "د.إ", "درهم", "درهم إماراتي", "درهم امارات"]),
    ("AFN", &["afghani", "أفغاني", "افغانی"]),
    ("ARS", &["peso argentino", "pesos argentinos"]),
    ("BHD", &["BD", "د.ب", "دينار بحريني"]),
    ("BOB", &["boliviano", "bolivianos"]),
    ("BRL", &["real", "reais", "reales"]),
    ("CHF", &["franc suisse", "franco suizo", "francos suizos", "فرنك سويسري", "فرانک سوئیس"]),
    ("CLP", &["peso chileno", "pesos chilenos"]),
    ("CNY", &["yuan", "renminbi", "RMB", "يوان", "یوان"]),
    ("COP", &["peso colombiano", "pesos colombianos"]),
    ("DZD", &["DA", "د.ج", "دينار جزائري"]),
    ("EGP", &["LE", "L.E.", "جنيه", "جنيه مصري", "ج.م"]),
    ("EUR", &["euro", "euros", "يورو", "یورو"]),
    (
        "GBP",
        &[
            "pound",
            "pounds",
            "pound sterling",
            "libra",
            "libras",
            "libra esterlina",
            "libras esterlinas",
            "جنيه إسترليني",
            "پوند",
        ],
    ),
    ("INR", &["rupee", "rupees", "Rs", "rupia", "rupias"]),
    ("IQD", &["ID", "د.ع", "دينار عراقي", "دینار عراق"]),
    ("IRR", &["rial", "rials", "ریال", "ریال ایران"]),
    ("JOD", &["JD", "دينار أردني"]),
    ("JPY", &["yen", "yenes", "ين", "ین"]),
    ("KWD", &["KD", "د.ك", "دينار كويتي"]),
    ("LBP", &["LL", "L.L.", "ل.ل", "ليرة لبنانية"]),
    ("LYD", &["LD", "د.ل", "دينار ليبي"]),
    ("MAD", &["د.م.", "درهم مغربي"]),
    ("MXN", &["peso mexicano", "pesos mexicanos"]),
    ("OMR", &["RO", "ر.ع.", "ريال عماني"]),
    ("PEN", &["sol", "soles", "nuevo sol", "nuevos soles"]),
    ("PKR", &["روبية باكستانية"]),
    ("QAR", &["QR", "ر.ق", "ريال قطري"]),
    ("SAR", &["SR", "riyal", "riyals", "ر.س", "ريال سعودي"]),
    ("SDG", &["جنيه سوداني"]),
    ("SYP", &["ل.س", "ليرة سورية"]),
    ("TND", &["DT", "د.ت", "دينار تونسي"]),
    ("TRY", &["TL", "lira", "ليرة", "ليرة تركية", "لیر", "لیر ترکیه"]),
    (
        "USD",
        &[
            "dollar",
            "dollars",
            "US dollar",
            "US dollars",
            "dólar",
            "dólares",
            "دولار",
            "دولار أمريكي",
            "دلار",
            "دلار آمریکا",
        ],
    ),
    ("UYU", &["peso uruguayo", "pesos uruguayos"]),
    ("VES", &["Bs", "Bs.S", "Bs.D", "bolívar", "bolívares"]),
    ("YER", &["ر.ي", "ريال يمني"]),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_code_and_every_name_of_ours_is_known() {
        for currency in current() {
            assert_eq!(currency_code(currency.code()).as_deref(), Some(currency.code()));
        }
        for (code, names) in OURS {
            for name in *names {
                assert_eq!(currency_code(name).as_deref(), Some(*code), "{name}");
            }
        }
    }

    #[test]
    fn currency_stands_beside_an_amount() {
        for (text, code) in [
            ("1.500,00 Bs.", Some("VES")),
            ("USD 20", Some("USD")),
            ("20USD", Some("USD")),
            ("€ 5", Some("EUR")),
            ("R$ 5", Some("BRL")),
            ("5 US$", Some("USD")),
            ("5 dólares", Some("USD")),
            ("5 EUR or 6 USD", None),
            ("hello", None),
            ("", None),
        ] {
            assert_eq!(currency_code(text).as_deref(), code, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = currency_code(&text);
        }
    }
}

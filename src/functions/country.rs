//! Countries by code or name, as ISO 3166 alpha-2.
//!
//! Codes and English names are keshvar's; Arabic, Persian and Spanish names, and English ones that
//! people use and the standard does not, are ours. Knows countries of today only.

use std::sync::LazyLock;

use keshvar::{Country, CountryIterator};
use rustc_hash::FxHashMap;

use super::{Function, kernel, script::text_fold};

pub(crate) const COUNTRY_CODE: Function = Function {
    name: "country_code",
    group: "place",
    signature: "country_code(text)",
    returns: "text",
    summary: "The ISO 3166 alpha-2 code of a country given by alpha-2, alpha-3, or name in English, Spanish, Arabic or Persian; null when not known.",
    examples: &[
        ("country_code('ven')", "VE"),
        ("country_code('ایران')", "IR"),
        ("country_code('المملكة العربية السعودية')", "SA"),
        ("country_code('Atlantis')", ""),
    ],
    make: || kernel::text("country_code", country_code),
};

/// The alpha-2 code of a country. Case, accents and Arabic letter forms do not matter. `None` when
/// the text is no country we know.
pub fn country_code(text: &str) -> Option<String> {
    country_alpha2(text).map(str::to_owned)
}

/// As [`country_code`], without an allocation for a code that is one already.
pub(crate) fn country_alpha2(text: &str) -> Option<&'static str> {
    if let [first, second] = text.as_bytes() {
        let key = [first.to_ascii_lowercase(), second.to_ascii_lowercase()];
        return CODES.get(std::str::from_utf8(&key).ok()?).copied();
    }
    let folded = text_fold(text)?;
    let key = folded.strip_prefix("the ").unwrap_or(&folded);
    CODES.get(key).copied()
}

/// Every code and folded name. An earlier entry wins, so that a name never hides a code.
static CODES: LazyLock<FxHashMap<String, &'static str>> = LazyLock::new(|| {
    let countries: Vec<(Country, &'static str)> = CountryIterator::new()
        .filter_map(|country| {
            let code = alpha2(&country)?;
            Some((country, code))
        })
        .collect();
    let mut codes = FxHashMap::default();
    let mut add = |name: &str, code: &'static str| {
        if let Some(folded) = text_fold(name) {
            let key = folded.strip_prefix("the ").unwrap_or(&folded).to_owned();
            codes.entry(key).or_insert(code);
        }
    };
    for (_, code) in &countries {
        add(code, code);
    }
    for (country, code) in &countries {
        add(&country.alpha3().to_string(), code);
    }
    for (code, names) in NAMES {
        names.iter().for_each(|name| add(name, code));
    }
    for (country, code) in &countries {
        add(country.iso_short_name(), code);
        add(country.iso_long_name(), code);
    }
    for (country, code) in &countries {
        country.unofficial_name_list().iter().for_each(|name| add(name, code));
    }
    codes
});

/// The code as a text that lives as long as the program.
fn alpha2(country: &Country) -> Option<&'static str> {
    let code = country.alpha2().to_string();
    let list = CODE_LIST.as_bytes().chunks_exact(2).position(|pair| pair == code.as_bytes())?;
    CODE_LIST.get(list * 2..list * 2 + 2)
}

/// All officially assigned alpha-2 codes, in order, and XK (Kosovo, user-assigned).
const CODE_LIST: &str = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZ\
CACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGP\
GQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMA\
MCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQA\
RERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVC\
VEVGVIVNVUWFWSXKYEYTZAZMZW";

/// Names that people use, by code: English, Spanish, Arabic, Persian.
const NAMES: &[(&str, &[&str])] = &[
    (
        "AE",
        &[
            "Emirates",
            "UAE",
            "U.A.E.",
            "Emiratos",
            "Emiratos Árabes Unidos",
            "الإمارات",
            "الإمارات العربية المتحدة",
            "امارات",
            "امارات متحده عربی",
        ],
    ),
    ("AF", &["Afganistán", "أفغانستان", "افغانستان"]),
    ("AM", &["أرمينيا", "ارمنستان"]),
    ("AR", &["الأرجنتين", "آرژانتین"]),
    ("AT", &["Austria", "النمسا", "اتریش"]),
    ("AU", &["أستراليا", "استرالیا"]),
    ("AZ", &["Azerbaiyán", "أذربيجان", "آذربایجان", "جمهوری آذربایجان"]),
    ("BE", &["Bélgica", "بلجيكا", "بلژیک"]),
    ("BH", &["Bahréin", "البحرين", "مملكة البحرين", "بحرین"]),
    ("BO", &["Bolivia", "بوليفيا", "بولیوی"]),
    ("BR", &["Brasil", "البرازيل", "برزیل"]),
    ("CA", &["Canadá", "كندا", "کانادا"]),
    ("CH", &["Suiza", "Schweiz", "Suisse", "سويسرا", "سوئیس", "سوییس"]),
    ("CL", &["Chile", "تشيلي", "شیلی"]),
    ("CN", &["China", "الصين", "چین"]),
    ("CO", &["Colombia", "كولومبيا", "کلمبیا"]),
    ("CU", &["كوبا", "کوبا"]),
    ("DE", &["Germany", "Deutschland", "Alemania", "ألمانيا", "آلمان"]),
    ("DK", &["Dinamarca", "الدنمارك", "الدانمارك", "دانمارک"]),
    ("DO", &["República Dominicana", "Santo Domingo"]),
    ("DZ", &["Argelia", "الجزائر", "الجزایر"]),
    ("EC", &["Ecuador", "الإكوادور", "اکوادور"]),
    ("EG", &["Egipto", "مصر", "جمهورية مصر العربية"]),
    ("ES", &["España", "Reino de España", "إسبانيا", "اسبانيا", "اسپانیا"]),
    ("FR", &["Francia", "فرنسا", "فرانسه"]),
    (
        "GB",
        &[
            "UK",
            "U.K.",
            "Great Britain",
            "Britain",
            "England",
            "Scotland",
            "Wales",
            "Northern Ireland",
            "Reino Unido",
            "Inglaterra",
            "Gran Bretaña",
            "بريطانيا",
            "المملكة المتحدة",
            "إنجلترا",
            "انگلستان",
            "بریتانیا",
            "انگلیس",
        ],
    ),
    ("GE", &["جورجيا", "گرجستان"]),
    ("GR", &["Grecia", "اليونان", "یونان"]),
    ("IE", &["Irlanda", "أيرلندا", "ایرلند"]),
    ("IN", &["India", "الهند", "هند", "هندوستان"]),
    ("IQ", &["Irak", "العراق", "جمهورية العراق", "عراق"]),
    (
        "IR",
        &[
            "Iran",
            "I.R. Iran",
            "Islamic Republic of Iran",
            "Irán",
            "Persia",
            "إيران",
            "ایران",
            "جمهوری اسلامی ایران",
        ],
    ),
    ("IT", &["Italia", "إيطاليا", "ایتالیا"]),
    ("JO", &["Jordania", "الأردن", "المملكة الأردنية الهاشمية", "اردن"]),
    ("JP", &["Japón", "اليابان", "ژاپن"]),
    ("KP", &["North Korea", "Corea del Norte"]),
    ("KR", &["South Korea", "Korea", "Corea", "Corea del Sur", "كوريا الجنوبية", "کره جنوبی"]),
    ("KW", &["الكويت", "دولة الكويت", "کویت"]),
    ("KZ", &["كازاخستان", "قزاقستان"]),
    ("LB", &["Líbano", "لبنان", "الجمهورية اللبنانية"]),
    ("LY", &["Libia", "ليبيا", "لیبی"]),
    ("MA", &["Marruecos", "المغرب", "المملكة المغربية", "مراکش"]),
    ("MR", &["موريتانيا", "موریتانی"]),
    ("MX", &["México", "Méjico", "المكسيك", "مکزیک"]),
    ("MY", &["Malasia", "ماليزيا", "مالزی"]),
    ("NL", &["Netherlands", "Holland", "Países Bajos", "Holanda", "هولندا", "هلند"]),
    ("NO", &["Noruega", "النرويج", "نروژ"]),
    ("OM", &["Omán", "عمان", "عُمان", "سلطنة عمان"]),
    ("PA", &["Panamá", "بنما", "پاناما"]),
    ("PE", &["Perú", "بيرو", "پرو"]),
    ("PK", &["Pakistán", "باكستان", "پاکستان"]),
    ("PS", &["Palestine", "Palestina", "فلسطين", "فلسطین"]),
    ("PT", &["البرتغال", "پرتغال"]),
    ("QA", &["قطر", "دولة قطر", "Catar"]),
    ("RU", &["Russia", "Rusia", "روسيا", "روسیه"]),
    (
        "SA",
        &[
            "KSA",
            "Saudi",
            "Saudi Arabia",
            "Arabia Saudita",
            "Arabia Saudí",
            "السعودية",
            "المملكة العربية السعودية",
            "عربستان",
            "عربستان سعودی",
        ],
    ),
    ("SD", &["السودان", "سودان"]),
    ("SE", &["Suecia", "السويد", "سوئد"]),
    ("SO", &["الصومال", "سومالی"]),
    ("SY", &["Syria", "Siria", "سوريا", "سورية", "سوریه"]),
    ("TJ", &["طاجيكستان", "تاجیکستان"]),
    ("TM", &["تركمانستان", "ترکمنستان"]),
    ("TN", &["Túnez", "تونس"]),
    ("TR", &["Turkey", "Türkiye", "Turquía", "تركيا", "ترکیه"]),
    ("UA", &["Ucrania", "أوكرانيا", "اوکراین"]),
    (
        "US",
        &[
            "USA",
            "U.S.",
            "U.S.A.",
            "United States",
            "United States of America",
            "America",
            "EE.UU.",
            "EEUU",
            "EE UU",
            "Estados Unidos",
            "Estados Unidos de América",
            "أمريكا",
            "الولايات المتحدة",
            "الولايات المتحدة الأمريكية",
            "آمریکا",
            "ایالات متحده",
            "ایالات متحده آمریکا",
        ],
    ),
    ("UY", &["أوروغواي", "اروگوئه"]),
    ("UZ", &["أوزبكستان", "ازبکستان"]),
    ("VE", &["Venezuela", "República Bolivariana de Venezuela", "فنزويلا", "ونزوئلا"]),
    ("YE", &["اليمن", "الجمهورية اليمنية", "یمن"]),
    ("ZA", &["Sudáfrica", "جنوب أفريقيا", "آفریقای جنوبی"]),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_country_is_known_by_its_codes() {
        let mut count = 0;
        for country in CountryIterator::new() {
            let code = country.alpha2().to_string();
            assert_eq!(country_code(&code), Some(code.clone()));
            assert_eq!(country_code(&country.alpha3().to_string()), Some(code.clone()));
            assert_eq!(country_code(country.iso_short_name()), Some(code));
            count += 1;
        }
        assert!(count >= 249, "{count}");
    }

    #[test]
    fn no_name_of_ours_is_given_to_two_countries() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (code, names) in NAMES {
            for name in *names {
                assert_eq!(country_code(name).as_deref(), Some(*code), "{name}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_code_is_its_own_code(text in any::<String>()) {
            if let Some(code) = country_code(&text) {
                prop_assert_eq!(country_code(&code), Some(code.clone()));
            }
        }
    }
}

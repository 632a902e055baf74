//! Names of months in English, Spanish, Arabic and Persian, of three calendars.
//!
//! A name that two calendars could claim is given to neither; there is none among these.

use super::{date::Calendar, script::text_fold};

/// The number of a month (1 to 12) and, for a month of the Jalali or Hijri calendar, which.
pub(crate) fn month_of(name: &str) -> Option<(i32, Option<Calendar>)> {
    let folded = text_fold(name)?;
    let latin = |names: &[&str; 12]| {
        names.iter().position(|month| {
            folded == *month
                || (folded.len() >= 3 && folded.is_ascii() && month.starts_with(&*folded))
        })
    };
    if folded.is_ascii() {
        if folded == "sept" || folded == "set" {
            return Some((9, None));
        }
        let month = latin(&ENGLISH).or_else(|| latin(&SPANISH));
        if let Some(month) = month {
            return Some((number(month), None));
        }
        let month = JALALI_LATIN.iter().position(|month| folded == *month);
        return month.map(|month| (number(month), Some(Calendar::Jalali)));
    }
    for (names, calendar) in ARABIC {
        let found = names.iter().position(|month| text_fold(month).as_deref() == Some(&folded));
        if let Some(month) = found {
            return Some((number(month), *calendar));
        }
    }
    None
}

fn number(position: usize) -> i32 {
    i32::try_from(position % 12).unwrap_or(0) + 1
}

const ENGLISH: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const SPANISH: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];

const JALALI_LATIN: [&str; 12] = [
    "farvardin",
    "ordibehesht",
    "khordad",
    "tir",
    "mordad",
    "shahrivar",
    "mehr",
    "aban",
    "azar",
    "dey",
    "bahman",
    "esfand",
];

/// Months written in Arabic letters, twelve to a row.
const ARABIC: &[(&[&str], Option<Calendar>)] = &[
    (
        &[
            "يناير",
            "فبراير",
            "مارس",
            "أبريل",
            "مايو",
            "يونيو",
            "يوليو",
            "أغسطس",
            "سبتمبر",
            "أكتوبر",
            "نوفمبر",
            "ديسمبر",
        ],
        None,
    ),
    (
        &[
            "كانون الثاني",
            "شباط",
            "آذار",
            "نيسان",
            "أيار",
            "حزيران",
            "تموز",
            "آب",
            "أيلول",
            "تشرين الأول",
            "تشرين الثاني",
            "كانون الأول",
        ],
        None,
    ),
    (
        &[
            "جانفي",
            "فيفري",
            "مارس",
            "أفريل",
            "ماي",
            "جوان",
            "جويلية",
            "أوت",
            "سبتمبر",
            "أكتوبر",
            "نوفمبر",
            "ديسمبر",
        ],
        None,
    ),
    (
        &[
            "ژانویه",
            "فوریه",
            "مارس",
            "آوریل",
            "مه",
            "ژوئن",
            "ژوئیه",
            "اوت",
            "سپتامبر",
            "اکتبر",
            "نوامبر",
            "دسامبر",
        ],
        None,
    ),
    (
        &[
            "فروردین",
            "اردیبهشت",
            "خرداد",
            "تیر",
            "مرداد",
            "شهریور",
            "مهر",
            "آبان",
            "آذر",
            "دی",
            "بهمن",
            "اسفند",
        ],
        Some(Calendar::Jalali),
    ),
    (
        &[
            "محرم",
            "صفر",
            "ربيع الأول",
            "ربيع الآخر",
            "جمادى الأولى",
            "جمادى الآخرة",
            "رجب",
            "شعبان",
            "رمضان",
            "شوال",
            "ذو القعدة",
            "ذو الحجة",
        ],
        Some(Calendar::Hijri),
    ),
    (
        &[
            "المحرم",
            "صفر",
            "ربيع اول",
            "ربيع الثاني",
            "جمادى الأول",
            "جمادى الثانية",
            "رجب",
            "شعبان",
            "رمضان",
            "شوال",
            "ذي القعدة",
            "ذي الحجة",
        ],
        Some(Calendar::Hijri),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_twelve_months_read_back_in_order() {
        for (names, calendar) in ARABIC {
            assert_eq!(names.len(), 12);
            for (position, name) in names.iter().enumerate() {
                assert_eq!(month_of(name), Some((number(position), *calendar)), "{name}");
            }
        }
        for names in [ENGLISH, SPANISH] {
            for (position, name) in names.iter().enumerate() {
                assert_eq!(month_of(&name[..3]), Some((number(position), None)), "{name}");
            }
        }
    }
}

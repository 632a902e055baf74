//! Names as sounds, and how far two of them are apart, also where one script leaves its short vowels
//! unwritten.
//!
//! Knows the letters of Latin and Arabic script (with those of Persian) and the sounds for which they
//! usually stand; other scripts are spelled in Latin letters first. It knows no dictionary of names,
//! and no language: a Latin spelling does not say which one it is read in, so that a letter is a
//! sound with near neighbours, not one sound.

use super::letters::Sound::{self, *};
use super::letters::{arabic, is_arabic, latin_word, marked};

/// A name as sounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Sounds {
    sounds: Vec<Sound>,
    /// Whether short vowels are unwritten.
    vowelless: bool,
    /// How many sounds a leading article is.
    article: usize,
    /// What the sounds weigh together.
    weight: f32,
}

impl Sound {
    /// Whether it is a vowel, and nothing else.
    pub(super) fn is_vowel(self) -> bool {
        matches!(self, A | E | I | O | U)
    }

    /// What the sound weighs: what it costs to leave it out where every sound is written.
    fn weight(self) -> f32 {
        match self {
            A | E | I | O | U => VOWEL,
            W | Y => GLIDE,
            H => BREATH,
            Stop => STOP,
            _ => 1.0,
        }
    }
}

/// Weights and costs, chosen on half of a list of pairs of names. On the other half (7,165 pairs
/// derived from Wikidata; `examples/names.rs` says which) the right Latin spelling of a name in
/// Arabic letters is the first of all in 88.7% and among the first ten in 98.0%; with any_ascii and
/// Jaro-Winkler in 21.8% and 52.5%.
const VOWEL: f32 = 0.45;
const GLIDE: f32 = 0.6;
const BREATH: f32 = 0.5;
const STOP: f32 = 0.1;
/// What a vowel costs that the other name, in a script without short vowels, does not write.
const UNWRITTEN: f32 = 0.12;
/// Two vowels that are not the same, and those that scripts confuse.
const OTHER_VOWEL: f32 = 0.3;
const NEAR_VOWEL: f32 = 0.1;
/// What a consonant costs at the end of a Latin spelling, where it may be silent.
const SILENT: f32 = 0.55;
/// What an article costs that the other name leaves out.
const ARTICLE: f32 = 0.15;

/// What it costs that one sound stands for another, within one script and between two.
fn substitution(a: Sound, b: Sound, two_scripts: bool) -> f32 {
    if a == b {
        return 0.0;
    }
    let (a, b) = (a.min(b), a.max(b));
    if a.is_vowel() && b.is_vowel() {
        return match (a, b) {
            (E, I) | (O, U) | (A, E) => NEAR_VOWEL,
            _ => OTHER_VOWEL,
        };
    }
    let (near, across) = match (a, b) {
        // A glide and its vowel are one letter in Arabic script.
        (I, Y) | (U, W) => (0.2, 0.0),
        (E, Y) | (O, W) => (0.3, 0.02),
        (A, Y) | (A, W) => (0.6, 0.35),
        (I | E, W) | (O | U, Y) => (0.8, 0.6),
        (A, Stop) => (0.1, 0.0),
        (E | I | O | U, Stop) => (0.2, 0.1),
        (A, H) => (0.7, 0.4),
        // Persian writes a final e as ه.
        (E, H) => (0.7, 0.25),
        (W, V) => (0.3, 0.2),
        (W, F) => (0.7, 0.35),
        (B, P) => (0.5, 0.03),
        (F, V) => (0.4, 0.02),
        (P, F) => (0.7, 0.5),
        (B, V) => (0.5, 0.4),
        (T, D) => (0.5, 0.4),
        (T, Th) => (0.3, 0.1),
        (D, Th) => (0.4, 0.2),
        (Th, S) => (0.5, 0.2),
        (Th, Z) => (0.5, 0.2),
        (D, Z) => (0.7, 0.35),
        (S, Z) => (0.35, 0.15),
        (S, Sh) => (0.5, 0.3),
        (Z, Zh) => (0.4, 0.2),
        (Sh, Ch) => (0.3, 0.12),
        (S, Ch) => (0.6, 0.35),
        (Sh, Zh) => (0.5, 0.3),
        (Sh, J) => (0.6, 0.45),
        (J, Zh) => (0.2, 0.05),
        (Ch, J) => (0.5, 0.3),
        (J, G) => (0.35, 0.05),
        (Y, J) => (0.5, 0.2),
        (H, J) => (0.7, 0.35),
        (J, Kh) => (0.7, 0.3),
        (J, Gh) => (0.6, 0.2),
        (K, Q) => (0.05, 0.03),
        (K, G) => (0.5, 0.2),
        (G, Q) => (0.4, 0.15),
        (Ch, K) => (0.5, 0.2),
        (Ch, Kh) => (0.5, 0.15),
        (K, Kh) => (0.4, 0.25),
        (H, Kh) => (0.5, 0.3),
        (G, Gh) => (0.2, 0.02),
        (K, Gh) => (0.7, 0.4),
        (Q, Gh) => (0.3, 0.2),
        (H, Gh) => (0.7, 0.5),
        (S, K) => (0.7, 0.5),
        (Z, J) => (0.7, 0.5),
        (T, Ch) => (0.7, 0.5),
        (M, N) => (0.6, 0.6),
        (L, R) => (0.7, 0.7),
        _ => (f32::MAX, f32::MAX),
    };
    let cost = if two_scripts { across } else { near };
    if cost < f32::MAX { cost } else { a.weight().max(b.weight()).max(0.5) * 1.4 }
}

fn replace(sounds: &mut Vec<Sound>, last: Sound) {
    sounds.pop();
    sounds.push(last);
}

impl Sounds {
    /// The sounds of a name; `None` where it has none.
    pub fn of(name: &str) -> Option<Self> {
        let mut sounds: Vec<Sound> = Vec::with_capacity(name.len());
        let mut latin = String::new();
        let mut vowelless = false;
        for letter in name.chars().flat_map(char::to_lowercase) {
            if is_arabic(letter) {
                latin_word(&std::mem::take(&mut latin), &mut sounds);
                vowelless = true;
                // تش is the Arabic spelling of ch, دج of a j that is no g; إي at the beginning is one
                // vowel.
                if let Some(sound) = arabic(letter) {
                    match (sounds.as_slice(), sound) {
                        ([.., T], Sh) => replace(&mut sounds, Ch),
                        ([.., D], J) => replace(&mut sounds, J),
                        ([I], Y) => {}
                        _ => sounds.push(sound),
                    }
                }
            } else if let Some(sound) = marked(letter) {
                latin_word(&std::mem::take(&mut latin), &mut sounds);
                sounds.push(sound);
            } else {
                latin.push_str(&any_ascii::any_ascii_char(letter).to_ascii_lowercase());
            }
        }
        latin_word(&latin, &mut sounds);
        if sounds.is_empty() {
            return None;
        }
        let article = match sounds.as_slice() {
            [A | E, L, rest @ ..] if vowelless && rest.len() >= 2 => 2,
            _ => 0,
        };
        let weight = sounds.iter().map(|sound| sound.weight()).sum();
        Some(Self { sounds, vowelless, article, weight })
    }

    /// How alike two names sound, 0 to 1. Symmetric.
    pub fn similarity(&self, other: &Self) -> f64 {
        // In one order, so that rounding is the same from both sides.
        let ordered = (self.vowelless, &self.sounds) <= (other.vowelless, &other.sounds);
        let (one, other) = if ordered { (self, other) } else { (other, self) };
        one.similarity_to(other)
    }

    fn similarity_to(&self, other: &Self) -> f64 {
        let whole = self.aligned(other, 0, 0);
        let without = |own: usize, others: usize| {
            self.aligned(other, own, others) + ARTICLE * f32::from(u8::from(own != others))
        };
        let mut cost = whole;
        if self.article > 0 && other.article == 0 {
            cost = cost.min(without(self.article, 0));
        }
        if other.article > 0 && self.article == 0 {
            cost = cost.min(without(0, other.article));
        }
        let all = self.weight.max(other.weight).max(1.0);
        f64::from((1.0 - cost / all).max(0.0))
    }

    /// The cost of the cheapest alignment of two names, from a sound of each on.
    fn aligned(&self, other: &Self, own_start: usize, other_start: usize) -> f32 {
        let two_scripts = self.vowelless != other.vowelless;
        let (own, others) = (&self.sounds[own_start..], &other.sounds[other_start..]);
        // What it costs to leave a sound of one name out, where the other may not write it.
        let left_out = |sound: Sound, unwritten: bool| match sound {
            A | E | I | O | U if unwritten => UNWRITTEN,
            sound => sound.weight(),
        };
        // Laurent, Jomard, Francois: the end that is not heard.
        let end = |place: usize, names: &[Sound], latin: bool, sound: Sound, cost: f32| {
            let silent = place + 1 == names.len() && latin && matches!(sound, T | D | S);
            if two_scripts && silent { SILENT } else { cost }
        };
        let mut row: [f32; MOST + 1] = [0.0; MOST + 1];
        let others = &others[..others.len().min(MOST)];
        for (place, sound) in others.iter().enumerate() {
            let cost = left_out(*sound, two_scripts && self.vowelless);
            row[place + 1] = row[place] + end(place, others, !other.vowelless, *sound, cost);
        }
        for (own_place, sound) in own.iter().take(MOST).enumerate() {
            let skip = left_out(*sound, two_scripts && other.vowelless);
            let skip = end(own_place, own, !self.vowelless, *sound, skip);
            let mut diagonal = row[0];
            row[0] += skip;
            for (place, against) in others.iter().enumerate() {
                let above = row[place + 1];
                let cost = left_out(*against, two_scripts && self.vowelless);
                let cost = end(place, others, !other.vowelless, *against, cost);
                row[place + 1] = (diagonal + substitution(*sound, *against, two_scripts))
                    .min(above + skip)
                    .min(row[place] + cost);
                diagonal = above;
            }
        }
        row[others.len()]
    }
}

/// Sounds of a name that are looked at, at most.
const MOST: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn similarity(a: &str, b: &str) -> f64 {
        Sounds::of(a).unwrap().similarity(&Sounds::of(b).unwrap())
    }

    /// Each name must be nearest to its own spelling of all that are in the list.
    fn each_is_nearest_to_its_own(names: &[(&str, &str)]) {
        for (own, spelled) in names {
            for (_, other) in names {
                let (right, wrong) = (similarity(own, spelled), similarity(own, other));
                assert!(
                    spelled == other || right > wrong,
                    "{own}: {spelled} {right}, {other} {wrong}"
                );
            }
        }
    }

    #[test]
    fn persian_names_are_nearest_to_their_usual_spelling() {
        each_is_nearest_to_its_own(&[
            ("محمدرضا", "Mohammadreza"),
            ("فاطمه", "Fatemeh"),
            ("علی", "Ali"),
            ("حسین", "Hossein"),
            ("زهرا", "Zahra"),
            ("مریم", "Maryam"),
            ("رضا", "Reza"),
            ("نرگس", "Narges"),
            ("شیرین", "Shirin"),
            ("فرهاد", "Farhad"),
            ("خسرو", "Khosrow"),
            ("کیوان", "Keyvan"),
            ("ژاله", "Zhaleh"),
            ("گلناز", "Golnaz"),
            ("پروانه", "Parvaneh"),
            ("چنگیز", "Changiz"),
            ("مهدی", "Mehdi"),
            ("سهراب", "Sohrab"),
            ("بیژن", "Bijan"),
            ("غلامحسین", "Gholamhossein"),
            ("احمدی", "Ahmadi"),
            ("کریمی", "Karimi"),
            ("هاشمی", "Hashemi"),
            ("موسوی", "Mousavi"),
            ("رفسنجانی", "Rafsanjani"),
            ("قاسمی", "Ghasemi"),
            ("یوسفی", "Yousefi"),
            ("جعفری", "Jafari"),
            ("صادقی", "Sadeghi"),
            ("نوروزی", "Norouzi"),
        ]);
    }

    #[test]
    fn arabic_names_are_nearest_to_their_usual_spelling() {
        each_is_nearest_to_its_own(&[
            ("محمد", "Muhammad"),
            ("عبدالرحمن", "Abdulrahman"),
            ("الشريف", "Sharif"),
            ("يوسف", "Youssef"),
            ("فاطمة", "Fatimah"),
            ("خديجة", "Khadija"),
            ("جمال", "Gamal"),
            ("طارق", "Tareq"),
            ("ظافر", "Zafer"),
            ("عمر", "Omar"),
            ("أنور", "Anwar"),
            ("إيمان", "Iman"),
            ("تشارلز", "Charles"),
            ("غاندي", "Gandhi"),
            ("باتريك", "Patrick"),
            ("فيكتوريا", "Victoria"),
        ]);
    }

    #[test]
    fn spellings_of_one_sound_cost_little_and_other_names_much() {
        assert_eq!(similarity("Mohammed", "mohamed"), 1.0);
        assert!(similarity("Catherine", "Katherine") > 0.8);
        assert!(similarity("Youssef", "Yusuf") > 0.9);
        assert!(similarity("Maria", "Peter") < 0.4);
        assert!(similarity("محمد", "أحمد") < 0.9);
        assert!(Sounds::of(" - ").is_none());
    }

    proptest! {
        #[test]
        fn similarity_is_symmetric_in_range_and_whole_for_itself(
            a in "[a-zščéا-ي]{1,12}", b in "[a-zščéا-ي]{1,12}",
        ) {
            if let (Some(l), Some(r)) = (Sounds::of(&a), Sounds::of(&b)) {
                prop_assert_eq!(l.similarity(&r).to_bits(), r.similarity(&l).to_bits());
                prop_assert!((0.0..=1.0).contains(&l.similarity(&r)));
                prop_assert!(l.similarity(&l) >= 0.999);
            }
        }

        #[test]
        fn never_panics(a in any::<String>(), b in any::<String>()) {
            if let (Some(l), Some(r)) = (Sounds::of(&a), Sounds::of(&b)) {
                l.similarity(&r);
            }
        }
    }
}

//! Which sounds the letters of Latin and Arabic script, with those of Persian, usually stand for.
//!
//! Knows letters one by one and the groups that are one sound; refuses to know how near two sounds
//! are.

/// A sound, or a letter that may be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sound {
    /// A vowel whose quality is open: short, or Arabic alef and ayn.
    A,
    E,
    I,
    O,
    U,
    /// Glides, which are vowels too where a script has one letter for both.
    W,
    Y,
    H,
    B,
    P,
    F,
    V,
    T,
    D,
    /// English th, Arabic ث and ذ.
    Th,
    S,
    Z,
    /// sh, ش.
    Sh,
    /// Latin ch, Persian چ, Arabic تش.
    Ch,
    /// j, ج: also g in Egypt.
    J,
    /// zh, ژ.
    Zh,
    K,
    G,
    Q,
    /// kh, خ.
    Kh,
    /// gh, غ: what Arabic writes for a foreign g.
    Gh,
    L,
    M,
    N,
    R,
    /// ع and hamza: a stop that Latin spellings leave out.
    Stop,
}

use Sound::*;

/// Whether a letter is of Arabic script.
pub(super) fn is_arabic(letter: char) -> bool {
    matches!(letter, '\u{0620}'..='\u{06D3}' | '\u{06FA}'..='\u{06FF}' | '\u{0750}'..='\u{077F}')
}

/// The sound of a letter of Arabic script.
pub(super) fn arabic(letter: char) -> Option<Sound> {
    Some(match letter {
        'ا' | 'أ' | 'آ' | 'ٱ' | 'ى' | '\u{064E}' => A,
        'إ' | '\u{0650}' => I,
        '\u{064F}' => U,
        'ع' | 'ء' | 'ئ' | 'ؤ' => Stop,
        'ب' => B,
        'پ' => P,
        'ت' | 'ط' | 'ٹ' => T,
        'ة' => A,
        'ث' => Th,
        'ج' => J,
        'چ' => Ch,
        'ح' | 'ه' | 'ھ' | 'ہ' | 'ە' => H,
        'خ' => Kh,
        'د' | 'ض' | 'ڈ' => D,
        'ذ' | 'ظ' => Th,
        'ر' | 'ڑ' => R,
        'ز' => Z,
        'ژ' => Zh,
        'س' | 'ص' => S,
        'ش' => Sh,
        'غ' => Gh,
        'ف' => F,
        'ڤ' | 'ۋ' => V,
        'ق' => Q,
        'ك' | 'ک' => K,
        'گ' | 'ڭ' => G,
        'ل' => L,
        'م' => M,
        'ن' | 'ں' => N,
        'و' | 'ۆ' | 'ۇ' => W,
        'ي' | 'ی' | 'ې' | 'ێ' | 'ے' => Y,
        _ => return None,
    })
}

/// Latin letters whose marks say more than the letter.
pub(super) fn marked(letter: char) -> Option<Sound> {
    Some(match letter {
        'č' | 'ć' | 'ĉ' => Ch,
        'š' | 'ş' | 'ș' | 'ś' | 'ŝ' => Sh,
        'ž' | 'ż' | 'ź' => Zh,
        'ç' => S,
        'ğ' => Gh,
        'đ' => D,
        'ḥ' | 'ħ' => H,
        'ḫ' => Kh,
        'ʿ' | 'ʾ' | '\'' | '’' | '‘' => Stop,
        _ => return None,
    })
}

/// Writes the sounds of one word of lower-case ASCII letters.
pub(super) fn latin_word(word: &str, sounds: &mut Vec<Sound>) {
    let letters = word.as_bytes();
    let at = |place: usize| letters.get(place).copied().unwrap_or(b' ');
    let mut place = 0;
    while place < letters.len() {
        let front = |place: usize| matches!(at(place), b'e' | b'i' | b'y');
        let (found, length): (&[Sound], usize) = match (at(place), at(place + 1), at(place + 2)) {
            (b's', b'c', b'h') => (&[Sh], 3),
            (b't', b'c', b'h') | (b't', b's', b'h') => (&[Ch], 3),
            (b't', b's', b'c') if at(place + 3) == b'h' => (&[Ch], 4),
            (b's', b'h', _) => (&[Sh], 2),
            (b'c', b'h', _) => (&[Ch], 2),
            (b'c', b'z', _) => (&[Ch], 2),
            (b's', b'z', _) => (&[S], 2),
            (b'k', b'h', _) => (&[Kh], 2),
            (b'g', b'h', _) => (&[Gh], 2),
            (b't', b'h', _) => (&[Th], 2),
            (b'd', b'h', _) => (&[Th], 2),
            (b'z', b'h', _) => (&[Zh], 2),
            (b'p', b'h', _) => (&[F], 2),
            (b'd', b'j', _) => (&[J], 2),
            (b'c', b'k', _) => (&[K], 2),
            (b'q', b'u', b'e' | b'i') => (&[K], 2),
            (b'q', b'u', _) => (&[K, W], 2),
            (b'g', b'u', b'e' | b'i') => (&[G], 2),
            (b'o', b'u', _) | (b'o', b'o', _) => (&[U], 2),
            (b'e', b'e', _) | (b'i', b'e', _) => (&[I], 2),
            (b'a', b'u', _) => (&[A, U], 2),
            (b'x', ..) if place == 0 => (&[Z], 1),
            (b'x', ..) => (&[K, S], 1),
            (b'c', ..) if front(place + 1) => (&[S], 1),
            (b'a', ..) => (&[A], 1),
            (b'b', ..) => (&[B], 1),
            (b'c' | b'k', ..) => (&[K], 1),
            (b'd', ..) => (&[D], 1),
            (b'e', ..) => (&[E], 1),
            (b'f', ..) => (&[F], 1),
            (b'g', ..) => (&[G], 1),
            // Fatimah, Sarah.
            (b'h', b' ', _) if sounds.last().is_some_and(|sound| sound.is_vowel()) => (&[], 1),
            (b'h', ..) => (&[H], 1),
            (b'i', ..) => (&[I], 1),
            (b'j', ..) => (&[J], 1),
            (b'l', ..) => (&[L], 1),
            (b'm', ..) => (&[M], 1),
            (b'n', ..) => (&[N], 1),
            (b'o', ..) => (&[O], 1),
            (b'p', ..) => (&[P], 1),
            (b'q', ..) => (&[Q], 1),
            (b'r', ..) => (&[R], 1),
            (b's', ..) => (&[S], 1),
            (b't', ..) => (&[T], 1),
            (b'u', ..) => (&[U], 1),
            (b'v', ..) => (&[V], 1),
            (b'w', ..) => (&[W], 1),
            (b'y', ..) => (&[Y], 1),
            (b'z', ..) => (&[Z], 1),
            _ => (&[], 1),
        };
        for sound in found {
            // Doubled letters are one sound.
            if sounds.last() != Some(sound) {
                sounds.push(*sound);
            }
        }
        place += length;
    }
}

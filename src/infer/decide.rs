//! Which meaning a column has: its name's hints weighed with its content, then all columns together.
//!
//! Knows hints and profiles; refuses to look at a value. What the name says and the content refutes
//! is not believed; what the content alone says must be plain.

use super::Meaning::{self, *};
use super::content::Profile;
use super::names::hints;
use super::{Column, Ground, Understood};

/// The least score at which a meaning is believed.
const BELIEVED: f64 = 0.75;

/// Meanings in the order in which equal scores are settled.
const ALL: &[Meaning] = &[
    RecordId,
    Email,
    Phone,
    BirthDate,
    GivenName,
    FamilyName,
    MiddleName,
    FullName,
    OrganisationName,
    Authors,
    Title,
    Venue,
    Brand,
    Street,
    HouseNumber,
    AddressMore,
    City,
    Postcode,
    State,
    Country,
    Identifier,
    Sex,
    Latitude,
    Longitude,
    Year,
    Number,
    Date,
    Url,
    Category,
    FreeText,
    Source,
];

/// A meaning that a column may have.
struct Scored {
    score: f64,
    meaning: Meaning,
    ground: Ground,
    why: String,
}

impl Scored {
    fn is_hinted(&self) -> bool {
        matches!(self.ground, Ground::Called(_))
    }

    /// A hint is believed more easily than content alone.
    fn is_believed(&self) -> bool {
        self.score >= BELIEVED - 0.3 * f64::from(u8::from(self.is_hinted()))
    }
}

/// How well content suits a meaning, -1 (refuted) to 1 (plain without a name), and why. 0: possible.
fn content(meaning: Meaning, own: &Profile) -> (f64, &'static str) {
    let wordy = own.number < 0.2 && own.email < 0.2 && own.url < 0.2;
    let few = own.distinct <= 60 && own.distinct_share() < 0.5;
    // So few values in so many rows are no names, whatever they are called.
    let no_names = few && own.filled > 200 && own.distinct_share() < 0.02;
    // From mostly untrue to mostly true, as -1 to 1.
    let plain = |share: f64, why| ((share * 2.0 - 1.0).clamp(-1.0, 1.0), why);
    let gate = |possible: bool, why| (if possible { 0.0 } else { -1.0 }, why);
    match meaning {
        Email => plain(own.email, "addresses with @"),
        Url => plain(own.url, "web addresses"),
        Phone => match () {
            () if own.phone_form > 0.6 && own.same_length < 0.999 => {
                (0.9, "written as phone numbers are")
            }
            () if own.phone_form > 0.6 => (0.8, "written as phone numbers are"),
            () if own.phone > 0.4 => (0.1, "digits enough for a phone number"),
            () => (-1.0, "no phone numbers"),
        },
        BirthDate | Date => match () {
            () if own.date > 0.8 && own.time > 0.5 && meaning == Date => {
                (0.9, "dates with a time of day")
            }
            () if own.date > 0.8 && meaning == Date => (0.78, "dates"),
            () if own.date > 0.5 || own.date_form > 0.5 => (0.2, "dates"),
            () => (-1.0, "no dates"),
        },
        Year => match () {
            () if own.year > 0.8 => (0.8, "years"),
            () if own.year > 0.5 => (0.2, "years"),
            () => (-1.0, "no years"),
        },
        Sex => match () {
            () if own.sex > 0.99 && (2..=6).contains(&own.distinct) => (0.8, "words for sexes"),
            () => gate(own.distinct <= 12 && own.length < 14.0, "few short values"),
        },
        Country => match () {
            () if own.country > 0.8 && own.length > 3.0 && few => (0.8, "names of countries"),
            () => gate(wordy && own.words < 5.0 && own.length < 30.0, "short words"),
        },
        Latitude | Longitude => match () {
            () if own.degrees > 0.6 => (0.3, "numbers as degrees are written"),
            () => gate(own.number > 0.8, "numbers"),
        },
        Number => match () {
            () if own.number > 0.9 && own.digits < 0.5 => (0.78, "numbers with a fraction"),
            () => gate(own.number > 0.6, "numbers"),
        },
        Postcode => match () {
            () if own.postcode > 0.9 && own.mixed > 0.6 => (0.85, "shaped as postal codes are"),
            () if own.postcode > 0.5 => (0.3, "shaped as postal codes are"),
            () => gate(
                own.length < 12.0 && own.words < 3.5 && own.mixed + own.digits > 0.3,
                "short codes",
            ),
        },
        HouseNumber => gate(own.length < 9.0 && own.digits + own.mixed > 0.5, "short numbers"),
        State => gate(wordy && own.distinct <= 400 && own.words < 4.0, "few short values"),
        City => gate(wordy && own.words < 4.5 && own.length < 40.0, "words of a place"),
        Street => match () {
            () if own.street > 0.5 && own.numbered > 0.5 => (0.9, "words of streets and numbers"),
            () if own.street > 0.6 => (0.8, "words of streets"),
            () if own.numbered > 0.7 && own.words < 9.0 => (0.4, "words and a house number"),
            () => gate(wordy && own.length < 120.0, "words"),
        },
        AddressMore => gate(own.length < 80.0 && own.email < 0.2, "short texts"),
        GivenName => match () {
            () if own.given > 0.35 && own.given > own.family && own.words < 1.6 => {
                (0.85, "common given names")
            }
            () if own.given > 0.1 && own.words < 1.9 => (0.2, "given names"),
            () => gate(
                wordy && own.words < 3.0 && own.length < 30.0 && own.distinct > 1,
                "short words",
            ),
        },
        FamilyName => match () {
            () if own.family > 0.25 && own.family > own.given && own.words < 1.6 => {
                (0.85, "common family names")
            }
            () => gate(
                wordy && own.words < 3.5 && own.length < 36.0 && own.distinct > 1,
                "short words",
            ),
        },
        MiddleName => gate(wordy && own.words < 3.0 && own.length < 30.0, "short words"),
        FullName => match () {
            () if no_names => (-1.0, "few values"),
            () if own.given > 0.3
                && (1.6..5.0).contains(&own.words)
                && own.organisation < 0.3
                && own.list < 0.5 =>
            {
                (0.9, "given names within two or more words")
            }
            () if own.organisation > 0.4 => (-0.5, "words of organisations"),
            () => gate(wordy && own.words < 6.0 && own.words > 1.15, "two or more words"),
        },
        OrganisationName => match () {
            () if no_names => (-1.0, "few values"),
            () if own.organisation > 0.35 => (0.85, "words of organisations"),
            () if own.given > 0.4 && own.organisation < 0.15 => (-0.3, "given names"),
            () => gate(wordy && own.length < 90.0 && own.distinct > 1, "words"),
        },
        Authors => match () {
            () if own.list > 0.5 && own.given > 0.3 => (0.8, "lists of names"),
            () => gate(wordy, "words"),
        },
        Title => match () {
            () if own.words > 3.5 && own.distinct_share() > 0.5 && wordy && own.street < 0.4 => {
                (0.4, "many words, mostly distinct")
            }
            () => gate(own.number < 0.5 && own.words > 1.0, "words"),
        },
        FreeText => match () {
            () if own.words > 14.0 => (0.85, "long texts"),
            () => gate(own.words > 2.0, "texts"),
        },
        Venue | Brand => gate(wordy, "words"),
        RecordId => gate(
            own.unique && own.spaced < 0.01 && own.length < 64.0 && own.email < 0.1,
            "a value of its own for each row",
        ),
        Identifier => match () {
            () if own.length < 4.0 || own.words > 4.0 || own.email > 0.3 => {
                (-1.0, "too short or too wordy")
            }
            () => gate(own.digits + own.mixed > 0.4, "codes"),
        },
        Category => gate(few || own.distinct_share() < 0.1, "few values"),
        Source => gate(own.distinct <= 50 && own.distinct_share() < 0.5, "few values"),
        Text | Constant | Empty | Excluded => (-1.0, ""),
    }
}

/// What records seem to be of: what a column called `name` holds depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Person,
    Product,
    Other,
}

/// Says what each column means. `id` is a column that the user named as the record's id.
pub(super) fn decide(columns: &[Column<'_>], id: Option<&str>) -> Vec<Understood> {
    let profiles: Vec<Profile> = columns
        .iter()
        .map(|column| Profile::of(&column.parts.iter().flatten().copied().collect::<Vec<_>>()))
        .collect();
    let mut scored: Vec<Vec<Scored>> = columns
        .iter()
        .zip(&profiles)
        .map(|(column, profile)| scores(column.name, profile))
        .collect();
    let subject = subject(&scored, columns, &profiles);
    for (scores, profile) in scored.iter_mut().zip(&profiles) {
        settle(scores, subject, profile);
    }
    let mut understood: Vec<Understood> = columns
        .iter()
        .zip(&profiles)
        .zip(&scored)
        .map(|((column, profile), scores)| understand(column.name, profile, scores))
        .collect();
    one_id(&mut understood, id);
    one_name(&mut understood);
    understood
}

fn scores(name: &str, profile: &Profile) -> Vec<Scored> {
    let hints = hints(name);
    let mut scores: Vec<Scored> = Vec::new();
    // What the name says plainly and the content does not refute is not overruled by content alone.
    let strongest = hints
        .iter()
        .filter(|(meaning, ..)| content(*meaning, profile).0 > -1.0)
        .map(|(_, says, _)| *says)
        .fold(0.0, f64::max);
    for meaning in ALL {
        let hint = hints.iter().find(|(hinted, ..)| hinted == meaning);
        let (suits, why) = content(*meaning, profile);
        let says = hint.map_or(0.0, |(_, says, _)| *says);
        if suits <= -1.0 || (says == 0.0 && suits <= 0.0) {
            continue;
        }
        // Content adds to a name's hint; alone it must carry the whole.
        let score = match () {
            () if says > 0.0 => says + 0.3 * suits,
            () if strongest >= 0.75 => suits * 0.75,
            () => suits,
        };
        let (ground, why) = match hint {
            Some((_, _, phrase)) if suits > 0.0 => {
                (Ground::Called(phrase), format!("called `{phrase}`; {why}"))
            }
            Some((_, _, phrase)) => (Ground::Called(phrase), format!("called `{phrase}`")),
            None => (Ground::Content, why.to_owned()),
        };
        scores.push(Scored { score, meaning: *meaning, ground, why });
    }
    // Stable: equal scores stay in the order of `ALL`.
    scores.sort_by(|a, b| b.score.total_cmp(&a.score));
    scores
}

fn subject(scored: &[Vec<Scored>], columns: &[Column<'_>], profiles: &[Profile]) -> Subject {
    let best = |meaning: Meaning, least: f64| {
        scored.iter().any(|scores| {
            scores.first().is_some_and(|own| own.meaning == meaning && own.score >= least)
        })
    };
    let called = |words: &[&str]| {
        columns.iter().any(|column| {
            super::names::words(column.name).iter().any(|own| words.contains(&own.as_str()))
        })
    };
    // Two or three words, hardly one of them of an organisation, beside an e-mail address: lists of
    // names do not hold every name there is.
    let named = scored.iter().zip(profiles).any(|(scores, own)| {
        scores.iter().any(|scored| scored.meaning == FullName)
            && own.organisation < 0.03
            && own.digits + own.mixed < 0.03
            && (1.6..3.5).contains(&own.words)
            && own.distinct_share() > 0.3
    });
    if best(Email, 0.9) && named && !best(OrganisationName, 1.0) && !called(PRODUCT) {
        return Subject::Person;
    }
    if best(BirthDate, 0.9) || best(Sex, 0.9) || best(FamilyName, 0.9) {
        Subject::Person
    } else if best(Brand, 0.8) || called(PRODUCT) {
        Subject::Product
    } else {
        Subject::Other
    }
}

/// Words in names of columns that only tables of things for sale have.
const PRODUCT: &[&str] = &[
    "price",
    "sku",
    "product",
    "precio",
    "prix",
    "preis",
    "السعر",
    "قيمت",
    "model",
    "upc",
    "ean",
    "gtin",
];

/// A weak name hint follows the subject where content does not say.
fn settle(scores: &mut [Scored], subject: Subject, profile: &Profile) {
    for own in scores.iter_mut() {
        if !own.is_hinted() {
            continue;
        }
        own.score += match (own.meaning, subject) {
            (FullName, Subject::Person) if profile.organisation < 0.4 => 0.3,
            (OrganisationName, Subject::Other) => 0.2,
            (OrganisationName | Title, Subject::Person) => -0.2,
            (Title, Subject::Product) => 0.4,
            _ => 0.0,
        };
    }
    scores.sort_by(|a, b| b.score.total_cmp(&a.score));
}

fn understand(name: &str, profile: &Profile, scores: &[Scored]) -> Understood {
    let plain = |meaning, why: &str| (meaning, 1.0, Ground::Content, why.to_owned());
    let (meaning, score, ground, why) = match scores.first() {
        _ if profile.filled == 0 => plain(Empty, "no value"),
        _ if profile.distinct == 1 && profile.rows > 1 => plain(Constant, "one value throughout"),
        Some(own) if own.is_believed() => (own.meaning, own.score, own.ground, own.why.clone()),
        _ => shape(profile),
    };
    Understood {
        name: name.to_owned(),
        meaning,
        score: score.min(1.0),
        ground,
        why,
        profile: profile.clone(),
    }
}

/// What is left where nothing is known of a column but its shape.
fn shape(own: &Profile) -> (Meaning, f64, Ground, String) {
    let few = own.distinct <= 60 && own.distinct_share() < 0.2;
    let (meaning, why) = match () {
        () if own.unique && own.spaced < 0.01 && (own.digits + own.mixed > 0.8) => {
            (RecordId, "a value of its own for each row")
        }
        () if few => (Category, "few values"),
        () if own.number > 0.9
            && own.digits > 0.9
            && own.same_length > 0.6
            && own.length >= 5.0 =>
        {
            (Identifier, "digits of one length")
        }
        () if own.mixed > 0.7 && own.words < 1.5 && own.length >= 5.0 => {
            (Identifier, "codes of letters and digits")
        }
        () if own.number > 0.8 => (Number, "numbers"),
        () if own.words > 14.0 => (FreeText, "long texts"),
        () if own.words > 2.5 => (Title, "several words"),
        () => (Text, "short texts"),
    };
    (meaning, 0.3, Ground::Shape, format!("nothing says more than: {why}"))
}

/// One column is the record's id: the one that the user named, else the best; the others that look
/// like ids but are not are identifiers, which duplicates may share, or say nothing.
fn one_id(understood: &mut [Understood], id: Option<&str>) {
    let chosen = match id {
        Some(id) => understood.iter().position(|own| own.name == id),
        None => {
            let ids = understood.iter().enumerate().filter(|(_, own)| own.meaning == RecordId);
            // The first of the best.
            ids.fold(None, |best: Option<(usize, f64)>, (at, own)| match best {
                Some((_, score)) if score >= own.score => best,
                _ => Some((at, own.score)),
            })
            .map(|(at, _)| at)
        }
    };
    for (at, own) in understood.iter_mut().enumerate() {
        if Some(at) == chosen {
            own.meaning = RecordId;
            own.score = 1.0;
            if id.is_some() {
                own.ground = Ground::Told;
                own.why = "named with --id".to_owned();
            }
        } else if own.meaning == RecordId {
            own.meaning = Excluded;
            own.why = "a value of its own for each row says nothing of duplicates".to_owned();
        }
    }
}

/// A full name beside given and family names repeats them; a lone given name column that holds
/// whole names is one.
fn one_name(understood: &mut [Understood]) {
    let names = |meaning: Meaning, all: &[Understood]| -> Vec<usize> {
        (0..all.len()).filter(|at| all[*at].meaning == meaning).collect()
    };
    let (full, given) = (names(FullName, understood), names(GivenName, understood));
    if let ([full], [], false) =
        (full.as_slice(), given.as_slice(), names(FamilyName, understood).is_empty())
    {
        let own = &mut understood[*full];
        if hints(&own.name).iter().any(|(meaning, says, _)| *meaning == GivenName && *says >= 0.5) {
            own.meaning = GivenName;
            own.why = format!("{}; family names stand apart", own.why);
        }
    }
    let has = |meaning: Meaning, all: &[Understood]| all.iter().any(|own| own.meaning == meaning);
    if !has(FamilyName, understood) {
        for own in understood.iter_mut().filter(|own| own.meaning == GivenName) {
            if own.profile.words > 1.5 {
                own.meaning = FullName;
                own.why = format!("{}; no column of family names, and several words", own.why);
            }
        }
    }
}

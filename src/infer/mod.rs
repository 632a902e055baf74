//! What columns mean, and how records with such columns are resolved, where nobody says.
//!
//! A stage-like pure module: names of columns and their values as Arrow text in; meanings with
//! reasons, and a proposal of cleaning, blocking and comparisons as text of a pipeline file out.
//! Refuses to know files, SQL sessions and what resolution does with the proposal. Never sees a
//! column that the caller keeps back, such as labels.
//!
//! | file | knows |
//! |---|---|
//! | `names` | what columns are called, in several languages |
//! | `words` | common words by which values are known |
//! | `content` | what values look like |
//! | `decide` | meanings, of names and content together |
//! | `plain` | names for SQL, of what columns are called |
//! | `compared` | how a column is compared by itself, by its meaning |
//! | `settings` | meanings to SQL of records, blocking rules, comparisons, survivorship |
//! | `write` | a proposal as a pipeline file, commented |

mod compared;
mod content;
mod decide;
mod names;
mod plain;
mod settings;
mod words;
mod write;

use arrow::array::StringArray;

pub use content::Profile;
pub use plain::plain_name;
pub use settings::{Attribute, Candidate, Comparing, Proposal};
pub use write::{BOUND, Chosen, SourceFile, Written, contract, pipeline};

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meaning {
    /// A person's given name.
    GivenName,
    /// A person's family name.
    FamilyName,
    /// Names between them.
    MiddleName,
    /// A person's whole name.
    FullName,
    /// The name of an organisation or a place of business.
    OrganisationName,
    /// The title or name of a work, a product or another thing.
    Title,
    /// A longer text.
    FreeText,
    /// A date that belongs to the entity: of birth, of founding.
    BirthDate,
    /// Another date.
    Date,
    /// A year.
    Year,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A street, mostly with the number, or a whole address.
    Street,
    /// A house number apart.
    HouseNumber,
    /// A second line of an address.
    AddressMore,
    /// A city.
    City,
    /// A postal code.
    Postcode,
    /// A state, province or region.
    State,
    /// A country.
    Country,
    /// A number or code that records of one entity share.
    Identifier,
    /// The record's own id.
    RecordId,
    /// A sex.
    Sex,
    /// Names of authors, as a list.
    Authors,
    /// Where a work was published.
    Venue,
    /// The maker of a product.
    Brand,
    /// A number.
    Number,
    /// Degrees north.
    Latitude,
    /// Degrees east.
    Longitude,
    /// One of few values.
    Category,
    /// A web address.
    Url,
    /// Which system a record came from.
    Source,
    /// Short text of no known meaning.
    Text,
    /// One value throughout.
    Constant,
    /// No value.
    Empty,
    /// Kept out.
    Excluded,
}

impl Meaning {
    /// The meaning in words.
    pub fn words(self) -> &'static str {
        use Meaning::*;
        match self {
            GivenName => "given name",
            FamilyName => "family name",
            MiddleName => "middle name",
            FullName => "full name",
            OrganisationName => "organisation name",
            Title => "title",
            FreeText => "free text",
            BirthDate => "birth date",
            Date => "date",
            Year => "year",
            Email => "e-mail",
            Phone => "phone",
            Street => "street",
            HouseNumber => "house number",
            AddressMore => "address, second line",
            City => "city",
            Postcode => "postcode",
            State => "state or region",
            Country => "country",
            Identifier => "identifier",
            RecordId => "record id",
            Sex => "sex",
            Authors => "authors",
            Venue => "venue or publisher",
            Brand => "brand",
            Number => "number",
            Latitude => "latitude",
            Longitude => "longitude",
            Category => "category",
            Url => "web address",
            Source => "source",
            Text => "text",
            Constant => "constant",
            Empty => "empty",
            Excluded => "not used",
        }
    }
}

/// A column of the input.
#[derive(Debug)]
pub struct Column<'a> {
    /// Its name in the file.
    pub name: &'a str,
    /// Its name in `raw_<source>`.
    pub plain: &'a str,
    /// Its values as text, of each source that has it.
    pub parts: Vec<Option<&'a StringArray>>,
}

/// On what the meaning of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The column's name, by this known one; its content may speak for it as well.
    Called(&'static str),
    /// Its content alone.
    Content,
    /// Nothing but the shape of its values: two such columns need not mean the same.
    Shape,
    /// The user's word.
    Told,
}

/// What was understood of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Understood {
    /// The column's name.
    pub name: String,
    /// Its meaning.
    pub meaning: Meaning,
    /// How sure: 0 to 1.
    pub score: f64,
    /// On what the meaning stands.
    pub ground: Ground,
    /// Why, in a few words; no value.
    pub why: String,
    /// What its values look like.
    pub profile: Profile,
}

/// Says what each column means; `id` is the column that the user says is the record's id.
pub fn understand(columns: &[Column<'_>], id: Option<&str>) -> Vec<Understood> {
    decide::decide(columns, id)
}

/// Proposes how records of these columns are resolved. Columns of two sources that mean the same,
/// where neither source has the other's, are one attribute.
pub fn propose(columns: &[Column<'_>], understood: &[Understood]) -> Proposal {
    let mut attributes: Vec<Attribute> = Vec::new();
    let mut of: Vec<&Understood> = Vec::new();
    let country = columns
        .iter()
        .zip(understood)
        .find(|(_, own)| own.meaning == Meaning::Country)
        .map(|(column, _)| column);
    for (column, own) in columns.iter().zip(understood) {
        if own.meaning == Meaning::RecordId {
            continue;
        }
        let names = column.parts.iter().map(|part| part.map(|_| column.plain.to_owned()));
        let mut names: Vec<Option<String>> = names.collect();
        // A country says how phones and postcodes are written, in the sources that have one.
        let everywhere = country.filter(|country| {
            (0..names.len()).all(|at| names[at].is_none() || country.parts[at].is_some())
        });
        let sql = settings::cleaning(own, everywhere.map(|country| country.plain));
        let twin = attributes.iter().zip(&of).position(|(other, known)| {
            other.meaning == own.meaning
                && !(own.meaning == Meaning::Number
                    && [own, known].iter().any(|own| own.ground == Ground::Shape))
                && !matches!(
                    own.meaning,
                    Meaning::Text
                        | Meaning::Category
                        | Meaning::Excluded
                        | Meaning::Constant
                        | Meaning::Empty
                )
                && other.columns.iter().zip(&names).all(|(a, b)| a.is_none() || b.is_none())
        });
        if let Some(twin) = twin {
            for (own, more) in attributes[twin].columns.iter_mut().zip(&mut names) {
                if own.is_none() {
                    *own = more.take();
                }
            }
            // What suits both: a date that is clean in one source alone is kept as text.
            if attributes[twin].sql != sql {
                let month_first = settings::month_first(own) || settings::month_first(of[twin]);
                attributes[twin].sql = match own.meaning {
                    Meaning::BirthDate => settings::date_or_text(month_first),
                    _ => "text_clean({})".to_owned(),
                };
            }
            continue;
        }
        let taken: Vec<String> = attributes.iter().map(|other| other.name.clone()).collect();
        attributes.push(Attribute {
            name: plain_name(column.plain, &taken),
            export: column.name.to_owned(),
            meaning: own.meaning,
            columns: names,
            sql,
            survives: settings::survives(own.meaning),
            why: own.why.clone(),
        });
        of.push(own);
    }
    settings::propose(attributes, &of)
}

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
//! | `settings` | meanings to SQL of records, blocking rules, comparisons, survivorship |
//! | `write` | a proposal as a pipeline file, commented |

mod content;
mod decide;
mod names;
mod words;

use arrow::array::StringArray;

pub use content::Profile;

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

/// A column of the input, in one part for each source that has it.
#[derive(Debug)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its values, as text.
    pub parts: Vec<&'a StringArray>,
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
    /// Why, in a few words; no value.
    pub why: String,
    /// What its values look like.
    pub profile: Profile,
}

/// Says what each column means; `id` is the column that the user says is the record's id.
pub fn understand(columns: &[Column<'_>], id: Option<&str>) -> Vec<Understood> {
    decide::decide(columns, id)
}

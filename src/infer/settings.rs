//! Meanings to a proposal: how columns are cleaned, by what records are brought together, how they
//! are compared and which value survives.
//!
//! Knows SQL functions, comparisons and survivorship rules by name; refuses to know values. What
//! may block is only proposed here: what it costs and finds is for resolution to say.

use super::Meaning::{self, *};
use super::Understood;
use super::compared::{ADDRESS, PERSON, PLACE, by_itself, stem};

/// A column of the input with the meaning that it was given.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Its name in `records`.
    pub name: String,
    /// Its name in the first file that has it.
    pub export: String,
    /// Its meaning.
    pub meaning: Meaning,
    /// The column of each source that gives it, by its name in `raw_<source>`.
    pub columns: Vec<Option<String>>,
    /// SQL of the clean value, with `{}` for the column.
    pub sql: String,
    /// The survivorship rule.
    pub survives: &'static str,
    /// What was understood, for comments.
    pub why: String,
}

/// A key, or several that must all agree, by which records might be brought together.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The rule's name.
    pub name: String,
    /// SQL over `records`.
    pub keys: Vec<String>,
    /// The attributes that each key is made of.
    pub columns: Vec<String>,
}

/// A comparison that is proposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparing {
    /// Its name.
    pub name: String,
    /// The kind of comparison.
    pub kind: &'static str,
    /// SQL over `records`.
    pub columns: Vec<String>,
    /// Thresholds, where others than the kind's own are better.
    pub levels: Vec<f64>,
    /// Whether agreement on a rare value weighs more.
    pub term_frequency: bool,
    /// Why, in a few words.
    pub why: &'static str,
}

/// How the records of these columns might be resolved.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// What the records seem to be of.
    pub kind: &'static str,
    /// Columns of `records`.
    pub attributes: Vec<Attribute>,
    /// What might block.
    pub candidates: Vec<Candidate>,
    /// How pairs are compared.
    pub comparisons: Vec<Comparing>,
    /// Attributes that survive together: the group's name and its attributes.
    pub groups: Vec<(&'static str, Vec<String>)>,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// Proposes how to resolve records with these attributes.
pub(super) fn propose(attributes: Vec<Attribute>, understood: &[&Understood]) -> Proposal {
    let parts = Parts { attributes: &attributes, understood };
    let (comparisons, mut warnings) = parts.comparisons();
    let candidates = parts.candidates();
    let identifying = comparisons.iter().any(|own| !matches!(own.kind, "numeric" | "exact"));
    if !identifying {
        warnings.push(
            "no column identifies anything: there is no name, title, address, e-mail, phone or shared number".to_owned(),
        );
    }
    let groups = parts.groups();
    let kind = parts.kind();
    Proposal { kind, candidates, comparisons, groups, warnings, attributes }
}

/// The most comparisons that a model takes.
const MOST: usize = 16;

struct Parts<'a> {
    attributes: &'a [Attribute],
    understood: &'a [&'a Understood],
}

impl Parts<'_> {
    /// Attributes of a meaning that every source has: what one lacks brings nothing together.
    fn all(&self, meaning: Meaning) -> Vec<(&str, &Understood)> {
        let own = self.attributes.iter().zip(self.understood);
        own.filter(|(own, _)| own.meaning == meaning && own.columns.iter().all(Option::is_some))
            .map(|(own, understood)| (own.name.as_str(), *understood))
            .collect()
    }

    fn first(&self, meaning: Meaning) -> Option<&str> {
        self.all(meaning).first().map(|(name, _)| *name)
    }

    /// Rows with a value of one of these meanings, of the column that is filled most.
    fn filled(&self, meanings: &[Meaning]) -> usize {
        let all = meanings.iter().flat_map(|own| self.all(*own));
        all.map(|(_, own)| own.profile.filled).max().unwrap_or(0)
    }

    fn kind(&self) -> &'static str {
        let has = |meaning| self.first(meaning).is_some();
        // Records are of what most of them name: who is named in few works there.
        let mostly =
            2 * self.filled(&[FamilyName, FullName, GivenName]) >= self.filled(&[OrganisationName]);
        let named = has(FamilyName) || has(FullName) || (has(GivenName) && !has(Title));
        match () {
            () if named && mostly => "person",
            () if has(OrganisationName) => "organisation",
            () if has(Title) && (has(Authors) || has(Venue)) => "publication",
            () if has(Title) && (has(Brand) || has(Number)) => "product",
            () => "record",
        }
    }

    /// Given and family name as SQL, of columns of their own or of the full name.
    fn person(&self) -> Option<(String, String)> {
        let full = self.first(FullName);
        let part = |meaning, function: &str| -> Option<String> {
            match (self.first(meaning), full) {
                (Some(own), Some(full)) => Some(format!("coalesce({own}, {function}({full}))")),
                (Some(own), None) => Some(own.to_owned()),
                (None, Some(full)) => Some(format!("{function}({full})")),
                (None, None) => None,
            }
        };
        let given = part(GivenName, "person_given_name");
        let family = part(FamilyName, "person_family_name");
        match (given, family) {
            (Some(given), Some(family)) => Some((given, family)),
            _ => None,
        }
    }

    /// The street in one text: with the house number, where that stands apart.
    fn street(&self) -> Option<String> {
        let street = self.first(Street)?;
        Some(match self.first(HouseNumber) {
            Some(number) => format!("concat_ws(' ', {number}, {street})"),
            None => street.to_owned(),
        })
    }

    /// Each column of these meanings, compared by itself.
    fn each(&self, meanings: &[Meaning]) -> Vec<Comparing> {
        let columns = meanings.iter().flat_map(|meaning| {
            self.all(*meaning).into_iter().map(move |(name, own)| (*meaning, name, own))
        });
        columns.flat_map(|(meaning, name, own)| by_itself(meaning, name, &own.profile)).collect()
    }

    /// The first column of each of these meanings, compared by itself.
    fn first_of_each(&self, meanings: &[Meaning]) -> Vec<Comparing> {
        let firsts = meanings
            .iter()
            .filter_map(|meaning| self.all(*meaning).first().map(|own| (*meaning, *own)));
        firsts.flat_map(|(meaning, (name, own))| by_itself(meaning, name, &own.profile)).collect()
    }

    fn comparisons(&self) -> (Vec<Comparing>, Vec<String>) {
        let null = || "CAST(NULL AS VARCHAR)".to_owned();
        let mut list = match self.person() {
            Some((given, family)) => vec![PERSON.over("name", vec![given, family])],
            None => self.first_of_each(&[GivenName, FamilyName]),
        };
        list.extend(self.each(&[
            MiddleName,
            OrganisationName,
            Title,
            Authors,
            Identifier,
            BirthDate,
            Email,
            Phone,
        ]));
        match self.street() {
            Some(street) => {
                let rest =
                    [City, Postcode].map(|own| self.first(own).map_or_else(null, str::to_owned));
                list.push(ADDRESS.over("address", [street].into_iter().chain(rest).collect()));
            }
            None => list.extend(self.first_of_each(&[City, Postcode])),
        }
        list.extend(self.each(&[
            AddressMore,
            Sex,
            State,
            Country,
            Year,
            Brand,
            Venue,
            Url,
            Text,
            FreeText,
        ]));
        if let (Some(latitude), Some(longitude)) = (self.first(Latitude), self.first(Longitude)) {
            list.push(PLACE.over("place", vec![latitude.to_owned(), longitude.to_owned()]));
        }
        list.extend(self.each(&[Number, Category]));
        let mut warnings = Vec::new();
        if list.len() > MOST {
            let left: Vec<String> = list.drain(MOST..).map(|own| own.name).collect();
            warnings.push(format!(
                "a model takes {MOST} comparisons; not compared: {}",
                left.join(", ")
            ));
        }
        (list, warnings)
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut list: Vec<Candidate> = Vec::new();
        let mut add = |name: &str, keys: &[&str], columns: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            list.push(Candidate {
                name: name.to_owned(),
                keys: owned(keys),
                columns: owned(columns),
            });
        };
        let birth = self.all(BirthDate).first().map(|(name, _)| format!("CAST({name} AS VARCHAR)"));
        let postcode = self.first(Postcode);
        let city = self.first(City);
        let street = self.first(Street);
        for (name, _) in self.all(Email) {
            add(name, &[name], &[name]);
            add(
                "email_user",
                &[&format!("regexp_replace(split_part({name}, '@', 1), '[^a-z0-9]', '', 'g')")],
                &[name],
            );
        }
        for (name, _) in self.all(Phone) {
            add(name, &[&format!("right(regexp_replace({name}, '[^0-9]', '', 'g'), 8)")], &[name]);
        }
        for (name, _) in self.all(Identifier) {
            add(name, &[name], &[name]);
        }
        if let Some((given, family)) = self.person() {
            let (given_sound, family_sound) =
                (format!("name_skeleton({given})"), format!("name_skeleton({family})"));
            let initial = format!("left(text_fold({given}), 1)");
            add("given", &[&given_sound], &["given"]);
            add("family", &[&family_sound], &["family"]);
            add("family_start", &[&format!("left({family_sound}, 3)")], &["family"]);
            add("initial", &[&initial], &["given"]);
            add("names", &[&given_sound, &family_sound], &["given", "family"]);
            add(
                "swapped_names",
                &[
                    &format!("least({given_sound}, {family_sound})"),
                    &format!("greatest({given_sound}, {family_sound})"),
                ],
                &["given", "family"],
            );
            if let Some(birth) = &birth {
                add("birth_and_given", &[birth, &given_sound], &["birth", "given"]);
                add("birth_and_family", &[birth, &family_sound], &["birth", "family"]);
                add(
                    "birth_year_and_names",
                    &[&format!("left({birth}, 4)"), &format!("left({family_sound}, 3)"), &initial],
                    &["birth", "family", "given"],
                );
            }
            if let Some(postcode) = postcode {
                add("postcode_and_family", &[postcode, &family_sound], &["postcode", "family"]);
                add("postcode_and_given", &[postcode, &given_sound], &["postcode", "given"]);
            }
            if let Some(city) = city {
                add(
                    "city_and_family",
                    &[&format!("name_skeleton({city})"), &family_sound, &initial],
                    &["city", "family", "given"],
                );
            }
        } else {
            for (name, _) in self.all(GivenName).into_iter().chain(self.all(FamilyName)) {
                add(name, &[&format!("name_skeleton({name})")], &[name]);
            }
        }
        if let (Some(birth), Some(postcode)) = (&birth, postcode) {
            add("birth_and_postcode", &[birth, postcode], &["birth", "postcode"]);
        }
        if let (Some(birth), Some(city)) = (&birth, city) {
            add("birth_and_city", &[birth, &format!("name_skeleton({city})")], &["birth", "city"]);
        }
        if let Some(birth) = &birth {
            add("birth", &[birth], &["birth"]);
            add("birth_year", &[&format!("left({birth}, 4)")], &["birth"]);
            add("birth_day", &[&format!("right({birth}, 5)")], &["birth"]);
        }
        if let Some(postcode) = postcode {
            add("postcode", &[postcode], &["postcode"]);
        }
        if let Some(city) = city {
            add("city", &[&format!("name_skeleton({city})")], &["city"]);
        }
        if let Some(street) = street {
            let (words, own_number) =
                (format!("address_street({street})"), format!("address_number({street})"));
            let number = self.first(HouseNumber).unwrap_or(&own_number);
            add("street", &[&words], &["street"]);
            add("number", &[number], &["number"]);
            add("street_and_number", &[&words, number], &["street", "number"]);
            if let Some(postcode) = postcode {
                add("street_and_postcode", &[&words, postcode], &["street", "postcode"]);
                add("number_and_postcode", &[number, postcode], &["number", "postcode"]);
            }
            if let Some(city) = city {
                add(
                    "number_and_city",
                    &[number, &format!("name_skeleton({city})")],
                    &["number", "city"],
                );
            }
        }
        if let (Some(latitude), Some(longitude)) = (self.first(Latitude), self.first(Longitude)) {
            // Two grids, of which one or the other holds two places near each other, mostly.
            for (grid, shift) in [("grid", "0"), ("shifted_grid", "0.5")] {
                let cell = |own: &str| {
                    format!("CAST(floor(TRY_CAST({own} AS DOUBLE) * 50 + {shift}) AS VARCHAR)")
                };
                add(grid, &[&cell(latitude), &cell(longitude)], &["latitude", "longitude"]);
            }
        }
        for (name, _) in self.all(OrganisationName) {
            let clean = format!("organisation_name({name})");
            add(&format!("{name}_sound"), &[&format!("name_skeleton({clean})")], &[name]);
            add(&format!("{name}_words"), &[&format!("tokens({clean})")], &[name]);
            add(
                &format!("{name}_start"),
                &[&format!("left(replace({clean}, ' ', ''), 6)")],
                &[name],
            );
        }
        for (name, _) in self.all(Title) {
            add(&format!("{name}_words"), &[&format!("tokens({name})")], &[name]);
            add(
                &format!("{name}_start"),
                &[&format!("left(replace(text_fold({name}), ' ', ''), 12)")],
                &[name],
            );
        }
        for (name, _) in self.all(Title) {
            // Half the words in common are met almost surely; and words with digits, as models have.
            add(&format!("{name}_minhash"), &[&format!("minhash_bands({name}, 16, 2)")], &[name]);
            let code = format!(
                "regexp_extract(upper({name}), '([A-Z]*[0-9]+[A-Z0-9]*[0-9]{{2,}}[A-Z0-9]*)')"
            );
            add(&format!("{name}_code"), &[&code], &[name]);
            add(&format!("{name}_stem"), &[&stem(name)], &[name]);
        }
        for (name, _) in self.all(OrganisationName) {
            let bands = format!("minhash_bands(organisation_name({name}), 16, 3, 3)");
            add(&format!("{name}_minhash"), &[&bands], &[name]);
        }
        for (name, _) in self.all(Authors) {
            add(&format!("{name}_words"), &[&format!("tokens({name})")], &[name]);
        }
        for (name, _) in self.all(Text).into_iter().chain(self.all(Url)) {
            add(name, &[&format!("text_fold({name})")], &[name]);
        }
        for (name, _) in self.all(FreeText) {
            add(
                &format!("{name}_start"),
                &[&format!("left(replace(text_fold({name}), ' ', ''), 24)")],
                &[name],
            );
        }
        list
    }

    fn groups(&self) -> Vec<(&'static str, Vec<String>)> {
        let of = |meanings: &[Meaning]| -> Vec<String> {
            let own = self.attributes.iter().filter(|own| meanings.contains(&own.meaning));
            own.map(|own| own.name.clone()).collect()
        };
        let name = of(&[GivenName, MiddleName, FamilyName]);
        let address = of(&[Street, HouseNumber, AddressMore, City, Postcode, State, Country]);
        let place = of(&[Latitude, Longitude]);
        let groups = [("whole_name", name), ("whole_address", address), ("whole_place", place)];
        groups.into_iter().filter(|(_, own)| own.len() > 1).collect()
    }
}

/// Whether almost every value is a date of a calendar. Others are kept as text: a slip that makes no
/// day of them is still a slip.
fn clean_dates(own: &Understood) -> bool {
    own.profile.date > 0.985
}

/// Whether dates of a column are written with the month first.
pub(super) fn month_first(own: &Understood) -> bool {
    own.profile.month_first > own.profile.day_first
}

fn date(month_first: bool) -> &'static str {
    if month_first { "date_parse({}, 'mdy')" } else { "date_parse({})" }
}

/// SQL of dates as text, year first, with those that are no day of a calendar in the same form.
pub(super) fn date_or_text(month_first: bool) -> String {
    let last = if month_first { r"\3-\1-\2" } else { r"\3-\2-\1" };
    let (year, two) = ("([0-9]{4})", "([0-9]{2})");
    let year_first = format!(
        r"regexp_replace(digits_ascii(text_clean({{}})), '^{year}[^0-9]?{two}[^0-9]?{two}$', '\1-\2-\3')"
    );
    let either =
        format!("regexp_replace({year_first}, '^{two}[^0-9]{two}[^0-9]{year}$', '{last}')");
    format!("coalesce(CAST({} AS VARCHAR), {either})", date(month_first))
}

/// SQL of the clean value of a column, with `{}` for it.
pub(super) fn cleaning(own: &Understood, country: Option<&str>) -> String {
    let country = country.map(|country| format!(", {country}")).unwrap_or_default();
    let clean = match own.meaning {
        BirthDate if clean_dates(own) => date(month_first(own)).to_owned(),
        BirthDate => date_or_text(month_first(own)),
        Email => "email_normalise({})".to_owned(),
        Phone => format!(
            "coalesce(phone_e164({{}}{country}), nullif(regexp_replace(digits_ascii({{}}), '[^0-9+]', '', 'g'), ''))"
        ),
        Postcode => format!("coalesce(postcode_normalise({{}}{country}), upper(text_clean({{}})))"),
        Identifier => {
            "nullif(upper(regexp_replace(digits_ascii({}), '[^0-9A-Za-z]', '', 'g')), '')"
                .to_owned()
        }
        Number | Year | Latitude | Longitude if own.profile.number > 0.9 => {
            "nullif(regexp_replace(digits_ascii({}), '[^0-9.-]', '', 'g'), '')".to_owned()
        }
        Url => "rtrim(regexp_replace(lower(text_clean({})), '^(https?://)?(www[.])?', ''), '/')"
            .to_owned(),
        _ => "text_clean({})".to_owned(),
    };
    if own.profile.stand_ins > 0 {
        // Words that stand for no value must not agree with each other.
        let words: Vec<String> = super::content::NONE
            .iter()
            .filter(|word| !word.is_empty())
            .map(|word| format!("'{word}'"))
            .collect();
        return format!("CASE WHEN text_fold({{}}) NOT IN ({}) THEN {clean} END", words.join(", "));
    }
    clean
}

/// The survivorship rule of a meaning.
pub(super) fn survives(meaning: Meaning) -> &'static str {
    match meaning {
        FullName | OrganisationName | Title | FreeText | Authors | Street | GivenName
        | FamilyName | MiddleName => "longest",
        _ => "most_frequent",
    }
}

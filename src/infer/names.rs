//! What a column's name says of its meaning, in several languages.
//!
//! Knows how columns are called; refuses to look at a value. A hint is weak where a name is used
//! for several things (`name`, `number`): content and the other columns decide then.

use super::Meaning::{self, *};
use crate::functions::script::text_fold;

/// Names by meaning, each with how much it says (1: as good as certain). Folded when used, so that
/// letter forms and accents do not matter, and parted by `|`; a name of several words is met as a run of words.
const HINTS: &[(Meaning, f64, &str)] = &[
    (
        GivenName,
        1.0,
        "given name|first name|forename|christian name|given|firstname|givenname|fname|\
         name first|nombre de pila|primer nombre|nombres|prenom|vorname|rufname|\
         primeiro nome|nome proprio|voornaam|imie|imya|имя|الاسم الاول|الاسم الأول|اسم اول|\
         نام کوچک|نام|isim|ad",
    ),
    (GivenName, 0.6, "nombre|nome|الاسم|first"),
    (
        FamilyName,
        1.0,
        "family name|last name|surname|lastname|familyname|lname|name last|family|sname|\
         apellido|apellidos|primer apellido|apellido paterno|nom de famille|nachname|\
         familienname|sobrenome|apelido|cognome|achternaam|nazwisko|фамилия|soyad|soyadi|\
         soyisim|اسم العائلة|العائلة|اللقب|اسم الاسرة|الكنية|نام خانوادگی|خانوادگی|فامیل|\
         شهرت",
    ),
    (FamilyName, 0.6, "last|nom"),
    (
        MiddleName,
        1.0,
        "middle name|middle initial|middlename|second name|father name|fathers name|\
         patronymic|segundo nombre|segundo apellido|apellido materno|deuxieme prenom|\
         zweiter vorname|отчество|اسم الاب|اسم الأب|الاسم الثاني|نام پدر",
    ),
    (MiddleName, 0.6, "middle"),
    (
        FullName,
        1.0,
        "full name|fullname|person name|customer name|client name|contact name|patient name|\
         member name|employee name|student name|display name|holder name|cardholder|\
         nombre completo|nombre y apellido|nombre y apellidos|nom complet|nom et prenom|\
         vollstandiger name|nome completo|фио|الاسم الكامل|اسم العميل|الاسم الثلاثي|\
         الاسم الرباعي|نام و نام خانوادگی|نام کامل|نام مشتری|ad soyad",
    ),
    (FullName, 0.5, "name|contact|person|customer|nombre|nome|الاسم|اسم|نام|имя"),
    (
        OrganisationName,
        1.0,
        "organisation name|organization name|organisation|organization|company|company name|\
         business name|firm|employer|legal name|trade name|trading name|vendor|vendor name|\
         supplier|supplier name|account name|institution|site name|school name|store name|\
         shop name|restaurant|restaurant name|hotel name|agency|dba|empresa|razon social|\
         nombre comercial|organizacion|compania|proveedor|societe|entreprise|raison sociale|\
         firma|firmenname|unternehmen|azienda|ragione sociale|компания|организация|\
         اسم الشركة|الشركة|شركة|المؤسسة|المنشأة|اسم المنظمة|نام شرکت|شرکت|سازمان|موسسه|\
         نام سازمان|فروشگاه",
    ),
    (OrganisationName, 0.5, "name|account|site|nombre|nome|nom|الاسم|نام|client"),
    (
        Title,
        1.0,
        "product name|product title|item name|paper title|article title|book title|song|\
         track|song title|movie|movie title|film|model name|titulo|titre|titel|titolo|\
         название|producto|nombre del producto|articulo|produit|produkt|العنوان الرئيسي|\
         اسم المنتج|المنتج|عنوان الكتاب|نام محصول|محصول|نام کالا|کالا|نام کتاب|album|\
         headline|subject",
    ),
    (Title, 0.8, "title|product|item|عنوان"),
    (Title, 0.4, "name|model"),
    (
        FreeText,
        1.0,
        "description|abstract|summary|comment|comments|notes|note|remarks|details|text|body|\
         review|descripcion|resumen|comentario|comentarios|observaciones|notas|descricao|\
         beschreibung|bemerkung|описание|الوصف|وصف|ملاحظات|تعليق|توضیحات|شرح|یادداشت",
    ),
    (
        BirthDate,
        1.0,
        "birth date|date of birth|dob|birthdate|birthday|born|birth|dateofbirth|bday|d o b|\
         fecha de nacimiento|fecha nacimiento|nacimiento|date de naissance|naissance|\
         geburtsdatum|geburtstag|data de nascimento|nascimento|data di nascita|geboortedatum|\
         дата рождения|dogum tarihi|تاريخ الميلاد|الميلاد|تاريخ الولادة|تاریخ تولد|تولد|\
         fecha nac|f nacimiento",
    ),
    (
        Date,
        1.0,
        "date|created|created at|created on|updated|updated at|modified|modified at|\
         last modified|timestamp|registered|registration date|signup date|start date|\
         end date|founded|opened|date added|last seen|expiry|expires|issued|inserted|time|\
         fecha|fecha de alta|fecha de registro|datum|data|дата|تاريخ|التاريخ|تاریخ|تاریخ ثبت",
    ),
    (
        Year,
        1.0,
        "year|publication year|pub year|year published|release year|ano|annee|jahr|anno|год|\
         السنة|سنة|سال|سال انتشار|yr|birth year|year of birth|ano de nacimiento",
    ),
    (
        Email,
        1.0,
        "email|e mail|mail|email address|emailaddress|correo|correo electronico|courriel|\
         почта|البريد الالكتروني|البريد|بريد الكتروني|الايميل|ایمیل|پست الکترونیک|رایانامه|\
         eposta|e posta",
    ),
    (
        Phone,
        1.0,
        "phone|phone number|telephone|tel|mobile|mobile number|cell|cell phone|cellphone|\
         landline|home phone|work phone|fax|telefono|telefono movil|movil|celular|telefon|\
         telefonnummer|handy|portable|telefone|cellulare|телефон|whatsapp|msisdn|\
         contact number|الهاتف|هاتف|رقم الهاتف|الجوال|جوال|رقم الجوال|موبايل|تلفن|تلفن همراه|\
         موبایل|شماره تلفن|شماره همراه|همراه",
    ),
    (
        Street,
        1.0,
        "street|street address|address|address 1|address line 1|address1|addr|addr1|addr 1|\
         street name|line 1|road|mailing address|home address|direccion|domicilio|calle|\
         adresse|rue|strasse|anschrift|endereco|rua|morada|indirizzo|via|адрес|улица|adres|\
         straat|العنوان|عنوان|الشارع|شارع|آدرس|نشانی|خیابان",
    ),
    (
        AddressMore,
        1.0,
        "address 2|address line 2|address2|address 3|address line 3|addr2|addr 2|line 2|unit|\
         apartment|apt|suite|floor|building|flat|locality|district|neighbourhood|\
         neighborhood|barrio|colonia|urbanizacion|piso|departamento|edificio|bairro|quartier|\
         ortsteil|الحي|المنطقة|شقة|محله|پلاک|واحد|منطقه",
    ),
    (
        HouseNumber,
        1.0,
        "house number|house no|street number|street no|streetnumber|housenumber|\
         building number|street num|addr number|number in street|numero de casa|\
         numero exterior|hausnummer|numero civico|huisnummer|дом|رقم المبنى|رقم المنزل|\
         شماره پلاک|stnum|house",
    ),
    (
        City,
        1.0,
        "city|town|suburb|village|municipality|place|city name|ciudad|poblacion|municipio|\
         localidad|ville|commune|stadt|ort|wohnort|cidade|citta|comune|plaats|miasto|город|\
         sehir|il|المدينة|مدينة|شهر|شهرستان",
    ),
    (
        Postcode,
        1.0,
        "postcode|post code|postal code|postalcode|zip|zip code|zipcode|postal|pincode|\
         pin code|codigo postal|cp|code postal|plz|postleitzahl|cep|cap|индекс|posta kodu|\
         الرمز البريدي|رمز بريدي|کد پستی|کدپستی|eircode",
    ),
    (
        State,
        1.0,
        "state|province|region|county|state province|estado|provincia|comunidad|\
         comunidad autonoma|bundesland|kanton|departement|regione|uf|область|المحافظة|محافظة|\
         الولاية|الاقليم|استان|governorate|prefecture",
    ),
    (
        Country,
        1.0,
        "country|country code|nation|nationality|country name|pais|nacionalidad|pays|land|\
         paese|nazione|страна|ulke|الدولة|البلد|دولة|الجنسية|کشور|ملیت",
    ),
    (
        Identifier,
        1.0,
        "national id|ssn|social security|social security number|soc sec id|soc sec|nin|nino|\
         tax id|tax number|vat|vat number|tin|ein|passport|passport number|driver license|\
         drivers license|licence number|license number|medicare|nhs number|nhs|\
         personal number|identity number|id number|id card|isbn|issn|doi|ean|upc|gtin|sku|\
         mpn|part number|model number|modelno|barcode|asin|pmid|orcid|lei|duns|dni|nif|nie|\
         cedula|cif|rut|rfc|curp|rif|cpf|cnpj|cuit|codice fiscale|siren|siret|pesel|bsn|\
         steuernummer|инн|снилс|iban|account number|card number|loyalty card|customer number|\
         member number|registration number|company number|licence|license|vin|imei|mrn|\
         رقم الهوية|الرقم القومي|الرقم الوطني|رقم الجواز|الرقم الضريبي|السجل التجاري|کد ملی|\
         شماره ملی|شماره شناسنامه|شناسه ملی|کد اقتصادی|شماره ثبت|شابک",
    ),
    (
        RecordId,
        1.0,
        "id|record id|rec id|recid|row id|rowid|rid|uid|unique id|uniqueid|uuid|guid|key|pk|\
         index|idx|record|row|row number|record number|record no|seq|sequence|serial|\
         identificador|codigo|clave|identifiant|kennung|معرف|المعرف|الرقم|شناسه|ردیف|کد|no|\
         nr|code",
    ),
    (Sex, 1.0, "sex|gender|sexo|genero|sexe|geschlecht|sesso|пол|cinsiyet|الجنس|النوع|جنس|جنسیت"),
    (
        Authors,
        1.0,
        "author|authors|author names|creators|creator|artists|artist|autor|autores|auteur|\
         auteurs|autoren|autori|авторы|автор|المؤلف|المؤلفون|نویسنده|نویسندگان|مولف|\
         contributors|writer|writers|director|performers",
    ),
    (
        Venue,
        1.0,
        "venue|journal|conference|booktitle|publisher|proceedings|publication|revista|\
         editorial|editora|zeitschrift|verlag|rivista|المجلة|دار النشر|الناشر|مجله|ناشر|\
         label|series",
    ),
    (
        Brand,
        1.0,
        "brand|manufacturer|maker|make|marca|fabricante|marque|fabricant|hersteller|marke|\
         produttore|марка|производитель|الماركة|العلامة التجارية|الشركة المصنعة|برند|سازنده|\
         تولید کننده",
    ),
    (
        Number,
        1.0,
        "price|cost|amount|total|balance|salary|income|age|weight|height|length|width|\
         quantity|qty|count|score|rating|size|volume|pages|duration|employees|capacity|\
         population|value|precio|importe|edad|peso|cantidad|prix|preis|alter|prezzo|preco|\
         idade|цена|возраст|السعر|العمر|المبلغ|الكمية|قیمت|سن|مبلغ|تعداد",
    ),
    (Latitude, 1.0, "lat|latitude|latitud|breitengrad|y coord|خط العرض|عرض جغرافیایی|geo lat"),
    (
        Longitude,
        1.0,
        "lon|lng|long|longitude|longitud|langengrad|x coord|خط الطول|طول جغرافیایی|geo lon|\
         geo lng",
    ),
    (
        Category,
        1.0,
        "type|category|class|kind|status|cuisine|genre|department|segment|language|currency|\
         colour|color|tipo|categoria|clase|estado civil|idioma|categorie|kategorie|typ|тип|\
         النوع|الفئة|الحالة|نوع|دسته|دسته بندی|وضعیت|marital status|industry|sector|group|\
         grade|level|flag|active|salutation|prefix|suffix|honorific|tratamiento|occupation|\
         profession|job|job title|position|ethnicity|race",
    ),
    (
        Url,
        1.0,
        "url|website|web|homepage|web site|link|web page|domain|sitio web|pagina web|\
         site web|webseite|сайт|الموقع|الموقع الالكتروني|وبسایت|وب سایت|image|image url",
    ),
    (
        Source,
        1.0,
        "source|data source|source system|dataset|origin|system|source file|database|fuente|\
         origen|quelle|المصدر|منبع|file name|source name",
    ),
];

/// A column's name as folded words: `BirthDate`, `birth_date` and `birth-date` are the same.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut parted = String::with_capacity(name.len() + 8);
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(at + 1);
        let begins = match before {
            Some(before) => {
                (letter.is_uppercase()
                    && (before.is_lowercase()
                        || (before.is_uppercase()
                            && after.is_some_and(|next| next.is_lowercase()))))
                    || (letter.is_ascii_digit() != before.is_ascii_digit())
            }
            None => false,
        };
        if begins {
            parted.push(' ');
        }
        parted.push(if letter.is_alphanumeric() || !letter.is_ascii() { *letter } else { ' ' });
    }
    text_fold(&parted).map(|text| text.split(' ').map(str::to_owned).collect()).unwrap_or_default()
}

/// What a column's name says: each meaning that it may have, with how much it says, 0 to 1, and the
/// known name that it met. The more of the name is met the more it says.
pub(super) fn hints(name: &str) -> Vec<(Meaning, f64, &'static str)> {
    let whole = words(name);
    // A running number behind a name (`phone_2`) and a table's prefix before it say nothing.
    let own: Vec<&str> = whole.iter().map(String::as_str).collect();
    let mut found: Vec<(Meaning, f64, &'static str)> = Vec::new();
    for (meaning, strength, phrases) in HINTS {
        for phrase in phrases.split('|') {
            let met = met(&own, phrase);
            let says = strength * met;
            if says <= 0.0 {
                continue;
            }
            match found.iter_mut().find(|(known, ..)| known == meaning) {
                Some(known) if known.1 >= says => {}
                Some(known) => (known.1, known.2) = (says, phrase),
                None => found.push((*meaning, says, phrase)),
            }
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found
}

/// How much of a name a phrase meets: 1 for all of it, less where other words stand beside it, more
/// for the last words (`customer city`) than the first (`city hall`).
fn met(own: &[&str], phrase: &str) -> f64 {
    let Some(folded) = text_fold(phrase) else { return 0.0 };
    let phrase: Vec<&str> = folded.split(' ').collect();
    if own == phrase || own.concat() == phrase.concat() {
        return 1.0;
    }
    let plain: Vec<&str> =
        own.iter().copied().filter(|word| !word.chars().all(|c| c.is_ascii_digit())).collect();
    if plain == phrase {
        return 0.95;
    }
    if phrase.len() > own.len() {
        return 0.0;
    }
    let Some(at) = own.windows(phrase.len()).rposition(|run| run == phrase) else { return 0.0 };
    let covered = phrase.len() as f64 / own.len() as f64;
    let last = at + phrase.len() == own.len();
    (if last { 0.6 } else { 0.4 }) + 0.3 * covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(name: &str) -> Meaning {
        hints(name)[0].0
    }

    #[test]
    fn a_name_is_taken_apart_however_it_is_written() {
        for name in
            ["BirthDate", "birth_date", "birth-date", "Birth Date", "birth.date", "BIRTH_DATE"]
        {
            assert_eq!(words(name), ["birth", "date"], "{name}");
        }
        assert_eq!(words("phone2"), ["phone", "2"]);
        assert_eq!(words("customerID"), ["customer", "id"]);
    }

    #[test]
    fn names_in_four_languages_are_known() {
        for (name, meaning) in [
            ("given_name", GivenName),
            ("FirstName", GivenName),
            ("surname", FamilyName),
            ("primer apellido", FamilyName),
            ("Fecha de nacimiento", BirthDate),
            ("Correo electrónico", Email),
            ("Teléfono móvil", Phone),
            ("Código Postal", Postcode),
            ("الاسم الأول", GivenName),
            ("رقم الجوال", Phone),
            ("تاريخ الميلاد", BirthDate),
            ("المدينة", City),
            ("نام خانوادگی", FamilyName),
            ("کد ملی", Identifier),
            ("تاریخ تولد", BirthDate),
            ("شهر", City),
            ("soc_sec_id", Identifier),
            ("street_number", HouseNumber),
            ("address_1", Street),
            ("address_2", AddressMore),
            ("customer_email_address", Email),
            ("phone_2", Phone),
            ("date_of_birth", BirthDate),
            ("company_name", OrganisationName),
            ("authors", Authors),
            ("unique_id", RecordId),
        ] {
            assert_eq!(first(name), meaning, "{name}: {:?}", hints(name));
        }
        assert!(hints("xqz").is_empty());
    }

    #[test]
    fn every_hint_has_words() {
        for (meaning, strength, phrases) in HINTS {
            assert!((0.0..=1.0).contains(strength), "{meaning:?}");
            for phrase in phrases.split('|') {
                assert!(text_fold(phrase).is_some(), "{meaning:?} {phrase}");
            }
        }
    }
}

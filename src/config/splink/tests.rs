use super::*;

const TRAINED: &str = include_str!("../../../fixtures/splink/trained_people.json");
const LIBRARY: &str = include_str!("../../../fixtures/splink/comparison_library.json");

fn comparison<'a>(imported: &'a Imported, name: &str) -> &'a ComparisonSettings {
    imported.resolve.comparisons.iter().find(|own| own.name == name).expect(name)
}

fn sql(imported: &Imported, name: &str) -> Vec<String> {
    let own = comparison(imported, name);
    assert_eq!(own.kind, "sql", "{name}");
    own.levels
        .iter()
        .map(|level| match level {
            Level::Text(sql) => sql.clone(),
            Level::Number(number) => number.to_string(),
        })
        .collect()
}

fn numbers(imported: &Imported, name: &str, kind: &str) -> Vec<f64> {
    let own = comparison(imported, name);
    assert_eq!(own.kind, kind, "{name}");
    own.levels.iter().filter_map(|level| level.threshold(None)).collect()
}

#[test]
fn a_trained_model_comes_with_its_probabilities() {
    let imported = read(TRAINED).unwrap();
    assert_eq!(imported.prior, Some(0.0003146003146003146));
    assert_eq!(
        (imported.unique_id.as_str(), imported.resolve.link),
        ("unique_id", LinkType::DedupeOnly)
    );
    let keys: Vec<&[String]> =
        imported.resolve.blocking.iter().map(|rule| rule.keys.as_slice()).collect();
    assert_eq!(keys[0], ["\"first_name\"", "\"dob\""]);
    assert_eq!(keys[2], ["SUBSTRING(\"email\", 1, 6)"]);
    assert_eq!(keys[3], ["\"city\"", "SUBSTR(\"surname\", 1, 2)"]);
    assert_eq!(numbers(&imported, "first_name", "jaro_winkler"), [0.92, 0.88, 0.7]);
    assert_eq!(numbers(&imported, "surname", "jaro_winkler"), [0.9, 0.7]);
    assert!(comparison(&imported, "first_name").term_frequency);
    assert!(!comparison(&imported, "surname").term_frequency);
    assert!(comparison(&imported, "city").term_frequency);
    assert_eq!(numbers(&imported, "city", "exact"), [] as [f64; 0]);
    assert_eq!(sql(&imported, "dob").len(), 5);
    let email = sql(&imported, "email");
    assert!(email[1].contains("NULLIF(regexp_extract(l.\"email\", '^[^@]+', 0), '')"), "{email:?}");
    let given = &imported.resolve.training.given;
    let names: Vec<&str> = given.keys().map(String::as_str).collect();
    assert_eq!(names, ["first_name", "surname", "dob", "city", "email"]);
    for own in given.values() {
        let sum = |list: &[f64]| (list.iter().sum::<f64>() - 1.0).abs() < 1e-9;
        assert!(sum(&own.m) && sum(&own.u) && own.m.len() == own.u.len());
    }
    assert_eq!(given["surname"].m.len(), 4);
    assert!((given["first_name"].m[0] - 0.4912466312213135).abs() < 1e-6);
}

#[test]
fn the_comparison_library_has_counterparts() {
    let imported = read(LIBRARY).unwrap();
    assert_eq!(imported.resolve.link, LinkType::LinkOnly);
    assert_eq!((imported.unique_id.as_str(), imported.source.as_str()), ("record_id", "source"));
    assert!(imported.resolve.training.given.is_empty());
    assert_eq!(numbers(&imported, "tax_id", "edit_distance"), [1.0, 2.0]);
    assert_eq!(numbers(&imported, "phone", "damerau_levenshtein"), [1.0]);
    assert_eq!(numbers(&imported, "city", "jaro"), [0.9]);
    assert_eq!(numbers(&imported, "company", "character_jaccard"), [0.9, 0.7]);
    assert_eq!(numbers(&imported, "dob", "date_difference"), [1.0, 30.4375, 365.25]);
    let names = sql(&imported, "first_name_surname");
    assert_eq!(names.len(), 6);
    assert!(
        names[1].contains("l.\"first_name\" = r.\"surname\" AND r.\"first_name\" = l.\"surname\"")
    );
    let emails = sql(&imported, "emails");
    assert!(
        emails[0].contains("array_length(array_intersect(l.\"emails\", r.\"emails\")) >= 2"),
        "{emails:?}"
    );
    assert!(sql(&imported, "latitude_longitude")[0].contains("radians(l.\"latitude\")"));
    assert!(sql(&imported, "amount")[1].contains("< 0.1"));
    assert_eq!(sql(&imported, "middle").len(), 4);
    assert_eq!(sql(&imported, "postcode").len(), 4);
    let blocking = &imported.resolve.blocking;
    assert_eq!(blocking[1].keys, ["\"surname\"", "SUBSTRING(\"dob\", 1, 4)"]);
    assert_eq!(blocking[2].keys, ["\"emails\""]);
    assert!(
        imported.notes.iter().any(|note| note.contains("`surname` at level")),
        "{:?}",
        imported.notes
    );
}

#[test]
fn null_and_else_are_needed_for_nothing_to_be_guessed() {
    let level = |sql: &str| format!(r#"{{"sql_condition": "{sql}"}}"#);
    let settings = |levels: &[&str]| {
        let levels: Vec<String> = levels.iter().map(|sql| level(sql)).collect();
        format!(
            r#"{{"link_type": "link_and_dedupe", "comparisons": [
                {{"output_column_name": "name", "comparison_levels": [{}]}}]}}"#,
            levels.join(",")
        )
    };
    let kind =
        |levels: &[&str]| read(&settings(levels)).unwrap().resolve.comparisons[0].kind.clone();
    // Without a null level a missing value is all else: our kinds say nothing of it.
    assert_eq!(kind(&["name_l = name_r", "ELSE"]), "sql");
    let refused = |levels: &[&str]| read(&settings(levels)).unwrap_err().to_string();
    assert!(refused(&["name_l = name_r"]).contains("level ELSE: it is missing"));
    assert!(refused(&["ELSE"]).contains("none but null and ELSE"));
    for (sql, why) in [
        ("cosine_similarity(name_l, name_r) > 0.9", "the function `cosine_similarity`"),
        ("name_l = other", "`other` ends in neither _l nor _r"),
        ("list_transform(name_l, x -> x) = name_r", "has no counterpart"),
        ("name_l = (SELECT 1)", "has no counterpart"),
        ("try_strptime(name_l, '%d/%m/%Y') IS NULL", "the format `%d/%m/%Y`"),
        ("name_l = ", "not understood"),
    ] {
        let error = refused(&[sql, "ELSE"]);
        assert!(error.contains("comparison `name`, level 1"), "{error}");
        assert!(error.contains(why), "{sql}: {error}");
    }
}

#[test]
fn a_comparison_of_which_a_level_is_untrained_is_trained_anew() {
    let settings = r#"{"link_type": "dedupe_only", "comparisons": [{"output_column_name": "name",
        "comparison_levels": [
            {"sql_condition": "name_l IS NULL OR name_r IS NULL", "is_null_level": true},
            {"sql_condition": "name_l = name_r", "m_probability": 0.9},
            {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.9}]}]}"#;
    let imported = read(settings).unwrap();
    assert!(imported.resolve.training.given.is_empty());
    assert_eq!(imported.notes.len(), 1, "{:?}", imported.notes);
    let whole =
        settings.replace(r#""m_probability": 0.9"#, r#""m_probability": 0, "u_probability": 2"#);
    let given = read(&whole).unwrap().resolve.training.given;
    assert!(given["name"].m[0] > 0.0 && (given["name"].u[0] - 2.0 / 2.9).abs() < 1e-12);
}

#[test]
fn blocking_rules_are_keys_and_the_rest_is_said() {
    let keys = |sql: &str| condition::blocking_keys(sql);
    assert_eq!(
        keys("l.City = r.City and l.a <> r.a"),
        Ok((vec!["\"city\"".to_owned()], vec!["l.a <> r.a".to_owned()]))
    );
    assert!(keys("l.a = r.b").is_err());
    assert!(keys("l.a = r.a OR l.b = r.b").is_err());
    assert!(keys("unknown_function(l.a) = unknown_function(r.a)").is_err());
    assert!(read("{}").unwrap_err().to_string().contains("no settings of Splink"));
}

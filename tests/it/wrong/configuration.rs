//! Pipeline files and contracts that are wrong in one way.

use super::{CANARY, Case, PIPELINE, case};

const CONTRACT: &str = "schemas/crm_contacts.odcs.yaml";
const IN_FILE: &str = "pipelines/tiny.yaml:";

/// Adds a table to `enrich`.
const ENRICH: &str = "\nenrich:\n  sums:\n    key: [golden_id]\n    sql: ";

/// Adds a check.
const CHECK: &str = "\nchecks:\n  - name: nobody\n    sql: ";

pub(super) const CASES: &[Case] = &[
    case(
        "no such pipeline file",
        1,
        &["pipelines/tinny.yaml"],
        "name the file that is there",
        |setup| {
            setup.arguments(&["run", "pipelines/tinny.yaml", "--date", "2026-11-01"]);
        },
    ),
    case("a folder for a pipeline file", 1, &["pipelines"], "name the file in it", |setup| {
        setup.arguments(&["run", "pipelines", "--date", "2026-11-01"]);
    }),
    case(
        "a pipeline file that is not UTF-8",
        1,
        &["pipelines/tiny.yaml:"],
        "save it as UTF-8",
        |setup| {
            let mut bytes = setup.text(PIPELINE).into_bytes();
            bytes.extend(b"# \xE9\n");
            setup.write(PIPELINE, bytes);
        },
    ),
    case("a pipeline file that is not YAML", 1, &[IN_FILE], "mend the YAML", |setup| {
        setup.append(PIPELINE, "\nland: [customers\n");
    }),
    case(
        "an empty pipeline file",
        1,
        &[IN_FILE],
        "write the pipeline, or take one from `simurgh init`",
        |setup| {
            setup.write(PIPELINE, "");
        },
    ),
    case("a key twice", 1, &[IN_FILE, "`load`"], "remove one", |setup| {
        setup.replace(PIPELINE, "load: snapshot", "load: snapshot\n    load: delta");
    }),
    case(
        "an unknown key",
        1,
        &[IN_FILE, "`max_remvoed`", "`max_removed`"],
        "correct its name",
        |setup| {
            setup.replace(PIPELINE, "max_removed", "max_remvoed");
        },
    ),
    case("a missing key", 1, &[IN_FILE, "`load`"], "add it", |setup| {
        setup.replace(PIPELINE, "    load: snapshot\n", "");
    }),
    case(
        "a value of a wrong type",
        1,
        &[IN_FILE, "freshness"],
        "give a value of the type",
        |setup| {
            setup.replace(PIPELINE, "load: snapshot", "load: snapshot\n    freshness: soon");
        },
    ),
    case(
        "a value that is none of those allowed",
        1,
        &[IN_FILE, "snapshot"],
        "take one that is allowed",
        |setup| {
            setup.replace(PIPELINE, "load: snapshot", "load: snapshots");
        },
    ),
    case("a threshold out of range", 1, &[IN_FILE, "merge"], "give a probability", |setup| {
        setup.replace(PIPELINE, "merge: 0.9", "merge: 1.9");
    }),
    case(
        "a version that this program does not know",
        1,
        &[IN_FILE, "version"],
        "write `version: 1`",
        |setup| {
            setup.replace(PIPELINE, "version: 1", "version: 7");
        },
    ),
    case(
        "a variable that is not set",
        1,
        &[IN_FILE, "TINY_EXPORTS"],
        "set it, or give it a default",
        |setup| {
            setup.replace(PIPELINE, "${TINY_INPUTS:-fixtures/tiny/in}", "${TINY_EXPORTS}");
        },
    ),
    case(
        "a variable whose value does not fit",
        1,
        &[IN_FILE, "freshness"],
        "set it to a value that fits",
        |setup| {
            setup.replace(
                PIPELINE,
                "load: snapshot",
                "load: snapshot\n    freshness: ${TINY_DAYS}",
            );
            setup.variable("TINY_DAYS", CANARY);
        },
    ),
    case(
        "`--set` of an unknown key",
        1,
        &["--set", "`sorces`", "`sources`"],
        "correct its name",
        |setup| {
            setup.also(&["--set", "sorces.crm_contacts.freshness=3"]);
        },
    ),
    case("`--set` without a value", 1, &["--set", "KEY=VALUE"], "write KEY=VALUE", |setup| {
        setup.also(&["--set", "golden.default_rule"]);
    }),
    case(
        "`--set` of a wrong type",
        1,
        &["--set", "freshness"],
        "give a value of the type",
        |setup| {
            setup.also(&["--set", "sources.crm_contacts.freshness=soon"]);
        },
    ),
    case(
        "a source that is not defined",
        1,
        &[IN_FILE, "`crm_contcats`", "`crm_contacts`"],
        "correct its name",
        |setup| {
            setup.replace(
                PIPELINE,
                "source_priority: [crm_contacts",
                "source_priority: [crm_contcats",
            );
        },
    ),
    case(
        "a source that gives no records",
        1,
        &[IN_FILE, "`crm_contacts`"],
        "write its `records`, or correct its name",
        |setup| {
            setup.replace(PIPELINE, "  - source: crm_contacts", "  - source: crm");
        },
    ),
    case(
        "an unknown comparison",
        1,
        &[IN_FILE, "`person_nam`", "`person_name`"],
        "correct its name",
        |setup| {
            setup.replace(PIPELINE, "type: person_name", "type: person_nam");
        },
    ),
    case(
        "an unknown survivorship rule",
        1,
        &[IN_FILE, "`most_complet`", "`most_complete`"],
        "correct its name",
        |setup| {
            setup.replace(PIPELINE, "rule: most_complete", "rule: most_complet");
        },
    ),
    case(
        "an unknown time zone",
        1,
        &["time_zone", "Africa/Cairoo"],
        "give an IANA name",
        |setup| {
            setup.replace(PIPELINE, "Africa/Cairo", "Africa/Cairoo");
        },
    ),
    case("SQL that cannot be read", 1, &[IN_FILE], "mend the SQL", |setup| {
        setup.replace(
            PIPELINE,
            "SELECT contact_id AS record_id",
            "SELECT , contact_id AS record_id",
        );
    }),
    case("SQL of two statements", 1, &[IN_FILE], "leave one SELECT", |setup| {
        setup.replace(PIPELINE, "FROM raw_crm_contacts", "FROM raw_crm_contacts; SELECT 1");
    }),
    case(
        "SQL over an unknown table",
        1,
        &[IN_FILE, "`raw_crm_contact`", "`raw_crm_contacts`"],
        "correct its name",
        |setup| {
            setup.replace(PIPELINE, "FROM raw_crm_contacts", "FROM raw_crm_contact");
        },
    ),
    case(
        "SQL over an unknown column",
        1,
        &["crm_contacts", "birthdate"],
        "take a column of the contract",
        |setup| {
            setup.replace(PIPELINE, "date_parse(birth_date) AS", "date_parse(birthdate) AS");
        },
    ),
    case(
        "SQL with an unknown function",
        1,
        &["crm_contacts", "text_claen"],
        "correct its name",
        |setup| {
            setup.replace(PIPELINE, "text_clean(full_name)", "text_claen(full_name)");
        },
    ),
    case(
        "SQL with an unknown parameter",
        1,
        &[IN_FILE, "`limt`"],
        "define it under `parameters:`",
        |setup| {
            setup.replace(
                PIPELINE,
                "FROM raw_crm_contacts",
                "FROM raw_crm_contacts WHERE $limt > 1",
            );
        },
    ),
    case(
        "SQL with LIMIT and no order",
        1,
        &[IN_FILE, "LIMIT"],
        "add ORDER BY over a key",
        |setup| {
            setup.replace(PIPELINE, "FROM raw_crm_contacts", "FROM raw_crm_contacts LIMIT 5");
        },
    ),
    case("SQL that asks for the time", 1, &[IN_FILE, "`now`"], "use `$logical_date`", |setup| {
        setup.replace(
            PIPELINE,
            "created_at, modified_at AS updated_at",
            "now() AS created_at, modified_at AS updated_at",
        );
    }),
    case("SQL that sums floats", 1, &["sums"], "cast to a decimal", |setup| {
        let sql = "SELECT golden_id, sum(CAST(member_count AS DOUBLE)) AS weight FROM customers GROUP BY golden_id\n";
        setup.append(PIPELINE, &format!("{ENRICH}{sql}"));
    }),
    case(
        "an unknown computation",
        1,
        &[IN_FILE, "`page_rank`", "`pagerank`"],
        "correct its name",
        |setup| {
            let sql =
                "SELECT golden_id, golden_id AS other_golden_id, 1 AS weight FROM customers\n";
            setup.append(PIPELINE, &format!("{ENRICH}{sql}    compute: page_rank\n"));
        },
    ),
    case(
        "a computation without a column that it reads",
        1,
        &["enrich.sums", "`weight`"],
        "select it",
        |setup| {
            let sql = "SELECT golden_id, golden_id AS other_golden_id FROM customers\n";
            setup.append(PIPELINE, &format!("{ENRICH}{sql}    compute: pagerank\n"));
        },
    ),
    case(
        "a setting of a computation out of range",
        1,
        &["enrich.sums.settings.damping", "from 0 to 0.99"],
        "give a number of the range",
        |setup| {
            let sql =
                "SELECT golden_id, golden_id AS other_golden_id, 1 AS weight FROM customers\n";
            let settings = "    compute: pagerank\n    settings: {damping: 2}\n";
            setup.append(PIPELINE, &format!("{ENRICH}{sql}{settings}"));
        },
    ),
    case(
        "SQL whose file is not there",
        1,
        &[IN_FILE, "sums.sql"],
        "write the file, or mend its path",
        |setup| {
            setup
                .append(PIPELINE, &format!("{}file: sums.sql\n", ENRICH.trim_end_matches("sql: ")));
        },
    ),
    case(
        "records without a `record_id`",
        1,
        &["crm_contacts", "record_id"],
        "select it",
        |setup| {
            setup.replace(PIPELINE, "contact_id AS record_id, kind", "contact_id, kind");
        },
    ),
    case(
        "a column to compare that records do not have",
        1,
        &["birth_day"],
        "take a column of `records`",
        |setup| {
            setup.replace(PIPELINE, "columns: [birth_date]", "columns: [birth_day]");
        },
    ),
    case(
        "an attribute to keep that records do not have",
        1,
        &["full_nam"],
        "take a column of `records`",
        |setup| {
            setup.replace(PIPELINE, "columns: [full_name, given", "columns: [full_nam, given");
        },
    ),
    case(
        "a contract that is not there",
        1,
        &[IN_FILE, "crm_contact.odcs.yaml"],
        "mend its path",
        |setup| {
            setup.replace(PIPELINE, "crm_contacts.odcs.yaml", "crm_contact.odcs.yaml");
        },
    ),
    case("a contract that is not YAML", 1, &[CONTRACT], "mend the YAML", |setup| {
        setup.write(CONTRACT, "kind: [DataContract\n");
    }),
    case(
        "a contract that is no ODCS contract",
        1,
        &[CONTRACT],
        "write `kind: DataContract`",
        |setup| {
            setup.replace(CONTRACT, "kind: DataContract", "kind: DataProduct");
        },
    ),
    case(
        "a contract with an unknown type",
        1,
        &[CONTRACT, "strong"],
        "take a type of ODCS",
        |setup| {
            setup.replace(CONTRACT, "logicalType: string", "logicalType: strong");
        },
    ),
    case(
        "a contract with a pattern that is none",
        1,
        &[CONTRACT, "contact_id"],
        "mend the regular expression",
        |setup| {
            setup.replace(CONTRACT, "^C-[0-9]{6}$", "^C-[0-9{6}$");
        },
    ),
    case(
        "a check that gives rows",
        1,
        &["`nobody`"],
        "look at what the check finds; nothing was published",
        |setup| {
            setup.append(PIPELINE, CHECK);
            setup.append(PIPELINE, "SELECT full_name FROM customers\n");
        },
    ),
    case(
        "a check of a table that is not there",
        1,
        &[IN_FILE, "custmers", "customers"],
        "name a table that is",
        |setup| {
            setup.append(PIPELINE, CHECK);
            setup.append(PIPELINE, "SELECT full_name FROM custmers\n");
        },
    ),
    case(
        "a check of a column that is not there",
        1,
        &["checks.nobody", "last_name"],
        "name a column that is",
        |setup| {
            setup.append(PIPELINE, CHECK);
            setup.append(PIPELINE, "SELECT last_name FROM customers\n");
        },
    ),
    case("a check twice", 1, &[IN_FILE, "`nobody`"], "name each once", |setup| {
        setup.append(PIPELINE, CHECK);
        setup.append(
            PIPELINE,
            "SELECT 1 WHERE false\n  - name: nobody\n    sql: SELECT 1 WHERE false\n",
        );
    }),
    case(
        "an alert that would tell a name",
        1,
        &["alerts.nobody", "`customers.full_name`"],
        "give counts, rates, stages and the like",
        |setup| {
            setup.append(PIPELINE, "alerts:\n  - name: nobody\n    sql: ");
            setup.append(PIPELINE, "SELECT upper(full_name) AS who FROM customers\n");
        },
    ),
    case(
        "the table of the run before, without a contract",
        1,
        &["previous_sums", "sums.odcs.yaml"],
        "write the table's contract",
        |setup| {
            setup.append(PIPELINE, ENRICH);
            setup.append(PIPELINE, "SELECT golden_id FROM previous_sums\n");
        },
    ),
    case(
        "the table of the run before, of a name that nobody has",
        1,
        &[IN_FILE, "previous_totals"],
        "name a table of the pipeline",
        |setup| {
            setup.append(PIPELINE, ENRICH);
            setup.append(PIPELINE, "SELECT golden_id FROM previous_totals\n");
        },
    ),
    case(
        "a table named as one of the run before",
        1,
        &[IN_FILE, "previous_sums"],
        "choose another name",
        |setup| {
            setup.append(PIPELINE, "\nenrich:\n  previous_sums:\n    key: [golden_id]\n    sql: SELECT golden_id FROM customers\n");
        },
    ),
];

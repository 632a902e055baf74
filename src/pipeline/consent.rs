//! What customers stated, read by the pipeline's own SQL; and which records may be compared.
//!
//! Knows where statements come from and that tables for a purpose read no other values; what a
//! statement means is [`crate::consent`]'s.

use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::sql::Parameters;
use crate::config::{Loaded, sql};
use crate::consent::{Consents, LINKING};
use crate::engine::{Engine, refuse_unstable};
use crate::error::{Error, Result};
use crate::resolve::RecordKey;
use crate::tables;

/// The records that may be compared with others, as a table of SQL.
pub(super) const LINKABLE: &str = "linkable_records";

/// Reads what was stated; `records` and facts must be known to the engine.
pub(super) async fn stated(
    engine: &Engine,
    loaded: &Loaded,
    parameters: &Parameters,
) -> Result<Consents> {
    let Some(settings) = &loaded.pipeline.consent else { return Ok(Consents::default()) };
    let statement = parameters.bind(&settings.sql, "consent.sql")?;
    let frame = engine.sql(&statement, "consent.sql").await?;
    refuse_unstable(&frame, "consent.sql")?;
    Consents::new(settings, &engine.collect(frame, "consent.sql").await?)
}

/// Names the records that may be compared; gives the others, each a customer of its own.
pub(super) async fn link(engine: &Engine, consents: &Consents) -> Result<Vec<RecordKey>> {
    let what = "records that may be linked";
    let mut apart: Vec<RecordKey> = Vec::new();
    if consents.asks(LINKING) {
        let keys = "SELECT source, record_id FROM records ORDER BY source, record_id";
        let keys = engine.collect_one(engine.sql(keys, what).await?, what).await?;
        let text = |place: usize| -> Result<StringArray> {
            let column = arrow::compute::cast(keys.column(place), &DataType::Utf8)
                .map_err(|_| Error::bug("a record's key is not text"))?;
            Ok(column.as_string::<i32>().clone())
        };
        let (sources, ids) = (text(0)?, text(1)?);
        let all = sources.iter().zip(&ids).filter_map(|(source, id)| Some((source?, id?)));
        let denied = all.filter(|(source, id)| !consents.links(source, id));
        apart.extend(denied.map(|(source, id)| RecordKey::new(source, id)));
    }
    let frame = match apart.is_empty() {
        true => engine.sql("SELECT * FROM records", what).await?,
        false => {
            let field = |name: &str| Field::new(name, DataType::Utf8, false);
            let schema = Arc::new(Schema::new(vec![field("source"), field("record_id")]));
            let text = |of: fn(&RecordKey) -> &str| -> Arc<dyn Array> {
                Arc::new(StringArray::from_iter_values(apart.iter().map(of)))
            };
            let columns = vec![text(|key| &key.source), text(|key| &key.record_id)];
            let batch = arrow::array::RecordBatch::try_new(Arc::clone(&schema), columns)
                .map_err(|_| Error::bug("keys do not fit their columns"))?;
            engine.register("records_apart", engine.batches(schema, vec![batch])?)?;
            let kept = "SELECT r.* FROM records r LEFT ANTI JOIN records_apart a \
                        ON r.source = a.source AND r.record_id = a.record_id";
            engine.sql(kept, what).await?
        }
    };
    engine.register(LINKABLE, frame)?;
    Ok(apart)
}

/// Holds that a table for a purpose reads personal values only from that purpose's customers.
pub(super) fn check(loaded: &Loaded) -> Result<()> {
    let pipeline = &loaded.pipeline;
    let Some(settings) = &pipeline.consent else { return Ok(()) };
    for (purpose, own) in settings.purposes() {
        let place = format!("consent.{purpose}.tables");
        if purpose == LINKING && !own.tables.is_empty() {
            return Err(Error::configuration(format!("{place}: linking has no tables"))
                .help("name them under `marketing` or `enrichment`"));
        }
        let customers = tables::customers_for(purpose);
        for name in &own.tables {
            let table = pipeline.enrich.get(name).or_else(|| pipeline.profile.get(name));
            let table = table.ok_or_else(|| {
                Error::configuration(format!(
                    "{place}: `{name}` is no table of `enrich` or `profile`"
                ))
                .help("name tables that the pipeline makes by SQL")
            })?;
            let statement = loaded.statement(name, table)?;
            let Ok(read) = sql::check_sql(&statement) else { continue };
            for table in read.tables {
                let of_purpose = table.name == customers || own.tables.contains(&table.name);
                if !of_purpose && is_personal(loaded, &table.name)? {
                    return Err(Error::configuration(format!(
                        "{place}: `{name}` reads `{}`, which holds personal values whatever was consented to",
                        table.name
                    ))
                    .help(format!("read {customers} instead, or a table without personal columns")));
                }
            }
        }
    }
    Ok(())
}

/// Whether a table holds values of records or customers: by its contract, where there is one.
/// Keys alone say who, and not what.
fn is_personal(loaded: &Loaded, table: &str) -> Result<bool> {
    if [tables::CUSTOMERS, tables::RECORDS, tables::CUSTOMER_LINEAGE].contains(&table)
        || tables::PURPOSES.iter().any(|purpose| tables::customers_for(purpose) == table)
    {
        return Ok(true);
    }
    let keys = ["record_id", "source", "golden_id"];
    let personal = match table.strip_prefix("raw_") {
        Some(source) => match loaded.pipeline.sources.get(source) {
            Some(own) => Some(super::check::contract(loaded, &own.contract)?),
            None => None,
        },
        None => super::check::landed_contract(loaded, table)?,
    };
    Ok(personal.is_some_and(|contract| {
        contract.personal_columns().iter().any(|column| !keys.contains(column))
    }))
}

//! `simurgh forget`: a person out of every table and file.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::out::say;
use super::{Done, Global, PipelineFile};
use crate::engine::run_blocking;
use crate::error::{Error, Result};
use crate::pipeline::{self, ForgetRequest, Who};
use crate::resolve::RecordKey;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("who").required(true).args(["record", "golden", "email", "phone"]))]
pub(super) struct Arguments {
    /// The customer of this record, or the customers of several with --all
    #[arg(value_name = "SOURCE:RECORD_ID")]
    record: Vec<String>,
    /// A golden customer, also by an id that was redirected
    #[arg(long, value_name = "ID")]
    golden: Option<String>,
    /// Customers with a record of this e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Customers with a record of this telephone number
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// Forgets all, where several customers are found
    #[arg(long)]
    all: bool,
    /// The pipeline file; else pipeline.yaml here
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// Where the certificate is written; else forgotten-RUN.json here
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Done> {
    let records = arguments.record.iter().map(|address| {
        RecordKey::parse(address.trim()).ok_or_else(|| {
            Error::usage("this is no record's address")
                .help("a record's address is SOURCE:RECORD_ID; for a golden id use --golden")
        })
    });
    let who = match (&arguments.golden, &arguments.email, &arguments.phone) {
        (Some(id), ..) => Who::Golden(id.trim().to_owned()),
        (_, Some(email), _) => Who::Holding(&["email"], email.clone()),
        (_, _, Some(phone)) => Who::Holding(&["phone", "mobile"], phone.clone()),
        _ => Who::Records(records.collect::<Result<_>>()?),
    };
    let request = ForgetRequest {
        pipeline: PipelineFile { pipeline: arguments.pipeline.clone() }.path()?,
        sets: global.sets.clone(),
        warehouse: global.warehouse.clone(),
        who,
        all: arguments.all,
    };
    let folder = arguments.certificate.as_ref().and_then(|file| file.parent());
    if folder.is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(Error::usage("--certificate: there is no such folder")
            .help("the certificate is written last, and cannot be written again: name a folder that is there"));
    }
    let (result, certificate) = run_blocking(pipeline::forget(&request))?;
    let named = || PathBuf::from(format!("forgotten-{}.json", result.run_id));
    let file = arguments.certificate.clone().unwrap_or_else(named);
    let text = format!("{certificate:#}\n");
    std::fs::write(&file, text).map_err(|error| {
        Error::data(format!("{}: cannot be written: {}", file.display(), error.kind())).help(
            "the person is forgotten, and the certificate is lost; name a folder that is there",
        )
    })?;
    let of = |key: &str| result.details.get(key).cloned().unwrap_or_default();
    if !global.json {
        say!(
            "forgotten: customers {}, records {}, golden ids {}; removed: {} rows and {} values, from {} files",
            of("customers_forgotten"),
            of("records_forgotten"),
            of("ids_forgotten"),
            of("rows_removed"),
            of("values_removed"),
            of("files_replaced")
        );
        let after = &certificate["search_afterwards"];
        say!(
            "searched afterwards: {} files, {} bytes, for {} values and addresses; found in none",
            after["files"],
            after["bytes"],
            after["values_and_addresses_searched_for"]
        );
        say!("certificate: {}", file.display());
        say!("run {} of the chain; head {}", result.run_id, result.head);
    }
    let mut json = super::rollback::json(&result)?;
    json["certificate"] = file.display().to_string().into();
    Ok(Done::with(json))
}

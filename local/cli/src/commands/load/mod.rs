//! `pageviews load`.
//!
//! - [`inbox`]: plain files, through the pipeline's own way in.
//! - [`raw`]: a folder that is laid out as the raw zone already.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::console::Console;
use crate::error::{Error, Result};
use crate::inbox::Table;
use crate::session::CloudArguments;

pub(super) mod inbox;
pub(super) mod raw;

const EXAMPLES: &str = "\
Examples:
  pageviews load customers.csv pageviews.csv       plain files, or .csv.gz
  pageviews load exports                           every CSV file in a folder
  pageviews load --table pageviews 2026-01-31.csv
  pageviews load raw --endpoint http://127.0.0.1:4566

Plain files go the pipeline's own way: each is put into the lake's inbox, the function extract-load checks every
row and writes it into its partition of the raw zone, or to the rejects with the reason. The table is told by
the file's name (customers…, pageviews…), else by its header, else by --table:
  customers    customer_id,name,email,created_at,country
  pageviews    view_id,customer_id,url,viewed_at
A file that is refused as a whole is named with its reason, and the exit code is 1. Loading the same file again
changes nothing.

A folder with customers/ and pageviews/ in it is laid out as the raw zone, and goes there directly:
  customers/country=USA/*.csv                  customer_id,name,email,created_at
  pageviews/year=2026/month=01/day=31/*.csv    view_id,customer_id,url,viewed_at
Every file is checked first: its folder, its header, the fields of every row, its encoding. If anything is
wrong, the first problem is named by file, line and field, and nothing is uploaded. Loading again replaces
files of the same name.";

/// Extract and load: put CSV files through the lake's inbox into its raw zone
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LoadArguments {
    /// Files, folders of files, or one folder with customers/ and pageviews/
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What the files hold, whatever their names
    #[arg(long)]
    table: Option<Table>,
    /// Check only; upload nothing (of a folder with customers/ and pageviews/)
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    cloud: CloudArguments,
}

pub(super) async fn run(arguments: &LoadArguments, console: Console) -> Result<()> {
    let laid_out = arguments.paths.iter().find(|path| is_raw_zone(path));
    match (laid_out, arguments.paths.as_slice()) {
        (Some(folder), [_]) if arguments.table.is_none() => raw::run(folder, arguments, console).await,
        (Some(folder), _) => Err(Error::Usage(format!(
            "{} is laid out as the raw zone: give it alone, and without --table",
            folder.display()
        ))),
        (None, _) if arguments.check => {
            Err(Error::Usage("--check is for a folder with customers/ and pageviews/ in it".to_owned()))
        }
        (None, paths) => inbox::run(paths, arguments, console).await,
    }
}

/// A folder without plain CSV files in it: whatever is wrong with it is told by the raw zone's rules.
fn is_raw_zone(path: &Path) -> bool {
    path.is_dir() && crate::inbox::csv_files(path).is_ok_and(|files| files.is_empty())
}

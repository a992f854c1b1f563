//! `pageviews clean`.

use clap::Args;
use serde_json::{Value, json};

use super::operate::{invoke, texts};
use crate::console::{self, Console};
use crate::error::Result;
use crate::session::{CloudArguments, Session};

const EXAMPLES: &str = "\
Examples:
  pageviews clean                           what is older than the template's parameter LeftoverHours
  pageviews clean --older-than-hours 0      everything that no table and no run refers to";

/// Remove what runs have left behind that were killed: temporary tables, folders, manifests, a dead run's lease
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CleanArguments {
    /// How old a leftover must be [default: what the template says]
    #[arg(long, value_name = "HOURS")]
    older_than_hours: Option<u32>,
    #[command(flatten)]
    cloud: CloudArguments,
}

pub(super) async fn run(arguments: &CleanArguments, console: Console) -> Result<()> {
    let session = Session::open(&arguments.cloud, true).await?;
    let event = arguments.older_than_hours.map_or_else(|| json!({}), |hours| json!({"older_than_hours": hours}));
    let answer = invoke(&session, "JanitorFunction", &event).await;
    session.close().await?;
    console.report(&answer?, human)
}

fn human(answer: &Value) -> String {
    let mut lines = Vec::new();
    if let Some(owner) = answer["released"].as_str() {
        lines.push(format!("removed the lease of {owner}, which has ended"));
    }
    for (name, what) in
        [("removed_tables", "the table"), ("removed_folders", "the folder"), ("removed_manifests", "the manifest")]
    {
        lines.extend(texts(answer, name).into_iter().map(|one| format!("removed {what} {one}")));
    }
    lines.extend(texts(answer, "left").into_iter().map(|one| format!("left {one}: it is young, or somebody else's")));
    if lines.is_empty() {
        return "There is nothing to remove.".to_owned();
    }
    let objects = answer["removed_objects"].as_u64().unwrap_or(0);
    lines.push(format!("{} objects removed", console::count(objects)));
    lines.join("\n")
}

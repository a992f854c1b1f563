//! `pageviews rollback`.

use aws_sdk_glue::operation::get_table::GetTableError;
use clap::Args;
use serde_json::{Value, json};

use super::operate::invoke;
use crate::console::Console;
use crate::error::{Error, Result};
use crate::session::{CloudArguments, Session};

/// The version that the last swap replaced.
const PREVIOUS: &str = "pageviews_daily_previous";

const EXAMPLES: &str = "\
Examples:
  pageviews rollback                        back to the version before the last refresh; again, and forth
  pageviews rollback --snapshot 4721…       to a snapshot of the output: select * from \"pageviews_daily$snapshots\"";

/// Return the output to the version before the last refresh, or to one of its snapshots, in one step
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RollbackArguments {
    /// The snapshot that shall be the current one
    #[arg(long, value_name = "ID")]
    snapshot: Option<i64>,
    #[command(flatten)]
    cloud: CloudArguments,
}

pub(super) async fn run(arguments: &RollbackArguments, console: Console) -> Result<()> {
    let session = Session::open(&arguments.cloud, true).await?;
    let answer = roll_back(&session, arguments.snapshot).await;
    session.close().await?;
    console.report(&answer?, human)
}

/// Says where to, not how far: were the call sent twice, the output would still be there.
async fn roll_back(session: &Session, snapshot: Option<i64>) -> Result<Value> {
    let event = match snapshot {
        Some(snapshot) => json!({"snapshot_id": snapshot}),
        None => json!({"metadata_location": previous(session).await?}),
    };
    invoke(session, "RollbackFunction", &event).await
}

async fn previous(session: &Session) -> Result<String> {
    let none = || Error::Usage(format!("there is no {PREVIOUS}: no refresh has replaced a version yet"));
    let request = session.clients.glue.get_table().database_name(session.database()).name(PREVIOUS);
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.as_service_error().is_some_and(GetTableError::is_entity_not_found_exception) => {
            return Err(none());
        }
        Err(error) => return Err(Error::aws("Glue GetTable")(error)),
    };
    let parameters = answer.table().and_then(|table| table.parameters());
    parameters.and_then(|parameters| parameters.get("metadata_location")).cloned().ok_or_else(none)
}

fn human(answer: &Value) -> String {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    if answer["changed"] == false {
        return format!("The output is at {} already.", text("metadata_location"));
    }
    format!("The output is at {} now.\nIt was at {}.", text("metadata_location"), text("replaced_metadata_location"))
}

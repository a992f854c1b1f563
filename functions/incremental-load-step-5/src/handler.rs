//! Removes the catalog entry of this run's temporary table.
//!
//! Input: nothing. Output: whether there was one. Reads no table; removes the entry of `pageviews_daily_<run>`.
//! Safe to run twice: an entry that is absent is success.
//!
//! Only the entry goes, by Glue. Athena's `DROP TABLE` would delete the data with it, and that data is the output now.
//! <https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-drop-table.html>

use serde::{Deserialize, Serialize};
use shared::sql::Identifier;
use shared::{Context, Result};

/// Nothing but who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What was removed.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    temporary_table: Identifier,
    removed: bool,
}

/// Removes the entry.
pub(crate) async fn handle(context: &Context, _: Input) -> Result<Output> {
    let temporary_table = context.temporary_table()?;
    let removed = context.catalog.remove_entry(temporary_table.as_str()).await?;
    Ok(Output { temporary_table, removed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, RUN, Reply, glue};

    #[tokio::test]
    async fn only_the_entry_is_removed() {
        let aws = Aws::new([glue::done(glue::DELETE)]);

        let output = handle(&aws.context(()), Input {}).await.unwrap();

        assert!(output.removed);
        assert_eq!(aws.bodies(glue::DELETE)[0]["Name"], format!("pageviews_daily_{RUN}"));
        assert!(aws.statements().is_empty());
    }

    #[tokio::test]
    async fn a_second_invocation_finds_nothing_and_succeeds() {
        let aws = Aws::new([glue::done(glue::DELETE), Reply::refused(glue::DELETE, "EntityNotFoundException")]);

        handle(&aws.context(()), Input {}).await.unwrap();

        assert!(!handle(&aws.context(()), Input {}).await.unwrap().removed);
    }
}

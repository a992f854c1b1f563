//! Takes the lease on the output, or ends the run at once: one run works at a time.
//!
//! Input: nothing. Output: from which dead run the lease was taken over, and which of its queries were stopped.
//! Reads and writes the lease; asks Step Functions whether its holder lives. Nothing else is touched, so a run that ends
//! here with `AnotherRunInProgress` has changed nothing.
//!
//! A run that was killed cannot stop its queries, and Athena goes on with them. One of them may be the INSERT of a full
//! load, which would meet this run's. So whoever takes over a dead run's lease first stops what that run has left.
//!
//! Safe to run twice, whatever happens between two steps:
//! - *The lease is written and the reply is lost.* The next try finds a lease of its own.
//! - *The function dies after a takeover, before the queries are stopped.* The lease then says whom it is of, and the
//!   former holder is forgotten; so the queries are stopped first, while its lease still stands.
//! - *Two runs take over at once.* The write is conditional: the slower one finds a holder that lives.

use serde::{Deserialize, Serialize};
use shared::context::temporary_table_of;
use shared::lease::{self, Settings};
use shared::{Context, Result};

/// Nothing but who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// Whose lease it was.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    /// The dead run that the lease was taken over from.
    taken_over_from: Option<String>,
    /// Queries of that run which still ran.
    stopped: Vec<String>,
}

/// Takes it.
pub(crate) async fn handle(context: &Context<Settings>, _: Input) -> Result<Output> {
    let folder = &context.settings.lease;
    let dead = lease::dead_holder(context, folder).await?;
    let stopped = match &dead {
        Some(owner) => context.athena.stop_all(&temporary_table_of(owner)?).await?,
        None => Vec::new(),
    };
    lease::acquire(context, folder).await?;
    Ok(Output { taken_over_from: dead, stopped })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canned::{Aws, EXECUTION, Reply, athena, s3, states};

    const OTHER: &str = "arn:aws:states:us-east-1:000000000000:execution:PageViewsTransform:other";

    fn settings() -> Settings {
        Settings { lease: canned::location("s3://lake/lease/") }
    }

    async fn handled(replies: Vec<Vec<Reply>>) -> Result<Output> {
        let aws = Aws::new(replies.concat());
        let output = handle(&aws.context(settings()), Input {}).await;
        aws.assert_finished();
        output
    }

    #[tokio::test]
    async fn a_free_lease_is_taken() {
        let output = handled(vec![vec![s3::no_lease(), s3::done()]]).await.unwrap();

        assert_eq!(output, Output { taken_over_from: None, stopped: vec![] });
    }

    #[tokio::test]
    async fn a_second_try_finds_its_own_lease() {
        let own = || s3::lease(EXECUTION).to_vec();
        let replies = vec![own(), vec![s3::precondition_failed()], own(), vec![s3::done()]];

        assert_eq!(handled(replies).await.unwrap().taken_over_from, None);
    }

    #[tokio::test]
    async fn a_run_that_lives_is_left_alone_and_named() {
        for standing in [states::stands("RUNNING"), states::unknown()] {
            let error = handled(vec![s3::lease(OTHER).to_vec(), vec![standing]]).await.unwrap_err();

            assert_eq!(error.code(), "AnotherRunInProgress");
            assert!(error.to_string().contains(OTHER), "{error}");
        }
    }

    #[tokio::test]
    async fn a_clock_that_jumps_makes_no_run_dead_or_alive() {
        let renewed_at = |time: &str| {
            let lease = serde_json::json!({"owner": OTHER, "renewed_at": time});
            s3::some_lease(lease.to_string().as_bytes()).to_vec()
        };
        // Step Functions says how things are, whenever the lease was renewed.
        for time in ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            let error = handled(vec![renewed_at(time), vec![states::stands("RUNNING")]]).await.unwrap_err();
            assert_eq!(error.code(), "AnotherRunInProgress", "{time}");
            let rest = vec![states::stands("FAILED"), athena::no_queries(), s3::done()];
            assert!(handled(vec![renewed_at(time), rest]).await.unwrap().taken_over_from.is_some(), "{time}");
        }
        // Only of one that it does not know the age counts, and the future is not old.
        let error = handled(vec![renewed_at("9999-12-31T23:59:59Z"), vec![states::unknown()]]).await.unwrap_err();
        assert_eq!(error.code(), "AnotherRunInProgress");
    }

    #[tokio::test]
    async fn what_a_dead_run_left_running_is_stopped_before_its_lease_is_taken_over() {
        let table = temporary_table_of(OTHER).unwrap();
        let insert = format!("insert into x select 1 /* {table} */");
        for ended in ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"] {
            let queries = [
                ("q-1", "RUNNING", insert.as_str()),
                ("q-2", "RUNNING", "select 1"),
                ("q-3", "SUCCEEDED", insert.as_str()),
            ];
            let replies = vec![
                s3::lease(OTHER).to_vec(),
                vec![states::stands(ended)],
                athena::queries(&queries).to_vec(),
                vec![athena::stopped(), athena::cancelled("q-1"), s3::precondition_failed()],
                s3::lease(OTHER).to_vec(),
                vec![states::stands(ended), s3::done()],
            ];

            let output = handled(replies).await.unwrap();

            assert_eq!(output, Output { taken_over_from: Some(OTHER.to_owned()), stopped: vec!["q-1".to_owned()] });
        }
    }

    #[tokio::test]
    async fn of_two_that_take_over_the_slower_finds_one_that_lives() {
        let replies = vec![
            s3::lease(OTHER).to_vec(),
            vec![states::stands("FAILED"), athena::no_queries(), s3::precondition_failed()],
            s3::lease(OTHER).to_vec(),
            vec![states::stands("FAILED"), s3::precondition_failed(), s3::precondition_failed()],
            s3::lease(&OTHER.replace("other", "third")).to_vec(),
            vec![states::stands("RUNNING")],
        ];

        let error = handled(replies).await.unwrap_err();

        assert!(error.to_string().contains("PageViewsTransform:third"), "{error}");
    }

    #[tokio::test]
    async fn a_lease_that_a_stranger_wrote_is_not_taken_for_one() {
        let cases = ["", "mine", "{}", r#"{"owner": "me", "renewed_at": "1970-01-01T00:00:00Z"}"#];
        for content in cases {
            let error = handled(vec![s3::some_lease(content.as_bytes()).to_vec()]).await.unwrap_err();

            assert_eq!(error.code(), "InvalidLease", "{content}");
            assert!(error.to_string().contains("s3://lake/lease/lease.json"), "{error}");
        }
    }
}

//! Wait: for some seconds, or until a moment.

use std::time::Duration;

use chrono::DateTime;
use serde_json::json;

use super::{Acted, Visit};
use crate::definition::Wait;
use crate::run::Halt;

pub(super) async fn act<'r>(visit: &mut Visit<'_, 'r>, wait: &'r Wait) -> Result<Acted<'r>, Halt> {
    let duration = match (&wait.seconds, &wait.timestamp) {
        (Some(seconds), _) => Duration::from_secs(visit.amount(seconds, "Seconds")?),
        (None, Some(timestamp)) => until(visit, timestamp)?,
        (None, None) => Duration::ZERO,
    };
    visit.run.clock.sleep(duration).await;
    Ok(visit.acted(None))
}

/// How long it is until a timestamp; nothing if it has passed.
fn until(visit: &mut Visit<'_, '_>, template: &str) -> Result<Duration, Halt> {
    let value = visit.render(&json!(template), "Timestamp")?;
    let moment = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    match moment {
        Some(moment) => Ok((moment.to_utc() - visit.run.clock.now()).to_std().unwrap_or_default()),
        None => Err(visit.unexpected(template, "Timestamp", "RFC 3339 timestamp", &value)),
    }
}

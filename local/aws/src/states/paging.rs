//! Pages of a list: how many, and from where on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::WireError;

/// The size of a page that is not asked for.
const DEFAULT: i64 = 100;
/// The largest page.
const MAX: i64 = 1000;

/// How many entries a page has; 0 stands for the default, as in AWS.
pub(super) fn limit(max_results: Option<i64>) -> Result<i64, WireError> {
    match max_results.unwrap_or(0) {
        0 => Ok(DEFAULT),
        limit @ 1..=MAX => Ok(limit),
        other => {
            Err(WireError::client("ValidationException", format!("maxResults must be between 0 and {MAX}: {other}")))
        }
    }
}

/// Where a page begins: what its token holds.
pub(super) fn position(token: Option<&str>) -> Result<Option<String>, WireError> {
    let Some(token) = token else { return Ok(None) };
    let invalid = || WireError::client("InvalidToken", format!("Invalid Token: '{token}'"));
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    String::from_utf8(bytes).map(Some).map_err(|_| invalid())
}

/// The same, for positions that are numbers.
pub(super) fn number(token: Option<&str>) -> Result<Option<i64>, WireError> {
    let position = position(token)?;
    let invalid = || WireError::client("InvalidToken", format!("Invalid Token: '{}'", token.unwrap_or_default()));
    position.map(|text| text.parse().map_err(|_| invalid())).transpose()
}

/// A page: `entries` has one more than `limit` if another page follows, which begins after `position` of the last one.
pub(super) fn page<T>(
    key: &str,
    mut entries: Vec<T>,
    limit: i64,
    position: impl Fn(&T) -> String,
    show: impl Fn(&T) -> Value,
) -> Value {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() > limit;
    entries.truncate(limit);
    let mut page = Map::new();
    page.insert(key.to_owned(), entries.iter().map(show).collect());
    if let (true, Some(last)) = (more, entries.last()) {
        page.insert("nextToken".to_owned(), json!(URL_SAFE_NO_PAD.encode(position(last))));
    }
    Value::Object(page)
}

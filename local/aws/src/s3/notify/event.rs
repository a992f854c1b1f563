//! The message of one event. Its structure: version 2.1, whose every field is documented; later ones add to it.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use super::outbox::Planned;

/// `ETag` of a delete marker, which has no bytes: the MD5 of nothing.
const NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// The message for one event. There is no `versionId`: former versions are not kept, and could not be asked for.
pub(super) fn message(event: &Planned, region: &str) -> Value {
    let time = DateTime::from_timestamp_millis(event.time).unwrap_or_default();
    let sequencer = format!("{:016X}", event.number);
    let mut object = Map::new();
    object.insert("key".to_owned(), event_key(&event.key).into());
    if let Some(size) = event.size {
        object.insert("size".to_owned(), size.into());
    }
    let etag = event.description.as_ref().map_or(NOTHING, |description| description.etag.as_str());
    object.insert("eTag".to_owned(), etag.into());
    object.insert("sequencer".to_owned(), sequencer.as_str().into());
    json!({
        "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": region,
            "eventTime": time.to_rfc3339_opts(SecondsFormat::Millis, true),
            "eventName": event.cause,
            "userIdentity": { "principalId": "AWS:local" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": sequencer, "x-amz-id-2": "local" },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": event.configuration,
                "bucket": {
                    "name": event.bucket,
                    "ownerIdentity": { "principalId": "local" },
                    "arn": format!("arn:aws:s3:::{}", event.bucket),
                },
                "object": object,
            },
        }],
    })
}

/// A key as events carry it: a blank as `+`, a slash as it is, other bytes but letters, digits and `-._*` as `%XX`.
pub fn event_key(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' | b'/' => text.push(char::from(byte)),
            b' ' => text.push('+'),
            // Writing to a string cannot fail.
            other => drop(write!(text, "%{other:02X}")),
        }
    }
    text
}

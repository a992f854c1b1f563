//! S3's event notification: which object arrived.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use schema::Timestamp;
use serde::Deserialize;
use shared::{Error, Result};

/// An event. It may hold more than is read here.
#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Record>,
}

/// One object that was created.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    event_version: String,
    event_name: String,
    event_time: String,
    s3: Entity,
}

#[derive(Debug, Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    size: Option<u64>,
    e_tag: Option<String>,
    version_id: Option<String>,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) version_id: Option<String>,
    pub(crate) time: Timestamp,
}

impl Record {
    /// Reads the record.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another kind or version of event.
    pub(crate) fn arrival(&self) -> Result<Arrival> {
        let invalid = |problem: &str| Error::InvalidInput { problem: problem.to_owned() };
        // A minor version only adds: the page above says so.
        if !self.event_version.starts_with("2.") {
            return Err(invalid("eventVersion is not 2"));
        }
        if !self.event_name.starts_with("ObjectCreated:") {
            return Err(invalid("eventName is not ObjectCreated"));
        }
        let object = &self.s3.object;
        Ok(Arrival {
            bucket: self.s3.bucket.name.clone(),
            key: decode(&object.key).ok_or_else(|| invalid("the object's key is not URL-encoded UTF-8"))?,
            size: object.size.unwrap_or(0),
            etag: object.e_tag.clone().ok_or_else(|| invalid("the object has no eTag"))?,
            version_id: object.version_id.clone().filter(|id| !id.is_empty()),
            time: Timestamp::parse(self.event_time.as_bytes()).ok_or_else(|| invalid("eventTime is not a time"))?,
        })
    }
}

/// A key as the event writes it: a blank is `+`, other bytes are `%` and two hexadecimal digits.
fn decode(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, version: &str, key: &str) -> Result<Arrival> {
        let text = format!(
            r#"{{"Records":[{{"eventVersion":"{version}","eventSource":"aws:s3","eventTime":"2026-02-01T03:04:05.678Z",
            "eventName":"{name}","s3":{{"bucket":{{"name":"lake","arn":"arn:aws:s3:::lake"}},
            "object":{{"key":"{key}","size":7,"eTag":"abc","sequencer":"00"}}}}}}]}}"#
        );
        serde_json::from_str::<Input>(&text).unwrap().records[0].arrival()
    }

    #[test]
    fn an_arrival_is_read_from_its_record() {
        let arrival = event("ObjectCreated:Put", "2.4", "inbox/customers/a+b%2Bc%C3%A9.csv").unwrap();

        assert_eq!(arrival.key, "inbox/customers/a b+cé.csv");
        assert_eq!((arrival.bucket.as_str(), arrival.size, arrival.etag.as_str()), ("lake", 7, "abc"));
        assert_eq!(&arrival.time.write(), b"2026-02-01 03:04:05");
    }

    #[test]
    fn other_events_are_refused() {
        for (name, version, key, expected) in [
            ("ObjectRemoved:Delete", "2.1", "x", "eventName"),
            ("ObjectCreated:Put", "3.0", "x", "eventVersion"),
            ("ObjectCreated:Put", "2.1", "%FF", "URL-encoded"),
            ("ObjectCreated:Put", "2.1", "%4", "URL-encoded"),
        ] {
            let error = event(name, version, key).unwrap_err();
            assert_eq!(error.code(), "InvalidInput");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

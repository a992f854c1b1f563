//! Event notifications: who is told when an object is written or removed through this API.
//!
//! - [`event`]: the message, as S3 writes it.
//! - [`outbox`]: events that nobody has taken yet, in one `SQLite` file.
//!
//! An event is written down before its object becomes visible, and crossed out when the listener has it. A process that
//! dies in between looks at its next start whether the write took place: if so it tells, with the same sequencer. What
//! a listener takes just before the process dies it is told again; S3 promises "at least once", too.
//!
//! Files that come into a bucket by another way than this API (the engine's) are not announced.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html>

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::Utc;
use local_engine::lake::{Lake, LakeError, ObjectEntry, S3Uri};
use serde_json::Value;

use super::error::Result;
use super::sidecar::{self, Description};

mod event;
mod outbox;
#[cfg(test)]
mod tests;

pub use event::event_key;
pub use outbox::NotificationError;

use outbox::{Outbox, Planned};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The names of events that are told here, without their `s3:`.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html>
const EVENT_NAMES: [&str; 5] = [
    Cause::Put.name(),
    Cause::Copy.name(),
    Cause::CompleteMultipartUpload.name(),
    Cause::Delete.name(),
    // A browser's form upload, which this API does not have.
    "ObjectCreated:Post",
];

/// Hears of objects; an event is told again unless it was taken.
pub trait ObjectListener: Send + Sync {
    /// Takes an event for the function of this ARN.
    ///
    /// # Errors
    /// Why it could not be taken.
    fn announce(&self, function_arn: &str, event: &Value) -> std::result::Result<(), Source>;
}

/// What a bucket tells to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// `configurationId` in the event.
    pub id: String,
    /// Bucket name.
    pub bucket: String,
    /// Who is told.
    pub function_arn: String,
    /// `s3:ObjectCreated:*`, `s3:ObjectCreated:Put` and the like.
    pub events: Vec<String>,
    /// How the key begins, URL-encoded as in the event; may be empty.
    pub prefix: String,
    /// How the key ends, likewise.
    pub suffix: String,
}

impl Notification {
    fn is_for(&self, bucket: &str, encoded_key: &str, cause: Cause) -> bool {
        self.bucket == bucket
            && encoded_key.starts_with(&self.prefix)
            && encoded_key.ends_with(&self.suffix)
            && self.events.iter().any(|pattern| covers(pattern, cause.name()))
    }

    /// Whether an object may be for both, which S3 does not allow.
    fn overlaps(&self, other: &Self) -> bool {
        let either = |a: &str, b: &str, within: fn(&str, &str) -> bool| within(a, b) || within(b, a);
        let both = |name: &&str| [self, other].iter().all(|one| one.events.iter().any(|event| covers(event, name)));
        self.bucket == other.bucket
            && either(&self.prefix, &other.prefix, |a, b| a.starts_with(b))
            && either(&self.suffix, &other.suffix, |a, b| a.ends_with(b))
            && EVENT_NAMES.iter().any(both)
    }
}

/// Whether an event type, such as `s3:ObjectCreated:*`, is one that this program tells of.
pub fn is_known_event(pattern: &str) -> bool {
    EVENT_NAMES.iter().any(|name| covers(pattern, name))
}

/// Whether the pattern of a configuration covers the name of an event.
fn covers(pattern: &str, name: &str) -> bool {
    let Some(pattern) = pattern.strip_prefix("s3:") else { return false };
    pattern == name || pattern.strip_suffix('*').is_some_and(|family| family.ends_with(':') && name.starts_with(family))
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Put,
    Copy,
    CompleteMultipartUpload,
    /// A delete without a version, as the lake's bucket has versions: it puts a marker on top of them.
    Delete,
}

impl Cause {
    const fn name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Delete => "ObjectRemoved:DeleteMarkerCreated",
        }
    }
}

/// Tells what happens.
pub(super) struct Notifier {
    outbox: Outbox,
    listener: Arc<dyn ObjectListener>,
    region: String,
    deployed: RwLock<Vec<Notification>>,
    /// Locked while events are told, so that they are told in order.
    announcing: Mutex<()>,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier").field("deployed", &self.deployed).finish_non_exhaustive()
    }
}

/// A change that is written down and has not happened yet.
#[must_use]
pub(super) struct Plan<'n> {
    notifier: Option<&'n Notifier>,
    numbers: Vec<i64>,
}

impl Notifier {
    /// Opens the outbox. `lake` and `sidecars` tell which of the writes that a former process planned took place.
    pub(super) fn open(
        path: &Path,
        listener: Arc<dyn ObjectListener>,
        region: String,
        lake: &Lake,
        sidecars: &Path,
    ) -> std::result::Result<Self, NotificationError> {
        let outbox = Outbox::open(path)?;
        for planned in outbox.planned()? {
            if took_place(&planned, lake, sidecars)? {
                outbox.happened(&[planned.number])?;
            } else {
                outbox.cross_out(&[planned.number])?;
            }
        }
        Ok(Self { outbox, listener, region, deployed: RwLock::default(), announcing: Mutex::default() })
    }

    /// Replaces what is told to whom, and tells what a former process left.
    pub(super) fn deploy(&self, notifications: Vec<Notification>) -> std::result::Result<(), NotificationError> {
        for (index, one) in notifications.iter().enumerate() {
            if let Some(other) = notifications[..index].iter().find(|other| other.overlaps(one)) {
                return Err(NotificationError::Overlap { first: other.id.clone(), second: one.id.clone() });
            }
        }
        *self.deployed.write().unwrap_or_else(PoisonError::into_inner) = notifications;
        self.announce();
        Ok(())
    }

    /// Writes down what is about to happen, for those who want to know.
    pub(super) fn plan(
        &self,
        uri: &S3Uri,
        cause: Cause,
        object: Option<(&ObjectEntry, &Description)>,
    ) -> Result<Plan<'_>> {
        let encoded = event_key(&uri.key);
        let deployed = self.deployed.read().unwrap_or_else(PoisonError::into_inner);
        let mut numbers = Vec::new();
        for one in deployed.iter().filter(|one| one.is_for(&uri.bucket, &encoded, cause)) {
            numbers.push(self.outbox.plan(&Planned {
                number: 0,
                bucket: uri.bucket.clone(),
                key: uri.key.clone(),
                cause: cause.name().to_owned(),
                time: Utc::now().timestamp_millis(),
                size: object.map(|(entry, _)| entry.size),
                modified_nanos: object.map(|(entry, _)| sidecar::nanos(entry.modified)),
                description: object.map(|(_, description)| description.clone()),
                configuration: one.id.clone(),
                target: one.function_arn.clone(),
            })?);
        }
        Ok(Plan { notifier: Some(self), numbers })
    }

    /// Tells everything that has happened and was not told yet, in order.
    fn announce(&self) {
        let _announcing = self.announcing.lock().unwrap_or_else(PoisonError::into_inner);
        let told = || -> std::result::Result<(), Source> {
            for one in self.outbox.to_tell()? {
                self.listener.announce(&one.target, &event::message(&one, &self.region))?;
                self.outbox.cross_out(&[one.number])?;
            }
            Ok(())
        };
        if let Err(error) = told() {
            tracing::error!(error = &*error as &dyn std::error::Error, "an object could not be announced yet");
        }
    }
}

impl Plan<'_> {
    /// Nobody wants to know.
    pub(super) fn nothing() -> Self {
        Self { notifier: None, numbers: Vec::new() }
    }

    /// It happened: tells it.
    pub(super) fn happened(self) -> Result<()> {
        let Some(notifier) = self.notifier.filter(|_| !self.numbers.is_empty()) else { return Ok(()) };
        notifier.outbox.happened(&self.numbers)?;
        notifier.announce();
        Ok(())
    }

    /// It did not happen.
    pub(super) fn failed(self) {
        let Some(notifier) = self.notifier.filter(|_| !self.numbers.is_empty()) else { return };
        if let Err(error) = notifier.outbox.cross_out(&self.numbers) {
            // It stays a plan; the next start finds that it did not take place.
            tracing::warn!(error = &error as &dyn std::error::Error, "a planned event could not be crossed out");
        }
    }
}

/// Whether a change that the former process planned is to be seen. The process may have died between the object and its
/// sidecar, which is then written now: an event without it would tell an `ETag` that the object does not have.
fn took_place(planned: &Planned, lake: &Lake, sidecars: &Path) -> std::result::Result<bool, NotificationError> {
    let uri = S3Uri::new(&*planned.bucket, &*planned.key);
    let entry = match lake.head(&uri) {
        Ok(entry) => Some(entry),
        Err(LakeError::NoSuchKey { .. } | LakeError::NoSuchBucket { .. }) => None,
        Err(error) => return Err(NotificationError::Lake(error)),
    };
    let Some(description) = &planned.description else { return Ok(entry.is_none()) };
    let Some(entry) = entry else { return Ok(false) };
    // A rename keeps the time of the last write: no other file has this size and these nanoseconds.
    let same = Some(entry.size) == planned.size && Some(sidecar::nanos(entry.modified)) == planned.modified_nanos;
    if same {
        sidecar::write(sidecars, &planned.bucket, &entry, description).map_err(NotificationError::Sidecar)?;
    }
    Ok(same)
}

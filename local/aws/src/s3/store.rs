//! Objects with what S3 knows of them, and writes that are conditional and atomic.
//!
//! Everything here blocks; callers come through [`super::error::blocking`].

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use local_engine::lake::{Lake, LakeError, ObjectEntry, S3Uri, StagedObject};
use s3s::S3ErrorCode;
use s3s::dto::{ETag, ETagCondition};

use super::error::{Result, from_io, from_lake, refuse, unsupported};
use super::notify::{Cause, Notifier, Plan};
use super::sidecar::{self, Description};

/// Writers of different keys seldom share one of these locks, and it does no harm if they do.
const LOCKS: usize = 256;

/// An object and its description.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) entry: ObjectEntry,
    pub(super) description: Description,
}

/// When a write may happen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Always,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match`
    Matches(ETagCondition),
}

/// The lake and the metadata beside it.
#[derive(Debug)]
pub(super) struct Store {
    lake: Lake,
    objects: PathBuf,
    uploads: PathBuf,
    locks: Vec<Mutex<()>>,
    /// Who tells of writes and removals.
    notifier: Option<Notifier>,
}

impl Condition {
    /// # Errors
    /// `NotImplemented` for `If-None-Match` with an `ETag`, which S3 has not either.
    pub(super) fn new(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> Result<Self> {
        match (if_match, if_none_match) {
            (None, None) => Ok(Self::Always),
            (None, Some(ETagCondition::Any)) => Ok(Self::Absent),
            (Some(etag), None) => Ok(Self::Matches(etag)),
            (_, Some(_)) => Err(unsupported("writes with If-None-Match other than *, or with If-Match beside it")),
        }
    }
}

impl Object {
    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(self.description.etag.clone())
    }

    pub(super) fn matches(&self, condition: &ETagCondition) -> bool {
        condition.as_etag().is_none_or(|etag| etag.value() == self.description.etag)
    }
}

impl Store {
    pub(super) fn new(lake: Lake) -> Self {
        let meta = lake.root().parent().unwrap_or(lake.root()).join("s3-meta");
        let locks = std::iter::repeat_with(Mutex::default).take(LOCKS).collect();
        Self { lake, objects: meta.join("objects"), uploads: meta.join("uploads"), locks, notifier: None }
    }

    /// Tells of writes and removals.
    pub(super) fn notifying(self, notifier: Notifier) -> Self {
        Self { notifier: Some(notifier), ..self }
    }

    pub(super) fn notifier(&self) -> Option<&Notifier> {
        self.notifier.as_ref()
    }

    /// Where descriptions lie.
    pub(super) fn sidecars(&self) -> &Path {
        &self.objects
    }

    pub(super) fn lake(&self) -> &Lake {
        &self.lake
    }

    /// Where multipart uploads wait to be completed.
    pub(super) fn uploads(&self) -> &Path {
        &self.uploads
    }

    /// The object.
    pub(super) fn head(&self, uri: &S3Uri) -> Result<Object> {
        let entry = self.lake.head(uri).map_err(from_lake)?;
        self.describe(&uri.bucket, entry)
    }

    /// The object, open for reading: file and description belong together even if a writer replaces the object now.
    pub(super) fn open(&self, uri: &S3Uri) -> Result<(File, Object)> {
        let file = self.lake.open_object(uri).map_err(from_lake)?;
        let metadata = file.metadata().map_err(from_io)?;
        let modified = metadata.modified().map_err(from_io)?;
        let entry = ObjectEntry { key: uri.key.clone(), size: metadata.len(), modified };
        Ok((file, self.describe(&uri.bucket, entry)?))
    }

    /// Adds its description to a listed object.
    pub(super) fn describe(&self, bucket: &str, entry: ObjectEntry) -> Result<Object> {
        let mut description = sidecar::read(&self.objects, bucket, &entry).map_err(from_io)?;
        if description.is_none() {
            // A writer makes the file visible before its sidecar, both under the lock: look again when it is done.
            let _writing = self.lock(bucket, &entry.key);
            description = sidecar::read(&self.objects, bucket, &entry).map_err(from_io)?;
        }
        let description = description.unwrap_or_else(|| sidecar::default_description(&entry));
        Ok(Object { entry, description })
    }

    pub(super) fn stage(&self, uri: &S3Uri) -> Result<StagedObject> {
        self.lake.stage(uri).map_err(from_lake)
    }

    /// Makes a staged object visible, if `condition` holds: check and write are one step for all writers through S3.
    /// Whoever wants to know of `cause` is told.
    ///
    /// # Errors
    /// `PreconditionFailed`; `NoSuchKey` if the condition names an `ETag` and there is no object.
    pub(super) fn commit(
        &self,
        staged: StagedObject,
        description: Description,
        condition: &Condition,
        cause: Cause,
    ) -> Result<Object> {
        let uri = staged.uri().clone();
        let _writing = self.lock(&uri.bucket, &uri.key);
        let coming = staged.entry().map_err(from_lake)?;
        let plan = self.plan(&uri, cause, Some((&coming, &description)))?;
        let entry = match self.publish(staged, condition) {
            Ok(entry) => entry,
            Err(error) => {
                plan.failed();
                return Err(error);
            }
        };
        sidecar::write(&self.objects, &uri.bucket, &entry, &description).map_err(from_io)?;
        plan.happened()?;
        Ok(Object { entry, description })
    }

    /// Under the key's lock.
    fn publish(&self, staged: StagedObject, condition: &Condition) -> Result<ObjectEntry> {
        match condition {
            Condition::Always => staged.commit().map_err(from_lake),
            // The engine, which does not know our locks, cannot come in between either.
            Condition::Absent => staged.commit_new().map_err(from_lake)?.ok_or_else(precondition_failed),
            Condition::Matches(etag) => {
                self.check(staged.uri(), etag)?;
                staged.commit().map_err(from_lake)
            }
        }
    }

    fn plan(&self, uri: &S3Uri, cause: Cause, object: Option<(&ObjectEntry, &Description)>) -> Result<Plan<'_>> {
        self.notifier.as_ref().map_or_else(|| Ok(Plan::nothing()), |notifier| notifier.plan(uri, cause, object))
    }

    /// Removes an object; one that is not there is none of S3's worries.
    pub(super) fn delete(&self, uri: &S3Uri, if_match: Option<&ETagCondition>) -> Result<()> {
        let _writing = self.lock(&uri.bucket, &uri.key);
        if let Some(etag) = if_match {
            self.check(uri, etag)?;
        }
        let plan = self.plan(uri, Cause::Delete, None)?;
        match self.lake.delete(uri) {
            // A key that cannot be stored was never there.
            Ok(_) | Err(LakeError::UnsupportedKey { .. }) => {}
            Err(error) => {
                plan.failed();
                return Err(from_lake(error));
            }
        }
        sidecar::remove(&self.objects, uri).map_err(from_io)?;
        plan.happened()
    }

    /// Removes an empty bucket and what was known of its former objects.
    pub(super) fn delete_bucket(&self, bucket: &str) -> Result<()> {
        self.lake.delete_bucket(bucket).map_err(from_lake)?;
        match std::fs::remove_dir_all(self.objects.join(bucket)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(from_io(error)),
            _ => Ok(()),
        }
    }

    /// Under the key's lock, which `head` must not take again: the sidecar is read once.
    fn check(&self, uri: &S3Uri, etag: &ETagCondition) -> Result<()> {
        let entry = self.lake.head(uri).map_err(from_lake)?;
        let description = sidecar::read(&self.objects, &uri.bucket, &entry).map_err(from_io)?;
        let description = description.unwrap_or_else(|| sidecar::default_description(&entry));
        if (Object { entry, description }).matches(etag) { Ok(()) } else { Err(precondition_failed()) }
    }

    fn lock(&self, bucket: &str, key: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (bucket, key).hash(&mut hasher);
        let slot = usize::try_from(hasher.finish() % self.locks.len() as u64).unwrap_or_default();
        // The lock guards files, which a panicking writer leaves whole.
        self.locks[slot].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn precondition_failed() -> s3s::S3Error {
    refuse(S3ErrorCode::PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

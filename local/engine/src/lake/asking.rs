//! The lake acting for a caller: whom it asks, and on what. One object is asked for once, however it is read.

use std::sync::Arc;

use super::{Lake, LakeError, S3Uri};
use crate::access::{Access, Resource, needs};

impl Lake {
    /// This lake, asking `access` before whatever it does.
    pub(crate) fn acting_for(&self, access: Arc<dyn Access>) -> Self {
        Self { access: Some(access), ..self.clone() }
    }

    /// This lake, asking nobody: for what the engine does for its own sake, which Athena does not do.
    pub(crate) fn unasked(&self) -> Self {
        Self { access: None, ..self.clone() }
    }

    /// Whether the caller may do this with an object.
    pub(crate) fn ask(&self, action: &'static str, uri: &S3Uri) -> Result<(), LakeError> {
        self.ask_all(&[action], uri)
    }

    /// Whether the caller may do all this with an object.
    pub(super) fn ask_all(&self, actions: &[&'static str], uri: &S3Uri) -> Result<(), LakeError> {
        let Some(access) = &self.access else { return Ok(()) };
        let resource = Resource::Object(uri.clone());
        for action in actions {
            access.check(action, &resource)?;
        }
        Ok(())
    }

    /// Whether the caller may see which keys begin with `prefix`.
    pub(crate) fn ask_listing(&self, bucket: &str, prefix: &str) -> Result<(), LakeError> {
        self.ask_bucket(needs::LOOK_INTO_LOCATION, bucket, Some(prefix))
    }

    /// Whether the caller may look for files of a table at `location`, or make one there.
    pub(crate) fn ask_location(&self, location: &str) -> Result<(), LakeError> {
        if self.access.is_none() {
            return Ok(());
        }
        let folder = S3Uri::parse(location)?.folder();
        self.ask_listing(&folder.bucket, &folder.key)
    }

    /// Whether the caller may keep a statement's result in the folder of `output`.
    pub(crate) fn ask_results(&self, output: &S3Uri) -> Result<(), LakeError> {
        self.ask_bucket(needs::FIND_RESULTS_BUCKET, &output.bucket, None)?;
        let folder = output.key.rfind('/').map_or("", |slash| &output.key[..=slash]);
        self.ask_listing(&output.bucket, folder)
    }

    fn ask_bucket(&self, action: &'static str, bucket: &str, prefix: Option<&str>) -> Result<(), LakeError> {
        let Some(access) = &self.access else { return Ok(()) };
        let resource = Resource::Bucket { name: bucket.to_owned(), prefix: prefix.map(str::to_owned) };
        Ok(access.check(action, &resource)?)
    }
}

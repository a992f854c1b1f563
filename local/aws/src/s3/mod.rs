//! S3 over the lake's folders: the crate `s3s` speaks the protocol, [`api`] answers its operations.
//!
//! In the order in which a request meets them:
//!
//! - [`request`]: drops the signature (any is accepted) and decodes `aws-chunked` bodies.
//! - [`access`]: whether its caller's role may do it.
//! - [`api`]: the operations that exist here; any other answers `NotImplemented` and its name.
//! - [`bucket`], [`read`], [`write`], [`list`], [`multipart`]: what they do.
//! - [`store`]: an object with what S3 knows of it, and writes that are conditional and atomic.
//! - [`sidecar`]: content type, `ETag`, checksums and user metadata, in files beside the buckets.
//! - [`notify`]: who is told of writes and removals.
//! - [`digest`], [`receive`]: checksums, and a body on its way into a file.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use local_engine::lake::Lake;
use s3s::auth::SimpleAuth;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};

use crate::HttpService;

mod access;
mod api;
mod bucket;
mod chunked;
mod digest;
mod error;
mod list;
mod multipart;
mod notify;
mod read;
mod receive;
mod request;
mod sidecar;
mod store;
mod write;

pub use notify::{Notification, NotificationError, ObjectListener, event_key, is_known_event};

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct S3 {
    service: S3Service,
    store: Arc<store::Store>,
}

impl S3 {
    /// Serves the lake's folders as buckets of `region`. Metadata is kept in `s3-meta` beside the lake's root.
    pub fn new(lake: Lake, region: impl Into<String>) -> Self {
        Self::serving(store::Store::new(lake), region.into())
    }

    /// Like [`S3::new`], and tells `listener` of writes and removals. What it has not taken yet is kept in the file at
    /// `path`, which is made if it is absent.
    ///
    /// # Errors
    /// If the file cannot be opened, or what a former process left in it cannot be told from the lake.
    pub fn notifying(
        lake: Lake,
        region: impl Into<String>,
        path: &Path,
        listener: Arc<dyn ObjectListener>,
    ) -> Result<Self, NotificationError> {
        let region = region.into();
        let store = store::Store::new(lake);
        let notifier = notify::Notifier::open(path, listener, region.clone(), store.lake(), store.sidecars())?;
        Ok(Self::serving(store.notifying(notifier), region))
    }

    fn serving(store: store::Store, region: String) -> Self {
        let store = Arc::new(store);
        let mut builder = S3ServiceBuilder::new(api::Api { store: Arc::clone(&store), region });
        builder.set_host(LocalHost);
        // `s3s` asks for access only where it would verify signatures, which no request has any more.
        builder.set_auth(SimpleAuth::new());
        builder.set_access(access::RoleAccess);
        Self { service: builder.build(), store }
    }

    /// Replaces all notifications, as a deployment does, and tells what nobody has taken yet.
    ///
    /// # Errors
    /// [`NotificationError::Overlap`].
    pub fn deploy(&self, notifications: Vec<Notification>) -> Result<(), NotificationError> {
        self.store.notifier().map_or(Ok(()), |notifier| notifier.deploy(notifications))
    }
}

#[async_trait]
impl HttpService for S3 {
    async fn handle(&self, request: Request) -> Response {
        match self.service.call(request::open(request)).await {
            Ok(response) => response.map(Body::new).into_response(),
            Err(error) => {
                let error: Box<dyn std::error::Error + Send + Sync> = error.into();
                tracing::error!(%error, "S3 could not answer");
                (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
            }
        }
    }
}

/// `bucket.localhost`, `bucket.s3.localhost` and the like name their bucket; any other host means path style.
struct LocalHost;

impl S3Host for LocalHost {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> s3s::S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
        let bucket = name.strip_suffix(".localhost").map(|bucket| bucket.strip_suffix(".s3").unwrap_or(bucket));
        Ok(match bucket.filter(|bucket| *bucket != "s3") {
            Some(bucket) => VirtualHost::new("localhost").with_bucket(bucket),
            None => VirtualHost::new(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_may_stand_in_the_host() {
        let bucket = |host| LocalHost.parse_host_header(host).unwrap().bucket().map(str::to_owned);
        assert_eq!(bucket("lake.localhost:4566").as_deref(), Some("lake"));
        assert_eq!(bucket("lake.s3.localhost").as_deref(), Some("lake"));
        assert_eq!(bucket("localhost:4566"), None);
        assert_eq!(bucket("s3.localhost:4566"), None);
        assert_eq!(bucket("host.docker.internal"), None);
    }
}

//! The file that is loaded: which one it is, and its bytes as a stream that survives a broken connection.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::context::hex;
use shared::objects::{Address, Version};
use shared::{Context, Error, Result};
use tokio::sync::mpsc;

use crate::event::Arrival;
use crate::table::Table;

/// How many bytes are handed over at once.
const PIECE: usize = 512 << 10;
/// How often in a row a read may fail without a byte of progress.
const ATTEMPTS: u32 = 6;

/// One version of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Source {
    /// Twenty hexadecimal digits that stand for it in names.
    pub(crate) id: String,
    #[serde(skip)]
    pub(crate) table: Table,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version_id: Option<String>,
    pub(crate) etag: String,
    pub(crate) size: u64,
    /// Seconds since 1970 when it arrived.
    #[serde(skip)]
    pub(crate) arrived: i64,
}

impl Source {
    /// The source that an arrival is. Each version of an object is one of its own.
    pub(crate) fn new(table: Table, arrival: Arrival) -> Self {
        let version = arrival.version_id.as_deref().unwrap_or(&arrival.etag);
        let identity = [arrival.bucket.as_str(), &arrival.key, version].join("\n");
        Self {
            id: hex(&Sha256::digest(identity.as_bytes())[..10]),
            table,
            bucket: arrival.bucket,
            key: arrival.key,
            version_id: arrival.version_id,
            etag: arrival.etag,
            size: arrival.size,
            arrived: arrival.time.seconds,
        }
    }

    fn address(&self) -> Address {
        Address { bucket: self.bucket.clone(), key: self.key.clone() }
    }

    /// `s3://bucket/key`.
    pub(crate) fn uri(&self) -> String {
        self.address().to_string()
    }

    /// Sends the file's bytes until its end, or until nobody takes them any more. A connection that breaks is opened
    /// anew where it broke; the version's id or its `ETag` sees to it that it is the same file.
    ///
    /// # Errors
    /// [`Error::SourceChanged`], [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub(crate) async fn send<S>(&self, context: &Context<S>, bytes: mpsc::Sender<Vec<Bytes>>) -> Result<()> {
        let (mut from, mut failures) = (0, 0);
        loop {
            let began = from;
            match self.send_from(context, &bytes, &mut from).await {
                Ok(()) => return Ok(()),
                Err(error @ Error::ServiceError { .. }) => {
                    failures = if from > began { 1 } else { failures + 1 };
                    if failures >= ATTEMPTS {
                        return Err(error);
                    }
                    tracing::warn!(from, error = error.report(), "the file is read on from here");
                    context.sleep(Duration::from_millis(100 << failures)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn send_from<S>(&self, context: &Context<S>, bytes: &mpsc::Sender<Vec<Bytes>>, from: &mut u64) -> Result<()> {
        if *from > 0 && *from >= self.size {
            return Ok(());
        }
        let version = self.version_id.as_deref().map_or(Version::Etag(&self.etag), Version::Id);
        let Some(mut stream) = context.objects.read(&self.address(), version, *from).await? else {
            let problem = format!("the state with the ETag {} is not there any more", self.etag);
            return Err(Error::SourceChanged { source_uri: self.uri(), problem });
        };
        let (mut pieces, mut length) = (Vec::new(), 0);
        loop {
            let next = stream.try_next().await;
            let next = next.map_err(|error| Error::ServiceError { operation: "s3:GetObject", source: error.into() });
            // What arrived before the connection broke is used.
            let broken = match next {
                Ok(Some(piece)) => {
                    length += piece.len();
                    pieces.push(piece);
                    if length < PIECE {
                        continue;
                    }
                    None
                }
                Ok(None) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            };
            *from += length as u64;
            length = 0;
            if bytes.send(std::mem::take(&mut pieces)).await.is_err() {
                return Ok(());
            }
            if let Some(end) = broken {
                return end;
            }
        }
    }
}

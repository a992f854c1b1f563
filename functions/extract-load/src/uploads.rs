//! Files on their way into the lake: uploaded as they come, visible only when all of them are complete.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use shared::objects::{Address, Objects, Part};
use shared::{Error, Result};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::buffers::{Piece, PieceKind};

/// Bytes that may be on their way at once.
const IN_FLIGHT: usize = 32 << 20;
/// The unit in which they are counted: no request counts as less, so that not too many are made at once.
const UNIT: usize = 512 << 10;
/// Requests at once when files become visible.
const AT_ONCE: usize = 16;

/// Files that nobody sees yet.
#[derive(Debug)]
pub(crate) struct Uploads {
    objects: Objects,
    bucket: String,
    /// Uploads that wait to be completed, by key.
    parts: BTreeMap<String, Upload>,
    /// Files that fit into memory: written as a whole once they may be seen.
    small: BTreeMap<String, Bytes>,
}

#[derive(Clone, Debug)]
struct Upload {
    id: String,
    parts: Vec<Part>,
}

/// What became of a piece: the file's key, its upload's id and the part.
type Sent = Result<(String, String, Part)>;

impl Uploads {
    pub(crate) fn new(objects: Objects, bucket: String) -> Self {
        Self { objects, bucket, parts: BTreeMap::new(), small: BTreeMap::new() }
    }

    /// The keys of all files.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.parts.keys().chain(self.small.keys()).cloned().collect()
    }

    /// Uploads pieces until no more come.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub(crate) async fn receive(&mut self, mut pieces: mpsc::Receiver<Piece>) -> Result<()> {
        let room = Arc::new(Semaphore::new(IN_FLIGHT / UNIT));
        let mut sending = JoinSet::new();
        let mut end = Ok(());
        while let Some(piece) = pieces.recv().await {
            if piece.kind == PieceKind::Rest && !self.parts.contains_key(&piece.key) {
                self.small.insert(piece.key, piece.bytes.into());
                continue;
            }
            end = self.send(piece, &room, &mut sending).await;
            while let Some(sent) = sending.try_join_next() {
                end = end.and(self.note(sent));
            }
            if end.is_err() {
                break;
            }
        }
        drop(pieces);
        // What is on its way is waited for even after a failure, so that it can be aborted.
        while let Some(sent) = sending.join_next().await {
            end = end.and(self.note(sent));
        }
        self.parts.values_mut().for_each(|upload| upload.parts.sort_unstable_by_key(|part| part.number));
        end
    }

    async fn send(&mut self, piece: Piece, room: &Arc<Semaphore>, sending: &mut JoinSet<Sent>) -> Result<()> {
        let address = self.address(&piece.key);
        let units = u32::try_from(piece.bytes.len().div_ceil(UNIT).min(IN_FLIGHT / UNIT)).unwrap_or(1);
        let permit = Arc::clone(room).acquire_many_owned(units.max(1)).await.map_err(|error| ended(error.into()))?;
        // A file of many parts begins here, so that its next part finds it; a file of one part begins beside others.
        let upload = match self.parts.get(&piece.key) {
            Some(upload) => Some(upload.id.clone()),
            None if piece.kind == PieceKind::Part => {
                let id = self.objects.begin_upload(&address).await?;
                self.parts.insert(piece.key.clone(), Upload { id: id.clone(), parts: Vec::new() });
                Some(id)
            }
            None => None,
        };
        let objects = self.objects.clone();
        sending.spawn(async move {
            let _until_sent = permit;
            let id = match upload {
                Some(id) => id,
                None => objects.begin_upload(&address).await?,
            };
            let body = ByteStream::from(piece.bytes);
            match objects.upload_part(&address, &id, piece.number, body).await {
                Ok(part) => Ok((piece.key, id, part)),
                Err(error) => {
                    if piece.number == 1 {
                        abort(&objects, &address, &id).await;
                    }
                    Err(error)
                }
            }
        });
        Ok(())
    }

    fn note(&mut self, sent: Result<Sent, tokio::task::JoinError>) -> Result<()> {
        let (key, id, part) = sent.map_err(|error| ended(error.into()))??;
        self.parts.entry(key).or_insert_with(|| Upload { id, parts: Vec::new() }).parts.push(part);
        Ok(())
    }

    /// Makes the files visible whose keys `chosen` accepts.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub(crate) async fn complete(&mut self, chosen: impl Fn(&str) -> bool) -> Result<()> {
        let mut running = JoinSet::new();
        let parts = self.parts.extract_if(.., |key, _| chosen(key)).map(|(key, upload)| (key, Content::Parts(upload)));
        let small = self.small.extract_if(.., |key, _| chosen(key)).map(|(key, bytes)| (key, Content::Whole(bytes)));
        let files: Vec<_> = parts.chain(small).collect();
        for (key, content) in files {
            let (objects, address) = (self.objects.clone(), self.address(&key));
            if running.len() >= AT_ONCE {
                joined(running.join_next().await)?;
            }
            running.spawn(async move {
                match content {
                    Content::Parts(upload) => objects.complete_upload(&address, &upload.id, &upload.parts).await,
                    Content::Whole(bytes) => objects.put(&address, ByteStream::from(bytes)).await,
                }
            });
        }
        while let Some(done) = running.join_next().await {
            joined(Some(done))?;
        }
        Ok(())
    }

    /// Gives all files up that are not visible. What cannot be aborted now, the bucket's lifecycle aborts later.
    pub(crate) async fn abort(&mut self) {
        self.small.clear();
        for (key, upload) in std::mem::take(&mut self.parts) {
            abort(&self.objects, &self.address(&key), &upload.id).await;
        }
    }

    fn address(&self, key: &str) -> Address {
        Address { bucket: self.bucket.clone(), key: key.to_owned() }
    }
}

enum Content {
    Parts(Upload),
    Whole(Bytes),
}

async fn abort(objects: &Objects, address: &Address, upload: &str) {
    if let Err(error) = objects.abort_upload(address, upload).await {
        tracing::warn!(%address, error = error.report(), "an upload is left to the lifecycle of the bucket");
    }
}

fn joined(done: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    done.map_or(Ok(()), |done| done.map_err(|error| ended(error.into()))?)
}

fn ended(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::ServiceError { operation: "s3:PutObject", source }
}

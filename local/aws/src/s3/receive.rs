//! A request's body on its way into a file.

use std::io::{self, Write};

use bytes::Bytes;
use futures::StreamExt;
use s3s::S3ErrorCode;
use s3s::dto::StreamingBlob;
use tokio::sync::mpsc;

use super::digest::{Digested, Digests};
use super::error::{Result, from_io, refuse};

/// Pieces of a body that may wait for the disk.
const PIECES_AHEAD: usize = 16;

/// A body that was written.
pub(super) struct Received<W> {
    pub(super) target: W,
    pub(super) size: u64,
    pub(super) digested: Digested,
}

/// Writes a body into `target`, computing its digests on the way. Memory is bounded whatever the body's length.
///
/// # Errors
/// `IncompleteBody` if the body breaks off or is not `expected` bytes long.
pub(super) async fn receive<W: Write + Send + 'static>(
    body: Option<StreamingBlob>,
    expected: Option<i64>,
    target: W,
    digests: Digests,
) -> Result<Received<W>> {
    let (pieces, coming) = mpsc::channel(PIECES_AHEAD);
    let writer = tokio::task::spawn_blocking(move || write_all(coming, target, digests));
    let mut broken = None;
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            let sent = match piece {
                Ok(piece) => pieces.send(piece).await.is_ok(),
                Err(error) => {
                    broken = Some(refuse(S3ErrorCode::IncompleteBody, error.to_string()));
                    false
                }
            };
            // A writer that went away tells why when it is joined.
            if !sent {
                break;
            }
        }
    }
    drop(pieces);
    let received = writer.await.map_err(|error| from_io(io::Error::other(error)))?.map_err(from_io)?;
    match broken {
        Some(error) => Err(error),
        None => complete(received, expected),
    }
}

fn complete<W>(received: Received<W>, expected: Option<i64>) -> Result<Received<W>> {
    let expected = expected.and_then(|expected| u64::try_from(expected).ok());
    if let Some(expected) = expected.filter(|expected| *expected != received.size) {
        let message = format!("{expected} bytes were announced, {} came", received.size);
        return Err(refuse(S3ErrorCode::IncompleteBody, message));
    }
    Ok(received)
}

fn write_all<W: Write>(
    mut pieces: mpsc::Receiver<Bytes>,
    mut target: W,
    mut digests: Digests,
) -> io::Result<Received<W>> {
    let mut size = 0;
    while let Some(piece) = pieces.blocking_recv() {
        target.write_all(&piece)?;
        digests.update(&piece);
        size += u64::try_from(piece.len()).unwrap_or(u64::MAX);
    }
    target.flush()?;
    Ok(Received { target, size, digested: digests.finish() })
}

/// Copies `limit` bytes of a file into `target`, computing their digests on the way.
pub(super) fn copy<W: Write>(
    source: impl io::Read,
    limit: u64,
    mut target: W,
    mut digests: Digests,
) -> io::Result<Received<W>> {
    let size = copy_part(source, limit, &mut target, &mut digests)?;
    target.flush()?;
    Ok(Received { target, size, digested: digests.finish() })
}

/// [`copy`], for a target that more will follow in.
pub(super) fn copy_part(
    source: impl io::Read,
    limit: u64,
    target: &mut impl Write,
    digests: &mut Digests,
) -> io::Result<u64> {
    const BUFFER: usize = 256 << 10;
    let mut source = io::Read::take(source, limit);
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        let read = io::Read::read(&mut source, &mut buffer)?;
        if read == 0 {
            return Ok(size);
        }
        target.write_all(&buffer[..read])?;
        digests.update(&buffer[..read]);
        size += u64::try_from(read).unwrap_or(u64::MAX);
    }
}

//! `aws-chunked`: chunks with a length (and a signature) each, then trailing headers.
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes};
use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;

/// A chunk's head or a trailer is a short line.
const LONGEST_LINE: usize = 16 << 10;

/// The trailing headers of a body, by lower-case name; complete once the body has been read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Trailers(Arc<Mutex<Vec<(String, String)>>>);

impl Trailers {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let trailers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trailers.iter().find(|(each, _)| each == name).map(|(_, value)| value.clone())
    }

    fn add(&self, name: &str, value: &str) {
        let mut trailers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// The content of a chunked body.
pub(super) fn decode(body: Body, trailers: Trailers) -> s3s::Body {
    let decoder = Decoder { body: body.into_data_stream(), buffer: Bytes::new(), chunk: Chunk::Head, trailers };
    let content = stream::try_unfold(decoder, |mut decoder| async move {
        Ok::<_, io::Error>(decoder.next().await?.map(|bytes| (bytes, decoder)))
    });
    let content: Pin<Box<dyn futures::Stream<Item = io::Result<Bytes>> + Send>> = Box::pin(content);
    s3s::Body::http_body_unsync(StreamBody::new(content.map_ok(Frame::data)))
}

struct Decoder {
    body: BodyDataStream,
    buffer: Bytes,
    chunk: Chunk,
    trailers: Trailers,
}

/// What the next byte belongs to.
enum Chunk {
    Head,
    Data { left: u64 },
    Tail,
    Trailers,
    End,
}

impl Decoder {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.chunk {
                Chunk::Head => {
                    let line = self.line().await?.ok_or_else(|| malformed("it ends before its last chunk"))?;
                    self.chunk = match chunk_size(&line)? {
                        0 => Chunk::Trailers,
                        left => Chunk::Data { left },
                    };
                }
                Chunk::Data { left } => {
                    if self.buffer.is_empty() && !self.fill().await? {
                        return Err(malformed("it ends within a chunk"));
                    }
                    let available = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                    self.chunk = if left > available { Chunk::Data { left: left - available } } else { Chunk::Tail };
                    return Ok(Some(self.buffer.split_to(taken)));
                }
                Chunk::Tail => match self.line().await?.as_deref() {
                    Some("") => self.chunk = Chunk::Head,
                    _ => return Err(malformed("a chunk is longer than it says")),
                },
                Chunk::Trailers => match self.line().await?.as_deref().map(|line| line.split_once(':')) {
                    Some(Some((name, value))) => self.trailers.add(name, value),
                    // An empty line ends the trailers; so does, for some clients, the body.
                    _ => self.chunk = Chunk::End,
                },
                Chunk::End => return Ok(None),
            }
        }
    }

    /// The next line without its end; none at the end of the body.
    async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.split_to(end);
                self.buffer.advance(2);
                return String::from_utf8(line.to_vec()).map(Some).map_err(|_| malformed("a line is not text"));
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(malformed("a line is too long"));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        match self.body.next().await {
            Some(bytes) => {
                let bytes = bytes.map_err(io::Error::other)?;
                // Content passes as it came; only a line that arrives in pieces is put together.
                self.buffer = if self.buffer.is_empty() { bytes } else { [&*self.buffer, &*bytes].concat().into() };
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// `1f4;chunk-signature=…` or just `1f4`.
fn chunk_size(line: &str) -> io::Result<u64> {
    let size = line.split(';').next().unwrap_or_default();
    u64::from_str_radix(size.trim(), 16).map_err(|_| malformed("a chunk does not begin with its size"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the aws-chunked body is malformed: {what}"))
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Collected};

    use super::*;

    /// Decodes a body that arrives in pieces of `piece` bytes.
    async fn decoded(encoded: &'static str, piece: usize) -> (Result<Bytes, String>, Trailers) {
        let pieces = encoded.as_bytes().chunks(piece).map(|piece| Ok::<_, io::Error>(Bytes::from_static(piece)));
        let trailers = Trailers::default();
        let body = decode(Body::from_stream(stream::iter(pieces)), trailers.clone());
        (BodyExt::collect(body).await.map(Collected::to_bytes).map_err(|error| error.to_string()), trailers)
    }

    #[tokio::test]
    async fn chunks_are_joined_whatever_pieces_they_come_in() {
        let encoded = "5;chunk-signature=aa\r\nhello\r\n6\r\n world\r\n0;chunk-signature=bb\r\n\
                       x-amz-checksum-crc32:AAAA==\r\nx-amz-trailer-signature:cc\r\n\r\n";
        for piece in [1, 2, 3, 7, 1000] {
            let (content, trailers) = decoded(encoded, piece).await;
            assert_eq!(content.unwrap(), "hello world");
            assert_eq!(trailers.get("x-amz-checksum-crc32").as_deref(), Some("AAAA=="));
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        for encoded in ["5\r\nhel", "5\r\nhello\r\n", "5\r\nhello world\r\n0\r\n\r\n", "zz\r\n"] {
            assert!(decoded(encoded, 4).await.0.is_err(), "{encoded:?}");
        }
    }
}

//! MD5 (the `ETag`) and the checksums that S3 knows, in one pass over the bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::S3ErrorCode;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use serde::{Deserialize, Serialize};

use super::chunked::Trailers;
use super::error::{Result, refuse};
use crate::hex::hex;

/// Checksums in base64, as they are on the wire; an uploaded object usually has one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checksums {
    pub(super) crc32: Option<String>,
    pub(super) crc32c: Option<String>,
    pub(super) crc64nvme: Option<String>,
    pub(super) sha1: Option<String>,
    pub(super) sha256: Option<String>,
    /// `FULL_OBJECT` or `COMPOSITE`; none where there is no checksum.
    pub(super) kind: Option<String>,
}

/// Reads the checksum members that many of S3's inputs share.
macro_rules! declared_checksums {
    ($input:expr) => {
        $crate::s3::digest::Checksums {
            crc32: $input.checksum_crc32.clone(),
            crc32c: $input.checksum_crc32c.clone(),
            crc64nvme: $input.checksum_crc64nvme.clone(),
            sha1: $input.checksum_sha1.clone(),
            sha256: $input.checksum_sha256.clone(),
            kind: None,
        }
    };
}

/// Writes the checksum members that many of S3's outputs share.
macro_rules! set_checksums {
    ($output:expr, $checksums:expr) => {{
        let checksums: &$crate::s3::digest::Checksums = $checksums;
        $output.checksum_crc32.clone_from(&checksums.crc32);
        $output.checksum_crc32c.clone_from(&checksums.crc32c);
        $output.checksum_crc64nvme.clone_from(&checksums.crc64nvme);
        $output.checksum_sha1.clone_from(&checksums.sha1);
        $output.checksum_sha256.clone_from(&checksums.sha256);
    }};
}

pub(super) use {declared_checksums, set_checksums};

impl Checksums {
    /// By the algorithm's name on the wire: `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1`, `SHA256`.
    pub(super) fn slot(&mut self, algorithm: &str) -> Option<&mut Option<String>> {
        match algorithm {
            "CRC32" => Some(&mut self.crc32),
            "CRC32C" => Some(&mut self.crc32c),
            "CRC64NVME" => Some(&mut self.crc64nvme),
            "SHA1" => Some(&mut self.sha1),
            "SHA256" => Some(&mut self.sha256),
            _ => None,
        }
    }

    /// The algorithms' names and values that are present.
    pub(super) fn present(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("CRC32", &self.crc32),
            ("CRC32C", &self.crc32c),
            ("CRC64NVME", &self.crc64nvme),
            ("SHA1", &self.sha1),
            ("SHA256", &self.sha256),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// Adds what the body's trailing headers declare.
    pub(super) fn with_trailers(mut self, trailers: Option<&Trailers>) -> Self {
        for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] {
            let name = format!("x-amz-checksum-{}", algorithm.to_ascii_lowercase());
            let value = trailers.and_then(|trailers| trailers.get(&name));
            if let (Some(slot), Some(value)) = (self.slot(algorithm), value) {
                *slot = Some(value);
            }
        }
        self
    }

    /// Refuses bytes that are not those that the client meant to send.
    ///
    /// # Errors
    /// `BadDigest`.
    pub(super) fn verify(&self, computed: &Self) -> Result<()> {
        let computed: Vec<_> = computed.present().collect();
        for (algorithm, declared) in self.present() {
            let found = computed.iter().find(|(each, _)| *each == algorithm).map_or("nothing", |(_, value)| value);
            if found != declared {
                let message =
                    format!("The {algorithm} you specified, {declared}, did not match what we received: {found}");
                return Err(refuse(S3ErrorCode::BadDigest, message));
            }
        }
        Ok(())
    }
}

/// Digests under way.
pub(super) struct Digests {
    md5: Md5,
    checksums: ChecksumHasher,
}

/// Finished digests.
#[derive(Debug)]
pub(super) struct Digested {
    pub(super) md5: [u8; 16],
    pub(super) checksums: Checksums,
}

impl Digests {
    /// MD5 and the named algorithms.
    ///
    /// # Errors
    /// `InvalidRequest` for an algorithm that S3 does not know.
    pub(super) fn new<'a>(algorithms: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut checksums = ChecksumHasher::default();
        for algorithm in algorithms {
            match algorithm {
                "CRC32" => checksums.crc32 = Some(Crc32::new()),
                "CRC32C" => checksums.crc32c = Some(Crc32c::new()),
                "CRC64NVME" => checksums.crc64nvme = Some(Crc64Nvme::new()),
                "SHA1" => checksums.sha1 = Some(Sha1::new()),
                "SHA256" => checksums.sha256 = Some(Sha256::new()),
                other => {
                    let message = format!("The checksum algorithm {other:?} is unknown");
                    return Err(refuse(S3ErrorCode::InvalidRequest, message));
                }
            }
        }
        Ok(Self { md5: Md5::new(), checksums })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.checksums.update(bytes);
    }

    pub(super) fn finish(self) -> Digested {
        let sums = self.checksums.finalize();
        let mut checksums = Checksums {
            crc32: sums.checksum_crc32,
            crc32c: sums.checksum_crc32c,
            crc64nvme: sums.checksum_crc64nvme,
            sha1: sums.checksum_sha1,
            sha256: sums.checksum_sha256,
            kind: None,
        };
        let any = checksums.present().next().is_some();
        checksums.kind = any.then(|| "FULL_OBJECT".to_owned());
        Digested { md5: self.md5.finalize(), checksums }
    }
}

impl Digested {
    /// The `ETag` of an object that was sent in one piece.
    pub(super) fn etag(&self) -> String {
        hex(&self.md5)
    }

    /// Compares with a `Content-MD5` header.
    ///
    /// # Errors
    /// `BadDigest`.
    pub(super) fn verify_md5(&self, declared: Option<&str>) -> Result<()> {
        if declared.is_some_and(|declared| declared != STANDARD.encode(self.md5)) {
            let message = "The Content-MD5 you specified did not match what we received.";
            return Err(refuse(S3ErrorCode::BadDigest, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        let mut digests = Digests::new(["CRC32", "CRC64NVME"]).unwrap();
        digests.update(b"1234");
        digests.update(b"56789");
        let digested = digests.finish();
        assert_eq!(digested.etag(), "25f9e794323b453885f5181f1b624d0b");
        // The check values of the CRC catalogue: cbf43926 and ae8b14860a799888.
        assert_eq!(digested.checksums.crc32.as_deref(), Some("y/Q5Jg=="));
        assert_eq!(digested.checksums.crc64nvme.as_deref(), Some("rosUhgp5mIg="));
        assert!(digested.verify_md5(Some("JfnnlDI7RTiF9RgfG2JNCw==")).is_ok());
        assert!(digested.verify_md5(Some("AAAA")).is_err());
    }

    #[test]
    fn a_wrong_or_missing_checksum_is_refused() {
        let declared = Checksums { crc32: Some("AAAAAA==".into()), ..Checksums::default() };
        assert!(declared.verify(&Checksums::default()).is_err());
        assert!(declared.verify(&declared).is_ok());
        assert!(Checksums::default().verify(&declared).is_ok());
    }
}

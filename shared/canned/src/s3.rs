//! S3's answers.

use std::fmt::Write;

use crate::Reply;

/// What calls to S3 are called here: they carry no target.
pub const S3: &str = "S3";

/// One level of the folder `prefix`: these folders and files.
pub fn listing(prefix: &str, folders: &[&str], files: &[&str]) -> Reply {
    let mut body = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
    for file in files {
        let _infallible = write!(body, "<Contents><Key>{prefix}{file}</Key><Size>1</Size></Contents>");
    }
    for folder in folders {
        let _infallible = write!(body, "<CommonPrefixes><Prefix>{prefix}{folder}/</Prefix></CommonPrefixes>");
    }
    body.push_str("</ListBucketResult>");
    Reply { operation: S3, status: 200, body }
}

/// Every object below the folder `prefix`, by name and `ETag`, a byte each.
pub fn objects(prefix: &str, objects: &[(&str, &str)]) -> Reply {
    let mut body = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
    for (name, etag) in objects {
        let _infallible =
            write!(body, "<Contents><Key>{prefix}{name}</Key><ETag>{etag}</ETag><Size>1</Size></Contents>");
    }
    body.push_str("</ListBucketResult>");
    Reply { operation: S3, status: 200, body }
}

/// A file's text.
pub fn file(text: &[u8]) -> Reply {
    Reply { operation: S3, status: 200, body: String::from_utf8_lossy(text).into_owned() }
}

/// The change was made.
pub fn done() -> Reply {
    Reply { operation: S3, status: 200, body: String::new() }
}

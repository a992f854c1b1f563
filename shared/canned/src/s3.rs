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

/// Every object below the folder `prefix`, by name and by the second in which it was written, a byte each.
pub fn objects_of(prefix: &str, objects: &[(&str, u64)]) -> Reply {
    let mut body = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
    for (name, second) in objects {
        let (day, second) = (second / 86_400, second % 86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let _infallible = write!(
            body,
            "<Contents><Key>{prefix}{name}</Key><LastModified>1970-01-{:02}T{hour:02}:{minute:02}:{second:02}Z\
             </LastModified><Size>1</Size></Contents>",
            day + 1
        );
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

/// Nobody has the lease.
pub fn no_lease() -> Reply {
    objects("lease/", &[])
}

/// A condition did not hold.
pub fn precondition_failed() -> Reply {
    let body = "<Error><Code>PreconditionFailed</Code><Message>It has changed</Message></Error>".to_owned();
    Reply { operation: S3, status: 412, body }
}

/// A lease in `s3://lake/lease/`, with this content.
pub fn some_lease(content: &[u8]) -> [Reply; 2] {
    [objects("lease/", &[("lease.json", "\"1\"")]), file(content)]
}

/// The lease that an execution holds.
pub fn lease(owner: &str) -> [Reply; 2] {
    let lease = serde_json::json!({"owner": owner, "renewed_at": "1970-01-01T00:00:00Z"});
    some_lease(lease.to_string().as_bytes())
}

/// The lease is found to be the tests' own, and renewed.
pub fn renewed() -> [Reply; 3] {
    let [listing, lease] = lease(crate::EXECUTION);
    [listing, lease, done()]
}

//! `ListObjectsV2` and `ListObjects`: pages of keys and common prefixes.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use local_engine::lake::{ObjectEntry, Onward};
use s3s::S3ErrorCode;
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    ObjectStorageClass,
};

use super::bucket::owner;
use super::error::{Result, blocking, from_lake, refuse};
use super::store::Store;

/// S3 answers at most this many keys and common prefixes at once.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
const LONGEST_PAGE: i32 = 1000;

/// What to list.
#[derive(Debug, Clone, Default)]
struct Query {
    bucket: String,
    prefix: String,
    delimiter: Option<String>,
    /// Only keys and common prefixes that come after this one.
    after: Option<String>,
    limit: i32,
    /// Whether names are percent-encoded in the answer.
    encoded: bool,
    with_owner: bool,
}

/// One page of it.
#[derive(Debug, Default, PartialEq)]
struct Page<T> {
    keys: Vec<T>,
    prefixes: Vec<String>,
    /// The last name of this page, if there is more.
    next: Option<String>,
}

pub(super) async fn list_objects_v2(store: Arc<Store>, input: ListObjectsV2Input) -> Result<ListObjectsV2Output> {
    let after = match &input.continuation_token {
        Some(token) => Some(read_token(token)?),
        None => input.start_after.clone(),
    };
    let query = Query {
        bucket: input.bucket.clone(),
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
        after,
        limit: limit(input.max_keys)?,
        encoded: is_url(input.encoding_type.as_ref()),
        with_owner: input.fetch_owner.unwrap_or_default(),
    };
    let limit = query.limit;
    let encode = encoder(query.encoded);
    let page = read_page(store, query).await?;
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encode(&input.prefix.unwrap_or_default())),
        max_keys: Some(limit),
        key_count: i32::try_from(page.keys.len() + page.prefixes.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_deref().map(token),
        contents: Some(page.keys),
        common_prefixes: Some(common_prefixes(&page.prefixes, encode)),
        delimiter: input.delimiter.as_deref().map(encode),
        encoding_type: input.encoding_type,
        start_after: input.start_after.as_deref().map(encode),
        ..ListObjectsV2Output::default()
    })
}

pub(super) async fn list_objects(store: Arc<Store>, input: ListObjectsInput) -> Result<ListObjectsOutput> {
    let query = Query {
        bucket: input.bucket.clone(),
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
        after: input.marker.clone(),
        limit: limit(input.max_keys)?,
        encoded: is_url(input.encoding_type.as_ref()),
        with_owner: true,
    };
    let limit = query.limit;
    let encode = encoder(query.encoded);
    let page = read_page(store, query).await?;
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encode(&input.prefix.unwrap_or_default())),
        marker: Some(encode(&input.marker.unwrap_or_default())),
        max_keys: Some(limit),
        is_truncated: Some(page.next.is_some()),
        next_marker: page.next.as_deref().map(encode),
        contents: Some(page.keys),
        common_prefixes: Some(common_prefixes(&page.prefixes, encode)),
        delimiter: input.delimiter.as_deref().map(encode),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    })
}

async fn read_page(store: Arc<Store>, query: Query) -> Result<Page<Object>> {
    blocking(move || {
        let mut cut = Cut::new(&query);
        let after = query.after.as_deref();
        let walked = store.lake().walk(&query.bucket, &query.prefix, after, &mut |entry| cut.add(entry));
        walked.map_err(from_lake)?;
        let page = cut.page;
        let encode = encoder(query.encoded);
        let keys = page.keys.into_iter().map(|entry| {
            let object = store.describe(&query.bucket, entry)?;
            let class = object.description.attributes.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned());
            Ok(Object {
                e_tag: Some(object.etag()),
                key: Some(encode(&object.entry.key)),
                last_modified: Some(object.entry.modified.into()),
                owner: query.with_owner.then(owner),
                size: i64::try_from(object.entry.size).ok(),
                storage_class: Some(ObjectStorageClass::from(class)),
                ..Object::default()
            })
        });
        Ok(Page { keys: keys.collect::<Result<_>>()?, prefixes: page.prefixes, next: page.next })
    })
    .await
}

/// Cuts a page out of keys that come sorted, begin with the prefix and come after `query.after`.
struct Cut<'a> {
    query: &'a Query,
    page: Page<ObjectEntry>,
    last: Option<String>,
    left: i32,
}

impl<'a> Cut<'a> {
    fn new(query: &'a Query) -> Self {
        let page = Page { keys: Vec::new(), prefixes: Vec::new(), next: None };
        Self { query, page, last: None, left: query.limit }
    }

    /// Takes one key, and says which is wanted next.
    fn add(&mut self, entry: ObjectEntry) -> Onward {
        let common = common_prefix(&entry.key, self.query).map(str::to_owned);
        let name = common.as_ref().unwrap_or(&entry.key);
        let seen = [&self.query.after, &self.last].into_iter().flatten().any(|seen| name <= seen);
        if !seen {
            if self.left == 0 {
                // A page without room promises no other.
                self.page.next = self.last.take();
                return Onward::Stop;
            }
            self.left -= 1;
            self.last = Some(name.clone());
        }
        if let Some(common) = common {
            if !seen {
                self.page.prefixes.push(common.clone());
            }
            Onward::Past(common)
        } else {
            if !seen {
                self.page.keys.push(entry);
            }
            Onward::Next
        }
    }
}

/// The part of the key up to the first delimiter after the prefix.
fn common_prefix<'a>(key: &'a str, query: &Query) -> Option<&'a str> {
    let delimiter = query.delimiter.as_deref()?;
    let start = query.prefix.len();
    let end = start + key[start..].find(delimiter)? + delimiter.len();
    Some(&key[..end])
}

fn common_prefixes(prefixes: &[String], encode: fn(&str) -> String) -> Vec<CommonPrefix> {
    prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(encode(prefix)) }).collect()
}

fn limit(max_keys: Option<i32>) -> Result<i32> {
    match max_keys.unwrap_or(LONGEST_PAGE) {
        negative if negative < 0 => {
            Err(refuse(S3ErrorCode::InvalidArgument, "Argument max-keys must be an integer between 0 and 2147483647"))
        }
        limit => Ok(limit.min(LONGEST_PAGE)),
    }
}

/// A continuation token is opaque to clients.
fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

fn read_token(token: &str) -> Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| refuse(S3ErrorCode::InvalidArgument, "The continuation token provided is incorrect"))
}

fn is_url(encoding: Option<&EncodingType>) -> bool {
    encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL)
}

fn encoder(encoded: bool) -> fn(&str) -> String {
    if encoded { percent_encode } else { str::to_owned }
}

/// As S3 does it: everything but unreserved characters and slashes.
fn percent_encode(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::with_capacity(name.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/*".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn entries(keys: &[&str]) -> Vec<ObjectEntry> {
        let entry = |key: &&str| ObjectEntry { key: (*key).to_owned(), size: 0, modified: SystemTime::UNIX_EPOCH };
        keys.iter().map(entry).collect()
    }

    /// A page, cut as the lake shows its keys.
    fn cut(keys: &[&str], query: &Query) -> Page<ObjectEntry> {
        let (mut cut, mut past) = (Cut::new(query), None);
        for entry in entries(keys) {
            if past.as_ref().is_some_and(|past: &String| entry.key.starts_with(past)) {
                continue;
            }
            match cut.add(entry) {
                Onward::Next => {}
                Onward::Past(prefix) => past = Some(prefix),
                Onward::Stop => break,
            }
        }
        cut.page
    }

    /// All names, page by page.
    fn pages(keys: &[&str], mut query: Query) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        loop {
            let page = cut(keys, &query);
            let names = page.keys.into_iter().map(|entry| entry.key).chain(page.prefixes);
            pages.push(names.collect());
            match page.next {
                Some(next) => query.after = Some(next),
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_neither_repeat_nor_miss_a_name() {
        let keys = ["a/1", "a/2", "b", "c/1/x", "c/2", "d"];
        let query = |delimiter: Option<&str>, limit| Query {
            delimiter: delimiter.map(str::to_owned),
            limit,
            ..Query::default()
        };
        assert_eq!(pages(&keys, query(None, 4)), [vec!["a/1", "a/2", "b", "c/1/x"], vec!["c/2", "d"]]);
        assert_eq!(pages(&keys, query(Some("/"), 1)), [["a/"], ["b"], ["c/"], ["d"]]);
        assert_eq!(pages(&keys, query(Some("/"), 4)), [["b", "d", "a/", "c/"]]);
        assert_eq!(pages(&keys, query(None, 0)), [Vec::<String>::new()]);
    }

    #[test]
    fn a_delimiter_counts_only_after_the_prefix() {
        let query = Query { prefix: "c/".into(), delimiter: Some("/".into()), limit: 9, ..Query::default() };
        assert_eq!(pages(&["c/", "c/1/x", "c/2"], query), [["c/", "c/2", "c/1/"]]);
    }

    #[test]
    fn names_are_encoded_as_clients_decode_them() {
        assert_eq!(percent_encode("a b/ü+=%"), "a%20b/%C3%BC%2B%3D%25");
        assert_eq!(read_token(&token("a/ü")).unwrap(), "a/ü");
        assert!(read_token("???").is_err());
    }
}

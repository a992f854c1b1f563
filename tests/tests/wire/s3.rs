//! Objects.

use std::io::{Read, Write};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart};
use local_engine::lake::S3Uri;

use crate::served::{BUCKET, Served};

async fn put(s3: &Client, key: &str, body: &str) -> String {
    let put = s3.put_object().bucket(BUCKET).key(key).body(ByteStream::from(body.as_bytes().to_vec()));
    put.send().await.unwrap().e_tag.unwrap()
}

async fn get(s3: &Client, key: &str) -> String {
    let got = s3.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap()
}

/// The code of an error that must be.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    result.unwrap_err().code().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_object_comes_back_with_what_was_said_of_it() {
    let served = Served::start().await;
    let s3 = served.s3();
    let put = s3.put_object().bucket(BUCKET).key("größe 1+1.csv").content_type("text/csv").metadata("run", "7");
    let put = put.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).body(ByteStream::from_static(b"123456789"));
    let put = put.send().await.unwrap();
    assert_eq!(put.e_tag(), Some("\"25f9e794323b453885f5181f1b624d0b\""));
    assert_eq!(put.checksum_crc64_nvme(), Some("rosUhgp5mIg="));
    let served = served.restart().await;
    let got = served.s3().get_object().bucket(BUCKET).key("größe 1+1.csv").checksum_mode(ChecksumMode::Enabled);
    let got = got.send().await.unwrap();
    assert_eq!(got.content_type(), Some("text/csv"));
    assert_eq!(got.metadata().unwrap()["run"], "7");
    assert_eq!(got.checksum_crc64_nvme(), Some("rosUhgp5mIg="));
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"123456789");
}

#[tokio::test]
async fn files_that_the_engine_wrote_are_objects() {
    let served = Served::start().await;
    let s3 = served.s3();
    let uri = S3Uri::parse("s3://lake/raw/a.csv").unwrap();
    served.lake.put(&uri, b"engine").unwrap();
    assert_eq!(get(&s3, "raw/a.csv").await, "engine");
    let listed = s3.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let head = s3.head_object().bucket(BUCKET).key("raw/a.csv").send().await.unwrap();
    assert_eq!(listed.contents()[0].e_tag(), head.e_tag());
    // What was said of an object that S3 wrote does not outlive its bytes.
    let before = put(&s3, "raw/a.csv", "by S3!").await;
    served.lake.put(&uri, b"engine again").unwrap();
    let head = s3.head_object().bucket(BUCKET).key("raw/a.csv").send().await.unwrap();
    assert_ne!(head.e_tag(), Some(before.as_str()));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let served = Served::start().await;
    let s3 = served.s3();
    put(&s3, "whole", "whole").await;
    let address = served.address;
    let broken = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head = "PUT /lake/whole HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf";
        stream.write_all(head.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        // Whether there is an answer at all is the server's choice.
        let _ = stream.read_to_string(&mut answer);
        answer
    });
    assert!(!broken.await.unwrap().contains("200 OK"));
    assert_eq!(get(&s3, "whole").await, "whole");
}

#[tokio::test]
async fn a_conditional_write_has_one_winner() {
    let served = Served::start().await;
    let s3 = served.s3();
    let first = put(&s3, "lock", "0").await;
    let write = |body: String, etag: Option<String>| {
        let put =
            s3.put_object().bucket(BUCKET).key("lock").set_if_match(etag).body(ByteStream::from(body.into_bytes()));
        async move { put.send().await }
    };
    let race = (1..=8).map(|number| write(number.to_string(), Some(first.clone())));
    let outcomes = futures::future::join_all(race).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for lost in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(code(lost), "PreconditionFailed");
    }
    let create = s3.put_object().bucket(BUCKET).key("lock").if_none_match("*").send().await;
    assert_eq!(code(create), "PreconditionFailed");
}

#[tokio::test]
async fn pages_give_every_key_once() {
    let served = Served::start().await;
    let s3 = served.s3();
    for number in 0..25 {
        served.lake.put(&S3Uri::new(BUCKET, format!("a/{number:02}")), b"").unwrap();
    }
    served.lake.put(&S3Uri::new(BUCKET, "b/x"), b"").unwrap();
    let pages = s3.list_objects_v2().bucket(BUCKET).prefix("a/").into_paginator().page_size(10).send();
    let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    let keys: Vec<_> = pages.iter().flat_map(ListObjectsV2Output::contents).filter_map(|object| object.key()).collect();
    assert_eq!(pages.len(), 3);
    assert_eq!(keys, (0..25).map(|number| format!("a/{number:02}")).collect::<Vec<_>>());
    let folders = s3.list_objects_v2().bucket(BUCKET).delimiter("/").send().await.unwrap();
    let folders: Vec<_> = folders.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).collect();
    assert_eq!(folders, ["a/", "b/"]);
}

#[tokio::test]
async fn parts_become_an_object_only_when_completed() {
    let served = Served::start().await;
    let s3 = served.s3();
    let created = s3.create_multipart_upload().bucket(BUCKET).key("parts").content_type("text/plain");
    let id = created.send().await.unwrap().upload_id.unwrap();
    let mut parts = Vec::new();
    for (number, body) in [(1, vec![b'1'; 5 << 20]), (2, b"2".to_vec())] {
        let part = s3.upload_part().bucket(BUCKET).key("parts").upload_id(&id).part_number(number);
        let part = part.body(ByteStream::from(body)).send().await.unwrap();
        let part =
            CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).set_checksum_crc32(part.checksum_crc32);
        parts.push(part.build());
    }
    assert!(s3.head_object().bucket(BUCKET).key("parts").send().await.is_err());
    // The parts survive the process.
    let served = served.restart().await;
    let s3 = served.s3();
    let upload = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = s3.complete_multipart_upload().bucket(BUCKET).key("parts").upload_id(&id).multipart_upload(upload);
    complete.send().await.unwrap();
    let got = s3.get_object().bucket(BUCKET).key("parts").send().await.unwrap();
    assert_eq!(got.content_type(), Some("text/plain"));
    assert_eq!(got.content_length(), Some((5 << 20) + 1));
    let range = s3.get_object().bucket(BUCKET).key("parts").range("bytes=5242879-").send().await.unwrap();
    assert_eq!(range.content_range(), Some("bytes 5242879-5242880/5242881"));
    assert_eq!(range.body.collect().await.unwrap().to_vec(), b"12");
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name() {
    let served = Served::start().await;
    let s3 = served.s3();
    let refused = s3.get_bucket_policy().bucket(BUCKET).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("NotImplemented"));
    assert!(refused.message().unwrap().contains("GetBucketPolicy"), "{refused:?}");
    let tagged = s3.put_object().bucket(BUCKET).key("k").tagging("a=b").send().await.unwrap_err();
    assert!(tagged.message().unwrap().contains("object tags"), "{tagged:?}");
    assert_eq!(code(s3.get_object().bucket(BUCKET).key("k").send().await), "NoSuchKey");
    assert_eq!(code(s3.delete_bucket().bucket("nothing").send().await), "NoSuchBucket");
}

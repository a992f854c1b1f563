//! The lake's promises: atomic writes, S3's order, no key outside its bucket.

use std::io::Write;

use super::*;

fn lake() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path()).unwrap();
    lake.create_bucket("lake").unwrap();
    (folder, lake)
}

fn uri(key: &str) -> S3Uri {
    S3Uri::new("lake", key)
}

fn keys(lake: &Lake, prefix: &str) -> Vec<String> {
    lake.list("lake", prefix).unwrap().into_iter().map(|entry| entry.key).collect()
}

/// The keys that a walk shows to a visitor which answers as `onward` says.
fn walked(lake: &Lake, after: Option<&str>, onward: &dyn Fn(&str) -> Onward) -> Vec<String> {
    let mut found = Vec::new();
    lake.walk("lake", "", after, &mut |entry| {
        let answer = onward(&entry.key);
        found.push(entry.key);
        answer
    })
    .unwrap();
    found
}

#[test]
fn uris_are_parsed_and_printed() {
    assert_eq!(S3Uri::parse("s3://lake/raw/a.csv").unwrap(), uri("raw/a.csv"));
    assert_eq!(S3Uri::parse("s3a://lake").unwrap(), uri(""));
    assert_eq!(S3Uri::parse("s3://lake/raw").unwrap().folder().to_string(), "s3://lake/raw/");
    assert_eq!(uri("raw").join("a.csv"), uri("raw/a.csv"));
    for wrong in ["", "lake/raw", "s3:///raw", "file:///raw", "S3://lake/raw"] {
        assert!(matches!(S3Uri::parse(wrong), Err(LakeError::NotAUri { .. })), "{wrong:?}");
    }
}

#[test]
fn an_object_is_written_read_and_deleted() {
    let (_folder, lake) = lake();
    let entry = lake.put(&uri("raw/a.csv"), b"0123456789").unwrap();
    assert_eq!((entry.key.as_str(), entry.size), ("raw/a.csv", 10));
    assert_eq!(lake.head(&uri("raw/a.csv")).unwrap(), entry);
    assert_eq!(lake.read(&uri("raw/a.csv")).unwrap(), "0123456789");
    assert_eq!(lake.get_range(&uri("raw/a.csv"), 3..5).unwrap(), "34");
    assert_eq!(lake.get_range(&uri("raw/a.csv"), 8..50).unwrap(), "89");
    assert!(lake.delete(&uri("raw/a.csv")).unwrap());
    assert!(!lake.delete(&uri("raw/a.csv")).unwrap());
    assert!(matches!(lake.read(&uri("raw/a.csv")), Err(LakeError::NoSuchKey { .. })));
    assert!(!lake.exists(&uri("raw/a.csv")).unwrap());
    // With its last object the folder is gone, so its name is free for an object.
    lake.put(&uri("raw"), b"x").unwrap();
}

#[test]
fn listing_is_in_the_order_of_key_bytes() {
    let (_folder, lake) = lake();
    let sorted = ["a-b", "a/", "a/b", "a/b/", "a0", "raw/./x", "raw//x", "raw/z", "ä"];
    for key in sorted.iter().rev().filter(|key| **key != "a/b") {
        lake.put(&uri(key), b"").unwrap();
    }
    let expected: Vec<&str> = sorted.iter().copied().filter(|key| *key != "a/b").collect();
    assert_eq!(keys(&lake, ""), expected);
    assert_eq!(keys(&lake, "a"), ["a-b", "a/", "a/b/", "a0"]);
    assert_eq!(keys(&lake, "a/"), ["a/", "a/b/"]);
    for (at, after) in expected.iter().enumerate() {
        assert_eq!(walked(&lake, Some(after), &|_| Onward::Next), expected[at + 1..], "after {after}");
    }
    assert_eq!(walked(&lake, Some("a/0"), &|_| Onward::Next), expected[2..], "after a key that is not there");
    assert_eq!(walked(&lake, None, &|key| if key == "a0" { Onward::Stop } else { Onward::Next }), expected[..4]);
    let past_raw = |key: &str| if key.starts_with("raw/") { Onward::Past("raw/".to_owned()) } else { Onward::Next };
    assert_eq!(walked(&lake, None, &past_raw), ["a-b", "a/", "a/b/", "a0", "raw/./x", "ä"]);
    assert_eq!(keys(&lake, "raw/"), ["raw/./x", "raw//x", "raw/z"]);
    assert_eq!(keys(&lake, "raw//"), ["raw//x"]);
    assert_eq!(keys(&lake, "none/at/all/"), [""; 0]);
    assert_eq!(keys(&lake, "a0/x"), [""; 0]);
}

#[test]
fn what_is_not_committed_is_not_there() {
    let (folder, lake) = lake();
    let mut staged = lake.stage(&uri("t/new")).unwrap();
    staged.write_all(b"half").unwrap();
    assert_eq!(keys(&lake, ""), [""; 0]);
    drop(staged);
    assert_eq!(fs::read_dir(folder.path().join(STAGING)).unwrap().count(), 0);

    lake.put(&uri("t/old"), b"old").unwrap();
    let reader = lake.open_object(&uri("t/old")).unwrap();
    let mut staged = lake.stage(&uri("t/old")).unwrap();
    staged.write_all(b"new!").unwrap();
    assert_eq!(lake.read(&uri("t/old")).unwrap(), "old");
    assert_eq!(staged.commit().unwrap().size, 4);
    assert_eq!(lake.read(&uri("t/old")).unwrap(), "new!");
    assert_eq!(io::read_to_string(reader).unwrap(), "old");
    assert_eq!(fs::read_dir(folder.path().join(STAGING)).unwrap().count(), 0);
}

#[test]
fn of_two_that_create_a_key_one_wins() {
    let (_folder, lake) = lake();
    let staged: Vec<StagedObject> = (0..2).map(|_| lake.stage(&uri("metadata/1.json")).unwrap()).collect();
    let won: Vec<bool> = staged.into_iter().map(|staged| staged.commit_new().unwrap().is_some()).collect();
    assert_eq!(won, [true, false]);
}

#[test]
fn staging_files_of_a_killed_process_are_cleared() {
    let (folder, lake) = lake();
    fs::write(folder.path().join(STAGING).join("1-1"), "left").unwrap();
    lake.clear_staging().unwrap();
    assert_eq!(fs::read_dir(folder.path().join(STAGING)).unwrap().count(), 0);
    lake.put(&uri("a"), b"").unwrap();
}

#[test]
fn a_key_is_an_object_or_a_prefix() {
    let (_folder, lake) = lake();
    lake.put(&uri("a/b"), b"").unwrap();
    assert!(matches!(lake.put(&uri("a"), b""), Err(LakeError::UnsupportedKey { .. })));
    assert!(matches!(lake.put(&uri("a/b/c"), b""), Err(LakeError::UnsupportedKey { .. })));
    assert!(matches!(lake.head(&uri("a")), Err(LakeError::NoSuchKey { .. })));
    assert!(matches!(lake.read(&uri("a")), Err(LakeError::NoSuchKey { .. })));
    assert!(matches!(lake.read(&uri("a/b/c")), Err(LakeError::NoSuchKey { .. })));
    assert!(!lake.delete(&uri("a")).unwrap());
    assert_eq!(keys(&lake, ""), ["a/b"]);
    for key in [String::new(), "x".repeat(1025), format!("a/{}", "x".repeat(256))] {
        assert!(matches!(lake.put(&uri(&key), b""), Err(LakeError::UnsupportedKey { .. })));
    }
}

#[test]
fn no_key_leaves_its_bucket() {
    let (folder, lake) = lake();
    lake.put(&uri("../../escaped"), b"x").unwrap();
    assert_eq!(keys(&lake, ".."), ["../../escaped"]);
    assert!(!folder.path().join("escaped").exists() && !folder.path().join("../escaped").exists());
    assert!(matches!(lake.read(&S3Uri::new("..", "x")), Err(LakeError::NoSuchBucket { .. })));
}

#[test]
fn buckets_are_made_listed_and_removed() {
    let (_folder, lake) = lake();
    assert!(lake.create_bucket("another").unwrap());
    assert!(!lake.create_bucket("another").unwrap());
    let names: Vec<String> = lake.buckets().unwrap().into_iter().map(|bucket| bucket.name).collect();
    assert_eq!(names, ["another", "lake"]);
    lake.put(&S3Uri::new("another", "a/b"), b"").unwrap();
    assert!(matches!(lake.delete_bucket("another"), Err(LakeError::BucketNotEmpty { .. })));
    lake.delete(&S3Uri::new("another", "a/b")).unwrap();
    lake.delete_bucket("another").unwrap();
    assert!(!lake.bucket_exists("another"));
    assert!(matches!(lake.delete_bucket("another"), Err(LakeError::NoSuchBucket { .. })));
    assert!(matches!(lake.put(&S3Uri::new("another", "a"), b""), Err(LakeError::NoSuchBucket { .. })));
    for wrong in ["ab", "Upper", "-a-", ".staging", "a..b", "a_b", ""] {
        assert!(matches!(lake.create_bucket(wrong), Err(LakeError::InvalidBucketName { .. })), "{wrong:?}");
    }
}

#[test]
fn writers_and_deleters_of_one_folder_do_not_disturb_each_other() {
    let (_folder, lake) = lake();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let lake = &lake;
            scope.spawn(move || {
                for round in 0..200 {
                    let object = uri(&format!("deep/er/{thread}-{round}"));
                    lake.put(&object, b"x").unwrap();
                    assert!(lake.delete(&object).unwrap());
                }
            });
        }
    });
    assert_eq!(keys(&lake, ""), [""; 0]);
}

//! Who is told what, and what a process leaves that dies at each step of a write.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use local_engine::lake::{Lake, S3Uri};
use serde_json::Value;
use tempfile::TempDir;

use super::super::sidecar::{self, Description};
use super::super::store::{Condition, Store};
use super::outbox::{Outbox, Planned};
use super::{Cause, Notification, NotificationError, Notifier, ObjectListener, Source, event_key};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:extract-load";

/// Keeps what it is told; refuses while it is closed.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<Value>>,
    closed: Mutex<bool>,
}

impl ObjectListener for Ear {
    fn announce(&self, function_arn: &str, event: &Value) -> Result<(), Source> {
        assert_eq!(function_arn, FUNCTION);
        if *self.closed.lock().unwrap() {
            return Err("closed".into());
        }
        self.heard.lock().unwrap().push(event["Records"][0].clone());
        Ok(())
    }
}

struct Fixture {
    folder: TempDir,
    ear: Arc<Ear>,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), ear: Arc::default() }
    }

    fn lake(&self) -> Lake {
        let lake = Lake::open(&self.folder.path().join("s3")).unwrap();
        lake.create_bucket("lake").unwrap();
        lake
    }

    fn outbox(&self) -> std::path::PathBuf {
        self.folder.path().join("events.sqlite")
    }

    /// A store as a new process opens it.
    fn store(&self, notifications: Vec<Notification>) -> Store {
        let store = Store::new(self.lake());
        let ear: Arc<dyn ObjectListener> = Arc::clone(&self.ear) as Arc<dyn ObjectListener>;
        let notifier =
            Notifier::open(&self.outbox(), ear, "eu-west-1".to_owned(), store.lake(), store.sidecars()).unwrap();
        notifier.deploy(notifications).unwrap();
        store.notifying(notifier)
    }

    fn heard(&self) -> Vec<Value> {
        self.ear.heard.lock().unwrap().clone()
    }
}

fn notification(prefix: &str, suffix: &str, events: &[&str]) -> Notification {
    Notification {
        id: format!("{prefix}…{suffix}"),
        bucket: "lake".to_owned(),
        function_arn: FUNCTION.to_owned(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        prefix: prefix.to_owned(),
        suffix: suffix.to_owned(),
    }
}

fn created(prefix: &str) -> Vec<Notification> {
    vec![notification(prefix, "", &["s3:ObjectCreated:*"])]
}

fn description(etag: &str) -> Description {
    Description { etag: etag.to_owned(), ..Description::default() }
}

fn put(store: &Store, key: &str, condition: &Condition) -> bool {
    let mut staged = store.stage(&S3Uri::new("lake", key)).unwrap();
    staged.write_all(b"a,b\n1,2\n").unwrap();
    store.commit(staged, description("abc"), condition, Cause::Put).is_ok()
}

#[test]
fn an_event_reads_as_s3_writes_it() {
    let fixture = Fixture::new();
    let store = fixture.store(created("inbox/"));
    assert!(put(&store, "inbox/page views/2026=ä.csv", &Condition::Always));
    let heard = fixture.heard();
    let record = &heard[0];
    assert_eq!(record["eventName"], "ObjectCreated:Put");
    assert_eq!((&record["eventSource"], &record["awsRegion"]), (&"aws:s3".into(), &"eu-west-1".into()));
    let time = record["eventTime"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.len() == "1970-01-01T00:00:00.000Z".len(), "{time}");
    assert_eq!(record["s3"]["bucket"]["arn"], "arn:aws:s3:::lake");
    assert_eq!(record["s3"]["configurationId"], "inbox/…");
    let object = &record["s3"]["object"];
    assert_eq!(object["key"], "inbox/page+views/2026%3D%C3%A4.csv");
    assert_eq!((&object["size"], &object["eTag"]), (&8.into(), &"abc".into()));
    assert_eq!(object.get("versionId"), None);
}

#[test]
fn filters_and_event_types_decide_who_is_told() {
    let fixture = Fixture::new();
    let removed = notification("inbox/", ".csv", &["s3:ObjectRemoved:*"]);
    let copied = notification("inbox/", ".csv", &["s3:ObjectCreated:Copy"]);
    let store = fixture.store(vec![notification("inbox/", ".csv", &["s3:ObjectCreated:Put"]), removed, copied]);
    for key in ["raw/a.csv", "inbox/a.txt", "inbox/a.csv"] {
        assert!(put(&store, key, &Condition::Always));
    }
    store.delete(&S3Uri::new("lake", "inbox/a.csv"), None).unwrap();
    let names: Vec<_> = fixture.heard().iter().map(|record| record["eventName"].clone()).collect();
    assert_eq!(names, ["ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated"]);
    assert_eq!(fixture.heard()[1]["s3"]["object"].get("size"), None);
}

#[test]
fn sequencers_grow_and_a_write_that_failed_is_not_told() {
    let fixture = Fixture::new();
    let store = fixture.store(created("inbox/"));
    assert!(put(&store, "inbox/a", &Condition::Absent));
    assert!(!put(&store, "inbox/a", &Condition::Absent));
    assert!(put(&store, "inbox/a", &Condition::Always));
    let sequencers: Vec<String> =
        fixture.heard().iter().map(|record| record["s3"]["object"]["sequencer"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sequencers.len(), 2);
    assert!(sequencers[0] < sequencers[1], "{sequencers:?}");
}

#[test]
fn what_nobody_took_is_told_after_a_restart() {
    let fixture = Fixture::new();
    *fixture.ear.closed.lock().unwrap() = true;
    assert!(put(&fixture.store(created("inbox/")), "inbox/a", &Condition::Always));
    assert!(fixture.heard().is_empty());
    *fixture.ear.closed.lock().unwrap() = false;
    drop(fixture.store(created("inbox/")));
    assert_eq!(fixture.heard().len(), 1);
    drop(fixture.store(created("inbox/")));
    assert_eq!(fixture.heard().len(), 1, "it is told once");
}

/// What a process leaves that dies at each step of a write.
#[test]
fn a_write_that_a_dead_process_planned_is_told_if_it_took_place() {
    for (visible, described) in [(false, false), (true, false), (true, true)] {
        let fixture = Fixture::new();
        let store = fixture.store(created("inbox/"));
        let uri = S3Uri::new("lake", "inbox/a");
        let mut staged = store.stage(&uri).unwrap();
        staged.write_all(b"a,b\n1,2\n").unwrap();
        let entry = staged.entry().unwrap();
        let planned = Planned {
            number: 0,
            bucket: uri.bucket.clone(),
            key: uri.key.clone(),
            cause: Cause::Put.name().to_owned(),
            time: 1,
            size: Some(entry.size),
            modified_nanos: Some(sidecar::nanos(entry.modified)),
            description: Some(description("abc")),
            configuration: "c".to_owned(),
            target: FUNCTION.to_owned(),
        };
        Outbox::open(&fixture.outbox()).unwrap().plan(&planned).unwrap();
        if visible {
            let entry = staged.commit().unwrap();
            if described {
                sidecar::write(store.sidecars(), "lake", &entry, &description("abc")).unwrap();
            }
        }
        let store = fixture.store(created("inbox/"));
        assert_eq!(fixture.heard().len(), usize::from(visible), "{visible} {described}");
        if visible {
            assert_eq!(store.head(&uri).unwrap().etag().value(), "abc", "the event's ETag is the object's");
        }
    }
}

#[test]
fn notifications_that_overlap_are_refused() {
    let fixture = Fixture::new();
    let store = Store::new(fixture.lake());
    let ear: Arc<dyn ObjectListener> = Arc::clone(&fixture.ear) as Arc<dyn ObjectListener>;
    let notifier = Notifier::open(&fixture.outbox(), ear, String::new(), store.lake(), store.sidecars()).unwrap();
    let put = &["s3:ObjectCreated:Put"][..];
    let all = &["s3:ObjectCreated:*"][..];
    let pair = |a, b| notifier.deploy(vec![a, b]);
    assert!(matches!(
        pair(notification("inbox/", "", all), notification("inbox/customers/", ".csv", put)),
        Err(NotificationError::Overlap { .. })
    ));
    pair(notification("inbox/", ".csv", all), notification("inbox/", ".gz", all)).unwrap();
    pair(notification("inbox/", "", put), notification("inbox/", "", &["s3:ObjectRemoved:*"])).unwrap();
}

#[test]
fn keys_are_encoded_as_forms_are() {
    assert_eq!(event_key("a b/c+d=e%.csv"), "a+b/c%2Bd%3De%25.csv");
}

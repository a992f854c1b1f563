//! Stories of files: what happens twice, at once, half, or not at all.

use canned::Aws;
use canned::lake::{Death, Lake};
use serde_json::{Value, json};

use super::*;

const VIEWS: &str = "view_id,customer_id,url,viewed_at\n\
    1,a,/,2026-01-01 10:00:00\n2,b,/x,2026-01-02 10:00:00\n3,c,/,broken\n4,d,/,2026-01-01 11:00:00\n";

fn settings(max_rejected_percent: u32, new_columns: NewColumns) -> Settings {
    Settings {
        customers: canned::location("s3://lake/raw/customers/"),
        pageviews: canned::location("s3://lake/raw/pageviews/"),
        inbox: canned::location("s3://lake/inbox/"),
        rejects: canned::location("s3://lake/rejects/"),
        loads: canned::location("s3://lake/loads/"),
        max_rejected_percent: Percent(max_rejected_percent),
        new_columns,
    }
}

/// A file in the inbox, and its event.
struct Dropped {
    lake: Lake,
    event: Value,
}

impl Dropped {
    fn new(lake: &Lake, key: &str, content: &[u8]) -> Self {
        let etag = lake.put(&["lake/", key].concat(), content);
        let object = json!({"key": key, "size": content.len(), "eTag": etag, "sequencer": "1"});
        let record = json!({"eventVersion": "2.1", "eventName": "ObjectCreated:Put",
            "eventTime": "2026-02-01T00:00:00.000Z", "s3": {"bucket": {"name": "lake"}, "object": object}});
        Self { lake: lake.clone(), event: json!({"Records": [record]}) }
    }

    async fn load(&self, request: &str) -> Result<Outcome> {
        self.load_with(request, settings(50, NewColumns::Report)).await
    }

    async fn load_with(&self, request: &str, settings: Settings) -> Result<Outcome> {
        let input = serde_json::from_value(self.event.clone()).unwrap();
        let aws = Aws::over(&self.lake).with_request(request);
        let mut output = handle(&aws.context(settings), input).await?;
        Ok(output.sources.remove(0))
    }
}

/// Everything that can be seen but the inbox, without what differs from one attempt to the next.
fn seen(lake: &Lake) -> BTreeMap<String, Vec<u8>> {
    let mut seen = lake.list("lake/");
    seen.retain(|address, _| !address.starts_with("lake/inbox/"));
    for (address, content) in &mut seen {
        if address.starts_with("lake/loads/") && !address.starts_with("lake/loads/content/") {
            let mut summary: Value = serde_json::from_slice(content).unwrap();
            assert_accounted(&summary);
            summary["millis"].take();
            summary["request_id"].take();
            *content = serde_json::to_vec(&summary).unwrap();
        }
    }
    seen
}

fn assert_accounted(summary: &Value) {
    let rows = |name: &str| summary["rows"][name].as_u64().unwrap();
    assert_eq!(rows("loaded") + rows("rejected"), rows("read"), "{summary}");
    let sum =
        |name: &str| -> u64 { summary[name].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum() };
    assert_eq!((sum("partitions"), sum("rejected")), (rows("loaded"), rows("rejected")), "{summary}");
}

fn summary(lake: &Lake, outcome: &Outcome) -> Value {
    let address = outcome.summary.strip_prefix("s3://").unwrap();
    serde_json::from_slice(&lake.get(address).unwrap()).unwrap()
}

fn raw_rows(lake: &Lake) -> usize {
    let files = lake.list("lake/raw/").into_values();
    files.map(|file| memchr::memchr_iter(b'\n', &file).count() - 1).sum()
}

/// A file whose one day needs a part of an upload before it is at its end.
fn large() -> Vec<u8> {
    let mut text = b"view_id,customer_id,url,viewed_at\nx,x,x,x\n".to_vec();
    for number in 0..150_000 {
        text.extend(format!("{number},customer,/a/longer/path/to/a/page,2026-01-01 10:00:00\n").into_bytes());
    }
    text
}

#[tokio::test]
async fn a_file_is_divided_into_its_days_and_its_rejects() {
    let lake = Lake::default();
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());

    let outcome = dropped.load("r-1").await.unwrap();

    assert_eq!((outcome.rows_read, outcome.rows_loaded, outcome.rows_rejected), (4, 3, 1));
    let id = &outcome.source;
    let file = |address: String| String::from_utf8(lake.get(&address).unwrap()).unwrap();
    let first = file(format!("lake/raw/pageviews/year=2026/month=01/day=01/{id}-0000.csv"));
    assert_eq!(first, "view_id,customer_id,url,viewed_at\n1,a,/,2026-01-01 10:00:00\n4,d,/,2026-01-01 11:00:00\n");
    let rejects = file(format!("lake/rejects/pageviews/{id}/0000.csv"));
    assert_eq!(rejects, format!("table_name,source,line,reason,raw\npageviews,{id},4,invalid_time,\"3,c,/,broken\"\n"));
    let summary = summary(&lake, &outcome);
    assert_eq!(summary["status"], "loaded");
    assert_eq!(summary["partitions"]["year=2026/month=01/day=01"], 2);
    assert_eq!(summary["rejects"], format!("s3://lake/rejects/pageviews/{id}/"));
    assert_eq!(lake.open_uploads(), 0);
}

#[tokio::test]
async fn the_same_event_again_reads_nothing() {
    let lake = Lake::default();
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());
    let first = dropped.load("r-1").await.unwrap();
    let before = seen(&lake);
    lake.dies(None);

    assert_eq!(dropped.load("r-2").await.unwrap(), first);

    assert_eq!(lake.calls().len(), 1, "{:?}", lake.calls());
    assert_eq!(seen(&lake), before);
}

#[tokio::test]
async fn whatever_call_fails_the_next_attempt_leaves_exactly_one_copy() {
    for content in [VIEWS.as_bytes().to_vec(), large()] {
        let whole = Lake::default();
        Dropped::new(&whole, "inbox/pageviews/a.csv", &content).load("r-1").await.unwrap();
        let (expected, calls) = (seen(&whole), whole.calls().len());
        assert!(calls > 7, "{:?}", whole.calls());
        for death in (0..calls).flat_map(|call| [Death::Before(call), Death::After(call)]) {
            let lake = Lake::default();
            let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", &content);
            lake.dies(Some(death));

            let error = dropped.load("r-1").await;
            lake.dies(None);

            assert!(error.is_err_and(|error| error.code() == "ServiceError"), "{death:?}");
            let visible = seen(&lake);
            assert!(visible.iter().all(|(address, content)| expected[address] == *content), "{death:?}");
            dropped.load("r-1").await.unwrap();
            assert_eq!(seen(&lake), expected, "{death:?}");
        }
    }
}

#[tokio::test]
async fn two_functions_on_one_file_leave_one_copy() {
    for content in [VIEWS.as_bytes().to_vec(), large()] {
        let lake = Lake::default();
        let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", &content);

        let (one, two) = tokio::join!(dropped.load("r-1"), dropped.load("r-2"));

        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one, two);
        assert_eq!(raw_rows(&lake) as u64, one.rows_loaded);
        assert_eq!(lake.list("lake/loads/content/").len(), 1);
        assert_eq!(lake.open_uploads(), 0);
    }
}

#[tokio::test]
async fn the_same_content_under_another_name_counts_once() {
    let lake = Lake::default();
    let (one, two) = ("inbox/pageviews/a.csv", "inbox/pageviews/b/c.csv");
    let (one, two) = (Dropped::new(&lake, one, VIEWS.as_bytes()), Dropped::new(&lake, two, VIEWS.as_bytes()));

    let first = one.load("r-1").await.unwrap();
    let second = two.load("r-2").await.unwrap();

    assert_eq!((first.status, second.status), (Status::Loaded, Status::Duplicate));
    assert_eq!((raw_rows(&lake), lake.list("lake/rejects/").len()), (3, 1));
    let summary = summary(&lake, &second);
    assert_eq!((&summary["duplicate_of"], &summary["rows"]["read"]), (&json!(first.source), &json!(0)));
    seen(&lake);
}

#[tokio::test]
async fn two_names_at_once_wait_for_one_another() {
    let lake = Lake::default();
    let one = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());
    let two = Dropped::new(&lake, "inbox/pageviews/b.csv", VIEWS.as_bytes());

    let results: [_; 2] = tokio::join!(one.load("r-1"), two.load("r-2")).into();

    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(failed.iter().all(|error| error.code() == "SourceInProgress"), "{failed:?}");
    assert!(failed.len() < 2);
    let statuses = [one.load("r-1").await.unwrap().status, two.load("r-2").await.unwrap().status];
    assert!(statuses.contains(&Status::Loaded) && statuses.contains(&Status::Duplicate), "{statuses:?}");
    assert_eq!(raw_rows(&lake), 3);
}

#[tokio::test]
async fn a_content_whose_source_died_is_not_loaded_by_another() {
    let lake = Lake::default();
    let one = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());
    let two = Dropped::new(&lake, "inbox/pageviews/b.csv", VIEWS.as_bytes());
    one.load("r-0").await.unwrap();
    let claim = lake.calls().iter().position(|call| call.starts_with("PUT lake/loads/content/")).unwrap();
    let lake_after = Lake::default();
    let one = Dropped { lake: lake_after.clone(), event: one.event };
    let two = Dropped { lake: lake_after.clone(), event: two.event };
    for key in ["a", "b"] {
        lake_after.put(&format!("lake/inbox/pageviews/{key}.csv"), VIEWS.as_bytes());
    }
    lake_after.dies(Some(Death::After(claim)));
    one.load("r-1").await.unwrap_err();
    lake_after.dies(None);

    assert_eq!(two.load("r-2").await.unwrap_err().code(), "SourceInProgress");
    assert_eq!(one.load("r-1").await.unwrap().status, Status::Loaded);
    assert_eq!(two.load("r-2").await.unwrap().status, Status::Duplicate);
}

#[tokio::test]
async fn a_refused_file_shows_its_broken_rows_and_loads_none() {
    let lake = Lake::default();
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());
    let strict = || settings(10, NewColumns::Report);

    let error = dropped.load_with("r-1", strict()).await.unwrap_err();

    assert_eq!(error.code(), "SourceRefused");
    assert!(error.to_string().contains("1 of 4 rows are rejected, more than 10 %, most as invalid_time"), "{error}");
    assert_eq!((raw_rows(&lake), lake.list("lake/rejects/").len(), lake.open_uploads()), (0, 1, 0));
    seen(&lake);
    lake.dies(None);
    let again = dropped.load_with("r-1", strict()).await.unwrap_err();
    assert_eq!((again.to_string(), lake.calls().len()), (error.to_string(), 1), "the same request reads nothing");
    let replayed = dropped.load("r-2").await.unwrap();
    assert_eq!((replayed.status, raw_rows(&lake)), (Status::Loaded, 3), "a later request may load it");
}

#[tokio::test]
async fn what_an_attempt_left_of_a_file_that_is_refused_later_is_removed() {
    let lake = Lake::default();
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());
    dropped.load("r-0").await.unwrap();
    let summary = lake.calls().iter().rposition(|call| call.starts_with("PUT lake/loads/")).unwrap();
    let lake = Lake::default();
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());
    lake.dies(Some(Death::Before(summary)));
    dropped.load("r-1").await.unwrap_err();
    lake.dies(None);
    assert_eq!(raw_rows(&lake), 3);

    dropped.load_with("r-2", settings(0, NewColumns::Report)).await.unwrap_err();

    assert_eq!(raw_rows(&lake), 0);
    assert_eq!(dropped.load("r-3").await.unwrap().rows_loaded, 3);
    assert_eq!(raw_rows(&lake), 3);
}

#[tokio::test]
async fn files_that_an_earlier_deployment_divided_otherwise_are_removed() {
    let lake = Lake::default();
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());
    let id = dropped.load("r-0").await.unwrap().source;
    let expected = seen(&lake);
    lake.remove(&format!("lake/loads/pageviews/{id}.json"));
    let stale = format!("raw/pageviews/year=2026/month=01/day=01/{id}-0001.csv");
    lake.put(&["lake/", &stale].concat(), b"view_id,customer_id,url,viewed_at\n4,d,/,2026-01-01 11:00:00\n");
    let (address, claim) = lake.list("lake/loads/content/").pop_first().unwrap();
    let mut claim: Value = serde_json::from_slice(&claim).unwrap();
    claim["files"].as_array_mut().unwrap().push(json!(stale));
    lake.put(&address, claim.to_string().as_bytes());

    dropped.load("r-1").await.unwrap();

    assert_eq!(seen(&lake), expected);
}

#[tokio::test]
async fn a_connection_that_breaks_is_read_on_where_it_broke() {
    let lake = Lake::default();
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", &large());
    lake.breaks_reads(&[7, 0, 0, 1000]);

    let outcome = dropped.load("r-1").await.unwrap();

    assert_eq!((outcome.rows_loaded, raw_rows(&lake)), (150_000, 150_000));
    let reads = lake.calls().iter().filter(|call| call.starts_with("GET lake/inbox/")).count();
    assert_eq!(reads, 5);
}

#[tokio::test]
async fn a_file_that_changed_since_its_event_is_an_error() {
    let lake = Lake::default();
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());
    lake.put("lake/inbox/pageviews/a.csv", b"view_id,customer_id,url,viewed_at\n");
    assert_eq!(dropped.load("r-1").await.unwrap_err().code(), "SourceChanged");
    lake.remove("lake/inbox/pageviews/a.csv");
    assert_eq!(dropped.load("r-1").await.unwrap_err().code(), "SourceChanged");
    assert_eq!(seen(&lake), BTreeMap::new());
}

#[tokio::test]
async fn files_that_others_put_into_the_raw_zone_stay_as_they_are() {
    let lake = Lake::default();
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());
    let others = ["year=2026/month=01/day=01/part-0000.csv", "year=2026/month=01/day=01/x-0000.csv", "stray.csv"];
    let others = others.map(|name| ["lake/raw/pageviews/", name].concat());
    for address in &others {
        lake.put(address, b"view_id,customer_id,url,viewed_at\n9,z,/,2026-01-01 00:00:00\n");
    }
    let before = lake.list("lake/raw/");

    dropped.load("r-1").await.unwrap();

    let mut after = lake.list("lake/raw/");
    assert_eq!(after.len(), before.len() + 2);
    after.retain(|address, _| before.contains_key(address));
    assert_eq!(after, before);
}

#[tokio::test]
async fn markers_of_folders_are_no_files_and_other_places_no_inbox() {
    let lake = Lake::default();
    let marker = Dropped::new(&lake, "inbox/pageviews/", b"");
    let input = serde_json::from_value(marker.event.clone()).unwrap();
    let output = handle(&Aws::over(&lake).context(settings(0, NewColumns::Report)), input).await.unwrap();
    assert_eq!(output.sources, []);

    let other = Dropped::new(&lake, "inbox/orders/a.csv", b"");
    let error = other.load("r-1").await.unwrap_err();
    assert_eq!(error.code(), "InvalidInput");
    assert!(error.to_string().contains("inbox/orders/a.csv lies in no table's folder"), "{error}");
}

fn table(columns: &[(&str, &str)]) -> Value {
    let columns: Vec<_> = columns.iter().map(|(name, kind)| json!({"Name": name, "Type": kind})).collect();
    json!({"Name": "pageviews", "DatabaseName": "appdb", "VersionId": "7", "TableType": "EXTERNAL_TABLE",
        "Parameters": {"skip.header.line.count": "1"}, "PartitionKeys": [{"Name": "year", "Type": "string"}],
        "StorageDescriptor": {"Location": "s3://lake/raw/pageviews/", "Columns": columns}})
}

const COLUMNS: [(&str, &str); 4] =
    [("view_id", "string"), ("customer_id", "string"), ("url", "string"), ("viewed_at", "string")];

#[tokio::test]
async fn a_new_column_is_added_to_the_table_once() {
    let lake = Lake::default();
    lake.put_table(table(&COLUMNS));
    let text = "referrer,view_id,customer_id,url,viewed_at,duration\n\
        ,1,a,/,2026-01-01 10:00:00,7\n\"x,y\",2,a,/,2026-01-01 10:00:00,8\n";
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", text.as_bytes());

    let outcome = dropped.load_with("r-1", settings(0, NewColumns::Add)).await.unwrap();

    let mut expected = table(&[&COLUMNS[..], &[("referrer", "string"), ("duration", "bigint")]].concat());
    expected["VersionId"] = json!("8");
    let found = lake.table("pageviews").unwrap();
    assert_eq!(found["StorageDescriptor"], expected["StorageDescriptor"]);
    for kept in ["VersionId", "TableType", "Parameters", "PartitionKeys"] {
        assert_eq!(found[kept], expected[kept], "{kept}");
    }
    assert_eq!(summary(&lake, &outcome)["columns"]["added"], json!([["referrer", "string"], ["duration", "bigint"]]));
    let (_, file) = lake.list("lake/raw/").pop_first().unwrap();
    let expected = "view_id,customer_id,url,viewed_at,referrer,duration\n\
        1,a,/,2026-01-01 10:00:00,,7\n2,a,/,2026-01-01 10:00:00,\"x,y\",8\n";
    assert_eq!(String::from_utf8(file).unwrap(), expected);

    let next = text.replace(",8\n", ",\n").replace(",7\n", ",70\n");
    let next = Dropped::new(&lake, "inbox/pageviews/b.csv", next.as_bytes());
    let outcome = next.load_with("r-2", settings(50, NewColumns::Add)).await.unwrap();
    assert_eq!(lake.table("pageviews").unwrap()["VersionId"], "8", "nothing is new any more");
    assert_eq!(summary(&lake, &outcome)["rejected"], json!({"value_of_another_type": 1}));
}

#[tokio::test]
async fn a_table_that_is_not_ours_is_not_written_for() {
    let lake = Lake::default();
    lake.put_table(table(&[("view_id", "string"), ("customer_id", "bigint")]));
    let dropped = Dropped::new(&lake, "inbox/pageviews/a.csv", VIEWS.as_bytes());

    assert_eq!(dropped.load("r-1").await.unwrap_err().code(), "InvalidOutput");
    assert_eq!(seen(&lake), BTreeMap::new());
}

#[tokio::test]
async fn a_table_that_changed_in_between_keeps_its_change() {
    let lake = Lake::default();
    lake.put_table(table(&COLUMNS));
    let context = Aws::over(&lake).context(());
    let read = context.catalog.table("pageviews").await.unwrap().unwrap();
    let mut changed = table(&COLUMNS);
    changed["VersionId"] = json!("8");
    lake.put_table(changed.clone());

    let columns = [("x".to_owned(), "string".to_owned())];
    let error = context.catalog.add_columns(&read, &columns).await.unwrap_err();

    assert_eq!((error.code(), lake.table("pageviews").unwrap()), ("TableChanged", changed));
}

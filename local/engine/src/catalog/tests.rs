//! The catalog's promises: Glue's refusals, the version check, and that it survives its process.

use super::*;

fn open() -> (tempfile::TempDir, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).unwrap();
    catalog.create_database(Database { name: "AppDB".to_owned(), ..Database::default() }).unwrap();
    (folder, catalog)
}

fn table(name: &str) -> Table {
    Table {
        name: name.to_owned(),
        partition_keys: ["year", "month"].map(|key| Column { name: key.to_owned(), ..Column::default() }).to_vec(),
        ..Table::default()
    }
}

fn partition(values: [&str; 2]) -> Partition {
    let location = Some(format!("s3://lake/t/year={}/month={}/", values[0], values[1]));
    Partition {
        values: values.map(str::to_owned).to_vec(),
        storage_descriptor: StorageDescriptor { location, ..StorageDescriptor::default() },
        ..Partition::default()
    }
}

#[test]
fn names_are_folded() {
    let (_folder, catalog) = open();
    assert_eq!(catalog.get_database("APPDB").unwrap().name, "appdb");
    let made = catalog.create_table("appDB", table("PageViews")).unwrap();
    assert_eq!((made.database_name.as_str(), made.name.as_str()), ("appdb", "pageviews"));
    assert_eq!(catalog.get_table("appdb", "PAGEVIEWS").unwrap(), made);
    for name in ["", &"x".repeat(256), "a\nb"] {
        assert!(matches!(catalog.create_table("appdb", table(name)), Err(CatalogError::InvalidInput { .. })));
    }
}

#[test]
fn what_is_absent_or_taken_is_told_by_name() {
    let (_folder, catalog) = open();
    let text = |error: CatalogError| error.to_string();
    assert_eq!(text(catalog.get_table("nodb", "t").unwrap_err()), "Database nodb not found");
    assert_eq!(text(catalog.get_table("appdb", "t").unwrap_err()), "Table t not found");
    assert_eq!(text(catalog.list_tables("nodb").unwrap_err()), "Database nodb not found");
    assert_eq!(text(catalog.create_table("nodb", table("t")).unwrap_err()), "Database nodb not found");
    assert_eq!(text(catalog.delete_table("appdb", "t").unwrap_err()), "Table t not found");
    assert_eq!(text(catalog.delete_database("nodb").unwrap_err()), "Database nodb not found");
    catalog.create_table("appdb", table("t")).unwrap();
    assert_eq!(text(catalog.create_table("appdb", table("T")).unwrap_err()), "Table t already exists");
    let again = Database { name: "APPDB".to_owned(), ..Database::default() };
    assert_eq!(text(catalog.create_database(again).unwrap_err()), "Database appdb already exists");
}

#[test]
fn a_database_is_updated_and_removed_with_its_children() {
    let (_folder, catalog) = open();
    let described = Database { description: Some("d".to_owned()), ..Database::default() };
    catalog.update_database("appdb", described).unwrap();
    let database = catalog.get_database("appdb").unwrap();
    assert_eq!((database.name.as_str(), database.description.as_deref()), ("appdb", Some("d")));
    assert!(database.create_time.is_some());
    catalog.create_table("appdb", table("t")).unwrap();
    catalog.delete_database("appdb").unwrap();
    assert_eq!(catalog.list_databases().unwrap(), []);
    catalog.create_database(Database { name: "appdb".to_owned(), ..Database::default() }).unwrap();
    assert_eq!(catalog.list_tables("appdb").unwrap(), []);
}

#[test]
fn of_two_updates_of_one_version_one_wins() {
    let (_folder, catalog) = open();
    let made = catalog.create_table("appdb", table("t")).unwrap();
    assert_eq!(made.version_id.as_deref(), Some("0"));
    let updated = catalog.update_table("appdb", table("t"), Some("0")).unwrap();
    assert_eq!(updated.version_id.as_deref(), Some("1"));
    assert_eq!(updated.create_time, made.create_time);
    let lost = catalog.update_table("appdb", table("t"), Some("0")).unwrap_err();
    assert!(matches!(lost, CatalogError::ConcurrentModification { .. }), "{lost}");
    assert_eq!(catalog.update_table("appdb", table("t"), None).unwrap().version_id.as_deref(), Some("2"));
    assert_eq!(catalog.get_table("appdb", "t").unwrap().version_id.as_deref(), Some("2"));

    let wins: usize = std::thread::scope(|scope| {
        let update = || scope.spawn(|| usize::from(catalog.update_table("appdb", table("t"), Some("2")).is_ok()));
        (0..8).map(|_| update()).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(wins, 1);
}

#[test]
fn a_table_is_renamed_with_its_partitions() {
    let (_folder, catalog) = open();
    catalog.create_database(Database { name: "other".to_owned(), ..Database::default() }).unwrap();
    catalog.create_table("appdb", table("t")).unwrap();
    catalog.create_table("appdb", table("taken")).unwrap();
    catalog.batch_create_partitions("appdb", "t", vec![partition(["2026", "01"])]).unwrap();
    let taken = catalog.rename_table(("appdb", "t"), ("appdb", "taken"), None).unwrap_err();
    assert!(matches!(taken, CatalogError::AlreadyExists { .. }), "{taken}");
    let moved = catalog.rename_table(("appdb", "t"), ("other", "U"), Some("0")).unwrap();
    assert_eq!((moved.name.as_str(), moved.version_id.as_deref()), ("u", Some("1")));
    assert!(catalog.get_table("appdb", "t").is_err());
    let partitions = catalog.list_partitions("other", "u").unwrap();
    assert_eq!((partitions.len(), partitions[0].table_name.as_str()), (1, "u"));
}

#[test]
fn partitions_are_added_one_by_one_changed_and_removed() {
    let (_folder, catalog) = open();
    catalog.create_table("appdb", table("t")).unwrap();
    let (first, second) = (partition(["2026", "01"]), partition(["2026", "02"]));
    assert!(catalog.batch_create_partitions("appdb", "t", vec![second.clone()]).unwrap().is_empty());
    let refused = catalog.batch_create_partitions("appdb", "t", vec![second, first.clone()]).unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].values, ["2026", "02"]);
    assert!(matches!(refused[0].error, CatalogError::AlreadyExists { .. }));
    let values: Vec<_> = catalog.list_partitions("appdb", "T").unwrap().into_iter().map(|p| p.values).collect();
    assert_eq!(values, [["2026", "01"], ["2026", "02"]]);

    let stored = catalog.get_partition("appdb", "t", &first.values).unwrap();
    assert_eq!(stored.storage_descriptor, first.storage_descriptor);
    assert_eq!((stored.database_name.as_str(), stored.creation_time.is_some()), ("appdb", true));

    let moved = partition(["2026", "03"]);
    catalog.update_partition("appdb", "t", &first.values, moved.clone()).unwrap();
    assert!(catalog.get_partition("appdb", "t", &first.values).is_err());
    let taken = catalog.update_partition("appdb", "t", &moved.values, partition(["2026", "02"])).unwrap_err();
    assert!(matches!(taken, CatalogError::AlreadyExists { .. }), "{taken}");
    assert!(catalog.get_partition("appdb", "t", &moved.values).is_ok(), "a refused update changes nothing");

    let missing = catalog.batch_delete_partitions("appdb", "t", &[moved.values, first.values.clone()]).unwrap();
    assert_eq!(missing.into_iter().map(|m| m.values).collect::<Vec<_>>(), [first.values]);
    assert_eq!(catalog.list_partitions("appdb", "t").unwrap().len(), 1);
    catalog.delete_table("appdb", "t").unwrap();
    catalog.create_table("appdb", table("t")).unwrap();
    assert_eq!(catalog.list_partitions("appdb", "t").unwrap(), []);
}

#[test]
fn partition_values_must_fit_the_keys() {
    let (_folder, catalog) = open();
    catalog.create_table("appdb", table("t")).unwrap();
    let short = Partition { values: vec!["2026".to_owned()], ..Partition::default() };
    let batch = vec![partition(["2026", "01"]), short];
    let error = catalog.batch_create_partitions("appdb", "t", batch).unwrap_err();
    assert!(matches!(error, CatalogError::InvalidInput { .. }), "{error}");
    assert_eq!(catalog.list_partitions("appdb", "t").unwrap(), [], "all or nothing");
}

#[test]
fn what_glue_sends_beyond_our_fields_is_kept() {
    let (_folder, catalog) = open();
    let mut with_more = table("t");
    with_more.rest.insert("TargetTable".to_owned(), serde_json::json!({"Name": "x"}));
    with_more.storage_descriptor.rest.insert("SortColumns".to_owned(), serde_json::json!([]));
    let made = catalog.create_table("appdb", with_more.clone()).unwrap();
    let read = catalog.get_table("appdb", "t").unwrap();
    assert_eq!(read, made);
    assert_eq!((read.rest, read.storage_descriptor), (with_more.rest, with_more.storage_descriptor));
}

#[test]
fn what_was_written_is_there_after_the_process_was_killed() {
    let (folder, catalog) = open();
    catalog.create_table("appdb", table("t")).unwrap();
    catalog.batch_create_partitions("appdb", "t", vec![partition(["2026", "01"])]).unwrap();
    // kill -9 leaves the files as they are at that moment: the main file and the write-ahead log.
    let killed = tempfile::tempdir().unwrap();
    for file in ["catalog.sqlite", "catalog.sqlite-wal"] {
        std::fs::copy(folder.path().join(file), killed.path().join(file)).unwrap();
    }
    let reopened = Catalog::open(&killed.path().join("catalog.sqlite")).unwrap();
    assert_eq!(reopened.list_partitions("appdb", "t").unwrap().len(), 1);
}

#[test]
fn a_store_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.sqlite");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Catalog::open(&path).unwrap_err();
    assert!(matches!(error, CatalogError::OtherVersion { found: 99, .. }), "{error}");
}

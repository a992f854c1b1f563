//! The catalog.

use aws_sdk_glue::error::ProvideErrorMetadata;
use aws_sdk_glue::types::{Column, DatabaseInput, PartitionInput, StorageDescriptor, TableInput};

use crate::served::Served;

fn table(parameter: &str) -> TableInput {
    let column = |name: &str| Column::builder().name(name).r#type("string").build().unwrap();
    let storage = StorageDescriptor::builder().columns(column("view_id")).location("s3://lake/raw/").build();
    let table = TableInput::builder().name("Views").storage_descriptor(storage).partition_keys(column("year"));
    table.parameters("metadata_location", parameter).build().unwrap()
}

async fn with_table() -> Served {
    let served = Served::start().await;
    let glue = served.glue();
    let database = DatabaseInput::builder().name("appdb").build().unwrap();
    glue.create_database().database_input(database).send().await.unwrap();
    glue.create_table().database_name("appdb").table_input(table("v0")).send().await.unwrap();
    served
}

#[tokio::test]
async fn an_update_that_names_a_former_version_loses() {
    let served = with_table().await.restart().await;
    let glue = served.glue();
    let got = glue.get_table().database_name("appdb").name("views").send().await.unwrap().table.unwrap();
    let version = got.version_id().unwrap();
    let update = |parameter: &str| {
        let update = glue.update_table().database_name("appdb").table_input(table(parameter));
        update.version_id(version).skip_archive(true).send()
    };
    update("v1").await.unwrap();
    let lost = update("v2").await.unwrap_err();
    assert_eq!(lost.code(), Some("ConcurrentModificationException"));
    assert!(lost.into_service_error().is_concurrent_modification_exception());
    let got = glue.get_table().database_name("appdb").name("views").send().await.unwrap().table.unwrap();
    assert_eq!(got.parameters().unwrap()["metadata_location"], "v1");
    assert_eq!(got.storage_descriptor().unwrap().columns()[0].name(), "view_id");
}

#[tokio::test]
async fn partitions_are_listed_by_expression_and_page() {
    let served = with_table().await;
    let glue = served.glue();
    let partition = |year: i32| {
        let storage = StorageDescriptor::builder().location(format!("s3://lake/raw/year={year}/")).build();
        PartitionInput::builder().values(year.to_string()).storage_descriptor(storage).build()
    };
    let all = (2000..2020).map(partition).collect();
    let batch = glue.batch_create_partition().database_name("appdb").table_name("views");
    let done = batch.set_partition_input_list(Some(all)).send().await.unwrap();
    assert!(done.errors().is_empty());
    let pages = glue.get_partitions().database_name("appdb").table_name("views").expression("year >= '2005'");
    let pages: Vec<_> = pages.max_results(10).into_paginator().send().collect::<Result<_, _>>().await.unwrap();
    let sizes: Vec<_> = pages.iter().map(|page| page.partitions().len()).collect();
    assert_eq!(sizes, [10, 5]);
    assert_eq!(pages[0].partitions()[0].values(), ["2005"]);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_supported_have_names() {
    let served = with_table().await;
    let glue = served.glue();
    let missing = glue.get_table().database_name("appdb").name("nothing").send().await.unwrap_err();
    assert!(missing.into_service_error().is_entity_not_found_exception());
    let unknown = glue.get_crawlers().send().await.unwrap_err();
    assert_eq!(unknown.code(), Some("UnknownOperationException"));
    assert!(unknown.message().unwrap().contains("AWSGlue.GetCrawlers"));
}

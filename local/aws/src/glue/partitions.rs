//! Partitions.

use local_engine::catalog::{CatalogError, Partition, PartitionError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::expression::Filter;
use super::paging::{Page, bounds, page};
use super::{Glue, error_detail, refused};
use crate::error::{WireError, reply};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreatePartition {
    database_name: String,
    table_name: String,
    partition_input: Partition,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchCreatePartition {
    database_name: String,
    table_name: String,
    partition_input_list: Vec<Partition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByValues {
    database_name: String,
    table_name: String,
    partition_values: Vec<String>,
}

/// Glue's `PartitionValueList`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Values {
    values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchGetPartition {
    database_name: String,
    table_name: String,
    partitions_to_get: Vec<Values>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchDeletePartition {
    database_name: String,
    table_name: String,
    partitions_to_delete: Vec<Values>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdatePartition {
    database_name: String,
    table_name: String,
    partition_value_list: Vec<String>,
    partition_input: Partition,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetPartitions {
    database_name: String,
    table_name: String,
    expression: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
    segment: Option<Segment>,
    #[serde(default)]
    exclude_column_schema: bool,
}

/// A share of the partitions, for clients that list in parallel.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Segment {
    segment_number: usize,
    total_segments: usize,
}

/// Source: <https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html>
const LONGEST_PAGE: usize = 1000;

pub(super) fn create(glue: &Glue, input: CreatePartition) -> Result<Value, WireError> {
    let partitions = vec![input.partition_input];
    let refusals = glue.catalog.batch_create_partitions(&input.database_name, &input.table_name, partitions);
    all_done(refusals)
}

pub(super) fn batch_create(glue: &Glue, input: BatchCreatePartition) -> Result<Value, WireError> {
    let partitions = input.partition_input_list;
    let refusals = glue.catalog.batch_create_partitions(&input.database_name, &input.table_name, partitions);
    each(refusals)
}

pub(super) fn get(glue: &Glue, input: &ByValues) -> Result<Value, WireError> {
    let found = glue.catalog.get_partition(&input.database_name, &input.table_name, &input.partition_values);
    Ok(json!({"Partition": reply(&found.map_err(refused)?)?}))
}

pub(super) fn batch_get(glue: &Glue, input: &BatchGetPartition) -> Result<Value, WireError> {
    // A table that is not there is an error; a partition that is not there is left out.
    glue.catalog.get_table(&input.database_name, &input.table_name).map_err(refused)?;
    let mut partitions = Vec::new();
    for wanted in &input.partitions_to_get {
        match glue.catalog.get_partition(&input.database_name, &input.table_name, &wanted.values) {
            Ok(partition) => partitions.push(partition),
            Err(CatalogError::NotFound { .. }) => {}
            Err(error) => return Err(refused(error)),
        }
    }
    Ok(json!({"Partitions": reply(&partitions)?, "UnprocessedKeys": []}))
}

pub(super) fn list(glue: &Glue, input: &GetPartitions) -> Result<Value, WireError> {
    let expression = input.expression.as_deref().filter(|expression| !expression.trim().is_empty());
    let mut page = match (expression, &input.segment) {
        (None, None) => plain_page(glue, input)?,
        (expression, segment) => chosen_page(glue, input, expression, segment.as_ref())?,
    };
    if input.exclude_column_schema {
        page.items.iter_mut().for_each(|partition| partition.storage_descriptor.columns.clear());
    }
    let mut output = json!({"Partitions": reply(&page.items)?});
    if let Some(token) = page.next_token {
        output["NextToken"] = token.into();
    }
    Ok(output)
}

/// A page of all partitions: no other is read.
fn plain_page(glue: &Glue, input: &GetPartitions) -> Result<Page<Partition>, WireError> {
    let (start, length) = bounds(input.next_token.as_deref(), input.max_results, LONGEST_PAGE)?;
    let (database, table) = (&input.database_name, &input.table_name);
    let mut items = glue.catalog.page_of_partitions(database, table, start, length + 1).map_err(refused)?;
    let next_token = (items.len() > length).then(|| (start + length).to_string());
    items.truncate(length);
    Ok(Page { items, next_token })
}

/// A page of the partitions that an expression admits, or of a share of them.
fn chosen_page(
    glue: &Glue,
    input: &GetPartitions,
    expression: Option<&str>,
    segment: Option<&Segment>,
) -> Result<Page<Partition>, WireError> {
    let table = glue.catalog.get_table(&input.database_name, &input.table_name).map_err(refused)?;
    let filter = expression.map(|expression| Filter::parse(expression, &table.partition_keys)).transpose()?;
    let mut partitions = glue.catalog.list_partitions(&input.database_name, &input.table_name).map_err(refused)?;
    partitions.retain(|partition| filter.as_ref().is_none_or(|filter| filter.admits(&partition.values)));
    page(share(partitions, segment), input.next_token.as_deref(), input.max_results, LONGEST_PAGE)
}

fn share(partitions: Vec<Partition>, segment: Option<&Segment>) -> Vec<Partition> {
    let Some(segment) = segment.filter(|segment| segment.total_segments > 0) else { return partitions };
    let ours = |(index, partition)| (index % segment.total_segments == segment.segment_number).then_some(partition);
    partitions.into_iter().enumerate().filter_map(ours).collect()
}

pub(super) fn update(glue: &Glue, input: UpdatePartition) -> Result<Value, WireError> {
    let (database, table) = (&input.database_name, &input.table_name);
    let updated = glue.catalog.update_partition(database, table, &input.partition_value_list, input.partition_input);
    updated.map_err(refused)?;
    Ok(json!({}))
}

pub(super) fn delete(glue: &Glue, input: ByValues) -> Result<Value, WireError> {
    let values = [input.partition_values];
    all_done(glue.catalog.batch_delete_partitions(&input.database_name, &input.table_name, &values))
}

pub(super) fn batch_delete(glue: &Glue, input: BatchDeletePartition) -> Result<Value, WireError> {
    let values: Vec<Vec<String>> = input.partitions_to_delete.into_iter().map(|list| list.values).collect();
    each(glue.catalog.batch_delete_partitions(&input.database_name, &input.table_name, &values))
}

/// The answer of an operation on one partition.
fn all_done(refusals: Result<Vec<PartitionError>, CatalogError>) -> Result<Value, WireError> {
    match refusals.map_err(refused)?.into_iter().next() {
        Some(refusal) => Err(refused(refusal.error)),
        None => Ok(json!({})),
    }
}

/// The answer of an operation on a batch: what was refused.
fn each(refusals: Result<Vec<PartitionError>, CatalogError>) -> Result<Value, WireError> {
    let errors: Vec<Value> = refusals
        .map_err(refused)?
        .into_iter()
        .map(|refusal| json!({"PartitionValues": refusal.values, "ErrorDetail": error_detail(&refusal.error)}))
        .collect();
    Ok(json!({"Errors": errors}))
}

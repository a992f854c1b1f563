//! `StartQueryExecution`.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use local_engine::lake::S3Uri;
use local_engine::{Engine, Prepared, StatementType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::{coded, internal, invalid};
use super::query::{Query, ResultForm, State, Statistics, now};
use super::store::Started;
use super::workgroups::{self, PRIMARY, Workgroup};
use super::{Athena, execute, metadata, parameters};
use crate::Caller;
use crate::error::WireError;
use crate::iam::Session;

/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html>
const LONGEST_QUERY: usize = 262_144;
/// Source: as above.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 32..=128;

/// Everything but the token: what a repeated request must not change.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartQueryExecution {
    query_string: String,
    #[serde(skip_serializing)]
    client_request_token: Option<String>,
    query_execution_context: Option<Context>,
    result_configuration: Option<ResultConfiguration>,
    work_group: Option<String>,
    execution_parameters: Option<Vec<String>>,
    result_reuse_configuration: Option<Value>,
    engine_configuration: Option<Value>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    database: Option<String>,
    catalog: Option<String>,
}

/// Encryption and access lists are accepted and have no meaning here.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResultConfiguration {
    output_location: Option<String>,
}

/// The query reads and writes with the rights of the caller who starts it.
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/security-iam-athena.html>
pub(super) fn start(athena: &Athena, input: StartQueryExecution, caller: &Caller) -> Result<Value, WireError> {
    let received = Instant::now();
    check_length(&input.query_string)?;
    // A client without a token asks for a new query each time.
    let token = input.client_request_token.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    check_token(&token)?;
    let fingerprint = fingerprint(&input)?;
    match athena.inner.store.find_token(&token, &fingerprint).map_err(internal)? {
        Started::New => {}
        started => return answer(started, ""),
    }
    let (mut query, sql) = accept(athena, input)?;
    let prepared = match athena.inner.engine.prepare(&sql, query.database.as_deref().unwrap_or("default")) {
        Err(error @ local_engine::Error::Syntax { .. }) => return Err(coded("MALFORMED_QUERY", error.to_string())),
        prepared => prepared,
    };
    describe(&mut query, prepared.as_ref().ok());
    query.statistics.preprocessing = execute::millis(received);
    let started = athena.inner.store.insert(&query, &token, &fingerprint).map_err(internal)?;
    let id = query.id.clone();
    if started == Started::New {
        execute::spawn(athena, acting_for(&athena.inner.engine, caller), query, (prepared, caller.query_fault));
    }
    answer(started, &id)
}

/// A query ends at the latest with this process, and so does what it may do.
fn acting_for(engine: &Engine, caller: &Caller) -> Engine {
    match &caller.session {
        Some(session) => engine.acting_for(Arc::<Session>::clone(session)),
        None => engine.clone(),
    }
}

fn answer(started: Started, new_id: &str) -> Result<Value, WireError> {
    match started {
        Started::New => Ok(json!({"QueryExecutionId": new_id})),
        Started::Before { id } => Ok(json!({"QueryExecutionId": id})),
        Started::Mismatch => Err(invalid("Idempotent parameters do not match")),
    }
}

fn check_length(sql: &str) -> Result<(), WireError> {
    if sql.trim().is_empty() {
        return Err(invalid("Query string is empty"));
    }
    if sql.len() > LONGEST_QUERY {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'queryString' failed to satisfy constraint: Member must have length \
             less than or equal to {LONGEST_QUERY}"
        )));
    }
    Ok(())
}

fn check_token(token: &str) -> Result<(), WireError> {
    let length = token.chars().count();
    let (bound, limit) = match length {
        short if short < *TOKEN_LENGTH.start() => ("greater", TOKEN_LENGTH.start()),
        long if long > *TOKEN_LENGTH.end() => ("less", TOKEN_LENGTH.end()),
        _ => return Ok(()),
    };
    Err(invalid(format!(
        "1 validation error detected: Value '{token}' at 'clientRequestToken' failed to satisfy constraint: Member must \
         have length {bound} than or equal to {limit}"
    )))
}

fn fingerprint(input: &StartQueryExecution) -> Result<String, WireError> {
    let text = serde_json::to_vec(input).map_err(internal)?;
    Ok(STANDARD.encode(Sha256::digest(&text)))
}

/// A query that its workgroup takes, and its SQL with the parameters bound. Its result's name has no ending yet.
fn accept(athena: &Athena, input: StartQueryExecution) -> Result<(Query, String), WireError> {
    if input.engine_configuration.is_some() {
        return Err(invalid("the local cloud does not support EngineConfiguration"));
    }
    if let Some(catalog) = input.query_execution_context.as_ref().and_then(|context| context.catalog.as_deref()) {
        metadata::check_catalog(catalog)?;
    }
    let workgroup = workgroups::find(athena, input.work_group.as_deref().unwrap_or(PRIMARY))?;
    workgroup.require_enabled()?;
    let asked = input.result_configuration.and_then(|configuration| configuration.output_location);
    let folder = output_folder(athena, &workgroup, asked.as_deref())?;
    let parameters = input.execution_parameters.unwrap_or_default();
    let sql = parameters::bind(&input.query_string, &parameters)?;
    let id = uuid::Uuid::new_v4().to_string();
    let query = Query {
        output_location: folder.join(&id).to_string(),
        id,
        sql: input.query_string,
        parameters,
        catalog: input.query_execution_context.as_ref().and_then(|context| context.catalog.clone()),
        database: input.query_execution_context.and_then(|context| context.database),
        scan_cutoff: workgroup.scan_cutoff(),
        workgroup: workgroup.name,
        result_form: ResultForm::Nothing,
        statement_type: "DML".to_owned(),
        substatement_type: String::new(),
        state: State::Queued,
        reason: None,
        failure: None,
        submitted: now(),
        completed: None,
        statistics: Statistics::default(),
        columns: Vec::new(),
        update_count: None,
    };
    Ok((query, sql))
}

/// The workgroup's location, if it has one and enforces it; else the client's, else the workgroup's.
fn output_folder(athena: &Athena, workgroup: &Workgroup, asked: Option<&str>) -> Result<S3Uri, WireError> {
    let asked = asked.filter(|_| !workgroup.enforces());
    let location = asked.or(workgroup.output_location()).ok_or_else(|| {
        invalid(
            "No output location provided. An output location is required either through the Workgroup result \
             configuration setting or as an API input.",
        )
    })?;
    let folder = S3Uri::parse(location).map_err(|error| invalid(format!("outputLocation is not valid: {error}")))?;
    if !athena.inner.engine.lake().bucket_exists(&folder.bucket) {
        return Err(invalid(format!("Unable to verify/create output bucket {}", folder.bucket)));
    }
    Ok(folder)
}

/// Adds what the engine knows of the statement, and the result's ending.
fn describe(query: &mut Query, prepared: Option<&Prepared>) {
    let Some(prepared) = prepared else { return };
    let (statement_type, form, ending) = match (prepared.statement_type(), prepared.substatement_type()) {
        (StatementType::Ddl, _) => ("DDL", ResultForm::Text, ".txt"),
        (StatementType::Utility, _) => ("UTILITY", ResultForm::Text, ".txt"),
        (StatementType::Dml, "SELECT") => ("DML", ResultForm::Table, ".csv"),
        (StatementType::Dml, _) => ("DML", ResultForm::Nothing, ""),
    };
    query.result_form = form;
    prepared.substatement_type().clone_into(&mut query.substatement_type);
    statement_type.clone_into(&mut query.statement_type);
    query.output_location.push_str(ending);
}

//! Workgroups: where results go, and what a query may cost.

use local_engine::lake::S3Uri;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Athena;
use super::error::{internal, invalid};
use super::query::now;
use crate::error::WireError;

/// The workgroup that every account has.
pub(super) const PRIMARY: &str = "primary";

/// What this engine stands in for.
pub(super) const ENGINE_VERSION: &str = "Athena engine version 3";

/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroupConfiguration.html>
const SMALLEST_CUTOFF: u64 = 10_000_000;

/// One workgroup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Workgroup {
    pub(super) name: String,
    state: String,
    description: Option<String>,
    /// Athena's `WorkGroupConfiguration`.
    configuration: Map<String, Value>,
    created: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateWorkGroup {
    name: String,
    description: Option<String>,
    #[serde(default)]
    configuration: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByName {
    work_group: String,
    #[serde(default)]
    recursive_delete_option: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListWorkGroups {
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateWorkGroup {
    work_group: String,
    description: Option<String>,
    state: Option<String>,
    #[serde(default)]
    configuration_updates: Map<String, Value>,
}

impl Workgroup {
    /// Checks what it is made of.
    fn new(name: &str, description: Option<&str>, mut configuration: Map<String, Value>) -> Result<Self, WireError> {
        let valid = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !(1..=128).contains(&name.len()) || !name.chars().all(valid) {
            return Err(invalid(format!(
                "{name:?} is not a workgroup name: 1 to 128 letters, digits, '.', '_' and '-'"
            )));
        }
        configuration.entry("EnforceWorkGroupConfiguration").or_insert(true.into());
        let workgroup = Self {
            name: name.to_owned(),
            state: "ENABLED".to_owned(),
            description: description.map(str::to_owned),
            configuration,
            created: now(),
        };
        workgroup.check()?;
        Ok(workgroup)
    }

    fn check(&self) -> Result<(), WireError> {
        if let Some(location) = self.output_location() {
            S3Uri::parse(location).map_err(|error| invalid(format!("outputLocation is not valid: {error}")))?;
        }
        match self.configuration.get("BytesScannedCutoffPerQuery") {
            Some(cutoff) if cutoff.as_u64().is_none_or(|cutoff| cutoff < SMALLEST_CUTOFF) => {
                Err(invalid(format!("BytesScannedCutoffPerQuery must be a number from {SMALLEST_CUTOFF} on")))
            }
            _ => Ok(()),
        }
    }

    /// Whether its settings override the client's.
    pub(super) fn enforces(&self) -> bool {
        self.configuration.get("EnforceWorkGroupConfiguration").and_then(Value::as_bool).unwrap_or(true)
    }

    pub(super) fn output_location(&self) -> Option<&str> {
        self.configuration.get("ResultConfiguration")?.get("OutputLocation")?.as_str()
    }

    /// In bytes.
    pub(super) fn scan_cutoff(&self) -> Option<u64> {
        self.configuration.get("BytesScannedCutoffPerQuery")?.as_u64()
    }

    pub(super) fn require_enabled(&self) -> Result<(), WireError> {
        if self.state == "ENABLED" { Ok(()) } else { Err(invalid(format!("WorkGroup {} is disabled.", self.name))) }
    }

    fn summary(&self) -> Value {
        let mut summary = json!({
            "Name": self.name,
            "State": self.state,
            "CreationTime": self.created,
            "EngineVersion": engine_version(),
        });
        if let Some(description) = &self.description {
            summary["Description"] = description.as_str().into();
        }
        summary
    }

    fn to_wire(&self) -> Value {
        let mut configuration = self.configuration.clone();
        configuration.insert("EngineVersion".to_owned(), engine_version());
        let mut wire = self.summary();
        wire["Configuration"] = Value::Object(configuration);
        if let Some(wire) = wire.as_object_mut() {
            wire.remove("EngineVersion");
        }
        wire
    }
}

/// The workgroup.
///
/// # Errors
/// `InvalidRequestException`, if there is none.
pub(super) fn find(athena: &Athena, name: &str) -> Result<Workgroup, WireError> {
    let found = athena.inner.store.workgroup(name).map_err(internal)?;
    found.ok_or_else(|| invalid(format!("WorkGroup {name} is not found.")))
}

pub(super) fn ensure_primary(athena: &Athena) -> Result<(), WireError> {
    if find(athena, PRIMARY).is_ok() {
        return Ok(());
    }
    let configuration = json!({"EnforceWorkGroupConfiguration": false});
    put(athena, PRIMARY, None, configuration)
}

pub(super) fn put(
    athena: &Athena,
    name: &str,
    description: Option<&str>,
    configuration: Value,
) -> Result<(), WireError> {
    let Value::Object(configuration) = configuration else {
        return Err(invalid("a workgroup's configuration is a JSON object"));
    };
    let workgroup = Workgroup::new(name, description, configuration)?;
    athena.inner.store.put_workgroup(name, &workgroup).map_err(internal)
}

pub(super) fn create(athena: &Athena, input: CreateWorkGroup) -> Result<Value, WireError> {
    if find(athena, &input.name).is_ok() {
        return Err(invalid(format!("WorkGroup {} is already created.", input.name)));
    }
    put(athena, &input.name, input.description.as_deref(), Value::Object(input.configuration))?;
    Ok(json!({}))
}

pub(super) fn get(athena: &Athena, input: &ByName) -> Result<Value, WireError> {
    Ok(json!({"WorkGroup": find(athena, &input.work_group)?.to_wire()}))
}

/// All of them at once: a page would hold more than anybody has.
pub(super) fn list(athena: &Athena, input: &ListWorkGroups) -> Result<Value, WireError> {
    if let Some(token) = &input.next_token {
        return Err(invalid(format!("{token:?} is not a NextToken of this list")));
    }
    let workgroups: Vec<Workgroup> = athena.inner.store.workgroups().map_err(internal)?;
    Ok(json!({"WorkGroups": workgroups.iter().map(Workgroup::summary).collect::<Vec<_>>()}))
}

pub(super) fn update(athena: &Athena, input: UpdateWorkGroup) -> Result<Value, WireError> {
    let mut workgroup = find(athena, &input.work_group)?;
    workgroup.description = input.description.or(workgroup.description);
    match input.state {
        Some(state) if state != "ENABLED" && state != "DISABLED" => {
            return Err(invalid(format!("{state:?} is not a workgroup state")));
        }
        state => workgroup.state = state.unwrap_or(workgroup.state),
    }
    merge(&mut workgroup.configuration, input.configuration_updates);
    workgroup.check()?;
    athena.inner.store.put_workgroup(&workgroup.name, &workgroup).map_err(internal)?;
    Ok(json!({}))
}

/// Applies `XUpdates` to `X`, removes `X` for `RemoveX: true`, and replaces the rest.
fn merge(settings: &mut Map<String, Value>, updates: Map<String, Value>) {
    for (name, value) in updates {
        if let Some(removed) = name.strip_prefix("Remove") {
            if value == Value::Bool(true) {
                settings.remove(removed);
            }
            continue;
        }
        match (name.strip_suffix("Updates"), value) {
            (Some(inner), Value::Object(updates)) => {
                let entry = settings.entry(inner).or_insert_with(|| json!({}));
                if let Some(inner) = entry.as_object_mut() {
                    merge(inner, updates);
                }
            }
            (_, value) => {
                settings.insert(name, value);
            }
        }
    }
}

pub(super) fn delete(athena: &Athena, input: &ByName) -> Result<Value, WireError> {
    let workgroup = find(athena, &input.work_group)?;
    if workgroup.name == PRIMARY {
        return Err(invalid("The primary workgroup cannot be deleted"));
    }
    let used = !athena.inner.store.ids(&workgroup.name, i64::MAX, 1).map_err(internal)?.is_empty();
    if used && !input.recursive_delete_option {
        return Err(invalid(format!("WorkGroup {} is not empty", workgroup.name)));
    }
    athena.inner.store.delete_workgroup(&workgroup.name).map_err(internal)?;
    Ok(json!({}))
}

pub(super) fn engine_versions() -> Value {
    json!({"EngineVersions": [engine_version()]})
}

fn engine_version() -> Value {
    json!({"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": ENGINE_VERSION})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_reach_the_settings_inside() {
        let Value::Object(mut settings) = json!({
            "ResultConfiguration": {"OutputLocation": "s3://a/", "AclConfiguration": {}},
            "BytesScannedCutoffPerQuery": 10_000_000,
        }) else {
            panic!("not an object");
        };
        let Value::Object(updates) = json!({
            "RemoveBytesScannedCutoffPerQuery": true,
            "ResultConfigurationUpdates": {"OutputLocation": "s3://b/", "RemoveAclConfiguration": true},
            "EnforceWorkGroupConfiguration": false,
        }) else {
            panic!("not an object");
        };
        merge(&mut settings, updates);
        let expected = json!({
            "ResultConfiguration": {"OutputLocation": "s3://b/"},
            "EnforceWorkGroupConfiguration": false,
        });
        assert_eq!(Value::Object(settings), expected);
    }
}

//! [`Stack`]: what the local cloud deploys of a template, typed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use local_aws::events::Rule;
use local_aws::lambda::EventInvokeConfig;
use local_aws::s3::Notification;
use serde_json::{Map, Value};

use super::error::{Fault, Result};
use super::events::{Queue, Schedule, Subscription, Topic};
use super::permissions::Permission;
use super::resolver::Resolver;
use super::roles::Role;
use super::yaml::Node;
use super::{attributes, names};

/// Lambda's timeout when the template gives none.
/// Source: <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html>
const DEFAULT_TIMEOUT_SECONDS: u64 = 3;
/// Lambda's memory when the template gives none, in MB. Source: as above.
const DEFAULT_MEMORY_MB: u32 = 128;

/// Everything that is deployed locally, in the template's order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stack {
    /// `AWS::S3::Bucket`.
    pub buckets: Vec<Bucket>,
    /// What the buckets tell to functions.
    pub notifications: Vec<Notification>,
    /// `AWS::Athena::WorkGroup`.
    pub workgroups: Vec<Workgroup>,
    /// `AWS::Serverless::Function`.
    pub functions: Vec<Function>,
    /// `AWS::Serverless::StateMachine`.
    pub state_machines: Vec<StateMachine>,
    /// `AWS::SQS::Queue`.
    pub queues: Vec<Queue>,
    /// `AWS::SNS::Topic`.
    pub topics: Vec<Topic>,
    /// `AWS::SNS::Subscription`.
    pub subscriptions: Vec<Subscription>,
    /// `AWS::Events::Rule`, those that are enabled.
    pub rules: Vec<Rule>,
    /// `AWS::Lambda::Permission`.
    pub permissions: Vec<Permission>,
    /// When the state machines start.
    pub schedules: Vec<Schedule>,
    /// `AWS::IAM::Role`, and those that SAM makes.
    pub roles: Vec<Role>,
    /// Resources that are not run locally: type to logical names.
    pub not_run: BTreeMap<String, Vec<String>>,
}

/// A bucket of the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Name in the template.
    pub logical_id: String,
    /// Bucket name.
    pub name: String,
    /// ARN of the KMS key that it is encrypted with, if it is.
    pub kms_key_arn: Option<String>,
}

/// A workgroup of Athena.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workgroup {
    /// Name in the template.
    pub logical_id: String,
    /// Workgroup name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Athena's `WorkGroupConfiguration`, as JSON.
    pub configuration: Value,
}

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name in the template.
    pub logical_id: String,
    /// Function name.
    pub name: String,
    /// Function ARN.
    pub arn: String,
    /// Name of the binary, which is the package's: the last folder of `CodeUri`, or `BuildProperties.Binary`.
    pub binary: String,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Time for one invocation.
    pub timeout: Duration,
    /// Memory in MB.
    pub memory_mb: u32,
    /// ARN of the role it runs as.
    pub role_arn: String,
    /// How many invocations may run at once, when the template says so.
    pub reserved_concurrency: Option<usize>,
    /// What becomes of events that it fails on.
    pub event_invoke: EventInvokeConfig,
}

/// A state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMachine {
    /// Name in the template.
    pub logical_id: String,
    /// State machine name.
    pub name: String,
    /// State machine ARN.
    pub arn: String,
    /// ARN of the role it runs as.
    pub role_arn: String,
    /// Amazon States Language, with its substitutions made.
    pub definition: String,
}

/// Resolves every resource. `folder` is where the template's relative paths start.
pub(super) fn build(resolver: &Resolver<'_>, folder: &Path) -> Result<Stack> {
    let mut stack = Stack::default();
    for (logical, kind, resource) in resolver.resources()? {
        let builder = Builder { resolver, logical, kind, properties: resolver.properties(kind, resource), resource };
        builder.add_to(&mut stack, folder).map_err(|fault| fault.within(logical).within("Resources"))?;
    }
    Ok(stack)
}

/// Builds one resource.
pub(super) struct Builder<'r> {
    pub(super) resolver: &'r Resolver<'r>,
    pub(super) logical: &'r str,
    pub(super) kind: &'r str,
    pub(super) properties: Node,
    pub(super) resource: &'r Node,
}

impl Builder<'_> {
    fn add_to(&self, stack: &mut Stack, folder: &Path) -> Result<()> {
        match self.kind {
            "AWS::S3::Bucket" => {
                stack.buckets.push(self.bucket()?);
                stack.notifications.extend(self.bucket_notifications()?);
            }
            "AWS::Athena::WorkGroup" => stack.workgroups.push(self.workgroup()?),
            "AWS::Serverless::Function" => {
                let function = self.function()?;
                let (notifications, schedules) = self.function_events(&function.arn)?;
                stack.notifications.extend(notifications);
                stack.schedules.extend(schedules);
                stack.functions.push(function);
                stack.roles.extend(self.generated_role()?);
            }
            "AWS::IAM::Role" => stack.roles.push(self.role()?),
            "AWS::IAM::ManagedPolicy" => self.check_managed_policy()?,
            "AWS::IAM::Policy" | "AWS::IAM::RolePolicy" => {
                let message = format!("{} is not supported by the local deployment: write it into its role", self.kind);
                return Err(self.resource.error(message));
            }
            "AWS::Serverless::StateMachine" => {
                stack.roles.extend(self.generated_role()?);
                stack.state_machines.push(self.state_machine(folder)?);
                stack.schedules.extend(self.schedules()?);
            }
            "AWS::SQS::Queue" => stack.queues.push(self.queue()?),
            "AWS::SNS::Topic" => stack.topics.push(self.topic()?),
            "AWS::SNS::Subscription" => stack.subscriptions.push(self.subscription()?),
            "AWS::Events::Rule" => stack.rules.extend(self.rule()?),
            "AWS::Lambda::Permission" => stack.permissions.push(self.permission()?),
            kind => stack.not_run.entry(kind.to_owned()).or_default().push(self.logical.to_owned()),
        }
        Ok(())
    }

    pub(super) fn name(&self) -> Result<String> {
        attributes::name(self.resolver, self.logical, self.kind, self.resource)
    }

    /// The node at a path below the properties.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(&self.properties, |node, key| node.get(key))
    }

    pub(super) fn text(&self, path: &[&str]) -> Result<Option<String>> {
        let Some(node) = self.at(path) else { return Ok(None) };
        self.resolver.text(node).map_err(|fault| within(fault, path))
    }

    pub(super) fn number(&self, path: &[&str]) -> Result<Option<u64>> {
        let Some(text) = self.text(path)? else { return Ok(None) };
        let wrong = |_| {
            let line = self.at(path).map_or(self.resource.line, |node| node.line);
            within(Fault::new(line, format!("{text:?} is not a whole number")), path)
        };
        text.parse().map(Some).map_err(wrong)
    }

    fn bucket(&self) -> Result<Bucket> {
        Ok(Bucket { logical_id: self.logical.to_owned(), name: self.name()?, kms_key_arn: self.kms_key_arn()? })
    }

    /// Of the bucket's default encryption. A key may be named by its id alone.
    fn kms_key_arn(&self) -> Result<Option<String>> {
        let property = "BucketEncryption";
        let Some(node) = self.at(&[property]) else { return Ok(None) };
        let encryption = self.resolver.value(node).map_err(|fault| within(fault, &[property]))?.unwrap_or_default();
        let key = "/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/KMSMasterKeyID";
        let key = encryption.pointer(key).and_then(Value::as_str);
        let by_id = |key: &str| attributes::arn("AWS::KMS::Key", key, self.resolver.deployment);
        Ok(key.map(|key| if key.starts_with("arn:") { key.to_owned() } else { by_id(key) }))
    }

    fn workgroup(&self) -> Result<Workgroup> {
        let configuration = match self.at(&["WorkGroupConfiguration"]) {
            Some(node) => self.resolver.value(node).map_err(|fault| within(fault, &["WorkGroupConfiguration"]))?,
            None => None,
        };
        Ok(Workgroup {
            logical_id: self.logical.to_owned(),
            name: self.name()?,
            description: self.text(&["Description"])?,
            configuration: typed(configuration.unwrap_or_else(|| Value::Object(Map::new()))),
        })
    }

    fn function(&self) -> Result<Function> {
        let name = self.name()?;
        let runtime = self.text(&["Runtime"])?.unwrap_or_default();
        if !runtime.starts_with("provided.") {
            let message = format!("the runtime {runtime:?} cannot run locally: only binaries (provided.al2023) do");
            return Err(self.resource.error(message).within("Runtime").within("Properties"));
        }
        let memory = self.number(&["MemorySize"])?;
        Ok(Function {
            logical_id: self.logical.to_owned(),
            arn: attributes::arn(self.kind, &name, self.resolver.deployment),
            name,
            binary: self.binary()?,
            environment: self.environment()?,
            timeout: Duration::from_secs(self.number(&["Timeout"])?.unwrap_or(DEFAULT_TIMEOUT_SECONDS)),
            memory_mb: memory.and_then(|memory| u32::try_from(memory).ok()).unwrap_or(DEFAULT_MEMORY_MB),
            role_arn: self.role_arn()?,
            reserved_concurrency: self.reserved_concurrency()?,
            event_invoke: self.event_invoke()?,
        })
    }

    fn binary(&self) -> Result<String> {
        let named = self.resource.get("Metadata").and_then(|metadata| metadata.get("BuildProperties")?.get("Binary"));
        if let Some(node) = named {
            return self.resolver.required_text(node).map_err(|fault| fault.within("Metadata"));
        }
        let code = self.text(&["CodeUri"])?.ok_or_else(|| self.resource.error("the CodeUri is missing"))?;
        match Path::new(&code).file_name() {
            Some(folder) if !code.starts_with("s3://") => Ok(folder.to_string_lossy().into_owned()),
            _ => Err(self
                .resource
                .error(format!("{code:?} names no package's folder"))
                .within("CodeUri")
                .within("Properties")),
        }
    }

    fn environment(&self) -> Result<BTreeMap<String, String>> {
        let path = ["Environment", "Variables"];
        let Some(variables) = self.at(&path) else { return Ok(BTreeMap::new()) };
        let mut environment = BTreeMap::new();
        for (name, node) in variables.entries().map_err(|fault| within(fault, &path))? {
            let value = self.resolver.text(node).map_err(|fault| within(fault.within(name), &path))?;
            if let Some(value) = value {
                environment.insert(name.clone(), value);
            }
        }
        Ok(environment)
    }

    fn state_machine(&self, folder: &Path) -> Result<StateMachine> {
        let name = self.name()?;
        Ok(StateMachine {
            logical_id: self.logical.to_owned(),
            arn: attributes::arn(self.kind, &name, self.resolver.deployment),
            name,
            role_arn: self.role_arn()?,
            definition: self.definition(folder)?,
        })
    }

    /// The role that the template names, else the one that SAM makes.
    fn role_arn(&self) -> Result<String> {
        if let Some(role) = self.text(&["Role"])? {
            self.check_role(&role)?;
            return Ok(role);
        }
        let deployment = self.resolver.deployment;
        let role = names::physical(&deployment.stack_name, &format!("{}Role", self.logical), 64);
        Ok(attributes::arn("AWS::IAM::Role", &role, deployment))
    }

    fn definition(&self, folder: &Path) -> Result<String> {
        if let Some(inline) = self.at(&["Definition"]) {
            let value = self.resolver.value(inline).map_err(|fault| within(fault, &["Definition"]))?;
            return self.with_substitutions(&value.unwrap_or(Value::Null).to_string());
        }
        let uri = self.text(&["DefinitionUri"])?;
        let uri = uri.ok_or_else(|| self.resource.error("neither DefinitionUri nor Definition is given"))?;
        let path: PathBuf = folder.join(&uri);
        let line = self.at(&["DefinitionUri"]).map_or(self.resource.line, |node| node.line);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Fault::new(line, format!("{} cannot be read: {error}", path.display()))
                .within("DefinitionUri")
                .within("Properties")
        })?;
        self.with_substitutions(&text)
    }

    /// Replaces every `${Name}` of the definition.
    fn with_substitutions(&self, text: &str) -> Result<String> {
        let path = ["DefinitionSubstitutions"];
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            let node = self.at(&path).and_then(|substitutions| substitutions.get(name));
            let node = node.ok_or_else(|| {
                let line = self.at(&path).map_or(self.resource.line, |node| node.line);
                within(Fault::new(line, format!("the definition uses ${{{name}}}, which is not given")), &path)
            })?;
            let value = self.resolver.required_text(node).map_err(|fault| within(fault.within(name), &path))?;
            // The value stands inside a JSON string.
            let quoted = Value::String(value).to_string();
            result.push_str(&quoted[1..quoted.len() - 1]);
            rest = behind;
        }
        result.push_str(rest);
        Ok(result)
    }
}

/// A parameter is always text, but Athena's API wants numbers and truth values: CloudFormation converts, and so do we.
fn typed(value: Value) -> Value {
    match value {
        Value::Object(entries) => Value::Object(entries.into_iter().map(|(key, value)| (key, typed(value))).collect()),
        Value::String(text) => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => text.parse::<u64>().map_or(Value::String(text), Value::from),
        },
        other => other,
    }
}

pub(super) fn within(fault: Fault, path: &[&str]) -> Fault {
    path.iter().rev().fold(fault, |fault, key| fault.within(key)).within("Properties")
}

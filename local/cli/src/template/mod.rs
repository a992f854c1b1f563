//! `template.yaml` as CloudFormation and SAM read it, resolved for this machine.
//!
//! - [`yaml`]: the text as nodes that know their line; short tags (`!Sub`) become long names (`Fn::Sub`).
//! - [`references`]: every name that the template mentions exists, whether it is used here or not.
//! - [`globals`]: SAM's `Globals`, merged into each resource.
//! - [`names`]: physical names where the template gives none; always the same ones.
//! - [`resolver`]: parameters, conditions and intrinsic functions to values.
//! - [`events`]: what happens around a run: its schedule, rules, topics and queues.
//! - [`roles`], [`sam_policies`]: roles with their policies, SAM's policy templates expanded.
//! - [`notifications`]: what starts functions by itself.
//! - [`permissions`]: who may invoke a function besides the account's own roles.
//! - [`stack`]: the result: what is to be deployed, typed.

mod attributes;
mod error;
mod events;
mod globals;
mod names;
mod notifications;
mod permissions;
mod references;
mod resolver;
mod roles;
mod sam_policies;
mod stack;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use error::TemplateError;
pub use events::{Queue, Schedule, Subscription, Topic};
pub use permissions::Permission;
pub use roles::{Role, RolePolicy};
pub use stack::{Bucket, Function, Stack, StateMachine, Workgroup};

use error::Result;
use yaml::Node;

/// How a template is deployed.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Names what the template does not name.
    pub stack_name: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account: String,
    /// Values that replace the parameters' defaults.
    pub parameters: BTreeMap<String, String>,
}

impl Default for Deployment {
    fn default() -> Self {
        Self {
            stack_name: "pageviews-elt".to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            parameters: BTreeMap::new(),
        }
    }
}

/// A template's text, parsed.
#[derive(Debug)]
pub struct Template {
    /// The file it was read from; its paths are relative to this one's folder.
    path: PathBuf,
    root: Node,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When the file cannot be read, is not YAML, or has no resources.
    pub fn load(path: &Path) -> std::result::Result<Self, TemplateError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| TemplateError::Read { path: path.to_owned(), source })?;
        let root = parse(&text).map_err(|fault| fault.in_file(path))?;
        Ok(Self { path: path.to_owned(), root })
    }

    /// What is to be deployed.
    ///
    /// # Errors
    /// One error with its line and path: an unknown reference or parameter, a value that makes no sense, something that
    /// this machine cannot run.
    pub fn resolve(&self, deployment: &Deployment) -> std::result::Result<Stack, TemplateError> {
        self.stack(deployment).map_err(|fault| fault.in_file(&self.path))
    }

    fn stack(&self, deployment: &Deployment) -> Result<Stack> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        references::check(&self.root)?;
        let resolver = resolver::Resolver::new(&self.root, deployment)?;
        stack::build(&resolver, folder)
    }
}

fn parse(text: &str) -> Result<Node> {
    let root = yaml::parse(text)?;
    root.get("Resources").ok_or_else(|| root.error("the template has no Resources"))?.entries()?;
    Ok(root)
}

#[cfg(test)]
mod tests;

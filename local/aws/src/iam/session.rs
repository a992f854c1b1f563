//! [`Session`]: somebody acting as a role, who is asked for a right before each thing that is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::condition::Context;
use super::decision::{Decision, decide};
use super::log::AccessLog;
use super::policy::Policy;

/// Where everything local lives: what ARNs are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
}

impl Place {
    /// The ARN of a regional resource: `arn:aws:glue:us-east-1:000000000000:table/appdb/customers`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}

/// One thing that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// As IAM names it: `s3:GetObject`.
    pub action: String,
    /// An ARN, or `*` where the service knows none.
    pub resource: String,
    /// What the service says of the request.
    pub context: Context,
}

impl Right {
    /// Without conditions.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Context::new() }
    }
}

/// The role has not the right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// In IAM's words: who, which action, which resource.
    pub message: String,
}

/// A role that is deployed.
#[derive(Debug)]
pub(super) struct Role {
    arn: String,
    policies: Vec<Policy>,
}

impl Role {
    pub(super) fn new(arn: String, policies: Vec<Policy>) -> Self {
        Self { arn, policies }
    }
}

/// Somebody acting as a role.
#[derive(Debug)]
pub struct Session {
    role: Arc<Role>,
    name: String,
    place: Place,
    keys: Arc<BTreeMap<String, String>>,
    log: Option<Arc<AccessLog>>,
}

impl Session {
    pub(super) fn new(
        role: Arc<Role>,
        name: &str,
        place: Place,
        keys: Arc<BTreeMap<String, String>>,
        log: Option<Arc<AccessLog>>,
    ) -> Self {
        Self { role, name: name.to_owned(), place, keys, log }
    }

    /// `arn:aws:sts::000000000000:assumed-role/MyRole/my-function`.
    pub fn principal(&self) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{}", self.place.account, self.role_name(), self.name)
    }

    /// The role's id and the session's name, as STS tells them. Ids of roles are made up: nobody compares them.
    /// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>
    pub(crate) fn user_id(&self) -> String {
        format!("AROA{:0>17}:{}", "", self.name)
    }

    /// Who acts: a function's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it acts.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the role may do something, and whether it may use the key of what is encrypted with one.
    ///
    /// # Errors
    /// [`Denied`], in IAM's words.
    pub fn check(&self, right: &Right) -> Result<(), Denied> {
        self.decide(right)?;
        self.key_rights(right).iter().try_for_each(|right| self.decide(right))
    }

    fn decide(&self, right: &Right) -> Result<(), Denied> {
        let decision = decide(&self.role.policies, &right.action, &right.resource, &self.context(right));
        if let Some(log) = &self.log {
            log.asked(&self.role.arn, right, decision == Decision::Allowed);
        }
        match decision.refusal(&self.principal(), &right.action, &right.resource) {
            None => Ok(()),
            Some(message) => Err(Denied { message }),
        }
    }

    /// What is known of every request. The wire is plain HTTP on one machine, where AWS's clients use TLS.
    /// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
    fn context(&self, right: &Right) -> Context {
        let mut context = right.context.clone();
        let known = [
            ("aws:principalaccount", self.place.account.as_str()),
            ("aws:principalarn", &self.role.arn),
            ("aws:requestedregion", &self.place.region),
            ("aws:resourceaccount", &self.place.account),
            ("aws:securetransport", "true"),
        ];
        context.extend(known.map(|(key, value)| (key.to_owned(), value.to_owned())));
        context
    }

    /// S3 uses the key of a bucket with its caller's rights; an object may be written in parts, which needs both.
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>
    fn key_rights(&self, right: &Right) -> Vec<Right> {
        let actions: &[&str] = match right.action.as_str() {
            "s3:GetObject" => &["kms:Decrypt"],
            "s3:PutObject" => &["kms:GenerateDataKey", "kms:Decrypt"],
            _ => return Vec::new(),
        };
        let bucket = right.resource.strip_prefix("arn:aws:s3:::").and_then(|path| path.split('/').next());
        let Some(key) = bucket.and_then(|bucket| self.keys.get(bucket)) else { return Vec::new() };
        let via = ("kms:viaservice".to_owned(), format!("s3.{}.amazonaws.com", self.place.region));
        let need = |action: &&str| Right { context: [via.clone()].into(), ..Right::new(*action, key) };
        actions.iter().map(need).collect()
    }

    fn role_name(&self) -> &str {
        self.role.arn.rsplit('/').next().unwrap_or_default()
    }
}

//! What a role's policies say of one request.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use super::condition::Context;
use super::policy::Policy;

/// What the policies of a role say of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it, and none denies it.
    Allowed,
    /// A statement denies it.
    ExplicitlyDenied,
    /// No statement is about it.
    ImplicitlyDenied,
}

impl Decision {
    /// Whether the request goes on.
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }

    /// The refusal in IAM's words; none if the request is allowed.
    ///
    /// `principal` is the session that asks, such as `arn:aws:sts::123456789012:assumed-role/MyRole/my-function`. S3
    /// puts the resource between quotation marks.
    /// Sources: <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html> and
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html>
    pub fn refusal(self, principal: &str, action: &str, resource: &str) -> Option<String> {
        let reason = match self {
            Self::Allowed => return None,
            Self::ExplicitlyDenied => "with an explicit deny in an identity-based policy".to_owned(),
            Self::ImplicitlyDenied => format!("because no identity-based policy allows the {action} action"),
        };
        let quote = if action.starts_with("s3:") { "\"" } else { "" };
        Some(format!(
            "User: {principal} is not authorized to perform: {action} on resource: {quote}{resource}{quote} {reason}"
        ))
    }
}

/// Evaluates all policies of a role. `action` is such as `s3:GetObject`, `resource` an ARN or `*`.
pub fn decide<'p>(
    policies: impl IntoIterator<Item = &'p Policy>,
    action: &str,
    resource: &str,
    context: &Context,
) -> Decision {
    let action = action.to_lowercase();
    let mut decision = Decision::ImplicitlyDenied;
    for statement in policies.into_iter().flat_map(|policy| &policy.statements) {
        if statement.covers(&action, resource, context) {
            if !statement.allows {
                return Decision::ExplicitlyDenied;
            }
            decision = Decision::Allowed;
        }
    }
    decision
}

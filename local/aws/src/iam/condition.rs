//! The `Condition` element: operators, keys and values.
//!
//! Several operators and keys must all hold, one value of a key is enough (for a negated operator: no value may fit).
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html>

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::pattern;
use super::policy::{PolicyError, texts};

/// What is known of a request, by condition key in lower case; every key has one value.
pub type Context = BTreeMap<String, String>;

/// The keys that requests here carry. A policy that relies on another one could only be evaluated wrongly.
/// Sources: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>,
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html> and
/// <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>
const KEYS: [&str; 9] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:requestedregion",
    "aws:resourceaccount",
    "aws:securetransport",
    "kms:viaservice",
    "s3:delimiter",
    "s3:max-keys",
    "s3:prefix",
];

/// One key under one operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    key: String,
    operator: Operator,
    /// `…IfExists`: a request without the key fits.
    if_exists: bool,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Text {
        negated: bool,
        test: Test,
    },
    Bool,
    /// Whether the key must be absent.
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Arn,
}

impl Test {
    fn holds(self, wanted: &str, value: &str) -> bool {
        match self {
            Self::Equals => wanted == value,
            Self::EqualsIgnoreCase => wanted.to_lowercase() == value.to_lowercase(),
            Self::Like => pattern::fits(wanted, value),
            Self::Arn => pattern::fits_arn(wanted, value),
        }
    }
}

impl Condition {
    /// Reads a whole `Condition` element.
    ///
    /// # Errors
    /// An operator or a key that is not evaluated here, or a shape that is none of IAM's.
    pub(super) fn read_all(element: &Value) -> Result<Vec<Self>, PolicyError> {
        let malformed = || PolicyError::Malformed { element: "Condition".to_owned() };
        let mut conditions = Vec::new();
        for (operator, keys) in element.as_object().ok_or_else(malformed)? {
            let keys: &Map<String, Value> = keys.as_object().ok_or_else(malformed)?;
            for (key, values) in keys {
                conditions.push(Self::read(operator, key, values)?);
            }
        }
        Ok(conditions)
    }

    fn read(name: &str, key: &str, values: &Value) -> Result<Self, PolicyError> {
        let key = key.to_lowercase();
        if !KEYS.contains(&key.as_str()) {
            return Err(PolicyError::UnknownKey { key });
        }
        let (operator, if_exists) = match name.strip_suffix("IfExists") {
            Some(operator) => (operator, true),
            None => (name, false),
        };
        let text = |negated, test| Operator::Text { negated, test };
        let operator = match operator {
            "StringEquals" => text(false, Test::Equals),
            "StringNotEquals" => text(true, Test::Equals),
            "StringEqualsIgnoreCase" => text(false, Test::EqualsIgnoreCase),
            "StringNotEqualsIgnoreCase" => text(true, Test::EqualsIgnoreCase),
            "StringLike" => text(false, Test::Like),
            "StringNotLike" => text(true, Test::Like),
            "ArnLike" | "ArnEquals" => text(false, Test::Arn),
            "ArnNotLike" | "ArnNotEquals" => text(true, Test::Arn),
            "Bool" => Operator::Bool,
            "Null" if !if_exists => Operator::Null,
            _ => return Err(PolicyError::UnknownOperator { operator: name.to_owned() }),
        };
        Ok(Self { key, operator, if_exists, values: texts("Condition", values)? })
    }

    /// Whether a request with this context fits. A key that the request has not fits no operator but the negated ones.
    /// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
    pub(super) fn holds(&self, context: &Context) -> bool {
        let value = context.get(&self.key);
        match (self.operator, value) {
            (Operator::Null, value) => self.values.iter().any(|wanted| (wanted == "true") == value.is_none()),
            (_, None) if self.if_exists => true,
            (Operator::Text { negated, .. }, None) => negated,
            (Operator::Bool, None) => false,
            (Operator::Bool, Some(value)) => self.values.iter().any(|wanted| wanted.eq_ignore_ascii_case(value)),
            (Operator::Text { negated, test }, Some(value)) => {
                self.values.iter().any(|wanted| test.holds(wanted, value)) != negated
            }
        }
    }
}

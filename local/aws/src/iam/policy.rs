//! A policy document, read strictly.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>

use serde_json::{Map, Value};

use super::condition::{Condition, Context};
use super::pattern;

/// A policy cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// An element that IAM has not, or that has no place in an identity-based policy.
    #[error("the element {element} does not belong into a role's policy")]
    UnknownElement {
        /// As it is written.
        element: String,
    },
    /// An element is missing, or is not what it must be.
    #[error("the element {element} is missing or is not of the form that IAM asks for")]
    Malformed {
        /// Its name.
        element: String,
    },
    /// Another version of the policy language.
    #[error("the policy language's Version is 2012-10-17, not {version}")]
    Version {
        /// As it is written.
        version: String,
    },
    /// A condition operator that is not evaluated here.
    #[error("the local cloud does not support the condition operator {operator}")]
    UnknownOperator {
        /// As it is written.
        operator: String,
    },
    /// A condition key that requests to the local cloud never carry.
    #[error("the local cloud does not support the condition key {key}")]
    UnknownKey {
        /// In lower case.
        key: String,
    },
    /// A policy variable, such as `${aws:username}`.
    #[error("the local cloud does not support policy variables, as in {text}")]
    Variable {
        /// The value that has it.
        text: String,
    },
}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) allows: bool,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Patterns {
    /// `Not…`: everything but these.
    except: bool,
    patterns: Vec<String>,
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// Whatever cannot be evaluated, by name.
    pub fn read(document: &Value) -> Result<Self, PolicyError> {
        let document = object("PolicyDocument", document)?;
        check_elements(document, &["Version", "Id", "Statement"])?;
        match document.get("Version") {
            None => {}
            Some(Value::String(version)) if version == "2012-10-17" => {}
            Some(other) => return Err(PolicyError::Version { version: other.to_string() }),
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().map(Statement::read).collect::<Result<_, _>>()?,
            Some(statement) => vec![Statement::read(statement)?],
            None => return Err(malformed("Statement")),
        };
        Ok(Self { statements })
    }
}

impl Statement {
    fn read(statement: &Value) -> Result<Self, PolicyError> {
        let statement = object("Statement", statement)?;
        check_elements(statement, &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"])?;
        let allows = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(malformed("Effect")),
        };
        let mut actions = Patterns::read(statement, "Action")?;
        // Actions are the same in capital and small letters; resources are not.
        actions.patterns.iter_mut().for_each(|action| *action = action.to_lowercase());
        Ok(Self {
            allows,
            actions,
            resources: Patterns::read(statement, "Resource")?,
            conditions: statement.get("Condition").map_or(Ok(Vec::new()), Condition::read_all)?,
        })
    }

    /// Whether the statement is about this request. `action` is in lower case.
    pub(super) fn covers(&self, action: &str, resource: &str, context: &Context) -> bool {
        self.actions.cover(|pattern| pattern::fits(pattern, action))
            && self.resources.cover(|pattern| pattern::fits_resource(pattern, resource))
            && self.conditions.iter().all(|condition| condition.holds(context))
    }
}

impl Patterns {
    fn read(statement: &Map<String, Value>, name: &str) -> Result<Self, PolicyError> {
        let except = format!("Not{name}");
        let (except, value) = match (statement.get(name), statement.get(&except)) {
            (Some(value), None) => (false, value),
            (None, Some(value)) => (true, value),
            _ => return Err(malformed(name)),
        };
        let patterns = texts(name, value)?;
        match patterns.iter().find(|text| text.contains("${")) {
            Some(text) => Err(PolicyError::Variable { text: text.clone() }),
            None => Ok(Self { except, patterns }),
        }
    }

    fn cover(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|pattern| fits(pattern)) != self.except
    }
}

/// One text or a list of them; a truth value or a number is its text.
pub(super) fn texts(element: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    if items.is_empty() {
        return Err(malformed(element));
    }
    let text = |item: &Value| match item {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(item.to_string()),
        _ => Err(malformed(element)),
    };
    items.iter().map(text).collect()
}

fn object<'v>(element: &str, value: &'v Value) -> Result<&'v Map<String, Value>, PolicyError> {
    value.as_object().ok_or_else(|| malformed(element))
}

fn check_elements(object: &Map<String, Value>, known: &[&str]) -> Result<(), PolicyError> {
    match object.keys().find(|element| !known.contains(&element.as_str())) {
        Some(element) => Err(PolicyError::UnknownElement { element: element.clone() }),
        None => Ok(()),
    }
}

fn malformed(element: &str) -> PolicyError {
    PolicyError::Malformed { element: element.to_owned() }
}

//! Policies taken apart: one action on one resource under one condition value each.

use std::fmt;

use local_aws::iam::{Context, Policy, decide};
use pageviews::template::{Role, RolePolicy};
use serde_json::{Value, json};
use tests::Asked;

/// The smallest thing that a role can be allowed.
pub struct Atom {
    policy_name: String,
    sid: String,
    pub action: String,
    resource: String,
    condition: Value,
    policy: Policy,
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy_name, sid, action, resource, condition, .. } = self;
        write!(f, "{policy_name} · {sid}: {action} on {resource}")?;
        if condition.is_null() { Ok(()) } else { write!(f, " if {condition}") }
    }
}

/// All that a role allows, and the statements that deny, which stay whole.
pub struct Apart {
    pub atoms: Vec<Atom>,
    denials: Vec<Policy>,
}

impl Apart {
    pub fn of(role: &Role) -> Self {
        let mut apart = Self { atoms: Vec::new(), denials: Vec::new() };
        for policy in &role.policies {
            for statement in list(&policy.document["Statement"]) {
                apart.add(policy, &statement);
            }
        }
        apart
    }

    fn add(&mut self, policy: &RolePolicy, statement: &Value) {
        let read = |statement: &Value| {
            Policy::read(&json!({"Version": "2012-10-17", "Statement": [statement]})).expect("a policy")
        };
        if statement["Effect"] == "Deny" {
            self.denials.push(read(statement));
            return;
        }
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                for condition in conditions(&statement["Condition"]) {
                    let mut small = json!({"Effect": "Allow", "Action": action, "Resource": resource});
                    if !condition.is_null() {
                        small["Condition"] = condition.clone();
                    }
                    self.atoms.push(Atom {
                        policy_name: policy.name.clone(),
                        sid: text(&statement["Sid"]),
                        action: text(&action),
                        resource: text(&resource),
                        policy: read(&small),
                        condition,
                    });
                }
            }
        }
    }

    /// Whether a request is allowed when `without` is taken away.
    pub fn allows(&self, asked: &Asked, without: Option<usize>) -> bool {
        let atoms = self.atoms.iter().enumerate().filter(|(index, _)| Some(*index) != without);
        let policies = atoms.map(|(_, atom)| &atom.policy).chain(&self.denials);
        let context: Context = asked.context.clone();
        decide(policies, &asked.action, &asked.resource, &context).is_allowed()
    }
}

/// Every choice of one value for each key; null for no condition at all.
fn conditions(condition: &Value) -> Vec<Value> {
    let mut choices = vec![Value::Null];
    for (operator, keys) in condition.as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().expect("keys") {
            let one = |choice: &Value, value: Value| {
                let mut choice = if choice.is_null() { json!({}) } else { choice.clone() };
                choice[operator][key] = value;
                choice
            };
            choices = choices.iter().flat_map(|choice| list(values).into_iter().map(move |v| one(choice, v))).collect();
        }
    }
    choices
}

/// A list, or the one item that stands for it. `NotAction` and `NotResource` cannot be taken apart.
fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => panic!("a statement without Action or Resource cannot be taken apart"),
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

//! What a role needs for each operation, and what an execution may do: what its machine's role may.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html>

use serde_json::Value;

use super::States;
use crate::iam::{Place, Right, Session};

/// The rights; none for an operation that is not known.
pub(super) fn of(operation: &str, input: &Value, place: &Place) -> Option<Vec<Right>> {
    let text = |member: &str| input[member].as_str().unwrap_or_default();
    let on = |resource: &str| Right::new(format!("states:{operation}"), resource);
    // Handing a role to a service is a right of its own:
    // <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html>
    let passed = input["roleArn"].as_str().map(|role| Right::new("iam:PassRole", role));
    Some(match operation {
        "CreateStateMachine" => {
            let machine = place.arn("states", &format!("stateMachine:{}", text("name")));
            std::iter::once(on(&machine)).chain(passed).collect()
        }
        "UpdateStateMachine" => std::iter::once(on(text("stateMachineArn"))).chain(passed).collect(),
        "DescribeStateMachine" | "DeleteStateMachine" | "StartExecution" | "ListExecutions" => {
            vec![on(text("stateMachineArn"))]
        }
        "DescribeStateMachineForExecution" | "DescribeExecution" | "StopExecution" | "GetExecutionHistory" => {
            vec![on(text("executionArn"))]
        }
        "ListStateMachines" | "ValidateStateMachineDefinition" => vec![on("*")],
        _ => return None,
    })
}

/// What an execution acts as.
#[derive(Debug)]
pub(super) enum Actor {
    /// No authority was given.
    Anybody,
    /// The machine's role.
    Role(Session),
    /// A role that is not deployed: what it may do is not known, so it may do nothing.
    Unknown {
        /// As the machine names it.
        role_arn: String,
    },
}

impl Actor {
    /// The actor of one execution of a machine that has this role.
    pub(super) fn of(states: &States, role_arn: &str, execution_name: &str) -> Self {
        let Some(iam) = &states.iam else { return Self::Anybody };
        match iam.assume(role_arn, execution_name) {
            Some(session) => Self::Role(session),
            None => Self::Unknown { role_arn: role_arn.to_owned() },
        }
    }

    /// Whether it may invoke a function, named or by ARN.
    ///
    /// # Errors
    /// Why not, in IAM's words.
    pub(super) fn check_invoke(&self, function: &str) -> Result<(), String> {
        match self {
            Self::Anybody => Ok(()),
            Self::Unknown { role_arn } => {
                Err(format!("the role {role_arn} of the state machine is not deployed, so it may invoke nothing"))
            }
            Self::Role(session) => {
                let name = function.rsplit_once("function:").map_or(function, |(_, name)| name);
                let arn = session.place().arn("lambda", &format!("function:{name}"));
                session.check(&Right::new("lambda:InvokeFunction", arn)).map_err(|denied| denied.message)
            }
        }
    }
}

//! Names and ARNs.

use crate::WireError;

/// The longest name of a machine or an execution, in characters.
const MAX_NAME: usize = 80;
/// What a name must not contain, besides white space and control characters.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html#API_StartExecution_RequestSyntax>
const FORBIDDEN: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";

/// Checks the name of a machine or an execution.
pub(super) fn check_name(name: &str) -> Result<(), WireError> {
    let good = |c: char| !c.is_whitespace() && !c.is_control() && !FORBIDDEN.contains(c);
    if (1..=MAX_NAME).contains(&name.chars().count()) && name.chars().all(good) {
        return Ok(());
    }
    Err(WireError::client("InvalidName", format!("Invalid Name: '{name}'")))
}

/// Checks the ARN of a machine; versions and aliases are refused.
pub(super) fn check_machine_arn(arn: &str) -> Result<(), WireError> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "states", _, _, "stateMachine", _] => Ok(()),
        ["arn", _, "states", _, _, "stateMachine", _, _] => Err(WireError::client(
            "InvalidArn",
            format!("Invalid Arn: the local cloud has no versions and aliases of state machines: '{arn}'"),
        )),
        _ => Err(invalid_arn(arn)),
    }
}

/// Checks the ARN of an execution.
pub(super) fn check_execution_arn(arn: &str) -> Result<(), WireError> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "states", _, _, "execution", _, _] => Ok(()),
        _ => Err(invalid_arn(arn)),
    }
}

fn invalid_arn(arn: &str) -> WireError {
    WireError::client("InvalidArn", format!("Invalid Arn: '{arn}'"))
}

/// The ARN of an execution of the machine `machine_arn`.
pub(super) fn execution_arn(machine_arn: &str, name: &str) -> String {
    format!("{}:{name}", machine_arn.replacen(":stateMachine:", ":execution:", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_aws() {
        assert!(check_name("pvt-2026-01-01_a.b+c").is_ok());
        for name in ["", "a b", "a/b", "a:b", &"a".repeat(81)] {
            assert_eq!(check_name(name).unwrap_err().code(), "InvalidName", "{name}");
        }
    }

    #[test]
    fn arns_are_checked_by_their_kind() {
        let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
        assert!(check_machine_arn(machine).is_ok());
        assert!(check_machine_arn(&format!("{machine}:live")).unwrap_err().message().contains("aliases"));
        assert!(check_execution_arn(machine).is_err());
        assert!(check_execution_arn(&execution_arn(machine, "run")).is_ok());
    }
}

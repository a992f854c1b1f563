//! What a Task calls: a Lambda function by its own ARN, or a service integration.

/// A Task's `Resource`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A function's ARN: its history events are the `LambdaFunction…` ones.
    Function {
        /// The ARN as written.
        arn: String,
    },
    /// `arn:aws:states:::<service>:<action>`, request and response.
    Integration {
        /// For example `lambda`: AWS calls it the resource type.
        service: String,
        /// For example `invoke`: AWS calls it the resource.
        action: String,
    },
}

impl Resource {
    /// Reads a `Resource`; the error is one sentence that names what is not supported.
    pub fn parse(arn: &str) -> Result<Self, String> {
        let parts: Vec<&str> = arn.split(':').collect();
        match parts.as_slice() {
            ["arn", _, "lambda", _, _, "function", name] | ["arn", _, "lambda", _, _, "function", name, _]
                if !name.is_empty() =>
            {
                Ok(Self::Function { arn: arn.to_owned() })
            }
            ["arn", _, "states", "", "", service, action] if action.contains('.') => Err(format!(
                "the integration pattern of '{arn}' is not supported: only request and response is, so '{service}:{}'",
                action.split('.').next().unwrap_or(action)
            )),
            ["arn", _, "states", "", "", service, action] if !service.is_empty() && !action.is_empty() => {
                Ok(Self::Integration { service: (*service).to_owned(), action: (*action).to_owned() })
            }
            _ => Err(format!(
                "the resource '{arn}' is not supported: it is neither a Lambda function nor a service integration"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_integrations_are_told_apart() {
        let function = "arn:aws:lambda:us-east-1:000000000000:function:full-load";
        assert_eq!(Resource::parse(function), Ok(Resource::Function { arn: function.to_owned() }));
        assert_eq!(
            Resource::parse("arn:aws:states:::lambda:invoke"),
            Ok(Resource::Integration { service: "lambda".to_owned(), action: "invoke".to_owned() })
        );
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for arn in ["arn:aws:states:::lambda:invoke.waitForTaskToken", "arn:aws:states:::aws-sdk:glue:getTable", "x"] {
            assert!(Resource::parse(arn).unwrap_err().contains(arn));
        }
    }
}

//! Who may invoke a function besides the account's own roles: the function's policy, a statement at a time.

use local_aws::iam::fits_arn;

use super::attributes;
use super::error::Result;
use super::stack::{Builder, within};

/// What a statement may allow to do with a function; everything else is no invocation.
const INVOKES: [&str; 3] = ["lambda:InvokeFunction", "lambda:*", "*"];

/// A statement of a function's policy: `AWS::Lambda::Permission`.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-permission.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Name in the template.
    pub logical_id: String,
    /// ARN of the function.
    pub function_arn: String,
    /// What is allowed.
    pub action: String,
    /// To whom: a service.
    pub principal: String,
    /// For what of the service's alone; wildcards may stand in it.
    pub source_arn: Option<String>,
    /// For what of this account alone.
    pub source_account: Option<String>,
}

impl Permission {
    /// Whether it lets a service invoke the function for `source_arn`.
    pub fn lets(&self, service: &str, source_arn: &str, function_arn: &str) -> bool {
        let account = source_arn.split(':').nth(4);
        self.function_arn == function_arn
            && INVOKES.contains(&self.action.as_str())
            && self.principal == service
            && self.source_arn.as_ref().is_none_or(|pattern| fits_arn(pattern, source_arn))
            && self.source_account.as_deref().is_none_or(|wanted| account == Some(wanted))
    }
}

impl Builder<'_> {
    pub(super) fn permission(&self) -> Result<Permission> {
        self.only("permission", &[&["Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"]])?;
        let function = self.required(&["FunctionName"])?;
        let principal = self.required(&["Principal"])?;
        if !principal.ends_with(".amazonaws.com") {
            let message =
                format!("the principal {principal:?} of a permission is not supported by the local deployment");
            return Err(within(self.resource.error(message), &["Principal"]));
        }
        let by_name = |name: &str| attributes::arn("AWS::Lambda::Function", name, self.resolver.deployment);
        Ok(Permission {
            logical_id: self.logical.to_owned(),
            function_arn: if function.starts_with("arn:") { function } else { by_name(&function) },
            action: self.required(&["Action"])?,
            principal,
            source_arn: self.text(&["SourceArn"])?,
            source_account: self.text(&["SourceAccount"])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::resolve_by_default as resolve;

    const INVOKED: &str = r"
Resources:
  Rule: {Type: AWS::Events::Rule, Properties: {Name: stopped, EventPattern: {source: [aws.states]}}}
  F:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: f, Runtime: provided.al2023, CodeUri: f/}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref F
      Principal: events.amazonaws.com
      SourceArn: !GetAtt Rule.Arn
      SourceAccount: !Ref AWS::AccountId
";

    #[test]
    fn a_permission_lets_in_whom_it_names() {
        let cases = [
            ("!Ref F", "!GetAtt F.Arn", true),
            ("!Ref F", "g", false),
            ("lambda:InvokeFunction", "lambda:*", true),
            ("lambda:InvokeFunction", "lambda:GetFunction", false),
            ("events.amazonaws.com", "s3.amazonaws.com", false),
            ("SourceArn: !GetAtt Rule.Arn", "SourceArn: arn:aws:events:*:*:rule/stop*", true),
            ("SourceArn: !GetAtt Rule.Arn", "SourceArn: arn:aws:events:*:*:rule/other", false),
            ("      SourceArn: !GetAtt Rule.Arn\n", "", true),
            ("!Ref AWS::AccountId", "'111111111111'", false),
        ];
        for (from, to, expected) in cases {
            let stack = resolve(&INVOKED.replace(from, to)).unwrap();
            let (rule, function) = (&stack.rules[0].arn, &stack.functions[0].arn);
            assert_eq!(stack.permissions[0].lets("events.amazonaws.com", rule, function), expected, "{to}");
        }
    }

    #[test]
    fn what_cannot_be_decided_here_is_refused_with_its_line() {
        let cases = [
            ("SourceAccount:", "PrincipalOrgID:", "PrincipalOrgID of a permission"),
            ("events.amazonaws.com", "'111111111111'", "\"111111111111\""),
            ("      Action: lambda:InvokeFunction\n", "", "the Action is missing"),
        ];
        for (from, to, expected) in cases {
            let error = resolve(&INVOKED.replace(from, to)).unwrap_err();
            assert!(error.starts_with("t.yaml:") && error.contains(expected), "{to}: {error}");
        }
    }
}

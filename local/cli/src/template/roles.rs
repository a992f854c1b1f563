//! Roles and what they may do: `AWS::IAM::Role`, `AWS::IAM::ManagedPolicy`, and the roles that SAM makes for functions and
//! state machines that name none.

use local_aws::iam::Policy;
use serde_json::{Value, json};

use super::error::{Fault, Result};
use super::stack::{Builder, within};
use super::yaml::{Content, Node};
use super::{attributes, names, sam_policies};

/// A role and all its policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Name in the template; of a role that SAM makes, the name that SAM gives it.
    pub logical_id: String,
    /// Role ARN.
    pub arn: String,
    /// Its own policies, then the managed ones.
    pub policies: Vec<RolePolicy>,
}

/// One policy of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePolicy {
    /// Name of an inline policy, ARN of a managed one.
    pub name: String,
    /// The policy document, as IAM reads it.
    pub document: Value,
}

impl RolePolicy {
    fn new(name: impl Into<String>, document: Value, node: &Node) -> Result<Self> {
        let name = name.into();
        match Policy::read(&document) {
            Ok(_) => Ok(Self { name, document }),
            Err(error) => Err(node.error(format!("the policy {name} cannot be enforced: {error}"))),
        }
    }
}

impl Builder<'_> {
    /// A role that the template declares.
    pub(super) fn role(&self) -> Result<Role> {
        const KNOWN: [&str; 7] = [
            "RoleName",
            "Description",
            "AssumeRolePolicyDocument",
            "ManagedPolicyArns",
            "Policies",
            "MaxSessionDuration",
            "Tags",
        ];
        self.only("role", &[&KNOWN])?;
        let inline = self.items("Policies").into_iter().map(|node| self.inline(&node));
        let mut policies = inline.collect::<Result<Vec<_>>>().map_err(|fault| within(fault, &["Policies"]))?;
        for node in self.items("ManagedPolicyArns") {
            let Some(arn) = self.resolver.text(&node)? else { continue };
            policies.push(self.managed(&arn, &node).map_err(|fault| within(fault, &["ManagedPolicyArns"]))?);
        }
        let arn = attributes::arn(self.kind, &self.name()?, self.resolver.deployment);
        Ok(Role { logical_id: self.logical.to_owned(), arn, policies })
    }

    /// Reads a managed policy of the template, whether a role has it or not.
    pub(super) fn check_managed_policy(&self) -> Result<()> {
        const KNOWN: [&str; 3] = ["ManagedPolicyName", "Description", "PolicyDocument"];
        self.only("managed policy", &[&KNOWN])?;
        self.document(self.logical, self.node(&["PolicyDocument"])?)
            .map(drop)
            .map_err(|fault| within(fault, &["PolicyDocument"]))
    }

    /// The role that SAM makes for a function or a state machine that names none.
    /// Source: <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html>
    pub(super) fn generated_role(&self) -> Result<Option<Role>> {
        if self.at(&["Role"]).is_some() {
            return Ok(None);
        }
        let logical_id = format!("{}Role", self.logical);
        let deployment = self.resolver.deployment;
        let name = names::physical(&deployment.stack_name, &logical_id, 64);
        let mut policies = Vec::new();
        if self.kind == "AWS::Serverless::Function" {
            policies.push(self.managed(BASIC_EXECUTION, self.resource)?);
        }
        if self.at(&["Tracing"]).is_some() {
            policies.push(self.managed(WRITE_TRACES, self.resource)?);
        }
        for node in self.items("Policies") {
            policies.extend(self.sam_policy(&node).map_err(|fault| within(fault, &["Policies"]))?);
        }
        Ok(Some(Role { logical_id, arn: attributes::arn("AWS::IAM::Role", &name, deployment), policies }))
    }

    /// Whether the template declares the role of this ARN: what any other one may do is not known here.
    pub(super) fn check_role(&self, arn: &str) -> Result<()> {
        for (logical, kind, resource) in self.resolver.resources()? {
            if kind == "AWS::IAM::Role"
                && attributes::arn(
                    kind,
                    &attributes::name(self.resolver, logical, kind, resource)?,
                    self.resolver.deployment,
                ) == arn
            {
                return Ok(());
            }
        }
        let message = format!(
            "the template does not declare the role {arn}, so the local deployment cannot enforce what it may do"
        );
        Err(within(self.at(&["Role"]).unwrap_or(self.resource).error(message), &["Role"]))
    }

    /// The items of a list, or the one item that stands for a list.
    fn items(&self, property: &str) -> Vec<Node> {
        match self.at(&[property]) {
            None => Vec::new(),
            Some(Node { content: Content::List(items), .. }) => items.clone(),
            Some(node) => vec![node.clone()],
        }
    }

    fn inline(&self, node: &Node) -> Result<RolePolicy> {
        let part = |key: &str| node.get(key).ok_or_else(|| node.error(format!("the {key} of a policy is missing")));
        let name = self.resolver.required_text(part("PolicyName")?)?;
        self.document(&name, part("PolicyDocument")?)
    }

    fn document(&self, name: &str, node: &Node) -> Result<RolePolicy> {
        let document = self.resolver.value(node)?;
        RolePolicy::new(name, document.unwrap_or(Value::Null), node)
    }

    /// A managed policy, of the template or of AWS.
    fn managed(&self, arn: &str, node: &Node) -> Result<RolePolicy> {
        for (logical, kind, resource) in self.resolver.resources()? {
            if kind != "AWS::IAM::ManagedPolicy" {
                continue;
            }
            let name = attributes::name(self.resolver, logical, kind, resource)?;
            if attributes::arn(kind, &name, self.resolver.deployment) == arn {
                let document = resource.get("Properties").and_then(|properties| properties.get("PolicyDocument"));
                return self.document(arn, document.ok_or_else(|| resource.error("the PolicyDocument is missing"))?);
            }
        }
        match of_aws(arn) {
            Some(document) => RolePolicy::new(arn, document, node),
            None => Err(node.error(format!("the managed policy {arn} is not known to the local deployment"))),
        }
    }

    /// One item of a function's or a state machine's `Policies`.
    fn sam_policy(&self, node: &Node) -> Result<Option<RolePolicy>> {
        let unreadable =
            || node.error("a policy's name, a policy document or one SAM policy template is expected here");
        let Some(value) = self.resolver.value(node)? else { return Ok(None) };
        let (name, parameters) = match &value {
            Value::String(arn) if arn.starts_with("arn:") => return self.managed(arn, node).map(Some),
            Value::String(name) => return self.managed(&format!("arn:aws:iam::aws:policy/{name}"), node).map(Some),
            Value::Object(map) if map.contains_key("Statement") => {
                return RolePolicy::new(format!("{}Policy", self.logical), value, node).map(Some);
            }
            Value::Object(map) => match map.iter().next() {
                Some(template) if map.len() == 1 => template,
                _ => return Err(unreadable()),
            },
            _ => return Err(unreadable()),
        };
        let document = sam_policies::expand(name, parameters, self.resolver.deployment);
        let document = document.map_err(|message| Fault::new(node.line, message))?;
        RolePolicy::new(name, document, node).map(Some)
    }
}

const BASIC_EXECUTION: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
const WRITE_TRACES: &str = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess";

/// The policies of AWS that SAM itself gives to roles.
/// Source: <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>
fn of_aws(arn: &str) -> Option<Value> {
    let actions: &[&str] = match arn {
        BASIC_EXECUTION => &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        WRITE_TRACES => &[
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:GetSamplingStatisticSummaries",
        ],
        _ => return None,
    };
    let statement = json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}]);
    Some(json!({"Version": "2012-10-17", "Statement": statement}))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::resolve_by_default as resolve;

    const ROLES: &str = r#"
Conditions:
  Never: !Equals [a, b]
Resources:
  Lake: {Type: AWS::S3::Bucket, Properties: {BucketName: lake}}
  Shared:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: glue:GetTable, Resource: "*"}]}
  Own:
    Type: AWS::IAM::Role
    Properties:
      RoleName: own
      ManagedPolicyArns: [!Ref Shared]
      Policies:
        - PolicyName: read
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: s3:GetObject, Resource: !Sub "${Lake.Arn}/*"}
              - !If [Never, {Effect: Allow, Action: "*", Resource: "*"}, !Ref AWS::NoValue]
  Named:
    Type: AWS::Serverless::Function
    Properties: {Runtime: provided.al2023, CodeUri: named/, Role: !GetAtt Own.Arn, Policies: [AdministratorAccess]}
  Made:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      CodeUri: made/
      Tracing: Active
      Policies:
        - S3ReadPolicy: {BucketName: !Ref Lake}
        - !Ref Shared
        - Statement: [{Effect: Deny, Action: "s3:Delete*", Resource: "*"}]
"#;

    #[test]
    fn roles_have_their_policies() {
        let stack = resolve(ROLES).unwrap();
        let [own, made] = stack.roles.as_slice() else { panic!("{:?}", stack.roles) };
        assert_eq!((own.arn.as_str(), own.policies.len()), ("arn:aws:iam::000000000000:role/own", 2));
        let read = json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}]);
        assert_eq!(own.policies[0].document["Statement"], read);
        assert_eq!(made.logical_id, "MadeRole");
        assert_eq!((&stack.functions[0].role_arn, &stack.functions[1].role_arn), (&own.arn, &made.arn));
        let names: Vec<&str> = made.policies.iter().map(|policy| policy.name.as_str()).collect();
        let shared = own.policies[1].name.as_str();
        assert_eq!(
            names,
            [super::BASIC_EXECUTION, super::WRITE_TRACES, "S3ReadPolicy", shared, "MadePolicy"],
            "SAM's own, then those of the template"
        );
        let statement = &made.policies[2].document["Statement"][0];
        assert_eq!(statement["Resource"], json!(["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"]));
        assert_eq!(statement["Action"][1], "s3:ListBucket");
    }

    #[test]
    fn what_cannot_be_enforced_is_refused_by_name() {
        let cases = [
            ("S3ReadPolicy:", "DynamoDBReadPolicy:", "the SAM policy template DynamoDBReadPolicy is not supported"),
            ("{BucketName: !Ref Lake}", "{Bucket: x}", "takes one parameter, BucketName"),
            ("- !Ref Shared", "- AmazonS3FullAccess", "policy/AmazonS3FullAccess is not known"),
            ("[!Ref Shared]", "[arn:aws:iam::aws:policy/ReadOnlyAccess]", "policy/ReadOnlyAccess is not known"),
            ("RoleName: own", "PermissionsBoundary: x", "the property PermissionsBoundary of a role"),
            ("!GetAtt Own.Arn", "arn:aws:iam::000000000000:role/stranger", "does not declare the role"),
            ("Action: s3:GetObject", "Principal: x", "cannot be enforced"),
            ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Policy is not supported"),
        ];
        for (from, to, expected) in cases {
            let error = resolve(&ROLES.replacen(from, to, 1)).unwrap_err();
            assert!(error.starts_with("t.yaml:") && error.contains(expected), "{to}: {error}");
        }
    }
}

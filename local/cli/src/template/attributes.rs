//! What `Ref` and `Fn::GetAtt` give for a resource, and how resources are named.

use serde_json::Value;

use super::Deployment;
use super::error::{Fault, Result};
use super::names;
use super::resolver::Resolver;
use super::yaml::Node;

/// How CloudFormation names a type: the property with the name, and the longest name that it makes up.
fn naming(kind: &str) -> (Option<&'static str>, usize) {
    match kind {
        "AWS::S3::Bucket" => (Some("BucketName"), 63),
        "AWS::Athena::WorkGroup" => (Some("Name"), 128),
        "AWS::Serverless::Function" | "AWS::Lambda::Function" => (Some("FunctionName"), 64),
        "AWS::Serverless::StateMachine" => (Some("Name"), 80),
        "AWS::StepFunctions::StateMachine" => (Some("StateMachineName"), 80),
        "AWS::IAM::Role" => (Some("RoleName"), 64),
        "AWS::Logs::LogGroup" => (Some("LogGroupName"), 512),
        "AWS::SNS::Topic" => (Some("TopicName"), 256),
        "AWS::SQS::Queue" => (Some("QueueName"), 80),
        "AWS::IAM::ManagedPolicy" => (Some("ManagedPolicyName"), 128),
        "AWS::Events::Rule" => (Some("Name"), 64),
        "AWS::CloudWatch::Alarm" => (Some("AlarmName"), 255),
        "AWS::CloudWatch::Dashboard" => (Some("DashboardName"), 255),
        // Nobody names a key: its id is a UUID.
        "AWS::KMS::Key" => (None, 36),
        _ => (None, 128),
    }
}

/// The physical name of a resource: given by the template, else made up.
pub(super) fn name(resolver: &Resolver<'_>, logical: &str, kind: &str, resource: &Node) -> Result<String> {
    let (property, limit) = naming(kind);
    let properties = resolver.properties(kind, resource);
    let given = match property.and_then(|property| Some((property, properties.get(property)?))) {
        Some((property, node)) => resolver
            .deeper(node, || resolver.text(node))
            .map_err(|fault| Fault::new(fault.line(), fault.message()).within(property).within("Properties"))?,
        None => None,
    };
    let stack = &resolver.deployment.stack_name;
    Ok(given.unwrap_or_else(|| match kind {
        "AWS::S3::Bucket" => names::physical(stack, logical, limit).to_lowercase(),
        "AWS::KMS::Key" => names::uuid(stack, logical),
        _ => names::physical(stack, logical, limit),
    }))
}

/// What `Ref` gives for a resource: its name, but for these an ARN or a URL.
///
/// Source: "Return values" of each type in
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html>
pub(super) fn reference(resolver: &Resolver<'_>, logical: &str, node: &Node) -> Result<Value> {
    if let Some(role) = generated_role(resolver, logical) {
        return Ok(Value::String(role));
    }
    let (kind, resource) = resolver.resource(logical, node)?;
    let name = name(resolver, logical, kind, resource)?;
    Ok(Value::String(match kind {
        "AWS::Serverless::StateMachine"
        | "AWS::StepFunctions::StateMachine"
        | "AWS::SNS::Topic"
        | "AWS::IAM::ManagedPolicy" => arn(kind, &name, resolver.deployment),
        "AWS::SQS::Queue" => queue_url(&name, resolver.deployment),
        _ => name,
    }))
}

/// What `Fn::GetAtt` gives for a resource. Source: as for [`reference`].
pub(super) fn attribute(resolver: &Resolver<'_>, logical: &str, attribute: &str, node: &Node) -> Result<Value> {
    if let (Some(role), "Arn") = (generated_role(resolver, logical), attribute) {
        return Ok(Value::String(arn("AWS::IAM::Role", &role, resolver.deployment)));
    }
    let (kind, resource) = resolver.resource(logical, node)?;
    let name = name(resolver, logical, kind, resource)?;
    let deployment = resolver.deployment;
    let region = &deployment.region;
    Ok(Value::String(match (kind, attribute) {
        (_, "Arn") | ("AWS::SNS::Topic", "TopicArn") | ("AWS::IAM::ManagedPolicy", "PolicyArn") => {
            arn(kind, &name, deployment)
        }
        ("AWS::SNS::Topic", "TopicName")
        | ("AWS::SQS::Queue", "QueueName")
        | ("AWS::KMS::Key", "KeyId")
        | ("AWS::Serverless::StateMachine" | "AWS::StepFunctions::StateMachine", "Name") => name,
        ("AWS::SQS::Queue", "QueueUrl") => queue_url(&name, deployment),
        ("AWS::S3::Bucket", "DomainName") => format!("{name}.s3.amazonaws.com"),
        ("AWS::S3::Bucket", "RegionalDomainName") => format!("{name}.s3.{region}.amazonaws.com"),
        _ => {
            let message =
                format!("the attribute {attribute} of {logical} ({kind}) is not known to the local deployment");
            return Err(node.error(message));
        }
    }))
}

/// The name of the role that SAM makes for a function or a state machine without one: `MyFunctionRole`.
fn generated_role(resolver: &Resolver<'_>, logical: &str) -> Option<String> {
    let owner = logical.strip_suffix("Role")?;
    let nowhere = Node::map(1, Vec::new());
    let declared = resolver.resource(logical, &nowhere).is_ok();
    let (kind, _) = resolver.resource(owner, &nowhere).ok()?;
    let serverless = kind == "AWS::Serverless::Function" || kind == "AWS::Serverless::StateMachine";
    (serverless && !declared).then(|| names::physical(&resolver.deployment.stack_name, logical, 64))
}

/// A queue's URL on AWS. Who asks the local cloud for it gets the address of that one instead.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html>
fn queue_url(name: &str, deployment: &Deployment) -> String {
    let (region, account) = (&deployment.region, &deployment.account);
    format!("https://sqs.{region}.amazonaws.com/{account}/{name}")
}

/// The ARN of a resource with this physical name.
///
/// Source: "Resource types defined by" each service in
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>
pub(super) fn arn(kind: &str, name: &str, deployment: &Deployment) -> String {
    let (region, account) = (&deployment.region, &deployment.account);
    match kind {
        "AWS::S3::Bucket" => format!("arn:aws:s3:::{name}"),
        "AWS::Athena::WorkGroup" => format!("arn:aws:athena:{region}:{account}:workgroup/{name}"),
        "AWS::Serverless::Function" | "AWS::Lambda::Function" => {
            format!("arn:aws:lambda:{region}:{account}:function:{name}")
        }
        "AWS::Serverless::StateMachine" | "AWS::StepFunctions::StateMachine" => {
            format!("arn:aws:states:{region}:{account}:stateMachine:{name}")
        }
        "AWS::IAM::Role" => format!("arn:aws:iam::{account}:role/{name}"),
        "AWS::Logs::LogGroup" => format!("arn:aws:logs:{region}:{account}:log-group:{name}:*"),
        "AWS::IAM::ManagedPolicy" => format!("arn:aws:iam::{account}:policy/{name}"),
        "AWS::Events::Rule" => format!("arn:aws:events:{region}:{account}:rule/{name}"),
        "AWS::CloudWatch::Alarm" => format!("arn:aws:cloudwatch:{region}:{account}:alarm:{name}"),
        "AWS::KMS::Key" => format!("arn:aws:kms:{region}:{account}:key/{name}"),
        _ => {
            let service = kind.split("::").nth(1).unwrap_or("unknown").to_lowercase();
            format!("arn:aws:{service}:{region}:{account}:{name}")
        }
    }
}

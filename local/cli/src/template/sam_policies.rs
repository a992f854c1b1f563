//! SAM's policy templates: a name and a parameter stand for statements.
//!
//! Source: <https://github.com/aws/serverless-application-model/blob/develop/samtranslator/policy_templates_data/policy_templates.json>,
//! checked with samtranslator 1.110.

use serde_json::{Value, json};

use super::Deployment;

/// One template: its name, its only parameter, and its statements. `{}` in a resource is the parameter's value.
struct PolicyTemplate {
    name: &'static str,
    parameter: &'static str,
    statements: &'static [Statement],
}

/// Actions, and the resources that they are allowed on.
type Statement = (&'static [&'static str], &'static [Resource]);

/// A resource of a template.
enum Resource {
    Any,
    /// Of S3, whose ARNs have no region and no account.
    S3(&'static str),
    /// Of this service, in the deployment's region and account.
    Of(&'static str, &'static str),
}

use Resource::{Any, Of, S3};

/// Those that fit what is run here. The others give rights to services that are not.
const TEMPLATES: [PolicyTemplate; 9] = [
    PolicyTemplate {
        name: "AthenaQueryPolicy",
        parameter: "WorkGroupName",
        statements: &[
            (
                &[
                    "athena:ListWorkGroups",
                    "athena:GetExecutionEngine",
                    "athena:GetExecutionEngines",
                    "athena:GetNamespace",
                    "athena:GetCatalogs",
                    "athena:GetNamespaces",
                    "athena:GetTables",
                    "athena:GetTable",
                ],
                &[Any],
            ),
            (
                &[
                    "athena:StartQueryExecution",
                    "athena:GetQueryResults",
                    "athena:DeleteNamedQuery",
                    "athena:GetNamedQuery",
                    "athena:ListQueryExecutions",
                    "athena:StopQueryExecution",
                    "athena:GetQueryResultsStream",
                    "athena:ListNamedQueries",
                    "athena:CreateNamedQuery",
                    "athena:GetQueryExecution",
                    "athena:BatchGetNamedQuery",
                    "athena:BatchGetQueryExecution",
                    "athena:GetWorkGroup",
                ],
                &[Of("athena", "workgroup/{}")],
            ),
        ],
    },
    PolicyTemplate {
        name: "KMSDecryptPolicy",
        parameter: "KeyId",
        statements: &[(&["kms:Decrypt"], &[Of("kms", "key/{}")])],
    },
    PolicyTemplate {
        name: "LambdaInvokePolicy",
        parameter: "FunctionName",
        statements: &[(&["lambda:InvokeFunction"], &[Of("lambda", "function:{}*")])],
    },
    PolicyTemplate {
        name: "S3CrudPolicy",
        parameter: "BucketName",
        statements: &[(
            &[
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetObjectVersion",
                "s3:PutObject",
                "s3:PutObjectAcl",
                "s3:GetLifecycleConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:DeleteObject",
            ],
            &[S3("{}"), S3("{}/*")],
        )],
    },
    PolicyTemplate {
        name: "S3ReadPolicy",
        parameter: "BucketName",
        statements: &[(
            &[
                "s3:GetObject",
                "s3:ListBucket",
                "s3:GetBucketLocation",
                "s3:GetObjectVersion",
                "s3:GetLifecycleConfiguration",
            ],
            &[S3("{}"), S3("{}/*")],
        )],
    },
    PolicyTemplate {
        name: "S3WritePolicy",
        parameter: "BucketName",
        statements: &[(&["s3:PutObject", "s3:PutObjectAcl", "s3:PutLifecycleConfiguration"], &[S3("{}"), S3("{}/*")])],
    },
    PolicyTemplate {
        name: "SQSPollerPolicy",
        parameter: "QueueName",
        statements: &[(
            &[
                "sqs:ChangeMessageVisibility",
                "sqs:ChangeMessageVisibilityBatch",
                "sqs:DeleteMessage",
                "sqs:DeleteMessageBatch",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            &[Of("sqs", "{}")],
        )],
    },
    PolicyTemplate {
        name: "SQSSendMessagePolicy",
        parameter: "QueueName",
        statements: &[(&["sqs:SendMessage*"], &[Of("sqs", "{}")])],
    },
    PolicyTemplate {
        name: "StepFunctionsExecutionPolicy",
        parameter: "StateMachineName",
        statements: &[(&["states:StartExecution"], &[Of("states", "stateMachine:{}")])],
    },
];

/// The policy document that a template stands for, or why there is none.
pub(super) fn expand(name: &str, parameters: &Value, deployment: &Deployment) -> Result<Value, String> {
    let template = TEMPLATES.iter().find(|template| template.name == name);
    let template =
        template.ok_or_else(|| format!("the SAM policy template {name} is not supported by the local deployment"))?;
    let wanted = template.parameter;
    let wrong = || format!("the SAM policy template {name} takes one parameter, {wanted}");
    let given = parameters.as_object().filter(|given| given.len() == 1).ok_or_else(wrong)?;
    let value = given.get(wanted).and_then(Value::as_str).ok_or_else(wrong)?;
    let statement = |(actions, resources): &Statement| {
        let resources: Vec<String> = resources.iter().map(|resource| resource.arn(value, deployment)).collect();
        json!({"Effect": "Allow", "Action": actions, "Resource": resources})
    };
    let statements: Vec<Value> = template.statements.iter().map(statement).collect();
    Ok(json!({"Version": "2012-10-17", "Statement": statements}))
}

impl Resource {
    fn arn(&self, value: &str, deployment: &Deployment) -> String {
        let (region, account) = (&deployment.region, &deployment.account);
        match self {
            Any => "*".to_owned(),
            S3(pattern) => format!("arn:aws:s3:::{}", pattern.replace("{}", value)),
            Of(service, pattern) => {
                format!("arn:aws:{service}:{region}:{account}:{}", pattern.replace("{}", value))
            }
        }
    }
}

//! Policies and requests as data: each case is a policy's statements, a request, and what IAM says of it.

use serde_json::{Value, json};

use super::{Context, Decision, Policy, PolicyError, decide};

fn read(statement: &Value) -> Result<Policy, PolicyError> {
    Policy::read(&json!({"Version": "2012-10-17", "Statement": statement}))
}

fn context(value: &Value) -> Context {
    let entries = value.as_object().unwrap().iter();
    entries.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn requests_are_decided_as_iam_decides_them() {
    use Decision::{Allowed, ExplicitlyDenied as Denied, ImplicitlyDenied as Silent};
    let get = json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/raw/*"}]);
    let both = json!([
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:Delete*", "Resource": ["arn:aws:s3:::lake/curated/*"]},
    ]);
    let not_action = json!({"Effect": "Allow", "NotAction": ["s3:Delete*", "s3:Put*"], "Resource": "*"});
    let not_resource = json!({"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::lake/*"});
    let segment = json!({"Effect": "Allow", "Action": "glue:Get?able", "Resource": "arn:aws:glue:*:1:table/db/t*x"});
    let colons = json!({"Effect": "Allow", "Action": "logs:*", "Resource": "arn:aws:logs:*"});
    let raw = "arn:aws:s3:::lake/raw/a/b.csv";
    let curated = "arn:aws:s3:::lake/curated/x";
    let cases: [(&Value, &str, &str, Decision); 18] = [
        (&get, "s3:GetObject", raw, Allowed),
        (&get, "S3:getobject", raw, Allowed),
        (&get, "s3:GetObjectVersion", raw, Silent),
        (&get, "s3:GetObject", "arn:aws:s3:::lake/RAW/a", Silent),
        (&get, "s3:GetObject", "arn:aws:s3:::lake/raw", Silent),
        (&both, "s3:DeleteObject", raw, Allowed),
        (&both, "s3:DeleteObject", curated, Denied),
        (&both, "glue:GetTable", "arn:aws:glue:us-east-1:1:catalog", Silent),
        (&not_action, "s3:GetObject", raw, Allowed),
        (&not_action, "s3:PutObject", raw, Silent),
        (&not_resource, "s3:GetObject", raw, Silent),
        (&not_resource, "s3:GetObject", "arn:aws:s3:::other/k", Denied),
        (&segment, "glue:GetTable", "arn:aws:glue:us-east-1:1:table/db/t_12/x", Allowed),
        (&segment, "glue:GetTables", "arn:aws:glue:us-east-1:1:table/db/t_x", Silent),
        (&segment, "glue:GetTable", "arn:aws:glue:us-east-1:1:table/db/t:x", Silent),
        (&segment, "glue:GetTable", "arn:aws:glue:us-east-1:2:table/db/tx", Silent),
        (&colons, "logs:PutLogEvents", "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/f:log-stream:s", Allowed),
        (&colons, "xray:PutTraceSegments", "*", Silent),
    ];
    for (statement, action, resource, expected) in cases {
        let policy = read(statement).unwrap();
        let decision = decide([&policy], action, resource, &Context::new());
        assert_eq!(decision, expected, "{action} on {resource} by {statement}");
    }
}

#[test]
fn conditions_are_decided_as_iam_decides_them() {
    let (raw, other, none) = (json!({"s3:prefix": "raw/x/"}), json!({"s3:prefix": "tmp/"}), json!({}));
    let plain = json!({"aws:securetransport": "false"});
    let role = json!({"aws:principalarn": "arn:aws:iam::1:role/loader"});
    let cases = [
        (json!({"StringLike": {"s3:prefix": ["raw/*", "curated/*"]}}), &raw, true),
        (json!({"StringLike": {"s3:prefix": ["raw/*", "curated/*"]}}), &other, false),
        (json!({"StringLike": {"s3:prefix": "raw/*"}}), &none, false),
        (json!({"StringLikeIfExists": {"s3:prefix": "raw/*"}}), &none, true),
        (json!({"StringEquals": {"S3:Prefix": "raw/x/"}}), &raw, true),
        (json!({"StringEquals": {"s3:prefix": "raw/*"}}), &raw, false),
        (json!({"StringEqualsIgnoreCase": {"s3:prefix": "RAW/x/"}}), &raw, true),
        (json!({"StringNotEquals": {"s3:prefix": ["raw/x/", "a"]}}), &raw, false),
        (json!({"StringNotEquals": {"s3:prefix": ["a", "b"]}}), &raw, true),
        (json!({"StringNotLike": {"s3:prefix": "raw/*"}}), &none, true),
        (json!({"Bool": {"aws:SecureTransport": false}}), &plain, true),
        (json!({"Bool": {"aws:SecureTransport": "true"}}), &plain, false),
        (json!({"Bool": {"aws:SecureTransport": "false"}}), &none, false),
        (json!({"Null": {"s3:prefix": "true"}}), &none, true),
        (json!({"Null": {"s3:prefix": "false"}}), &none, false),
        (json!({"Null": {"s3:prefix": "false"}}), &raw, true),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/load*"}}), &role, true),
        (json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:*:role/loader"}}), &role, false),
        (json!({"StringLike": {"s3:prefix": "raw/*"}, "Null": {"s3:delimiter": "false"}}), &raw, false),
    ];
    for (condition, request, expected) in cases {
        let policy = read(&json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition})).unwrap();
        let decision = decide([&policy], "s3:ListBucket", "arn:aws:s3:::lake", &context(request));
        assert_eq!(decision.is_allowed(), expected, "{condition} with {request}");
    }
}

#[test]
fn what_is_not_understood_is_an_error_that_names_it() {
    let cases = [
        (json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}), "Principal"),
        (json!({"Effect": "allow", "Action": "*", "Resource": "*"}), "Effect"),
        (json!({"Effect": "Allow", "Resource": "*"}), "Action"),
        (json!({"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}), "Action"),
        (json!({"Effect": "Allow", "Action": [], "Resource": "*"}), "Action"),
        (json!({"Effect": "Allow", "Action": "*"}), "Resource"),
        (json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/${aws:username}/*"}), "${aws:username}"),
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"NumericLessThan": {"s3:max-keys": 10}}}),
            "NumericLessThan",
        ),
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAnyValue:StringLike": {"s3:prefix": "a"}}}),
            "ForAnyValue:StringLike",
        ),
        (
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "a"}}}),
            "aws:username",
        ),
    ];
    for (statement, name) in cases {
        let error = read(&statement).unwrap_err().to_string();
        assert!(error.contains(name), "{statement}: {error}");
    }
    let old = Policy::read(&json!({"Version": "2008-10-17", "Statement": []})).unwrap_err();
    assert!(old.to_string().contains("2008-10-17"), "{old}");
}

#[test]
fn refusals_are_worded_as_iam_words_them() {
    let principal = "arn:aws:sts::000000000000:assumed-role/LoaderRole/loader";
    let silent = Decision::ImplicitlyDenied.refusal(principal, "glue:GetTable", "arn:aws:glue:us-east-1:1:catalog");
    assert_eq!(
        silent.unwrap(),
        "User: arn:aws:sts::000000000000:assumed-role/LoaderRole/loader is not authorized to perform: glue:GetTable on \
         resource: arn:aws:glue:us-east-1:1:catalog because no identity-based policy allows the glue:GetTable action"
    );
    let denied = Decision::ExplicitlyDenied.refusal(principal, "s3:GetObject", "arn:aws:s3:::b/k").unwrap();
    assert!(denied.ends_with("\"arn:aws:s3:::b/k\" with an explicit deny in an identity-based policy"), "{denied}");
    assert_eq!(Decision::Allowed.refusal(principal, "s3:GetObject", "arn:aws:s3:::b/k"), None);
}

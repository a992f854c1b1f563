//! Templates as people write them, and mistakes as people make them.

use std::path::{Path, PathBuf};

use super::{Deployment, Stack, Template, TemplateError};

const SMALL: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}
  Sizes: {Type: CommaDelimitedList, Default: "128, 256"}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsNotProd: !Not [!Condition IsProd]
Mappings:
  Limits:
    dev: {Bytes: 1000000}
    prod: {Bytes: 9000000}
Globals:
  Function:
    Runtime: provided.al2023
    Timeout: 30
    Environment:
      Variables: {SHARED: global, STAGE: !Ref Stage}
Resources:
  Lake:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub lake-${Stage}-${AWS::AccountId}
  Unnamed:
    Type: AWS::S3::Bucket
  OnlyProd:
    Type: AWS::S3::Bucket
    Condition: IsProd
  Group:
    Type: AWS::Athena::WorkGroup
    Properties:
      Name: !Join ["-", [group, !Select [0, !Split ["/", a/b]]]]
      WorkGroupConfiguration:
        BytesScannedCutoffPerQuery: !FindInMap [Limits, !Ref Stage, Bytes]
        ResultConfiguration: {OutputLocation: !Sub "s3://${Lake}/results/"}
  CountFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/count/
      MemorySize: !Select [1, !Ref Sizes]
      Environment:
        Variables:
          SHARED: own
          ARN: !GetAtt Lake.Arn
          GONE: !If [IsProd, here, !Ref AWS::NoValue]
          BOTH: !Sub ["${Lake}/${Own}/${!Kept}", {Own: x}]
          NUMBER: 010
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: Count
        States:
          Count: {Type: Task, Resource: "${CountArn}", End: true}
      DefinitionSubstitutions: {CountArn: !GetAtt CountFunction.Arn}
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: {AlarmActions: [!Ref Machine]}
"#;

pub(super) fn resolve(text: &str, deployment: &Deployment) -> Result<Stack, TemplateError> {
    let root = super::parse(text).map_err(|fault| fault.in_file(Path::new("t.yaml")))?;
    Template { path: PathBuf::from("t.yaml"), root }.resolve(deployment)
}

/// The stack of a template that is deployed as by default, or why there is none: what the modules' own tests ask.
pub(super) fn resolve_by_default(text: &str) -> Result<Stack, String> {
    resolve(text, &Deployment::default()).map_err(|error| error.to_string())
}

fn error_of(text: &str) -> String {
    resolve_by_default(text).unwrap_err()
}

#[test]
fn resolves_references_conditions_and_globals() {
    let stack = resolve(SMALL, &Deployment::default()).unwrap();
    let names: Vec<&str> = stack.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names[0], "lake-dev-000000000000");
    assert!(names[1].starts_with("pageviews-elt-unnamed-") && names.len() == 2, "{names:?}");
    let group = &stack.workgroups[0];
    let configuration = serde_json::json!({
        "BytesScannedCutoffPerQuery": 1_000_000,
        "ResultConfiguration": {"OutputLocation": "s3://lake-dev-000000000000/results/"},
    });
    assert_eq!((group.name.as_str(), &group.configuration), ("group-a", &configuration));
    let function = &stack.functions[0];
    assert_eq!((function.binary.as_str(), function.memory_mb, function.timeout.as_secs()), ("count", 256, 30));
    let environment: Vec<(&str, &str)> =
        function.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("ARN", "arn:aws:s3:::lake-dev-000000000000"),
        ("BOTH", "lake-dev-000000000000/x/${Kept}"),
        ("NUMBER", "010"),
        ("SHARED", "own"),
        ("STAGE", "dev"),
    ];
    assert_eq!(environment, expected);
    assert!(stack.state_machines[0].definition.contains(&function.arn), "{:?}", stack.state_machines[0]);
    assert_eq!(stack.not_run["AWS::CloudWatch::Alarm"], ["Alarm"]);
}

#[test]
fn parameters_choose_conditions() {
    let parameters = [("Stage".to_owned(), "prod".to_owned())].into();
    let stack = resolve(SMALL, &Deployment { parameters, ..Deployment::default() }).unwrap();
    assert_eq!(stack.buckets.len(), 3);
    assert_eq!(stack.functions[0].environment["GONE"], "here");
    assert_eq!(stack.workgroups[0].configuration["BytesScannedCutoffPerQuery"], 9_000_000);
}

#[test]
fn the_same_names_every_time() {
    let resolve = || resolve(SMALL, &Deployment::default()).unwrap();
    assert_eq!(resolve(), resolve());
}

#[test]
fn mistakes_are_named_with_line_and_path() {
    let variables = "Resources.CountFunction.Properties.Environment.Variables";
    let group = "Resources.Group.Properties.WorkGroupConfiguration.ResultConfiguration.OutputLocation";
    let cases = [
        (
            "!GetAtt Lake.Arn",
            "!GetAtt Lakes.Arn",
            format!("{variables}.ARN.Fn::GetAtt: there is no parameter or resource Lakes (did you mean Lake?)"),
        ),
        (
            "${Lake}/results",
            "${Lakee}/results",
            format!("{group}.Fn::Sub: there is no parameter or resource Lakee (did you mean Lake?)"),
        ),
        (
            "[!Ref Machine]",
            "[!Ref Machines]",
            "Resources.Alarm.Properties.AlarmActions.0.Ref: there is no parameter or resource Machines (did you mean \
             Machine?)"
                .to_owned(),
        ),
        (
            "!If [IsProd,",
            "!If [IsPrd,",
            format!("{variables}.GONE.Fn::If: there is no condition IsPrd (did you mean IsProd?)"),
        ),
        (
            "{CountArn:",
            "{CuntArn:",
            "Resources.Machine.Properties.DefinitionSubstitutions: the definition uses ${CountArn}, which is not given"
                .to_owned(),
        ),
        (
            "Default: dev",
            "Default: test",
            "Parameters.Stage: \"test\" is not one of its AllowedValues: dev, prod".to_owned(),
        ),
        (
            "!Sub lake-",
            "!Subb lake-",
            "!Subb is not one of CloudFormation's functions that are supported here".to_owned(),
        ),
        ("  Unnamed:", "  Lake: # again", "Lake is given twice".to_owned()),
        (
            "lake-${Stage}-${AWS::AccountId}",
            "lake-${Lake}",
            "Resources.Lake.Properties.BucketName: the references go round in a circle".to_owned(),
        ),
        (
            "MemorySize: !Select [1, !Ref Sizes]",
            "MemorySize: many",
            "Resources.CountFunction.Properties.MemorySize: \"many\" is not a whole number".to_owned(),
        ),
    ];
    for (right, wrong, message) in cases {
        let text = SMALL.replace(right, wrong);
        let line = text.lines().position(|line| line.contains(wrong)).unwrap() + 1;
        assert_eq!(error_of(&text), format!("t.yaml:{line}: {message}"));
    }
    assert_eq!(error_of("Parameters: {}"), "t.yaml:1: the template has no Resources");
    assert!(error_of("Resources: [").starts_with("t.yaml:1: "), "{}", error_of("Resources: ["));
    let python = error_of(&SMALL.replace("Runtime: provided.al2023", "Runtime: python3.14"));
    assert!(
        python.ends_with("the runtime \"python3.14\" cannot run locally: only binaries (provided.al2023) do"),
        "{python}"
    );
}

#[test]
fn an_unknown_parameter_is_refused() {
    let parameters = [("Stge".to_owned(), "prod".to_owned())].into();
    let error = resolve(SMALL, &Deployment { parameters, ..Deployment::default() }).unwrap_err();
    assert_eq!(error.to_string(), "t.yaml:2: the template has no parameter Stge (did you mean Stage?)");
}

#[test]
fn the_project_s_own_template_resolves() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let stack = Template::load(&path).unwrap().resolve(&Deployment::default()).unwrap();
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions")).unwrap();
    assert_eq!(stack.functions.len(), folders.count());
    assert_eq!(stack.state_machines.len(), 1);
    assert!(!stack.state_machines[0].definition.contains("${"));
    assert!(stack.functions.iter().all(|function| function.environment.contains_key("ATHENA_WORKGROUP")));
}

#[test]
fn parameters_are_refused_with_the_template_s_own_sentence() {
    let template = |constraint: &str| format!("Parameters:\n  P: {{{constraint}}}\nResources: {{}}\n");
    let refused = |constraint: &str, value: &str| {
        let parameters = [("P".to_owned(), value.to_owned())].into();
        let resolved = resolve(&template(constraint), &Deployment { parameters, ..Deployment::default() });
        resolved.err().map(|error| error.to_string().replace("t.yaml:2: Parameters.P: ", ""))
    };
    let days = "Type: Number, MinValue: 1, MaxValue: 30";
    let said = "Type: Number, MinValue: 1, ConstraintDescription: must be a whole week";
    let name = "Type: String, MinLength: 2, MaxLength: 3";
    let cases = [
        (days, "1", None),
        (days, "30", None),
        (days, "0", Some("\"0\" is beyond its MinValue 1")),
        (days, "31", Some("\"31\" is beyond its MaxValue 30")),
        (days, "ten", Some("\"ten\" is not a number")),
        (said, "7", None),
        (said, "0", Some("\"0\" is refused: it must be a whole week")),
        (said, "ten", Some("\"ten\" is refused: it must be a whole week")),
        (name, "äö", None),
        (name, "a", Some("\"a\" is beyond its MinLength 2")),
        (name, "abcd", Some("\"abcd\" is beyond its MaxLength 3")),
    ];
    for (constraint, value, expected) in cases {
        assert_eq!(refused(constraint, value).as_deref(), expected, "{constraint}: {value}");
    }
}

#[test]
fn references_to_what_is_not_run_give_what_cloudformation_gives() {
    let text = r#"
Conditions:
  Never: !Equals [a, b]
Resources:
  Key: {Type: AWS::KMS::Key}
  Absent: {Type: AWS::KMS::Key, Condition: Never}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: t}}
  Log: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /aws/l}}
  Rule: {Type: AWS::Events::Rule, Properties: {Name: r, EventPattern: {source: [s]}}}
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties: {ManagedPolicyName: p, PolicyDocument: {Statement: {Effect: Allow, Action: "s3:*", Resource: "*"}}}
  Role: {Type: AWS::IAM::Role, Properties: {RoleName: own}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      CodeUri: f/
      Role: !GetAtt Role.Arn
      Environment:
        Variables:
          KEY: !GetAtt Key.Arn
          ABSENT: !If [Never, !GetAtt Absent.Arn, !Ref AWS::NoValue]
          QUEUE: !Sub "${Queue} ${Queue.Arn} ${Queue.QueueName}"
          TOPIC: !Sub "${Topic} ${Topic.TopicName}"
          LOG: !Sub "${Log} ${Log.Arn}"
          RULE: !Sub "${Rule} ${Rule.Arn}"
          POLICY: !Ref Policy
"#;
    let function = resolve(text, &Deployment::default()).unwrap().functions.remove(0);
    assert_eq!(function.role_arn, "arn:aws:iam::000000000000:role/own");
    let of = |name: &str| function.environment.get(name).map_or("nothing", String::as_str);
    let key = of("KEY").strip_prefix("arn:aws:kms:us-east-1:000000000000:key/").unwrap();
    assert_eq!(key.len(), 36, "{key}");
    assert_eq!(of("ABSENT"), "nothing");
    let queue = "https://sqs.us-east-1.amazonaws.com/000000000000/q arn:aws:sqs:us-east-1:000000000000:q q";
    assert_eq!(of("QUEUE"), queue);
    assert_eq!(of("TOPIC"), "arn:aws:sns:us-east-1:000000000000:t t");
    assert_eq!(of("LOG"), "/aws/l arn:aws:logs:us-east-1:000000000000:log-group:/aws/l:*");
    assert_eq!(of("RULE"), "r arn:aws:events:us-east-1:000000000000:rule/r");
    assert_eq!(of("POLICY"), "arn:aws:iam::000000000000:policy/p");
}

#[test]
fn the_project_s_own_template_is_named_by_its_parameters() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let parameters = [
        ("NamePrefix", "dev-"),
        ("LakeBucketName", "my-lake"),
        ("RawPrefix", "in/raw"),
        ("ResultsPrefix", "results"),
        ("Encryption", "SSE_KMS"),
        ("ScanCutoffBytes", "20000000"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let stack = Template::load(&path).unwrap().resolve(&Deployment { parameters, ..Deployment::default() }).unwrap();
    assert_eq!(stack.buckets[0].name, "my-lake");
    let workgroup = &stack.workgroups[0];
    let key = workgroup.configuration["ResultConfiguration"]["EncryptionConfiguration"]["KmsKey"].as_str();
    assert!(key.unwrap().starts_with("arn:aws:kms:us-east-1:000000000000:key/"), "{key:?}");
    let results = workgroup.configuration["ResultConfiguration"]["OutputLocation"].as_str();
    let cutoff = workgroup.configuration["BytesScannedCutoffPerQuery"].as_u64();
    assert_eq!((workgroup.name.as_str(), results), ("dev-pageviews", Some("s3://my-lake/results/")));
    assert_eq!(cutoff, Some(20_000_000));
    assert_eq!(stack.state_machines[0].name, "dev-PageViewsTransform");
    assert!(stack.functions.iter().all(|function| function.name.starts_with("dev-")));
    let locations: Vec<&str> =
        stack.functions.iter().filter_map(|one| Some(one.environment.get("CUSTOMERS_LOCATION")?.as_str())).collect();
    assert_eq!(locations, ["s3://my-lake/in/raw/customers/"; 3]);
}

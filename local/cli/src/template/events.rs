//! What happens around a run: its schedule, rules, topics and queues.

use std::collections::BTreeMap;
use std::time::Duration;

use local_aws::events::{JsonPath, Pattern, Rule, Target, TargetInput};
use local_aws::sqs::QueueSpec;
use serde_json::Value;

use super::attributes;
use super::error::Result;
use super::stack::{Builder, within};
use super::yaml::Node;

/// Properties of a queue that change nothing here. Source:
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html>
const QUEUE_WITHOUT_EFFECT: [&str; 5] =
    ["SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "MaximumMessageSize", "Tags"];

/// The event type of EventBridge Scheduler.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-schedulev2.html>
pub(super) const SCHEDULE: &str = "ScheduleV2";

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Name in the template.
    pub logical_id: String,
    /// Queue name.
    pub name: String,
    /// Queue ARN.
    pub arn: String,
    /// How long a received message is hidden from others.
    pub visibility_timeout: Option<Duration>,
    /// How long a message is kept.
    pub retention: Option<Duration>,
    /// How long a new message is hidden.
    pub delay: Option<Duration>,
    /// How long a receive waits for a message.
    pub receive_wait: Option<Duration>,
}

impl Queue {
    /// The queue as SQS makes it: what the template does not say is the service's default.
    pub fn spec(&self) -> QueueSpec {
        let default = QueueSpec::new(&self.name);
        QueueSpec {
            visibility_timeout: self.visibility_timeout.unwrap_or(default.visibility_timeout),
            retention: self.retention.unwrap_or(default.retention),
            delay: self.delay.unwrap_or(default.delay),
            receive_wait: self.receive_wait.unwrap_or(default.receive_wait),
            ..default
        }
    }
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Name in the template.
    pub logical_id: String,
    /// Topic ARN.
    pub arn: String,
}

/// Who gets a topic's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// ARN of the topic.
    pub topic_arn: String,
    /// E-mail address.
    pub email: String,
}

/// When a state machine or a function starts by itself. It is shown and not run: locally no clock starts anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Name of the state machine or function.
    pub target: String,
    /// `cron(…)`, `rate(…)` or `at(…)`.
    pub expression: String,
    /// Of the expression.
    pub timezone: String,
    /// `ENABLED` or `DISABLED`.
    pub state: String,
    /// What it gets.
    pub input: Option<String>,
    /// ARN of what it starts.
    pub target_arn: String,
    /// What the schedule must be allowed to do with it.
    pub action: &'static str,
    /// ARN of the role that it starts it as; SAM makes one that may, when none is given.
    pub role_arn: Option<String>,
    /// ARN of the queue of what it could not start.
    pub dead_letter_arn: Option<String>,
}

impl Builder<'_> {
    pub(super) fn topic(&self) -> Result<Topic> {
        const KNOWN: [&str; 6] =
            ["TopicName", "DisplayName", "KmsMasterKeyId", "TracingConfig", "SignatureVersion", "Tags"];
        self.only("topic", &[&KNOWN])?;
        let arn = attributes::arn(self.kind, &self.name()?, self.resolver.deployment);
        Ok(Topic { logical_id: self.logical.to_owned(), arn })
    }

    pub(super) fn subscription(&self) -> Result<Subscription> {
        self.only("subscription", &[&["TopicArn", "Protocol", "Endpoint", "Region"]])?;
        let protocol = self.required(&["Protocol"])?;
        if protocol != "email" && protocol != "email-json" {
            let message =
                format!("the protocol {protocol:?} of a subscription is not supported by the local deployment");
            return Err(within(self.resource.error(message), &["Protocol"]));
        }
        Ok(Subscription { topic_arn: self.required(&["TopicArn"])?, email: self.required(&["Endpoint"])? })
    }

    /// The rule, unless it is disabled.
    pub(super) fn rule(&self) -> Result<Option<Rule>> {
        self.only("rule", &[&["Name", "Description", "State", "EventPattern", "Targets", "Tags"]])?;
        let state = self.text(&["State"])?.unwrap_or_else(|| "ENABLED".to_owned());
        let name = self.name()?;
        let pattern = self.node(&["EventPattern"])?;
        let value = self.resolver.value(pattern).map_err(|fault| within(fault, &["EventPattern"]))?;
        let parsed = Pattern::parse(&value.unwrap_or(Value::Null));
        let parsed = parsed.map_err(|error| within(pattern.error(error.to_string()), &["EventPattern"]))?;
        let targets = match self.at(&["Targets"]) {
            Some(targets) => targets.items()?.iter().map(|one| self.target(one)).collect::<Result<_>>(),
            None => Ok(Vec::new()),
        };
        let rule = Rule {
            arn: attributes::arn(self.kind, &name, self.resolver.deployment),
            name,
            pattern: parsed,
            targets: targets.map_err(|fault| within(fault, &["Targets"]))?,
        };
        Ok((state == "ENABLED").then_some(rule))
    }

    fn target(&self, node: &Node) -> Result<Target> {
        const KNOWN: [&str; 8] =
            ["Id", "Arn", "Input", "InputPath", "InputTransformer", "RetryPolicy", "DeadLetterConfig", "RoleArn"];
        if let Some((property, node)) = node.entries()?.iter().find(|(key, _)| !KNOWN.contains(&key.as_str())) {
            let message = format!("the property {property} of a target is not supported by the local deployment");
            return Err(node.error(message));
        }
        let text = |key: &str| {
            let Some(node) = node.get(key) else { return Ok(None) };
            self.resolver.text(node).map_err(|fault| fault.within(key))
        };
        let required = |key: &str| text(key)?.ok_or_else(|| node.error(format!("the {key} of a target is missing")));
        let wrong = |error: local_aws::events::EventsError| node.error(error.to_string());
        let input = if let Some(transformer) = node.get("InputTransformer") {
            self.transformer(transformer).map_err(|fault| fault.within("InputTransformer"))?
        } else if let Some(path) = text("InputPath")? {
            TargetInput::Part(JsonPath::parse(&path).map_err(wrong)?)
        } else {
            text("Input")?.map_or(TargetInput::Event, TargetInput::Constant)
        };
        let dead_letter_arn = match node.get("DeadLetterConfig").and_then(|config| config.get("Arn")) {
            Some(queue) => self.resolver.text(queue).map_err(|fault| fault.within("DeadLetterConfig"))?,
            None => None,
        };
        Ok(Target { id: required("Id")?, arn: required("Arn")?, input, dead_letter_arn })
    }

    fn transformer(&self, node: &Node) -> Result<TargetInput> {
        let mut paths = BTreeMap::new();
        for (name, path) in node.get("InputPathsMap").map_or(Ok(&[][..]), Node::entries)? {
            paths.insert(name.clone(), self.resolver.required_text(path)?);
        }
        let template = node.get("InputTemplate").ok_or_else(|| node.error("the InputTemplate is missing"))?;
        let text = self.resolver.required_text(template)?;
        TargetInput::transformer(&paths, &text).map_err(|error| template.error(error.to_string()))
    }

    /// The schedules of a state machine, which are its only kind of event here.
    pub(super) fn schedules(&self) -> Result<Vec<Schedule>> {
        let Some(events) = self.at(&["Events"]) else { return Ok(Vec::new()) };
        let schedule = |node: &Node| -> Result<Schedule> {
            let kind = node.get("Type").map(Node::text).transpose()?.unwrap_or_default();
            if kind != SCHEDULE {
                let message =
                    format!("the event type {kind:?} of a state machine is not supported by the local deployment");
                return Err(node.error(message));
            }
            self.schedule(node, "states:StartExecution")
        };
        let entries = events.entries().map_err(|fault| within(fault, &["Events"]))?;
        entries
            .iter()
            .map(|(name, node)| schedule(node).map_err(|fault| within(fault.within(name), &["Events"])))
            .collect()
    }

    /// An event of the type [`SCHEDULE`].
    pub(super) fn schedule(&self, node: &Node, action: &'static str) -> Result<Schedule> {
        let text = |key: &str| {
            let Some(node) = node.get("Properties").and_then(|properties| properties.get(key)) else {
                return Ok(None);
            };
            self.resolver.text(node).map_err(|fault| fault.within(key).within("Properties"))
        };
        let target = self.name()?;
        Ok(Schedule {
            expression: text("ScheduleExpression")?
                .ok_or_else(|| node.error("the ScheduleExpression is missing").within("Properties"))?,
            timezone: text("ScheduleExpressionTimezone")?.unwrap_or_else(|| "UTC".to_owned()),
            state: text("State")?.unwrap_or_else(|| "ENABLED".to_owned()),
            input: text("Input")?,
            target_arn: attributes::arn(self.kind, &target, self.resolver.deployment),
            action,
            role_arn: text("RoleArn")?,
            dead_letter_arn: self.dead_letter_arn(node)?,
            target,
        })
    }

    fn dead_letter_arn(&self, schedule: &Node) -> Result<Option<String>> {
        let properties = schedule.get("Properties");
        let node = properties.and_then(|properties| properties.get("DeadLetterConfig")?.get("Arn"));
        let Some(node) = node else { return Ok(None) };
        self.resolver.text(node).map_err(|fault| fault.within("DeadLetterConfig").within("Properties"))
    }

    pub(super) fn node(&self, path: &[&str]) -> Result<&Node> {
        self.at(path).ok_or_else(|| self.resource.error(format!("the {} is missing", path.join("."))))
    }

    pub(super) fn required(&self, path: &[&str]) -> Result<String> {
        let missing = || self.resource.error(format!("the {} is missing", path.join("."))).within("Properties");
        self.text(path)?.ok_or_else(missing)
    }

    pub(super) fn queue(&self) -> Result<Queue> {
        const EFFECTIVE: [&str; 5] = [
            "QueueName",
            "VisibilityTimeout",
            "MessageRetentionPeriod",
            "DelaySeconds",
            "ReceiveMessageWaitTimeSeconds",
        ];
        self.only("queue", &[&EFFECTIVE[..], &QUEUE_WITHOUT_EFFECT[..]])?;
        let seconds = |property: &str| Ok(self.number(&[property])?.map(Duration::from_secs));
        let name = self.name()?;
        Ok(Queue {
            logical_id: self.logical.to_owned(),
            arn: attributes::arn(self.kind, &name, self.resolver.deployment),
            name,
            visibility_timeout: seconds("VisibilityTimeout")?,
            retention: seconds("MessageRetentionPeriod")?,
            delay: seconds("DelaySeconds")?,
            receive_wait: seconds("ReceiveMessageWaitTimeSeconds")?,
        })
    }

    /// Refuses properties that the local cloud would have to act on and does not.
    pub(super) fn only(&self, what: &str, known: &[&[&str]]) -> Result<()> {
        for (property, node) in self.properties.entries()? {
            if !known.iter().any(|known| known.contains(&property.as_str())) {
                let message = format!("the property {property} of a {what} is not supported by the local deployment");
                return Err(within(node.error(message), &[property]));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Deployment, Stack, tests};

    const AROUND: &str = r#"
Parameters:
  Email: {Type: String, Default: ""}
Conditions:
  HasEmail: !Not [!Equals [!Ref Email, ""]]
Resources:
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: m
      Definition: {StartAt: Done, States: {Done: {Type: Succeed}}}
      Events:
        Daily:
          Type: ScheduleV2
          Properties: {ScheduleExpression: rate(1 day), State: DISABLED, Input: "{}"}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      Name: failed
      EventPattern: {source: [aws.states], detail: {stateMachineArn: [!Ref Machine], status: [FAILED]}}
      Targets:
        - Id: Topic
          Arn: !Ref Topic
          InputTransformer: {InputPathsMap: {name: $.detail.name}, InputTemplate: '"<name> failed"'}
        - {Id: Queue, Arn: !GetAtt Queue.Arn, DeadLetterConfig: {Arn: !GetAtt Queue.Arn}}
  Off:
    Type: AWS::Events::Rule
    Properties: {State: DISABLED, EventPattern: {source: [s]}}
  Topic: {Type: AWS::SNS::Topic}
  Mail:
    Type: AWS::SNS::Subscription
    Condition: HasEmail
    Properties: {TopicArn: !Ref Topic, Protocol: email, Endpoint: !Ref Email}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: failed, MessageRetentionPeriod: 1209600, SqsManagedSseEnabled: true}
"#;

    fn resolve(text: &str, email: &str) -> Result<Stack, String> {
        let parameters = [("Email".to_owned(), email.to_owned())].into();
        let deployment = Deployment { parameters, ..Deployment::default() };
        tests::resolve(text, &deployment).map_err(|error| error.to_string())
    }

    #[test]
    fn what_happens_around_a_run_is_deployed() {
        let stack = resolve(AROUND, "ops@example.com").unwrap();
        assert_eq!(stack.rules.len(), 1, "a disabled rule sends nothing");
        let targets: Vec<&str> = stack.rules[0].targets.iter().map(|target| target.arn.as_str()).collect();
        assert_eq!(targets, [stack.topics[0].arn.as_str(), "arn:aws:sqs:us-east-1:000000000000:failed"]);
        let dead_letters = stack.rules[0].targets.iter().map(|target| target.dead_letter_arn.as_deref());
        assert_eq!(dead_letters.collect::<Vec<_>>(), [None, Some(targets[1])]);
        let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
        let event =
            serde_json::json!({"source": "aws.states", "detail": {"stateMachineArn": machine, "status": "FAILED"}});
        assert!(stack.rules[0].pattern.matches(&event));
        assert_eq!(
            (&stack.subscriptions[0].topic_arn, stack.subscriptions[0].email.as_str()),
            (&stack.topics[0].arn, "ops@example.com")
        );
        let spec = stack.queues[0].spec();
        assert_eq!((spec.retention.as_secs(), spec.visibility_timeout.as_secs()), (1_209_600, 30));
        let schedule = &stack.schedules[0];
        assert_eq!(
            (schedule.expression.as_str(), schedule.timezone.as_str(), schedule.state.as_str()),
            ("rate(1 day)", "UTC", "DISABLED")
        );
        assert!(resolve(AROUND, "").unwrap().subscriptions.is_empty());
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_line() {
        let cases = [
            ("MessageRetentionPeriod: 1209600", "FifoQueue: true", "the property FifoQueue of a queue"),
            ("status: [FAILED]", "status: [{wildcard: 'F*'}]", "\"wildcard\""),
            ("Protocol: email", "Protocol: sms", "\"sms\""),
            ("'\"<name> failed\"'", "'\"<nobody> failed\"'", "<nobody>"),
            ("Type: ScheduleV2", "Type: EventBridgeRule", "\"EventBridgeRule\""),
            ("$.detail.name", "$.detail.*", "$.detail.*"),
        ];
        for (from, to, expected) in cases {
            let error = resolve(&AROUND.replace(from, to), "a@b.c").unwrap_err();
            assert!(error.starts_with("t.yaml:") && error.contains(expected), "{to}: {error}");
        }
    }
}

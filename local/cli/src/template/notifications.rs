//! What starts functions by itself: S3's notifications, and what becomes of events that a function fails on.

use std::time::Duration;

use local_aws::lambda::EventInvokeConfig;
use local_aws::s3::{Notification, is_known_event};

use super::error::Result;
use super::events::{SCHEDULE, Schedule};
use super::stack::{Builder, within};
use super::yaml::Node;

impl Builder<'_> {
    /// The notifications and schedules that start this function.
    ///
    /// Source: <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-s3.html>
    pub(super) fn function_events(&self, function_arn: &str) -> Result<(Vec<Notification>, Vec<Schedule>)> {
        let (mut notifications, mut schedules) = (Vec::new(), Vec::new());
        let Some(events) = self.at(&["Events"]) else { return Ok((notifications, schedules)) };
        for (name, node) in events.entries().map_err(|fault| within(fault, &["Events"]))? {
            let kind = node.get("Type").map(Node::text).transpose()?.unwrap_or_default();
            let added = if kind == SCHEDULE {
                self.schedule(node, "lambda:InvokeFunction").map(|one| schedules.push(one))
            } else {
                self.function_event(name, node, function_arn).map(|one| notifications.push(one))
            };
            added.map_err(|fault| within(fault.within(name), &["Events"]))?;
        }
        Ok((notifications, schedules))
    }

    fn function_event(&self, name: &str, node: &Node, function_arn: &str) -> Result<Notification> {
        let kind = node.get("Type").map(Node::text).transpose()?.unwrap_or_default();
        if kind != "S3" {
            let message = format!("the event type {kind:?} of a function is not supported by the local deployment");
            return Err(node.error(message).within("Type"));
        }
        let properties = node.get("Properties").ok_or_else(|| node.error("the Properties are missing"))?;
        only(properties, &["Bucket", "Events", "Filter"], "an event of a function")?;
        let required = |key: &str| {
            properties.get(key).ok_or_else(|| properties.error(format!("the {key} of an S3 event is missing")))
        };
        let bucket = self.resolver.required_text(required("Bucket")?)?;
        let events = self.event_types(required("Events")?)?;
        let [prefix, suffix] = self.filter(properties.get("Filter"))?;
        let id = format!("{}{name}", self.logical);
        Ok(Notification { id, bucket, function_arn: function_arn.to_owned(), events, prefix, suffix })
    }

    /// The notifications that the bucket itself declares.
    ///
    /// Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-notificationconfiguration.html>
    pub(super) fn bucket_notifications(&self) -> Result<Vec<Notification>> {
        const PATH: [&str; 1] = ["NotificationConfiguration"];
        let Some(configuration) = self.at(&PATH) else { return Ok(Vec::new()) };
        only(configuration, &["LambdaConfigurations"], "a bucket's notifications")
            .map_err(|fault| within(fault, &PATH))?;
        let Some(list) = configuration.get("LambdaConfigurations") else { return Ok(Vec::new()) };
        let bucket = self.name()?;
        let one = |(index, node): (usize, &Node)| -> Result<Notification> {
            only(node, &["Event", "Function", "Filter"], "a notification")?;
            let required =
                |key: &str| node.get(key).ok_or_else(|| node.error(format!("the {key} of a notification is missing")));
            let [prefix, suffix] = self.filter(node.get("Filter"))?;
            Ok(Notification {
                id: format!("{}{index}", self.logical),
                bucket: bucket.clone(),
                function_arn: self.resolver.required_text(required("Function")?)?,
                events: self.event_types(required("Event")?)?,
                prefix,
                suffix,
            })
        };
        let list = list.items().and_then(|items| items.iter().enumerate().map(one).collect());
        list.map_err(|fault| within(fault.within("LambdaConfigurations"), &PATH))
    }

    /// One event type or several.
    fn event_types(&self, node: &Node) -> Result<Vec<String>> {
        let texts = match node.items() {
            Ok(items) => items.iter().map(|item| self.resolver.required_text(item)).collect::<Result<Vec<_>>>()?,
            Err(_) => vec![self.resolver.required_text(node)?],
        };
        match texts.iter().find(|text| !is_known_event(text)) {
            None => Ok(texts),
            Some(text) => {
                Err(node.error(format!("the event type {text:?} of S3 is not supported by the local deployment")))
            }
        }
    }

    /// Prefix and suffix of `S3Key: {Rules: [{Name, Value}]}`.
    fn filter(&self, node: Option<&Node>) -> Result<[String; 2]> {
        let [mut prefix, mut suffix] = [String::new(), String::new()];
        let Some(node) = node else { return Ok([prefix, suffix]) };
        let rules = node.get("S3Key").and_then(|key| key.get("Rules"));
        let rules = rules.ok_or_else(|| node.error("a filter is S3Key with Rules"))?;
        for rule in rules.items()? {
            let text = |key: &str| {
                let node = rule.get(key).ok_or_else(|| rule.error(format!("the {key} of a rule is missing")))?;
                self.resolver.required_text(node)
            };
            match text("Name")?.to_ascii_lowercase().as_str() {
                "prefix" => prefix = text("Value")?,
                "suffix" => suffix = text("Value")?,
                other => return Err(rule.error(format!("a rule's name is prefix or suffix, not {other:?}"))),
            }
        }
        Ok([prefix, suffix])
    }

    /// Source: <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-eventinvokeconfiguration.html>
    pub(super) fn event_invoke(&self) -> Result<EventInvokeConfig> {
        const PATH: &str = "EventInvokeConfig";
        let default = EventInvokeConfig::default();
        let dead_letter_queue = self.queue_of(&["DeadLetterQueue"], "TargetArn")?;
        let Some(config) = self.at(&[PATH]) else { return Ok(EventInvokeConfig { dead_letter_queue, ..default }) };
        only(
            config,
            &["MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"],
            "an EventInvokeConfig",
        )
        .map_err(|fault| within(fault, &[PATH]))?;
        let retries = self.number(&[PATH, "MaximumRetryAttempts"])?.and_then(|number| u32::try_from(number).ok());
        let age = self.number(&[PATH, "MaximumEventAgeInSeconds"])?;
        Ok(EventInvokeConfig {
            max_retries: retries.unwrap_or(default.max_retries),
            max_age: age.map_or(default.max_age, Duration::from_secs),
            on_success: self.queue_of(&[PATH, "DestinationConfig", "OnSuccess"], "Destination")?,
            on_failure: self.queue_of(&[PATH, "DestinationConfig", "OnFailure"], "Destination")?,
            dead_letter_queue,
        })
    }

    /// The ARN of a destination that must be a queue.
    fn queue_of(&self, path: &[&str], key: &str) -> Result<Option<String>> {
        let Some(node) = self.at(path) else { return Ok(None) };
        let found = || -> Result<String> {
            only(node, &["Type", key], "a destination")?;
            let kind = node.get("Type").map(|kind| self.resolver.required_text(kind)).transpose()?;
            if kind.as_deref() != Some("SQS") {
                let message = "the local deployment sends to queues only: Type must be SQS";
                return Err(node.error(message));
            }
            let arn = node.get(key).ok_or_else(|| node.error(format!("the {key} of a destination is missing")))?;
            self.resolver.required_text(arn)
        };
        found().map(Some).map_err(|fault| within(fault, path))
    }

    /// What the function reserves of the account's concurrency.
    pub(super) fn reserved_concurrency(&self) -> Result<Option<usize>> {
        Ok(self.number(&["ReservedConcurrentExecutions"])?.and_then(|number| usize::try_from(number).ok()))
    }
}

/// Refuses what the local cloud would have to act on and does not.
fn only(node: &Node, known: &[&str], what: &str) -> Result<()> {
    match node.entries()?.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some((key, node)) => {
            Err(node.error(format!("the property {key} of {what} is not supported by the local deployment")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::resolve_by_default as resolve;

    const INBOX: &str = r"
Resources:
  Lake:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: lake
      NotificationConfiguration:
        LambdaConfigurations:
          - Event: s3:ObjectRemoved:*
            Function: !GetAtt Load.Arn
            Filter: {S3Key: {Rules: [{Name: suffix, Value: .csv}]}}
  Unloaded: {Type: AWS::SQS::Queue, Properties: {QueueName: unloaded}}
  Load:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: load
      Runtime: provided.al2023
      CodeUri: functions/load
      ReservedConcurrentExecutions: 4
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Unloaded.Arn}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        MaximumEventAgeInSeconds: 3600
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Unloaded.Arn}}
      Events:
        Customers:
          Type: S3
          Properties:
            Bucket: !Ref Lake
            Events: [s3:ObjectCreated:Put, s3:ObjectCreated:Copy]
            Filter: {S3Key: {Rules: [{Name: prefix, Value: inbox/customers/}, {Name: suffix, Value: .csv}]}}
";

    #[test]
    fn what_starts_a_function_is_deployed() {
        let stack = resolve(INBOX).unwrap();
        let [removed, created] = stack.notifications.as_slice() else { panic!("{:?}", stack.notifications) };
        let function = "arn:aws:lambda:us-east-1:000000000000:function:load";
        assert_eq!((removed.bucket.as_str(), removed.suffix.as_str(), removed.prefix.as_str()), ("lake", ".csv", ""));
        assert_eq!((&*removed.function_arn, &*created.function_arn), (function, function));
        assert_eq!(created.events, ["s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"]);
        assert_eq!((created.prefix.as_str(), created.id.as_str()), ("inbox/customers/", "LoadCustomers"));
        let config = &stack.functions[0].event_invoke;
        let queue = Some("arn:aws:sqs:us-east-1:000000000000:unloaded".to_owned());
        assert_eq!((config.max_retries, config.max_age), (1, Duration::from_hours(1)));
        assert_eq!((&config.on_failure, &config.dead_letter_queue, &config.on_success), (&queue, &queue, &None));
        assert_eq!(stack.functions[0].reserved_concurrency, Some(4));
    }

    #[test]
    fn what_cannot_start_a_function_here_is_refused_with_its_line() {
        let cases = [
            ("Type: S3", "Type: Schedule", "\"Schedule\""),
            ("s3:ObjectCreated:Put", "s3:ObjectRestore:Post", "\"s3:ObjectRestore:Post\""),
            ("s3:ObjectRemoved:*", "s3:Everything:*", "\"s3:Everything:*\""),
            ("OnFailure: {Type: SQS", "OnFailure: {Type: SNS", "queues only"),
            ("LambdaConfigurations:", "QueueConfigurations:", "QueueConfigurations"),
            ("Name: prefix", "Name: infix", "\"infix\""),
        ];
        for (from, to, expected) in cases {
            let error = resolve(&INBOX.replace(from, to)).unwrap_err();
            assert!(error.starts_with("t.yaml:") && error.contains(expected), "{to}: {error}");
        }
    }
}

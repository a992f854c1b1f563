//! What happens around runs, for `pageviews status`: the schedule, what would have been sent, what lies in the queues, and
//! which events functions work on or wait for.

use serde::Serialize;
use serde_json::{Value, json};

use crate::console;
use crate::error::Result;
use crate::session::Session;
use crate::wire;

/// How many notifications are told.
const NOTIFICATIONS: u32 = 10;
/// How many events are told to a person.
const EVENTS: usize = 10;

/// What happens around runs.
#[derive(Serialize)]
pub(super) struct HandOver {
    schedules: Vec<Schedule>,
    queues: Vec<Queue>,
    events: Vec<Event>,
    notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Schedule {
    target: String,
    expression: String,
    timezone: String,
    state: String,
    input: Option<String>,
}

#[derive(Serialize)]
struct Queue {
    name: String,
    messages: String,
    in_flight: String,
}

/// An event that a function works on or waits for.
#[derive(Serialize)]
struct Event {
    function: String,
    status: String,
    attempts: u64,
    accepted: String,
    /// What S3 tells of, if it is S3's.
    object: Option<String>,
}

#[derive(Serialize)]
struct Notification {
    time: String,
    rule: String,
    topic_arn: String,
    emails: Vec<String>,
    subject: String,
    message: String,
}

impl HandOver {
    pub(super) async fn of(session: &Session) -> Result<Self> {
        let schedules = session.stack().schedules.iter().map(|one| Schedule {
            target: one.target.clone(),
            expression: one.expression.clone(),
            timezone: one.timezone.clone(),
            state: one.state.clone(),
            input: one.input.clone(),
        });
        let mut queues = Vec::new();
        for queue in &session.stack().queues {
            queues.push(depth(&session.endpoint, &queue.name).await?);
        }
        let endpoint = &session.endpoint;
        let (events, notifications) = (events(endpoint).await?, notifications(endpoint).await?);
        Ok(Self { schedules: schedules.collect(), queues, events, notifications })
    }

    /// For people; nothing where there is nothing.
    pub(super) fn human(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if !self.schedules.is_empty() {
            let mut table = console::table();
            table.set_header(["Schedule (not run locally)", "Zone", "State", "Starts"]);
            for row in &self.schedules {
                table.add_row([&row.expression, &row.timezone, &row.state, &row.target]);
            }
            parts.push(table.to_string());
        }
        if !self.queues.is_empty() {
            let mut table = console::table();
            table.set_header(["Queue", "Messages", "In flight"]);
            for row in &self.queues {
                table.add_row([&row.name, &row.messages, &row.in_flight]);
            }
            super::run::align_right(&mut table, 1..3);
            parts.push(table.to_string());
        }
        if !self.events.is_empty() {
            let mut table = console::table();
            table.set_header(["Event for", "Status", "Attempts", "Accepted", "Object"]);
            for row in self.events.iter().take(EVENTS) {
                let object = row.object.clone().unwrap_or_default();
                let attempts = row.attempts.to_string();
                table.add_row([row.function.clone(), row.status.clone(), attempts, row.accepted.clone(), object]);
            }
            parts.push(table.to_string());
            if let Some(more) = self.events.len().checked_sub(EVENTS).filter(|more| *more > 0) {
                parts.push(format!("and {} events more", console::count(more as u64)));
            }
        }
        if !self.notifications.is_empty() {
            parts.push("Notifications (what would have been sent, the latest first)".to_owned());
        }
        parts.extend(self.notifications.iter().map(Notification::human));
        parts
    }
}

impl Notification {
    fn human(&self) -> String {
        let to = if self.emails.is_empty() { "nobody subscribes".to_owned() } else { self.emails.join(", ") };
        let text = self.message.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n");
        format!("{} to {to}: {}\n{text}", self.time, self.subject)
    }
}

async fn depth(endpoint: &str, name: &str) -> Result<Queue> {
    let url = wire::call(endpoint, "AmazonSQS.GetQueueUrl", &json!({ "QueueName": name })).await?;
    let asked = json!({ "QueueUrl": url["QueueUrl"], "AttributeNames": ["All"] });
    let answer = wire::call(endpoint, "AmazonSQS.GetQueueAttributes", &asked).await?;
    let attribute = |name: &str| text(&answer["Attributes"][name]);
    Ok(Queue {
        name: name.to_owned(),
        messages: attribute("ApproximateNumberOfMessages"),
        in_flight: attribute("ApproximateNumberOfMessagesNotVisible"),
    })
}

async fn events(endpoint: &str) -> Result<Vec<Event>> {
    let answer = wire::call(endpoint, "LocalCloud.ListEvents", &json!({})).await?;
    let list = answer["Events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let event = |one: &Value| Event {
        function: text(&one["Function"]),
        status: text(&one["Status"]),
        attempts: one["Attempts"].as_u64().unwrap_or(0),
        accepted: text(&one["Accepted"]),
        object: one["Payload"]["Records"][0]["s3"]["object"]["key"].as_str().map(str::to_owned),
    };
    Ok(list.iter().map(event).collect())
}

async fn notifications(endpoint: &str) -> Result<Vec<Notification>> {
    let asked = json!({ "MaxResults": NOTIFICATIONS });
    let answer = wire::call(endpoint, "LocalCloud.ListNotifications", &asked).await?;
    let list = answer["Notifications"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(list
        .iter()
        .map(|one| Notification {
            time: text(&one["Time"]),
            rule: text(&one["Rule"]),
            topic_arn: text(&one["TopicArn"]),
            emails: one["Emails"].as_array().into_iter().flatten().map(text).collect(),
            subject: text(&one["Subject"]),
            message: text(&one["Message"]),
        })
        .collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

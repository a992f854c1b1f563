//! What happens around runs, for `pageviews status`: the schedule, what would have been sent, what lies in the queues.

use serde::Serialize;
use serde_json::{Value, json};

use crate::console;
use crate::error::Result;
use crate::session::Session;
use crate::wire;

/// How many notifications are told.
const NOTIFICATIONS: u32 = 10;

/// What happens around runs.
#[derive(Serialize)]
pub(super) struct HandOver {
    schedules: Vec<Schedule>,
    queues: Vec<Queue>,
    notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Schedule {
    state_machine: String,
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
            state_machine: one.state_machine.clone(),
            expression: one.expression.clone(),
            timezone: one.timezone.clone(),
            state: one.state.clone(),
            input: one.input.clone(),
        });
        let mut queues = Vec::new();
        for queue in &session.stack().queues {
            queues.push(depth(&session.endpoint, &queue.name).await?);
        }
        Ok(Self { schedules: schedules.collect(), queues, notifications: notifications(&session.endpoint).await? })
    }

    /// For people; nothing where there is nothing.
    pub(super) fn human(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if !self.schedules.is_empty() {
            let mut table = console::table();
            table.set_header(["Schedule (not run locally)", "Zone", "State", "State machine"]);
            for row in &self.schedules {
                table.add_row([&row.expression, &row.timezone, &row.state, &row.state_machine]);
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

//! Logs: one JSON object a line on standard output, as Lambda's JSON log format wants it.
//!
//! `RUST_LOG` says what is logged, in `tracing-subscriber`'s form (`debug`, `shared=debug,warn`); the default is `info`.
//! Statements and rows never appear above `debug`. Every line of an invocation carries its execution, its state and
//! its request, as fields of its own, so that one query over the log group follows a run through its functions:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html>

use std::fmt;
use std::io::{self, Write as _};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Span, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Scope};
use tracing_subscriber::util::SubscriberInitExt;

use crate::context::Invocation;

/// Starts logging for the life of the process. `directives` is the value of `RUST_LOG`, if it is set; one that cannot
/// be read falls back to the default, and says so.
pub fn init(directives: Option<&str>) {
    let default = Targets::new().with_default(LevelFilter::INFO);
    let (targets, problem) = match directives.map(str::parse::<Targets>) {
        None => (default, None),
        Some(Ok(targets)) => (targets, None),
        Some(Err(problem)) => (default, Some(problem)),
    };
    let started = subscriber(targets, io::stdout).try_init();
    if let Some(problem) = problem {
        tracing::warn!(%problem, "RUST_LOG cannot be read; logging at info");
    }
    if let Err(problem) = started {
        tracing::debug!(%problem, "logging had been started before");
    }
}

fn subscriber<W>(targets: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().fmt_fields(JsonFields::new()).event_format(Flat).with_writer(writer);
    tracing_subscriber::registry().with(targets).with(lines)
}

/// What the lines of one invocation have in common. Whom it works for is not known until the event is read. The span
/// is on at every level: lines of errors need it most.
pub(crate) fn invocation(request_id: &str) -> Span {
    use tracing::field::Empty;
    tracing::error_span!("invocation", request_id, execution_arn = Empty, state = Empty, source = Empty)
}

/// From here on the lines of the current invocation name the file that it reads.
pub fn reads(source: &str) {
    Span::current().record("source", source);
}

/// From here on the lines name the execution and the state.
pub(crate) fn works_for(span: &Span, invocation: &Invocation) {
    span.record("execution_arn", invocation.execution_arn.as_str());
    span.record("state", invocation.state.as_str());
}

/// Writes a line of metrics: a document in CloudWatch's embedded metric format, which must stand alone in its line, with
/// nothing before or after it. Lambda passes a line on as it is when it is JSON already.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>,
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>
pub fn metrics(document: &Value) {
    // In one piece, so that no other line gets in between.
    if let Err(problem) = io::stdout().lock().write_all(format!("{document}\n").as_bytes()) {
        tracing::error!(%problem, "the metrics cannot be written");
    }
}

/// One object a line: the level, the fields of the spans around it, its own fields.
struct Flat;

impl<S, N> FormatEvent<S, N> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Map::from_iter([("level".to_owned(), json!(event.metadata().level().as_str()))]);
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map(|fields| serde_json::from_str(fields));
            if let Some(Ok(Value::Object(fields))) = fields {
                line.extend(fields);
            }
        }
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, json!(value));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(level: LevelFilter, log: impl FnOnce()) -> Vec<Value> {
        let written = Lines::default();
        let writer = written.clone();
        let subscriber = subscriber(Targets::new().with_default(level), move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn story() {
        let span = invocation("r-1");
        span.in_scope(|| tracing::warn!(missing = 3, "before it is known whom for"));
        let arn = "arn:x".to_owned();
        works_for(&span, &Invocation { execution_arn: arn, state: "Full Load".to_owned(), redrive_count: 0 });
        span.in_scope(|| tracing::info!(query = "q-1", attempt = 1_u32, retried = true, "submitted"));
        tracing::error!(error = %"broken \"quote\"", "outside");
    }

    #[test]
    fn every_line_of_an_invocation_says_whose_it_is() {
        assert_eq!(
            lines(LevelFilter::INFO, story),
            [
                json!({"level": "WARN", "request_id": "r-1", "missing": 3, "message": "before it is known whom for"}),
                json!({"level": "INFO", "request_id": "r-1", "execution_arn": "arn:x", "state": "Full Load",
                    "query": "q-1", "attempt": 1, "retried": true, "message": "submitted"}),
                json!({"level": "ERROR", "error": "broken \"quote\"", "message": "outside"}),
            ]
        );
    }

    #[test]
    fn fewer_lines_say_no_less() {
        let lines = lines(LevelFilter::WARN, story);
        assert_eq!((lines.len(), &lines[0]["request_id"]), (2, &json!("r-1")));
    }
}

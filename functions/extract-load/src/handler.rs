//! Loads a file that arrived in the inbox into the raw zone, row by row and whole.
//!
//! Input: S3's event. Output: what became of each file. Reads the file and the raw table's columns; writes files of the
//! raw zone, rejected rows, a claim on the content and a summary, and may add columns to the raw table.
//!
//! Safe to run twice, in turn or at once: a source's files have names that derive from the object's key and version, and
//! bytes that derive from its rows; none is visible before all rows were read and the content was claimed, so that a
//! crash leaves nothing, or a part of the very files that the next attempt writes again. A source whose summary says
//! `loaded` is not read again. The same content under another name is a duplicate and counts once.
//!
//! Lambda invokes the function again after any error, twice, with the same request id. A refusal is final: a second
//! attempt of the same request answers from the summary, without reading the file.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;
use shared::config::Variables;
use shared::objects::Address;
use shared::sql::Location;
use shared::{Context, Error, Result, catalog, config, telemetry};
use tokio::sync::mpsc;

use crate::buffers::{BUDGET, Piece, Sink};
use crate::claim::{self, Claimed};
use crate::event::Input;
use crate::extract::{Extract, Found, Plan, Rows};
use crate::layout::{Columns, NewColumns};
use crate::source::Source;
use crate::summary::{self, Known, Status, Summary};
use crate::table::Table;
use crate::uploads::Uploads;

/// Pieces of the file that may wait for the thread that splits them.
const READ_AHEAD: usize = 4;

/// A share in per cent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent(u32);

impl std::str::FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.parse().ok().filter(|percent| *percent <= 100);
        percent.map(Self).ok_or_else(|| "must be a whole number from 0 to 100".to_owned())
    }
}

/// Where everything is, and what is allowed.
#[derive(Debug)]
pub(crate) struct Settings {
    customers: Location,
    pageviews: Location,
    inbox: Location,
    rejects: Location,
    loads: Location,
    max_rejected_percent: Percent,
    new_columns: NewColumns,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (customers, pageviews) = (variables.get("CUSTOMERS_LOCATION"), variables.get("PAGEVIEWS_LOCATION"));
        let (inbox, rejects) = (variables.get("INBOX_LOCATION"), variables.get("REJECTS_LOCATION"));
        let loads = variables.get("LOADS_LOCATION");
        let (percent, new_columns) = (variables.get("MAX_REJECTED_PERCENT"), variables.get("NEW_COLUMNS"));
        Some(Self {
            customers: customers?,
            pageviews: pageviews?,
            inbox: inbox?,
            rejects: rejects?,
            loads: loads?,
            max_rejected_percent: percent?,
            new_columns: new_columns?,
        })
    }
}

impl Settings {
    fn raw(&self, table: Table) -> &Location {
        match table {
            Table::Customers => &self.customers,
            Table::Pageviews => &self.pageviews,
        }
    }
}

/// What became of the files.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Output {
    sources: Vec<Outcome>,
}

/// What became of one file.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) source: String,
    pub(crate) table: &'static str,
    pub(crate) status: Status,
    pub(crate) rows_read: u64,
    pub(crate) rows_loaded: u64,
    pub(crate) rows_rejected: u64,
    pub(crate) summary: String,
}

/// Loads each file of the event. Markers that some tools leave for a folder are no files.
pub(crate) async fn handle(context: &Context<Settings>, input: Input) -> Result<Output> {
    let mut sources = Vec::new();
    for record in &input.records {
        let arrival = record.arrival()?;
        if arrival.key.ends_with('/') {
            continue;
        }
        let table = Table::of_key(&context.settings.inbox, &arrival.key).ok_or_else(|| Error::InvalidInput {
            problem: format!("{} lies in no table's folder below {}", arrival.key, context.settings.inbox),
        })?;
        let source = Source::new(table, arrival);
        telemetry::reads(&source.id);
        sources.push(load(context, &source).await?);
    }
    Ok(Output { sources })
}

async fn load(context: &Context<Settings>, source: &Source) -> Result<Outcome> {
    let address = summary::address(&context.settings.loads, source.table.name(), &source.id);
    if let Some(known) = summary::read(&context.objects, &address).await? {
        if known.status == Status::Loaded {
            tracing::info!("this source is loaded already");
            return Ok(outcome(source, &address, &known));
        }
        if known.status == Status::Refused && known.request_id == context.invocation.execution_arn {
            return Err(refused(source, known.reason.map_or_else(String::new, |reason| reason.message)));
        }
    }
    let uploads = Uploads::new(context.objects.clone(), context.settings.raw(source.table).bucket().to_owned());
    let mut load = Load { context, source, address, uploads, began: context.now() };
    let loaded = Box::pin(load.settle()).await;
    // Whatever was not made visible by now never will be.
    load.uploads.abort().await;
    loaded
}

/// A source on its way.
struct Load<'a> {
    context: &'a Context<Settings>,
    source: &'a Source,
    /// Where the summary will lie.
    address: Address,
    uploads: Uploads,
    began: SystemTime,
}

impl Load<'_> {
    /// Reads the file, then makes visible what is to be seen of it.
    async fn settle(&mut self) -> Result<Outcome> {
        let table = self.context.catalog.table(self.source.table.name()).await?;
        let plan = self.plan(table.as_ref())?;
        let found = self.extract(plan).await?;
        match (&found.refusal, &found.sha256) {
            (None, Some(sha256)) => self.accept(&found, sha256, table.as_ref()).await,
            _ => self.refuse(&found).await,
        }
    }

    fn plan(&self, table: Option<&catalog::Table>) -> Result<Plan> {
        let (settings, source) = (&self.context.settings, self.source);
        let columns = table.map(|table| {
            let own = |(name, column_type): (&str, &str)| (name.to_owned(), column_type.to_owned());
            table.columns().into_iter().map(own).collect::<Vec<_>>()
        });
        if let Some(columns) = &columns {
            let is_there = |name: &&&str| columns.iter().any(|(column, kind)| column == **name && kind == "string");
            if let Some(missing) = source.table.columns().iter().find(|name| !is_there(name)) {
                let problem = format!("it has no column {missing} of type string");
                return Err(Error::InvalidOutput { table: source.table.name().to_owned(), problem });
            }
        }
        Ok(Plan {
            table: source.table,
            source: source.id.clone(),
            arrived: source.arrived,
            catalog: columns,
            new_columns: settings.new_columns,
            raw_prefix: settings.raw(source.table).prefix().to_owned(),
            rejects_prefix: settings.rejects.prefix().to_owned(),
            max_rejected_percent: settings.max_rejected_percent.0,
            budget: BUDGET,
        })
    }

    /// Three at once: bytes come in, a thread of its own splits and checks them, pieces of files go out.
    async fn extract(&mut self, plan: Plan) -> Result<Found> {
        let (bytes_in, mut bytes) = mpsc::channel::<Vec<Bytes>>(READ_AHEAD);
        let (pieces_out, pieces) = mpsc::channel(1);
        let thread = tokio::task::spawn_blocking(move || {
            let mut extract = Extract::new(plan, Pieces(pieces_out));
            'file: while let Some(some) = bytes.blocking_recv() {
                for piece in some {
                    if !extract.push(&piece) {
                        break 'file;
                    }
                }
            }
            drop(bytes);
            extract.finish()
        });
        let (sent, uploaded) = tokio::join!(self.source.send(self.context, bytes_in), self.uploads.receive(pieces));
        let found = thread.await.map_err(|error| Error::InvalidAnswer { problem: error.to_string() })?;
        uploaded.and(sent)?;
        Ok(found)
    }

    /// The file is fit to be loaded: whoever claims its content makes its rows visible.
    async fn accept(&mut self, found: &Found, sha256: &str, table: Option<&catalog::Table>) -> Result<Outcome> {
        let (context, source) = (self.context, self.source);
        let (objects, loads) = (&context.objects, &context.settings.loads);
        match claim::claim(objects, loads, source, sha256, self.uploads.keys()).await? {
            Claimed::Ours(stale) => self.remove(&stale).await?,
            Claimed::Duplicate(other) => return self.duplicate(found, &other).await,
            // Another function with this event was faster, and wrote the same.
            Claimed::Loaded => return Ok(self.outcome(found, Status::Loaded)),
        }
        if let Some(table) = table.filter(|_| !found.columns.added.is_empty()) {
            context.catalog.add_columns(table, &found.columns.added).await?;
        }
        let rejects = self.rejects();
        self.uploads.complete(|_| true).await?;
        self.summarise(found, Status::Loaded, rejects, None).await
    }

    /// Nothing of the file is loaded. Its broken rows can be looked at all the same.
    async fn refuse(&mut self, found: &Found) -> Result<Outcome> {
        let (context, source) = (self.context, self.source);
        if let Some(sha256) = &found.sha256 {
            let files = claim::files_of(&context.objects, &context.settings.loads, source, sha256).await?;
            self.remove(&files).await?;
        }
        let rejects = self.rejects();
        let prefix = context.settings.rejects.prefix();
        self.uploads.complete(|key| key.starts_with(prefix)).await?;
        self.summarise(found, Status::Refused, rejects, None).await?;
        Err(refused(source, found.refusal.as_ref().map_or_else(String::new, |refusal| refusal.message.clone())))
    }

    /// The rows are there already, by another name.
    async fn duplicate(&self, found: &Found, other: &str) -> Result<Outcome> {
        let nothing = Found {
            rows: Rows::default(),
            blank_lines: 0,
            rejected: BTreeMap::new(),
            partitions: BTreeMap::new(),
            columns: Columns { seen: found.columns.seen.clone(), ..Columns::default() },
            ..found.clone()
        };
        self.summarise(&nothing, Status::Duplicate, None, Some(other)).await
    }

    /// The folder of the rejected rows, if there are any.
    fn rejects(&self) -> Option<String> {
        let rejects = &self.context.settings.rejects;
        let any = self.uploads.keys().iter().any(|key| key.starts_with(rejects.prefix()));
        any.then(|| format!("{rejects}{}/{}/", self.source.table.name(), self.source.id))
    }

    /// Removes files that an earlier attempt made visible and this one does not write.
    async fn remove(&self, keys: &[String]) -> Result<()> {
        let bucket = self.context.settings.raw(self.source.table).bucket();
        for key in keys {
            let address = Address { bucket: bucket.to_owned(), key: key.clone() };
            tracing::warn!(%address, "a file of an earlier attempt is removed");
            self.context.objects.delete(&address).await?;
        }
        Ok(())
    }

    async fn summarise(
        &self,
        found: &Found,
        status: Status,
        rejects: Option<String>,
        duplicate_of: Option<&str>,
    ) -> Result<Outcome> {
        let (context, source) = (self.context, self.source);
        let elapsed = context.now().duration_since(self.began).unwrap_or_default();
        let summary = Summary {
            rejects,
            duplicate_of,
            millis: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            ..Summary::new(source, found, status, &context.invocation.execution_arn)
        };
        summary::write(&context.objects, &self.address, &summary).await?;
        let (rows, partitions) = (found.rows, found.partitions.len());
        tracing::info!(?status, rows.read, rows.loaded, rows.rejected, partitions, "settled");
        Ok(self.outcome(found, status))
    }

    fn outcome(&self, found: &Found, status: Status) -> Outcome {
        let (source, rows) = (self.source, found.rows);
        Outcome {
            source: source.id.clone(),
            table: source.table.name(),
            status,
            rows_read: rows.read,
            rows_loaded: rows.loaded,
            rows_rejected: rows.rejected,
            summary: self.address.to_string(),
        }
    }
}

/// Hands pieces over to the uploads.
struct Pieces(mpsc::Sender<Piece>);

impl Sink for Pieces {
    fn take(&mut self, piece: Piece) -> bool {
        self.0.blocking_send(piece).is_ok()
    }
}

fn outcome(source: &Source, address: &Address, known: &Known) -> Outcome {
    Outcome {
        source: source.id.clone(),
        table: source.table.name(),
        status: known.status,
        rows_read: known.rows.read,
        rows_loaded: known.rows.loaded,
        rows_rejected: known.rows.rejected,
        summary: address.to_string(),
    }
}

fn refused(source: &Source, problem: String) -> Error {
    Error::SourceRefused { source_uri: source.uri(), problem }
}

#[cfg(test)]
mod tests;

//! Who loads a content: `loads/content/<sha256>.json`, written under conditions, so that one source wins.
//!
//! Two names for one content, or two functions on one source, meet here before anything of either is visible. The claim
//! also lists the files that its source is about to make visible. An attempt that finds a claim of its own source from
//! an earlier attempt removes what that one listed and this one does not write: there is nothing to remove unless the
//! function was deployed anew in between and divides rows otherwise.

use serde::{Deserialize, Serialize};
use shared::objects::{Address, Objects};
use shared::sql::Location;
use shared::{Error, Result};

use crate::source::Source;
use crate::summary::{self, Status};

/// How often a claim is tried against others that are faster.
const TRIES: u32 = 5;

/// The claim's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    source: String,
    table: String,
    files: Vec<String>,
}

/// How a claim ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// The content is this source's. The files listed here are to be removed first.
    Ours(Vec<String>),
    /// This source is loaded already: another function was faster.
    Loaded,
    /// Another source with this content is loaded.
    Duplicate(String),
}

/// Claims the content for `source`, which is about to make `files` visible.
///
/// # Errors
/// [`Error::SourceInProgress`] if another source has claimed it and is not at its end; what the calls fail with.
pub(crate) async fn claim(
    objects: &Objects,
    loads: &Location,
    source: &Source,
    sha256: &str,
    files: Vec<String>,
) -> Result<Claimed> {
    let address = address(loads, sha256);
    let claim = Claim { source: source.id.clone(), table: source.table.name().to_owned(), files };
    let content =
        serde_json::to_vec(&claim).map_err(|problem| Error::InvalidAnswer { problem: problem.to_string() })?;
    let mut holder = source.id.clone();
    for _ in 0..TRIES {
        let Some((found, etag)) = objects.get(&address).await? else {
            if objects.put_new(&address, content.clone()).await? {
                return Ok(Claimed::Ours(Vec::new()));
            }
            continue;
        };
        let found = read(&address, &found)?;
        let known = summary::read(objects, &summary::address(loads, &found.table, &found.source)).await?;
        match known.map(|known| known.status) {
            Some(Status::Loaded) if found.source == source.id => return Ok(Claimed::Loaded),
            Some(Status::Loaded) => return Ok(Claimed::Duplicate(found.source)),
            None if found.source != source.id => {
                let (source_uri, other) = (source.uri(), found.source);
                return Err(Error::SourceInProgress { source_uri, other });
            }
            _ => holder.clone_from(&found.source),
        }
        if objects.replace(&address, &etag, content.clone()).await? {
            let stale = found.files.into_iter().filter(|file| !claim.files.contains(file));
            return Ok(Claimed::Ours(stale.collect()));
        }
    }
    Err(Error::SourceInProgress { source_uri: source.uri(), other: holder })
}

/// The files that an earlier attempt of `source`, which is refused now, may have made visible.
///
/// # Errors
/// What the calls fail with.
pub(crate) async fn files_of(
    objects: &Objects,
    loads: &Location,
    source: &Source,
    sha256: &str,
) -> Result<Vec<String>> {
    let address = address(loads, sha256);
    let Some((found, _)) = objects.get(&address).await? else { return Ok(Vec::new()) };
    let found = read(&address, &found)?;
    Ok(if found.source == source.id { found.files } else { Vec::new() })
}

fn address(loads: &Location, sha256: &str) -> Address {
    Address::within(loads, &["content/", sha256, ".json"].concat())
}

fn read(address: &Address, content: &[u8]) -> Result<Claim> {
    serde_json::from_slice(content)
        .map_err(|problem| Error::InvalidLake { problem: format!("{address} is no claim: {problem}") })
}

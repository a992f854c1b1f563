//! One run at a time: the lease on the output table.
//!
//! The lease is one small object in S3 that names the execution which holds it. It is made, renewed, taken over and removed
//! by conditional requests only, so that of two runs that reach for it at once exactly one has it:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html>
//!
//! Whether the holder lives is not guessed from clocks: Step Functions is asked. A holder whose execution has ended is dead,
//! whatever time it is anywhere. Only one that Step Functions does not know is judged by age, since what it tells of an
//! execution may be late: <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html>
//!
//! The lease keeps runs from working in vain. It is not what keeps the output whole: that is the version which guards the
//! swap, and it holds even if the lease is lost.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::config::{self, Variables};
use crate::history::Standing;
use crate::objects::Address;
use crate::sql::Location;
use crate::{Context, Error, Result};

/// The object's name in its folder.
const NAME: &str = "lease.json";
/// How long a holder that Step Functions does not know is believed to have just begun.
const JUST_BEGUN: Duration = Duration::from_mins(15);
/// How often the object may change between a look and a write before that counts as a failure. Each time somebody else
/// got further.
const TRIES: u32 = 5;

/// What a function is told that holds the lease and needs no more.
#[derive(Debug)]
pub struct Settings {
    /// The folder of the lease (`LEASE_LOCATION`).
    pub lease: Location,
}

impl config::Settings for Settings {
    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        Some(Self { lease: variables.get("LEASE_LOCATION")? })
    }
}

/// What the object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The ARN of the execution that holds it.
    pub owner: String,
    /// When it was last seen at work, by its own clock.
    pub renewed_at: DateTime<Utc>,
}

/// The lease as it was found, and what a conditional request needs.
struct Found {
    lease: Lease,
    etag: String,
}

/// Takes the lease for the execution, unless another that lives has it.
///
/// # Errors
/// [`Error::AnotherRunInProgress`]; [`Error::InvalidLease`] if the object was not written by this code;
/// [`Error::ServiceError`] and [`Error::ServiceRefused`].
pub async fn acquire<S>(context: &Context<S>, folder: &Location) -> Result<()> {
    for _ in 0..TRIES {
        if put_new(context, folder).await? {
            return Ok(());
        }
        let Some(found) = find(context, folder).await? else { continue };
        let Found { lease, .. } = &found;
        if lease.owner != context.invocation.execution_arn && is_alive(context, lease).await? {
            return Err(Error::AnotherRunInProgress { owner: found.lease.owner });
        }
        if replace(context, folder, &found).await? {
            return Ok(());
        }
    }
    Err(contended(folder))
}

/// Notes that the execution is at work, and proves that the lease is still its own. A lease that nobody has is taken again:
/// a redriven execution has released it when it failed.
///
/// # Errors
/// As [`acquire`].
pub async fn renew<S>(context: &Context<S>, folder: &Location) -> Result<()> {
    for _ in 0..TRIES {
        let done = match find(context, folder).await? {
            None => put_new(context, folder).await?,
            Some(found) if found.lease.owner != context.invocation.execution_arn => {
                return Err(Error::AnotherRunInProgress { owner: found.lease.owner });
            }
            Some(found) => replace(context, folder, &found).await?,
        };
        if done {
            return Ok(());
        }
    }
    Err(contended(folder))
}

/// Gives the lease up if it is the execution's own; whether it was.
///
/// # Errors
/// [`Error::InvalidLease`], [`Error::ServiceError`] and [`Error::ServiceRefused`].
pub async fn release<S>(context: &Context<S>, folder: &Location) -> Result<bool> {
    for _ in 0..TRIES {
        match find(context, folder).await? {
            Some(found) if found.lease.owner == context.invocation.execution_arn => {
                if context.objects.delete_if(&address(folder), &found.etag).await? {
                    return Ok(true);
                }
            }
            _ => return Ok(false),
        }
    }
    Err(contended(folder))
}

/// Removes the lease of an execution that has ended, if it was last renewed before `before`; whose it was.
///
/// # Errors
/// [`Error::InvalidLease`], [`Error::ServiceError`] and [`Error::ServiceRefused`].
pub async fn release_dead<S>(context: &Context<S>, folder: &Location, before: SystemTime) -> Result<Option<String>> {
    let Some(found) = find(context, folder).await? else { return Ok(None) };
    if SystemTime::from(found.lease.renewed_at) >= before || is_alive(context, &found.lease).await? {
        return Ok(None);
    }
    let removed = context.objects.delete_if(&address(folder), &found.etag).await?;
    Ok(removed.then_some(found.lease.owner))
}

/// The lease, if an execution that goes on holds it.
///
/// # Errors
/// [`Error::InvalidLease`], [`Error::ServiceError`] and [`Error::ServiceRefused`].
pub async fn holder<S>(context: &Context<S>, folder: &Location) -> Result<Option<Lease>> {
    let Some(found) = find(context, folder).await? else { return Ok(None) };
    Ok(is_alive(context, &found.lease).await?.then_some(found.lease))
}

/// The other execution that holds the lease although it is dead, if that is how things are.
///
/// # Errors
/// As [`acquire`].
pub async fn dead_holder<S>(context: &Context<S>, folder: &Location) -> Result<Option<String>> {
    match find(context, folder).await? {
        Some(found) if found.lease.owner != context.invocation.execution_arn => {
            let owner = found.lease.owner.clone();
            if is_alive(context, &found.lease).await? {
                return Err(Error::AnotherRunInProgress { owner });
            }
            Ok(Some(owner))
        }
        _ => Ok(None),
    }
}

async fn is_alive<S>(context: &Context<S>, lease: &Lease) -> Result<bool> {
    Ok(match context.history.standing(&lease.owner).await? {
        Standing::Running => true,
        Standing::Ended => false,
        Standing::Unknown => {
            let age = context.now().duration_since(SystemTime::from(lease.renewed_at));
            // From the future, by a clock that jumped: not old.
            age.map_or(true, |age| age < JUST_BEGUN)
        }
    })
}

async fn put_new<S>(context: &Context<S>, folder: &Location) -> Result<bool> {
    context.objects.put_new(&address(folder), document(context)?).await
}

async fn replace<S>(context: &Context<S>, folder: &Location, found: &Found) -> Result<bool> {
    context.objects.replace(&address(folder), &found.etag, document(context)?).await
}

async fn find<S>(context: &Context<S>, folder: &Location) -> Result<Option<Found>> {
    let address = address(folder);
    // A listing tells of an absent object what a read would call forbidden.
    if !context.lake.has(folder, NAME).await? {
        return Ok(None);
    }
    let (text, etag) = match context.objects.get(&address).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(None),
        // Gone in between.
        Err(Error::ServiceRefused { .. }) if !context.lake.has(folder, NAME).await? => return Ok(None),
        Err(error) => return Err(error),
    };
    let invalid = |problem: String| Error::InvalidLease { address: address.to_string(), problem };
    let lease: Lease = serde_json::from_slice(&text).map_err(|problem| invalid(problem.to_string()))?;
    if !lease.owner.contains(":execution:") {
        return Err(invalid(format!("its owner '{}' is no execution", lease.owner)));
    }
    Ok(Some(Found { lease, etag }))
}

fn document<S>(context: &Context<S>) -> Result<Vec<u8>> {
    let lease = Lease { owner: context.invocation.execution_arn.clone(), renewed_at: context.now().into() };
    serde_json::to_vec(&lease).map_err(|problem| Error::InvalidAnswer { problem: problem.to_string() })
}

fn address(folder: &Location) -> Address {
    Address::within(folder, NAME)
}

fn contended(folder: &Location) -> Error {
    let source = format!("the lease in {folder} changed hands {TRIES} times within a moment").into();
    Error::ServiceError { operation: "s3:PutObject", source }
}

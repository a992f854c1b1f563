//! The template's roles as the local cloud enforces them, and who acts as which: each function by the access key that it
//! signs with, a state machine's executions and a schedule by the role that they name. A rule acts as no role: the functions
//! that it invokes say by their own policies that it may.

use local_aws::events::Rule;
use local_aws::iam::{Authority, Policy, Right, RoleSpec};
use local_aws::lambda::Lambda;

use crate::error::{Error, Result};
use crate::template::{Function, Role, Schedule, Stack};

/// EventBridge, as a function's policy names it.
const EVENTS: &str = "events.amazonaws.com";

/// Deploys all roles.
///
/// # Errors
/// A policy that cannot be enforced; a schedule whose role may not do what the schedule is for; a rule that may not invoke its
/// function.
pub(super) fn deploy(iam: &Authority, stack: &Stack) -> Result<()> {
    let roles = stack.roles.iter().map(spec).collect::<Result<_>>()?;
    let key = |bucket: &crate::template::Bucket| Some((bucket.name.clone(), bucket.kms_key_arn.clone()?));
    iam.deploy(roles, stack.buckets.iter().filter_map(key).collect());
    for function in &stack.functions {
        iam.issue(&Lambda::access_key_id(&function.arn), &function.role_arn, &function.name)
            .ok_or_else(|| not_deployed(&function.role_arn, &function.name))?;
        check_destinations(iam, function)?;
    }
    stack.schedules.iter().try_for_each(|schedule| check_schedule(iam, schedule))?;
    stack.rules.iter().try_for_each(|rule| check_rule(stack, rule))
}

fn spec(role: &Role) -> Result<RoleSpec> {
    let read = |policy: &crate::template::RolePolicy| {
        Policy::read(&policy.document)
            .map_err(Error::cloud(format!("the policy {} of {} cannot be enforced", policy.name, role.arn)))
    };
    Ok(RoleSpec { arn: role.arn.clone(), policies: role.policies.iter().map(read).collect::<Result<_>>()? })
}

fn not_deployed(role_arn: &str, whose: &str) -> Error {
    Error::Unexpected(format!("the role {role_arn} of {whose} is not deployed"))
}

/// Lambda sends the records of events with the function's role, and asks for that when it is told where to:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-async-destinations-permissions>
fn check_destinations(iam: &Authority, function: &Function) -> Result<()> {
    let session = iam.assume(&function.role_arn, &function.name);
    let session = session.ok_or_else(|| not_deployed(&function.role_arn, &function.name))?;
    let events = &function.event_invoke;
    for queue in [&events.on_success, &events.on_failure, &events.dead_letter_queue].into_iter().flatten() {
        let checked = session.check(&Right::new("sqs:SendMessage", queue));
        checked.map_err(Error::cloud(format!("{} cannot send to {queue}", function.name)))?;
    }
    Ok(())
}

/// No local clock starts anything, so a schedule's role is asked for when it is deployed: on AWS the missing right would
/// show at night, in a queue.
fn check_schedule(iam: &Authority, schedule: &Schedule) -> Result<()> {
    let Some(role_arn) = &schedule.role_arn else { return Ok(()) };
    let session = iam.assume(role_arn, &schedule.target);
    let session = session.ok_or_else(|| not_deployed(role_arn, &format!("{}'s schedule", schedule.target)))?;
    let start = Right::new(schedule.action, &schedule.target_arn);
    let keep = schedule.dead_letter_arn.as_ref().map(|queue| Right::new("sqs:SendMessage", queue));
    for right in std::iter::once(start).chain(keep) {
        session.check(&right).map_err(Error::cloud(format!("{}'s schedule cannot work", schedule.target)))?;
    }
    Ok(())
}

/// On AWS a missing permission shows when the first event comes, in a queue:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-lambda-permissions>
fn check_rule(stack: &Stack, rule: &Rule) -> Result<()> {
    let is_function = |arn: &str| stack.functions.iter().any(|function| function.arn == arn);
    for target in rule.targets.iter().filter(|target| is_function(&target.arn)) {
        if !stack.permissions.iter().any(|permission| permission.lets(EVENTS, &rule.arn, &target.arn)) {
            return Err(Error::Usage(format!(
                "the rule {} may not perform lambda:InvokeFunction on {}: no AWS::Lambda::Permission allows it to {EVENTS} with \
                 the rule as its SourceArn",
                rule.name, target.arn
            )));
        }
    }
    Ok(())
}

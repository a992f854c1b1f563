//! Configuration: environment variables, read once at cold start into types that cannot be wrong.
//!
//! All problems are reported together, so that a deployment with three missing variables takes one look, not three.
//! A variable that is set to nothing counts as not set: SAM turns an absent value into an empty one, and the SDK would
//! take an empty `AWS_ENDPOINT_URL` for an address.

use std::fmt::Display;
use std::str::FromStr;

use crate::sql::Identifier;
use crate::{Error, Result};

/// What every function is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Glue database of all tables (`DATABASE`).
    pub database: Identifier,
    /// The Athena workgroup that queries run in (`ATHENA_WORKGROUP`).
    pub workgroup: String,
    /// The AWS region (`AWS_REGION`, which Lambda sets).
    pub region: String,
    /// Where the services are, when not at their own addresses.
    pub endpoints: Endpoints,
}

/// Addresses that replace AWS's own: `AWS_ENDPOINT_URL_<SERVICE>`, else `AWS_ENDPOINT_URL`.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// Athena's.
    pub athena: Option<Endpoint>,
    /// Glue's.
    pub glue: Option<Endpoint>,
    /// S3's.
    pub s3: Option<Endpoint>,
    /// Step Functions'.
    pub states: Option<Endpoint>,
}

impl Endpoints {
    /// Whether no call will use TLS, so that no root certificates are needed.
    pub fn are_plain(&self) -> bool {
        [&self.athena, &self.glue, &self.s3, &self.states]
            .iter()
            .all(|one| one.as_ref().is_some_and(Endpoint::is_plain))
    }
}

/// An address: `http://host:port` or `https://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// The address as the SDK takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        match host {
            Some(host) if !host.is_empty() => Ok(Self(text.to_owned())),
            _ => Err("must begin with http:// or https:// and name a host".to_owned()),
        }
    }
}

/// What one function is told beyond [`Config`].
pub trait Settings: Sized {
    /// Reads the variables, each with [`Variables::get`]. `None` only if one of them was a problem, so read all of them
    /// before the first `?`.
    fn read(variables: &mut Variables<'_>) -> Option<Self>;
}

/// For a function that needs no more than [`Config`].
impl Settings for () {
    fn read(_: &mut Variables<'_>) -> Option<Self> {
        Some(())
    }
}

/// The environment while it is being read: hands out values and collects problems.
pub struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl std::fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variables").field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl Variables<'_> {
    /// The variable's value; if it is missing or unusable, notes why.
    pub fn get<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let value = self.optional(name);
        if value.is_none() && self.set(name).is_none() {
            self.problems.push(format!("{name} is not set"));
        }
        value
    }

    /// The variable's value if it is set; if it is set and unusable, notes why.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.set(name)?;
        text.parse().map_err(|problem| self.problems.push(format!("{name} ('{text}') {problem}"))).ok()
    }

    fn set(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|text| !text.is_empty())
    }

    fn endpoint(&mut self, service: &str, general: Option<&Endpoint>) -> Option<Endpoint> {
        self.optional(service).or_else(|| general.cloned())
    }

    fn config(&mut self) -> Option<Config> {
        let general = self.optional("AWS_ENDPOINT_URL");
        let endpoints = Endpoints {
            athena: self.endpoint("AWS_ENDPOINT_URL_ATHENA", general.as_ref()),
            glue: self.endpoint("AWS_ENDPOINT_URL_GLUE", general.as_ref()),
            s3: self.endpoint("AWS_ENDPOINT_URL_S3", general.as_ref()),
            states: self.endpoint("AWS_ENDPOINT_URL_SFN", general.as_ref()),
        };
        let (database, workgroup, region) =
            (self.get("DATABASE"), self.get("ATHENA_WORKGROUP"), self.get("AWS_REGION"));
        Some(Config { database: database?, workgroup: workgroup?, region: region?, endpoints })
    }
}

/// Reads the configuration of a function through `lookup`.
///
/// # Errors
/// [`Error::InvalidConfig`] with every variable that is missing or unusable.
pub fn read<S: Settings>(lookup: &dyn Fn(&str) -> Option<String>) -> Result<(Config, S)> {
    let mut variables = Variables { lookup, problems: Vec::new() };
    let (config, settings) = (variables.config(), S::read(&mut variables));
    match (config, settings) {
        (Some(config), Some(settings)) if variables.problems.is_empty() => Ok((config, settings)),
        _ => Err(Error::InvalidConfig { problems: variables.problems }),
    }
}

/// Looks a variable up in the process environment: the one place where the functions do so.
pub fn from_process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let error = read::<()>(&lookup(&[("DATABASE", "app db"), ("AWS_ENDPOINT_URL", "localhost")])).unwrap_err();

        let message = error.to_string();
        assert_eq!(error.code(), "InvalidConfig");
        for name in
            ["DATABASE ('app db')", "ATHENA_WORKGROUP is not set", "AWS_REGION is not set", "AWS_ENDPOINT_URL ("]
        {
            assert!(message.contains(name), "{name} in {message}");
        }
    }

    #[test]
    fn an_empty_endpoint_is_no_endpoint() {
        let pairs = [
            ("DATABASE", "appdb"),
            ("ATHENA_WORKGROUP", "pageviews"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", ""),
            ("AWS_ENDPOINT_URL_GLUE", "http://127.0.0.1:4566"),
        ];
        let (config, ()) = read(&lookup(&pairs)).unwrap();

        assert_eq!(config.endpoints.athena, None);
        assert_eq!(config.endpoints.glue.as_ref().map(Endpoint::as_str), Some("http://127.0.0.1:4566"));
        assert!(!config.endpoints.are_plain());
    }
}

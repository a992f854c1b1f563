//! What can go wrong in a command, as one line for a person.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use aws_sdk_athena::error::{ProvideErrorMetadata, SdkError};

use crate::generate::GenerateError;
use crate::inbox::InboxError;
use crate::load::LoadError;
use crate::recompute::RecomputeError;
use crate::template::TemplateError;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The template cannot be deployed.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Data could not be generated.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A folder is not a raw zone.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Files cannot be sent to the inbox.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// Files were not loaded.
    #[error("{0}")]
    NotLoaded(String),
    /// A function that an operator invoked failed.
    #[error("{function} failed: {error}: {message}")]
    Function {
        /// The function's name.
        function: String,
        /// Its error's name.
        error: String,
        /// Why.
        message: String,
    },
    /// The proof could not be computed.
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
    /// Another process works in the data directory.
    #[error("the data directory {path} is in use by {holder}: stop it, give another --data-dir{hint}", path = path.display())]
    DataDirectoryHeld {
        /// The data directory.
        path: PathBuf,
        /// Who, as far as is known.
        holder: String,
        /// How to reach it instead, when that is known.
        hint: String,
    },
    /// The port cannot be listened on.
    #[error("{address} cannot be listened on: {reason}", reason = listen_reason(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Nothing answers where the functions should be.
    #[error(
        "the Lambda endpoint {url} does not answer: {source}: start `cargo lambda watch` or `sam local start-lambda` there"
    )]
    LambdaEndpoint {
        /// The endpoint.
        url: String,
        /// Why not.
        source: io::Error,
    },
    /// A function's binary is nowhere.
    #[error("{0}")]
    MissingBinaries(String),
    /// A file or folder could not be used.
    #[error("{path}", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The local cloud could not do its part.
    #[error("{what}")]
    Cloud {
        /// What was to be done.
        what: String,
        /// Why not.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An AWS operation failed.
    #[error("{operation}: {message}")]
    Aws {
        /// Service and operation.
        operation: &'static str,
        /// The service's code and message, or why it was not reached.
        message: String,
        /// The SDK's error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A query did not succeed.
    #[error("{0}")]
    Query(String),
    /// An execution did not succeed, or is not there.
    #[error("{0}")]
    Execution(String),
    /// The output is not what it must be.
    #[error("{0}")]
    NotEqual(String),
    /// Something answered what it must not answer.
    #[error("{0}")]
    Unexpected(String),
    /// Somebody sent the process a signal, with this number.
    #[error("interrupted")]
    Interrupted(u8),
    /// Standard output is closed or full.
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
}

/// What a command gives.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The process's exit code: 2 for a command line that makes no sense, 128 and more for a signal, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Generate(GenerateError::Invalid(_)) => 2,
            Self::Interrupted(signal) => 128 + signal,
            _ => 1,
        }
    }

    /// Makes an SDK error one line: the service's own code and message where it answered.
    pub(crate) fn aws<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        move |error| {
            let message = match (error.code(), error.message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.to_owned(),
                _ => chain(&error),
            };
            // The message already tells the whole chain.
            Self::Aws { operation, message, source: Box::new(error) }
        }
    }

    /// A closure that says what could not be done.
    pub(crate) fn cloud<E: Into<Box<dyn StdError + Send + Sync>>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self::Cloud { what: what.into(), source: source.into() }
    }

    /// A closure that names a file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.into(), source }
    }

    /// The message and its causes, on one line.
    pub fn line(&self) -> String {
        match self {
            Self::Aws { .. } | Self::Listen { .. } | Self::LambdaEndpoint { .. } => self.to_string(),
            other => chain(other),
        }
    }
}

/// An error and its causes, each once.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {message}");
        }
        cause = error.source();
    }
    text
}

fn listen_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use (give another with --listen, or port 0 for any free one)".to_owned()
        }
        io::ErrorKind::PermissionDenied => "this needs rights that the process does not have".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => error.to_string(),
    }
}

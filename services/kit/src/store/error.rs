//! What can go wrong between a service and its database.

use omnimesh_proto::common::v1::ErrorReason;
use tonic::Code;

use crate::error::Fault;

/// A failed question to the database, or a database that can't be used. The driver's text is for the log only.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The driver's error.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration that can't be applied.
    #[error("migrations of {service}: {problem}")]
    Migration {
        /// The service whose schema it is.
        service: String,
        /// What is wrong and how to put it right.
        problem: String,
    },
    /// Settings that don't name a usable database.
    #[error("store settings: {0}")]
    Settings(String),
    /// A column whose content is not what the code expects.
    #[error("column {column}: {problem}")]
    Column {
        /// The column's name.
        column: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The lease under which the transaction worked has passed to another holder: its effects were rolled back.
    #[error("the lease has passed to another holder")]
    LeaseLost,
    /// The transaction went on after a statement that the database had refused, which takes all its changes back.
    #[error("a statement of the transaction was refused before: nothing was changed")]
    Refused,
}

impl Error {
    /// Whether trying the whole transaction again may succeed: serialization failure, deadlock, lock timeout, busy file.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        // SQLite's extended codes keep the primary code (5 busy, 6 locked) in the low byte.
        self.code().is_some_and(|code| {
            matches!(code.as_str(), "40001" | "40P01" | "55P03")
                || code.len() < 5 && code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6))
        })
    }

    /// Whether a unique constraint or primary key refused the row.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        self.driver().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }

    /// Whether a CHECK constraint refused the row.
    #[must_use]
    pub fn is_check_violation(&self) -> bool {
        self.driver().is_some_and(sqlx::error::DatabaseError::is_check_violation)
    }

    /// The name of the violated constraint, where the database tells (Postgres only).
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.driver().and_then(sqlx::error::DatabaseError::constraint)
    }

    /// Whether the database could not be reached or has no connection to give.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Database(
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed,
            ) => true,
            // Connection exceptions, shutdown, too many connections.
            _ => self.code().is_some_and(|code| {
                code.len() == 5 && (code.starts_with("08") || code.starts_with("57P") || code.starts_with("53"))
            }),
        }
    }

    /// Whether the database itself refused the statement: on Postgres that is the end of the transaction.
    pub(super) fn is_refusal(&self) -> bool {
        self.driver().is_some()
    }

    fn driver(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        match self {
            Self::Database(error) => error.as_database_error(),
            _ => None,
        }
    }

    fn code(&self) -> Option<String> {
        self.driver().and_then(|error| error.code()).map(std::borrow::Cow::into_owned)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if error.is_retryable() || matches!(error, Error::LeaseLost) {
            let message = "too many changes of the same thing at once: try again";
            Self::new(Code::Aborted, ErrorReason::Contention, message)
        } else if error.is_unavailable() {
            tracing::warn!(cause = %error, "database unavailable");
            Self::unavailable("the service can't reach its database at the moment")
        } else {
            Self::internal(error)
        }
    }
}

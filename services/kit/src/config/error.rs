//! What is wrong with the configuration, each problem by its key and by the environment variable that sets it.

use std::fmt;

/// A configuration that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    problems: Vec<(String, String)>,
}

impl Error {
    /// One problem of a key such as `carts.idle_minutes`; `problem` says what would be accepted.
    pub fn at(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { problems: vec![(key.into(), problem.into())] }
    }

    pub(super) fn all(problems: Vec<(String, String)>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

/// The environment variable that sets a key.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("{}{}", super::sources::PREFIX, key.to_ascii_uppercase().replace('.', "__"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration can't be used")?;
        for (key, problem) in &self.problems {
            write!(f, "\n  {key} ({}): {problem}", variable(key))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<figment::Error> for Error {
    fn from(error: figment::Error) -> Self {
        let problems = error.into_iter().map(|error| {
            let key = error.path.join(".");
            // figment quotes the value it could not use; a URL may hold a password.
            let what = if super::effective::is_secret(&key) || key.ends_with("_url") {
                "has the wrong form".to_owned()
            } else {
                error.kind.to_string()
            };
            let origin = error.metadata.as_ref().map(|metadata| format!(" (from {})", origin(metadata)));
            (key, format!("{what}{}", origin.unwrap_or_default()))
        });
        Self { problems: problems.collect() }
    }
}

fn origin(metadata: &figment::Metadata) -> String {
    metadata.source.as_ref().map_or_else(|| metadata.name.to_string(), ToString::to_string)
}

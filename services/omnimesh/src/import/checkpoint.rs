//! How far an import has come, kept beside the data so that a broken-off import goes on. Importing is idempotent: a
//! checkpoint that is lost or late only costs time.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::rows::Refusal;

/// How many answers come between two writes.
const EVERY: usize = 500;

/// The checkpoint of one file with one mapping.
pub(super) struct Checkpoint {
    path: PathBuf,
    state: State,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    done: usize,
    refused: Vec<(u64, String)>,
    #[serde(skip)]
    refusals: Vec<Refusal>,
}

impl Checkpoint {
    /// The checkpoint of that digest, or a new one.
    pub(super) fn load(folder: &Path, digest: &str) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
        let path = folder.join(format!("{digest}.json"));
        let mut state: State =
            fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        state.refusals =
            state.refused.iter().map(|(line, reason)| Refusal { line: *line, reason: reason.clone() }).collect();
        Ok(Self { path, state })
    }

    /// How many items have an answer.
    pub(super) fn done(&self) -> usize {
        self.state.done
    }

    /// The rows that were refused.
    pub(super) fn refused(&self) -> &[Refusal] {
        &self.state.refusals
    }

    /// Notes refused rows.
    pub(super) fn refuse(&mut self, refused: &[Refusal]) {
        self.state.refused.extend(refused.iter().map(|refusal| (refusal.line, refusal.reason.clone())));
    }

    /// One more item has its answer.
    pub(super) fn advance(&mut self) -> Result<()> {
        self.state.done += 1;
        if self.state.done.is_multiple_of(EVERY) { self.save() } else { Ok(()) }
    }

    /// Writes it, whole or not at all.
    pub(super) fn save(&self) -> Result<()> {
        let new = self.path.with_extension("new");
        fs::write(&new, serde_json::to_vec(&self.state)?)
            .and_then(|()| fs::rename(&new, &self.path))
            .with_context(|| format!("can't write {}", self.path.display()))
    }

    /// The import is over: the next one of this file starts anew and finds everything unchanged.
    pub(super) fn finish(self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("can't remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

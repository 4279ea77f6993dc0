//! The input of the import tests: the real shop's file where it is at hand, else a small file with the same dirt.

use std::{
    fs,
    path::{Path, PathBuf},
};

use omnimesh::test_data;
use serde_json::Value;

/// A file of orders and the figures that it must come to.
#[derive(Debug)]
pub struct Input {
    /// The CSV file, plain or .gz.
    pub file: PathBuf,
    /// Its figures.
    pub truth: Value,
}

impl Input {
    /// The real shop's file; where it is not at hand the run says so, and [`Self::small`] takes its place.
    #[must_use]
    pub fn real() -> Self {
        match test_data::folder() {
            Some(folder) => Self::new(folder.join("retail-public.csv.gz"), &folder.join("retail-public.truth.json")),
            None => Self::small(),
        }
    }

    /// The small file: see `tests/fixtures/README.md`.
    #[must_use]
    pub fn small() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        Self::new(folder.join("retail-small.csv"), &folder.join("retail-small.truth.json"))
    }

    fn new(file: PathBuf, truth: &Path) -> Self {
        let text = fs::read_to_string(truth).unwrap_or_else(|error| panic!("{}: {error}", truth.display()));
        Self { file, truth: serde_json::from_str(&text).unwrap() }
    }

    /// Where a report differs from the truth.
    #[must_use]
    pub fn differences(&self, report: &Value) -> Vec<String> {
        test_data::differences(&self.truth, report)
    }
}

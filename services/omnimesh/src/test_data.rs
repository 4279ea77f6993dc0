//! Real data that tests read where it is at hand: `OMNIMESH_DATA`, or `../shared/data` beside the clone. With `CI=true` its
//! absence is a failure.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of the data, if it is there.
///
/// # Panics
/// If it is not there and `CI` is `true`.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("OMNIMESH_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing: set OMNIMESH_DATA", folder.display());
    crate::say(&format!("left out: {} is not here (OMNIMESH_DATA names another place)", folder.display()));
    None
}

/// Where a report differs from the truth: every figure of the truth that the report can know.
#[must_use]
pub fn differences(truth: &Value, report: &Value) -> Vec<String> {
    // What the data's maker says of the file itself, not of the sales in it.
    const NOT_FIGURES: [&str; 4] = ["definitions", "sha256_csv", "rfm.rule", "rfm.sample"];
    let mut found = Vec::new();
    compare("", truth, report, &NOT_FIGURES, &mut found);
    // The truth names some customers' scores; the report has everyone's.
    let sample = truth.pointer("/rfm/sample").unwrap_or(&Value::Null);
    let scores = report.pointer("/rfm/scores").unwrap_or(&Value::Null);
    compare("rfm.scores", sample, scores, &NOT_FIGURES, &mut found);
    found
}

fn compare(path: &str, truth: &Value, report: &Value, skip: &[&str], found: &mut Vec<String>) {
    if skip.contains(&path) {
        return;
    }
    match (truth, report) {
        (Value::Object(truth), Value::Object(report)) => {
            for (key, value) in truth {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, value, report.get(key).unwrap_or(&Value::Null), skip, found);
            }
        }
        (Value::Number(truth), Value::Number(report)) if truth.as_f64() == report.as_f64() => {}
        (truth, report) if truth == report => {}
        (Value::Array(truth), Value::Array(report)) if truth.len() == report.len() => {
            for (place, (truth, report)) in truth.iter().zip(report).enumerate() {
                compare(&format!("{path}[{place}]"), truth, report, skip, found);
            }
        }
        (truth, report) => found.push(format!("{path}: the truth is {truth}, the report says {report}")),
    }
}

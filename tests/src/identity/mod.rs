//! The yardstick of identity: feeds customer records through the gateway one by one, asks whose each is, and compares the
//! answer with who they really are.

pub mod febrl;
mod feed;
pub mod score;

pub use feed::{Fed, feed, shuffle};

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use omnimesh::import::{Plan, records};
use omnimesh_proto::profiles::v1::RecordAssertionsRequest;

/// The column of a file of records that names the true customer.
pub const GOLD: &str = "gold_customer_id";

/// A record and whose it really is.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// What is recorded.
    pub request: RecordAssertionsRequest,
    /// The true customer; the mesh never sees it.
    pub customer: String,
}

/// The records of a CSV file with a column [`GOLD`], read by the importer and its mapping.
///
/// # Errors
/// If the file or mapping can't be used, or a row is refused.
pub fn labelled(file: &Path, mapping: Option<&Path>) -> Result<Vec<Labelled>> {
    let plan = Plan {
        file: file.to_owned(),
        mapping: mapping.map(Path::to_owned),
        checkpoints: std::env::temp_dir().join("omnimesh-identity"),
    };
    let (records, refused) = records(&plan)?;
    ensure!(refused.is_empty(), "rows that can't be used: {refused:?}");
    let mut csv = csv::Reader::from_path(file)?;
    let column = csv.headers()?.iter().position(|name| name == GOLD);
    let column = column.with_context(|| format!("{} has no column {GOLD}", file.display()))?;
    let customers: Vec<String> = csv
        .records()
        .map(|row| row.map(|row| row.get(column).unwrap_or_default().to_owned()))
        .collect::<Result<_, _>>()?;
    ensure!(customers.len() == records.len(), "{} customers for {} records", customers.len(), records.len());
    let pairs = records.into_iter().zip(customers);
    Ok(pairs.map(|(record, customer)| Labelled { request: record.request, customer }).collect())
}

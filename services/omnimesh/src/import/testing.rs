//! What an import makes of a file, before anything is sent: for tests and fuzzing.

use anyhow::Result;
use omnimesh_proto::orders::v1::ImportMode;
use prost::Message as _;

use super::{Kind, Mapping, Refusal, orders::Documents, products::products, profiles, rows::Rows, send::Item};

/// What becomes of the rows of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// Rows that have as many fields as the header.
    pub rows: usize,
    /// What would be sent: its label, the lines it was made of, and the request's bytes.
    pub items: Vec<(String, Vec<u64>, Vec<u8>)>,
    /// Rows that are refused.
    pub refused: Vec<Refusal>,
}

/// Reads a file of that kind; without a mapping a built-in one is chosen.
///
/// # Errors
/// If file or mapping can't be used.
pub fn outline(kind: Kind, csv: &[u8], mapping: Option<&str>) -> Result<Outline> {
    let choose = |header: &csv::StringRecord| match mapping {
        Some(text) => Mapping::parse(text, kind),
        None => Mapping::for_header(header, kind).map(|(_, mapping)| mapping),
    };
    let rows = Rows::parse(csv, choose, || {})?;
    let mut outline = Outline { rows: rows.len(), refused: rows.refused.clone(), ..Outline::default() };
    match kind {
        Kind::Orders => {
            let documents = Documents::of(&rows, ImportMode::Historical)?;
            outline.items.extend(documents.items.into_iter().map(bytes));
            outline.refused.extend(documents.refused);
        }
        Kind::Products => {
            let (items, refused) = products(&rows);
            outline.items.extend(items.into_iter().map(bytes));
            outline.refused.extend(refused);
        }
        Kind::Profiles => {
            let (records, refused) = profiles::read(&rows)?;
            let item =
                |record: profiles::Record| (record.line.to_string(), vec![record.line], record.request.encode_to_vec());
            outline.items.extend(records.into_iter().map(item));
            outline.refused.extend(refused);
        }
    }
    Ok(outline)
}

fn bytes<T: prost::Message>(item: Item<T>) -> (String, Vec<u64>, Vec<u8>) {
    (item.label, item.lines, item.request.encode_to_vec())
}

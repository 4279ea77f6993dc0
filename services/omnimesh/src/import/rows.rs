//! Reads a CSV file, plain or gzip, row by row. A row that can't be used is refused with its line and the reason.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, Result, bail};
use csv::{ByteRecord, StringRecord};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use super::{Kind, Mapping, Plan};

/// A row that was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its line in the file; the header is line 1.
    pub line: u64,
    /// What was wrong, and what would be accepted.
    pub reason: String,
}

/// A file's rows and the columns they have.
pub(super) struct Rows {
    /// The mapping that was given or chosen.
    pub mapping: Mapping,
    /// SHA-256 of the file's bytes and of the mapping, hexadecimal.
    pub digest: String,
    header: StringRecord,
    records: Vec<(u64, Vec<String>)>,
    /// Rows that can't be read.
    pub refused: Vec<Refusal>,
}

impl Rows {
    /// Reads a whole file, with a progress bar.
    ///
    /// # Errors
    /// If the file or its header can't be read, or lacks a column that the mapping names.
    pub(super) fn read(plan: &Plan, kind: Kind) -> Result<Self> {
        let size = std::fs::metadata(&plan.file).with_context(|| format!("can't read {}", plan.file.display()))?.len();
        let bar = ProgressBar::new(size).with_style(byte_style()).with_message("reading");
        let read = Arc::new(AtomicU64::new(0));
        let hasher = Arc::new(std::sync::Mutex::new(Sha256::new()));
        let file = Counted {
            inner: BufReader::new(File::open(&plan.file)?),
            read: Arc::clone(&read),
            hasher: Arc::clone(&hasher),
        };
        let reader: Box<dyn Read> =
            if is_gzip(&plan.file)? { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut rows = Self::parse(
            reader,
            |header| match &plan.mapping {
                Some(path) => Mapping::from_file(path, kind),
                None => {
                    let (name, mapping) = Mapping::for_header(header, kind)?;
                    bar.suspend(|| crate::say(&format!("mapping: the built-in {name} (--mapping names another)")));
                    Ok(mapping)
                }
            },
            || bar.set_position(read.load(Ordering::Relaxed)),
        )?;
        bar.finish_and_clear();
        let mut digest = hasher.lock().map(|hasher| hasher.clone()).unwrap_or_default();
        digest.update(format!("{:?}", rows.mapping));
        rows.digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(rows)
    }

    /// Reads plain CSV; `choose` gives the mapping for a header, and `tick` is called now and then. There is no digest.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn parse(
        reader: impl Read,
        choose: impl FnOnce(&StringRecord) -> Result<Mapping>,
        mut tick: impl FnMut(),
    ) -> Result<Self> {
        let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
        let header = as_text(csv.byte_headers().context("the file has no header")?);
        let header: StringRecord = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        let mapping = choose(&header)?;
        let missing = mapping.missing_columns(&header);
        if !missing.is_empty() {
            bail!(
                "the file lacks the columns {}; it has {}",
                missing.join(", "),
                header.iter().collect::<Vec<_>>().join(", ")
            );
        }

        let (mut records, mut refused) = (Vec::new(), Vec::new());
        let mut record = ByteRecord::new();
        loop {
            match csv.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => bail!("the file can't be read on: {error}"),
            }
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() == header.len() {
                records.push((line, as_text(&record).iter().map(str::to_owned).collect()));
            } else {
                refused.push(Refusal {
                    line,
                    reason: format!("it has {} columns, the header has {}", record.len(), header.len()),
                });
            }
            if records.len() % 4096 == 0 {
                tick();
            }
        }
        Ok(Self { mapping, digest: String::new(), header, records, refused })
    }

    /// How many rows could be read.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Where a column stands; `None` if the mapping does not name it.
    #[must_use]
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| !name.is_empty() && column == name)
    }

    /// The rows: line and fields.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Fields<'_>)> {
        self.records.iter().map(|(line, fields)| (*line, Fields(fields)))
    }
}

/// One row's fields, by column.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a [String]);

impl<'a> Fields<'a> {
    /// The field as written; empty if the mapping names no such column.
    #[must_use]
    pub(super) fn get(self, column: Option<usize>) -> &'a str {
        column.and_then(|place| self.0.get(place)).map_or("", String::as_str)
    }
}

/// Text of a record: UTF-8, and what is not UTF-8 as Latin-1, so that no byte is lost.
fn as_text(record: &ByteRecord) -> StringRecord {
    record
        .iter()
        .map(|field| match std::str::from_utf8(field) {
            Ok(text) => text.to_owned(),
            Err(_) => field.iter().map(|byte| char::from(*byte)).collect(),
        })
        .collect()
}

fn is_gzip(path: &Path) -> io::Result<bool> {
    let mut magic = [0u8; 2];
    let read = File::open(path)?.read(&mut magic)?;
    Ok(read == 2 && magic == [0x1f, 0x8b])
}

fn byte_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg:>10} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Counts and hashes what is read from the file.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
    hasher: Arc<std::sync::Mutex<Sha256>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        if let (Ok(mut hasher), Some(bytes)) = (self.hasher.lock(), buffer.get(..count)) {
            hasher.update(bytes);
        }
        Ok(count)
    }
}

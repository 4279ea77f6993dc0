//! Sends items over an import stream and counts the answers, which come in the same order. A broken connection is opened
//! again; what was answered is kept in the checkpoint and not sent twice.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{Plan, checkpoint::Checkpoint, rows::Refusal};

/// How many items may be on their way without an answer.
const WINDOW: usize = 512;
/// How often a broken connection is opened again before giving up, with a growing pause.
const RECONNECTS: u32 = 8;

/// Something to import, and the rows it was made of.
pub(super) struct Item<T> {
    /// What people call it: a document's number, a SKU.
    pub label: String,
    /// The lines of the file it was made of.
    pub lines: Vec<u64>,
    /// The request that carries it.
    pub request: T,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Updated,
    Unchanged,
    Stale,
    Conflict,
    Refused(String),
}

/// An answer of the import stream.
pub(super) struct Answer {
    /// The item's place in the stream, from 0.
    pub index: i64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as the contract's ImportOutcome says")]
pub struct Summary {
    /// Rows read.
    pub rows: usize,
    /// Items of this file, those of earlier runs included.
    pub items: usize,
    /// Items that an earlier run had finished.
    pub resumed: usize,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub stale: u64,
    pub conflict: u64,
    pub suppressed: u64,
    /// Rows that were not imported, in the order of the file.
    pub refused: Vec<Refusal>,
}

/// Sends `items`; `open` starts a stream, `read` reads its answers.
///
/// # Errors
/// If the mesh refuses the stream as a whole, or stays away. What was answered until then stays imported.
pub(super) async fn send<Request, Response>(
    plan: &Plan,
    digest: &str,
    noun: &'static str,
    items: Vec<Item<Request>>,
    summary: &mut Summary,
    open: impl AsyncFn(ReceiverStream<Request>) -> Result<Streaming<Response>, Status>,
    read: impl Fn(Response) -> Answer,
) -> Result<()>
where
    Request: Clone + Send + 'static,
{
    let mut checkpoint = Checkpoint::load(&plan.checkpoints, digest)?;
    summary.items = items.len();
    summary.resumed = checkpoint.done().min(items.len());
    summary.refused.extend(checkpoint.refused().iter().cloned());
    let bar = ProgressBar::new(items.len() as u64).with_style(item_style()).with_message(noun);
    bar.set_position(summary.resumed as u64);
    bar.reset_eta();

    let mut failures = 0;
    while checkpoint.done() < items.len() {
        let before = checkpoint.done();
        let status = match stream(&items, &mut checkpoint, summary, &bar, &open, &read).await {
            Ok(()) => continue,
            Err(status) => status,
        };
        checkpoint.save()?;
        if !is_passing(&status) {
            return Err(anyhow::Error::new(status)).context("the mesh refused the import");
        }
        failures = if checkpoint.done() > before { 1 } else { failures + 1 };
        if failures > RECONNECTS {
            bail!(
                "the mesh does not answer ({}): {} of {} {noun} are imported; start the same command again to go on",
                status.message(),
                checkpoint.done(),
                items.len()
            );
        }
        bar.suspend(|| crate::say("the connection broke: going on where it stopped"));
        tokio::time::sleep(Duration::from_millis(250) * 2u32.saturating_pow(failures.min(5))).await;
    }
    bar.finish_and_clear();
    checkpoint.finish()?;
    summary.refused.sort_by_key(|refusal| refusal.line);
    Ok(())
}

/// One stream: from the first item that has no answer, until the last or until it breaks.
async fn stream<Request, Response>(
    items: &[Item<Request>],
    checkpoint: &mut Checkpoint,
    summary: &mut Summary,
    bar: &ProgressBar,
    open: &impl AsyncFn(ReceiverStream<Request>) -> Result<Streaming<Response>, Status>,
    read: &impl Fn(Response) -> Answer,
) -> Result<(), Status>
where
    Request: Clone + Send + 'static,
{
    let start = checkpoint.done();
    let (sender, receiver) = tokio::sync::mpsc::channel(WINDOW);
    let sending = async {
        for item in items.iter().skip(start) {
            if sender.send(item.request.clone()).await.is_err() {
                break;
            }
        }
        drop(sender);
        // The answers decide when the stream is over.
        std::future::pending::<()>().await;
    };
    let receiving = async {
        let mut answers = open(ReceiverStream::new(receiver)).await?;
        while let Some(response) = answers.message().await? {
            let answer = read(response);
            let place = start.saturating_add(usize::try_from(answer.index).unwrap_or(usize::MAX));
            let item = items.get(place).filter(|_| place == checkpoint.done());
            let item = item.ok_or_else(|| Status::internal("an answer came out of order"))?;
            count(summary, checkpoint, item, answer.outcome);
            checkpoint.advance().map_err(|error| Status::internal(error.to_string()))?;
            bar.inc(1);
        }
        if checkpoint.done() < items.len() {
            return Err(Status::unavailable("the stream ended early"));
        }
        Ok(())
    };
    tokio::select! {
        () = sending => Ok(()),
        result = receiving => result,
    }
}

fn count<Request>(summary: &mut Summary, checkpoint: &mut Checkpoint, item: &Item<Request>, outcome: Outcome) {
    match outcome {
        Outcome::Created => summary.created += 1,
        Outcome::Updated => summary.updated += 1,
        Outcome::Unchanged => summary.unchanged += 1,
        Outcome::Stale => summary.stale += 1,
        Outcome::Conflict => summary.conflict += 1,
        Outcome::Refused(reason) => {
            let reason = format!("{}: {reason}", item.label);
            let refused = item.lines.iter().map(|line| Refusal { line: *line, reason: reason.clone() });
            let refused: Vec<_> = refused.collect();
            checkpoint.refuse(&refused);
            summary.refused.extend(refused);
        }
    }
}

/// Whether another try can help.
pub(super) fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::ResourceExhausted
            | Code::DeadlineExceeded
            | Code::Aborted
    )
}

pub(super) fn item_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg:>10} [{bar:40}] {pos}/{len} {per_sec} {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

//! Documents of other systems, an answer to each in the order sent. What has arrived by the time the last batch is committed makes
//! the next batch, up to a hundred: a single document is answered at once, a flood is taken in few transactions. While one
//! batch is written the next is checked.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::{SinkExt as _, StreamExt as _, channel::mpsc};
use omnimesh_kit::{call::Call, customers::source_key, secrets::Secrets, server::clear, store::Tx, transaction};
use omnimesh_proto::{
    access::v1::Audience,
    orders::v1::{ImportDocument, ImportOrdersRequest, ImportOrdersResponse, ImportOutcome},
};
use prost::Message as _;
use tonic::{Status, Streaming};
use tracing::Instrument as _;
use uuid::Uuid;

use super::Out;
use crate::{
    app::App,
    domain::{
        Cause, Document, ImportMode, Known, Order, OrderChange, OrderId, OrderNumber, OrderState, Restatement, restate,
    },
    error::Error,
    store::{
        imports,
        orders::{self, ImportKey},
        tasks,
        tasks::TaskKind,
    },
};

const BATCH: usize = 100;

/// A document, checked.
enum Item {
    Sound { document: Box<Document>, key: ImportKey, raw: Box<ImportDocument> },
    Refused { channel_order_id: String, refusal: String },
}

impl Item {
    fn key(&self) -> (&str, &str) {
        match self {
            Self::Sound { document, .. } => (&document.source.account_id, &document.source.channel_order_id),
            Self::Refused { .. } => ("", ""),
        }
    }

    fn customer(&self) -> Option<Uuid> {
        match self {
            Self::Sound { key, .. } => key.customer,
            Self::Refused { .. } => None,
        }
    }
}

pub(super) fn run(app: &Arc<App>, call: Call, requests: Streaming<ImportOrdersRequest>) -> Out<ImportOrdersResponse> {
    let (batches, checked) = mpsc::channel::<Result<Vec<Item>, Status>>(1);
    let (answers, out) = mpsc::channel::<Result<ImportOrdersResponse, Status>>(BATCH);
    let (lifecycle, task_app) = (app.deps.lifecycle.clone(), app.clone());
    let importing = async move {
        let checking = check_all(&task_app.deps.secrets, &call, requests, batches);
        let writing = write_all(&task_app, &call, checked, answers);
        futures::join!(checking, writing);
    };
    // What it writes belongs to the trace of this call.
    lifecycle.spawn("import orders", importing.in_current_span());
    Box::pin(out)
}

async fn check_all(
    secrets: &Secrets,
    call: &Call,
    requests: Streaming<ImportOrdersRequest>,
    mut batches: mpsc::Sender<Result<Vec<Item>, Status>>,
) {
    let mut chunks = requests.ready_chunks(BATCH);
    while let Some(chunk) = chunks.next().await {
        let mut items = Vec::with_capacity(chunk.len());
        let mut broken = None;
        for request in chunk {
            match request {
                Ok(request) => items.push(check(secrets, call, request)),
                // What came before is still written and answered. After what can't be read nothing can.
                Err(status) => {
                    broken = Some(clear(status));
                    break;
                }
            }
        }
        // The writer is gone only when nobody waits for answers any more.
        if batches.send(Ok(items)).await.is_err() {
            return;
        }
        if let Some(status) = broken {
            drop(batches.send(Err(status)).await);
            return;
        }
    }
}

fn check(secrets: &Secrets, call: &Call, request: ImportOrdersRequest) -> Item {
    let document = request.document.unwrap_or_default();
    let identity = call.identity();
    // A partner's account and channel come from its key, whatever the document says.
    let partner = identity.audience() == Audience::Partner;
    let account = if partner { Some(identity.account.as_deref().unwrap_or_default()) } else { None };
    let channel = if partner { Some(identity.channel) } else { None };
    match Document::check(&document, account, channel) {
        Ok(checked) => {
            let customer = checked
                .customer()
                .map(|customer_ref| source_key(secrets, checked.channel, &checked.source.account_id, customer_ref));
            let key = ImportKey { content_hash: checked.content_hash(), customer };
            Item::Sound { key, document: Box::new(checked), raw: Box::new(document) }
        }
        Err(refusal) => Item::Refused { channel_order_id: shortened(document.channel_order_id), refusal },
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > 200 {
        text.truncate(text.floor_char_boundary(200));
    }
    text
}

async fn write_all(
    app: &App,
    call: &Call,
    mut batches: mpsc::Receiver<Result<Vec<Item>, Status>>,
    mut answers: mpsc::Sender<Result<ImportOrdersResponse, Status>>,
) {
    let mut index = 0;
    while let Some(batch) = batches.next().await {
        let outcome = match batch {
            Ok(items) => write(app, call, &items).await.map_err(Status::from),
            Err(status) => Err(status),
        };
        match outcome {
            Ok(replies) => {
                for reply in replies {
                    let reply = ImportOrdersResponse { index, ..reply };
                    index += 1;
                    if answers.send(Ok(reply)).await.is_err() {
                        return;
                    }
                }
                app.wake.notify_one();
            }
            Err(status) => {
                drop(answers.send(Err(status)).await);
                return;
            }
        }
    }
}

/// One batch. Another stream that brings the same documents may be in the way: then what it wrote is read.
async fn write(app: &App, call: &Call, items: &[Item]) -> Result<Vec<ImportOrdersResponse>, Error> {
    let mut tries = 0;
    loop {
        match write_once(app, call, items).await {
            Err(Error::Contention) if tries < 5 => tries += 1,
            done => return done,
        }
    }
}

/// One transaction: a document that stands twice in it has the effect it would have in two.
async fn write_once(app: &App, call: &Call, items: &[Item]) -> Result<Vec<ImportOrdersResponse>, Error> {
    transaction!(app.deps.db, tx => {
        let mut known = known(&mut tx, items).await?;
        let erased = imports::erased_among(&mut tx, items.iter().filter_map(Item::customer).collect()).await?;
        // In the order of their keys, equal ones as they came: streams that bring the same documents wait for each other, and never
        // in a circle.
        let mut sorted: Vec<(usize, &Item)> = items.iter().enumerate().collect();
        sorted.sort_by_key(|(_, item)| item.key());
        let mut replies = Vec::with_capacity(items.len());
        for (place, item) in sorted {
            replies.push((place, take(&mut tx, call, item, &mut known, &erased).await?));
        }
        replies.sort_by_key(|(place, _)| *place);
        Ok::<_, Error>(replies.into_iter().map(|(_, reply)| reply).collect())
    })
}

type AllKnown = HashMap<(String, String), (OrderId, Known)>;

async fn known(tx: &mut Tx, items: &[Item]) -> Result<AllKnown, Error> {
    let mut by_account: HashMap<&str, Vec<String>> = HashMap::new();
    for item in items {
        if let Item::Sound { document, .. } = item {
            let source = &document.source;
            by_account.entry(&source.account_id).or_default().push(source.channel_order_id.clone());
        }
    }
    let mut all = HashMap::new();
    for (account, ids) in by_account {
        let known = imports::known(tx, account, ids).await?;
        all.extend(known.into_iter().map(|(id, known)| ((account.to_owned(), id), known)));
    }
    Ok(all)
}

async fn take(
    tx: &mut Tx,
    call: &Call,
    item: &Item,
    all: &mut AllKnown,
    erased: &HashSet<Uuid>,
) -> Result<ImportOrdersResponse, Error> {
    let (document, key, raw) = match item {
        Item::Sound { document, key, raw } => (document, *key, raw),
        Item::Refused { channel_order_id, refusal } => {
            return Ok(ImportOrdersResponse {
                channel_order_id: channel_order_id.clone(),
                outcome: ImportOutcome::Refused.into(),
                refusal: refusal.clone(),
                ..ImportOrdersResponse::default()
            });
        }
    };
    let (source, hash) = (&document.source, key.content_hash);
    let natural_key = (source.account_id.clone(), source.channel_order_id.clone());
    let earlier = all.get(&natural_key).copied();
    // Whose customer was erased is taken without them.
    let erased = key.customer.is_some_and(|customer| erased.contains(&customer));
    let answer = |id: OrderId, outcome: ImportOutcome| ImportOrdersResponse {
        channel_order_id: source.channel_order_id.clone(),
        outcome: outcome.into(),
        order_id: id.to_string(),
        ..ImportOrdersResponse::default()
    };
    let now_known = Known { updated_at: source.updated_at, hash };
    let Some((id, _)) = earlier else {
        let id = create(tx, call, document, key, erased).await?;
        all.insert(natural_key, (id, now_known));
        return Ok(answer(id, ImportOutcome::Created));
    };
    match restate(earlier.map(|(_, known)| known), source.updated_at, hash) {
        Restatement::Older => {
            imports::count_stale(tx, id).await?;
            Ok(answer(id, ImportOutcome::Stale))
        }
        Restatement::New | Restatement::Same => {
            if earlier.is_some_and(|(_, known)| known.updated_at < source.updated_at) {
                let mut order = orders::lock(tx, id).await?.ok_or(Error::NoSuchOrder)?;
                if let Some(own) = &mut order.source {
                    own.updated_at = source.updated_at;
                }
                imports::set_time(tx, &order, source.updated_at).await?;
                all.insert(natural_key, (id, now_known));
            }
            Ok(answer(id, ImportOutcome::Unchanged))
        }
        Restatement::Newer => {
            let mut order = orders::lock(tx, id).await?.ok_or(Error::NoSuchOrder)?;
            order.erased |= erased;
            if !replaceable(document, &order) {
                keep_aside(tx, call, order, hash, raw).await?;
                return Ok(answer(id, ImportOutcome::Conflict));
            }
            replace(tx, call, document, &mut order, key).await?;
            all.insert(natural_key, (id, now_known));
            Ok(answer(id, ImportOutcome::Updated))
        }
        Restatement::Conflict => {
            let mut order = orders::lock(tx, id).await?.ok_or(Error::NoSuchOrder)?;
            order.erased |= erased;
            keep_aside(tx, call, order, hash, raw).await?;
            Ok(answer(id, ImportOutcome::Conflict))
        }
    }
}

/// Whether a newer statement can replace what is known: records of the past always. Of a live order amounts and customer can; its
/// goods are bound already, and what it counts as stays: such a statement is for a person. So is one of goods that come back.
fn replaceable(document: &Document, order: &Order) -> bool {
    if !order.returns.is_empty() {
        return false;
    }
    let mode = order.source.as_ref().map(|source| source.mode);
    match (document.source.mode, mode) {
        (ImportMode::Historical, Some(ImportMode::Historical)) => true,
        (ImportMode::Live, Some(ImportMode::Live)) => {
            let untouched = order.state == OrderState::Confirmed && order.lines.iter().all(|line| line.cancelled == 0);
            untouched && document.currency == order.currency && document.has_goods_of(order)
        }
        _ => false,
    }
}

async fn create(tx: &mut Tx, call: &Call, document: &Document, key: ImportKey, erased: bool) -> Result<OrderId, Error> {
    let now = tx.now();
    let live = document.source.mode == ImportMode::Live;
    let id = OrderId::new(now);
    for _ in 0..3 {
        let mut order = document.clone().into_order(id, &OrderNumber::random(), now);
        order.erased = erased;
        order.stay_erased();
        order.imported(&Cause::of(call, now));
        if orders::insert(tx, call, &mut order, None, Some(key), None).await? {
            if live {
                tasks::add(tx, id, TaskKind::Reserve, "").await?;
            }
            return Ok(id);
        }
        let found =
            imports::known(tx, &document.source.account_id, vec![document.source.channel_order_id.clone()]).await?;
        if !found.is_empty() {
            // Another stream was first: the batch is read and taken anew.
            return Err(Error::Contention);
        }
        // The number was taken.
    }
    Err(Error::Contention)
}

async fn replace(
    tx: &mut Tx,
    call: &Call,
    document: &Document,
    order: &mut Order,
    key: ImportKey,
) -> Result<(), Error> {
    let now = tx.now();
    let conflicting = order.source.as_ref().is_some_and(|source| source.conflicting);
    document.clone().replace(order, now);
    if let Some(source) = &mut order.source {
        source.conflicting = conflicting;
    }
    order.imported(&Cause::of(call, now));
    super::save(tx, call, order).await?;
    Ok(imports::set_key(tx, order.id, key).await?)
}

async fn keep_aside(
    tx: &mut Tx,
    call: &Call,
    mut order: Order,
    hash: [u8; 32],
    raw: &ImportDocument,
) -> Result<(), Error> {
    // Of an erased customer's order nothing is kept that could name them.
    let kept = if order.erased { Vec::new() } else { raw.encode_to_vec() };
    let new = imports::add_conflict(tx, order.id, hash, kept).await?;
    if !new {
        return Ok(());
    }
    order.stay_erased();
    if let Some(source) = &mut order.source {
        source.conflicting = true;
    }
    order.imported(&Cause::of(call, tx.now()).because("CONFLICT"));
    debug_assert!(order.changes.iter().all(|change| matches!(change.what, OrderChange::Imported(_))));
    super::save(tx, call, &mut order).await
}

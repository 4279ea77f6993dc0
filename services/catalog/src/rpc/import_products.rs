//! Creates or replaces products: an answer per product, in the order sent.

use std::{collections::BTreeMap, sync::Arc};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use omnimesh_kit::{call::Call, outbox, server::clear, store::Tx, transaction};
use omnimesh_proto::catalog::v1::{ImportOutcome, ImportProductsRequest, ImportProductsResponse, ProductChanged};
use tonic::{Status, Streaming};

use super::State;
use crate::{domain::product::Product, error::Error, store::products};

/// Products of one transaction: those that have arrived, up to this many.
const BATCH: usize = 200;
/// A refused SKU is repeated in the answer up to this length.
const SHOWN: usize = 100;

type Answers = Vec<Result<ImportProductsResponse, Status>>;

/// A product that may be written, with the place of its answer.
struct Valid {
    place: usize,
    product: Product,
    content_hash: String,
}

pub(super) fn run(
    state: Arc<State>,
    call: Call,
    requests: Streaming<ImportProductsRequest>,
) -> BoxStream<'static, Result<ImportProductsResponse, Status>> {
    let batches = requests.enumerate().ready_chunks(BATCH);
    let answers = batches.then(move |batch| {
        let (state, call) = (state.clone(), call.clone());
        async move { import(&state, &call, batch).await }
    });
    answers.flat_map(stream::iter).boxed()
}

async fn import(state: &State, call: &Call, batch: Vec<(usize, Result<ImportProductsRequest, Status>)>) -> Answers {
    let mut answers = Vec::with_capacity(batch.len());
    let mut valid = Vec::with_capacity(batch.len());
    let mut broken = None;
    for (index, message) in batch {
        let sent = match message {
            Ok(message) => message.product.unwrap_or_default(),
            // The stream itself is broken: what came before is answered first.
            Err(status) => {
                broken = Some(clear(status));
                break;
            }
        };
        let mut answer = ImportProductsResponse {
            index: i64::try_from(index).unwrap_or(i64::MAX),
            sku: sent.sku.chars().take(SHOWN).collect(),
            ..ImportProductsResponse::default()
        };
        match Product::from_proto(&sent) {
            Ok(product) => valid.push(Valid { place: answers.len(), content_hash: product.content_hash(), product }),
            Err(fault) => {
                answer.set_outcome(ImportOutcome::Refused);
                answer.refusal = fault.message().to_owned();
            }
        }
        answers.push(answer);
    }
    let written = transaction!(state.db, tx => { write(&mut tx, call, &valid).await });
    match written {
        Ok(outcomes) => {
            for (valid, outcome) in valid.iter().zip(outcomes) {
                if let Some(answer) = answers.get_mut(valid.place) {
                    answer.set_outcome(outcome);
                }
            }
            answers.into_iter().map(Ok).chain(broken.map(Err)).collect()
        }
        // Nothing of this batch was written; the client sees where the answers end.
        Err(error) => vec![Err(error.into())],
    }
}

async fn write(tx: &mut Tx, call: &Call, valid: &[Valid]) -> Result<Vec<ImportOutcome>, Error> {
    let mut skus: Vec<String> = valid.iter().map(|valid| valid.product.sku.clone()).collect();
    skus.sort();
    skus.dedup();
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    let before = products::lock_hashes(tx, skus).await?;
    let mut now: BTreeMap<&str, &str> = before.iter().map(|(sku, hash)| (sku.as_str(), hash.as_str())).collect();
    let mut last = BTreeMap::new();
    let mut outcomes = Vec::with_capacity(valid.len());
    for valid in valid {
        let (sku, hash) = (valid.product.sku.as_str(), valid.content_hash.as_str());
        outcomes.push(match now.insert(sku, hash) {
            None => ImportOutcome::Created,
            Some(known) if known == hash => ImportOutcome::Unchanged,
            Some(_) => ImportOutcome::Updated,
        });
        last.insert(sku, (&valid.product, hash));
    }
    // A SKU that comes several times is written once, as it came last.
    last.retain(|sku, (_, hash)| before.get(*sku).is_none_or(|known| known != hash));
    if last.is_empty() {
        return Ok(outcomes);
    }
    let changed: Vec<_> = last.into_values().collect();
    for (sku, version) in products::write(tx, &changed).await? {
        outbox::append(tx, call, &format!("product:{sku}"), version, &ProductChanged { sku: sku.clone() }).await?;
    }
    Ok(outcomes)
}

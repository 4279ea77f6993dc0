//! GetCustomerView: the whole customer at a glance, from this service's database alone.

use std::collections::HashSet;

use omnimesh_kit::{call::Call, clock::Timestamp, customers, error::Fault};
use omnimesh_proto::{
    carts::v1::{CartState, CartSummary},
    common::v1::contact::Value,
    profiles::v1::{Consent, GetCustomerViewRequest, GetCustomerViewResponse},
};
use tonic::Response;
use uuid::Uuid;

use super::{App, customer};
use crate::{
    error::Error,
    identity::{fold, suggestions},
    store::{consents, timeline, view},
};

const CONSENTS: usize = 50;
const ORDERS: i64 = 20;
const INTERACTIONS: i64 = 20;
const SUGGESTIONS: usize = 10;

pub(super) async fn run(
    app: &App,
    call: Call,
    request: GetCustomerViewRequest,
) -> Result<Response<GetCustomerViewResponse>, Error> {
    let mut conn = app.db.read().await?;
    let root = customer(&mut conn, &call, &request.profile_id).await?;
    let profile = fold::with_splits(&mut conn, root, false).await?;
    let profile = profile.ok_or_else(|| Fault::not_found("profile", root.to_string()))?;
    let members = customers::members(&mut conn, root).await?;
    let newest = (Timestamp::from_micros(i64::MAX), Uuid::max());
    let said = consents::of_profiles(&mut conn, &members, None, newest, 1_000).await?;
    let interactions =
        timeline::interactions(&mut conn, &members, &timeline::Filter::all(), newest, INTERACTIONS).await?;
    Ok(Response::new(GetCustomerViewResponse {
        profile: Some(profile),
        consents: latest(said.into_iter().map(|(.., consent)| consent)),
        carts: one_per_currency(view::carts(&mut conn, &members).await?),
        open_orders: view::open_orders(&mut conn, &members, ORDERS).await?,
        interactions: interactions.into_iter().map(|(.., interaction)| interaction).collect(),
        suggestions: suggestions::open_of(app, &mut conn, root, SUGGESTIONS).await?,
    }))
}

/// The latest of each address, purpose and channel.
fn latest(newest_first: impl Iterator<Item = Consent>) -> Vec<Consent> {
    let mut seen = HashSet::new();
    let fresh = newest_first.filter(|consent| {
        let address = consent.address.as_ref().and_then(|address| address.value.as_ref());
        let address = address.map(|address| match address {
            Value::Email(text) | Value::Phone(text) => text.clone(),
        });
        seen.insert((address, consent.purpose, consent.channel))
    });
    fresh.take(CONSENTS).collect()
}

/// Of several in one currency the one that is open for changes, and of these the one changed last.
fn one_per_currency(mut last_changed_first: Vec<CartSummary>) -> Vec<CartSummary> {
    last_changed_first.sort_by_key(|cart| cart.state() != CartState::Active);
    let mut seen = HashSet::new();
    last_changed_first
        .retain(|cart| seen.insert(cart.total.as_ref().map(|total| total.currency_code.clone()).unwrap_or_default()));
    last_changed_first
}

//! What is available of SKUs.

use std::collections::BTreeSet;

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::{
    access::v1::Audience,
    catalog::v1::{Availability, GetAvailabilityRequest, GetAvailabilityResponse},
    common::v1::Channel,
};
use tonic::Response;

use super::{State, is_back_office, is_own};
use crate::{
    domain::check,
    error::Error,
    store::{locations, settings, stock},
};

const MAX: usize = 200;
/// What is said of goods that are not counted: as many as one line may ask for.
const PLENTY: i64 = 1_000_000;

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: GetAvailabilityRequest,
) -> Result<Response<GetAvailabilityResponse>, Error> {
    let mut v = Violations::new();
    v.check("skus", (1..=MAX).contains(&request.skus.len()), format!("must be 1 to {MAX}"));
    for sku in request.skus.iter().take(MAX) {
        check::sku(&mut v, "skus", sku);
    }
    v.check(
        "channel",
        Channel::try_from(request.channel).is_ok(),
        "must be a known channel, or unspecified for every location",
    );
    v.check("location_ids", request.location_ids.len() <= 1_000, "must be at most 1000");
    v.finish()?;

    let back_office = is_back_office(call);
    // A customer's channel comes from the credential, never from the message.
    let channel = if back_office { request.channel } else { call.identity().channel };
    let mut conn = state.db.read().await?;
    let mut sources = settings::sources(&mut conn, channel).await?.all;
    if !request.location_ids.is_empty() {
        sources.retain(|source| request.location_ids.contains(source));
    }
    // A partner sees the parts of what it counts itself, and nothing of what other partners count.
    let mut partners = BTreeSet::new();
    if !back_office && call.identity().audience() == Audience::Partner {
        let mut foreign = BTreeSet::new();
        for (location, _) in locations::search(&mut conn, None, false, None).await? {
            if is_own(call, &location.account_id) {
                partners.insert(location.location_id);
            } else if !location.account_id.is_empty() {
                foreign.insert(location.location_id);
            }
        }
        sources.retain(|source| !foreign.contains(source));
    }
    let supply = stock::supply(&mut conn, request.skus.clone(), state.clock.now()).await?;
    let availabilities = request.skus.into_iter().map(|sku| {
        let held = supply.get(&sku);
        let own =
            || held.into_iter().flat_map(|held| &held.levels).filter(|(level, _)| sources.contains(&level.location_id));
        let levels = match back_office {
            true => own().map(|(level, _)| level.to_proto()).collect(),
            false => own()
                .filter(|(level, pickup)| *pickup || partners.contains(&level.location_id))
                .map(|(level, _)| match partners.contains(&level.location_id) {
                    true => level.to_proto(),
                    false => level.to_public_proto(),
                })
                .collect(),
        };
        let stock_counted = !held.is_some_and(|held| held.uncounted);
        let available = if stock_counted { own().map(|(level, _)| level.available()).sum() } else { PLENTY };
        Availability { sku, available, levels, stock_counted, known: held.is_some() }
    });
    Ok(Response::new(GetAvailabilityResponse { availabilities: availabilities.collect() }))
}

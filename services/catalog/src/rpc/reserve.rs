//! Reserves all lines or none.

use std::{collections::BTreeSet, time::Duration};

use omnimesh_kit::{call::Call, clock::Timestamp, store::Tx, transaction, validate::Violations};
use omnimesh_proto::{
    catalog::v1::{ReservationState, ReserveRequest, ReserveResponse},
    common::v1::Channel,
};
use sha2::{Digest as _, Sha256};
use tonic::Response;

use super::{State, owner};
use crate::{
    domain::{
        allocation::{Plan, Supply, Wanted, plan},
        check,
        product::hex,
        reservation::{Allocation, Reservation},
    },
    error::{Error, Lack},
    ledger::{self, Leave},
    store::{reservations, settings, stock},
};

const DEFAULT_HOLD: Duration = Duration::from_secs(15 * 60);
const LONGEST_HOLD: Duration = Duration::from_secs(30 * 24 * 3600);
const MAX_LINES: usize = 500;
/// A plan on rows that are locked can't go stale, so more tries are never needed: one as hoped, one after a sweep, one locked.
const TRIES: usize = 4;

/// What was asked for, checked.
struct Demand {
    owner_id: String,
    channel: i32,
    wanted: Vec<Wanted>,
    lines_hash: String,
    expires_at: Timestamp,
    allow_shortfall: bool,
}

impl Demand {
    fn skus(&self) -> Vec<String> {
        let skus: BTreeSet<_> = self.wanted.iter().map(|line| line.sku.clone()).collect();
        skus.into_iter().collect()
    }
}

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: ReserveRequest,
) -> Result<Response<ReserveResponse>, Error> {
    let demand = validate(request, state.clock.now())?;
    let mut lock = false;
    for _ in 0..TRIES {
        let tried = transaction!(state.db, tx => { reserve(&mut tx, call, &demand, lock).await });
        match tried {
            Ok(reservation) => {
                let reservation = Some(reservation.to_proto(state.clock.now()));
                return Ok(Response::new(ReserveResponse { reservation }));
            }
            // Others were faster than the plan: the next one is made on rows that nobody else can change.
            Err(Error::PlanStale) => lock = true,
            Err(Error::SweepFirst) => {
                let owners = {
                    let mut conn = state.db.read().await?;
                    reservations::expired_of(&mut conn, state.clock.now(), demand.skus()).await?
                };
                ledger::expire(&state.db, call, &owners).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::PlanStale)
}

fn validate(request: ReserveRequest, now: Timestamp) -> Result<Demand, Error> {
    let mut v = Violations::new();
    let owner_id = owner(&mut v, &request.owner_id);
    v.check(
        "channel",
        Channel::try_from(request.channel).is_ok(),
        "must be a known channel, or unspecified for every location",
    );
    v.check("lines", (1..=MAX_LINES).contains(&request.lines.len()), format!("must be 1 to {MAX_LINES}"));
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::new();
    for (index, line) in request.lines.iter().take(MAX_LINES).enumerate() {
        let field = |name: &str| format!("lines[{index}].{name}");
        let line_id = v.text(&field("line_id"), &line.line_id, 1..=128);
        v.check(field("line_id"), seen.insert(&line.line_id), "must differ from the other lines'");
        let sku = check::sku(&mut v, &field("sku"), &line.sku);
        let quantity = v.range(&field("quantity"), line.quantity, 1..=1_000_000);
        let location_id = match line.location_id.as_str() {
            "" => Some(None),
            id => check::slug(&mut v, &field("location_id"), id).map(Some),
        };
        if let (Some(line_id), Some(sku), Some(quantity), Some(location_id)) = (line_id, sku, quantity, location_id) {
            wanted.push(Wanted { line_id, sku, quantity, location_id });
        }
    }
    let expires_at = match &request.expire_time {
        None => Some(now.plus(DEFAULT_HOLD)),
        Some(_) => v.timestamp("expire_time", request.expire_time.as_ref()),
    };
    let in_range = expires_at.is_none_or(|at| now < at && at <= now.plus(LONGEST_HOLD));
    v.check("expire_time", in_range, "must lie in the future, at most 30 days");
    let (owner_id, expires_at) = v.finish_with((owner_id, expires_at))?;
    let content = serde_json::to_vec(&(request.channel, &wanted)).map_err(omnimesh_kit::error::Fault::internal)?;
    let lines_hash = hex(&Sha256::digest(content));
    let (channel, allow_shortfall) = (request.channel, request.allow_shortfall);
    Ok(Demand { owner_id, channel, wanted, lines_hash, expires_at, allow_shortfall })
}

async fn reserve(tx: &mut Tx, call: &Call, demand: &Demand, lock: bool) -> Result<Reservation, Error> {
    let mut reservation = Reservation {
        owner_id: demand.owner_id.clone(),
        state: ReservationState::Held,
        lines_hash: demand.lines_hash.clone(),
        expires_at: demand.expires_at,
        shortages: Vec::new(),
        allocations: Vec::new(),
    };
    let began = reservations::insert(tx, &reservation).await?;
    if !began && let Some(known) = begun_before(tx, call, demand).await? {
        return Ok(known);
    }
    let skus = demand.skus();
    if lock {
        stock::lock(tx, skus.clone()).await?;
    }
    let now = tx.now();
    let supply = stock::supply(tx, skus, now).await?;
    if supply.values().any(|held| held.has_expired) {
        return Err(Error::SweepFirst);
    }
    let sources = settings::sources(tx, demand.channel).await?;
    let supplies = supply.iter().map(|(sku, held)| (sku.clone(), held.supply())).collect();
    let plan = plan(&demand.wanted, &sources, supplies);
    if !plan.shortages.is_empty() && !demand.allow_shortfall {
        return Err(refusal(demand, &plan, |sku| supply.get(sku).map(stock::Held::supply)));
    }
    ledger::hold(tx, call, &plan.demand()).await?;
    reservations::add_allocations(tx, &demand.owner_id, &plan.picks).await?;
    reservation.allocations = plan.picks.iter().map(Allocation::from).collect();
    // As it is read.
    reservation
        .allocations
        .sort_by(|a, b| (&a.sku, &a.location_id, &a.line_id).cmp(&(&b.sku, &b.location_id, &b.line_id)));
    if !began || !plan.shortages.is_empty() {
        reservation.shortages = plan.shortages;
        reservations::update(tx, &reservation).await?;
    }
    Ok(reservation)
}

/// What the owner's earlier reservation means: the same answer again, a refusal, or `None` to begin anew because it ran out.
async fn begun_before(tx: &mut Tx, call: &Call, demand: &Demand) -> Result<Option<Reservation>, Error> {
    let owner_id = || demand.owner_id.clone();
    let mut known = reservations::lock(tx, &demand.owner_id).await?.ok_or(Error::PlanStale)?;
    let now = tx.now();
    match known.state_at(now) {
        // What was given back stays so: a late repetition of the request must not reserve for an order that is gone.
        ReservationState::Released => Err(Error::ReservationLost(owner_id())),
        ReservationState::Expired => {
            ledger::leave(tx, call, &mut known, &[], Leave::Expire).await?;
            reservations::clear_allocations(tx, &demand.owner_id).await?;
            Ok(None)
        }
        _ if known.lines_hash != demand.lines_hash => Err(Error::ReservationDiffers(owner_id())),
        _ => Ok(Some(known)),
    }
}

fn refusal(demand: &Demand, plan: &Plan, supply: impl Fn(&str) -> Option<Supply>) -> Error {
    let short: BTreeSet<_> = plan.shortages.iter().map(|shortage| shortage.sku.as_str()).collect();
    if let Some(unknown) = short.iter().find(|sku| supply(sku).is_none()) {
        return Error::NotFound("product", (*unknown).to_owned());
    }
    let lacks = short.into_iter().map(|sku| {
        let asked = demand.wanted.iter().filter(|line| line.sku == sku).map(|line| line.quantity).sum::<i64>();
        let missing =
            plan.shortages.iter().filter(|shortage| shortage.sku == sku).map(|shortage| shortage.missing).sum::<i64>();
        Lack { sku: sku.to_owned(), asked, available: asked - missing }
    });
    Error::OutOfStock(lacks.collect())
}

//! Locations near a point or in a city, open now, with stock for a cart.

use std::collections::BTreeMap;

use omnimesh_kit::{
    call::Call,
    page::{PageToken, page_size},
    text::fold,
    validate::Violations,
};
use omnimesh_proto::{
    carts::v1::{Cart, GetCartRequest, cart_service_client::CartServiceClient},
    catalog::v1::{FoundLocation, ListLocationsRequest, ListLocationsResponse},
    common::v1::Cursor,
};
use prost::Message as _;
use tonic::Response;

use super::{State, is_back_office};
use crate::{
    domain::{check, geo::Point, hours, location::Location},
    error::Error,
    store::{locations, settings, stock},
};

const DEFAULT_RADIUS: i32 = 50_000;
/// Half of the earth's circumference: everywhere.
const MAX_RADIUS: i64 = 20_020_000;

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: ListLocationsRequest,
) -> Result<Response<ListLocationsResponse>, Error> {
    let near = validate(&request)?;
    let size = usize::try_from(page_size(request.page_size, 20, 100)?).unwrap_or(usize::MAX);
    let (principal, filter) = (call.principal(), filter_bytes(&request));
    let cursor = PageToken::open(&state.secrets, &principal, &filter, &request.page_token)?;
    let radius = if request.radius_meters == 0 { DEFAULT_RADIUS } else { request.radius_meters };

    // Asked before any connection is taken: no call to another service holds one.
    let cart = match request.cart_id.as_str() {
        "" => None,
        id => Some(cart_of(state, call, id).await?),
    };
    let mut conn = state.db.read().await?;
    let city = Some(fold(&request.city)).filter(|city| !city.is_empty());
    let latitudes = near.map(|near| near.latitudes_within(radius));
    let candidates = locations::search(&mut conn, city, request.offers_pickup, latitudes).await?;
    let stocked = match &cart {
        Some(cart) => Some(Stocked::of(state, &mut conn, cart).await?),
        None => None,
    };
    drop(conn);

    let now = state.clock.now();
    let mut found: Vec<(i32, Location, i64, bool)> = candidates
        .into_iter()
        .filter(|(location, _)| stocked.as_ref().is_none_or(|stocked| stocked.has_all(&location.location_id)))
        .filter_map(|(location, version)| {
            let distance = match near {
                Some(near) => location.point().map(|point| near.metres_to(point)).filter(|metres| *metres <= radius)?,
                None => 0,
            };
            let open = hours::is_open(&location.hours, &location.time_zone, now);
            (open || !request.open_now).then_some((distance, location, version, open))
        })
        .collect();
    found.sort_by(|a, b| key(a).cmp(&key(b)));
    if let [distance, id] = cursor.keys.as_slice() {
        let last = (distance.parse().unwrap_or(i32::MAX), id.as_str());
        found.retain(|item| key(item) > last);
    }
    let more = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| more).map(|(distance, location, ..)| Cursor {
        keys: vec![distance.to_string(), location.location_id.clone()],
        ..Cursor::default()
    });
    let next_page_token = last.map(|cursor| PageToken::seal(&state.secrets, &principal, &filter, &cursor));
    let back_office = is_back_office(call);
    let locations = found.into_iter().map(|(distance, location, version, open_now)| FoundLocation {
        location: Some(if back_office { location.to_proto(version) } else { location.to_public_proto(version) }),
        distance_meters: near.map(|_| distance),
        open_now,
    });
    Ok(Response::new(ListLocationsResponse {
        locations: locations.collect(),
        next_page_token: next_page_token.unwrap_or_default(),
    }))
}

fn validate(request: &ListLocationsRequest) -> Result<Option<Point>, Error> {
    let mut v = Violations::new();
    let near = request.near.map(|at| Point::new(at.latitude, at.longitude));
    v.check("near", near != Some(None), "must have a latitude from -90 to 90 and a longitude from -180 to 180");
    v.range("radius_meters", request.radius_meters, 0..=MAX_RADIUS);
    check::free(&mut v, "city", &request.city, 0..=200);
    check::free(&mut v, "cart_id", &request.cart_id, 0..=64);
    v.finish()?;
    Ok(near.flatten())
}

fn key<V, O>(item: &(i32, Location, V, O)) -> (i32, &str) {
    (item.0, item.1.location_id.as_str())
}

fn filter_bytes(request: &ListLocationsRequest) -> Vec<u8> {
    let asked = ListLocationsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    [b"ListLocations".to_vec(), asked.encode_to_vec()].concat()
}

/// Asked on the caller's behalf: carts gives it only to those whose it is.
async fn cart_of(state: &State, call: &Call, cart_id: &str) -> Result<Cart, Error> {
    let mut carts = CartServiceClient::new(state.links.to("carts", call));
    let answer = carts.get_cart(GetCartRequest { cart_id: cart_id.to_owned() }).await?;
    Ok(answer.into_inner().cart.unwrap_or_default())
}

/// Which locations have every line of a cart.
struct Stocked {
    sources: Vec<String>,
    wanted: BTreeMap<String, i64>,
    supply: BTreeMap<String, stock::Held>,
}

impl Stocked {
    async fn of(state: &State, conn: &mut omnimesh_kit::store::Conn, cart: &Cart) -> Result<Self, Error> {
        let mut wanted = BTreeMap::<String, i64>::new();
        for line in &cart.lines {
            let sum = wanted.entry(line.sku.clone()).or_default();
            *sum = sum.saturating_add(line.quantity);
        }
        let sources = settings::sources(conn, cart.channel).await?.all;
        let supply = stock::supply(conn, wanted.keys().cloned().collect(), state.clock.now()).await?;
        Ok(Self { sources, wanted, supply })
    }

    fn has_all(&self, location_id: &str) -> bool {
        let has = |(sku, quantity): (&String, &i64)| {
            self.supply.get(sku).is_some_and(|held| {
                held.uncounted
                    || held
                        .levels
                        .iter()
                        .any(|(level, _)| level.location_id == location_id && level.available() >= *quantity)
            })
        };
        self.sources.iter().any(|source| source == location_id) && self.wanted.iter().all(has)
    }
}

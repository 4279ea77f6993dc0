//! SetDelivery: shipped to an address, or picked up in a store.

use omnimesh_kit::{call::Call, clock::Timestamp, idempotency::Once, private::Private, validate::Violations};
use omnimesh_proto::{
    carts::v1::{PickupChoice, SetDeliveryRequest, SetDeliveryResponse, ShippingChoice, set_delivery_request::Choice},
    catalog::v1::{GetLocationRequest, location_service_client::LocationServiceClient},
};
use tonic::{Code, Response};

use super::{
    Carts,
    change::{Edit, Effect, change, expect_cart, or_stored},
    find::Which,
};
use crate::{
    domain::{Cart, Refusal, address::Address, country::is_country, delivery::Delivery},
    error::Error,
    store,
};

pub(crate) async fn set_delivery(
    carts: &Carts,
    call: &Call,
    request: SetDeliveryRequest,
) -> Result<Response<SetDeliveryResponse>, Error> {
    let once = Once::new(call, "carts.v1.CartService/SetDelivery", &request.request_id, &request)?;
    let mut v = Violations::new();
    let id = v.parse_optional("cart_id", &request.cart_id);
    let expected = v.range("expected_version", request.expected_version, 1..=i64::MAX);
    let choice = check(&mut v, request.choice.as_ref());
    let (id, expected, choice) = v.finish_with((id, expected, choice))?;
    let which = Which::cart(id);
    let delivery = async {
        expect_cart(carts, call, which).await?;
        resolve(carts, call, choice).await
    };
    let edit = match delivery.await {
        Ok(delivery) => SetDelivery { delivery, expected },
        Err(error) => return Ok(or_stored(carts, &once, Err(error)).await?.reply.into_response()),
    };
    Ok(change(carts, call, &once, which, None, &edit).await?.reply.into_response())
}

/// A choice whose fields are right.
enum Checked {
    Ship(Address, String),
    Pickup(String),
}

fn check(v: &mut Violations, choice: Option<&Choice>) -> Option<Checked> {
    match v.required("choice", choice)? {
        Choice::Shipping(ShippingChoice { address, shipping_method_id }) => {
            let address = Address::check(v, "shipping.address", address.as_ref());
            let method = v.text("shipping.shipping_method_id", shipping_method_id, 1..=64);
            Some(Checked::Ship(address?, method?))
        }
        Choice::Pickup(PickupChoice { location_id }) => {
            v.text("pickup.location_id", location_id, 1..=64).map(Checked::Pickup)
        }
    }
}

/// Finds what the choice names.
async fn resolve(carts: &Carts, call: &Call, choice: Checked) -> Result<Delivery, Error> {
    let unavailable = |reason: String| Error::Refusal(Refusal::Delivery(reason));
    match choice {
        Checked::Ship(address, id) => {
            let method = store::method(&mut carts.deps.db.read().await?, &id).await?;
            let method = method.ok_or_else(|| unavailable(format!("there is no shipping method {id}")))?;
            Ok(Delivery::Ship { address: Private::new(address), method })
        }
        Checked::Pickup(id) => {
            let mut catalog = LocationServiceClient::new(carts.deps.links.to("catalog", call).idempotent());
            let found = catalog.get_location(GetLocationRequest { location_id: id.clone() }).await;
            let location = match found {
                Ok(found) => found.into_inner().location,
                Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => None,
                Err(status) => return Err(Error::Upstream("catalog", status)),
            };
            let location = location.ok_or_else(|| unavailable(format!("there is no store {id}")))?;
            if !location.offers_pickup {
                return Err(unavailable(format!("the store {id} does not offer pickup")));
            }
            let country = location.address.map(|address| address.country_code).filter(|code| is_country(code));
            Ok(Delivery::Pickup { location: id, country: country.unwrap_or_default() })
        }
    }
}

struct SetDelivery {
    delivery: Delivery,
    expected: i64,
}

impl Edit for SetDelivery {
    fn apply(&self, cart: &mut Cart, _now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        cart.expect_active()?;
        cart.expect_version(self.expected)?;
        cart.body.delivery = Some(self.delivery.clone());
        Ok(vec![Effect::Changed])
    }

    fn check(&self, cart: &Cart) -> Result<(), Refusal> {
        let problem = cart.body.quote.delivery.problem.clone();
        problem.map_or(Ok(()), |problem| Err(Refusal::Delivery(problem)))
    }
}

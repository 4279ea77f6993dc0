//! UpsertShippingMethod and ListShippingMethods.

use std::collections::BTreeMap;

use omnimesh_kit::{call::Call, idempotency::Once, money::Money, validate::Violations};
use omnimesh_proto::{
    carts::v1::{
        self as proto, ListShippingMethodsRequest, ListShippingMethodsResponse, UpsertShippingMethodRequest,
        UpsertShippingMethodResponse,
    },
    common::v1,
};
use tonic::Response;

use super::{Carts, view};
use crate::{
    domain::{country::is_country, delivery::ShippingMethod},
    error::Error,
    store,
};

const MAX_DAYS: i64 = 365;

pub(crate) async fn upsert_shipping_method(
    carts: &Carts,
    call: &Call,
    request: UpsertShippingMethodRequest,
) -> Result<Response<UpsertShippingMethodResponse>, Error> {
    let once = Once::new(call, "carts.v1.ShippingService/UpsertShippingMethod", &request.request_id, &request)?;
    let mut v = Violations::new();
    let method = v.required("shipping_method", request.shipping_method.as_ref());
    let method = method.and_then(|method| check(&mut v, method));
    let (method,) = v.finish_with((method,))?;
    let reply = omnimesh_kit::once!(carts.deps.db, once, tx => {
        store::upsert_method(&mut tx, &method, carts.deps.clock.now()).await?;
        let shipping_method = Some(view::shipping_method(&method));
        Ok::<UpsertShippingMethodResponse, Error>(UpsertShippingMethodResponse { shipping_method })
    })?;
    Ok(reply.into_response())
}

pub(crate) async fn list_shipping_methods(
    carts: &Carts,
    _call: &Call,
    request: ListShippingMethodsRequest,
) -> Result<Response<ListShippingMethodsResponse>, Error> {
    let country = request.country_code;
    let mut v = Violations::new();
    v.check("country_code", country.is_empty() || is_country(&country), "must be an ISO 3166-1 alpha-2 code or empty");
    v.finish()?;
    let methods = store::methods(&mut carts.deps.db.read().await?).await?;
    // Whoever asks for a country wants to choose; the whole list is for those who look after it.
    let wanted = methods.iter().filter(|m| country.is_empty() || !m.discontinued && m.countries.contains(&country));
    Ok(Response::new(ListShippingMethodsResponse { shipping_methods: wanted.map(view::shipping_method).collect() }))
}

fn check(v: &mut Violations, method: &proto::ShippingMethod) -> Option<ShippingMethod> {
    let at = |name: &str| format!("shipping_method.{name}");
    let id = &method.shipping_method_id;
    let letters = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let known = (1..=64).contains(&id.len()) && letters;
    v.check(at("shipping_method_id"), known, "must have 1 to 64 lower-case letters, digits and hyphens");
    let name = v.text(&at("name"), &method.name, 1..=100);
    v.check(at("country_codes"), !method.country_codes.is_empty(), "must name at least one country");
    let countries = method.country_codes.iter().all(|code| is_country(code));
    v.check(at("country_codes"), countries, "must be ISO 3166-1 alpha-2 codes");
    v.check(at("fees"), !method.fees.is_empty(), "must have a fee in at least one currency");
    let fees = amounts(v, &at("fees"), &method.fees);
    let free_from = amounts(v, &at("free_from"), &method.free_from);
    let min_days = v.range(&at("min_days"), method.min_days, 0..=MAX_DAYS);
    let max_days = v.range(&at("max_days"), method.max_days, 0..=MAX_DAYS);
    v.check(at("max_days"), method.max_days >= method.min_days, "must not be less than min_days");
    let category = if method.tax_category.is_empty() { "standard" } else { &method.tax_category };
    let tax_category = v.text(&at("tax_category"), category, 1..=64);
    min_days.zip(max_days)?;
    Some(ShippingMethod {
        id: id.clone(),
        name: name?,
        countries: method.country_codes.iter().cloned().collect(),
        fees: fees?,
        free_from: free_from?,
        min_days: method.min_days,
        max_days: method.max_days,
        tax_category: tax_category?,
        discontinued: method.discontinued,
    })
}

/// Amounts that are charged or compared, one per currency.
fn amounts(v: &mut Violations, field: &str, amounts: &[v1::Money]) -> Option<BTreeMap<String, Money>> {
    let mut found = BTreeMap::new();
    for amount in amounts {
        let amount = v.money(field, Some(amount))?;
        v.check(field, !amount.is_negative() && amount.is_on_minor(), "must not be negative, in whole minor units");
        let twice = found.insert(amount.currency.code().to_owned(), amount).is_some();
        v.check(field, !twice, "must have one amount per currency");
    }
    Some(found)
}

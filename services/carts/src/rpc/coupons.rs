//! UpsertCoupon and ListCoupons.

use std::collections::BTreeSet;

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    idempotency::Once,
    money::Money,
    page::{PageToken, page_size},
    validate::Violations,
};
use omnimesh_proto::{
    carts::v1::{
        self as proto, ListCouponsRequest, ListCouponsResponse, UpsertCouponRequest, UpsertCouponResponse,
        coupon::Benefit as ProtoBenefit,
    },
    common::v1::{Channel, Cursor},
};
use tonic::Response;

use super::{Carts, view};
use crate::{
    domain::coupon::{Benefit, Coupon, canonical_code},
    error::Error,
    store,
};

const FILTER: &[u8] = b"carts.v1.CouponService/ListCoupons";
const MAX_SKUS: usize = 1_000;

pub(crate) async fn upsert_coupon(
    carts: &Carts,
    call: &Call,
    request: UpsertCouponRequest,
) -> Result<Response<UpsertCouponResponse>, Error> {
    let once = Once::new(call, "carts.v1.CouponService/UpsertCoupon", &request.request_id, &request)?;
    let mut v = Violations::new();
    let coupon = v.required("coupon", request.coupon.as_ref());
    let coupon = coupon.and_then(|coupon| check(&mut v, coupon));
    let (coupon,) = v.finish_with((coupon,))?;
    let reply = omnimesh_kit::once!(carts.deps.db, once, tx => {
        store::upsert_coupon(&mut tx, &coupon, carts.deps.clock.now()).await?;
        Ok::<UpsertCouponResponse, Error>(UpsertCouponResponse { coupon: Some(view::coupon(&coupon)) })
    })?;
    Ok(reply.into_response())
}

pub(crate) async fn list_coupons(
    carts: &Carts,
    call: &Call,
    request: ListCouponsRequest,
) -> Result<Response<ListCouponsResponse>, Error> {
    let size = page_size(request.page_size, 50, 200)?;
    let secrets = &carts.deps.secrets;
    let cursor = PageToken::open(secrets, &call.principal(), FILTER, &request.page_token)?;
    let after = cursor.keys.first().map_or("", String::as_str);
    let mut coupons = store::coupons(&mut carts.deps.db.read().await?, after, size + 1).await?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = coupons.len() > size;
    coupons.truncate(size);
    let last = coupons.last().filter(|_| more).map(|coupon| coupon.code.clone());
    let next_page_token = last.map_or_else(String::new, |code| {
        let cursor = Cursor { keys: vec![code], ..Cursor::default() };
        PageToken::seal(secrets, &call.principal(), FILTER, &cursor)
    });
    Ok(Response::new(ListCouponsResponse { coupons: coupons.iter().map(view::coupon).collect(), next_page_token }))
}

fn check(v: &mut Violations, coupon: &proto::Coupon) -> Option<Coupon> {
    let code = canonical_code(&coupon.code);
    v.check("coupon.code", code.is_some(), "must have 3 to 32 letters, digits and hyphens");
    let benefit = match v.required("coupon.benefit", coupon.benefit.as_ref()) {
        Some(ProtoBenefit::PercentPpm(ppm)) => {
            v.range("coupon.percent_ppm", *ppm, 1..=1_000_000).map(Benefit::PercentPpm)
        }
        Some(ProtoBenefit::Amount(amount)) => {
            let amount = v.money("coupon.amount", Some(amount));
            let charged = amount.filter(|amount| amount.micros > 0 && amount.is_on_minor());
            v.check("coupon.amount", amount.is_none() || charged.is_some(), "must be over zero, in whole minor units");
            charged.map(Benefit::Amount)
        }
        None => None,
    };
    let minimum = coupon.minimum.as_ref().map(|minimum| v.money("coupon.minimum", Some(minimum)));
    let negative = minimum.flatten().is_some_and(Money::is_negative);
    v.check("coupon.minimum", !negative, "must not be negative");
    v.check("coupon.skus", coupon.skus.len() <= MAX_SKUS, format!("must be at most {MAX_SKUS}"));
    let skus: Vec<_> = coupon.skus.iter().take(MAX_SKUS).map(|sku| v.text("coupon.skus", sku, 1..=64)).collect();
    let channels: Vec<_> = coupon
        .channels
        .iter()
        .take(100)
        .map(|channel| v.choice::<Channel>("coupon.channels", *channel).map(i32::from))
        .collect();
    let mut time = |field, time: Option<&prost_types::Timestamp>| time.map(|time| v.timestamp(field, Some(time)));
    let starts_at = time("coupon.start_time", coupon.start_time.as_ref());
    let ends_at = time("coupon.end_time", coupon.end_time.as_ref());
    if let (Some(Some(start)), Some(Some(end))) = (starts_at, ends_at) {
        v.check("coupon.end_time", start < end, "must be after start_time");
    }
    Some(Coupon {
        code: code?,
        benefit: benefit?,
        minimum: given(minimum)?,
        skus: skus.into_iter().collect::<Option<BTreeSet<_>>>()?,
        channels: channels.into_iter().collect::<Option<BTreeSet<_>>>()?,
        starts_at: given::<Timestamp>(starts_at)?,
        ends_at: given::<Timestamp>(ends_at)?,
        combinable: coupon.combinable,
    })
}

/// An optional field: absent is fine, wrong is not.
fn given<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    match field {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

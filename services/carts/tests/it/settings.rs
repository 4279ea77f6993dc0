//! Coupons and shipping methods are kept and listed.

use omnimesh_proto::{
    access::v1::Audience,
    carts::v1::{
        Coupon, ListCouponsRequest, ListShippingMethodsRequest, ShippingMethod, UpsertCouponRequest,
        UpsertShippingMethodRequest, coupon::Benefit, coupon_service_client::CouponServiceClient,
        shipping_service_client::ShippingServiceClient,
    },
    common::v1::Money,
};
use tonic_types::StatusExt as _;

use crate::{
    on_both,
    world::{World, call, guest, reason},
};

async fn coupons_are_listed_by_page(world: &World) {
    let staff = call(Audience::Staff, None);
    let mut coupons = CouponServiceClient::new(world.links.to("carts", &staff));
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = coupons.list_coupons(ListCouponsRequest { page_size: 1, page_token }).await.unwrap().into_inner();
        seen.extend(page.coupons);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut expected = omnimesh_carts::demo::coupons();
    expected.sort_by_key(|coupon| coupon.code.clone());
    assert_eq!(seen, expected);

    let admin = call(Audience::Admin, None);
    let mut coupons = CouponServiceClient::new(world.links.to("carts", &admin));
    let bad = Coupon { code: "A B".to_owned(), benefit: Some(Benefit::PercentPpm(1_000_001)), ..Coupon::default() };
    let refused =
        coupons.upsert_coupon(UpsertCouponRequest { coupon: Some(bad), ..Default::default() }).await.unwrap_err();
    let fields = refused.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = fields.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["coupon.code", "coupon.percent_ppm"]);
}

async fn shipping_methods_are_replaced_and_listed(world: &World) {
    let list = |country: &str| {
        let mut shipping = ShippingServiceClient::new(world.links.to("carts", &guest()));
        let country_code = country.to_owned();
        async move { shipping.list_shipping_methods(ListShippingMethodsRequest { country_code }).await }
    };
    let ids = |methods: &[ShippingMethod]| methods.iter().map(|m| m.shipping_method_id.clone()).collect::<Vec<_>>();
    let all = list("").await.unwrap().into_inner().shipping_methods;
    assert_eq!(ids(&all), ["economy", "express", "standard"]);
    assert!(list("US").await.unwrap().into_inner().shipping_methods.is_empty());
    assert_eq!(reason(&list("USA").await.unwrap_err()), "INVALID_REQUEST");

    let admin = call(Audience::Admin, None);
    let mut shipping = ShippingServiceClient::new(world.links.to("carts", &admin));
    let gone = ShippingMethod { discontinued: true, ..all[0].clone() };
    let upsert =
        |method: ShippingMethod| UpsertShippingMethodRequest { shipping_method: Some(method), ..Default::default() };
    shipping.upsert_shipping_method(upsert(gone)).await.unwrap();
    assert_eq!(ids(&list("TR").await.unwrap().into_inner().shipping_methods), ["express", "standard"]);
    let fine = Money { currency_code: "TRY".to_owned(), units: 0, nanos: 1_000_000 };
    let bad = ShippingMethod { fees: vec![fine], max_days: -1, country_codes: vec!["tr".to_owned()], ..all[0].clone() };
    let refused = shipping.upsert_shipping_method(upsert(bad)).await.unwrap_err();
    let fields = refused.get_details_bad_request().unwrap().field_violations;
    let mut fields: Vec<_> = fields.iter().map(|v| v.field.trim_start_matches("shipping_method.")).collect();
    fields.dedup();
    assert_eq!(fields, ["country_codes", "fees", "max_days"]);
}

on_both!(coupons_are_listed_by_page, shipping_methods_are_replaced_and_listed);

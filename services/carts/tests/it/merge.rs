//! Merging by hand.

use omnimesh_kit::{call::Call, ids::ProfileId};
use omnimesh_proto::{
    access::v1::Audience,
    carts::v1::{ApplyCouponRequest, Cart, MergeCartsRequest, MergeMode},
};

use crate::{
    on_both,
    world::{World, call, customer, guest, pieces, reason, request_id, total},
};

async fn two_carts(world: &World) -> (Call, Cart, Cart) {
    let (one, two) = (guest(), customer(ProfileId::new(world.clock.now())));
    world.add(&one, "mug", 5).await;
    let source = world.add(&one, "tea", 1).await;
    world.add(&two, "mug", 2).await;
    let target = world.add(&two, "pen", 1).await;
    (one, source, target)
}

fn merge(source: &Cart, target: &Cart, mode: MergeMode) -> MergeCartsRequest {
    MergeCartsRequest {
        source_cart_id: source.cart_id.clone(),
        target_cart_id: target.cart_id.clone(),
        mode: mode.into(),
        request_id: request_id(),
    }
}

async fn every_mode_keeps_every_line(world: &World) {
    let staff = call(Audience::Staff, None);
    for (mode, mugs) in [(MergeMode::Max, 5), (MergeMode::Sum, 7), (MergeMode::GuestWins, 5), (MergeMode::KeepBoth, 7)]
    {
        let (one, source, target) = two_carts(world).await;
        let request = merge(&source, &target, mode);
        let merged = world.carts(&staff).merge_carts(request.clone()).await.unwrap().into_inner().cart.unwrap();
        assert_eq!(pieces(&merged), [("mug", mugs), ("pen", 1), ("tea", 1)].into(), "{mode:?}");
        assert_eq!(merged.cart_id, target.cart_id);
        let tea = merged.lines.iter().find(|line| line.sku == "tea").unwrap();
        assert_eq!((&tea.origin_cart_id, &tea.line_id), (&source.cart_id, &source.lines[1].line_id));
        // Twice is once: by the stored reply, and by the state.
        assert_eq!(world.carts(&staff).merge_carts(request).await.unwrap().into_inner().cart.unwrap(), merged);
        let again = merge(&source, &target, mode);
        assert_eq!(world.carts(&staff).merge_carts(again).await.unwrap().into_inner().cart.unwrap(), merged);
        // The old id leads to the new cart, also for the guest who holds it.
        assert_eq!(world.get(&one, &source.cart_id).await.unwrap(), merged);
        assert_eq!(world.events(&source.cart_id).await.last().unwrap(), "CartMerged");
        assert_eq!(world.events(&target.cart_id).await.last().unwrap(), "CartChanged");
    }
}

async fn coupons_come_along_and_are_checked(world: &World) {
    let (one, two, staff) = (guest(), guest(), call(Audience::Staff, None));
    let source = world.add(&one, "mug", 3).await;
    let apply = |cart: &Cart, code: &str| ApplyCouponRequest {
        code: code.to_owned(),
        expected_version: cart.version,
        ..ApplyCouponRequest::default()
    };
    let source = world.carts(&one).apply_coupon(apply(&source, "TRY50")).await.unwrap().into_inner().cart.unwrap();
    let target = world.add(&two, "tea", 2).await;
    let target = world.carts(&two).apply_coupon(apply(&target, "WELCOME10")).await.unwrap().into_inner().cart.unwrap();
    let request = merge(&source, &target, MergeMode::Max);
    let merged = world.carts(&staff).merge_carts(request).await.unwrap().into_inner().cart.unwrap();
    let coupons: Vec<_> = merged.coupons.iter().map(|coupon| (coupon.code.as_str(), coupon.applies)).collect();
    assert_eq!((coupons, total(&merged).as_str()), (vec![("WELCOME10", true), ("TRY50", false)], "315.90"));
}

async fn other_currencies_are_kept_apart(world: &World) {
    let (one, two, staff) = (guest(), guest(), call(Audience::Staff, None));
    let source = world.add(&one, "mug", 1).await;
    let add = omnimesh_proto::carts::v1::AddLineRequest {
        sku: "mug".to_owned(),
        quantity: 1,
        currency_code: "EUR".to_owned(),
        ..Default::default()
    };
    let target = world.carts(&two).add_line(add).await.unwrap().into_inner().cart.unwrap();
    let refused = world.carts(&staff).merge_carts(merge(&source, &target, MergeMode::Max)).await.unwrap_err();
    assert_eq!(reason(&refused), "WRONG_CURRENCY");
}

on_both!(every_mode_keeps_every_line, coupons_come_along_and_are_checked, other_currencies_are_kept_apart);

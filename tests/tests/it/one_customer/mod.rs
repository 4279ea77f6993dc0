//! The story of one customer over every channel: kiosk, phone, an associate, an order; two profiles found to be one and parted
//! again; goods that come back in another store.

mod back;
mod identity;

use omnimesh_proto::{
    carts::v1::{ApplyCouponRequest, Cart},
    common::v1::{ActorKind, Channel},
    orders::v1::{Order, OrderState},
    profiles::v1::{
        GetProfileRequest, IdentifierStrength, IdentifierType, Interaction, InteractionKind, ListInteractionsRequest,
        profile_service_client::ProfileServiceClient, timeline_service_client::TimelineServiceClient,
    },
    sessions::v1::{
        GetHandoffRequest, HandoffScope, HandoffState, RevokeHandoffRequest, SessionLevel, claim_handoff_request::Proof,
    },
};
use omnimesh_tests::{
    Desk, Device, Mesh, Mode,
    customer::{collect, pay, pickup, request_id},
    eventually,
    raw::Refusal,
};
use tonic::Code;

use crate::{
    demo::{COFFEE, GLASSES, ISTANBUL, LOKUM, TEA},
    in_every_mode,
};

const EMAIL: &str = "ayse.yilmaz@example.com";
const ASSOCIATE: &str = "associate-istanbul";

in_every_mode!(one_customer_goes_through_every_channel);

async fn one_customer_goes_through_every_channel(mode: Mode) {
    let mesh = Mesh::start(mode).await;
    let phone = a_kiosk_hands_over_to_the_phone(&mesh).await;
    let desk = an_associate_serves_the_customer(&mesh, &phone).await;
    let order = the_order_is_collected(&mesh, &phone, &desk).await;
    let web = identity::two_profiles_are_found_to_be_one(&mesh, &desk, &phone, &order).await;
    identity::and_are_parted_again(&mesh, &desk, &phone, &web).await;
    back::goods_come_back_in_another_store(&mesh, &phone, &order).await;
    the_timeline_tells_it_all(&phone).await;
    mesh.assert_no_defect();
}

/// The kiosk's guest cart goes on in the phone by QR code, and stays when the phone is identified.
async fn a_kiosk_hands_over_to_the_phone(mesh: &Mesh) -> Device {
    let kiosk = Device::start_shared(mesh, Channel::Kiosk, ISTANBUL).await;
    kiosk.add(TEA, 3).await;
    let filled = kiosk.add(GLASSES, 2).await;
    let offer = kiosk.offer(HandoffScope::Edit).await;
    let anybody = mesh.client(&mesh.publishable_key()).await;
    let proof = || Proof::QrToken(offer.qr_token.clone());
    let (mut phone, claimed) = Device::claim(&anybody, proof(), Channel::App, "").await.unwrap();

    let before = &kiosk.session;
    assert_eq!((phone.session.level(), phone.session.linked_scope()), (SessionLevel::Linked, HandoffScope::Edit));
    assert_ne!(phone.session.session_id, before.session_id, "the claimer has a session of its own");
    assert_eq!(phone.session.journey_id, before.journey_id, "one journey");
    assert_eq!(phone.session.cart_id, filled.cart_id, "one cart");
    assert_eq!((claimed.profile_id.as_str(), phone.session.profile_id.as_str()), ("", ""));
    let dead = kiosk.session_now().await.unwrap_err();
    assert_eq!(dead.code, Code::Unauthenticated, "a kiosk's session ends at the hand-over: {dead:?}");
    let again = Device::claim(&anybody, proof(), Channel::App, "").await.unwrap_err();
    assert_eq!((again.code, again.reason.as_str()), (Code::FailedPrecondition, "CODE_EXPIRED"), "single use");

    let seen = phone.cart().await.unwrap();
    assert_eq!((&seen.cart_id, &seen.lines), (&filled.cart_id, &filled.lines));
    let history = phone.order_ids().await.map(|_| ());
    for refused in [timeline(&phone).await.map(|_| ()), own_profile(&phone).await, history] {
        let refused = refused.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::PermissionDenied, "NOT_HANDED_OVER"), "{refused:?}");
    }
    phone.add(COFFEE, 1).await;

    phone.identify(mesh, EMAIL).await;
    assert_eq!(phone.session.level(), SessionLevel::Identified);
    assert_eq!(phone.session.journey_id, before.journey_id, "still one journey");
    let kept = phone.cart().await.unwrap();
    assert_eq!(quantities(&kept), [(COFFEE, 1), (GLASSES, 2), (TEA, 3)], "the cart stays");
    assert_eq!(kept.profile_id, phone.session.profile_id);
    phone
}

/// An associate takes the phone's cart over by the code that the customer reads out. Gives the associate's desk.
async fn an_associate_serves_the_customer(mesh: &Mesh, phone: &Device) -> Desk {
    let staff = mesh.associate(ASSOCIATE, &[ISTANBUL]).await;
    let offer = phone.offer(HandoffScope::Edit).await;
    assert_eq!(offer.code.len(), 8);
    // As people type it.
    let typed = format!("{}-{}", &offer.code[..4], &offer.code[4..]).to_lowercase();
    let (tablet, claimed) = Device::claim(&staff, Proof::Code(typed), Channel::Store, ISTANBUL).await.unwrap();
    assert_eq!(tablet.session.level(), SessionLevel::Linked);
    assert!(is_associate(&tablet.session.assisted_by), "{:?}", tablet.session);
    assert_eq!(claimed.profile_id, phone.session.profile_id, "the associate learns who it is");
    assert_eq!(tablet.session.journey_id, phone.session.journey_id);
    assert_eq!(phone.session_now().await.unwrap().level(), SessionLevel::Identified, "the phone goes on");

    tablet.add(LOKUM, 1).await;
    assert_eq!(quantities(&phone.cart().await.unwrap()), [(COFFEE, 1), (LOKUM, 1), (GLASSES, 2), (TEA, 3)]);
    let by_associate = |one: &Interaction| {
        let actor = one.actor.as_ref();
        let is_hers = actor.is_some_and(|actor| actor.kind() == ActorKind::Associate && is_associate(&actor.id));
        one.kind() == InteractionKind::CartLineAdded && is_hers
    };
    eventually("the edit is the associate's", async || {
        timeline(phone).await.unwrap().iter().any(by_associate).then_some(())
    })
    .await;
    for refused in [timeline(&tablet).await.map(|_| ()), own_profile(&tablet).await] {
        assert_eq!(refused.unwrap_err().reason, "NOT_HANDED_OVER", "history is for the staff's own credential");
    }

    let desk = Desk::new(staff);
    let profile_id = &claimed.profile_id;
    let view = eventually("the view shows the cart", async || {
        let view = desk.view(profile_id).await;
        view.carts.iter().any(|cart| cart.line_count == 4).then_some(view)
    })
    .await;
    let profile = view.profile.unwrap();
    assert_eq!(&profile.profile_id, profile_id);
    let known = profile.identifiers.iter().find(|known| known.value == EMAIL).expect("the proved address");
    assert_eq!((known.r#type(), known.strength()), (IdentifierType::Email, IdentifierStrength::VerifiedUnique));
    assert_eq!((view.carts.len(), view.open_orders.len(), view.suggestions.len()), (1, 0, 0));
    assert!(view.interactions.iter().any(|one| one.kind() == InteractionKind::HandedOver), "{:?}", view.interactions);

    the_phone_sees_and_ends_it(phone, &offer.handoff.unwrap().handoff_id, &tablet).await;
    desk
}

async fn the_phone_sees_and_ends_it(phone: &Device, handoff_id: &str, tablet: &Device) {
    let request = GetHandoffRequest { handoff_id: handoff_id.to_owned() };
    let handoff = phone.handoffs().get_handoff(phone.client.request(request)).await.unwrap().into_inner().handoff;
    let handoff = handoff.unwrap();
    assert_eq!((handoff.state(), handoff.claim_channel()), (HandoffState::Claimed, Channel::Store));
    assert!(handoff.claimed_by_associate);
    let request = RevokeHandoffRequest { handoff_id: handoff_id.to_owned(), request_id: request_id() };
    phone.handoffs().revoke_handoff(phone.client.request(request)).await.unwrap();
    let ended = tablet.session_now().await.unwrap_err();
    assert_eq!(ended.code, Code::Unauthenticated, "a claim that is taken back ends: {ended:?}");
    phone.cart().await.expect("the source goes on");
}

/// The whole cart is ordered, paid and collected.
async fn the_order_is_collected(mesh: &Mesh, phone: &Device, desk: &Desk) -> Order {
    // An amount off that does not divide by the pieces.
    let coupon = ApplyCouponRequest {
        cart_id: String::new(),
        code: "TRY50".into(),
        expected_version: phone.cart().await.unwrap().version,
        request_id: request_id(),
    };
    phone.carts().apply_coupon(phone.client.request(coupon)).await.unwrap();
    let cart = phone.deliver(pickup(ISTANBUL)).await;
    let order = phone.order(Device::order_of(&cart, EMAIL)).await;
    pay(&mesh.admin().await, &order).await;
    eventually("the view shows the open order", async || {
        let view = desk.view(&phone.session.profile_id).await;
        let open = view.open_orders.iter().any(|open| open.order_id == order.order_id);
        (open && view.carts.is_empty()).then_some(())
    })
    .await;
    let order = collect(phone, &desk.client, &order).await;
    assert_eq!(order.state(), OrderState::Completed);
    eventually("the order is over", async || {
        desk.view(&phone.session.profile_id).await.open_orders.is_empty().then_some(())
    })
    .await;
    order
}

async fn the_timeline_tells_it_all(phone: &Device) {
    const TOLD: [(InteractionKind, Channel); 10] = [
        // As a guest, at the kiosk.
        (InteractionKind::CartLineAdded, Channel::Kiosk),
        (InteractionKind::CartLineAdded, Channel::App),
        (InteractionKind::HandedOver, Channel::App),
        (InteractionKind::Identified, Channel::App),
        (InteractionKind::HandedOver, Channel::Store),
        (InteractionKind::OrderPlaced, Channel::App),
        (InteractionKind::PickedUp, Channel::Store),
        (InteractionKind::ReturnRequested, Channel::App),
        (InteractionKind::ReturnReceived, Channel::Store),
        (InteractionKind::ReturnSettled, Channel::Store),
    ];
    let told = eventually("the timeline tells it all", async || {
        let all = timeline(phone).await.unwrap();
        let is = |one: &Interaction, kind, channel| one.kind() == kind && one.channel() == channel;
        let missing = |(kind, channel): &(_, _)| !all.iter().any(|one| is(one, *kind, *channel));
        let missing: Vec<_> = TOLD.iter().filter(|told| missing(told)).collect();
        if !missing.is_empty() {
            eprintln!("the timeline lacks {missing:?}");
        }
        missing.is_empty().then_some(all)
    })
    .await;
    let staff = told.iter().filter_map(|one| one.actor.as_ref()).filter(|actor| actor.kind() == ActorKind::Associate);
    assert!(staff.clone().count() > 0 && staff.clone().all(|actor| actor.id.contains("associate-")), "{told:?}");
}

/// Whether the subject is the associate's, of whatever issuer.
fn is_associate(subject: &str) -> bool {
    subject.ends_with(ASSOCIATE)
}

async fn timeline(device: &Device) -> Result<Vec<Interaction>, Refusal> {
    let mut timeline = TimelineServiceClient::new(device.client.channel());
    let request = ListInteractionsRequest { page_size: 100, ..ListInteractionsRequest::default() };
    Ok(timeline.list_interactions(device.client.request(request)).await?.into_inner().interactions)
}

async fn own_profile(device: &Device) -> Result<(), Refusal> {
    let mut profiles = ProfileServiceClient::new(device.client.channel());
    profiles.get_profile(device.client.request(GetProfileRequest::default())).await?;
    Ok(())
}

fn quantities(cart: &Cart) -> Vec<(&str, i64)> {
    let mut quantities: Vec<_> = cart.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect();
    quantities.sort_unstable();
    quantities
}

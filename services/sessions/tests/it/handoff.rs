//! A customer goes on: from the kiosk to the phone, from the web to the app, and to an associate.

use std::time::Duration;

use omnimesh_kit::{
    auth::{LinkedScope, SessionLevel as Level},
    ids::SessionId,
};
use omnimesh_proto::{
    common::v1::{ActorKind, Channel, DeviceClass},
    events::v1::Event,
    sessions::v1::{
        ClaimHandoffRequest, CreateHandoffRequest, EndSessionRequest, GetHandoffRequest, Handoff, HandoffClaimed,
        HandoffScope, HandoffState, LoyaltyCard, RevokeHandoffRequest, SessionLevel, claim_handoff_request,
        identify_session_request::Proof,
    },
};
use prost::Message as _;
use tonic::{Code, Status};

use crate::world::{Customer, World, anonymous, reason, staff, worlds};

const ADA: &str = "ada@shop.example";

async fn get(world: &World, customer: &Customer, id: &str) -> Result<Handoff, Status> {
    let request = GetHandoffRequest { handoff_id: id.to_owned() };
    Ok(world.handoffs(customer.call()).get_handoff(request).await?.into_inner().handoff.unwrap())
}

async fn revoke(world: &World, customer: &Customer, id: &str) -> Result<Handoff, Status> {
    let request = RevokeHandoffRequest { handoff_id: id.to_owned(), request_id: String::new() };
    Ok(world.handoffs(customer.call()).revoke_handoff(request).await?.into_inner().handoff.unwrap())
}

/// The event by which others hear of a claim, with its envelope.
async fn claimed_event(world: &World, handoff_id: &str) -> (HandoffClaimed, Event) {
    let sql = omnimesh_kit::store::Sql::portable(
        "SELECT payload, actor, session_id, journey_id FROM outbox WHERE aggregate_id = $1",
    );
    let row = world.db.read().await.unwrap().fetch_one(sql, omnimesh_kit::args![handoff_id]).await.unwrap();
    let actor = omnimesh_proto::common::v1::Actor::decode(row.get::<Vec<u8>>("actor").unwrap().as_slice()).unwrap();
    let event = Event {
        actor: Some(actor),
        session_id: row.get("session_id").unwrap(),
        journey_id: row.get("journey_id").unwrap(),
        ..Event::default()
    };
    (HandoffClaimed::decode(row.get::<Vec<u8>>("payload").unwrap().as_slice()).unwrap(), event)
}

#[tokio::test]
async fn the_phone_goes_on_where_the_kiosk_was() {
    for world in worlds().await {
        let kiosk = world.start(Channel::Kiosk, DeviceClass::Shared, "moda").await;
        world.attach(&kiosk, "cart_kiosk").await;
        let offer = world.offer(&kiosk, HandoffScope::Edit).await;
        let handoff = offer.handoff.clone().unwrap();
        assert_eq!((handoff.state(), handoff.scope()), (HandoffState::Open, HandoffScope::Edit));
        assert_eq!((offer.code.len(), offer.qr_token.len()), (8, 22));

        let typed = format!("{} {}", &offer.code[..4].to_lowercase(), &offer.code[4..]);
        let claimed = world.claim(&anonymous(&[]), typed.as_str()).await.unwrap();
        let phone = world.customer(&claimed.token).await.unwrap();
        let session = phone.session.clone();
        assert_eq!(claimed.session.unwrap(), session);
        assert_eq!((session.level(), session.linked_scope()), (SessionLevel::Linked, HandoffScope::Edit));
        assert_eq!((session.channel(), session.device_class()), (Channel::App, DeviceClass::Mobile));
        assert_eq!((session.cart_id.as_str(), &session.journey_id), ("cart_kiosk", &kiosk.session.journey_id));
        assert_eq!(
            (session.profile_id.as_str(), session.assisted_by.as_str(), session.locale.as_str()),
            ("", "", "tr-TR")
        );
        assert_ne!(session.session_id, kiosk.session.session_id);
        let identity = phone.call().session().unwrap();
        let source = kiosk.session.session_id.parse().ok();
        let linked = LinkedScope { cart: Some("cart_kiosk".to_owned()), owner: None, edit: true, source };
        assert_eq!((identity.level, identity.profile, identity.linked.clone()), (Level::Linked, None, Some(linked)));
        let after = claimed.handoff.unwrap();
        assert_eq!((after.state(), after.claim_channel()), (HandoffState::Claimed, Channel::App));

        // The kiosk has forgotten the customer, at once and whatever happens to the shared store.
        assert!(world.customer(kiosk.token.reveal()).await.is_none());
        assert_eq!(reason(world.load(&kiosk.token).await), "SESSION_EXPIRED");
        assert_eq!(world.events(&kiosk.session.session_id).await, ["SessionStarted", "SessionEnded"]);
        assert_eq!(world.events(&session.session_id).await, ["SessionStarted"]);
        let (event, envelope) = claimed_event(&world, &handoff.handoff_id).await;
        let ids = (event.source_session_id, event.session_id.clone(), event.profile_id);
        assert_eq!(ids, (kiosk.session.session_id.clone(), session.session_id.clone(), String::new()));
        assert_eq!((event.channel, event.claimed_by_associate), (Channel::App.into(), false));
        assert!(event.source_ended, "who goes on is who was there");
        assert_eq!(
            (envelope.session_id, envelope.journey_id),
            (session.session_id.clone(), session.journey_id.clone())
        );

        // The phone's owner says who he is: the kiosk's cart is his, and nothing of the hand-over is left.
        let ada = world.identify_by_email(&phone, ADA).await;
        assert_eq!(world.fakes.handed().last().unwrap(), "cart_kiosk");
        assert_eq!((ada.session.level(), ada.session.cart_id.as_str()), (SessionLevel::Identified, "cart_kiosk"));
        assert_eq!(ada.session.linked_scope(), HandoffScope::Unspecified);
        assert_eq!((&ada.session.session_id, &ada.session.journey_id), (&session.session_id, &session.journey_id));
        assert_eq!(ada.call().session().unwrap().linked, None);
        assert!(world.customer(phone.token.reveal()).await.is_none(), "the token before identification is dead");
        assert_eq!(world.load(&ada.token).await.unwrap().linked_scope(), HandoffScope::Unspecified);
    }
}

#[tokio::test]
async fn the_web_sees_the_app_and_can_send_it_away() {
    for world in worlds().await {
        let web = world.identify_by_email(&world.guest().await, ADA).await;
        world.attach(&web, "cart_ada").await;
        let offer = world.offer(&web, HandoffScope::Read).await;
        let id = offer.handoff.clone().unwrap().handoff_id;
        assert_eq!(get(&world, &web, &id).await.unwrap().state(), HandoffState::Open);
        world.clock.advance(Duration::from_secs(30));
        let claimed = world.claim(&anonymous(&[]), &offer).await.unwrap();
        assert_eq!(claimed.profile_id, "", "that is for associates");
        let app = world.customer(&claimed.token).await.unwrap();
        let seen = get(&world, &web, &id).await.unwrap();
        assert_eq!((seen.state(), seen.claim_channel()), (HandoffState::Claimed, Channel::App));
        assert_eq!(seen.claim_time, Some(world.clock.now().to_proto()));
        // The web goes on; the app sees the cart, never who its owner is.
        assert!(world.customer(web.token.reveal()).await.is_some());
        let identity = app.call().session().unwrap();
        let owner = Some(web.session.profile_id.parse().unwrap());
        let source = web.session.session_id.parse().ok();
        let linked = LinkedScope { cart: Some("cart_ada".to_owned()), owner, edit: false, source };
        assert_eq!((identity.profile, identity.linked.clone()), (None, Some(linked)));
        assert_eq!((app.session.profile_id.as_str(), app.session.linked_scope()), ("", HandoffScope::Read));
        let event = claimed_event(&world, &id).await.0;
        assert_eq!((event.profile_id, event.source_ended), (web.session.profile_id.clone(), false));

        // A customer sees it from every session of hers, others from none.
        let other = world.identify_by_email(&world.guest().await, ADA).await;
        assert_eq!(get(&world, &other, &id).await.unwrap(), seen);
        let bob = world.identify_by_email(&world.guest().await, "bob@shop.example").await;
        for stranger in [&bob, &world.guest().await, &app] {
            assert_eq!(reason(get(&world, stranger, &id).await), "NOT_FOUND");
            assert_eq!(reason(revoke(&world, stranger, &id).await), "NOT_FOUND");
        }
        for _ in 0..2 {
            assert_eq!(revoke(&world, &web, &id).await.unwrap().state(), HandoffState::Revoked);
            assert!(world.customer(app.token.reveal()).await.is_none());
        }
        assert_eq!(reason(world.load(&app.token).await), "SESSION_EXPIRED");
        assert_eq!(get(&world, &web, &id).await.unwrap().state(), HandoffState::Revoked);
        assert_eq!(world.events(&app.session.session_id).await, ["SessionStarted", "SessionEnded"]);
    }
}

#[tokio::test]
async fn what_was_handed_over_survives_a_loss() {
    for world in worlds().await {
        let web = world.identify_by_email(&world.guest().await, ADA).await;
        world.attach(&web, "cart_ada").await;
        let app = world.linked(&anonymous(&[]), &world.offer(&web, HandoffScope::Edit).await).await;
        let world = world.after_loss();
        assert_eq!(world.load(&app.token).await.unwrap(), app.session);
        let loaded = world.customer(app.token.reveal()).await.unwrap();
        assert_eq!(loaded.call().identity(), app.call().identity());
        let request = omnimesh_proto::sessions::v1::LoadSessionRequest {
            token_hash: app.token.hash().to_vec(),
            session_id: app.session.session_id.clone(),
        };
        let answer = world.as_service("gateway").load_session(request).await.unwrap().into_inner();
        let told = (answer.linked_cart_id.as_str(), &answer.linked_profile_id, &answer.linked_source_session_id);
        assert_eq!(told, ("cart_ada", &web.session.profile_id, &web.session.session_id));
    }
}

#[tokio::test]
async fn a_cart_that_was_begun_after_the_hand_over_goes_along_too() {
    for world in worlds().await {
        // Begun by the one who offered, begun by the claimer at a kiosk that is gone, and begun by nobody.
        let web = world.guest().await;
        let app = world.linked(&anonymous(&[]), &world.offer(&web, HandoffScope::Edit).await).await;
        let linked = app.call().session().unwrap().linked.clone().unwrap();
        assert_eq!((linked.cart.clone(), linked.guest()), (None, web.session.session_id.parse().ok()));
        world.attach(&web, "cart_begun").await;
        world.identify_by_email(&app, ADA).await;
        assert_eq!(world.fakes.handed().last().unwrap(), "cart_begun");

        let kiosk = world.start(Channel::Kiosk, DeviceClass::Shared, "moda").await;
        let phone = world.linked(&anonymous(&[]), &world.offer(&kiosk, HandoffScope::Edit).await).await;
        world.attach(&phone, "cart_phone").await;
        let phone = world.customer(phone.token.reveal()).await.unwrap();
        world.identify_by_email(&phone, ADA).await;
        assert_eq!(world.fakes.handed().last().unwrap(), "cart_phone");

        let web = world.guest().await;
        let app = world.linked(&anonymous(&[]), &world.offer(&web, HandoffScope::Edit).await).await;
        world.identify_by_email(&app, ADA).await;
        assert_eq!(world.fakes.handed().last().unwrap(), "");
        // Who may only see takes nothing.
        let reader = world.linked(&anonymous(&[]), &world.offer(&web, HandoffScope::Read).await).await;
        world.attach(&web, "cart_later").await;
        world.identify_by_email(&reader, ADA).await;
        assert_eq!(world.fakes.handed().last().unwrap(), "");
    }
}

#[tokio::test]
async fn an_associate_acts_for_the_customer_and_answers_for_it() {
    for world in worlds().await {
        let app = world.start(Channel::App, DeviceClass::Mobile, "").await;
        let ada = world.identify_by_email(&app, ADA).await;
        world.attach(&ada, "cart_ada").await;
        let ayse = staff("moda", &["handoffs.claim", "identity.assert"]);
        let offer = world.offer(&ada, HandoffScope::Edit).await;
        assert_eq!(reason(world.claim(&staff("moda", &[]), &offer).await), "SCOPE_MISSING");
        let at = async |call: &omnimesh_kit::call::Call, channel: Channel, location: &str| {
            let request = ClaimHandoffRequest {
                proof: Some(claim_handoff_request::Proof::Code(offer.code.clone())),
                channel: channel.into(),
                device_class: DeviceClass::Mobile.into(),
                location_id: location.to_owned(),
                ..ClaimHandoffRequest::default()
            };
            world.handoffs(call).claim_handoff(request).await
        };
        assert_eq!(reason(at(&ayse, Channel::Store, "kadikoy").await), "STORE_DENIED");
        let everywhere = staff("*", &["handoffs.claim"]);
        assert_eq!(reason(at(&everywhere, Channel::Store, "").await), "INVALID_REQUEST");

        let claimed = at(&ayse, Channel::Unspecified, "").await.unwrap().into_inner();
        assert_eq!(claimed.profile_id, ada.session.profile_id, "for the customer view");
        let session = claimed.session.unwrap();
        assert_eq!((session.level(), session.channel()), (SessionLevel::Linked, Channel::Store));
        assert_eq!((session.location_id.as_str(), session.profile_id.as_str()), ("moda", ""));
        assert_eq!(session.assisted_by, ayse.identity().subject);
        let assisted = world.customer(&claimed.token).await.unwrap();
        let actor = assisted.call().identity().actor();
        assert_eq!((actor.kind(), actor.id.as_str()), (ActorKind::Associate, ayse.identity().subject.as_str()));
        let handoff = claimed.handoff.unwrap();
        assert!(get(&world, &ada, &handoff.handoff_id).await.unwrap().claimed_by_associate);
        let (event, envelope) = claimed_event(&world, &handoff.handoff_id).await;
        assert_eq!((event.claimed_by_associate, event.profile_id), (true, ada.session.profile_id.clone()));
        assert_eq!(envelope.actor.unwrap().kind(), ActorKind::Associate);

        // She can send the associate away: that is her doing, and not the associate's.
        let tired = world.linked(&ayse, &world.offer(&ada, HandoffScope::Read).await).await;
        let mine = world.offer(&ada, HandoffScope::Read).await;
        let gone = world.linked(&ayse, &mine).await;
        revoke(&world, &ada, &mine.handoff.unwrap().handoff_id).await.unwrap();
        world.client(tired.call()).end_session(EndSessionRequest::default()).await.unwrap();
        for (ended, kind) in [(&gone, ActorKind::Customer), (&tired, ActorKind::Associate)] {
            assert!(world.customer(ended.token.reveal()).await.is_none());
            assert_eq!(world.ended_by(&ended.session.session_id).await.kind(), kind);
        }

        // In the customer's name the associate proves nothing, hands nothing on and claims nothing.
        assert_eq!(reason(world.ask_code(&assisted, "ayse@shop.example").await), "NOT_HANDED_OVER");
        let id = omnimesh_kit::ids::uuid_v7(world.clock.now()).to_string();
        let verification = world.ask_code(&ada, ADA).await.unwrap();
        assert_eq!(reason(world.complete(&assisted, &verification, "123456").await), "NOT_HANDED_OVER");
        let proof = Proof::VerificationId(verification);
        assert_eq!(reason(world.identify(assisted.call(), "", proof, &id).await), "NOT_HANDED_OVER");
        let proof = Proof::OidcToken("x".to_owned());
        assert_eq!(reason(world.identify(assisted.call(), "", proof, "").await), "NOT_HANDED_OVER");
        let card = Proof::LoyaltyCard(LoyaltyCard { number: "1234 5678".to_owned() });
        assert_eq!(reason(world.identify(&ayse, &session.session_id, card, "").await), "NOT_HANDED_OVER");
        let request = CreateHandoffRequest { scope: HandoffScope::Edit.into(), request_id: String::new() };
        assert_eq!(reason(world.handoffs(assisted.call()).create_handoff(request).await), "NOT_HANDED_OVER");
        let next = world.offer(&ada, HandoffScope::Edit).await;
        assert_eq!(reason(world.claim(assisted.call(), &next).await), "NOT_HANDED_OVER");

        // It ends by itself soon, and by the associate, although the phone is no kiosk.
        let served = world.linked(&ayse, &next).await;
        world.clock.advance(Duration::from_secs(899));
        assert!(world.customer(served.token.reveal()).await.is_some());
        let end = EndSessionRequest { session_id: served.session.session_id.clone() };
        world.client(&ayse).end_session(end).await.unwrap();
        assert!(world.customer(served.token.reveal()).await.is_none());
        world.clock.advance(Duration::from_secs(1));
        assert!(world.customer(assisted.token.reveal()).await.is_none());
    }
}

#[tokio::test]
async fn an_associate_away_from_stores_needs_none() {
    for world in worlds().await {
        let guest = world.guest().await;
        let offer = world.offer(&guest, HandoffScope::Read).await;
        let agent = staff("*", &["handoffs.claim"]);
        let request = ClaimHandoffRequest {
            proof: Some(claim_handoff_request::Proof::QrToken(offer.qr_token)),
            channel: Channel::CallCenter.into(),
            device_class: DeviceClass::Desktop.into(),
            locale: "de-DE".to_owned(),
            ..ClaimHandoffRequest::default()
        };
        let claimed = world.handoffs(&agent).claim_handoff(request).await.unwrap().into_inner();
        let session = claimed.session.unwrap();
        assert_eq!((session.channel(), session.location_id.as_str()), (Channel::CallCenter, ""));
        assert_eq!((session.locale.as_str(), claimed.profile_id.as_str()), ("de-DE", ""), "a guest has no profile");
    }
}

#[tokio::test]
async fn an_offer_is_made_once_and_its_code_shown_once() {
    for world in worlds().await {
        let web = world.guest().await;
        let request_id = uuid::Uuid::new_v4().to_string();
        let request = CreateHandoffRequest { scope: HandoffScope::Edit.into(), request_id };
        let first = world.handoffs(web.call()).create_handoff(request.clone()).await.unwrap();
        assert!(first.metadata().get("omnimesh-replayed").is_none());
        let again = world.handoffs(web.call()).create_handoff(request.clone()).await.unwrap();
        assert!(again.metadata().get("omnimesh-replayed").is_some());
        assert_eq!(again.get_ref().handoff, first.get_ref().handoff);
        assert_eq!((again.get_ref().code.as_str(), again.get_ref().qr_token.as_str()), ("", ""));
        let other = CreateHandoffRequest { scope: HandoffScope::Read.into(), ..request };
        assert_eq!(reason(world.handoffs(web.call()).create_handoff(other).await), "REQUEST_ID_REUSED");
        let code = &first.get_ref().code;
        // Neither of them stands in the database as it is shown.
        let sql = omnimesh_kit::store::Sql::portable("SELECT code_mac, token_mac FROM handoffs");
        let row = world.db.read().await.unwrap().fetch_one(sql, omnimesh_kit::args![]).await.unwrap();
        assert_ne!(row.get::<Vec<u8>>("code_mac").unwrap(), code.as_bytes());
        assert_eq!(row.get::<Vec<u8>>("token_mac").unwrap().len(), 32);

        // The same revocation twice is one, also for an offer that was not claimed.
        let id = first.get_ref().handoff.clone().unwrap().handoff_id;
        let request = RevokeHandoffRequest { handoff_id: id, request_id: uuid::Uuid::new_v4().to_string() };
        let revoked = world.handoffs(web.call()).revoke_handoff(request.clone()).await.unwrap();
        let again = world.handoffs(web.call()).revoke_handoff(request).await.unwrap();
        assert!(again.metadata().get("omnimesh-replayed").is_some());
        assert_eq!(again.get_ref(), revoked.get_ref());
        assert_eq!(reason(world.claim(&anonymous(&[]), code.as_str()).await), "CODE_EXPIRED");

        for _ in 0..19 {
            world.offer(&web, HandoffScope::Read).await;
        }
        let request = CreateHandoffRequest { scope: HandoffScope::Read.into(), request_id: String::new() };
        assert_eq!(reason(world.handoffs(web.call()).create_handoff(request).await), "RATE_LIMITED");
    }
}

#[tokio::test]
async fn a_claim_that_is_repeated_is_one_claim() {
    for world in worlds().await {
        let kiosk = world.start(Channel::Kiosk, DeviceClass::Shared, "moda").await;
        let offer = world.offer(&kiosk, HandoffScope::Edit).await;
        let request = ClaimHandoffRequest {
            proof: Some(claim_handoff_request::Proof::Code(offer.code.clone())),
            device_class: DeviceClass::Mobile.into(),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..ClaimHandoffRequest::default()
        };
        let (mine, other) = (world.guest().await, world.guest().await);
        let claim = async |who: &Customer, request: &ClaimHandoffRequest| {
            world.handoffs(who.call()).claim_handoff(request.clone()).await
        };
        let first = claim(&mine, &request).await.unwrap();
        assert!(first.metadata().get("omnimesh-replayed").is_none());
        let first = first.into_inner();
        let phone = world.customer(&first.token).await.unwrap();
        // More often than anybody may fail.
        for _ in 0..8 {
            let again = claim(&mine, &request).await.unwrap();
            assert!(again.metadata().get("omnimesh-replayed").is_some());
            let again = again.into_inner();
            assert_eq!(again.token, "", "a secret is shown once");
            assert_eq!((&again.session, &again.handoff), (&first.session, &first.handoff));
        }
        assert!(world.customer(phone.token.reveal()).await.is_some(), "the session goes on");
        let another = ClaimHandoffRequest { locale: "de-DE".to_owned(), ..request.clone() };
        assert_eq!(reason(claim(&mine, &another).await), "REQUEST_ID_REUSED");
        // Nobody else has it by knowing the request.
        assert_eq!(reason(claim(&other, &request).await), "CODE_EXPIRED");
        let new = ClaimHandoffRequest { request_id: uuid::Uuid::new_v4().to_string(), ..request.clone() };
        assert_eq!(reason(claim(&mine, &new).await), "CODE_EXPIRED");

        // Many at once are one too: all that succeed tell of the same session, and one of them has its token.
        let web = world.guest().await;
        let offer = world.offer(&web, HandoffScope::Edit).await;
        let request = ClaimHandoffRequest {
            proof: Some(claim_handoff_request::Proof::QrToken(offer.qr_token.clone())),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..request
        };
        let all = futures::future::join_all((0..5).map(|_| claim(&mine, &request))).await;
        let all: Vec<_> = all.into_iter().filter_map(Result::ok).map(tonic::Response::into_inner).collect();
        assert_eq!(all.iter().filter(|claimed| !claimed.token.is_empty()).count(), 1);
        assert!(all.iter().all(|claimed| claimed.session == all[0].session));
    }
}

#[tokio::test]
async fn an_offer_ends_with_its_time_and_with_its_session() {
    for world in worlds().await {
        let (web, other) = (world.guest().await, world.guest().await);
        let late = world.offer(&web, HandoffScope::Edit).await;
        world.clock.advance(Duration::from_secs(600));
        assert_eq!(reason(world.claim(&anonymous(&[]), &late).await), "CODE_EXPIRED");
        let id = late.handoff.unwrap().handoff_id;
        assert_eq!(get(&world, &web, &id).await.unwrap().state(), HandoffState::Expired);
        assert_eq!(revoke(&world, &web, &id).await.unwrap().state(), HandoffState::Expired);

        // Offered while it was somebody else's, as when the two cross each other.
        let crossed = world.offer(&other, HandoffScope::Edit).await;
        let mut tx = world.db.begin().await.unwrap();
        let sql = omnimesh_kit::store::Sql::portable("UPDATE handoffs SET profile_id = $2 WHERE id = $1");
        let id: SessionId =
            crossed.handoff.clone().unwrap().handoff_id.replace("handoff_", "session_").parse().unwrap();
        tx.execute(sql, omnimesh_kit::args![id.0, id.0]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(reason(world.claim(&anonymous(&[]), &crossed).await), "CODE_EXPIRED");

        let offer = world.offer(&other, HandoffScope::Edit).await;
        world.client(other.call()).end_session(EndSessionRequest::default()).await.unwrap();
        assert_eq!(reason(world.claim(&anonymous(&[]), &offer).await), "CODE_EXPIRED");
    }
}

#[tokio::test]
async fn a_claimer_says_where_it_stands() {
    let [world, _] = worlds().await;
    let web = world.guest().await;
    let offer = world.offer(&web, HandoffScope::Edit).await;
    let good = ClaimHandoffRequest {
        proof: Some(claim_handoff_request::Proof::QrToken(offer.qr_token.clone())),
        channel: Channel::App.into(),
        device_class: DeviceClass::Mobile.into(),
        ..ClaimHandoffRequest::default()
    };
    let claim = async |call: &omnimesh_kit::call::Call, change: &dyn Fn(&mut ClaimHandoffRequest)| {
        let mut request = good.clone();
        change(&mut request);
        world.handoffs(call).claim_handoff(request).await
    };
    let changes: [&dyn Fn(&mut ClaimHandoffRequest); 9] = [
        &|r| r.proof = None,
        &|r| r.proof = Some(claim_handoff_request::Proof::Code("AB12".to_owned())),
        &|r| r.proof = Some(claim_handoff_request::Proof::QrToken(String::new())),
        &|r| r.channel = 0,
        &|r| r.channel = 99,
        &|r| r.device_class = 0,
        &|r| r.locale = "tr_TR".to_owned(),
        &|r| r.location_id = "Moda Store".to_owned(),
        &|r| r.request_id = "7".to_owned(),
    ];
    for (index, change) in changes.iter().enumerate() {
        assert_eq!(reason(claim(&anonymous(&[]), change).await), "INVALID_REQUEST", "{index}");
    }
    assert_eq!(reason(claim(&anonymous(&["channel:WEB"]), &|_| ()).await), "SCOPE_MISSING");
    // A session's channel is its key's: none other can be chosen by claiming.
    let guest = world.guest().await;
    assert_eq!(reason(claim(guest.call(), &|_| ()).await), "INVALID_REQUEST");
    let claimed = claim(guest.call(), &|r| r.channel = 0).await.unwrap().into_inner();
    assert_eq!(claimed.session.unwrap().channel(), Channel::Web);
    assert!(world.customer(guest.token.reveal()).await.is_some(), "the claimer's own session stays");
    // What stands in the request is no proof of a scope.
    let request = CreateHandoffRequest { scope: 0, request_id: String::new() };
    assert_eq!(reason(world.handoffs(web.call()).create_handoff(request).await), "INVALID_REQUEST");
    let request = GetHandoffRequest { handoff_id: "handoff_x".to_owned() };
    assert_eq!(reason(world.handoffs(web.call()).get_handoff(request).await), "INVALID_REQUEST");
    let create = CreateHandoffRequest { scope: HandoffScope::Edit.into(), request_id: String::new() };
    let refused = world.handoffs(&anonymous(&[])).create_handoff(create).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

//! What a session lives through: started, given a cart, identified, lost, reloaded, ended.

use std::time::Duration;

use omnimesh_kit::{call::Call, ids::SessionId, testing};
use omnimesh_proto::{
    common::v1::{Channel, Contact, DeviceClass, contact},
    sessions::v1::{
        AttachCartRequest, CheckVerifiedContactRequest, EndSessionRequest, LoyaltyCard, SessionLevel,
        StartSessionRequest, identify_session_request::Proof,
    },
};
use tonic::Code;

use crate::world::{anonymous, reason, staff, worlds};

const ADA: &str = "ada@shop.example";

#[tokio::test]
async fn every_statement_prepares() {
    for world in worlds().await {
        for statements in omnimesh_sessions::store::STATEMENTS {
            testing::prepare_all(&world.db, statements).await;
        }
    }
}

#[tokio::test]
async fn a_guest_becomes_a_customer_with_a_new_token_and_the_cart() {
    for world in worlds().await {
        let guest = world.guest().await;
        assert_eq!(guest.session.level(), SessionLevel::Guest);
        assert_eq!((guest.session.locale.as_str(), guest.session.version), ("tr-TR", 1));
        let (session_id, cart_id) = (guest.session.session_id.clone(), "cart_1".to_owned());
        let attach = AttachCartRequest { session_id: session_id.clone(), cart_id: cart_id.clone() };
        for _ in 0..2 {
            world.as_service("carts").attach_cart(attach.clone()).await.unwrap();
        }
        let live = world.live.get(guest.token.session_id()).await.unwrap().live().unwrap();
        assert_eq!(live.cart.as_deref(), Some("cart_1"));
        world.fakes.fill_cart(&session_id, &cart_id);

        let verification = world.prove(&guest, " ADA@shop.example").await;
        let request_id = uuid::Uuid::new_v4().to_string();
        let proof = || Proof::VerificationId(verification.clone());
        let reply = world.identify(guest.call(), "", proof(), &request_id).await.unwrap().into_inner();
        let session = reply.session.unwrap();
        assert_eq!((session.level(), session.cart_id.as_str()), (SessionLevel::Identified, "cart_1"));
        assert_eq!((&session.session_id, &session.journey_id), (&session_id, &guest.session.journey_id));

        // The old token is dead in the shared store and at its source; the new one holds.
        assert!(world.customer(guest.token.reveal()).await.is_none());
        assert_eq!(reason(world.load(&guest.token).await), "SESSION_EXPIRED");
        let customer = world.customer(&reply.token).await.unwrap();
        assert_eq!(customer.session, session);

        // Asked again: the same answer, marked, without the token.
        let again = world.identify(customer.call(), "", proof(), &request_id).await.unwrap();
        assert!(again.metadata().get("omnimesh-replayed").is_some());
        assert_eq!((again.get_ref().token.as_str(), again.get_ref().session.as_ref()), ("", Some(&session)));
        assert!(world.customer(&reply.token).await.is_some());
    }
}

#[tokio::test]
async fn another_person_takes_nothing_of_the_one_before() {
    for world in worlds().await {
        let guest = world.guest().await;
        world.fakes.fill_cart(&guest.session.session_id, "cart_ada");
        let ada = world.identify_by_email(&guest, ADA).await;
        assert_eq!(ada.session.cart_id, "cart_ada");
        let bob = world.identify_by_email(&ada, "bob@shop.example").await;
        assert_eq!(bob.session.session_id, ada.session.session_id);
        assert_ne!(bob.session.profile_id, ada.session.profile_id);
        assert_eq!(bob.session.cart_id, "", "ada's cart stays hers");
        assert!(world.customer(ada.token.reveal()).await.is_none());

        // What ada proved here does not open her orders to bob; what bob proved does, also in his other session.
        let other = world.guest().await;
        let other = world.identify_by_email(&other, "bob@shop.example").await;
        let check = async |session_id: &str, email: &str| {
            let contact = Some(Contact { value: Some(contact::Value::Email(email.to_owned())) });
            let request = CheckVerifiedContactRequest { session_id: session_id.to_owned(), contact };
            world.as_service("orders").check_verified_contact(request).await.unwrap().into_inner().verified
        };
        assert!(!check(&bob.session.session_id, ADA).await);
        assert!(check(&bob.session.session_id, "Bob@shop.example").await);
        assert!(check(&other.session.session_id, "bob@shop.example").await);
        assert!(!check(&other.session.session_id, ADA).await);
    }
}

#[tokio::test]
async fn staff_identify_the_session_that_they_serve() {
    for world in worlds().await {
        let tablet = world.start(Channel::Store, DeviceClass::Shared, "moda").await;
        let id = tablet.session.session_id.clone();
        let card = || Proof::LoyaltyCard(LoyaltyCard { number: "1234 5678".to_owned() });
        let associate = staff("moda", &["identity.assert"]);
        let refused = world.identify(&staff("moda", &[]), &id, card(), "").await;
        assert_eq!(reason(refused), "SCOPE_MISSING");
        let elsewhere = staff("kadikoy", &["identity.assert"]);
        assert_eq!(reason(world.identify(&elsewhere, &id, card(), "").await), "NOT_FOUND");
        assert_eq!(reason(world.identify(&associate, "", card(), "").await), "INVALID_REQUEST");
        let oidc = Proof::OidcToken("x".to_owned());
        assert_eq!(reason(world.identify(&associate, &id, oidc, "").await), "AUDIENCE_DENIED");
        assert_eq!(reason(world.identify(tablet.call(), "", card(), "").await), "AUDIENCE_DENIED");

        let reply = world.identify(&associate, &id, card(), "").await.unwrap().into_inner();
        assert_eq!(reply.token, "", "the device goes on with its own");
        let served = world.customer(tablet.token.reveal()).await.unwrap();
        assert_eq!(served.session, reply.session.unwrap());
        assert_eq!(served.session.level(), SessionLevel::Identified);

        // The customer leaves: after a minute nobody is known here any more, whatever happens to the shared store.
        world.clock.advance(Duration::from_secs(61));
        assert!(world.customer(tablet.token.reveal()).await.is_none());
        assert_eq!(reason(world.load(&tablet.token).await), "SESSION_EXPIRED");
        assert_eq!(reason(world.after_loss().load(&tablet.token).await), "SESSION_EXPIRED");
        assert_eq!(reason(world.identify(&associate, &id, card(), "").await), "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_lost_session_is_loaded_again() {
    for world in worlds().await {
        let guest = world.guest().await;
        let customer = world.identify_by_email(&guest, ADA).await;
        let world = world.after_loss();
        assert!(world.customer(customer.token.reveal()).await.is_none());
        assert_eq!(reason(world.load(&guest.token).await), "SESSION_EXPIRED");
        assert_eq!(world.load(&customer.token).await.unwrap(), customer.session);
        assert_eq!(world.customer(customer.token.reveal()).await.unwrap().session, customer.session);
        world.clock.advance(Duration::from_secs(30 * 24 * 3_600));
        assert_eq!(reason(world.load(&customer.token).await), "SESSION_EXPIRED");
    }
}

#[tokio::test]
async fn an_ended_session_is_over() {
    for world in worlds().await {
        let (guest, other) = (world.guest().await, world.guest().await);
        let end = async |call: &Call, id: &str| {
            world.client(call).end_session(EndSessionRequest { session_id: id.to_owned() }).await.map(drop)
        };
        assert_eq!(reason(end(other.call(), &guest.session.session_id).await), "NOT_FOUND");
        assert_eq!(reason(end(&staff("*", &[]), &guest.session.session_id).await), "NOT_FOUND");
        for _ in 0..2 {
            end(guest.call(), "").await.unwrap();
        }
        assert!(world.customer(guest.token.reveal()).await.is_none());
        assert_eq!(reason(world.load(&guest.token).await), "SESSION_EXPIRED");
        assert!(world.customer(other.token.reveal()).await.is_some());

        let kiosk = world.start(Channel::Kiosk, DeviceClass::Shared, "moda").await;
        assert_eq!(reason(end(&staff("kadikoy", &[]), &kiosk.session.session_id).await), "NOT_FOUND");
        end(&staff("moda", &[]), &kiosk.session.session_id).await.unwrap();
        assert!(world.customer(kiosk.token.reveal()).await.is_none());
    }
}

#[tokio::test]
async fn a_failing_neighbour_costs_nothing() {
    for world in worlds().await {
        let guest = world.guest().await;
        let verification = world.prove(&guest, ADA).await;
        world.fakes.set_down(true);
        let proof = || Proof::VerificationId(verification.clone());
        let failed = world.identify(guest.call(), "", proof(), "").await.unwrap_err();
        assert_eq!(failed.code(), Code::Unavailable);
        assert!(world.customer(guest.token.reveal()).await.is_some(), "the guest's token still holds");
        world.fakes.set_down(false);
        world.identify(guest.call(), "", proof(), "").await.unwrap();
    }
}

#[tokio::test]
async fn bad_input_is_named() {
    let [world, _] = worlds().await;
    let good = StartSessionRequest {
        channel: Channel::Web.into(),
        device_class: DeviceClass::Desktop.into(),
        locale: String::new(),
        location_id: String::new(),
    };
    let start = async |scopes: &[&str], change: &dyn Fn(&mut StartSessionRequest)| {
        let mut request = good.clone();
        change(&mut request);
        world.client(&anonymous(scopes)).start_session(request).await
    };
    assert_eq!(start(&["channel:WEB"], &|_| ()).await.unwrap().into_inner().session.unwrap().locale, "en");
    assert_eq!(reason(start(&["channel:APP"], &|_| ()).await), "SCOPE_MISSING");
    let changes: [&dyn Fn(&mut StartSessionRequest); 6] = [
        &|r| r.channel = 0,
        &|r| r.channel = 99,
        &|r| r.device_class = 0,
        &|r| r.locale = "tr_TR".to_owned(),
        &|r| r.location_id = "Moda Store".to_owned(),
        &|r| r.location_id = "m".repeat(65),
    ];
    for (index, change) in changes.iter().enumerate() {
        assert_eq!(reason(start(&[], change).await), "INVALID_REQUEST", "{index}");
    }
    let guest = world.guest().await;
    for email in ["", "ada", "ada@", "0532 123 45 67"] {
        assert_eq!(reason(world.ask_code(&guest, email).await), "INVALID_REQUEST", "{email}");
    }
    for (verification, code) in [("", "123456"), ("verification_x", "123456"), ("cart_1", "123456"), ("x", "12345")] {
        assert_eq!(reason(world.complete(&guest, verification, code).await), "INVALID_REQUEST");
    }
    for id in ["session_x", "x"] {
        let request = AttachCartRequest { session_id: id.to_owned(), cart_id: "cart_1".to_owned() };
        assert_eq!(reason(world.as_service("carts").attach_cart(request).await), "INVALID_REQUEST");
    }
    let unknown = SessionId::new(world.clock.now()).to_string();
    let request = AttachCartRequest { session_id: unknown, cart_id: "cart_1".to_owned() };
    assert_eq!(reason(world.as_service("carts").attach_cart(request.clone()).await), "NOT_FOUND");
    assert_eq!(reason(world.as_service("catalog").attach_cart(request).await), "AUDIENCE_DENIED");
    assert_eq!(
        reason(world.identify(guest.call(), "", Proof::VerificationId(String::new()), "").await),
        "INVALID_REQUEST"
    );
    let not_a_uuid = world.identify(guest.call(), "", Proof::VerificationId(String::new()), "7").await;
    assert_eq!(reason(not_a_uuid), "INVALID_REQUEST");
}

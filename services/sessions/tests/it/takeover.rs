//! What somebody tries who wants to get at another's cart, orders or profile by hand-over.

use std::time::Duration;

use futures::future::join_all;
use omnimesh_kit::{
    call::Call,
    config::{Settings, Sources},
    testing::Backend,
};
use omnimesh_proto::{
    common::v1::{Channel, DeviceClass},
    sessions::v1::{
        CreateHandoffRequest, GetHandoffRequest, HandoffScope, HandoffState, LoyaltyCard, RevokeHandoffRequest,
        SessionLevel, identify_session_request::Proof,
    },
};

use crate::world::{anonymous, reason, staff, world, worlds};

const ADA: &str = "ada@shop.example";
const BOB: &str = "bob@shop.example";

/// A publishable key in the browser of somebody at that address.
fn browser(address: &str) -> Call {
    let mut call = anonymous(&[]);
    call.caller.identity.client = Some(address.to_owned());
    call
}

fn wrong(code: &str) -> String {
    let last = if code.ends_with('7') { '8' } else { '7' };
    format!("{}{last}", &code[..7])
}

#[tokio::test]
async fn guesses_of_one_claimer_end_after_five() {
    for world in worlds().await {
        let web = world.guest().await;
        let offer = world.offer(&web, HandoffScope::Edit).await;
        let wrong = wrong(&offer.code);
        let session = world.guest().await;
        let associate = staff("moda", &["handoffs.claim"]);
        for claimer in [&browser("a"), session.call(), &associate] {
            for _ in 0..5 {
                assert_eq!(reason(world.claim(claimer, wrong.as_str()).await), "CODE_WRONG");
            }
            let locked = world.claim(claimer, offer.code.as_str()).await;
            assert_eq!(reason(locked), "RATE_LIMITED", "the right code comes too late");
            assert_eq!(reason(world.claim(claimer, &offer).await), "RATE_LIMITED", "whatever is shown");
        }
        // Others with the same key are not locked out with it, and after a while it is over.
        let next = world.offer(&web, HandoffScope::Edit).await;
        world.claim(&browser("b"), next.code.as_str()).await.unwrap();
        world.clock.advance(Duration::from_secs(120));
        world.claim(&browser("a"), offer.code.as_str()).await.unwrap();
    }
}

#[tokio::test]
async fn many_guesses_at_once_are_no_more_than_five() {
    for world in worlds().await {
        let offer = world.offer(&world.guest().await, HandoffScope::Edit).await;
        let (wrong, thief) = (wrong(&offer.code), browser("a"));
        let tries = join_all((0..16).map(|_| world.claim(&thief, wrong.as_str()))).await;
        let reasons: Vec<_> = tries.into_iter().map(reason).collect();
        assert_eq!(reasons.iter().filter(|reason| *reason == "CODE_WRONG").count(), 5, "{reasons:?}");
    }
}

#[tokio::test]
async fn only_failures_are_counted() {
    for world in worlds().await {
        let associate = staff("moda", &["handoffs.claim"]);
        for _ in 0..8 {
            let offer = world.offer(&world.guest().await, HandoffScope::Edit).await;
            world.claim(&associate, offer.code.as_str()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn guesses_of_many_lock_codes_for_all_but_not_scanning() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let world = world(backend, |settings| {
            let variable = |field: &str, value: &str| {
                (format!("OMNIMESH_SESSIONS__CLAIM_FAILURES_IN_ALL__{field}"), value.to_owned())
            };
            let sources = Sources {
                variables: vec![variable("REQUESTS", "3"), variable("SECONDS", "600")],
                known_targets: vec!["sessions".to_owned()],
                ..Sources::default()
            };
            let redis_url = settings.redis_url.take();
            *settings = Settings::load(&sources).unwrap();
            (settings.redis_url, settings.development) = (redis_url, Some(false));
        })
        .await;
        let offer = world.offer(&world.guest().await, HandoffScope::Edit).await;
        for thief in ["a", "b", "c"] {
            assert_eq!(reason(world.claim(&browser(thief), wrong(&offer.code).as_str()).await), "CODE_WRONG");
        }
        for _ in 0..6 {
            assert_eq!(reason(world.claim(&browser("d"), offer.code.as_str()).await), "RATE_LIMITED");
        }
        // That others guessed is not held against who comes next: nothing of theirs was used up.
        world.claim(&browser("d"), &offer).await.unwrap();
    }
}

#[tokio::test]
async fn a_second_person_gets_nothing() {
    for world in worlds().await {
        let web = world.guest().await;
        world.attach(&web, "cart_web").await;
        let offer = world.offer(&web, HandoffScope::Edit).await;
        let phone = world.linked(&browser("a"), &offer).await;
        assert_eq!(reason(world.claim(&browser("b"), &offer).await), "CODE_EXPIRED");
        assert_eq!(reason(world.claim(&browser("b"), offer.code.as_str()).await), "CODE_EXPIRED");
        assert_eq!(reason(world.claim(phone.call(), &offer).await), "CODE_EXPIRED");
        assert!(world.customer(phone.token.reveal()).await.is_some(), "the first one goes on");
    }
}

#[tokio::test]
async fn of_many_claimers_at_once_one_wins() {
    for world in worlds().await {
        for round in 0..3 {
            let kiosk = world.start(Channel::Kiosk, DeviceClass::Shared, "moda").await;
            let offer = world.offer(&kiosk, HandoffScope::Edit).await;
            let claimers: Vec<_> = (0..16).map(|n| browser(&format!("{round}-{n}"))).collect();
            let claims = join_all(claimers.iter().enumerate().map(|(n, claimer)| {
                let (world, offer) = (&world, &offer);
                async move {
                    let typed = offer.code.as_str();
                    if n % 2 == 0 { world.claim(claimer, offer).await } else { world.claim(claimer, typed).await }
                }
            }))
            .await;
            let mut winners = Vec::new();
            for claim in claims {
                match claim {
                    Ok(claimed) => winners.push(claimed),
                    Err(status) => assert_eq!(reason(Err::<(), _>(status)), "CODE_EXPIRED"),
                }
            }
            assert_eq!(winners.len(), 1);
            let handoff = winners[0].handoff.clone().unwrap();
            assert_eq!(world.events(&handoff.handoff_id).await, ["HandoffClaimed"]);
            assert!(world.customer(kiosk.token.reveal()).await.is_none());
            // What the others might have made is not there.
            let sql = omnimesh_kit::store::Sql::portable("SELECT id FROM sessions WHERE level = 'linked'");
            let rows = world.db.read().await.unwrap().fetch_all(sql, omnimesh_kit::args![]).await.unwrap();
            assert_eq!(rows.len(), round + 1);
        }
    }
}

#[tokio::test]
async fn a_claim_and_a_revocation_at_once_leave_no_session_of_a_revoked_offer() {
    for world in worlds().await {
        for round in 0..8 {
            let web = world.guest().await;
            let offer = world.offer(&web, HandoffScope::Edit).await;
            let handoff_id = offer.handoff.clone().unwrap().handoff_id;
            let claimer = browser(&format!("{round}"));
            let request = RevokeHandoffRequest { handoff_id: handoff_id.clone(), request_id: String::new() };
            let mut handoffs = world.handoffs(web.call());
            let (claimed, revoked) = tokio::join!(world.claim(&claimer, &offer), handoffs.revoke_handoff(request));
            assert_eq!(revoked.unwrap().into_inner().handoff.unwrap().state(), HandoffState::Revoked);
            match claimed {
                Ok(claimed) => assert!(world.customer(&claimed.token).await.is_none(), "it was claimed before"),
                Err(status) => assert_eq!(reason(Err::<(), _>(status)), "CODE_EXPIRED"),
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_was_planted_and_handed_to_oneself_is_worth_nothing_once_its_owner_is_known() {
    for world in worlds().await {
        // The attacker starts a session, hands it to himself twice, and has the victim identify it.
        let planted = world.guest().await;
        let early = world.linked(&browser("thief"), &world.offer(&planted, HandoffScope::Edit).await).await;
        world.attach(&planted, "cart_planted").await;
        let own = world.linked(&browser("thief"), &world.offer(&planted, HandoffScope::Edit).await).await;
        let open = world.offer(&planted, HandoffScope::Edit).await;
        let victim = world.identify_by_email(&planted, ADA).await;
        assert_eq!(victim.session.cart_id, "cart_planted");
        assert_eq!(reason(world.claim(&browser("thief"), &open).await), "CODE_EXPIRED");
        assert_eq!(reason(world.claim(&browser("thief"), open.code.as_str()).await), "CODE_EXPIRED");
        let request = GetHandoffRequest { handoff_id: open.handoff.unwrap().handoff_id };
        let seen = world.handoffs(victim.call()).get_handoff(request).await.unwrap().into_inner().handoff.unwrap();
        assert_eq!(seen.state(), HandoffState::Revoked);
        for thief in [&own, &early] {
            assert!(world.customer(thief.token.reveal()).await.is_none(), "else he would sit in her cart");
            assert_eq!(reason(world.load(&thief.token).await), "SESSION_EXPIRED");
        }
        assert!(world.customer(victim.token.reveal()).await.is_some());

        // What she hands over as herself stays, also when she proves once more who she is.
        let phone = world.linked(&browser("ada"), &world.offer(&victim, HandoffScope::Read).await).await;
        let kept = world.offer(&victim, HandoffScope::Read).await;
        let victim = world.identify_by_email(&victim, ADA).await;
        assert!(world.customer(phone.token.reveal()).await.is_some());
        world.claim(&browser("ada"), &kept).await.unwrap();
        // Whoever is the next in that session takes none of it.
        let kept = world.offer(&victim, HandoffScope::Read).await;
        world.identify_by_email(&victim, BOB).await;
        assert_eq!(reason(world.claim(&browser("ada"), &kept).await), "CODE_EXPIRED");
    }
}

#[tokio::test]
async fn who_hands_a_cart_to_two_does_not_follow_the_one_into_her_account() {
    for world in worlds().await {
        let source = world.guest().await;
        world.attach(&source, "cart_bait").await;
        let victim = world.linked(&browser("ada"), &world.offer(&source, HandoffScope::Edit).await).await;
        let thief = world.linked(&browser("thief"), &world.offer(&source, HandoffScope::Edit).await).await;
        let ada = world.identify_by_email(&victim, ADA).await;
        assert_eq!(ada.session.cart_id, "cart_bait");
        assert!(world.customer(thief.token.reveal()).await.is_none());
        assert!(world.customer(ada.token.reveal()).await.is_some());
        assert!(world.customer(source.token.reveal()).await.is_some(), "an empty session of nobody's");
    }
}

#[tokio::test]
async fn a_customers_cart_stays_hers_whoever_identifies_with_it() {
    for world in worlds().await {
        let ada = world.identify_by_email(&world.guest().await, ADA).await;
        world.attach(&ada, "cart_ada").await;
        let offer = world.offer(&ada, HandoffScope::Edit).await;
        let friend = world.linked(&browser("friend"), &offer).await;
        let sister = world.linked(&browser("sister"), &world.offer(&ada, HandoffScope::Edit).await).await;
        assert_eq!(friend.session.cart_id, "cart_ada");
        let bob = world.identify_by_email(&friend, BOB).await;
        assert_eq!(world.fakes.handed().last().unwrap(), "", "hers is not asked for");
        assert_eq!((bob.session.level(), bob.session.cart_id.as_str()), (SessionLevel::Identified, ""));
        assert_ne!(bob.session.profile_id, ada.session.profile_id);
        assert_eq!(bob.call().session().unwrap().linked, None);
        assert!(world.customer(sister.token.reveal()).await.is_some(), "what was handed to others stays");
        // He goes on by his own right: she takes back what she gave, and no more.
        let handoff_id = offer.handoff.unwrap().handoff_id;
        let request = RevokeHandoffRequest { handoff_id, request_id: String::new() };
        world.handoffs(ada.call()).revoke_handoff(request).await.unwrap();
        assert!(world.customer(bob.token.reveal()).await.is_some());
    }
}

#[tokio::test]
async fn who_may_only_see_a_guests_cart_does_not_take_it() {
    for world in worlds().await {
        let web = world.guest().await;
        world.attach(&web, "cart_web").await;
        let reader = world.linked(&browser("a"), &world.offer(&web, HandoffScope::Read).await).await;
        let editor = world.linked(&browser("b"), &world.offer(&web, HandoffScope::Edit).await).await;
        let bob = world.identify_by_email(&reader, BOB).await;
        assert_eq!((world.fakes.handed().last().unwrap().as_str(), bob.session.cart_id.as_str()), ("", ""));
        assert!(world.customer(editor.token.reveal()).await.is_some());
    }
}

#[tokio::test]
async fn a_kiosk_that_was_left_alone_gives_nothing_away() {
    for world in worlds().await {
        let kiosk = world.start(Channel::Kiosk, DeviceClass::Shared, "moda").await;
        let ada = world.identify_by_email(&kiosk, ADA).await;
        world.attach(&ada, "cart_ada").await;
        let offer = world.offer(&ada, HandoffScope::Edit).await;
        world.clock.advance(Duration::from_secs(59));
        assert!(world.customer(ada.token.reveal()).await.is_some());
        world.clock.advance(Duration::from_secs(60));
        // Who comes next finds no session, and a code on the display that is worth nothing.
        assert!(world.customer(ada.token.reveal()).await.is_none());
        assert_eq!(reason(world.load(&ada.token).await), "SESSION_EXPIRED");
        assert_eq!(reason(world.claim(&browser("a"), &offer).await), "CODE_EXPIRED");
        assert_eq!(reason(world.claim(&browser("a"), offer.code.as_str()).await), "CODE_EXPIRED");
        // Also when the shared store forgot everything: nobody could say whether she left.
        let kiosk = world.start(Channel::Kiosk, DeviceClass::Shared, "moda").await;
        let offer = world.offer(&kiosk, HandoffScope::Edit).await;
        let lost = world.after_loss();
        assert_eq!(reason(lost.claim(&browser("a"), &offer).await), "CODE_EXPIRED");
    }
}

#[tokio::test]
async fn shared_devices_end_with_the_hand_over_and_no_others() {
    for world in worlds().await {
        for (channel, device, ends) in [
            (Channel::Kiosk, DeviceClass::Desktop, true),
            (Channel::Store, DeviceClass::Shared, true),
            (Channel::Store, DeviceClass::Pos, false),
            (Channel::Web, DeviceClass::Desktop, false),
        ] {
            let source = world.start(channel, device, "moda").await;
            world.linked(&browser("a"), &world.offer(&source, HandoffScope::Edit).await).await;
            assert_eq!(world.customer(source.token.reveal()).await.is_none(), ends, "{channel:?} {device:?}");
        }
    }
}

#[tokio::test]
async fn what_was_handed_over_is_not_handed_on() {
    for world in worlds().await {
        let web = world.guest().await;
        let phone = world.linked(&browser("a"), &world.offer(&web, HandoffScope::Edit).await).await;
        let request = CreateHandoffRequest { scope: HandoffScope::Read.into(), request_id: String::new() };
        assert_eq!(reason(world.handoffs(phone.call()).create_handoff(request).await), "NOT_HANDED_OVER");
        // Staff who scan a card raise a till's session, never one that a customer was given.
        let till = world.start(Channel::Store, DeviceClass::Pos, "moda").await;
        let card = || Proof::LoyaltyCard(LoyaltyCard { number: "1234 5678".to_owned() });
        let ayse = staff("moda", &["identity.assert"]);
        world.identify(&ayse, &till.session.session_id, card(), "").await.unwrap();
        let mine = world.start(Channel::App, DeviceClass::Mobile, "moda").await;
        let raised = world.identify(&ayse, &mine.session.session_id, card(), "").await;
        assert_eq!(reason(raised), "NOT_FOUND", "somebody's own phone that says it stands in the store");
        let offer = world.offer(&web, HandoffScope::Edit).await;
        let pos = omnimesh_proto::sessions::v1::ClaimHandoffRequest {
            proof: Some(omnimesh_proto::sessions::v1::claim_handoff_request::Proof::Code(offer.code)),
            channel: Channel::Store.into(),
            device_class: DeviceClass::Pos.into(),
            location_id: "moda".to_owned(),
            ..Default::default()
        };
        let claimed = world.handoffs(&browser("till")).claim_handoff(pos).await.unwrap().into_inner();
        let id = claimed.session.unwrap().session_id;
        assert_eq!(reason(world.identify(&ayse, &id, card(), "").await), "NOT_HANDED_OVER");
    }
}

#[tokio::test]
async fn a_till_that_scans_a_card_knows_the_customer_and_nobody_else_does() {
    for world in worlds().await {
        let till = world.start(Channel::Store, DeviceClass::Pos, "moda").await;
        let (other, bystander) = (world.start(Channel::Store, DeviceClass::Pos, "moda").await, world.guest().await);
        let ayse = staff("moda", &["identity.assert"]);
        let card = Proof::LoyaltyCard(LoyaltyCard { number: " 1234 5678 ".to_owned() });
        let reply = world.identify(&ayse, &till.session.session_id, card, "").await.unwrap().into_inner();
        let served = world.customer(till.token.reveal()).await.unwrap();
        assert_eq!((reply.token.as_str(), reply.session.as_ref()), ("", Some(&served.session)));
        assert_eq!(served.session.level(), SessionLevel::Identified);
        let identity = served.call().identity();
        assert!(identity.scopes.is_empty() && identity.stores.is_empty(), "a customer's session, not staff's");
        assert_eq!(served.session.assisted_by, "");
        for untouched in [&other, &bystander] {
            let now = world.customer(untouched.token.reveal()).await.unwrap();
            assert_eq!(now.session, untouched.session);
        }
        world.clock.advance(Duration::from_secs(900));
        assert!(world.customer(till.token.reveal()).await.is_none(), "a till forgets too, an associate may be packing");
    }
}

#[tokio::test]
async fn an_offer_says_nothing_to_strangers() {
    for world in worlds().await {
        let web = world.guest().await;
        let handoff_id = world.offer(&web, HandoffScope::Edit).await.handoff.unwrap().handoff_id;
        // Two guests are not one customer because neither has a profile.
        let request = GetHandoffRequest { handoff_id };
        let stranger = world.guest().await;
        assert_eq!(reason(world.handoffs(stranger.call()).get_handoff(request.clone()).await), "NOT_FOUND");
        let ada = world.identify_by_email(&stranger, ADA).await;
        assert_eq!(reason(world.handoffs(ada.call()).get_handoff(request).await), "NOT_FOUND");
    }
}

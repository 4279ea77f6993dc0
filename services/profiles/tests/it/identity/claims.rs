//! RecordAssertions: who is known by what, and what whose word proves.

use std::time::Duration;

use omnimesh_kit::auth::SessionLevel;
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::Channel::{self, CallCenter, Marketplace, Store, Web},
    profiles::v1::{
        AssertionOutcome::{Added, Created, Unchanged},
        IdentifierStrength as Strength, IdentifierType as Type, Profile, RecordAssertionsRequest,
    },
};

use super::{ALL, id, outcome, partner, said, sessions};
use crate::world::{customer, reason, service, worlds};

fn strength(profile: &Profile, value: &str) -> Option<Strength> {
    profile.identifiers.iter().find(|identifier| identifier.value == value).map(|identifier| identifier.strength())
}

#[tokio::test]
async fn the_same_claims_change_nothing() {
    for world in worlds().await {
        let ada = said(Web, "W-1").name("Ada Yılmaz").email("Ada@shop.example").phone("0532 123 45 67");
        let first = world.record(ada.clone()).await;
        assert_eq!(outcome(&first), Created);
        let profile = first.profile.clone().unwrap();
        assert_eq!((profile.display_name.as_str(), profile.version), ("Ada Yılmaz", 1));
        assert_eq!(strength(&profile, "ada@shop.example"), Some(Strength::Claimed));
        assert_eq!(strength(&profile, "+905321234567"), Some(Strength::Claimed));
        assert_eq!(first.recorded_profile_id, profile.profile_id);
        world.db.clock.advance(Duration::from_secs(60));
        let again = world.record(ada.clone()).await;
        assert_eq!((outcome(&again), again.profile.as_ref()), (Unchanged, Some(&profile)));
        // The same source says more.
        let more = world.record(ada.clone().born("1.2.1990")).await;
        assert_eq!((outcome(&more), id(&more)), (Added, profile.profile_id.clone()));
        let more = more.profile.unwrap();
        assert_eq!((more.birth_date.as_str(), more.version), ("1990-02-01", 2));
        // Another account, channel or reference is another source.
        for other in [ada.clone().account("shop-2"), said(Store, "W-1").name("X"), said(Web, "W-2").name("X")] {
            assert_eq!(outcome(&world.record(other).await), Created);
        }
        // Without a reference the content itself tells.
        let nameless = said(CallCenter, "").name("Can Er").phone("0532 123 45 68");
        assert_eq!(outcome(&world.record(nameless.clone()).await), Created);
        assert_eq!(outcome(&world.record(nameless).await), Unchanged);
    }
}

#[tokio::test]
async fn a_card_or_login_makes_one_of_many() {
    for world in worlds().await {
        let shop = world.record(said(Web, "W-1").name("Ada").login("17")).await;
        world.db.clock.advance(Duration::from_secs(1));
        let till = world.record(said(Store, "R-1").name("Ada Y.").card("8055 2000-0353")).await;
        assert_ne!(id(&shop), id(&till));
        world.db.clock.advance(Duration::from_secs(1));
        // Both are known at the call centre: one customer, who keeps the oldest id, and all others.
        let both = world.record(said(CallCenter, "C-1").card("805520000353").name("Ada Yılmaz")).await;
        assert_eq!((outcome(&both), both.merged, id(&both)), (Added, false, id(&till)));
        assert_ne!(both.recorded_profile_id, id(&till));
        let joined = world.record(said(Web, "W-1").name("Ada").login("17").card("805520000353")).await;
        assert_eq!((joined.merged, id(&joined)), (true, id(&shop)));
        let profile = joined.profile.unwrap();
        assert_eq!(profile.alias_profile_ids.len(), 2);
        assert_eq!(profile.merges.len(), 2);
        assert_eq!(strength(&profile, "805520000353"), Some(Strength::VerifiedUnique));
        assert_eq!(strength(&profile, "WEB 17"), Some(Strength::VerifiedUnique));
        for old in [id(&till), both.recorded_profile_id] {
            assert_eq!(world.get(&old).await.unwrap(), profile);
        }
        // The same login id of another account is somebody else's.
        assert_eq!(outcome(&world.record(said(Web, "W-9").account("shop-2").login("17")).await), Created);
        // Devices, claimed addresses and dummies make nobody one.
        let device = said(Store, "R-7").has(Type::Device, "d1").email("ada@shop.example").email("test@test.com");
        assert_eq!(outcome(&world.record(device).await), Created);
        let other = said(Store, "R-8").has(Type::Device, "d1").email("ada@shop.example").email("test@test.com");
        let other = world.record(other).await;
        assert_eq!(outcome(&other), Created);
        assert_eq!(strength(&other.profile.unwrap(), "test@test.com"), Some(Strength::Shared));
    }
}

#[tokio::test]
async fn nobody_says_what_their_word_proves() {
    for world in worlds().await {
        world.register("sessions", sessions::routes());
        let known = world.record(said(Store, "R-1").card("805520000353").name("Ada Yılmaz")).await;
        let ada = id(&known);
        // A key that may not say who somebody is; a marketplace, whatever the key; a partner.
        let may_write = service(&["profiles.write", "profiles.read"]);
        let claimed = world.record_as(&may_write, said(Store, "R-2").card("805520000353")).await.unwrap();
        assert_eq!(outcome(&claimed), Created);
        assert_eq!(strength(&claimed.profile.unwrap(), "805520000353"), Some(Strength::Claimed));
        let sold = said(Marketplace, "B-1")
            .account("mp_a")
            .card("805520000353")
            .email("x81@mp.example")
            .phone("+905320000001");
        let sold = world.record(sold).await.profile.unwrap();
        assert_ne!(sold.profile_id, ada);
        assert_eq!(strength(&sold, "805520000353"), Some(Strength::Claimed));
        for masked in ["x81@mp.example", "+905320000001"] {
            assert_eq!(strength(&sold, masked), Some(Strength::Masked));
        }
        let call = partner("mp_b");
        let passed =
            world.record_as(&call, said(Marketplace, "B-1").account("mp_a").card("805520000353")).await.unwrap();
        let bare = passed.profile.unwrap();
        assert_ne!(bare.profile_id, sold.profile_id, "the key decides the account");
        assert_eq!(bare, Profile { profile_id: bare.profile_id.clone(), ..Profile::default() });
        assert!(!passed.merged && passed.suggestion_ids.is_empty());
        assert_eq!(
            reason(world.record_as(&call, said(Marketplace, "B-1").about(&ada).name("X")).await),
            "INVALID_REQUEST"
        );
        // A guest learns nothing; customers speak of themselves, and of no channel's records.
        let guest = customer(None, SessionLevel::Guest);
        let typed =
            world.record_as(&guest, said(Web, "").email("ada@shop.example").card("805520000353")).await.unwrap();
        assert_eq!((outcome(&typed), typed.profile.unwrap().identifiers.len()), (Created, 0));
        let own = customer(Some(ada.parse().unwrap()), SessionLevel::Identified);
        let added =
            world.record_as(&own, said(Web, "").email("ada@shop.example").email(sessions::PROVED)).await.unwrap();
        assert_eq!((outcome(&added), added.recorded_profile_id.as_str()), (Added, ada.as_str()));
        let profile = added.profile.unwrap();
        assert_eq!(strength(&profile, "ada@shop.example"), Some(Strength::Claimed));
        assert_eq!(strength(&profile, sessions::PROVED), Some(Strength::VerifiedUnique));
        assert!(profile.merges.is_empty());
        for (call, said, expected) in [
            (&guest, said(Web, "W-1").name("X"), "INVALID_REQUEST"),
            (&guest, said(Web, "").account("mp_a").name("X"), "INVALID_REQUEST"),
            (&own, said(Web, "").about(&sold.profile_id).name("X"), "NOT_FOUND"),
            (&customer(None, SessionLevel::Linked), said(Web, "").name("X"), "NOT_HANDED_OVER"),
        ] {
            assert_eq!(reason(world.record_as(call, said.clone()).await), expected, "{said:?}");
        }
        // Who proves the address later is the same customer.
        let later = world.resolve(&[(Type::Email, sessions::PROVED)], true).await.unwrap();
        assert_eq!((later.created, later.profile.unwrap().profile_id), (false, ada));
    }
}

#[tokio::test]
async fn a_shared_devices_id_is_nobodys() {
    for world in worlds().await {
        world.register("sessions", sessions::routes());
        let mut call = customer(None, SessionLevel::Guest);
        call.caller.identity.session.as_mut().unwrap().device = omnimesh_proto::common::v1::DeviceClass::Shared.into();
        let kiosk = world.record_as(&call, said(Channel::Kiosk, "").has(Type::Device, "kiosk-1")).await.unwrap();
        let profile = world.get(&kiosk.recorded_profile_id).await.unwrap();
        assert_eq!(strength(&profile, "kiosk-1"), Some(Strength::Shared));
    }
}

#[tokio::test]
async fn who_is_named_takes_the_claims() {
    for world in worlds().await {
        let ada = id(&world.record(said(Store, "R-1").card("805520000353")).await);
        let told = world.record(said(CallCenter, "").about(&ada).name("Ada Yılmaz")).await;
        assert_eq!((outcome(&told), told.recorded_profile_id.as_str()), (Added, ada.as_str()));
        // From then on the reference alone tells.
        world.record(said(CallCenter, "C-1").about(&ada).phone("05321234567")).await;
        let later = world.record(said(CallCenter, "C-1").phone("05321234568")).await;
        assert_eq!(later.recorded_profile_id, ada);
        // A reference that was another's says that both are one: by callers who may say so.
        let bob = id(&world.record(said(Web, "W-1").name("Bob")).await);
        let may_write = service(&["profiles.write", "profiles.read"]);
        let kept = world.record_as(&may_write, said(Web, "W-1").about(&ada).name("Bob B")).await.unwrap();
        assert_eq!((id(&kept), kept.merged), (bob.clone(), false));
        let joined = world.record(said(Web, "W-1").about(&ada).name("Bob C")).await;
        assert_eq!((id(&joined), joined.merged), (ada.clone(), true));
        assert_eq!(world.root(&bob).await, ada);
        let nobody = said(Web, "").about("profile_00000000000000000000000001").name("X");
        assert_eq!(reason(world.record_as(&service(ALL), nobody).await), "NOT_FOUND");
    }
}

#[tokio::test]
async fn bad_claims_are_named() {
    for world in worlds().await {
        let call = service(ALL);
        let empty = said(Web, "W-1");
        let missing = super::Said(RecordAssertionsRequest { claims: None, ..empty.0.clone() });
        let eleven = (0..11).fold(empty.clone(), |said, n| said.email(&format!("a{n}@shop.example")));
        for bad in [
            empty.clone(),
            missing,
            eleven,
            empty.clone().card("0000"),
            empty.clone().has(Type::Unspecified, "x"),
            empty.clone().name(&"x".repeat(201)),
            empty.clone().name("X").account(&"x".repeat(65)),
            said(Channel::Unspecified, "W-1").name("X"),
            empty.clone().name("X").about("x"),
        ] {
            assert_eq!(reason(world.record_as(&call, bad.clone()).await), "INVALID_REQUEST", "{bad:?}");
        }
        let mut of_web = service(ALL);
        of_web.caller.identity.scopes.push("channel:WEB".to_owned());
        assert_eq!(reason(world.record_as(&of_web, said(Store, "R-1").name("X")).await), "SCOPE_MISSING");
        of_web.caller.identity.channel = Web.into();
        assert_eq!(reason(world.record_as(&of_web, said(Store, "R-1").name("X")).await), "INVALID_REQUEST");
        assert_eq!(outcome(&world.record_as(&of_web, empty.name("X")).await.unwrap()), Created);
        let anonymous = {
            let mut call = service(ALL);
            call.caller.identity.audience = Audience::Anonymous.into();
            call
        };
        assert_eq!(reason(world.record_as(&anonymous, said(Web, "W-1").name("X")).await), "AUDIENCE_DENIED");
    }
}

//! One profile per proved identifier, also when many ask at once.

use std::{collections::HashSet, time::Duration};

use futures::future::join_all;
use omnimesh_kit::{auth::SessionLevel, call::Call, ids::ProfileId, testing};
use omnimesh_proto::profiles::v1::{
    GetProfileRequest,
    IdentifierType::{self, Email, LoyaltyCard, OidcSubject, Phone},
    ResolveProfileRequest,
};

use crate::world::{customer, reason, resolve, service, worlds};

#[tokio::test]
async fn every_statement_prepares() {
    for world in worlds().await {
        for statements in omnimesh_profiles::store::STATEMENTS {
            testing::prepare_all(&world.db, statements).await;
        }
    }
}

#[tokio::test]
async fn an_identifier_has_one_profile() {
    for world in worlds().await {
        assert_eq!(reason(world.resolve(&[(Email, "ada@shop.example")], false).await), "NOT_FOUND");
        let first = world.resolve(&[(Email, " Ada@Shop.example")], true).await.unwrap();
        let ada = first.profile.unwrap();
        assert!(first.created);
        assert_eq!((ada.version, ada.identifiers[0].value.as_str()), (1, "ada@shop.example"));
        let again = world.resolve(&[(Email, "ada@shop.example")], true).await.unwrap();
        assert!(!again.created);
        assert_eq!(again.profile.as_ref(), Some(&ada));
        // Another proof of the same person is added, once.
        for _ in 0..2 {
            let more = [(Phone, "+90 532 123 45 67"), (Email, "ada@shop.example"), (Email, "ADA@shop.example")];
            let known = world.resolve(&more, true).await.unwrap().profile.unwrap();
            assert_eq!((known.profile_id.as_str(), known.version), (ada.profile_id.as_str(), 2));
            assert_eq!(known.identifiers.len(), 2);
        }
        let by_phone = world.resolve(&[(Phone, "+905321234567")], false).await.unwrap().profile.unwrap();
        assert_eq!(by_phone.profile_id, ada.profile_id);
        // The same text of another type is somebody else.
        let other = world.resolve(&[(LoyaltyCard, "905321234567")], true).await.unwrap();
        assert!(other.created);
        // Two profiles are proved to be one: the older stands for both, and the other's id stays good.
        world.db.clock.advance(Duration::from_secs(1));
        let bob = world.resolve(&[(Email, "bob@shop.example")], true).await.unwrap().profile.unwrap();
        let both = [(Email, "bob@shop.example"), (Email, "ada@shop.example")];
        let one = world.resolve(&both, true).await.unwrap().profile.unwrap();
        assert_eq!((&one.profile_id, one.alias_profile_ids.as_slice()), (&ada.profile_id, &[bob.profile_id][..]));
        assert_eq!(one.identifiers.len(), 3);
        let bob_again = world.resolve(&[(Email, "bob@shop.example")], true).await.unwrap().profile.unwrap();
        assert_eq!(bob_again, one);
    }
}

#[tokio::test]
async fn sixteen_at_once_make_one() {
    for world in worlds().await {
        for round in 0..5 {
            let email = format!("race{round}@shop.example");
            let card = format!("CARD{round}");
            let asked = (0..16).map(|n| {
                // In both orders, so that a lock order that depends on the request would deadlock.
                let both = if n % 2 == 0 {
                    [(Email, &*email), (LoyaltyCard, &*card)]
                } else {
                    [(LoyaltyCard, &*card), (Email, &*email)]
                };
                let world = &world;
                async move { world.resolve(&both, true).await.unwrap() }
            });
            let replies = join_all(asked).await;
            let ids: HashSet<_> = replies.iter().map(|reply| &reply.profile.as_ref().unwrap().profile_id).collect();
            assert_eq!(ids.len(), 1);
            assert_eq!(replies.iter().filter(|reply| reply.created).count(), 1);
        }
    }
}

#[tokio::test]
async fn a_repeated_request_has_one_effect() {
    for world in worlds().await {
        let request = ResolveProfileRequest {
            request_id: uuid::Uuid::new_v4().to_string(),
            ..resolve(&[(OidcSubject, "https://login.example ada")], true)
        };
        let first = world.as_service("sessions").resolve_profile(request.clone()).await.unwrap();
        let again = world.as_service("sessions").resolve_profile(request.clone()).await.unwrap();
        assert!(again.metadata().get("omnimesh-replayed").is_some());
        assert_eq!(first.into_inner(), again.into_inner());
        let other = ResolveProfileRequest { create_if_missing: false, ..request };
        assert_eq!(reason(world.as_service("sessions").resolve_profile(other).await), "REQUEST_ID_REUSED");
    }
}

#[tokio::test]
async fn customers_see_their_own_profile_alone() {
    for world in worlds().await {
        let profile = world.resolve(&[(Email, "ada@shop.example")], true).await.unwrap().profile.unwrap();
        let ada: ProfileId = profile.profile_id.parse().unwrap();
        let bob = ProfileId(uuid::Uuid::from_u128(7));
        let get = async |call: &Call, id: &str| {
            let request = GetProfileRequest { profile_id: id.to_owned() };
            world.client(call).get_profile(request).await.map(|reply| reply.into_inner().profile.unwrap())
        };
        let own = customer(Some(ada), SessionLevel::Identified);
        assert_eq!(get(&own, "").await.unwrap(), profile);
        assert_eq!(get(&own, &profile.profile_id).await.unwrap(), profile);
        assert_eq!(reason(get(&customer(Some(bob), SessionLevel::Identified), &profile.profile_id).await), "NOT_FOUND");
        let linked = customer(None, SessionLevel::Linked);
        assert_eq!(reason(get(&linked, &profile.profile_id).await), "NOT_HANDED_OVER");
        assert_eq!(reason(get(&customer(None, SessionLevel::Guest), "").await), "NOT_IDENTIFIED");
        assert_eq!(get(&service(&["profiles.read"]), &profile.profile_id).await.unwrap(), profile);
        assert_eq!(reason(get(&service(&[]), &profile.profile_id).await), "SCOPE_MISSING");
        assert_eq!(reason(get(&service(&["profiles.read"]), "").await), "INVALID_REQUEST");
        assert_eq!(reason(get(&service(&["profiles.read"]), &bob.to_string()).await), "NOT_FOUND");
        let claimed = world.client(&own).resolve_profile(resolve(&[(Email, "ada@shop.example")], true)).await;
        assert_eq!(reason(claimed), "AUDIENCE_DENIED");
    }
}

#[tokio::test]
async fn bad_input_is_named() {
    for world in worlds().await {
        let eleven: Vec<_> = (0..11).map(|n| (LoyaltyCard, ["CARD1", "CARD2"][n % 2])).collect();
        let bad: [&[(IdentifierType, &str)]; 6] = [
            &[],
            &eleven,
            &[(Email, "ada")],
            &[(Phone, "0532 123 45 67")],
            &[(LoyaltyCard, "0000")],
            &[(IdentifierType::Unspecified, "ada@shop.example")],
        ];
        for identifiers in bad {
            let refused = world.resolve(identifiers, true).await.unwrap_err();
            assert!(!refused.message().contains("0532 123"), "{}", refused.message());
            assert_eq!(reason::<()>(Err(refused)), "INVALID_REQUEST", "{identifiers:?}");
        }
    }
}

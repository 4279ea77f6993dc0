//! Merges by hand, splits, and what keeps holding after them.

use std::time::Duration;

use omnimesh_kit::{auth::SessionLevel, call::Call, customers, testing::START};
use omnimesh_proto::{
    common::v1::Channel::{CallCenter, Store, Web},
    profiles::v1::{
        AssertionOutcome::Unchanged, GetProfileRequest, IdentifierType as Type, MergeKind, MergeProfilesRequest,
        Profile, ProfileSplit, ProfilesMerged,
    },
};

use super::{ALL, id, outcome, said};
use crate::world::{World, customer, reason, service, worlds};

/// What a customer is, but for what counts changes.
fn lasting(profile: Profile) -> Profile {
    Profile { version: 0, splits: Vec::new(), ..profile }
}

/// The events of a type, oldest first.
pub(super) async fn events<T: prost::Message + prost::Name + Default>(world: &World) -> Vec<T> {
    let mut conn = world.db.read().await.unwrap();
    let rows = omnimesh_kit::store::Sql::portable("SELECT payload FROM outbox WHERE type = $1 ORDER BY ordinal");
    let rows = conn.fetch_all(rows, omnimesh_kit::args![T::full_name()]).await.unwrap();
    rows.iter().map(|row| T::decode(row.get::<Vec<u8>>("payload").unwrap().as_slice()).unwrap()).collect()
}

#[tokio::test]
async fn a_merge_undone_leaves_what_was() {
    for world in worlds().await {
        let ada = id(&world.record(said(Web, "W-1").name("Ada").login("1").email("ada@shop.example")).await);
        world.db.clock.advance(Duration::from_secs(1));
        let bob = id(&world.record(said(Store, "R-1").name("Bob").email("bob@shop.example")).await);
        let before = [world.get(&ada).await.unwrap(), world.get(&bob).await.unwrap()].map(lasting);
        let (one, merge) = world.merge(&bob, &ada).await.unwrap();
        assert_eq!((one.profile_id.as_str(), one.alias_profile_ids.as_slice()), (ada.as_str(), &[bob.clone()][..]));
        assert_eq!(one.merges.iter().map(|merge| merge.kind()).collect::<Vec<_>>(), [MergeKind::Manual]);
        assert_eq!((one.merges[0].merge_id.as_str(), one.merges[0].reason.as_str()), (merge.as_str(), "they said so"));
        assert_eq!(world.merge(&ada, &bob).await.unwrap(), (one.clone(), String::new()));
        let merged = events::<ProfilesMerged>(&world).await.pop().unwrap();
        assert_eq!((merged.profile_id.as_str(), merged.members.len(), &merged.merge_id), (ada.as_str(), 2, &merge));
        let parted = world.split(&bob, &[], &merge).await.unwrap();
        assert_eq!(lasting(parted.profile.unwrap()), before[0]);
        assert_eq!(parted.split_profiles.into_iter().map(lasting).collect::<Vec<_>>(), [before[1].clone()]);
        assert_eq!([world.get(&ada).await.unwrap(), world.get(&bob).await.unwrap()].map(lasting), before);
        // Why they were parted stands on both sides, and is not the customer's to see.
        for side in [&ada, &bob] {
            let [split] = &world.get(side).await.unwrap().splits[..] else { panic!("one split") };
            assert!(split.split_id.starts_with("split_") && split.create_time.is_some(), "{split:?}");
            assert_eq!((&split.left_profile_ids, &split.stayed_profile_ids), (&vec![bob.clone()], &vec![ada.clone()]));
            assert_eq!((split.reason.as_str(), &split.actor), ("not the same", &one.merges[0].actor));
            let own = customer(Some(side.parse().unwrap()), SessionLevel::Identified);
            let seen = world.client(&own).get_profile(GetProfileRequest::default()).await.unwrap().into_inner();
            assert_eq!(seen.profile.unwrap().splits, []);
        }
        let split = events::<ProfileSplit>(&world).await.pop().unwrap();
        let told: Vec<_> = split.members.iter().map(|member| (&member.profile_id, &member.root_profile_id)).collect();
        assert_eq!(told, [(&ada, &ada), (&bob, &bob)]);
        // What the others heard is what is so.
        let mut conn = world.db.read().await.unwrap();
        assert!(!customers::are_one(&mut conn, ada.parse().unwrap(), bob.parse().unwrap()).await.unwrap());
        // Only somebody's decision joins them again.
        let again = world.record(said(Store, "R-1").name("Bob").login("x")).await;
        assert_eq!(id(&again), bob);
        assert_eq!(world.merge(&ada, &bob).await.unwrap().0.profile_id, ada);
    }
}

#[tokio::test]
async fn different_cards_veto() {
    for world in worlds().await {
        let ada = id(&world.record(said(Store, "R-1").card("805520000353")).await);
        world.db.clock.advance(Duration::from_secs(1));
        let bob = id(&world.record(said(Store, "R-2").card("805516659315").login("B")).await);
        assert_eq!(reason(world.merge(&ada, &bob).await), "MERGE_VETOED");
        // Proof of both: a suggestion that says so, and the oldest answers.
        let both = world.record(said(CallCenter, "C-1").card("805520000353").login("B")).await;
        assert_eq!((id(&both), both.merged), (ada.clone(), false));
        let login = world.record(said(Store, "C-2").card("805520000353").login("B")).await;
        assert_eq!((id(&login), login.merged, login.suggestion_ids.len()), (ada.clone(), false, 1));
        let resolved = world.resolve(&[(Type::LoyaltyCard, "805520000353"), (Type::LoyaltyCard, "805516659315")], true);
        let resolved = resolved.await.unwrap();
        assert_eq!((resolved.created, resolved.profile.unwrap().profile_id), (false, ada.clone()));
        let request = MergeProfilesRequest {
            profile_id: ada.clone(),
            other_profile_id: bob.clone(),
            reason: "she has two".to_owned(),
            override_veto: true,
            request_id: String::new(),
        };
        assert_eq!(reason(world.client(&service(ALL)).merge_profiles(request.clone()).await), "SCOPE_MISSING");
        let may: Call = service(&["profiles.merge", "profiles.override"]);
        let merged = world.client(&may).merge_profiles(request).await.unwrap().into_inner().profile.unwrap();
        assert_eq!((merged.profile_id, merged.create_time), (ada, Some(START.to_proto())));
    }
}

#[tokio::test]
async fn splits_hold_when_the_stream_comes_again() {
    for world in worlds().await {
        // A till that read one card for everybody, and a person whose two records came together over it.
        let stream: Vec<_> = (0..8)
            .map(|n| said(Store, &format!("R-{n}")).name(&format!("Person{n}")).card("805520000353"))
            .chain([said(Web, "W-0").login("0").name("Person0").card("805520000353")])
            .collect();
        let mut nodes = Vec::new();
        for said in &stream {
            world.db.clock.advance(Duration::from_secs(1));
            nodes.push(world.record(said.clone()).await.recorded_profile_id);
        }
        assert_eq!(world.get(&nodes[3]).await.unwrap().alias_profile_ids.len(), 8);
        // The oldest leaves, which all others were joined to: those who stay, stay together.
        let first = world.split(&nodes[5], &[&nodes[0], &nodes[8]], "").await.unwrap();
        let (stayed, left) = (first.profile.unwrap(), first.split_profiles);
        assert_eq!((stayed.profile_id.as_str(), stayed.alias_profile_ids.len()), (nodes[1].as_str(), 6));
        assert_eq!(left.iter().map(|left| left.profile_id.as_str()).collect::<Vec<_>>(), [nodes[0].as_str()]);
        assert_eq!(left[0].alias_profile_ids, [nodes[8].clone()]);
        for node in &nodes[2..7] {
            world.split(&nodes[1], &[node], "").await.unwrap();
        }
        assert_eq!(reason(world.split(&nodes[2], &[&nodes[2]], "").await), "NOTHING_TO_SPLIT");
        assert_eq!(reason(world.split(&nodes[1], &[&nodes[2]], "").await), "NOTHING_TO_SPLIT");
        let roots = async || {
            let mut roots = Vec::new();
            for node in &nodes {
                roots.push(world.root(node).await);
            }
            roots
        };
        let held = roots().await;
        for said in &stream {
            assert_eq!(outcome(&world.record(said.clone()).await), Unchanged);
            // Also when they say more: the same card again, proved again.
            world.record(said.clone().born("1990-01-01")).await;
        }
        assert_eq!(roots().await, held);
        // Who comes new with that card is of the oldest, and bridges nobody.
        assert_eq!(id(&world.record(said(Store, "R-99").card("805520000353")).await), nodes[0]);
        assert_eq!(roots().await, held);
        let resolved = world.resolve(&[(Type::LoyaltyCard, "805520000353")], false).await.unwrap();
        assert_eq!(resolved.profile.unwrap().profile_id, nodes[0]);
    }
}

#[tokio::test]
async fn the_oldest_verified_stands_for_all() {
    for world in worlds().await {
        let old = id(&world.record(said(Web, "W-1").name("Ada")).await);
        world.db.clock.advance(Duration::from_secs(1));
        let proved = id(&world.record(said(Store, "R-1").card("805520000353")).await);
        assert_eq!(world.merge(&old, &proved).await.unwrap().0.profile_id, proved);
        // The older one is verified too, and stands for both from then on.
        let crowned = world.record(said(Web, "W-1").name("Ada").login("1")).await;
        assert_eq!(id(&crowned), old);
        assert_eq!(world.root(&proved).await, old);
        let merged = events::<ProfilesMerged>(&world).await.pop().unwrap();
        assert_eq!((merged.profile_id.as_str(), merged.merge_id.as_str(), merged.members.len()), (old.as_str(), "", 2));
    }
}

#[tokio::test]
async fn many_at_once_lose_nothing() {
    for world in worlds().await {
        let world = &world;
        for round in 0..3 {
            // Eight sources, each with two of nine cards in a chain: one customer in the end, without a veto on logins.
            let all = (0..8).map(|n| async move {
                let said = said(Web, &format!("W-{round}-{n}"))
                    .login(&format!("L{round}-{n}"))
                    .login(&format!("L{round}-{}", n + 1));
                world.record(said).await.recorded_profile_id
            });
            let nodes = futures::future::join_all(all).await;
            let root = world.root(&nodes[0]).await;
            for node in &nodes {
                assert_eq!(world.root(node).await, root);
            }
            assert_eq!(world.get(&root).await.unwrap().merges.len(), 7);
        }
    }
}

#[tokio::test]
async fn a_card_that_was_lent_is_suggested() {
    for world in worlds().await {
        let ada = world.record(said(Store, "R-1").name("Ayşegül Karaosmanoğlu").card("805520000353")).await;
        world.db.clock.advance(Duration::from_secs(1));
        let son = world.record(said(Store, "R-2").name("Zübeyde Hacıbektaşoğlu").card("805520000353")).await;
        assert_ne!(id(&son), id(&ada));
        assert_eq!(son.suggestion_ids.len(), 1);
        // With nothing that speaks against it, a card is proof.
        assert_eq!(id(&world.record(said(Web, "W-1").card("805520000353")).await), id(&ada));
        assert_eq!(world.root(&id(&son)).await, id(&son));
    }
}

//! What evidence says is suggested, with its terms, and decided by people.

use std::time::Duration;

use omnimesh_kit::testing::BACKENDS;
use omnimesh_proto::{
    common::v1::Channel::{self, Marketplace, Store, Web},
    profiles::v1::{
        AcceptMergeSuggestionRequest, EvidenceKind, ListMergeSuggestionsRequest, MergeKind, MergeSuggestion,
        RejectMergeSuggestionRequest, SuggestionState,
    },
};

use super::{ALL, Said, id, said};
use crate::world::{World, reason, service, settings, world_with, worlds};

fn ada(channel: Channel, reference: &str) -> Said {
    said(channel, reference)
        .name("Ayşe Gül Karaosmanoğlu")
        .email("aysegul.karaosmanoglu@shop.example")
        .phone("0532 418 27 63")
        .lives("Gazi Mah. Okul Sk. No:1/2", "Ankara")
        .born("1990-02-01")
}

async fn list(world: &World, profile: &str, state: SuggestionState) -> Vec<MergeSuggestion> {
    let request = ListMergeSuggestionsRequest {
        profile_id: profile.to_owned(),
        state: state.into(),
        ..ListMergeSuggestionsRequest::default()
    };
    world.client(&service(ALL)).list_merge_suggestions(request).await.unwrap().into_inner().suggestions
}

fn accept(id: &str) -> AcceptMergeSuggestionRequest {
    AcceptMergeSuggestionRequest { suggestion_id: id.to_owned(), ..AcceptMergeSuggestionRequest::default() }
}

fn reject(id: &str) -> RejectMergeSuggestionRequest {
    RejectMergeSuggestionRequest { suggestion_id: id.to_owned(), ..RejectMergeSuggestionRequest::default() }
}

#[tokio::test]
async fn evidence_is_suggested_and_decided() {
    for world in worlds().await {
        let call = service(ALL);
        let first = world.record(ada(Web, "W-1").login("1")).await;
        world.db.clock.advance(Duration::from_secs(1));
        let second = world.record(ada(Store, "R-1")).await;
        assert_ne!(id(&first), id(&second));
        assert_eq!(second.suggestion_ids.len(), 1);
        let found = list(&world, &id(&first), SuggestionState::Unspecified).await;
        assert_eq!(found, list(&world, "", SuggestionState::Open).await);
        let [suggestion] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(suggestion.suggestion_id, second.suggestion_ids[0]);
        assert_eq!(suggestion.weight_millibits, suggestion.terms.iter().map(|term| term.weight_millibits).sum::<i64>());
        let phone = suggestion.terms.iter().find(|term| term.kind() == EvidenceKind::Phone).unwrap();
        assert_eq!(phone.agreement, "same number");
        assert!(!suggestion.vetoed && phone.weight_millibits > 0);
        // The same two again: no second suggestion.
        world.record(ada(Store, "R-1").phone("05324182764")).await;
        assert_eq!(list(&world, "", SuggestionState::Open).await.len(), 1);
        let accepted =
            world.client(&call).accept_merge_suggestion(accept(&suggestion.suggestion_id)).await.unwrap().into_inner();
        let profile = accepted.profile.unwrap();
        assert_eq!((profile.profile_id.as_str(), profile.merges[0].kind()), (id(&first).as_str(), MergeKind::Manual));
        assert_eq!(profile.merges[0].terms.len(), suggestion.terms.len());
        assert_eq!(list(&world, "", SuggestionState::Accepted).await.len(), 1);
        assert_eq!(list(&world, "", SuggestionState::Open).await, []);
        let again = world.client(&call).accept_merge_suggestion(accept(&suggestion.suggestion_id)).await;
        assert_eq!(reason(again), "ILLEGAL_TRANSITION");
        // One that was merged by hand is over.
        world.db.clock.advance(Duration::from_secs(1));
        let third = world.record(ada(Channel::CallCenter, "C-1")).await;
        assert_eq!(third.suggestion_ids.len(), 1);
        world.merge(&id(&third), &id(&first)).await.unwrap();
        assert_eq!(list(&world, "", SuggestionState::Obsolete).await.len(), 1);
        // Rejected is for ever, also when more evidence comes.
        let fourth = world.record(ada(Channel::App, "A-1")).await;
        let rejected = world.client(&call).reject_merge_suggestion(reject(&fourth.suggestion_ids[0])).await.unwrap();
        assert_eq!(rejected.into_inner().suggestion.unwrap().state(), SuggestionState::Rejected);
        let more = world.record(ada(Channel::App, "A-1").lives("Gazi Mah. Okul Sk. No:1/2", "Ankara")).await;
        assert_eq!(more.suggestion_ids, [] as [String; 0]);
        let proved = world.record(ada(Channel::App, "A-1").card("805520000353")).await;
        world.record(ada(Web, "W-1").login("1").card("805520000353")).await;
        assert_ne!(world.root(&id(&first)).await, world.root(&id(&proved)).await);
    }
}

#[tokio::test]
async fn evidence_merges_where_that_is_switched_on() {
    let sure = [("OMNIMESH_PROFILES__AUTO_MERGE_ABOVE", "5000"), ("OMNIMESH_PROFILES__SUGGEST_ABOVE", "0")];
    for backend in BACKENDS {
        let world = world_with(backend, settings(&sure)).await;
        let first = world.record(ada(Web, "W-1").login("1")).await;
        world.db.clock.advance(Duration::from_secs(1));
        let sold = world.record(ada(Marketplace, "B-1").account("mp_a")).await;
        assert_eq!((id(&sold), sold.merged), (id(&first), false));
        let merges = sold.profile.unwrap().merges;
        assert_eq!((merges.len(), merges[0].kind()), (1, MergeKind::Evidence));
        assert!(!merges[0].terms.is_empty());
        // A split holds, whatever comes.
        world.split(&id(&first), &[&sold.recorded_profile_id], "").await.unwrap();
        world.record(ada(Marketplace, "B-1").account("mp_a").phone("05324182764")).await;
        assert_eq!(world.root(&sold.recorded_profile_id).await, sold.recorded_profile_id);
        // A father and his son: another first name outweighs address and surname.
        let son = said(Store, "R-9")
            .name("Mehmet Karaosmanoğlu")
            .lives("Gazi Mah. Okul Sk. No:1/2", "Ankara")
            .phone("0532 418 27 63");
        let son = world.record(son).await;
        assert_eq!(id(&son), son.recorded_profile_id);
    }
}

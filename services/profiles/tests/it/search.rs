//! Customers are found by what somebody remembers of them.

use std::time::Duration;

use omnimesh_kit::ids::ProfileId;
use omnimesh_proto::{
    common::v1::Channel,
    orders::v1::{OrderPlaced, OrderState, OrderSummary},
    profiles::v1::{
        ClaimedIdentifier, Claims, EraseProfileRequest, IdentifierType, MatchField, RecordAssertionsRequest,
        SearchProfilesRequest, SearchProfilesResponse,
    },
};

use crate::{
    timeline::{event, hear},
    world::{World, customer, reason, service, worlds},
};

fn claims(name: &str, email: &str, phone: &str, card: &str) -> Claims {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let card = text(card).map(|value| ClaimedIdentifier { r#type: IdentifierType::LoyaltyCard.into(), value });
    Claims {
        name: name.to_owned(),
        emails: text(email).into_iter().collect(),
        phones: text(phone).into_iter().collect(),
        identifiers: card.into_iter().collect(),
        ..Claims::default()
    }
}

impl World {
    async fn claim(&self, reference: &str, claims: Claims) -> ProfileId {
        self.db.clock.advance(Duration::from_secs(1));
        let request = RecordAssertionsRequest {
            channel: Channel::Store.into(),
            customer_ref: reference.to_owned(),
            claims: Some(claims),
            ..Default::default()
        };
        let reply = self.client(&service(&["profiles.write"])).record_assertions(request).await.unwrap();
        reply.into_inner().recorded_profile_id.parse().unwrap()
    }

    async fn search(&self, query: &str, page_size: i32, page_token: &str) -> SearchProfilesResponse {
        let request = SearchProfilesRequest { query: query.to_owned(), page_size, page_token: page_token.to_owned() };
        self.client(&service(&["profiles.read"])).search_profiles(request).await.unwrap().into_inner()
    }

    async fn found(&self, query: &str) -> Vec<(String, MatchField)> {
        let found = self.search(query, 50, "").await;
        let profile = |one: omnimesh_proto::profiles::v1::ProfileMatch| {
            (one.profile.clone().unwrap().profile_id, one.matched_on())
        };
        found.matches.into_iter().map(profile).collect()
    }
}

#[tokio::test]
async fn by_whatever_is_remembered() {
    for world in worlds().await {
        let ayse = claims("Ayşe Gül YILMAZ", "ayse.yilmaz@shop.example", "0532 123 45 67", "AB-1234-77");
        let ayse = world.claim("1", ayse).await.to_string();
        let mehmet = world.claim("2", claims("YILDIZ, Mehmetcan", "mc@post.example", "+49 30 1234 9876", "")).await;
        let mehmet = mehmet.to_string();
        let isik = world.claim("3", claims("Işık Öğün", "", "+905330000042", "")).await.to_string();
        use MatchField::{Email, LoyaltyCard, Name, OrderNumber, Phone};
        let table: &[(&str, &str, MatchField)] = &[
            ("ayşe", &ayse, Name),
            ("AYSE", &ayse, Name),
            ("yilmaz ayse", &ayse, Name),
            ("Ayşe Yıl", &ayse, Name),
            ("gul yilmaz ayse", &ayse, Name),
            ("yimaz", &ayse, Name),
            ("yılamz ayse", &ayse, Name),
            ("yulmaz aysse", &ayse, Name),
            ("ISIK OGUN", &isik, Name),
            ("ışık", &isik, Name),
            ("mehmet", &mehmet, Name),
            ("mehmt", &mehmet, Name),
            ("memhet yildz", &mehmet, Name),
            ("0532 123 45 67", &ayse, Phone),
            ("+905321234567", &ayse, Phone),
            ("(532) 123-45-67", &ayse, Phone),
            ("4567", &ayse, Phone),
            ("1234567", &ayse, Phone),
            ("9876", &mehmet, Phone),
            ("030 1234 9876", &mehmet, Phone),
            ("0042", &isik, Phone),
            ("Ayse.Yilmaz@shop.example", &ayse, Email),
            ("ayse.yil", &ayse, Email),
            ("mc@", &mehmet, Email),
            ("ab 1234 77", &ayse, LoyaltyCard),
            ("AB123", &ayse, LoyaltyCard),
            ("tr-2026-77", &isik, OrderNumber),
        ];
        let order = OrderSummary {
            order_id: "order_1".to_owned(),
            number: "TR-2026-77".to_owned(),
            version: 1,
            profile_id: isik.clone(),
            state: OrderState::Completed.into(),
            ..Default::default()
        };
        let placed = OrderPlaced { order_id: "order_1".to_owned(), order: Some(order), ..Default::default() };
        hear(&world, &event("orders", 1, "", &placed)).await;
        for (query, profile, field) in table {
            assert_eq!(world.found(query).await, [((*profile).to_owned(), *field)], "{query}");
        }
        for nothing in
            ["zeynep", "ayse yildiz", "yxlxaz", "567", "0532 999", "shop.example", "xyz@shop.example", "%%", "__", "''"]
        {
            assert_eq!(world.found(nothing).await, [], "{nothing}");
        }
        for bad in ["", "a", "  a  "] {
            let request = SearchProfilesRequest { query: bad.to_owned(), ..Default::default() };
            let refused = world.client(&service(&["profiles.read"])).search_profiles(request).await;
            assert_eq!(reason(refused), "INVALID_REQUEST", "{bad:?}");
        }
        let request = SearchProfilesRequest { query: "ayse".to_owned(), ..Default::default() };
        let own = customer(Some(ayse.parse().unwrap()), omnimesh_kit::auth::SessionLevel::Identified);
        assert_eq!(reason(world.client(&own).search_profiles(request.clone()).await), "AUDIENCE_DENIED");
        assert_eq!(reason(world.client(&service(&[])).search_profiles(request).await), "SCOPE_MISSING");
    }
}

#[tokio::test]
async fn the_best_come_first_and_nobody_twice() {
    for world in worlds().await {
        let slip = world.claim("1", claims("Ali Demr", "", "", "")).await;
        let begun = world.claim("2", claims("Veli Demirci", "", "", "")).await;
        let whole = world.claim("3", claims("Cem Demir", "", "", "")).await;
        let found = async |query: &str| {
            let found = world.found(query).await;
            found.into_iter().map(|(id, _)| id.parse::<ProfileId>().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found("demir").await, [whole, begun, slip]);
        world.cluster(9, &[(whole, slip), (slip, slip)]).await;
        assert_eq!(found("demir").await, [slip, begun], "one customer, as well as the best of its profiles");
        let shown = world.search("cem", 0, "").await.matches.swap_remove(0).profile.unwrap();
        assert_eq!((shown.profile_id, shown.alias_profile_ids), (slip.to_string(), vec![whole.to_string()]));
    }
}

#[tokio::test]
async fn pages_go_on_where_they_ended() {
    for world in worlds().await {
        for (number, name) in ["Ada", "Banu", "Cem", "Derya", "Ece", "Filiz", "Gonca"].into_iter().enumerate() {
            world.claim(&number.to_string(), claims(&format!("{name} Karahan"), "", "", "")).await;
        }
        let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = world.search("karahan", 3, &token).await;
            seen.extend(page.matches.into_iter().map(|one| one.profile.unwrap().profile_id));
            pages += 1;
            if page.next_page_token.is_empty() {
                break;
            }
            token = page.next_page_token;
        }
        assert_eq!((seen.len(), pages), (7, 3));
        assert!(seen.is_sorted_by(|one, next| one < next), "each once, in one order: {seen:?}");
        let other = SearchProfilesRequest { query: "kara".to_owned(), page_token: token, ..Default::default() };
        let refused = world.client(&service(&["profiles.read"])).search_profiles(other).await;
        assert_eq!(reason(refused), "INVALID_PAGE_TOKEN");
    }
}

mod sql {
    omnimesh_kit::statements! {
        /// Whatever the index has of a word.
        TRACES = "SELECT (SELECT COUNT(*) FROM search_slips WHERE word = $1) + (SELECT COUNT(*) FROM search_terms \
            WHERE term = $1) AS traces";
    }
}

#[tokio::test]
async fn the_erased_are_not_found() {
    for world in worlds().await {
        let gone = world.claim("1", claims("Quasimodo Karahan", "q@shop.example", "", "")).await;
        world.claim("2", claims("Ada Karahan", "", "", "")).await;
        assert_eq!(world.found("karahan").await.len(), 2);
        let request =
            EraseProfileRequest { profile_id: gone.to_string(), reason: "asked".to_owned(), ..Default::default() };
        world.client(&service(&["profiles.erase"])).erase_profile(request).await.unwrap();
        for query in ["quasimodo", "quasimod", "q@shop"] {
            assert_eq!(world.found(query).await, [], "{query}");
        }
        assert_eq!(world.found("karahan").await.len(), 1);
        assert_eq!(world.found("karhan").await.len(), 1, "what others have too is still forgiven a slip");
        let mut conn = world.db.read().await.unwrap();
        for (word, least) in [("quasimodo", 0), ("karahan", 2)] {
            let traces = conn.fetch_one(sql::TRACES, omnimesh_kit::args![word]).await.unwrap();
            let traces = traces.get::<i64>("traces").unwrap();
            assert!(if least == 0 { traces == 0 } else { traces >= least }, "{word}: {traces}");
        }
    }
}

//! Everything held about a customer, part by part; and what an erasure leaves of it.

use axum::{Router, body::Body, routing::post};
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use omnimesh_kit::{auth::SessionLevel, call::Call, ids::ProfileId};
use omnimesh_proto::{
    carts::v1::{Cart, CartChanged, CartState, CartSummary, GetCartResponse},
    common::v1::{Channel, Contact, contact::Value},
    orders::v1::{
        ExportOrdersResponse, FulfillmentGroup, GetOrderResponse, ListReturnsRequest, ListReturnsResponse, Order,
        OrderPlaced, OrderSummary, Return,
    },
    profiles::v1::{
        CheckConsentRequest, Consent, ConsentChannel, ConsentDecision, ConsentPurpose, ConsentReason,
        EraseProfileRequest, ExportProfileRequest, GetCustomerViewRequest, IdentifierType, InteractionKind,
        ListConsentsRequest, RecordConsentRequest, RecordInteractionRequest, export_profile_response::Part,
    },
    sessions::v1::SessionIdentified,
};
use prost::Message;
use tonic::Status;

use crate::{
    timeline::{event, hear},
    world::{World, customer, reason, service, worlds},
};

const ADA: &str = "ada@shop.example";

/// An answer of a service that a test stands in for: these messages, and success.
fn answer(messages: &[Vec<u8>]) -> axum::http::Response<Body> {
    let framed = messages.iter().map(|message| {
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend(message);
        Ok::<_, std::convert::Infallible>(Frame::data(axum::body::Bytes::from(frame)))
    });
    let mut trailers = axum::http::HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames: Vec<_> = framed.chain([Ok(Frame::trailers(trailers))]).collect();
    let body = Body::new(StreamBody::new(stream::iter(frames)));
    axum::http::Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

/// The returns of the order, on two pages.
async fn returns(request: axum::body::Bytes) -> axum::http::Response<Body> {
    let request = ListReturnsRequest::decode(request.slice(5..)).unwrap();
    assert_eq!(request.order_id, "order_1", "nothing comes back of an order without goods");
    let (id, next) = if request.page_token.is_empty() { ("return_1", "more") } else { ("return_2", "") };
    let found = Return { return_id: id.to_owned(), order_id: request.order_id, ..Return::default() };
    answer(&[ListReturnsResponse { returns: vec![found], next_page_token: next.to_owned() }.encode_to_vec()])
}

impl World {
    fn stand_in(&self) {
        let group = FulfillmentGroup { group_id: "group_1".to_owned(), ..FulfillmentGroup::default() };
        let order = Order {
            order_id: "order_1".to_owned(),
            number: "TR-1".to_owned(),
            groups: vec![group],
            ..Order::default()
        };
        // One that a guest placed: no profile stands in it.
        let guests = Order { order_id: "order_2".to_owned(), ..Order::default() };
        let guests = GetOrderResponse { order: Some(guests) }.encode_to_vec();
        let exported = ExportOrdersResponse { order: Some(order) }.encode_to_vec();
        // The same order for every profile of the customer, as an order book that knows they are one answers.
        let orders = Router::new().route(
            "/omnimesh.orders.v1.OrderService/ExportOrders",
            post(async move || answer(std::slice::from_ref(&exported))),
        );
        let orders = orders
            .route(
                "/omnimesh.orders.v1.OrderService/GetOrder",
                post(async move || answer(std::slice::from_ref(&guests))),
            )
            .route("/omnimesh.orders.v1.ReturnService/ListReturns", post(returns));
        self.register("orders", orders.into());
        let cart = GetCartResponse { cart: Some(Cart { cart_id: "cart_1".to_owned(), ..Cart::default() }) };
        let cart = cart.encode_to_vec();
        let carts = Router::new()
            .route("/omnimesh.carts.v1.CartService/GetCart", post(async move || answer(std::slice::from_ref(&cart))));
        self.register("carts", carts.into());
    }

    /// Ada, with something of everything.
    async fn full_life(&self) -> (ProfileId, ProfileId) {
        let person = async |email: &str| {
            let profile = self.resolve(&[(IdentifierType::Email, email)], true).await.unwrap().profile.unwrap();
            profile.profile_id.parse::<ProfileId>().unwrap()
        };
        let (ada, bob) = (person(ADA).await, person("bob@shop.example").await);
        for decision in [ConsentDecision::Grant, ConsentDecision::Deny] {
            let purpose = match decision {
                ConsentDecision::Grant => ConsentPurpose::Marketing,
                _ => ConsentPurpose::Service,
            };
            let consent = Consent {
                address: Some(Contact { value: Some(Value::Email(ADA.to_owned())) }),
                purpose: purpose.into(),
                channel: ConsentChannel::Email.into(),
                decision: decision.into(),
                text_version: "1".to_owned(),
                evidence: "canary-evidence".to_owned(),
                ..Consent::default()
            };
            let request = RecordConsentRequest { consent: Some(consent), request_id: uuid::Uuid::new_v4().to_string() };
            self.consents(&service(&["consents.write"])).record_consent(request).await.unwrap();
        }
        let told = RecordInteractionRequest {
            profile_id: ada.to_string(),
            source: "canary-source".to_owned(),
            source_id: "canary-id".to_owned(),
            channel: Channel::CallCenter.into(),
            kind: InteractionKind::Call.into(),
            summary: "canary-summary".to_owned(),
            ..Default::default()
        };
        self.timeline(&service(&["profiles.write"])).record_interaction(told).await.unwrap();
        let cart = CartSummary {
            cart_id: "cart_1".to_owned(),
            version: 1,
            profile_id: ada.to_string(),
            state: CartState::Active.into(),
            ..Default::default()
        };
        hear(self, &event("carts", 1, "", &CartChanged { cart_id: "cart_1".to_owned(), cart: Some(cart) })).await;
        // Two orders that were heard of: her own, and one from before she said who she is.
        let placed = |id: &str, profile: &str| {
            let summary = OrderSummary {
                order_id: id.to_owned(),
                version: 1,
                profile_id: profile.to_owned(),
                session_id: "session_a".to_owned(),
                ..OrderSummary::default()
            };
            OrderPlaced { order_id: id.to_owned(), order: Some(summary), ..OrderPlaced::default() }
        };
        hear(self, &event("orders", 2, "session_a", &placed("order_2", ""))).await;
        hear(self, &event("orders", 3, "session_a", &placed("order_1", &ada.to_string()))).await;
        let (session_id, profile_id) = ("session_a".to_owned(), ada.to_string());
        let identified = SessionIdentified { session_id, profile_id, ..SessionIdentified::default() };
        hear(self, &event("sessions", 4, "session_a", &identified)).await;
        (ada, bob)
    }

    async fn exported(&self, call: &Call, of: &str) -> Result<Vec<Part>, Status> {
        let request = ExportProfileRequest { profile_id: of.to_owned() };
        let mut parts = self.client(call).export_profile(request).await?.into_inner();
        let mut all = Vec::new();
        while let Some(part) = parts.message().await? {
            all.push(part.part.unwrap());
        }
        Ok(all)
    }
}

#[tokio::test]
async fn an_export_has_everything_once() {
    for world in worlds().await {
        world.stand_in();
        let (ada, bob) = world.full_life().await;
        world.cluster(1, &[(ada, ada), (bob, ada)]).await;
        let own = customer(Some(ada), SessionLevel::Identified);
        let parts = world.exported(&own, "").await.unwrap();
        let Some(Part::Profile(profile)) = parts.first() else { panic!("{parts:?}") };
        assert_eq!((profile.profile_id.as_str(), profile.identifiers.len()), (&*ada.to_string(), 2));
        let count = |of: fn(&Part) -> bool| parts.iter().filter(|part| of(part)).count();
        assert_eq!(count(|part| matches!(part, Part::Consent(_))), 2);
        assert_eq!(count(|part| matches!(part, Part::Interaction(one) if one.summary == "canary-summary")), 1);
        let orders: Vec<_> =
            parts.iter().filter_map(|part| if let Part::OrderJson(json) = part { Some(json) } else { None }).collect();
        let first = r#"{"orderId":"order_1","number":"TR-1","groups":[{"groupId":"group_1"}]}"#;
        assert_eq!(orders, [first, r#"{"orderId":"order_2"}"#]);
        let back: Vec<_> =
            parts.iter().filter_map(|part| if let Part::ReturnJson(json) = part { Some(json) } else { None }).collect();
        let both = ["return_1", "return_2"].map(|id| format!(r#"{{"returnId":"{id}","orderId":"order_1"}}"#));
        assert_eq!(back, both.iter().collect::<Vec<_>>());
        let carts: Vec<_> =
            parts.iter().filter_map(|part| if let Part::CartJson(json) = part { Some(json) } else { None }).collect();
        assert_eq!(carts, [r#"{"cartId":"cart_1"}"#]);

        assert_eq!(world.exported(&service(&["profiles.export"]), &bob.to_string()).await.unwrap().len(), parts.len());
        assert_eq!(reason(world.exported(&service(&["profiles.read"]), &ada.to_string()).await), "SCOPE_MISSING");
        world.cluster(2, &[(ada, ada), (bob, bob)]).await;
        assert_eq!(reason(world.exported(&own, &bob.to_string()).await), "NOT_FOUND");
        let linked = customer(None, SessionLevel::Linked);
        assert_eq!(reason(world.exported(&linked, "").await), "NOT_HANDED_OVER");
    }
}

#[tokio::test]
async fn an_erasure_leaves_denials_alone() {
    for world in worlds().await {
        let (ada, _) = world.full_life().await;
        let why = async |purpose: ConsentPurpose| {
            let address = Some(Contact { value: Some(Value::Email(ADA.to_owned())) });
            let (purpose, channel) = (purpose.into(), ConsentChannel::Email.into());
            let request = CheckConsentRequest { address, purpose, channel };
            world.consents(&service(&["consents.read"])).check_consent(request).await.unwrap().into_inner()
        };
        assert_eq!(why(ConsentPurpose::Marketing).await.reason(), ConsentReason::Granted);
        let reason_given = "asked".to_owned();
        let request = EraseProfileRequest { profile_id: ada.to_string(), reason: reason_given, ..Default::default() };
        world.client(&service(&["profiles.erase"])).erase_profile(request).await.unwrap();
        assert_eq!(why(ConsentPurpose::Marketing).await.reason(), ConsentReason::NoGrant, "the grant is gone");
        let denied = why(ConsentPurpose::Service).await;
        assert_eq!(denied.reason(), ConsentReason::Denied, "the denial holds");
        let kept = denied.decided_by.unwrap();
        assert_eq!((kept.evidence.as_str(), kept.text_version.as_str()), ("", ""));
        assert_eq!(kept.address, Some(Contact { value: Some(Value::Email(String::new())) }));
        let view = GetCustomerViewRequest { profile_id: ada.to_string() };
        assert_eq!(reason(world.views(&service(&["profiles.read"])).get_customer_view(view).await), "ERASED");
        let of_address = ListConsentsRequest {
            address: Some(Contact { value: Some(Value::Email(ADA.to_owned())) }),
            ..Default::default()
        };
        let left = world.consents(&service(&["consents.read"])).list_consents(of_address).await.unwrap().into_inner();
        assert_eq!(left.consents.len(), 1);
        // A grant from a list that is imported again does not bring her back; a denial holds without her address.
        let again = |decision: ConsentDecision| Consent {
            address: Some(Contact { value: Some(Value::Email(ADA.to_owned())) }),
            purpose: ConsentPurpose::Marketing.into(),
            channel: ConsentChannel::Email.into(),
            decision: decision.into(),
            text_version: "1".to_owned(),
            evidence: "canary-evidence".to_owned(),
            ..Consent::default()
        };
        let record = async |consent: Consent| {
            let request = RecordConsentRequest { consent: Some(consent), request_id: String::new() };
            world.consents(&service(&["consents.write"])).record_consent(request).await
        };
        assert_eq!(reason(record(again(ConsentDecision::Grant)).await), "ERASED");
        record(again(ConsentDecision::Deny)).await.unwrap();
        assert_eq!(why(ConsentPurpose::Marketing).await.reason(), ConsentReason::Denied);
        // The interaction stays one of its source, without a word of it.
        let told = RecordInteractionRequest {
            profile_id: ada.to_string(),
            source: "pbx".to_owned(),
            source_id: "2".to_owned(),
            channel: Channel::CallCenter.into(),
            kind: InteractionKind::Call.into(),
            ..Default::default()
        };
        assert_eq!(reason(world.timeline(&service(&["profiles.write"])).record_interaction(told).await), "ERASED");
    }
}

//! Every RPC, called by everyone who should not get at what it names: refused by audience, by scope or by ownership, and
//! nothing of anybody else's is shown or changed.

mod direct;
mod request;

use std::collections::BTreeSet;

use omnimesh_kit::auth::{Identity, RpcRule, rules};
use omnimesh_proto::{
    access::v1::{Audience, Ownership},
    carts::v1::Cart,
    common::v1::Channel,
    orders::v1::{
        DocumentKind, GetOrderRequest, GetReturnRequest, ImportDocument, ImportMode, ImportOrdersRequest, LineKind,
        LineQuantity, Order, OrderLine, RequestReturnRequest, Return, get_order_request::Key,
        order_service_client::OrderServiceClient, return_service_client::ReturnServiceClient,
    },
    profiles::v1::Profile,
    sessions::v1::{
        ApiKeyKind, CreateApiKeyRequest, CreateHandoffResponse, GetHandoffRequest, GetSessionRequest, HandoffScope,
        HandoffState, ListApiKeysRequest, RevokeApiKeyRequest, api_key_service_client::ApiKeyServiceClient,
        claim_handoff_request::Proof,
    },
};
use omnimesh_tests::{
    Desk, Device, Mesh, Mode, Setup,
    customer::{collect, pay, pickup, request_id},
    desk::create_key,
    eventually,
    raw::{RawGrpc, Refusal},
};
use prost::Message as _;
use tonic::Code;

use crate::demo::{ANKARA, GLASSES, ISTANBUL, TEA};
use request::Request;

const EMAIL: &str = "victim@example.com";
/// The channel account of the partner whose documents nobody else may see.
const ACCOUNT: &str = "acme";
const DOCUMENT: &str = "doc-1";
/// When it was placed there, in seconds since the epoch.
const PLACED_AT: i64 = 1_700_000_000;

/// Somebody who has something that others want.
struct Victim {
    device: Device,
    verification_id: String,
    cart: Cart,
    order: Order,
    document: String,
    key_id: String,
    order_return: Return,
    offer: CreateHandoffResponse,
    profile: Profile,
    desk: Desk,
}

/// Somebody who wants it.
struct Attacker {
    name: &'static str,
    // None: without any credential.
    audience: Option<Audience>,
    credential: String,
    // Who that is to a service, once the gateway knows.
    identity: Option<Identity>,
    scoped: bool,
    cart_id: String,
}

#[tokio::test]
async fn nobody_gets_at_what_is_not_theirs_in_one_process() {
    nobody_gets_at_what_is_not_theirs(Mode::Embedded).await;
}

#[tokio::test]
async fn nobody_gets_at_what_is_not_theirs_in_one_process_per_target() {
    nobody_gets_at_what_is_not_theirs(Mode::Split).await;
}

/// Through the gateway; in a mesh of many processes also at each service itself, which trusts nothing but its own rules.
async fn nobody_gets_at_what_is_not_theirs(mode: Mode) {
    let mesh = Mesh::start(mode).await;
    let victim = Victim::new(&mesh).await;
    let raw = RawGrpc::new(&mesh.url());
    let services = (mode == Mode::Split).then(|| direct::Services::new(&mesh));
    let (mut wrong, mut calls) = (Vec::new(), 0);
    for attacker in Attacker::all(&mesh, &victim).await {
        let header = format!("Bearer {}", attacker.credential);
        let headers: &[_] = if attacker.audience.is_some() { &[("authorization", header.as_str())] } else { &[] };
        for rule in rules() {
            let Some(expected) = attacker.expectation(rule) else { continue };
            let message = || Request { victim: &victim, attacker: &attacker, rule }.message(&rule.input);
            let request = message();
            let answer = raw.call(&rule.path, headers, request.encode_to_vec().into()).await;
            calls += 1;
            if let Some(problem) = victim.judge(expected, &answer) {
                wrong.push(format!("{} by {}: {problem}: {request:?}", rule.path, attacker.name));
            }
            let Some(services) = &services else { continue };
            let request = message();
            let answer = services.call(rule, attacker.identity.as_ref(), request.encode_to_vec().into()).await;
            calls += 1;
            if let Some(problem) = victim.judge(direct::expectation(rule, expected, &attacker), &answer) {
                wrong.push(format!("{} itself, by {}: {problem}: {request:?}", rule.path, attacker.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {calls} calls: {wrong:#?}", wrong.len());
    let ways = if services.is_some() { 2 } else { 1 };
    assert!(calls > rules().count() * 4 * ways, "only {calls} calls were made");
    victim.assert_untouched().await;
    mesh.assert_no_defect();
}

/// What must come of a call.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Refused(Code, &'static str),
    /// As if it did not exist, or as somebody else's.
    NotTheirs,
    /// Whatever it is, it holds nothing of the victim's.
    NothingShown,
}

impl Attacker {
    async fn all(mesh: &Mesh, victim: &Victim) -> Vec<Self> {
        let guest = Device::start(mesh, Channel::Web).await;
        let guest_cart = guest.add(GLASSES, 1).await.cart_id;
        let mut other = Device::start(mesh, Channel::App).await;
        other.identify(mesh, "other@example.com").await;
        let other_cart = other.add(GLASSES, 1).await.cart_id;
        let every_scope: BTreeSet<_> = rules().flat_map(|rule| rule.scopes.clone()).collect();
        let every_scope: Vec<_> = every_scope.into_iter().collect();
        let partner = key(mesh, ApiKeyKind::Partner, "another-account", &every_scope).await.1;
        let service = key(mesh, ApiKeyKind::Secret, "", &[]).await.1;
        let staff = mesh.issuer().associate("associate-ankara", &[ANKARA]);
        let new = |name, audience: Option<Audience>, credential: &str, scoped, cart: &str| Self {
            name,
            audience,
            identity: audience.map(|audience| {
                let device = [&guest, &other].into_iter().find(|device| device.token == credential);
                direct::identity(audience, device, if scoped { &every_scope } else { &[] })
            }),
            credential: credential.to_owned(),
            scoped,
            cart_id: cart.to_owned(),
        };
        let no_cart = &victim.order.cart_id;
        vec![
            new("nobody", None, "", false, no_cart),
            new("a publishable key", Some(Audience::Anonymous), &mesh.publishable_key(), false, no_cart),
            new("a guest", Some(Audience::Customer), &guest.token, true, &guest_cart),
            new("another customer", Some(Audience::Customer), &other.token, true, &other_cart),
            new("staff of another store", Some(Audience::Staff), &staff, true, no_cart),
            new("another partner", Some(Audience::Partner), &partner, true, no_cart),
            new("a service without scopes", Some(Audience::Service), &service, false, no_cart),
        ]
    }

    /// What must come of this attacker's call; `None` where the rule lets it in and nobody's own is concerned.
    fn expectation(&self, rule: &RpcRule) -> Option<Expected> {
        if !rule.is_public() {
            return Some(Expected::Refused(Code::Unimplemented, "UNKNOWN_METHOD"));
        }
        let Some(audience) = self.audience else {
            return Some(Expected::Refused(Code::Unauthenticated, "CREDENTIAL_MISSING"));
        };
        if !rule.audiences.contains(&audience) {
            return Some(Expected::Refused(Code::PermissionDenied, "AUDIENCE_DENIED"));
        }
        if audience == Audience::Service && !self.scoped && !rule.scopes.is_empty() {
            return Some(Expected::Refused(Code::PermissionDenied, "SCOPE_MISSING"));
        }
        let ownership = match audience {
            Audience::Customer => Ownership::Profile,
            Audience::Staff => Ownership::Store,
            Audience::Partner => Ownership::ChannelAccount,
            _ => Ownership::Unspecified,
        };
        let owned = rule.owners.contains(&ownership);
        match (owned, rule.resource_field.is_empty()) {
            (true, false) => Some(Expected::NotTheirs),
            (true, true) => Some(Expected::NothingShown),
            // Staff with a role and back-ends with a scope may act on any customer's.
            (false, _) if matches!(audience, Audience::Staff) => None,
            (false, _) => Some(Expected::NothingShown),
        }
    }
}

impl Victim {
    async fn new(mesh: &Mesh) -> Self {
        let admin = mesh.admin().await;
        let mut device = Device::start(mesh, Channel::App).await;
        device.identify(mesh, EMAIL).await;
        device.add(TEA, 2).await;
        let cart = device.deliver(pickup(ISTANBUL)).await;
        let collected = device.order(Device::order_of(&cart, EMAIL)).await;
        pay(&admin, &collected).await;
        let collected = collect(&device, &admin, &collected).await;
        device.add(TEA, 2).await;
        let cart = device.deliver(pickup(ISTANBUL)).await;
        let order = device.order(Device::order_of(&cart, EMAIL)).await;
        pay(&admin, &order).await;
        let cart = device.add(TEA, 1).await;
        let verification_id = device.verify(mesh, EMAIL).await;
        let (key_id, partner) = key(mesh, ApiKeyKind::Partner, ACCOUNT, &["orders.import".to_owned()]).await;
        let document = import_document(&mesh.client(&partner).await).await;
        let order = read_order(&device, &order.order_id).await;
        let desk = Desk::new(admin);
        let order_return = return_goods(&device, &collected).await;
        let offer = device.offer(HandoffScope::Read).await;
        let profile = desk.profile(&device.session.profile_id).await.unwrap();
        Self { device, verification_id, cart, order, document, key_id, order_return, offer, profile, desk }
    }

    /// What is wrong with an answer.
    fn judge(&self, expected: Expected, answer: &Result<Option<bytes::Bytes>, Refusal>) -> Option<String> {
        let right = match (expected, answer) {
            (Expected::Refused(code, reason), Err(refusal)) => refusal.code == code && refusal.reason == reason,
            (Expected::NotTheirs, Err(refusal)) => matches!(refusal.code, Code::NotFound | Code::PermissionDenied),
            (Expected::NothingShown, Err(refusal)) => !matches!(refusal.code, Code::Internal | Code::Unknown),
            (Expected::NothingShown, Ok(message)) => !message.as_ref().is_some_and(|message| self.is_in(message)),
            (_, Ok(_)) => false,
        };
        (!right).then(|| format!("expected {expected:?}, was {answer:?}"))
    }

    /// Whether an answer holds anything of the victim's.
    fn is_in(&self, message: &[u8]) -> bool {
        let text = String::from_utf8_lossy(message);
        self.is_more_than_the_cart_in(message) || text.contains(&self.cart.cart_id)
    }

    /// Whether an answer holds anything of the victim's besides the cart.
    fn is_more_than_the_cart_in(&self, message: &[u8]) -> bool {
        let text = String::from_utf8_lossy(message);
        let session = &self.device.session;
        let marks = [
            EMAIL,
            &session.session_id,
            &session.profile_id,
            &self.order.order_id,
            &self.order.number,
            &self.order_return.return_id,
            &self.document,
        ];
        marks.iter().any(|mark| text.contains(*mark))
    }

    async fn assert_untouched(&self) {
        assert_eq!(self.device.cart().await.unwrap(), self.cart);
        assert_eq!(read_order(&self.device, &self.order.order_id).await, self.order);
        let client = &self.device.client;
        let request = client.request(GetReturnRequest { return_id: self.order_return.return_id.clone() });
        let order_return = ReturnServiceClient::new(client.channel()).get_return(request).await.unwrap().into_inner();
        assert_eq!(order_return.order_return.as_ref(), Some(&self.order_return));
        assert_eq!(self.desk.profile(&self.profile.profile_id).await.unwrap(), self.profile);
        let handoff_id = self.offer.handoff.as_ref().unwrap().handoff_id.clone();
        let request = client.request(GetHandoffRequest { handoff_id });
        let handoff = self.device.handoffs().get_handoff(request).await.unwrap().into_inner().handoff.unwrap();
        assert_eq!(handoff.state(), HandoffState::Open, "nobody claimed it");
    }
}

async fn read_order(device: &Device, order_id: &str) -> Order {
    let request = GetOrderRequest { key: Some(Key::OrderId(order_id.to_owned())) };
    device.orders().get_order(device.client.request(request)).await.unwrap().into_inner().order.unwrap()
}

/// A return of one piece, to be brought to the store that sold it.
async fn return_goods(device: &Device, order: &Order) -> Return {
    let request = RequestReturnRequest {
        order_id: order.order_id.clone(),
        lines: vec![LineQuantity { line_id: order.lines[0].line_id.clone(), quantity: 1 }],
        reason: "too much".into(),
        location_id: ISTANBUL.into(),
        request_id: request_id(),
    };
    let mut returns = ReturnServiceClient::new(device.client.channel());
    let asked = returns.request_return(device.client.request(request)).await.expect("a return is asked for");
    asked.into_inner().order_return.unwrap()
}

async fn key(mesh: &Mesh, kind: ApiKeyKind, account: &str, scopes: &[String]) -> (String, String) {
    let request = CreateApiKeyRequest {
        kind: kind.into(),
        scopes: scopes.to_vec(),
        account_id: account.to_owned(),
        ..CreateApiKeyRequest::default()
    };
    create_key(mesh, request).await
}

/// A partner's document; its order's id.
async fn import_document(partner: &omnimesh_tests::Client) -> String {
    let money = |units| Some(omnimesh_proto::common::v1::Money { currency_code: "TRY".into(), units, nanos: 0 });
    let line = OrderLine {
        line_id: "1".into(),
        sku: TEA.into(),
        name: "Tea".into(),
        quantity: 1,
        unit_price: money(10),
        kind: LineKind::Sale.into(),
        ..OrderLine::default()
    };
    let document = ImportDocument {
        channel_order_id: DOCUMENT.into(),
        kind: DocumentKind::Sale.into(),
        mode: ImportMode::Historical.into(),
        currency_code: "TRY".into(),
        place_time: Some(prost_types::Timestamp { seconds: PLACED_AT, nanos: 0 }),
        lines: vec![line],
        ..ImportDocument::default()
    };
    let request = partner.request(tokio_stream::once(ImportOrdersRequest { document: Some(document) }));
    let mut answers = OrderServiceClient::new(partner.channel()).import_orders(request).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    assert!(answer.refusal.is_empty(), "{answer:?}");
    answer.order_id
}

/// Who was handed a cart to look at, and whoever found the QR code: the cart and nothing else.
#[tokio::test]
async fn a_cart_that_was_handed_over_is_all_that_was() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let victim = Victim::new(&mesh).await;
    let anybody = mesh.client(&mesh.publishable_key()).await;
    let offer = victim.device.offer(HandoffScope::Read).await;
    let claimed = Device::claim(&anybody, Proof::QrToken(offer.qr_token), Channel::Web, "").await;
    let (linked, _) = claimed.unwrap();
    let attacker = Attacker {
        name: "who was handed the cart",
        audience: Some(Audience::Customer),
        credential: linked.token.clone(),
        identity: None,
        scoped: true,
        cart_id: victim.cart.cart_id.clone(),
    };
    let (raw, bearer) = (RawGrpc::new(&mesh.url()), format!("Bearer {}", linked.token));
    let (mut wrong, mut refused) = (Vec::new(), 0);
    for rule in rules().filter(|rule| rule.is_public() && rule.audiences.contains(&Audience::Customer)) {
        let request = Request { victim: &victim, attacker: &attacker, rule }.message(&rule.input);
        let answer = raw.call(&rule.path, &[("authorization", &bearer)], request.encode_to_vec().into()).await;
        let method = rule.path.trim_start_matches("/omnimesh.");
        let right = match (&answer, method) {
            (Ok(Some(cart)), "carts.v1.CartService/GetCart" | "carts.v1.CartService/WatchCart") => {
                String::from_utf8_lossy(cart).contains(&victim.cart.cart_id)
            }
            (Ok(message), _) => {
                // Of the profile nothing is shown at all; lists show what the session did itself.
                let profile = method.starts_with("profiles.");
                !profile && !message.as_ref().is_some_and(|message| victim.is_more_than_the_cart_in(message))
            }
            (Err(refusal), _) => {
                refused += 1;
                !matches!(refusal.code, Code::Internal | Code::Unknown)
            }
        };
        if !right {
            wrong.push(format!("{method}: {answer:?}: {request:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(refused > 20, "only {refused} calls were refused");
    victim.assert_untouched().await;
    mesh.assert_no_defect();
}

#[tokio::test]
async fn a_cart_is_not_given_to_a_stranger_either() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let (mine, theirs) = (Device::start(&mesh, Channel::Web).await, Device::start(&mesh, Channel::Web).await);
    let (source, target) = (mine.add(TEA, 1).await, theirs.add(GLASSES, 1).await);
    let request = omnimesh_proto::carts::v1::MergeCartsRequest {
        source_cart_id: source.cart_id.clone(),
        target_cart_id: target.cart_id.clone(),
        mode: 0,
        request_id: request_id(),
    };
    let refused = mine.carts().merge_carts(mine.client.request(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    assert_eq!((mine.cart().await.unwrap(), theirs.cart().await.unwrap()), (source, target));
}

#[tokio::test]
async fn a_tampered_token_is_worth_nothing() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let device = Device::start(&mesh, Channel::Web).await;
    let mut tampered = device.token.clone();
    let last = if tampered.pop() == Some('A') { 'B' } else { 'A' };
    tampered.push(last);
    for credential in [tampered.as_str(), "oms_nonsense", "omk_nonsense", "eyJhbGciOiJub25lIn0.e30."] {
        let client = device.client.with_credential(credential).unwrap();
        let refused = device.sessions().get_session(client.request(GetSessionRequest {})).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{credential}: {refused}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_dead() {
    let mesh = Mesh::start_empty(Setup::new(Mode::Embedded)).await;
    let (key_id, secret) = key(&mesh, ApiKeyKind::Admin, "", &[]).await;
    let client = mesh.client(&secret).await;
    let mut keys = ApiKeyServiceClient::new(client.channel());
    keys.list_api_keys(client.request(ListApiKeysRequest::default())).await.expect("a new key is good");

    let admin = mesh.admin().await;
    keys.revoke_api_key(admin.request(RevokeApiKeyRequest { key_id, request_id: request_id() })).await.unwrap();
    // A gateway may believe a key for a few seconds more.
    let refused = eventually("the key is refused", async || {
        keys.list_api_keys(client.request(ListApiKeysRequest::default())).await.err()
    });
    let refused = Refusal::from(refused.await);
    assert_eq!((refused.code, refused.reason.as_str()), (Code::Unauthenticated, "CREDENTIAL_INVALID"));
}

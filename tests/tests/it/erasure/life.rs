//! What a customer does over time, and what is said about them: with canaries in all of it.

use omnimesh_kit::auth::rule;
use omnimesh_proto::{
    common::v1::Channel,
    sessions::v1::{ApiKeyKind, HandoffScope, claim_handoff_request::Proof},
};
use omnimesh_tests::{
    Device, Mesh,
    desk::create_key,
    eventually,
    raw::{RawGrpc, encode},
};
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tonic::Code;

use super::garden::Garden;
use crate::demo::{COFFEE, ISTANBUL, TEA};

const ADD_LINE: &str = "/omnimesh.carts.v1.CartService/AddLine";
const FULFILLMENT: &str = "/omnimesh.orders.v1.FulfillmentService";
pub(super) const GET_ORDER: &str = "/omnimesh.orders.v1.OrderService/GetOrder";
const ORDERS: &str = "/omnimesh.orders.v1.OrderService";
pub(super) const PROFILES: &str = "/omnimesh.profiles.v1.ProfileService";
const RETURNS: &str = "/omnimesh.orders.v1.ReturnService";
const SESSIONS: &str = "/omnimesh.sessions.v1.SessionService";
const SET_DELIVERY: &str = "/omnimesh.carts.v1.CartService/SetDelivery";

/// Who tells the mesh what.
pub(super) struct Told<'a> {
    pub(super) mesh: &'a Mesh,
    raw: RawGrpc,
    pub(super) garden: Garden,
    /// What was claimed, with the credential that claimed it.
    pub(super) claims: Vec<(String, Value)>,
}

impl Told<'_> {
    /// Sends a request that the garden fills; what was sent and what came back.
    pub(super) async fn tell(&mut self, credential: &str, path: &str, body: Value) -> (Value, Value) {
        let request = self.garden.request(path, &body);
        let answer = ask(&self.raw, credential, path, &request).await;
        if path.ends_with("/RecordAssertions") {
            self.claims.push((credential.to_owned(), request.clone()));
        }
        (request, answer)
    }
}

/// Calls an RPC by its JSON form.
pub(super) async fn ask(raw: &RawGrpc, credential: &str, path: &str, request: &Value) -> Value {
    let rule = rule(path).unwrap();
    let bearer = format!("Bearer {credential}");
    let answer = raw.call(path, &[("authorization", &bearer)], encode(rule.input.clone(), request)).await;
    let bytes = answer.unwrap_or_else(|refusal| panic!("{path}: {refusal:?}: {request}")).expect("an answer");
    serde_json::to_value(DynamicMessage::decode(rule.output.clone(), bytes).unwrap()).unwrap()
}

/// A customer who has done all that a customer can do.
pub(super) struct Life {
    pub(super) garden: Garden,
    pub(super) device: Device,
    pub(super) claims: Vec<(String, Value)>,
    pub(super) order_ids: Vec<String>,
    pub(super) profile_ids: Vec<String>,
}

pub(super) async fn live(mesh: &Mesh) -> Life {
    let raw = RawGrpc::new(&mesh.url());
    let mut told = Told { mesh, raw, garden: Garden::default(), claims: Vec::new() };
    let mut device = Device::start(mesh, Channel::App).await;
    let email = told.garden.plant("StartVerification", "contact.email", "email");
    device.identify(mesh, &email).await;
    let profile_ids = is_known(&mut told, &device, &email).await;
    let mut order_ids = vec![ships_and_returns(&mut told, &device, &email).await];
    order_ids.push(is_let_down(&mut told, &device).await);
    order_ids.push(bought_elsewhere(&mut told, &profile_ids[0], &email).await);
    order_ids.push(was_a_guest(&mut told, &email).await);
    order_ids.push(went_on_from_a_kiosk(&mut told, &email).await);
    is_talked_with(&mut told, &device, &order_ids[0], &email).await;
    fill_cart(&mut told, &device.token).await;
    Life { garden: told.garden, device, claims: told.claims, order_ids, profile_ids }
}

/// Verifications, assertions of every kind of caller, a rejected suggestion, merges and a split. Gives the profiles.
async fn is_known(told: &mut Told<'_>, device: &Device, email: &str) -> Vec<String> {
    let mesh = told.mesh;
    let own = device.session.profile_id.clone();
    let (token, admin) = (device.token.as_str(), mesh.admin_key());
    told.tell(token, &format!("{SESSIONS}/StartVerification"), json!({"contact": {"phone": "plant:phone"}})).await;

    let record = format!("{PROFILES}/RecordAssertions");
    let prover =
        key(mesh, ApiKeyKind::Secret, Channel::Store, &["profiles.read", "profiles.write", "identity.assert"]).await;
    let claims = json!({
        "addresses": [{"countryCode": "TR"}],
        "identifiers": [
            {"type": "IDENTIFIER_TYPE_LOYALTY_CARD", "value": "plant:card"},
            {"type": "IDENTIFIER_TYPE_LOGIN", "value": "shop plant:text"},
            {"type": "IDENTIFIER_TYPE_NATIONAL_ID", "value": "plant:card"},
            {"type": "IDENTIFIER_TYPE_DEVICE", "value": "plant:text"},
        ],
    });
    let (said, _) = told.tell(&prover, &record, json!({"profileId": own, "accountId": "till", "claims": claims})).await;
    let subject = told.garden.plant("RecordAssertions", "oidc_token", "text");
    let oidc = mesh.issuer().customer(&subject);
    let claims = json!({"addresses": [{"countryCode": "TR"}]});
    told.tell(token, &record, json!({"customerRef": null, "claims": claims, "oidcToken": oidc})).await;

    // A form that nobody proved: enough alike to raise a suggestion, which is rejected and then overruled.
    let form = key(mesh, ApiKeyKind::Secret, Channel::CallCenter, &["profiles.read", "profiles.write"]).await;
    let said = &said["claims"];
    let alike = json!({"name": said["name"], "phones": said["phones"], "birthDate": said["birthDate"]});
    let (_, answer) = told.tell(&form, &record, json!({"accountId": "forms", "claims": alike})).await;
    let second = answer["recordedProfileId"].as_str().unwrap().to_owned();
    assert_ne!(second, own);
    let suggestion = answer["suggestionIds"][0].as_str().unwrap_or_else(|| panic!("no suggestion: {answer}"));
    told.tell(&admin, &format!("{PROFILES}/RejectMergeSuggestion"), json!({"suggestionId": suggestion})).await;
    let partner = key(mesh, ApiKeyKind::Partner, Channel::Marketplace, &["profiles.write"]).await;
    let (_, answer) = told.tell(&partner, &record, json!({"claims": {}})).await;
    let third = answer["recordedProfileId"].as_str().unwrap().to_owned();

    let merge = format!("{PROFILES}/MergeProfiles");
    for other in [&second, &third] {
        told.tell(&admin, &merge, json!({"profileId": own, "otherProfileId": other})).await;
    }
    let split = json!({"profileId": own, "leavingProfileIds": [second]});
    told.tell(&admin, &format!("{PROFILES}/SplitProfile"), split).await;
    told.tell(&admin, &merge, json!({"profileId": own, "otherProfileId": second})).await;

    let known = json!({"identifiers": [{"type": "IDENTIFIER_TYPE_EMAIL", "value": email}]});
    told.garden.again("ResolveProfile", "identifiers.value");
    told.tell(&prover, &format!("{PROFILES}/ResolveProfile"), known).await;
    told.garden.again("SearchProfiles", "query");
    let (_, found) = told.tell(&admin, &format!("{PROFILES}/SearchProfiles"), json!({"query": email})).await;
    assert_eq!(found["matches"][0]["profile"]["profileId"], own.as_str(), "{found}");
    is_served(told, &said["identifiers"][0]["value"]).await;
    is_logged_in(told, &subject).await;
    vec![own, second, third]
}

/// By a loyalty card, on a tablet of the store.
async fn is_served(told: &mut Told<'_>, card: &Value) {
    let tablet = Device::start_shared(told.mesh, Channel::Store, ISTANBUL).await;
    let staff = told.mesh.issuer().associate("associate-istanbul", &[ISTANBUL]);
    told.garden.again("IdentifySession", "loyalty_card.number");
    let scan = json!({"sessionId": tablet.session.session_id, "loyaltyCard": {"number": card}});
    told.tell(&staff, &format!("{SESSIONS}/IdentifySession"), scan).await;
    told.tell(&staff, &format!("{SESSIONS}/EndSession"), json!({"sessionId": tablet.session.session_id})).await;
}

/// By the retailer's login, in the web shop.
async fn is_logged_in(told: &mut Told<'_>, subject: &str) {
    let web = Device::start(told.mesh, Channel::Web).await;
    told.garden.again("IdentifySession", "oidc_token");
    let login = json!({"oidcToken": told.mesh.issuer().customer(subject)});
    told.tell(&web.token, &format!("{SESSIONS}/IdentifySession"), login).await;
}

/// An order that is shipped, and two returns: one closed, one rejected. Gives the order.
async fn ships_and_returns(told: &mut Told<'_>, device: &Device, email: &str) -> String {
    let (token, admin) = (device.token.as_str(), told.mesh.admin_key());
    let cart = fill_cart(told, token).await;
    told.garden.again("PlaceOrder", "contact.email");
    let order = place(told, device, &cart, json!({"email": email})).await;
    let id = order["orderId"].as_str().unwrap().to_owned();
    let group = json!({"group": {"orderId": id}});
    told.tell(&admin, &format!("{FULFILLMENT}/Accept"), group.clone()).await;
    told.tell(&admin, &format!("{FULFILLMENT}/Pack"), group.clone()).await;
    let ship = json!({"group": {"orderId": id}, "carrier": "Carrier"});
    told.tell(&admin, &format!("{FULFILLMENT}/Ship"), ship).await;
    told.tell(&admin, &format!("{FULFILLMENT}/Deliver"), group).await;

    let lines = json!([{"lineId": order["lines"][0]["lineId"], "quantity": "1"}]);
    for settled in [true, false] {
        let wanted = json!({"orderId": id, "lines": lines});
        let (_, asked) = told.tell(token, &format!("{RETURNS}/RequestReturn"), wanted).await;
        let named = json!({"returnRef": {"returnId": asked["orderReturn"]["returnId"]}});
        if settled {
            told.tell(&admin, &format!("{RETURNS}/ApproveReturn"), named.clone()).await;
            let mut sent = named.clone();
            sent["carrier"] = "Carrier".into();
            told.tell(token, &format!("{RETURNS}/ShipReturn"), sent).await;
            told.tell(&admin, &format!("{RETURNS}/CloseReturn"), named).await;
        } else {
            told.tell(&admin, &format!("{RETURNS}/RejectReturn"), named).await;
        }
    }
    id
}

/// An order from before it was known whose the session is. Gives the order.
async fn was_a_guest(told: &mut Told<'_>, email: &str) -> String {
    let mut web = Device::start(told.mesh, Channel::Web).await;
    let cart = fill_cart(told, &web.token).await;
    let order = place(told, &web, &cart, json!({"email": "plant:email"})).await;
    web.identify(told.mesh, email).await;
    order["orderId"].as_str().unwrap().to_owned()
}

/// An order at a kiosk, from which the phone went on, whose owner said who they are later. Gives the order.
async fn went_on_from_a_kiosk(told: &mut Told<'_>, email: &str) -> String {
    let kiosk = Device::start_shared(told.mesh, Channel::Kiosk, ISTANBUL).await;
    let cart = fill_cart(told, &kiosk.token).await;
    let order = place(told, &kiosk, &cart, json!({"phone": "plant:phone"})).await;
    let proof = Proof::QrToken(kiosk.offer(HandoffScope::Edit).await.qr_token);
    let anybody = told.mesh.client(&told.mesh.publishable_key()).await;
    let (mut phone, _) = Device::claim(&anybody, proof, Channel::App, "").await.expect("the phone goes on");
    phone.identify(told.mesh, email).await;
    order["orderId"].as_str().unwrap().to_owned()
}

/// An order that the store can't fulfil and the customer cancels.
async fn is_let_down(told: &mut Told<'_>, device: &Device) -> String {
    let admin = told.mesh.admin_key();
    told.tell(&device.token, ADD_LINE, json!({"sku": COFFEE, "quantity": "1", "currencyCode": "TRY"})).await;
    let version = device.cart().await.unwrap().version.to_string();
    let pickup = json!({"expectedVersion": version, "pickup": {"locationId": ISTANBUL}});
    let (_, chosen) = told.tell(&device.token, SET_DELIVERY, pickup).await;
    let order = place(told, device, &chosen["cart"], json!({"phone": "plant:phone"})).await;
    let id = order["orderId"].as_str().unwrap().to_owned();
    told.tell(&admin, &format!("{FULFILLMENT}/Reject"), json!({"group": {"orderId": id}})).await;
    told.tell(&device.token, &format!("{ORDERS}/CancelOrder"), json!({"orderId": id})).await;
    id
}

/// Two goods with words of the customer's on them, and where they go. Gives the cart.
async fn fill_cart(told: &mut Told<'_>, token: &str) -> Value {
    let line = json!({
        "sku": TEA, "quantity": "2", "currencyCode": "TRY", "options": {"plant:text": "plant:text"},
    });
    let (_, added) = told.tell(token, ADD_LINE, line).await;
    let home = json!({"countryCode": "TR", "postalCode": "34710"});
    let shipping = json!({
        "expectedVersion": added["cart"]["version"],
        "shipping": {"shippingMethodId": "standard", "address": home},
    });
    told.tell(token, SET_DELIVERY, shipping).await.1["cart"].take()
}

/// Orders a cart and pays it. Gives the order.
async fn place(told: &mut Told<'_>, device: &Device, cart: &Value, contact: Value) -> Value {
    let total = &cart["totals"]["total"];
    let body = json!({
        "cartId": cart["cartId"], "cartVersion": cart["version"], "expectedTotal": total, "contact": contact,
        "paymentMethod": "PAYMENT_METHOD_ONLINE",
    });
    let (_, placed) = told.tell(&device.token, &format!("{ORDERS}/PlaceOrder"), body).await;
    eventually("the cart is closed", async || {
        device.cart().await.is_err_and(|status| status.code() == Code::NotFound).then_some(())
    })
    .await;
    let payment = json!({
        "orderId": placed["order"]["orderId"], "provider": "test", "amount": total,
        "providerEventId": uuid::Uuid::new_v4().to_string(), "kind": "PAYMENT_EVENT_KIND_CAPTURED",
    });
    let admin = told.mesh.admin_key();
    let (_, paid) = told.tell(&admin, "/omnimesh.orders.v1.PaymentService/RecordPayment", payment).await;
    paid["order"].clone()
}

/// A marketplace's document, told twice and differently. Gives the order.
async fn bought_elsewhere(told: &mut Told<'_>, profile_id: &str, email: &str) -> String {
    let key = key(told.mesh, ApiKeyKind::Secret, Channel::Store, &["orders.import", "profiles.read", "profiles.write"]);
    let key = key.await;
    // The till says whose its customer number is.
    let claims = json!({"profileId": profile_id, "accountId": "till", "claims": {"emails": [email]}});
    let (said, _) = told.tell(&key, &format!("{PROFILES}/RecordAssertions"), claims).await;
    let document = |sum: &str, contact: Value| {
        json!({
            "accountId": "till", "channelOrderId": profile_id, "kind": "DOCUMENT_KIND_SALE",
            "mode": "IMPORT_MODE_HISTORICAL", "channel": "CHANNEL_STORE", "currencyCode": "TRY",
            "placeTime": "2025-03-01T10:00:00Z", "updateTime": "2025-03-01T10:00:00Z",
            "customerRef": said["customerRef"], "contact": contact, "lines": [{
                "lineId": "1", "sku": TEA, "name": "Tea", "quantity": "1", "kind": "LINE_KIND_SALE",
                "unitPrice": {"currencyCode": "TRY", "units": sum}, "sourceCustomerRef": said["customerRef"],
                "options": {"plant:text": "plant:text"},
            }],
        })
    };
    for field in ["document.customer_ref", "document.contact.email", "document.lines.source_customer_ref"] {
        told.garden.again("ImportOrders", field);
    }
    let import = format!("{ORDERS}/ImportOrders");
    let (_, created) = told.tell(&key, &import, json!({"document": document("10", json!({"email": email}))})).await;
    told.tell(&key, &import, json!({"document": document("11", json!({"phone": "plant:phone"}))})).await;
    created["orderId"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned()
}

/// Consents, and a call that was noted.
async fn is_talked_with(told: &mut Told<'_>, device: &Device, order_id: &str, email: &str) {
    let admin = told.mesh.admin_key();
    let consents = "/omnimesh.profiles.v1.ConsentService";
    let consent = |address: &Value, channel: &str| {
        json!({
            "address": address, "purpose": "CONSENT_PURPOSE_MARKETING", "channel": channel,
            "decision": "CONSENT_DECISION_GRANT", "textVersion": "newsletter-2026-03",
        })
    };
    let phone = told.claims.iter().find_map(|(_, said)| said["claims"]["phones"][0].as_str()).unwrap().to_owned();
    let (by_mail, by_phone) = (json!({"email": email}), json!({"phone": phone}));
    let record = format!("{consents}/RecordConsent");
    let said = json!({"consent": consent(&by_mail, "CONSENT_CHANNEL_EMAIL")});
    told.tell(&device.token, &record, said).await;
    let said = json!({"consent": consent(&by_phone, "CONSENT_CHANNEL_MESSAGE")});
    told.tell(&admin, &record, said).await;
    for (name, address, channel) in
        [("email", &by_mail, "CONSENT_CHANNEL_EMAIL"), ("phone", &by_phone, "CONSENT_CHANNEL_MESSAGE")]
    {
        told.garden.again("RecordConsent", &format!("consent.address.{name}"));
        told.garden.again("CheckConsent", &format!("address.{name}"));
        told.garden.again("ListConsents", &format!("address.{name}"));
        let asked = json!({"address": address, "purpose": "CONSENT_PURPOSE_MARKETING", "channel": channel});
        told.tell(&admin, &format!("{consents}/CheckConsent"), asked).await;
        told.tell(&admin, &format!("{consents}/ListConsents"), json!({"address": address})).await;
    }
    let call = json!({
        "profileId": device.session.profile_id, "source": "pbx", "channel": "CHANNEL_CALL_CENTER",
        "kind": "INTERACTION_KIND_CALL", "resourceId": order_id,
    });
    told.tell(&admin, "/omnimesh.profiles.v1.TimelineService/RecordInteraction", call).await;
}

async fn key(mesh: &Mesh, kind: ApiKeyKind, channel: Channel, scopes: &[&str]) -> String {
    let account_id = if kind == ApiKeyKind::Partner { "acme".to_owned() } else { String::new() };
    let request = omnimesh_proto::sessions::v1::CreateApiKeyRequest {
        kind: kind.into(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        channels: vec![channel.into()],
        account_id,
        ..Default::default()
    };
    create_key(mesh, request).await.1
}

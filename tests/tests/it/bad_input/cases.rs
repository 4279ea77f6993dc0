//! Calls that are wrong, and what each must come to.

use omnimesh_tests::{customer::request_id, raw::Refusal};
use serde_json::{Value, json};
use tonic::Code;

use crate::demo::{ISTANBUL, TEA};

const ACCEPT_SUGGESTION: &str = "/omnimesh.profiles.v1.ProfileService/AcceptMergeSuggestion";
const ADD_ACCOUNT: &str = "/omnimesh.channels.v1.ChannelService/CreateAccount";
const ADD_LINE: &str = "/omnimesh.carts.v1.CartService/AddLine";
const ADJUST_STOCK: &str = "/omnimesh.catalog.v1.StockService/AdjustStock";
const CHANGE_LINE: &str = "/omnimesh.carts.v1.CartService/ChangeLine";
const CHECK_CONSENT: &str = "/omnimesh.profiles.v1.ConsentService/CheckConsent";
const CLAIM_HANDOFF: &str = "/omnimesh.sessions.v1.HandoffService/ClaimHandoff";
const CREATE_HANDOFF: &str = "/omnimesh.sessions.v1.HandoffService/CreateHandoff";
const ERASE_PROFILE: &str = "/omnimesh.profiles.v1.ProfileService/EraseProfile";
const GET_ACCOUNT: &str = "/omnimesh.channels.v1.ChannelService/GetAccount";
const GET_CART: &str = "/omnimesh.carts.v1.CartService/GetCart";
const GET_ORDER: &str = "/omnimesh.orders.v1.OrderService/GetOrder";
const GET_ORDER_SYNC: &str = "/omnimesh.channels.v1.ChannelService/GetOrderSync";
const GET_PRODUCT: &str = "/omnimesh.catalog.v1.CatalogService/GetProduct";
const GET_PROFILE: &str = "/omnimesh.profiles.v1.ProfileService/GetProfile";
const GET_RETURN: &str = "/omnimesh.orders.v1.ReturnService/GetReturn";
const GET_SESSION: &str = "/omnimesh.sessions.v1.SessionService/GetSession";
const LIST_DEAD_LETTERS: &str = "/omnimesh.channels.v1.ChannelService/ListDeadLetters";
const LIST_ORDERS: &str = "/omnimesh.orders.v1.OrderService/ListOrders";
const GET_VIEW: &str = "/omnimesh.profiles.v1.CustomerViewService/GetCustomerView";
const LIST_SUGGESTIONS: &str = "/omnimesh.profiles.v1.ProfileService/ListMergeSuggestions";
const MERGE_PROFILES: &str = "/omnimesh.profiles.v1.ProfileService/MergeProfiles";
const PLACE_ORDER: &str = "/omnimesh.orders.v1.OrderService/PlaceOrder";
const RECORD_ASSERTIONS: &str = "/omnimesh.profiles.v1.ProfileService/RecordAssertions";
const RECORD_CONSENT: &str = "/omnimesh.profiles.v1.ConsentService/RecordConsent";
const RECORD_INTERACTION: &str = "/omnimesh.profiles.v1.TimelineService/RecordInteraction";
const RECORD_PAYMENT: &str = "/omnimesh.orders.v1.PaymentService/RecordPayment";
const REPLAY: &str = "/omnimesh.channels.v1.ChannelService/ReplayDeadLetter";
const REQUEST_RETURN: &str = "/omnimesh.orders.v1.ReturnService/RequestReturn";
const SEARCH_PROFILES: &str = "/omnimesh.profiles.v1.ProfileService/SearchProfiles";
const SPLIT_PROFILE: &str = "/omnimesh.profiles.v1.ProfileService/SplitProfile";
const START_VERIFICATION: &str = "/omnimesh.sessions.v1.SessionService/StartVerification";

/// What the calls are about.
pub(super) struct World {
    pub(super) customer: String,
    pub(super) ended: String,
    pub(super) admin: String,
    pub(super) publishable: String,
    /// A line of the customer's cart, whose version is 2.
    pub(super) line_id: String,
    /// An order of the customer's that is not paid, and a line of it.
    pub(super) order_id: String,
    pub(super) order_line_id: String,
    /// A profile that stands alone.
    pub(super) profile_id: String,
}

/// Profiles, returns and suggestions that never were.
const NO_PROFILE: &str = "profile_01k00000000000000000000000";
const NO_RETURN: &str = "return_01k00000000000000000000000";
const NO_SUGGESTION: &str = "suggestion_01k00000000000000000000000";

/// A call that is wrong, and what it must come to.
pub(super) struct Case {
    what: &'static str,
    pub(super) path: &'static str,
    pub(super) credential: Option<String>,
    pub(super) body: Value,
    code: Code,
    reason: &'static str,
    // The field that BadRequest names, where the reason is about fields.
    field: Option<&'static str>,
    // A key of the reason's metadata.
    metadata: Option<&'static str>,
}

impl Case {
    fn new(what: &'static str, path: &'static str, credential: Option<&str>, body: Value) -> Self {
        let (code, reason) = (Code::InvalidArgument, "INVALID_REQUEST");
        let credential = credential.map(str::to_owned);
        Self { what, path, credential, body, code, reason, field: None, metadata: None }
    }

    fn is(self, code: Code, reason: &'static str) -> Self {
        Self { code, reason, ..self }
    }

    fn names(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    fn tells(self, metadata: &'static str) -> Self {
        Self { metadata: Some(metadata), ..self }
    }

    /// What is wrong with an answer.
    pub(super) fn judge(&self, protocol: &str, answer: Result<(), Refusal>) -> Option<String> {
        let Err(refusal) = answer else { return Some(format!("{protocol}: {}: it was let through", self.what)) };
        let right = refusal.code == self.code
            && refusal.reason == self.reason
            && self.field.is_none_or(|field| refusal.fields.iter().any(|name| name == field))
            && self.metadata.is_none_or(|key| refusal.metadata.iter().any(|(name, _)| name == key));
        let expected = (self.code, self.reason, self.field, self.metadata);
        (!right).then(|| format!("{protocol}: {}: expected {expected:?}, was {refusal:?}", self.what))
    }
}

pub(super) fn cases(world: &World) -> Vec<Case> {
    let mut cases = credentials(world);
    cases.extend(carts(world));
    cases.extend(orders(world));
    cases.extend(returns(world));
    cases.extend(handoffs(world));
    cases.extend(profiles(world));
    cases.extend(consents(world));
    cases.extend(channels(world));
    cases.extend(others(world));
    cases
}

fn credentials(world: &World) -> Vec<Case> {
    let case = |what, credential| Case::new(what, GET_SESSION, credential, json!({}));
    vec![
        case("no credential", None).is(Code::Unauthenticated, "CREDENTIAL_MISSING"),
        case("a key that is none", Some("omk_no_key")).is(Code::Unauthenticated, "CREDENTIAL_INVALID"),
        case("another kind of key", Some(&world.publishable)).is(Code::PermissionDenied, "AUDIENCE_DENIED"),
        case("an ended session", Some(&world.ended)).is(Code::Unauthenticated, "SESSION_EXPIRED"),
    ]
}

fn channels(world: &World) -> Vec<Case> {
    let case = |what, path, body| Case::new(what, path, Some(&world.admin), body);
    let add = |what, body| case(what, ADD_ACCOUNT, body);
    let account = |what, id: &str| case(what, GET_ACCOUNT, json!({"accountId": id}));
    let fields = json!({"seller_id": "1", "api_key": "k", "api_secret": "s", "shoe_size": "43"});
    vec![
        account("an account of nobody", "chan_01k00000000000000000000000").is(Code::NotFound, "NOT_FOUND"),
        account("an account whose id is none", "acme").names("account_id"),
        add("no such connector", json!({"vendor": "orders", "displayName": "x"})).names("vendor"),
        add("an account without a name", json!({"vendor": "trendyol"})).names("display_name"),
        add("an account without its key", json!({"vendor": "trendyol", "displayName": "x"})).names("fields.api_key"),
        add("a field of none", json!({"vendor": "trendyol", "displayName": "x", "fields": fields})).names("fields"),
        case("an order of no marketplace", GET_ORDER_SYNC, json!({"orderId": world.order_id}))
            .is(Code::NotFound, "NOT_FOUND"),
        case("a page of nothing", LIST_DEAD_LETTERS, json!({"pageToken": "x"}))
            .is(Code::InvalidArgument, "INVALID_PAGE_TOKEN"),
        case("a dead letter of another kind", REPLAY, json!({"deadLetterId": world.order_id})).names("dead_letter_id"),
    ]
}

fn carts(world: &World) -> Vec<Case> {
    let case = |what, path, body| Case::new(what, path, Some(&world.customer), body);
    let add = |what, body| case(what, ADD_LINE, body);
    let cart = |what, id: &str| case(what, GET_CART, json!({"cartId": id}));
    let too_many = i64::MAX.to_string();
    let stale = json!({"lineId": world.line_id, "quantity": "9", "expectedVersion": "1"});
    vec![
        cart("an unknown cart", "cart_01k00000000000000000000000").is(Code::NotFound, "NOT_FOUND"),
        cart("an id that is none", "cart_'; DROP TABLE carts").names("cart_id"),
        cart("an id of another kind", &world.order_id).names("cart_id"),
        add("a negative quantity", json!({"sku": TEA, "quantity": "-1"})).names("quantity"),
        add("no quantity", json!({"sku": TEA})).names("quantity"),
        add("far too many", json!({"sku": TEA, "quantity": too_many})).names("quantity"),
        add("no SKU", json!({"quantity": "1"})).names("sku"),
        add("a SKU with a NUL", json!({"sku": "a\0b", "quantity": "1"})).names("sku"),
        add("a request id that is none", json!({"sku": TEA, "quantity": "1", "requestId": "7"})).names("request_id"),
        add("no such currency", json!({"sku": TEA, "quantity": "1", "currencyCode": "QQQ"})).names("currency_code"),
        add("an unknown SKU", json!({"sku": "NO-SUCH", "quantity": "1", "currencyCode": "TRY"}))
            .is(Code::FailedPrecondition, "NOT_SELLABLE"),
        case("a stale version", CHANGE_LINE, stale).is(Code::Aborted, "VERSION_MISMATCH").tells("current_version"),
    ]
}

fn orders(world: &World) -> Vec<Case> {
    let customer = |what, path, body| Case::new(what, path, Some(&world.customer), body);
    let lira = |units: i64| json!({"currencyCode": "TRY", "units": units.to_string()});
    let order = |contact: Value| {
        json!({
            "cartVersion": "1", "expectedTotal": lira(1), "contact": contact,
            "paymentMethod": "PAYMENT_METHOD_ONLINE", "requestId": request_id(),
        })
    };
    let payment = |what, amount: Value| {
        let body = json!({
            "orderId": world.order_id, "provider": "p", "providerEventId": request_id(),
            "kind": "PAYMENT_EVENT_KIND_CAPTURED", "amount": amount,
        });
        Case::new(what, RECORD_PAYMENT, Some(&world.admin), body)
    };
    let mismatch = (Code::FailedPrecondition, "PAYMENT_MISMATCH");
    let unknown = json!({"orderId": "order_01k00000000000000000000000"});
    vec![
        customer("an order of a cart that changed", PLACE_ORDER, order(json!({"email": "a@example.com"})))
            .is(Code::Aborted, "VERSION_MISMATCH"),
        customer("no contact", PLACE_ORDER, order(Value::Null)).names("contact"),
        customer("an unknown order", GET_ORDER, unknown).is(Code::NotFound, "NOT_FOUND"),
        customer("a page token that is none", LIST_ORDERS, json!({"pageToken": "nonsense"}))
            .is(Code::InvalidArgument, "INVALID_PAGE_TOKEN"),
        payment("another currency", json!({"currencyCode": "EUR", "units": "1"})).is(mismatch.0, mismatch.1),
        payment("more than the total", lira(1_000_000)).is(mismatch.0, mismatch.1),
        payment("finer than can be kept", json!({"currencyCode": "TRY", "nanos": 1})).names("amount"),
    ]
}

fn others(world: &World) -> Vec<Case> {
    let customer = |what, path, body| Case::new(what, path, Some(&world.customer), body);
    let taken = json!({"sku": TEA, "locationId": ISTANBUL, "delta": "-1000000", "reason": "damage"});
    vec![
        customer("an address that is none", START_VERIFICATION, json!({"contact": {"email": "nobody"}}))
            .names("contact"),
        customer("an unknown product", GET_PRODUCT, json!({"sku": "NO-SUCH"})).is(Code::NotFound, "NOT_FOUND"),
        Case::new("less than there is", ADJUST_STOCK, Some(&world.admin), taken)
            .is(Code::FailedPrecondition, "OUT_OF_STOCK"),
    ]
}

fn returns(world: &World) -> Vec<Case> {
    let customer = |what, path, body| Case::new(what, path, Some(&world.customer), body);
    let line = |quantity: &str| json!([{"lineId": world.order_line_id, "quantity": quantity}]);
    let returned = |what, lines: Value, reason: &str| {
        customer(what, REQUEST_RETURN, json!({"orderId": world.order_id, "lines": lines, "reason": reason}))
    };
    vec![
        returned("goods that nobody has yet", line("1"), "stale").is(Code::FailedPrecondition, "NOT_RETURNABLE"),
        returned("nothing to return", json!([]), "stale").names("lines"),
        returned("a return without a reason", line("1"), "").names("reason"),
        customer("an unknown return", GET_RETURN, json!({"returnId": NO_RETURN})).is(Code::NotFound, "NOT_FOUND"),
        customer("an order for a return", GET_RETURN, json!({"returnId": world.order_id})).names("return_id"),
    ]
}

fn handoffs(world: &World) -> Vec<Case> {
    let claim = |what, body| Case::new(what, CLAIM_HANDOFF, Some(&world.publishable), body);
    let unknown = json!({"code": "ZZZZZZZZ", "channel": "CHANNEL_WEB", "deviceClass": "DEVICE_CLASS_MOBILE"});
    let nothing = json!({"channel": "CHANNEL_WEB", "deviceClass": "DEVICE_CLASS_MOBILE"});
    vec![
        Case::new("an offer of nothing", CREATE_HANDOFF, Some(&world.customer), json!({})).names("scope"),
        claim("a claim of nothing", nothing).names("proof"),
        claim("a code that was never given", unknown).is(Code::InvalidArgument, "CODE_WRONG"),
    ]
}

fn profiles(world: &World) -> Vec<Case> {
    let admin = |what, path, body| Case::new(what, path, Some(&world.admin), body);
    let merge = |what, other: &str, reason: &str| {
        let body = json!({"profileId": world.profile_id, "otherProfileId": other, "reason": reason});
        admin(what, MERGE_PROFILES, body)
    };
    let split = json!({"profileId": world.profile_id, "leavingProfileIds": [world.profile_id], "reason": "two"});
    let record =
        |what, claims: Value| admin(what, RECORD_ASSERTIONS, json!({"channel": "CHANNEL_STORE", "claims": claims}));
    vec![
        admin("an unknown profile", GET_PROFILE, json!({"profileId": NO_PROFILE})).is(Code::NotFound, "NOT_FOUND"),
        admin("an order for a profile", GET_PROFILE, json!({"profileId": world.order_id})).names("profile_id"),
        admin("a view of nobody", GET_VIEW, json!({"profileId": NO_PROFILE})).is(Code::NotFound, "NOT_FOUND"),
        admin("a search for a letter", SEARCH_PROFILES, json!({"query": "a"})).names("query"),
        record("nothing said", json!({})).names("claims"),
        record("an identifier of no kind", json!({"identifiers": [{"value": "1"}]})).names("claims.identifiers[0]"),
        record("too many phones", json!({"phones": vec!["+905321112233"; 11]})).names("claims.phones"),
        merge("a merge without a reason", NO_PROFILE, "").names("reason"),
        merge("a merge with nobody", NO_PROFILE, "same").is(Code::NotFound, "NOT_FOUND"),
        admin("one that can't be split", SPLIT_PROFILE, split).is(Code::FailedPrecondition, "NOTHING_TO_SPLIT"),
        admin("an unknown suggestion", ACCEPT_SUGGESTION, json!({"suggestionId": NO_SUGGESTION}))
            .is(Code::NotFound, "NOT_FOUND"),
        admin("a page token that is none", LIST_SUGGESTIONS, json!({"pageToken": "nonsense"}))
            .is(Code::InvalidArgument, "INVALID_PAGE_TOKEN"),
        admin("an erasure without a reason", ERASE_PROFILE, json!({"profileId": world.profile_id})).names("reason"),
    ]
}

fn consents(world: &World) -> Vec<Case> {
    let admin = |what, path, body| Case::new(what, path, Some(&world.admin), body);
    let consent = |evidence: &str, address: Value| {
        json!({"consent": {
            "address": address, "purpose": "CONSENT_PURPOSE_MARKETING", "channel": "CONSENT_CHANNEL_EMAIL",
            "decision": "CONSENT_DECISION_GRANT", "textVersion": "v1", "evidence": evidence,
        }})
    };
    let mail = json!({"email": "a@example.com"});
    let interaction = json!({
        "profileId": world.profile_id, "source": "pbx", "sourceId": "1", "channel": "CHANNEL_CALL_CENTER",
        "kind": "INTERACTION_KIND_ORDER_PLACED",
    });
    vec![
        admin("a grant without proof", RECORD_CONSENT, consent("", mail.clone())).names("consent.evidence"),
        admin("a grant of no address", RECORD_CONSENT, consent("form 1", Value::Null)).names("consent.address"),
        admin("a check for no purpose", CHECK_CONSENT, json!({"address": mail, "channel": "CONSENT_CHANNEL_EMAIL"}))
            .names("purpose"),
        admin("what the mesh tells itself", RECORD_INTERACTION, interaction).names("kind"),
    ]
}

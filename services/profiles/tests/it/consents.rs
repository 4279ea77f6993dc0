//! What may be sent to whom, by what was said and by the registry, over real HTTP.

use std::time::Duration;

use omnimesh_kit::{
    args, auth::SessionLevel, call::Call, ids::ProfileId, lifecycle::Lifecycle, private::Private, testing::BACKENDS,
};
use omnimesh_profiles::registry::sandbox::{Outage, Sandbox};
use omnimesh_proto::{
    common::v1::{Contact, contact::Value},
    profiles::v1::{
        CheckConsentRequest, Consent,
        ConsentChannel::{self, Call as ByCall, Email, Message},
        ConsentDecision::{self, Deny, Grant, Revoke},
        ConsentPurpose::{self, Marketing, Profiling, Service, Transactional},
        ConsentReason::{self, *},
        IdentifierType, ListConsentsRequest, RecordConsentRequest,
    },
};
use prost_types::Timestamp;
use serde_json::json;
use tonic::Status;

use crate::world::{World, customer, reason, service, settings, world_with, worlds};

const ADA: &str = "ada@shop.example";
const BOB: &str = "bob@shop.example";
const PHONE: &str = "+905321234567";

mod sql {
    omnimesh_kit::statements! {
        /// Another profile has what a profile has, as after a split.
        SHARE = "INSERT INTO held_identifiers (hash, profile_id, type, value, strength, verified_at, source, created_at) \
            SELECT hash, $2, type, value, strength, verified_at, source, created_at FROM held_identifiers WHERE profile_id = $1";
    }
}

fn address(text: &str) -> Option<Contact> {
    let value = if text.contains('@') { Value::Email(text.to_owned()) } else { Value::Phone(text.to_owned()) };
    Some(Contact { value: Some(value) })
}

fn said(to: &str, purpose: ConsentPurpose, decision: ConsentDecision) -> Consent {
    let channel = if to.contains('@') { Email } else { Message };
    Consent {
        address: address(to),
        purpose: purpose.into(),
        channel: channel.into(),
        decision: decision.into(),
        text_version: "newsletter-2026-03".to_owned(),
        evidence: "form 17".to_owned(),
        ..Consent::default()
    }
}

fn backend() -> Call {
    service(&["consents.write", "consents.read"])
}

impl World {
    async fn person(&self, kind: IdentifierType, value: &str) -> ProfileId {
        let profile = self.resolve(&[(kind, value)], true).await.unwrap().profile.unwrap();
        profile.profile_id.parse().unwrap()
    }

    async fn say(&self, call: &Call, consent: Consent) -> Result<Consent, Status> {
        // Each a moment later than the last.
        self.db.clock.advance(Duration::from_secs(1));
        let request = RecordConsentRequest { consent: Some(consent), request_id: String::new() };
        let reply = self.consents(call).record_consent(request).await?;
        Ok(reply.into_inner().consent.unwrap())
    }

    async fn ask(
        &self,
        to: &str,
        purpose: ConsentPurpose,
        channel: ConsentChannel,
    ) -> (bool, ConsentReason, Option<Consent>) {
        let request = CheckConsentRequest { address: address(to), purpose: purpose.into(), channel: channel.into() };
        let reply = self.consents(&backend()).check_consent(request).await.unwrap().into_inner();
        (reply.allowed, reply.reason(), reply.decided_by)
    }

    async fn why(&self, to: &str, purpose: ConsentPurpose) -> ConsentReason {
        self.ask(to, purpose, if to.contains('@') { Email } else { Message }).await.1
    }

    async fn listed(&self, call: &Call, request: ListConsentsRequest) -> Vec<ConsentDecision> {
        let page = self.consents(call).list_consents(request).await.unwrap().into_inner();
        page.consents.iter().map(Consent::decision).collect()
    }
}

#[tokio::test]
async fn customers_speak_for_what_they_proved() {
    for world in worlds().await {
        let ada = world.person(IdentifierType::Email, ADA).await;
        world.person(IdentifierType::Email, BOB).await;
        let own = customer(Some(ada), SessionLevel::Identified);
        assert_eq!(world.why(ADA, Marketing).await, NoGrant);
        let granted = world.say(&own, said(" ADA@shop.example", Marketing, Grant)).await.unwrap();
        assert_eq!(granted.address, address(ADA));
        let (allowed, reason_given, decided_by) = world.ask(ADA, Marketing, Email).await;
        assert_eq!((allowed, reason_given, decided_by.as_ref()), (true, Granted, Some(&granted)));
        // One purpose is not another.
        assert_eq!(world.why(ADA, Profiling).await, NoGrant);
        assert_eq!(world.why(ADA, Transactional).await, NotNeeded);
        world.say(&own, said(ADA, Marketing, Revoke)).await.unwrap();
        assert_eq!(world.why(ADA, Marketing).await, Revoked);
        world.say(&own, said(ADA, Marketing, Grant)).await.unwrap();
        assert_eq!(world.why(ADA, Marketing).await, Granted);
        world.say(&own, said(ADA, Service, Deny)).await.unwrap();
        assert_eq!(world.why(ADA, Service).await, Denied);

        for other in [BOB, "nobody@shop.example"] {
            let refused = world.say(&own, said(other, Marketing, Grant)).await;
            assert_eq!(reason(refused), "NOT_FOUND", "whether somebody else has it is not told");
            assert_eq!(world.why(other, Marketing).await, NoGrant);
        }
        let guest = customer(None, SessionLevel::Guest);
        assert_eq!(reason(world.say(&guest, said(ADA, Marketing, Grant)).await), "NOT_IDENTIFIED");
        let linked = customer(None, SessionLevel::Linked);
        assert_eq!(reason(world.say(&linked, said(ADA, Marketing, Deny)).await), "NOT_HANDED_OVER");
        assert_eq!(reason(world.say(&service(&[]), said(ADA, Marketing, Grant)).await), "SCOPE_MISSING");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    for world in worlds().await {
        let now = Timestamp { seconds: 1_767_268_800, nanos: 0 };
        let later = Some(Timestamp { seconds: now.seconds + 3_600, ..now });
        let good = said(ADA, Marketing, Grant);
        for (name, bad) in [
            ("no address", Consent { address: None, ..good.clone() }),
            ("no purpose", Consent { purpose: 0, ..good.clone() }),
            ("an unknown purpose", Consent { purpose: 99, ..good.clone() }),
            ("no channel", Consent { channel: 0, ..good.clone() }),
            ("a call to an e-mail address", Consent { channel: ByCall.into(), ..good.clone() }),
            ("an e-mail to a phone", Consent { channel: Email.into(), ..said(PHONE, Marketing, Grant) }),
            ("no decision", Consent { decision: 0, ..good.clone() }),
            ("no wording", Consent { text_version: String::new(), ..good.clone() }),
            ("no evidence", Consent { evidence: String::new(), ..good.clone() }),
            ("no evidence", Consent { evidence: String::new(), ..said(ADA, Profiling, Grant) }),
            ("long evidence", Consent { evidence: "x".repeat(501), ..good.clone() }),
            ("in the future", Consent { occur_time: later, ..good.clone() }),
            (
                "over before it was said",
                Consent { expire_time: Some(Timestamp { seconds: 1, nanos: 0 }), ..good.clone() },
            ),
            ("a revocation with an end", Consent { expire_time: later, ..said(ADA, Marketing, Revoke) }),
        ] {
            assert_eq!(reason(world.say(&backend(), bad).await), "INVALID_REQUEST", "{name}");
        }
        // Denials, and what needs no grant, need no proof.
        for bare in [said(ADA, Marketing, Deny), said(ADA, Transactional, Grant)] {
            let bare = Consent { text_version: String::new(), evidence: String::new(), ..bare };
            world.say(&backend(), bare).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_repeated_request_has_one_effect() {
    for world in worlds().await {
        let request = RecordConsentRequest {
            consent: Some(said(ADA, Marketing, Grant)),
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        let first = world.consents(&backend()).record_consent(request.clone()).await.unwrap();
        let again = world.consents(&backend()).record_consent(request).await.unwrap();
        assert!(again.metadata().get("omnimesh-replayed").is_some());
        assert_eq!(first.into_inner(), again.into_inner());
        let of_address = ListConsentsRequest { address: address(ADA), ..Default::default() };
        assert_eq!(world.listed(&backend(), of_address).await, [Grant]);
    }
}

#[tokio::test]
async fn time_ends_grants_and_pauses() {
    for world in worlds().await {
        let end = |seconds: i64| Some(Timestamp { seconds: 1_767_268_800 + seconds, nanos: 0 });
        world.say(&backend(), Consent { expire_time: end(100), ..said(ADA, Marketing, Grant) }).await.unwrap();
        world.say(&backend(), Consent { expire_time: end(50), ..said(ADA, Marketing, Deny) }).await.unwrap();
        assert_eq!(world.why(ADA, Marketing).await, Denied);
        world.db.clock.advance(Duration::from_secs(60));
        assert_eq!(world.why(ADA, Marketing).await, Granted);
        world.db.clock.advance(Duration::from_secs(60));
        assert_eq!(world.why(ADA, Marketing).await, Expired);
    }
}

#[tokio::test]
async fn a_merge_never_widens() {
    for world in worlds().await {
        let ada = world.person(IdentifierType::Email, ADA).await;
        let bob = world.person(IdentifierType::Email, BOB).await;
        let mut tx = world.db.begin().await.unwrap();
        tx.execute(sql::SHARE, args![ada.0, bob.0]).await.unwrap();
        tx.commit().await.unwrap();
        // Both proved Ada's address, as two who were split.
        let [own, other] = [ada, bob].map(|profile| customer(Some(profile), SessionLevel::Identified));
        world.say(&other, said(ADA, Marketing, Revoke)).await.unwrap();
        world.say(&own, said(ADA, Marketing, Grant)).await.unwrap();
        assert_eq!(world.why(ADA, Marketing).await, Revoked, "the most restrictive wins");
        // Which of the two a back-end means is not known.
        world.say(&backend(), said(ADA, Marketing, Grant)).await.unwrap();
        assert_eq!(world.why(ADA, Marketing).await, Revoked);
        world.cluster(1, &[(ada, ada), (bob, ada)]).await;
        assert_eq!(world.why(ADA, Marketing).await, Revoked, "nor does a merge lift it");
        let bare = Consent { evidence: String::new(), ..said(ADA, Service, Grant) };
        world.say(&own, bare).await.unwrap();
        world.say(&own, said(ADA, Marketing, Grant)).await.unwrap();
        assert_eq!(world.why(ADA, Marketing).await, Granted, "she says it for both now");
        world.cluster(2, &[(ada, ada), (bob, bob)]).await;
        assert_eq!(world.why(ADA, Marketing).await, Granted, "as a split changes no answer");
        world.say(&other, said(ADA, Marketing, Deny)).await.unwrap();
        world.say(&own, said(ADA, Marketing, Grant)).await.unwrap();
        assert_eq!(world.why(ADA, Marketing).await, Denied);
    }
}

#[tokio::test]
async fn nobodys_word_holds_until_the_holder_speaks() {
    for world in worlds().await {
        world.say(&backend(), said(PHONE, Marketing, Deny)).await.unwrap();
        let ada = world.person(IdentifierType::Phone, PHONE).await;
        assert_eq!(world.why(PHONE, Marketing).await, Denied);
        let own = customer(Some(ada), SessionLevel::Identified);
        world.say(&own, said("+90 (532) 123 45 67", Marketing, Grant)).await.unwrap();
        assert_eq!(world.why("0090 532 1234567", Marketing).await, Granted);
        assert_eq!(world.ask(PHONE, Marketing, ByCall).await.1, NoGrant, "one channel is not another");
        // What was said before she proved it is hers to see.
        assert_eq!(world.listed(&own, ListConsentsRequest::default()).await, [Grant, Deny]);
    }
}

#[tokio::test]
async fn marketplaces_aliases_serve_their_contract_only() {
    let settings = settings(&[("OMNIMESH_PROFILES__CONSENTS__MARKETPLACE_DOMAINS", "mp-a.example")]);
    for backend_kind in BACKENDS {
        let world = world_with(backend_kind, settings.clone()).await;
        for alias in ["x1@marketplace.mp-b.example", "pf+1@mp-a.example", "+908507939054"] {
            world.say(&backend(), said(alias, Marketing, Grant)).await.unwrap();
            assert_eq!(world.why(alias, Marketing).await, MarketplaceAddress, "{alias}");
            assert_eq!(world.why(alias, Transactional).await, NotNeeded, "{alias}");
        }
    }
}

#[tokio::test]
async fn lists_are_ones_own() {
    for world in worlds().await {
        let ada = world.person(IdentifierType::Email, ADA).await;
        let bob = world.person(IdentifierType::Email, BOB).await;
        let own = customer(Some(ada), SessionLevel::Identified);
        for decision in [Grant, Deny, Revoke, Grant, Deny] {
            world.say(&own, said(ADA, Marketing, decision)).await.unwrap();
        }
        world.say(&backend(), said(BOB, Marketing, Grant)).await.unwrap();
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let ask = ListConsentsRequest { page_size: 2, page_token: token.clone(), ..Default::default() };
            let page = world.consents(&own).list_consents(ask).await.unwrap().into_inner();
            seen.extend(page.consents.iter().map(Consent::decision));
            if page.next_page_token.is_empty() {
                break;
            }
            token = page.next_page_token;
        }
        assert_eq!(seen, [Deny, Grant, Revoke, Deny, Grant]);
        let of = |profile: ProfileId| ListConsentsRequest { profile_id: profile.to_string(), ..Default::default() };
        assert_eq!(reason(world.consents(&own).list_consents(of(bob)).await), "NOT_FOUND");
        assert_eq!(world.listed(&backend(), of(bob)).await, [Grant]);
        let named = ListConsentsRequest { address: address(BOB), ..Default::default() };
        assert_eq!(world.listed(&own, named.clone()).await, [], "an address that is not hers has nothing of hers");
        assert_eq!(world.listed(&backend(), named.clone()).await, [Grant]);
        let with_token = ListConsentsRequest { page_token: token, ..named };
        assert_eq!(reason(world.consents(&backend()).list_consents(with_token).await), "INVALID_PAGE_TOKEN");
        assert_eq!(
            reason(world.consents(&backend()).list_consents(ListConsentsRequest::default()).await),
            "INVALID_REQUEST"
        );
    }
}

/// A sandbox of the registry, and what is asked of it as a user would.
struct Registry {
    sandbox: Sandbox,
    url: String,
    client: reqwest::Client,
    _lifecycle: Lifecycle,
}

impl Registry {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sandbox = Sandbox::default();
        let (lifecycle, serving) = (Lifecycle::new(), sandbox.clone());
        lifecycle.spawn("sandbox", async move { serving.serve(listener).await.unwrap() });
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { sandbox, url, client, _lifecycle: lifecycle }
    }

    fn settings(&self) -> omnimesh_kit::config::Settings {
        settings(&[
            ("OMNIMESH_PROFILES__CONSENTS__REGISTRY", "iys"),
            ("OMNIMESH_PROFILES__CONSENTS__IYS_URL", &self.url),
            ("OMNIMESH_PROFILES__CONSENTS__IYS_CODE", "123456"),
            ("OMNIMESH_PROFILES__CONSENTS__IYS_BRAND", "654321"),
            ("OMNIMESH_PROFILES__CONSENTS__IYS_USERNAME", "shop"),
            ("OMNIMESH_PROFILES__CONSENTS__IYS_PASSWORD", "secret"),
        ])
    }

    async fn register(&self, recipient: &str, kind: &str, status: &str) {
        let credentials = json!({ "username": "shop", "password": "secret", "grant_type": "password" });
        let token = self.client.post(format!("{}/oauth2/token", self.url)).json(&credentials).send().await.unwrap();
        let token: serde_json::Value = token.json().await.unwrap();
        let consent = json!({
            "recipient": recipient, "recipientType": "BIREYSEL", "type": kind, "status": status, "source": "HS_WEB",
            "consentDate": "2026-01-01 12:00:00",
        });
        let url = format!("{}/sps/123456/brands/654321/consents", self.url);
        let added = self
            .client
            .post(url)
            .bearer_auth(token.get("access_token").unwrap().as_str().unwrap())
            .json(&consent)
            .send()
            .await;
        assert_eq!(added.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn the_registry_is_asked_before_marketing() {
    let registry = Registry::start().await;
    for backend_kind in BACKENDS {
        let world = world_with(backend_kind, registry.settings()).await;
        let number = if backend_kind == BACKENDS[0] { PHONE } else { "+905321234568" };
        let mail = if backend_kind == BACKENDS[0] { ADA } else { BOB };
        let before = registry.sandbox.asked();
        // What is not granted here need not be asked for there.
        assert_eq!(world.why(number, Marketing).await, NoGrant);
        world.say(&backend(), said(number, Marketing, Grant)).await.unwrap();
        world.say(&backend(), said(mail, Marketing, Grant)).await.unwrap();
        world.say(&backend(), said("+4930123456", Marketing, Grant)).await.unwrap();
        assert_eq!(registry.sandbox.asked(), before);
        assert_eq!(world.ask(number, Marketing, Message).await, (false, RegistryDenied, None), "unknown there");
        registry.register(number, "MESAJ", "ONAY").await;
        let (allowed, why, decided_by) = world.ask(number, Marketing, Message).await;
        assert_eq!((allowed, why, decided_by.is_some()), (true, Granted, true));
        assert_eq!(registry.sandbox.asked(), before + 2, "each time");
        registry.register(number, "MESAJ", "RET").await;
        assert_eq!(world.why(number, Marketing).await, RegistryDenied);
        // One channel is not another, and e-mail is asked for too.
        registry.register(number, "ARAMA", "ONAY").await;
        assert_eq!(world.why(number, Marketing).await, RegistryDenied);
        assert_eq!(world.why(mail, Marketing).await, RegistryDenied);
        registry.register(mail, "EPOSTA", "ONAY").await;
        assert_eq!(world.why(mail, Marketing).await, Granted);
        // Other countries' phones and other purposes are none of its business.
        let asked = registry.sandbox.asked();
        assert_eq!(world.why("+4930123456", Marketing).await, Granted);
        assert_eq!(world.why(number, Transactional).await, NotNeeded);
        assert_eq!(registry.sandbox.asked(), asked);
        // A token that ended is replaced.
        registry.sandbox.end_tokens();
        assert_eq!(world.why(mail, Marketing).await, Granted);
    }
}

#[tokio::test]
async fn marketing_waits_while_the_registry_is_silent() {
    let registry = Registry::start().await;
    let world = world_with(BACKENDS[0], registry.settings()).await;
    world.say(&backend(), said(PHONE, Marketing, Grant)).await.unwrap();
    registry.register(PHONE, "MESAJ", "ONAY").await;
    assert_eq!(world.why(PHONE, Marketing).await, Granted);
    for outage in [Outage::Errors, Outage::Silence] {
        let mode = json!({ "mode": outage });
        let set = registry.client.put(format!("{}/sandbox/outage", registry.url)).json(&mode).send().await.unwrap();
        assert_eq!(set.status(), 200);
        let begun = std::time::Instant::now();
        assert_eq!(world.ask(PHONE, Marketing, Message).await, (false, RegistryUnavailable, None));
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        assert_eq!(world.why(PHONE, Transactional).await, NotNeeded);
    }
    registry.sandbox.set_outage(Outage::None);
    assert_eq!(world.why(PHONE, Marketing).await, Granted);
}

#[tokio::test]
async fn settings_of_the_registry_are_checked() {
    let registry = Registry::start().await;
    let good = omnimesh_profiles::registry::ConsentSettings {
        registry: omnimesh_profiles::registry::RegistryKind::Iys,
        iys_url: registry.url.clone(),
        iys_code: 1,
        iys_brand: 2,
        iys_username: Private::new("shop".to_owned()),
        iys_password: Private::new("secret".to_owned()),
        ..Default::default()
    };
    good.check().unwrap();
    for (field, bad) in [
        (
            "iys_url",
            omnimesh_profiles::registry::ConsentSettings { iys_url: "http://iys.example".to_owned(), ..good.clone() },
        ),
        ("iys_code", omnimesh_profiles::registry::ConsentSettings { iys_code: 0, ..good.clone() }),
        ("iys_brand", omnimesh_profiles::registry::ConsentSettings { iys_brand: 0, ..good.clone() }),
        (
            "iys_password",
            omnimesh_profiles::registry::ConsentSettings { iys_password: Private::default(), ..good.clone() },
        ),
    ] {
        let error = bad.check().unwrap_err().to_string();
        assert!(error.contains(field) && !error.contains("secret"), "{error}");
    }
}

//! Who claims to be somebody else, guesses, replays, or picks up what was left lying, reaches nothing of theirs.

use omnimesh_proto::{
    carts::v1::GetCartRequest,
    common::v1::Channel,
    orders::v1::{GetOrderRequest, Order, get_order_request::Key},
    profiles::v1::{
        ClaimedIdentifier, Claims, ExportProfileRequest, GetProfileRequest, IdentifierType, ListConsentsRequest,
        ListInteractionsRequest, Profile, RecordAssertionsRequest, consent_service_client::ConsentServiceClient,
        profile_service_client::ProfileServiceClient, timeline_service_client::TimelineServiceClient,
    },
    sessions::v1::{
        ApiKeyKind, CompleteVerificationRequest, CreateApiKeyRequest, HandoffScope, IdentifySessionRequest,
        LoyaltyCard, RevokeHandoffRequest, SessionLevel, StartVerificationRequest,
        claim_handoff_request::Proof as ClaimProof, identify_session_request::Proof,
        session_service_client::SessionServiceClient,
    },
};
use omnimesh_tests::{
    Client, Desk, Device, Mesh, Mode, Setup,
    customer::{code_of, email_contact, pickup, request_id},
    desk::create_key,
    raw::Refusal,
};
use tonic::Code;

use crate::demo::{GLASSES, ISTANBUL, TEA};

const EMAIL: &str = "victim@example.com";
const PHONE: &str = "+905321112233";
const CARD: &str = "9010 2233 4455";

/// Somebody with a profile, an order and a cart.
struct Victim {
    device: Device,
    order: Order,
    cart_id: String,
}

impl Victim {
    async fn new(mesh: &Mesh) -> Self {
        let mut device = Device::start(mesh, Channel::App).await;
        device.identify(mesh, EMAIL).await;
        device.add(TEA, 2).await;
        let cart = device.deliver(pickup(ISTANBUL)).await;
        let order = device.order(Device::order_of(&cart, EMAIL)).await;
        let cart_id = device.add(TEA, 1).await.cart_id;
        Self { device, order, cart_id }
    }

    fn profile_id(&self) -> &str {
        &self.device.session.profile_id
    }

    /// Nothing that a session can ask for is the victim's.
    async fn is_out_of_reach_of(&self, who: &str, device: &Device) {
        for cart_id in [String::new(), self.cart_id.clone()] {
            let request = device.client.request(GetCartRequest { cart_id });
            if let Ok(answer) = device.carts().get_cart(request).await {
                let cart = answer.into_inner().cart.unwrap();
                assert_ne!(cart.cart_id, self.cart_id, "{who} has the cart");
                assert!(cart.lines.iter().all(|line| line.sku != TEA), "{who} has what was in the cart: {cart:?}");
            }
        }
        let request = GetOrderRequest { key: Some(Key::OrderId(self.order.order_id.clone())) };
        let refused = device.orders().get_order(device.client.request(request)).await.unwrap_err();
        let closed = matches!(refused.code(), Code::NotFound | Code::PermissionDenied | Code::Unauthenticated);
        assert!(closed, "{who}: {refused}");
        assert!(device.order_ids().await.unwrap_or_default().is_empty(), "{who} lists orders");
        for profile_id in [String::new(), self.profile_id().to_owned()] {
            let mut profiles = ProfileServiceClient::new(device.client.channel());
            let request = GetProfileRequest { profile_id: profile_id.clone() };
            if let Ok(found) = profiles.get_profile(device.client.request(request)).await {
                self.is_not_in(who, &found.into_inner().profile.unwrap());
            }
            let mut timeline = TimelineServiceClient::new(device.client.channel());
            let request = ListInteractionsRequest { profile_id: profile_id.clone(), ..Default::default() };
            if let Ok(found) = timeline.list_interactions(device.client.request(request)).await {
                let of_victim = |id: &str| id == self.order.order_id || id == self.cart_id;
                let told = found.into_inner().interactions;
                assert!(!told.iter().any(|one| of_victim(&one.resource_id)), "{who} sees history: {told:?}");
            }
            let mut consents = ConsentServiceClient::new(device.client.channel());
            let request = ListConsentsRequest { profile_id: profile_id.clone(), ..Default::default() };
            if let Ok(found) = consents.list_consents(device.client.request(request)).await {
                assert_eq!(found.into_inner().consents, [], "{who} sees consents");
            }
            let request = device.client.request(ExportProfileRequest { profile_id });
            if let Ok(parts) = profiles.export_profile(request).await {
                let mut parts = parts.into_inner();
                while let Ok(Some(part)) = parts.message().await {
                    let text = format!("{part:?}");
                    let marks = [self.profile_id(), &self.order.order_id, &self.cart_id];
                    assert!(!marks.iter().any(|mark| text.contains(mark)), "{who} has it exported: {text}");
                }
            }
        }
    }

    fn is_not_in(&self, who: &str, profile: &Profile) {
        assert_ne!(profile.profile_id, self.profile_id(), "{who}");
        assert!(!profile.alias_profile_ids.iter().any(|id| id == self.profile_id()), "{who}: {profile:?}");
    }

    /// What the victim has is as it was, and nobody's but the victim's.
    async fn is_unharmed(&self, mesh: &Mesh) {
        let desk = Desk::new(mesh.admin().await);
        let profile = desk.profile(self.profile_id()).await.unwrap();
        assert_eq!((profile.profile_id.as_str(), profile.merges.len()), (self.profile_id(), 0), "{profile:?}");
        assert!(profile.alias_profile_ids.is_empty(), "{profile:?}");
        let cart = self.device.cart().await.unwrap();
        assert_eq!((&cart.cart_id, cart.lines.len(), cart.lines[0].quantity), (&self.cart_id, 1, 1));
        assert_eq!(self.device.order_ids().await.unwrap(), std::slice::from_ref(&self.order.order_id));
    }
}

/// All that can be known of the victim, said by whoever can say it.
fn claims() -> Claims {
    Claims {
        name: "Ayşe Yılmaz".into(),
        emails: vec![EMAIL.into()],
        phones: vec![PHONE.into()],
        birth_date: "1984-05-17".into(),
        identifiers: vec![ClaimedIdentifier { r#type: IdentifierType::LoyaltyCard.into(), value: CARD.into() }],
        ..Claims::default()
    }
}

fn said(channel: Channel, customer_ref: &str) -> RecordAssertionsRequest {
    RecordAssertionsRequest {
        channel: channel.into(),
        account_id: "acme".into(),
        customer_ref: customer_ref.into(),
        claims: Some(claims()),
        request_id: request_id(),
        ..RecordAssertionsRequest::default()
    }
}

/// What a customer types into a form.
fn typed() -> RecordAssertionsRequest {
    RecordAssertionsRequest { account_id: String::new(), ..said(Channel::Unspecified, "") }
}

async fn record(client: &Client, request: RecordAssertionsRequest) -> Result<Option<Profile>, Refusal> {
    let mut profiles = ProfileServiceClient::new(client.channel());
    Ok(profiles.record_assertions(client.request(request)).await?.into_inner().profile)
}

#[tokio::test]
async fn what_is_claimed_gives_nothing_of_theirs() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let victim = Victim::new(&mesh).await;
    let prover = Desk::till(&mesh, Channel::Store, &["profiles.write", "identity.assert"]).await;
    let own = RecordAssertionsRequest { profile_id: victim.profile_id().into(), ..said(Channel::Store, "own") };
    assert_eq!(prover.record(own).await.unwrap().profile.unwrap().profile_id, victim.profile_id());

    // A typed address, as a guest and as somebody else.
    let guest = Device::start(&mesh, Channel::Web).await;
    guest.add(GLASSES, 1).await;
    let mut other = Device::start(&mesh, Channel::Web).await;
    other.identify(&mesh, "other@example.com").await;
    other.add(GLASSES, 1).await;
    for (who, device) in [("a guest", &guest), ("another customer", &other)] {
        for named in [String::new(), victim.profile_id().to_owned()] {
            let request = RecordAssertionsRequest { profile_id: named, ..typed() };
            let is_named = !request.profile_id.is_empty();
            match record(&device.client, request).await {
                Ok(profile) => victim.is_not_in(who, &profile.expect("the claims are kept")),
                Err(refused) => assert!(is_named, "{who} may say what they like of themselves: {refused:?}"),
            }
        }
        victim.is_out_of_reach_of(who, device).await;
    }
    let started = StartVerificationRequest { contact: Some(email_contact(EMAIL)) };
    let started = guest.sessions().start_verification(guest.client.request(started)).await.unwrap().into_inner();
    let unproved = guest.clone().identify_by(Proof::VerificationId(started.verification_id)).await;
    assert!(unproved.is_err(), "a code that was sent proves nothing until it is typed");
    victim.is_out_of_reach_of("who asked for a code", &guest).await;

    // Partners, marketplaces and back-ends that have no proof.
    for (who, kind, channel) in [
        ("a partner", ApiKeyKind::Partner, Channel::Partner),
        ("a marketplace", ApiKeyKind::Partner, Channel::Marketplace),
        ("a back-end", ApiKeyKind::Secret, Channel::CallCenter),
    ] {
        let account_id = if kind == ApiKeyKind::Partner { "acme" } else { "" };
        let key = CreateApiKeyRequest {
            kind: kind.into(),
            scopes: vec!["profiles.write".into()],
            channels: vec![channel.into()],
            account_id: account_id.into(),
            ..CreateApiKeyRequest::default()
        };
        let client = mesh.client(&create_key(&mesh, key).await.1).await;
        let profile = record(&client, said(channel, who)).await.unwrap().expect("the claims are kept");
        victim.is_not_in(who, &profile);
        if kind == ApiKeyKind::Partner {
            let named = RecordAssertionsRequest { profile_id: victim.profile_id().into(), ..said(channel, "named") };
            if let Ok(Some(profile)) = record(&client, named).await {
                victim.is_not_in(who, &profile);
            }
        }
    }
    victim.is_unharmed(&mesh).await;
    mesh.assert_no_defect();
}

#[tokio::test]
async fn a_code_is_good_once_and_in_its_session() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let victim = Victim::new(&mesh).await;
    let mut thief = Device::start(&mesh, Channel::Web).await;
    let complete = |verification_id: &str, code: &str| CompleteVerificationRequest {
        verification_id: verification_id.to_owned(),
        code: code.to_owned(),
    };

    // The victim is about to log in elsewhere; the thief overhears verification and code.
    let mut web = Device::start(&mesh, Channel::Web).await;
    let start = StartVerificationRequest { contact: Some(email_contact(EMAIL)) };
    let started = web.sessions().start_verification(web.client.request(start)).await.unwrap().into_inner();
    let verification_id = started.verification_id;
    let code = code_of(&mesh, &verification_id).await;
    let overheard = complete(&verification_id, &code);
    let foreign = thief.sessions().complete_verification(thief.client.request(overheard.clone())).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound, "another session's verification: {foreign}");
    web.sessions().complete_verification(web.client.request(overheard.clone())).await.expect("its own session's");
    let replayed = web.sessions().complete_verification(web.client.request(overheard.clone())).await;
    assert_eq!(Refusal::from(replayed.unwrap_err()).reason, "CODE_EXPIRED", "a code is good once");
    let proof = || Proof::VerificationId(verification_id.clone());
    let foreign = thief.identify_by(proof()).await.unwrap_err();
    assert_eq!(foreign.code, Code::NotFound, "another session's proof: {foreign:?}");
    web.identify_by(proof()).await.unwrap();
    assert_eq!(web.session.profile_id, victim.profile_id());
    for device in [&mut thief, &mut web] {
        device.identify_by(proof()).await.expect_err("a proof is used up");
    }
    let replayed = thief.sessions().complete_verification(thief.client.request(overheard)).await;
    assert_eq!(replayed.unwrap_err().code(), Code::NotFound);

    victim.is_out_of_reach_of("who replays a code", &thief).await;
    mesh.assert_no_defect();
}

#[tokio::test]
async fn guesses_are_counted() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let victim = Victim::new(&mesh).await;
    let thief = Device::start(&mesh, Channel::Web).await;
    let (mut sessions, mut tries) = (SessionServiceClient::new(thief.client.channel()), 0);
    // Every code that can be sent to the victim, and every try that each bears.
    let refused = loop {
        let start = StartVerificationRequest { contact: Some(email_contact(EMAIL)) };
        let verification_id = match sessions.start_verification(thief.client.request(start)).await {
            Ok(started) => started.into_inner().verification_id,
            Err(refused) => break Refusal::from(refused),
        };
        let right = code_of(&mesh, &verification_id).await;
        let wrong = if right == "000000" { "000001" } else { "000000" };
        let try_with = |code: &str| CompleteVerificationRequest {
            verification_id: verification_id.clone(),
            code: code.to_owned(),
        };
        for _ in 0..5 {
            tries += 1;
            let refused = sessions.complete_verification(thief.client.request(try_with(wrong))).await.unwrap_err();
            let refused = Refusal::from(refused);
            assert!(matches!(refused.reason.as_str(), "CODE_WRONG" | "CODE_EXPIRED"), "{refused:?}");
        }
        let late = sessions.complete_verification(thief.client.request(try_with(&right))).await.unwrap_err();
        assert_eq!(Refusal::from(late).reason, "CODE_EXPIRED", "the right code after five wrong ones");
        assert!(tries <= 50, "codes are sent without end");
    };
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "RATE_LIMITED"));
    victim.is_out_of_reach_of("who guesses one-time codes", &thief).await;

    // The code of a hand-over, by somebody who has no session at all.
    let offer = victim.device.offer(HandoffScope::Edit).await;
    let anybody = mesh.client(&mesh.publishable_key()).await;
    let wrong = if offer.code == "ZZZZZZZZ" { "YYYYYYYY" } else { "ZZZZZZZZ" };
    for _ in 0..5 {
        let refused = Device::claim(&anybody, ClaimProof::Code(wrong.into()), Channel::Web, "").await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "CODE_WRONG"));
    }
    for code in [wrong, offer.code.as_str()] {
        let locked = Device::claim(&anybody, ClaimProof::Code(code.into()), Channel::Web, "").await.unwrap_err();
        assert_eq!(locked.code, Code::ResourceExhausted, "five wrong tries lock claiming: {locked:?}");
    }
    victim.is_unharmed(&mesh).await;
    mesh.assert_no_defect();
}

#[tokio::test]
async fn a_session_that_was_planted_is_dead_once_it_is_identified() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let victim = Victim::new(&mesh).await;
    // The thief starts a session, keeps its token, and has the victim go on in it.
    let thief = Device::start(&mesh, Channel::Web).await;
    thief.add(GLASSES, 1).await;
    let anybody = mesh.client(&mesh.publishable_key()).await;
    // And hands it over to a device of his own, before.
    let offer = thief.offer(HandoffScope::Edit).await;
    let claimed = Device::claim(&anybody, ClaimProof::QrToken(offer.qr_token), Channel::App, "").await;
    let (linked, _) = claimed.unwrap();
    let guest_cart = linked.cart().await.expect("a guest's cart, handed over").cart_id;
    let later = thief.offer(HandoffScope::Edit).await;

    let mut tricked = thief.clone();
    tricked.identify(&mesh, EMAIL).await;
    assert_eq!(tricked.session.profile_id, victim.profile_id());
    tricked.add(GLASSES, 1).await;

    let dead = thief.session_now().await.unwrap_err();
    assert_eq!(dead.code, Code::Unauthenticated, "the planted token: {dead:?}");
    for cart_id in [String::new(), guest_cart, victim.cart_id.clone()] {
        let request = linked.client.request(GetCartRequest { cart_id });
        let refused = linked.carts().get_cart(request).await.expect_err("it is a customer's now");
        assert!(matches!(refused.code(), Code::NotFound | Code::PermissionDenied | Code::Unauthenticated), "{refused}");
    }
    victim.is_out_of_reach_of("who had the session handed over before", &linked).await;
    // What he offered as a guest is not an offer of the customer's.
    if let Ok((late, _)) = Device::claim(&anybody, ClaimProof::QrToken(later.qr_token), Channel::App, "").await {
        victim.is_out_of_reach_of("who claims what was offered before", &late).await;
    }
    mesh.assert_no_defect();
}

#[tokio::test]
async fn a_qr_code_that_two_people_scan_is_good_for_one() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let victim = Victim::new(&mesh).await;
    let anybody = mesh.client(&mesh.publishable_key()).await;
    let offer = victim.device.offer(HandoffScope::Edit).await;
    let proof = || ClaimProof::QrToken(offer.qr_token.clone());

    // Both at once: one of them has it.
    let claims = futures::future::join_all((0..4).map(|_| Device::claim(&anybody, proof(), Channel::App, ""))).await;
    let mut claimed: Vec<_> = claims.into_iter().filter_map(Result::ok).collect();
    assert_eq!(claimed.len(), 1, "single use");
    let (first, _) = claimed.remove(0);
    let by_code = Device::claim(&anybody, ClaimProof::Code(offer.code.clone()), Channel::App, "").await.unwrap_err();
    assert_eq!(by_code.reason, "CODE_EXPIRED", "code and QR are one offer: {by_code:?}");

    // Whoever scanned it has the cart and nothing else.
    assert_eq!(first.session.level(), SessionLevel::Linked);
    assert_eq!(first.cart().await.unwrap().cart_id, victim.cart_id);
    let said = record(&first.client, typed()).await.unwrap_err();
    assert_eq!(said.reason, "NOT_HANDED_OVER", "it speaks for nobody: {said:?}");
    assert_eq!(first.order_ids().await.unwrap_or_default(), [""; 0], "no history");
    // Identified as somebody else, it leaves the customer's cart with the customer.
    let mut thief = first.clone();
    thief.identify(&mesh, "thief@example.com").await;
    victim.is_out_of_reach_of("who identified after a hand-over", &thief).await;

    // The source takes it back, and nobody else can.
    let stranger = Device::start(&mesh, Channel::Web).await;
    let handoff_id = offer.handoff.unwrap().handoff_id;
    let revoke = || RevokeHandoffRequest { handoff_id: handoff_id.clone(), request_id: request_id() };
    for device in [&stranger, &thief] {
        let refused = device.handoffs().revoke_handoff(device.client.request(revoke())).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
    }
    victim.device.handoffs().revoke_handoff(victim.device.client.request(revoke())).await.unwrap();
    victim.is_unharmed(&mesh).await;

    let offer = victim.device.offer(HandoffScope::Read).await;
    let revoke = RevokeHandoffRequest { handoff_id: offer.handoff.unwrap().handoff_id, request_id: request_id() };
    victim.device.handoffs().revoke_handoff(victim.device.client.request(revoke)).await.unwrap();
    let late = Device::claim(&anybody, ClaimProof::QrToken(offer.qr_token), Channel::App, "").await.unwrap_err();
    assert_eq!(late.reason, "CODE_EXPIRED", "what was taken back can't be claimed: {late:?}");
    mesh.assert_no_defect();
}

#[tokio::test]
async fn a_kiosk_that_is_left_alone_forgets() {
    const IDLE_SECONDS: u64 = 2;
    let settings = format!("[sessions]\nshared_idle_seconds = {IDLE_SECONDS}\n");
    let mesh = Mesh::start_with(Setup::new(Mode::Embedded).settings(&settings)).await;
    let victim = Victim::new(&mesh).await;
    // The victim's card is known to the store, and a scan identifies the tablet that serves them.
    let prover = Desk::till(&mesh, Channel::Store, &["profiles.write", "identity.assert"]).await;
    let own = RecordAssertionsRequest { profile_id: victim.profile_id().into(), ..said(Channel::Store, "own") };
    prover.record(own).await.unwrap();
    let kiosk = Device::start_shared(&mesh, Channel::Kiosk, ISTANBUL).await;
    let staff = mesh.associate("associate-istanbul", &[ISTANBUL]).await;
    let scan = IdentifySessionRequest {
        session_id: kiosk.session.session_id.clone(),
        proof: Some(Proof::LoyaltyCard(LoyaltyCard { number: CARD.into() })),
        request_id: request_id(),
    };
    let scanned = SessionServiceClient::new(staff.channel()).identify_session(staff.request(scan)).await.unwrap();
    assert_eq!(scanned.into_inner().session.unwrap().profile_id, victim.profile_id(), "the card identifies");
    assert_eq!(kiosk.cart().await.unwrap().cart_id, victim.cart_id, "the customer is served");

    // Left alone for longer than it bears: every look would keep it alive, so nobody looks.
    tokio::time::sleep(std::time::Duration::from_secs(IDLE_SECONDS + 1)).await;
    let dead = kiosk.session_now().await.unwrap_err();
    assert_eq!((dead.code, dead.reason.as_str()), (Code::Unauthenticated, "SESSION_EXPIRED"));
    let next = Device::start_shared(&mesh, Channel::Kiosk, ISTANBUL).await;
    assert_eq!((next.session.level(), next.session.profile_id.as_str()), (SessionLevel::Guest, ""));
    assert_ne!(next.session.journey_id, kiosk.session.journey_id, "somebody else's journey");
    victim.is_out_of_reach_of("the next at the kiosk", &next).await;
    victim.is_unharmed(&mesh).await;
    mesh.assert_no_defect();
}

//! Two profiles are found to be one customer by what a till heard; later they prove to be two.

use omnimesh_proto::{
    common::v1::{Address, Channel, Contact},
    orders::v1::Order,
    profiles::v1::{
        AssertionOutcome, Claims, Consent, ConsentChannel, ConsentDecision, ConsentPurpose, ConsentReason,
        EvidenceKind, RecordAssertionsRequest, RecordConsentRequest, consent_service_client::ConsentServiceClient,
    },
};
use omnimesh_tests::{
    Desk, Device, Mesh,
    customer::{address, email_contact, request_id, shipping},
    eventually,
};

use super::quantities;
use crate::demo::{COFFEE, SOAP, TEAPOT, TOWEL};

const OTHER_EMAIL: &str = "a.yilmaz@example.org";

/// The customer's second profile, in the web shop; a till's claims, a suggestion, and its acceptance. Gives the web shop.
pub(super) async fn two_profiles_are_found_to_be_one(
    mesh: &Mesh,
    desk: &Desk,
    phone: &Device,
    collected: &Order,
) -> Device {
    let mut web = Device::start(mesh, Channel::Web).await;
    web.identify(mesh, OTHER_EMAIL).await;
    assert_ne!(web.session.profile_id, phone.session.profile_id);
    web.add(COFFEE, 2).await;
    let cart = web.deliver(shipping(&web, address()).await).await;
    let shipped = web.order(Device::order_of(&cart, OTHER_EMAIL)).await;
    phone.add(TEAPOT, 1).await;
    web.add(TOWEL, 1).await;
    web.add(SOAP, 1).await;
    // What is said about the one address and the other is each address's own.
    consent(phone, email_contact(super::EMAIL), ConsentDecision::Grant).await;
    consent(&web, email_contact(OTHER_EMAIL), ConsentDecision::Deny).await;

    let (first, second) = (&phone.session.profile_id, &web.session.profile_id);
    claims_raise_a_suggestion(mesh, desk, first, second).await;
    let suggestion = desk.suggestions(first).await.remove(0);
    let merged = desk.accept(&suggestion.suggestion_id).await;
    let profile = merged.profile.unwrap();
    assert_eq!(&profile.profile_id, first, "the oldest verified one survives");
    assert_eq!(&profile.alias_profile_ids, std::slice::from_ref(second));
    assert!(profile.merges.iter().any(|merge| merge.merge_id == merged.merge_id), "{:?}", profile.merges);
    assert_eq!(&desk.profile(second).await.unwrap().profile_id, first, "the old id stays good");
    assert!(desk.suggestions(first).await.is_empty(), "what is accepted is not open");

    let mut both = [collected.order_id.clone(), shipped.order_id];
    both.sort_unstable();
    for device in [phone, &web] {
        eventually("both devices list the orders of both", async || {
            let mut orders = device.order_ids().await.unwrap();
            orders.sort_unstable();
            (orders == both).then_some(())
        })
        .await;
    }
    eventually("both devices show one cart", async || {
        let (one, other) = (phone.cart().await.unwrap(), web.cart().await.unwrap());
        let whole = quantities(&one) == [(SOAP, 1), (TEAPOT, 1), (TOWEL, 1)];
        (whole && one.cart_id == other.cart_id).then_some(())
    })
    .await;
    may_be_mailed(desk).await;
    web
}

/// The same person, as two forms were filled in.
async fn claims_raise_a_suggestion(mesh: &Mesh, desk: &Desk, first: &str, second: &str) {
    // Without `identity.assert` what it says proves nothing.
    let till = Desk::till(mesh, Channel::Store, &["profiles.read", "profiles.write"]).await;
    let recorded = till.record(form(first, 1)).await.unwrap();
    assert_eq!((recorded.outcome(), recorded.merged), (AssertionOutcome::Added, false));
    let recorded = till.record(form(second, 2)).await.unwrap();
    assert!(!recorded.merged, "evidence suggests and no more");
    assert_eq!(recorded.suggestion_ids.len(), 1, "{recorded:?}");

    let open = desk.suggestions(first).await;
    assert_eq!(open.len(), 1, "{open:?}");
    let pair = [&open[0].profile, &open[0].other_profile].map(|profile| profile.as_ref().unwrap().profile_id.as_str());
    assert!(pair.contains(&first) && pair.contains(&second), "{pair:?}");
    assert!(!open[0].vetoed && open[0].weight_millibits > 0);
    let terms = &open[0].terms;
    for kind in [EvidenceKind::Name, EvidenceKind::Phone, EvidenceKind::Address, EvidenceKind::BirthDate] {
        let term = terms.iter().find(|term| term.kind() == kind).unwrap_or_else(|| panic!("{kind:?}: {terms:?}"));
        assert!(term.weight_millibits > 0 && !term.agreement.is_empty(), "{term:?}");
    }
    let shown = desk.view(first).await.suggestions;
    assert_eq!(shown.len(), 1, "the associate sees it");
    assert_eq!(shown[0].suggestion_id, open[0].suggestion_id);
}

fn form(profile_id: &str, form: u8) -> RecordAssertionsRequest {
    let (name, phone, street, birth_date) = match form {
        1 => ("Ayşe Yılmaz", "0532 111 22 33", "Bağdat Cad. No: 12 D: 4", "1984-05-17"),
        _ => ("YILMAZ, Ayse", "+90 (532) 111-2233", "Bağdat Caddesi 12/4", "17.05.1984"),
    };
    let home = Address {
        lines: vec![street.into()],
        city: "İstanbul".into(),
        region: "Kadıköy".into(),
        country_code: "TR".into(),
        ..Address::default()
    };
    RecordAssertionsRequest {
        profile_id: profile_id.to_owned(),
        account_id: "forms".into(),
        customer_ref: format!("form-{form}"),
        claims: Some(Claims {
            name: name.into(),
            phones: vec![phone.into()],
            addresses: vec![home],
            birth_date: birth_date.into(),
            ..Claims::default()
        }),
        ..RecordAssertionsRequest::default()
    }
}

async fn consent(device: &Device, address: Contact, decision: ConsentDecision) {
    let consent = Consent {
        address: Some(address),
        purpose: ConsentPurpose::Marketing.into(),
        channel: ConsentChannel::Email.into(),
        decision: decision.into(),
        text_version: "newsletter-2026-03".into(),
        evidence: "form 17".into(),
        ..Consent::default()
    };
    let request = RecordConsentRequest { consent: Some(consent), request_id: request_id() };
    let mut consents = ConsentServiceClient::new(device.client.channel());
    consents.record_consent(device.client.request(request)).await.expect("the consent is recorded");
}

/// Whoever holds the addresses: one was granted and one was denied.
async fn may_be_mailed(desk: &Desk) {
    let granted = desk.may_mail(super::EMAIL).await;
    assert_eq!((granted.allowed, granted.reason()), (true, ConsentReason::Granted));
    let denied = desk.may_mail(OTHER_EMAIL).await;
    assert_eq!((denied.allowed, denied.reason()), (false, ConsentReason::Denied));
    let unasked = desk.may_mail("nobody.asked@example.com").await;
    assert!(!unasked.allowed, "marketing needs a grant: {unasked:?}");
}

/// They were two people: each has again what was theirs, and a line that was changed meanwhile stays with whoever changed it.
pub(super) async fn and_are_parted_again(mesh: &Mesh, desk: &Desk, phone: &Device, web: &Device) {
    let (first, second) = (&phone.session.profile_id, &web.session.profile_id);
    phone.add(SOAP, 1).await;
    let split = desk.split(second, second).await.unwrap();
    assert_eq!(&split.profile.unwrap().profile_id, first);
    let left: Vec<_> = split.split_profiles.iter().map(|profile| &profile.profile_id).collect();
    assert_eq!(left, [second]);
    for own in [first, second] {
        let profile = desk.profile(own).await.unwrap();
        assert_eq!((&profile.profile_id, profile.alias_profile_ids.len(), profile.merges.len()), (own, 0, 0));
    }

    // Staff see the orders of their own stores.
    let everywhere = Desk::new(mesh.admin().await);
    for device in [phone, web] {
        eventually("each device lists its own order alone", async || {
            let orders = device.order_ids().await.unwrap();
            let listed = everywhere.orders_of(&device.session.profile_id).await;
            (orders.len() == 1 && listed.len() == 1 && listed[0].order_id == orders[0]).then_some(())
        })
        .await;
    }
    eventually("the carts are parted and no line is lost", async || {
        let (one, other) = (phone.cart().await.ok()?, web.cart().await.ok()?);
        let apart = one.cart_id != other.cart_id && one.profile_id == *first && other.profile_id == *second;
        let whole = quantities(&one) == [(SOAP, 2), (TEAPOT, 1)] && quantities(&other) == [(TOWEL, 1)];
        if apart && !whole {
            eprintln!("the phone has {:?}, the web shop {:?}", quantities(&one), quantities(&other));
        }
        (apart && whole).then_some(())
    })
    .await;
    may_be_mailed(desk).await;

    // The same said again does not join them again.
    let till = Desk::new(desk.client.clone());
    let again =
        till.record(RecordAssertionsRequest { channel: Channel::Store.into(), ..form(second, 3) }).await.unwrap();
    assert!(!again.merged && again.suggestion_ids.is_empty(), "{again:?}");
    assert_eq!(&desk.profile(second).await.unwrap().profile_id, second);
}

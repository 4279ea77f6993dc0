//! An erased customer is gone from every place where anything is kept; the orders stay, and so does everybody else.

mod garden;
mod life;
mod search;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use omnimesh_proto::profiles::v1::{
    EraseProfileRequest, Erasure, ExportProfileRequest, GetErasureRequest, GetProfileRequest,
    export_profile_response::Part, profile_service_client::ProfileServiceClient,
};
use omnimesh_tests::{
    Client, Device, Mesh, Mode, PATIENCE, Setup,
    customer::request_id,
    kept::places,
    mesh::TARGETS,
    raw::{RawGrpc, Refusal},
};
use serde_json::{Value, json};
use tonic::Code;

use crate::in_every_mode;
use garden::fields_about_customers;
use life::{GET_ORDER, Life, PROFILES, ask, live};
use search::Search;

/// How long an erasure may take to reach every service.
const LIMIT: Duration = Duration::from_secs(60);
/// What is planted, and not kept as it was said: see the reason.
const NOT_KEPT: &[&str] = &[
    // Sealed until the code is sent.
    "StartVerification contact.phone",
    // Kept as a keyed hash, which tells whether it was told before.
    "RecordInteraction source_id",
];
/// Places that nobody reads back: what is there before the erasure is there by mistake.
const WRITTEN: &[&str] = &["the log", "standard output"];

in_every_mode!(nothing_of_an_erased_customer_is_left);

async fn nothing_of_an_erased_customer_is_left(mode: Mode) {
    // Everything is said, so that what must not be said has its chance.
    let mesh = Mesh::start_with(Setup::new(mode).settings("[log]\nfilter = \"debug,sqlx=debug\"\n")).await;
    let (gone, stays) = (live(&mesh).await, live(&mesh).await);
    let planted = &gone.garden.fields;
    let missed: Vec<_> = fields_about_customers().into_iter().filter(|field| !planted.contains(field)).collect();
    assert!(missed.is_empty(), "no canary was planted in {missed:#?}");

    let admin = mesh.admin().await;
    let menagerie = Menagerie::new(&mesh, &gone, &stays);
    let before = menagerie.when_all_are_there().await;
    let orders = orders(&mesh, &gone).await;
    exports_all(&gone).await;

    let asked = Instant::now();
    let erasure = erase(&gone.device).await;
    let mut reached: Vec<_> = erasure.profile_ids.clone();
    reached.sort_unstable();
    let mut expected = gone.profile_ids.clone();
    expected.sort_unstable();
    assert_eq!(reached, expected, "all profiles of the customer");
    let erasure = when_complete(&admin, &erasure.erasure_id, asked).await;
    let mut parts: Vec<_> = erasure.parts.iter().map(|part| part.service.as_str()).collect();
    parts.sort_unstable();
    let kept_by: Vec<_> = ["carts", "orders", "profiles", "sessions"].to_vec();
    assert!(kept_by.iter().all(|service| parts.contains(service) && TARGETS.contains(service)), "{parts:?}");
    menagerie.when_gone(asked).await;
    menagerie.others_stay(&before).await;

    assert_eq!(self::orders(&mesh, &gone).await, orders, "orders stay, with what they came to");
    is_nobody(&gone, &admin).await;
    is_not_told_again(&mesh, &gone).await;
    menagerie.when_gone(Instant::now()).await;
    menagerie.others_stay(&before).await;
    mesh.assert_no_defect();
}

/// The canaries of both customers, by number: first the one's who goes, then the one's who stays.
struct Menagerie<'a> {
    mesh: &'a Mesh,
    search: Search,
    labels: Vec<String>,
    gone: usize,
}

/// The places in which a canary was found.
type Sightings = BTreeMap<usize, BTreeSet<String>>;

impl<'a> Menagerie<'a> {
    fn new(mesh: &'a Mesh, gone: &Life, stays: &Life) -> Self {
        let canaries: Vec<_> = gone.garden.canaries.iter().chain(&stays.garden.canaries).collect();
        let texts = canaries.iter().enumerate();
        let search =
            Search::new(texts.flat_map(|(number, canary)| canary.texts.iter().map(move |text| (number, text.clone()))));
        let labels = canaries.iter().map(|canary| canary.label.clone()).collect();
        Self { mesh, search, labels, gone: gone.garden.canaries.len() }
    }

    async fn look(&self) -> Sightings {
        let mut seen = Sightings::new();
        for place in places(self.mesh).await {
            for (number, forms) in self.search.find(&place.bytes) {
                assert!(
                    !WRITTEN.contains(&place.name.as_str()),
                    "{} is in {}, {forms:?}",
                    self.labels[number],
                    place.name
                );
                let of = seen.entry(number).or_default();
                of.extend(forms.iter().map(|form| format!("{}, {form}", place.name)));
            }
        }
        seen
    }

    /// Each canary is kept somewhere, or it would be no wonder that it is not found later.
    async fn when_all_are_there(&self) -> Sightings {
        let start = Instant::now();
        loop {
            let seen = self.look().await;
            let missing: BTreeSet<_> = (0..self.labels.len())
                .filter(|number| !seen.contains_key(number))
                .map(|number| self.labels[number].as_str())
                .filter(|label| !NOT_KEPT.contains(label))
                .collect();
            if missing.is_empty() {
                return seen;
            }
            assert!(start.elapsed() < PATIENCE, "planted and not found: {missing:#?}");
        }
    }

    /// No canary of the erased customer is anywhere, within a minute of the request.
    async fn when_gone(&self, asked: Instant) {
        loop {
            let seen = self.look().await;
            let left: Vec<_> = seen.iter().filter(|(number, _)| **number < self.gone).collect();
            if left.is_empty() {
                return;
            }
            let left: Vec<_> = left.iter().map(|(number, places)| (&self.labels[**number], places)).collect();
            assert!(asked.elapsed() < LIMIT, "after {:?} there is still {left:#?}", asked.elapsed());
        }
    }

    async fn others_stay(&self, before: &Sightings) {
        let now = self.look().await;
        let lost: Vec<_> = before
            .keys()
            .filter(|number| **number >= self.gone && !now.contains_key(number))
            .map(|number| &self.labels[*number])
            .collect();
        assert!(lost.is_empty(), "somebody else's: {lost:#?}");
    }
}

fn profiles(client: &Client) -> ProfileServiceClient<tonic::transport::Channel> {
    ProfileServiceClient::new(client.channel())
}

async fn erase(device: &Device) -> Erasure {
    let request = EraseProfileRequest {
        profile_id: String::new(),
        reason: "the customer asks for it".into(),
        request_id: request_id(),
    };
    let erased = profiles(&device.client).erase_profile(device.client.request(request)).await;
    erased.expect("customers erase themselves").into_inner().erasure.unwrap()
}

async fn when_complete(admin: &Client, erasure_id: &str, asked: Instant) -> Erasure {
    loop {
        let request = GetErasureRequest { erasure_id: erasure_id.to_owned() };
        let erasure = profiles(admin).get_erasure(admin.request(request)).await.unwrap().into_inner().erasure.unwrap();
        if erasure.complete_time.is_some() {
            assert!(erasure.parts.iter().all(|part| part.complete_time.is_some()), "{erasure:?}");
            return erasure;
        }
        assert!(asked.elapsed() < LIMIT, "the erasure is not complete: {erasure:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The orders as they are: what was sold for how much, and nothing of whom to.
async fn orders(mesh: &Mesh, life: &Life) -> Vec<Value> {
    let (raw, admin) = (RawGrpc::new(&mesh.url()), mesh.admin_key());
    let mut orders = Vec::new();
    for id in &life.order_ids {
        let order = &ask(&raw, &admin, GET_ORDER, &json!({"orderId": id})).await["order"];
        let lines: Vec<_> = order["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| json!([line["sku"], line["quantity"], line["unitPrice"], line["total"]]))
            .collect();
        orders.push(json!([id, order["number"], order["state"], order["paymentState"], order["totals"], lines]));
    }
    orders
}

/// What the mesh holds about a customer comes out: of each kind something.
async fn exports_all(life: &Life) {
    let client = &life.device.client;
    let export = client.request(ExportProfileRequest { profile_id: String::new() });
    let mut parts = profiles(client).export_profile(export).await.unwrap().into_inner();
    let mut kinds = BTreeSet::new();
    let mut told = String::new();
    while let Some(part) = parts.message().await.unwrap() {
        let part = part.part.expect("each message is a part");
        told.push_str(&format!("{part:?}"));
        kinds.insert(match part {
            Part::Profile(_) => "profile",
            Part::Assertion(_) => "assertion",
            Part::Consent(_) => "consent",
            Part::Interaction(_) => "interaction",
            Part::OrderJson(_) => "order",
            Part::CartJson(_) => "cart",
            Part::ReturnJson(_) => "return",
        });
    }
    let all = ["assertion", "cart", "consent", "interaction", "order", "profile", "return"];
    assert_eq!(kinds.iter().copied().collect::<Vec<_>>(), all, "what is exported");
    let told = told.to_lowercase();
    for label in [
        "AddLine options",
        "RecordAssertions claims.name",
        "RecordInteraction summary",
        "RequestReturn reason",
        "RejectReturn reason",
    ] {
        let canaries = life.garden.canaries.iter().filter(|canary| canary.label == label);
        let missing = canaries.filter(|canary| !canary.texts.iter().any(|text| told.contains(text))).count();
        assert_eq!(missing, 0, "{label} is not exported");
    }
}

/// Neither the customer's own session nor staff find anybody.
async fn is_nobody(life: &Life, admin: &Client) {
    let own = profiles(&life.device.client).get_profile(life.device.client.request(GetProfileRequest::default())).await;
    let refused = Refusal::from(own.unwrap_err());
    assert!(matches!(refused.code, Code::Unauthenticated | Code::FailedPrecondition | Code::NotFound), "{refused:?}");
    for profile_id in &life.profile_ids {
        let request = admin.request(GetProfileRequest { profile_id: profile_id.clone() });
        let refused = Refusal::from(profiles(admin).get_profile(request).await.unwrap_err());
        let said = (refused.code, refused.reason.as_str());
        assert!(
            matches!(said, (Code::FailedPrecondition, "ERASED") | (Code::NotFound, "NOT_FOUND")),
            "an erased profile: {refused:?}"
        );
    }
}

/// What was claimed once is claimed again, and not kept.
async fn is_not_told_again(mesh: &Mesh, life: &Life) {
    let raw = RawGrpc::new(&mesh.url());
    let path = format!("{PROFILES}/RecordAssertions");
    for (credential, request) in life.claims.iter().filter(|(credential, _)| *credential != life.device.token) {
        let mut request = request.clone();
        request["requestId"] = request_id().into();
        request.as_object_mut().unwrap().remove("profileId");
        let answer = ask(&raw, credential, &path, &request).await;
        assert_eq!(answer["outcome"], "ASSERTION_OUTCOME_SUPPRESSED", "{request}: {answer}");
        assert!(answer["profile"].is_null(), "{answer}");
    }
}

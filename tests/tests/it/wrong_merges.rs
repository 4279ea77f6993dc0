//! Fifty pairs of people who were taken for one are parted: what is said again does not join them, and no order is lost.

use std::collections::BTreeMap;

use futures::future::join_all;
use omnimesh_proto::{
    catalog::v1::{SetStockRequest, stock_service_client::StockServiceClient},
    common::v1::{Address, Channel},
    profiles::v1::{
        AssertionOutcome, ClaimedIdentifier, Claims, IdentifierType, RecordAssertionsRequest, RecordAssertionsResponse,
    },
};
use omnimesh_tests::{
    Desk, Device, Mesh, Mode, Setup,
    customer::{pickup, request_id},
    eventually,
};

use crate::demo::{ISTANBUL, TEA};

const PAIRS: usize = 50;
/// How many devices buy at the same time.
const AT_ONCE: usize = 10;
/// Much evidence: a name, a date of birth and an address come to more.
const SETTINGS: &str = "[profiles]\nauto_merge_above = 12000\n";

/// How a pair came to be taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// Somebody merged them.
    Person,
    /// They have name, date of birth and address in common.
    Evidence,
    /// Both use the login of their household.
    Key,
}

impl Mistake {
    fn of(pair: usize) -> Self {
        match pair % 5 {
            0 | 1 => Self::Person,
            2 | 3 => Self::Evidence,
            _ => Self::Key,
        }
    }
}

struct Person {
    email: String,
    profile_id: String,
    order_id: String,
    said: RecordAssertionsRequest,
}

#[tokio::test]
async fn fifty_wrong_merges_come_apart_and_stay_apart() {
    let mesh = Mesh::start_with(Setup::new(Mode::Embedded).settings(SETTINGS)).await;
    let enough = SetStockRequest {
        sku: TEA.into(),
        location_id: ISTANBUL.into(),
        on_hand: 1_000,
        request_id: request_id(),
        ..SetStockRequest::default()
    };
    let admin = mesh.admin().await;
    StockServiceClient::new(admin.channel()).set_stock(admin.request(enough)).await.unwrap();
    let people = everybody(&mesh).await;
    let till = Desk::till(&mesh, Channel::Store, &["profiles.read", "profiles.write", "identity.assert"]).await;
    let desk = Desk::new(admin);

    let heard = say_all(&till, &people).await;
    for (pair, two) in people.chunks(2).enumerate() {
        let mistake = Mistake::of(pair);
        let merged = heard[2 * pair + 1].merged;
        assert_eq!(merged, mistake != Mistake::Person, "pair {pair}, {mistake:?}: {:?}", heard[2 * pair + 1]);
        if mistake == Mistake::Person {
            desk.merge(&two[0].profile_id, &two[1].profile_id).await.unwrap();
        }
        let roots = roots(&desk, two).await;
        assert_eq!(roots[0], roots[1], "pair {pair}, {mistake:?}");
        assert!(two.iter().any(|person| person.profile_id == roots[0]), "pair {pair} joined others: {roots:?}");
    }
    for two in people.chunks(2) {
        lists(&desk, &two[0], &[&two[0].order_id, &two[1].order_id]).await;
    }

    for two in people.chunks(2) {
        let root = roots(&desk, two).await.remove(0);
        let leaving = two.iter().find(|person| person.profile_id != root).unwrap();
        desk.split(&root, &leaving.profile_id).await.unwrap();
    }
    all_are_apart(&desk, &people).await;

    // The same again, and the same as another form would have said it.
    for (pass, reference) in ["", "late-"].into_iter().enumerate() {
        let again: Vec<_> = people.iter().map(|person| person.again(reference)).collect();
        for (number, answer) in say_all(&till, &again).await.into_iter().enumerate() {
            let what = format!("pass {pass}, {} of pair {}: {answer:?}", again[number].email, number / 2);
            assert!(!answer.merged, "{what}");
            assert_eq!(answer.profile.as_ref().unwrap().profile_id, people[number].profile_id, "{what}");
            if pass == 0 {
                assert_eq!(answer.outcome(), AssertionOutcome::Unchanged, "{what}");
            }
        }
        all_are_apart(&desk, &people).await;
    }
    for two in people.chunks(2) {
        // Others may look alike by chance; those who were parted are never suggested again.
        for found in desk.suggestions(&two[0].profile_id).await {
            let pair = [found.profile.unwrap().profile_id, found.other_profile.unwrap().profile_id];
            assert!(!pair.contains(&two[1].profile_id), "suggested again: {:?}", found.terms);
        }
    }
    mesh.assert_no_defect();
}

/// People who each proved an address and bought something.
async fn everybody(mesh: &Mesh) -> Vec<Person> {
    let mut people = Vec::new();
    for chunk in (0..2 * PAIRS).collect::<Vec<_>>().chunks(AT_ONCE) {
        people.extend(join_all(chunk.iter().map(|number| Person::new(mesh, *number))).await);
    }
    people
}

impl Person {
    async fn new(mesh: &Mesh, number: usize) -> Self {
        let email = format!("person{number}@example.com");
        let mut device = Device::start(mesh, Channel::App).await;
        device.identify(mesh, &email).await;
        device.add(TEA, 1).await;
        let cart = device.deliver(pickup(ISTANBUL)).await;
        let order = device.place(Device::order_of(&cart, &email)).await.unwrap().into_inner();
        let said = RecordAssertionsRequest {
            profile_id: device.session.profile_id.clone(),
            account_id: "till".into(),
            customer_ref: format!("customer-{number}"),
            claims: Some(claims(number, &email)),
            ..RecordAssertionsRequest::default()
        };
        Self { email, profile_id: device.session.profile_id, order_id: order.order_id, said }
    }

    fn again(&self, reference: &str) -> Self {
        let customer_ref = format!("{reference}{}", self.said.customer_ref);
        Self {
            email: self.email.clone(),
            profile_id: self.profile_id.clone(),
            order_id: self.order_id.clone(),
            said: RecordAssertionsRequest { customer_ref, ..self.said.clone() },
        }
    }
}

fn claims(number: usize, email: &str) -> Claims {
    let (pair, mistake) = (number / 2, Mistake::of(number / 2));
    // Two of a pair have their evidence in common; others have nothing with anybody.
    let seed = scatter(if mistake == Mistake::Evidence { pair } else { 1_000 + number });
    let letters = |from: u32| -> String {
        let hex = format!("{:032x}", seed.rotate_left(from));
        hex.chars().take(7).filter_map(|digit| "bakelimotusyenar".chars().nth(digit.to_digit(16)? as usize)).collect()
    };
    let home = Address {
        lines: vec![format!("{} Sokak No: {} D: {}", letters(40), 1 + seed % 90, 1 + seed % 17)],
        city: "Ankara".into(),
        region: "Çankaya".into(),
        country_code: "TR".into(),
        ..Address::default()
    };
    let login = ClaimedIdentifier { r#type: IdentifierType::Login.into(), value: format!("shop household-{pair}") };
    Claims {
        name: format!("{} {}", letters(0), letters(70)),
        emails: vec![email.to_owned()],
        phones: Vec::new(),
        addresses: vec![home],
        birth_date: format!("{}-{:02}-{:02}", 1930 + seed % 70, 1 + seed % 12, 1 + seed % 28),
        identifiers: if mistake == Mistake::Key { vec![login] } else { Vec::new() },
    }
}

/// A number that looks like any other, and is the same in each run.
fn scatter(number: usize) -> u128 {
    let mut seed = number as u128 + 1;
    for _ in 0..4 {
        seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).rotate_left(47) ^ (seed >> 61);
    }
    seed
}

async fn say_all(till: &Desk, people: &[Person]) -> Vec<RecordAssertionsResponse> {
    let mut answers = Vec::new();
    for person in people {
        answers.push(till.record(person.said.clone()).await.unwrap());
    }
    answers
}

async fn roots(desk: &Desk, people: &[Person]) -> Vec<String> {
    join_all(people.iter().map(async |person| desk.profile(&person.profile_id).await.unwrap().profile_id)).await
}

async fn all_are_apart(desk: &Desk, people: &[Person]) {
    let mut by_profile = BTreeMap::new();
    for (root, person) in roots(desk, people).await.into_iter().zip(people) {
        assert_eq!(root, person.profile_id, "{} stands alone", person.email);
        assert!(by_profile.insert(root, &person.email).is_none());
    }
    for person in people {
        lists(desk, person, &[&person.order_id]).await;
    }
}

/// A customer's orders are these and no others.
async fn lists(desk: &Desk, person: &Person, expected: &[&String]) {
    let mut expected: Vec<_> = expected.to_vec();
    expected.sort_unstable();
    eventually("the orders of a customer are listed", async || {
        let listed = desk.orders_of(&person.profile_id).await;
        let mut listed: Vec<_> = listed.iter().map(|order| &order.order_id).collect();
        listed.sort_unstable();
        (listed == expected).then_some(())
    })
    .await;
}

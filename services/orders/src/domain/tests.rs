//! Model checks of the state machines over their whole graphs, and properties over random histories.

use std::collections::BTreeSet;

use omnimesh_kit::{
    clock::Timestamp,
    money::{Currency, Money},
    testing::START,
};
use omnimesh_proto::{common::v1 as common, orders::v1 as proto};
use proptest::prelude::*;

use super::*;

fn cause() -> Cause {
    Cause { actor: common::Actor::default(), at: START, reason: String::new() }
}

fn lira() -> Currency {
    "TRY".parse().unwrap()
}

/// An order of these quantities, at 9.99 each with 20 % tax included, each line in the group of its place modulo `groups`.
pub(crate) fn order(quantities: &[i64], groups: usize, method: FulfillmentMethod) -> Order {
    let document = proto::ImportDocument {
        account_id: "a".into(),
        channel_order_id: "1".into(),
        kind: 1,
        mode: 2,
        currency_code: "TRY".into(),
        place_time: Some(START.to_proto()),
        lines: quantities
            .iter()
            .map(|quantity| proto::OrderLine {
                sku: "sku".into(),
                quantity: *quantity,
                unit_price: Some(Money::from_micros(lira(), 9_990_000).to_proto()),
                ..proto::OrderLine::default()
            })
            .collect(),
        ..proto::ImportDocument::default()
    };
    let document = Document::check(&document, None, None).unwrap();
    let mut order = document.into_order(OrderId::new(START), &OrderNumber::random(), START);
    order.payment = Payment::default();
    order.totals.tax_included = true;
    for line in &mut order.lines {
        line.tax = line.total / 6 / 10_000 * 10_000;
        line.discount = 10_000 * (line.quantity % 7);
        line.total -= line.discount;
    }
    let sum = |part: fn(&Line) -> i64| order.lines.iter().map(part).sum::<i64>();
    let (tax, discount, total) = (sum(|l| l.tax), sum(|l| l.discount), sum(|l| l.total));
    order.totals = Totals { tax, discount, total: total + 30_000_000, shipping: 30_000_000, ..order.totals };
    order.totals.charged = order.totals.total;
    for number in 0..groups {
        let lines = order.lines.iter().enumerate().filter(|(place, _)| place % groups == number);
        let lines: Vec<Held> =
            lines.map(|(_, line)| Held { line_id: line.id.clone(), quantity: line.quantity }).collect();
        if !lines.is_empty() {
            order.groups.push(Group::open(GroupId::new(START), format!("store-{number}"), method, lines, START));
        }
    }
    order
}

/// Every line is whole: cancelled, or in a group that has not given its goods back. And the totals are the lines'.
fn assert_conserved(order: &Order) {
    if order.state == OrderState::Confirmed || order.state == OrderState::Completed {
        for line in &order.lines {
            let groups = order.groups.iter().filter(|group| !group.given_back);
            let held: i64 = groups
                .flat_map(|group| &group.lines)
                .filter(|held| held.line_id == line.id)
                .map(|held| held.quantity)
                .sum();
            assert_eq!(line.quantity, line.cancelled + held, "line {} of {order:?}", line.id);
        }
    }
    let sum = |part: fn(&Line) -> i64| order.lines.iter().map(part).sum::<i64>();
    assert_eq!(order.totals.subtotal, sum(|line| line.subtotal));
    assert_eq!(order.totals.total, sum(|line| line.total) + order.totals.shipping);
    for line in &order.lines {
        assert_eq!(line.total, line.subtotal - line.discount);
        assert!(line.total % 10_000 == 0 && line.subtotal >= 0, "{line:?}");
    }
}

#[test]
fn every_order_state_can_be_reached_and_left() {
    let mut reached = BTreeSet::from([OrderState::Draft]);
    let mut open = vec![OrderState::Draft];
    while let Some(state) = open.pop() {
        assert_eq!(state.next().is_empty(), state.is_final(), "{state} is dead");
        open.extend(state.next().into_iter().filter(|next| reached.insert(*next)));
        for step in OrderStep::ALL {
            match state.after(step) {
                Ok(next) => assert!(state.next().contains(&next) && next == step.target()),
                Err(Refused::Illegal { state: named, allowed, .. }) => {
                    assert_eq!(named, state.as_str());
                    assert_eq!(allowed, state.next().into_iter().map(OrderState::as_str).collect::<Vec<_>>());
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(reached.len(), OrderState::ALL.len());
}

#[test]
fn every_group_state_can_be_reached_and_leads_to_an_end() {
    let mut anywhere = BTreeSet::new();
    for method in [FulfillmentMethod::Ship, FulfillmentMethod::Pickup] {
        let mut reached = BTreeSet::from([GroupState::Open]);
        let mut open = vec![GroupState::Open];
        while let Some(state) = open.pop() {
            open.extend(state.next(method).into_iter().filter(|next| reached.insert(*next)));
        }
        for state in &reached {
            // A state that is not an end has an end within reach.
            let mut seen = BTreeSet::from([*state]);
            let mut open = vec![*state];
            while let Some(state) = open.pop() {
                open.extend(state.next(method).into_iter().filter(|next| seen.insert(*next)));
            }
            assert!(seen.iter().any(|state| state.has_ended()), "{state} is dead for {method}");
            if state.has_ended() {
                assert!(state.next(method).iter().all(|next| *next == GroupState::Restocked), "{state} goes on");
            }
            // Every transition is typed: the group takes exactly the steps that lead to the states that may follow.
            for step in GroupStep::ALL {
                let mut group = Group::open(GroupId::new(START), "s".into(), method, Vec::new(), START);
                group.state = *state;
                if let GroupStep::Resume(before) = step {
                    group.held_in = Some(before);
                }
                match group.step(step, START) {
                    Ok(()) => assert!(state.next(method).contains(&step.target())),
                    Err(Refused::Illegal { state: named, allowed, .. }) => {
                        assert_eq!(named, state.as_str());
                        let possible: Vec<_> = state.next(method).into_iter().map(GroupState::as_str).collect();
                        assert!(allowed.iter().all(|name| possible.contains(name)));
                        assert_eq!(allowed.is_empty(), possible.is_empty() && *state != GroupState::OnHold);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
        anywhere.extend(reached);
    }
    assert_eq!(anywhere.len(), GroupState::ALL.len(), "some state is reached by no method");
}

#[test]
fn a_hold_goes_back_to_where_it_was() {
    let mut group = Group::open(GroupId::new(START), "s".into(), FulfillmentMethod::Ship, Vec::new(), START);
    group.step(GroupStep::Accept, START).unwrap();
    group.step(GroupStep::Hold, START).unwrap();
    let refused = group.step(GroupStep::Resume(GroupState::Open), START).unwrap_err();
    let Refused::Illegal { allowed, .. } = refused else { panic!("{refused}") };
    assert_eq!(allowed, ["ACCEPTED", "CANCELLED"]);
    group.step(GroupStep::Resume(GroupState::Accepted), START).unwrap();
}

#[test]
fn a_rejection_is_seen_and_frees_the_stock_there() {
    let mut order = order(&[2, 3], 2, FulfillmentMethod::Pickup);
    let (first, second) = (order.groups[0].id, order.groups[1].id);
    order.payment.captured = order.totals.total;
    order.step_group(first, GroupStep::Reject, &cause().because("OUT_OF_STOCK")).unwrap();
    let OrderChange::Group { released, goods, state, .. } = &order.changes[0].what else { panic!() };
    assert_eq!((released[0].quantity, goods.len(), *state), (2, 0, GroupState::RejectedByStore));
    assert_eq!((order.state, order.groups[0].reason.as_str()), (OrderState::Confirmed, "OUT_OF_STOCK"));
    assert_conserved(&order);
    for step in [GroupStep::Accept, GroupStep::Pack, GroupStep::MarkReady, GroupStep::PickUp] {
        match step {
            GroupStep::Pack => order.pack(second, &[], &cause()).unwrap(),
            step => order.step_group(second, step, &cause()).unwrap(),
        }
    }
    // The rest is with the customer: what is stuck can still be cancelled, and the order comes to its end.
    let before = order.totals.total;
    order.cancel(true, &cause().because("no thanks")).unwrap();
    assert_eq!((order.state, order.groups[0].state), (OrderState::Completed, GroupState::Cancelled));
    assert_eq!(order.payment.to_give_back(order.owed()), before - order.totals.total);
    assert_conserved(&order);
}

#[test]
fn goods_in_the_store_are_handed_over_when_paid() {
    let mut order = order(&[1], 1, FulfillmentMethod::Pickup);
    let id = order.groups[0].id;
    order.step_group(id, GroupStep::Accept, &cause()).unwrap();
    order.pack(id, &[], &cause()).unwrap();
    order.step_group(id, GroupStep::MarkReady, &cause()).unwrap();
    assert!(matches!(order.step_group(id, GroupStep::PickUp, &cause()), Err(Refused::NotPaid(_))));
    assert_eq!(order.groups[0].state, GroupState::ReadyForPickup);
    let total = order.money(order.totals.total);
    let paid = PaymentEvent { kind: PaymentEventKind::Captured, amount: total, occurred_at: START };
    order.record_payment(&paid, &cause()).unwrap();
    order.step_group(id, GroupStep::PickUp, &cause()).unwrap();
    assert_eq!(order.state, OrderState::Completed);
}

#[test]
fn an_order_of_which_nothing_is_left_is_cancelled() {
    let mut order = order(&[2], 1, FulfillmentMethod::Ship);
    let id = order.groups[0].id;
    order.step_group(id, GroupStep::Accept, &cause()).unwrap();
    order.pack(id, &[Held { line_id: "1".into(), quantity: 2 }], &cause()).unwrap();
    assert_eq!((order.state, order.cancel_reason.as_str()), (OrderState::Cancelled, "OUT_OF_STOCK"));
    assert_eq!(order.owed(), 0);
}

#[test]
fn customers_cancel_until_it_is_packed() {
    let mut packed = order(&[1], 1, FulfillmentMethod::Ship);
    let id = packed.groups[0].id;
    packed.step_group(id, GroupStep::Accept, &cause()).unwrap();
    packed.pack(id, &[], &cause()).unwrap();
    assert_eq!(packed.clone().cancel(true, &cause()), Err(Refused::TooLateForCustomer));
    packed.clone().cancel(false, &cause()).unwrap();
    packed.step_group(id, GroupStep::Ship, &cause()).unwrap();
    assert!(matches!(packed.cancel(false, &cause()), Err(Refused::Illegal { .. })));
}

#[test]
fn statements_are_compared_by_time_and_content() {
    let known = Some(Known { updated_at: START, hash: [1; 32] });
    let second = std::time::Duration::from_secs(1);
    assert_eq!(restate(None, START, [1; 32]), Restatement::New);
    assert_eq!(restate(known, START, [1; 32]), Restatement::Same);
    assert_eq!(restate(known, START, [2; 32]), Restatement::Conflict);
    assert_eq!(restate(known, START.plus(second), [2; 32]), Restatement::Newer);
    assert_eq!(restate(known, START.plus(second), [1; 32]), Restatement::Same);
    assert_eq!(restate(known, START.minus(second), [1; 32]), Restatement::Older);
}

/// What may happen in a random history.
#[derive(Clone, Debug)]
enum Act {
    Step(usize, GroupStep),
    Pack(usize, Vec<i64>),
    Pay(PaymentEventKind, i64),
    Cancel(bool),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let steps = || prop::sample::select(GroupStep::ALL.to_vec());
    let kinds = prop::sample::select(PaymentEventKind::ALL.to_vec());
    let act = prop_oneof![
        6 => (0usize..3, steps()).prop_map(|(group, step)| Act::Step(group, step)),
        3 => (0usize..3, prop::collection::vec(0i64..3, 0..3)).prop_map(|(group, short)| Act::Pack(group, short)),
        2 => (kinds, 0i64..4).prop_map(|(kind, quarters)| Act::Pay(kind, quarters)),
        1 => any::<bool>().prop_map(Act::Cancel),
    ];
    prop::collection::vec(act, 1..40)
}

proptest! {
    #[test]
    fn quantities_and_amounts_are_conserved(
        quantities in prop::collection::vec(1i64..9, 1..5),
        groups in 1usize..4,
        pickup in any::<bool>(),
        acts in acts(),
    ) {
        let method = if pickup { FulfillmentMethod::Pickup } else { FulfillmentMethod::Ship };
        let mut order = order(&quantities, groups, method);
        assert_conserved(&order);
        let charged = order.totals.total;
        for act in acts {
            let mut trial = order.clone();
            let group = |place: usize| trial.groups[place % trial.groups.len()].id;
            let done = match act {
                // Packing has its own way, with what is short.
                Act::Step(_, GroupStep::Pack) => continue,
                Act::Step(place, step) => { let id = group(place); trial.step_group(id, step, &cause()) }
                Act::Pack(place, short) => {
                    let id = group(place);
                    let lines = trial.group_named(Some(id)).unwrap().lines.clone();
                    let short: Vec<Held> = lines.iter().zip(short).filter(|(_, quantity)| *quantity > 0)
                        .map(|(held, quantity)| Held { line_id: held.line_id.clone(), quantity }).collect();
                    trial.pack(id, &short, &cause())
                }
                Act::Pay(kind, quarters) => {
                    let micros = if quarters == 0 { charged } else { charged / 4 / 10_000 * 10_000 * quarters };
                    let event = PaymentEvent { kind, amount: trial.money(micros), occurred_at: START };
                    trial.record_payment(&event, &cause())
                }
                Act::Cancel(by_customer) => trial.cancel(by_customer, &cause()),
            };
            if done.is_ok() {
                prop_assert!(trial.totals.total <= order.totals.total, "what is owed never grows");
                prop_assert!(!trial.changes[order.changes.len()..].is_empty(), "a change that nobody hears of");
                assert_conserved(&trial);
                order = trial;
            }
        }
        // Whatever happened: an order all of whose groups ended does not wait for anything but money.
        if order.groups.iter().all(|group| group.state.has_ended()) && order.payment.covers(order.totals.total) {
            prop_assert!(order.state.is_final(), "{:?}", order.state);
        }
    }

    #[test]
    fn payment_is_a_fold_that_never_gives_or_takes_too_much(
        total in 1i64..1_000,
        events in prop::collection::vec((prop::sample::select(PaymentEventKind::ALL.to_vec()), -5i64..1_200), 0..30),
    ) {
        let charged = Money::from_micros(lira(), total);
        let mut payment = Payment::default();
        let (mut captured, mut refunded) = (0, 0);
        for (kind, amount) in events {
            let event = PaymentEvent { kind, amount: Money::from_micros(lira(), amount), occurred_at: START };
            let Ok(next) = payment.record(&event, charged) else { continue };
            match kind {
                PaymentEventKind::Captured => captured += amount,
                PaymentEventKind::Refunded => refunded += amount,
                _ => {}
            }
            payment = next;
            prop_assert_eq!((payment.captured, payment.refunded), (captured, refunded));
            prop_assert!(refunded <= captured && captured <= total && (0..=total).contains(&payment.authorized));
            let state = payment.state(total);
            let expected = match () {
                () if kind == PaymentEventKind::Unknown => PaymentState::Unknown,
                () if refunded > 0 && refunded == captured => PaymentState::Refunded,
                () if refunded > 0 => PaymentState::PartiallyRefunded,
                () if captured == total => PaymentState::Captured,
                () if captured > 0 => PaymentState::PartiallyCaptured,
                () if payment.authorized > 0 => PaymentState::Authorized,
                () if kind == PaymentEventKind::Failed => PaymentState::Failed,
                () if kind == PaymentEventKind::Voided => PaymentState::Voided,
                () => PaymentState::Pending,
            };
            prop_assert_eq!(state, expected);
            prop_assert_eq!(payment.covers(total), captured - refunded >= total);
            prop_assert_eq!(payment.to_give_back(0), captured - refunded + payment.authorized);
            prop_assert_eq!(payment.to_give_back(total), 0);
        }
    }

    #[test]
    fn orders_read_back_as_they_were_written(quantities in prop::collection::vec(1i64..9, 1..5), groups in 1usize..3) {
        let order = order(&quantities, groups, FulfillmentMethod::Pickup);
        let text = serde_json::to_string(&order).unwrap();
        prop_assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order);
    }
}

#[test]
fn a_document_is_taken_as_it_is_or_refused_with_what_would_be_accepted() {
    let money =
        |text: &str, currency: &str| Some(Money::parse_decimal(text, currency.parse().unwrap()).unwrap().to_proto());
    let line = |quantity: i64, price: &str| proto::OrderLine {
        sku: "85123A".into(),
        quantity,
        unit_price: money(price, "GBP"),
        ..proto::OrderLine::default()
    };
    let sound = proto::ImportDocument {
        account_id: "till".into(),
        channel_order_id: "C536379".into(),
        kind: proto::DocumentKind::Return.into(),
        mode: proto::ImportMode::Historical.into(),
        currency_code: "GBP".into(),
        place_time: Some(START.to_proto()),
        lines: vec![line(-1, "27.50"), line(3, "0.001"), line(1, "0"), line(1, "-11062.06")],
        ..proto::ImportDocument::default()
    };
    let taken = Document::check(&sound, None, None).unwrap();
    let totals: Vec<i64> = taken.lines.iter().map(|line| line.total).collect();
    assert_eq!(totals, [-27_500_000, 3_000, 0, -11_062_060_000]);
    assert_eq!(taken.totals.total, totals.iter().sum::<i64>());
    assert_eq!((taken.lines[0].kind, taken.lines[3].id.as_str()), (LineKind::Return, "4"));
    let order = taken.clone().into_order(OrderId::new(START), &OrderNumber::random(), START);
    assert_eq!((order.state, order.groups.len()), (OrderState::Completed, 0));
    let partner = Document::check(&sound, Some("shop-7"), Some(common::Channel::Partner.into())).unwrap();
    assert_eq!((partner.source.account_id.as_str(), partner.channel), ("shop-7", 12));
    assert_eq!(taken.content_hash(), Document::check(&sound, None, None).unwrap().content_hash());
    assert_ne!(taken.content_hash(), partner.content_hash());

    type Spoil = fn(&mut proto::ImportDocument);
    let cases: [(Spoil, &str); 14] = [
        (|d| d.account_id.clear(), "account_id: 1 to 100"),
        (|d| d.channel_order_id.clear(), "channel_order_id: 1 to 200"),
        (|d| d.kind = 9, "kind: SALE, RETURN"),
        (|d| d.mode = 0, "mode: HISTORICAL or LIVE"),
        (|d| d.mode = 2, "LIVE is for sales"),
        (|d| d.channel = 99, "channel: a known channel"),
        (|d| d.currency_code = "gbp".into(), "currency_code: not an active"),
        (|d| d.place_time = None, "place_time: must be given"),
        (|d| d.lines.clear(), "lines: 1 to 10000 lines"),
        (|d| d.lines[1].unit_price = None, "lines[1].unit_price: must be given"),
        (|d| d.lines[1].quantity = i64::MAX, "lines[1].quantity"),
        (|d| d.lines[0].sku = "\u{0}".into(), "lines[0].sku: control characters"),
        (
            |d| d.lines[0].subtotal = d.lines[1].unit_price.clone(),
            "lines[0].subtotal: unit_price x quantity is -27.50 GBP",
        ),
        (|d| d.lines[0].line_id = "2".into(), "stands twice"),
    ];
    for (spoil, expected) in cases {
        let mut spoilt = sound.clone();
        spoil(&mut spoilt);
        let refusal = Document::check(&spoilt, None, None).unwrap_err();
        assert!(refusal.contains(expected), "{expected:?} is not in {refusal:?}");
    }
    let mut other = sound.clone();
    other.lines[0].unit_price = money("1", "EUR");
    assert!(Document::check(&other, None, None).unwrap_err().contains("one currency is accepted"));
    let _: Timestamp = START;
}

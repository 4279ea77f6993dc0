//! Returns: a model check of their states, and properties of pieces and amounts over random histories.

use std::collections::BTreeSet;

use omnimesh_kit::{
    money::{Currency, Money},
    testing::START,
};
use omnimesh_proto::common::v1 as common;
use proptest::prelude::*;

use super::{tests::order, *};

fn cause() -> Cause {
    Cause { actor: common::Actor::default(), at: START, reason: String::new() }
}

fn held(line: usize, quantity: i64) -> Held {
    Held { line_id: (line + 1).to_string(), quantity }
}

/// What a line is made of: pieces, and what they cost, their discount and tax in minor units.
type Sold = (i64, i64, i64, i64);

/// A paid order of these lines, one group per location; nothing is handed over yet.
fn paid(currency: &str, tax_included: bool, lines: &[Sold], fee: i64, groups: usize) -> Order {
    let currency: Currency = currency.parse().unwrap();
    let unit = Money::from_micros(currency, 0).currency.minor_micros();
    let quantities: Vec<i64> = lines.iter().map(|line| line.0).collect();
    let mut order = order(&quantities, groups, FulfillmentMethod::Pickup);
    order.currency = currency;
    for (line, (_, total, discount, tax)) in order.lines.iter_mut().zip(lines) {
        (line.total, line.discount, line.tax) = (total * unit, discount * unit, tax * unit);
        line.subtotal = line.total + line.discount - if tax_included { 0 } else { line.tax };
    }
    let sums = order.line_sums();
    order.totals = Totals {
        subtotal: sums.subtotal,
        discount: sums.discount,
        tax: sums.tax,
        shipping: fee * unit,
        total: sums.total + fee * unit,
        charged: sums.total + fee * unit,
        tax_included,
    };
    order.payment.captured = order.totals.total;
    order
}

fn hand_over(order: &mut Order, group: usize) {
    let id = order.groups[group].id;
    for step in [GroupStep::Accept, GroupStep::Pack, GroupStep::MarkReady, GroupStep::PickUp] {
        match step {
            GroupStep::Pack => order.pack(id, &[], &cause()).unwrap(),
            step => order.step_group(id, step, &cause()).unwrap(),
        }
    }
}

fn request(order: &mut Order, pieces: &[Held]) -> Result<ReturnId, Refused> {
    let id = ReturnId::new(START);
    order.request_return(id, pieces, "", &cause())?;
    Ok(id)
}

/// A return of these pieces that has arrived whole.
fn arrived(order: &mut Order, pieces: &[Held]) -> ReturnId {
    let id = request(order, pieces).unwrap();
    order.approve_return(id, &cause()).unwrap();
    order.receive_return(id, "izmir", &received(pieces), &cause()).unwrap();
    id
}

fn received(pieces: &[Held]) -> Vec<Received> {
    let part = |held: &Held| Received {
        line_id: held.line_id.clone(),
        quantity: held.quantity,
        condition: if held.quantity % 2 == 0 { Condition::Damaged } else { Condition::Sellable },
        known: true,
    };
    pieces.iter().map(part).collect()
}

fn replacement(order: &Order, id: ReturnId) -> Group {
    let lines = order.pieces_of(id, &[]).unwrap();
    Group::open(GroupId::new(START), "izmir".into(), FulfillmentMethod::Pickup, lines, START)
}

#[test]
fn every_return_state_can_be_reached_and_leads_to_an_end() {
    let mut reached = BTreeSet::from([ReturnState::Requested]);
    let mut open = vec![ReturnState::Requested];
    while let Some(state) = open.pop() {
        open.extend(state.next().into_iter().filter(|next| reached.insert(*next)));
    }
    assert_eq!(reached.len(), ReturnState::ALL.len());
    for state in reached {
        assert_eq!(state.next().is_empty(), state.is_final(), "{state} is dead");
        let (mut seen, mut open) = (BTreeSet::from([state]), vec![state]);
        while let Some(state) = open.pop() {
            open.extend(state.next().into_iter().filter(|next| seen.insert(*next)));
        }
        assert!(seen.iter().any(|state| state.is_final()), "{state} leads nowhere");
        for step in ReturnStep::ALL {
            match state.after(step) {
                Ok(next) => assert!(state.next().contains(&next) && next == step.target()),
                Err(Refused::Illegal { state: named, asked, allowed, .. }) => {
                    assert_eq!((named, asked), (state.as_str(), step.target().as_str()));
                    assert_eq!(allowed, state.next().into_iter().map(ReturnState::as_str).collect::<Vec<_>>());
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_return_names_what_may_follow_for_its_pieces() {
    let mut order = paid("TRY", true, &[(2, 1_000, 0, 0)], 0, 1);
    assert_eq!(request(&mut order, &[held(0, 1)]), Err(Refused::NotReturnable { line_id: "1".into(), left: 0 }));
    hand_over(&mut order, 0);
    let id = request(&mut order, &[held(0, 2)]).unwrap();
    let next = |order: &Order| order.return_of(id).unwrap().next();
    assert_eq!(next(&order), [ReturnState::Approved, ReturnState::Rejected]);
    let refused = order.refund_return(id, &[], false, &cause()).unwrap_err();
    let Refused::Illegal { state, asked, allowed, .. } = refused else { panic!("{refused}") };
    assert_eq!((state, asked, allowed), ("REQUESTED", "REFUNDED", vec!["APPROVED", "REJECTED"]));
    order.approve_return(id, &cause()).unwrap();
    order.receive_return(id, "izmir", &received(&[held(0, 1)]), &cause()).unwrap();
    assert_eq!(next(&order), [ReturnState::Received, ReturnState::Refunded, ReturnState::Replaced]);
    assert!(matches!(order.close_return(id, &cause()), Err(Refused::Illegal { .. })), "goods without their money");
    order.refund_return(id, &[], false, &cause()).unwrap();
    assert_eq!(next(&order), [ReturnState::Received, ReturnState::Closed]);
    assert_eq!(order.open_returns(), 1, "a piece is awaited");
    order.receive_return(id, "izmir", &received(&[held(0, 1)]), &cause()).unwrap();
    assert_eq!(next(&order), [ReturnState::Refunded, ReturnState::Replaced]);
    order.refund_return(id, &[], false, &cause()).unwrap();
    assert_eq!((next(&order), order.open_returns()), (vec![ReturnState::Closed], 0));
    let more = order.receive_return(id, "izmir", &received(&[held(0, 1)]), &cause());
    assert!(matches!(more, Err(Refused::Illegal { .. })));
    order.close_return(id, &cause()).unwrap();
    assert_eq!((order.state, order.owed()), (OrderState::Completed, 0));
}

#[test]
fn what_was_not_handed_over_or_is_asked_for_is_not_returnable() {
    let mut order = paid("TRY", true, &[(3, 1_000, 0, 0), (2, 500, 0, 0)], 0, 2);
    hand_over(&mut order, 0);
    assert_eq!((order.returnable("1"), order.returnable("2"), order.returnable("9")), (3, 0, 0));
    for wrong in [held(0, 4), held(0, 0), held(0, -1), held(1, 1), held(8, 1)] {
        assert!(matches!(request(&mut order, &[wrong]), Err(Refused::NotReturnable { .. })));
    }
    let first = request(&mut order, &[held(0, 2)]).unwrap();
    assert!(matches!(request(&mut order, &[held(0, 2)]), Err(Refused::NotReturnable { left: 1, .. })));
    order.reject_return(first, &cause().because("worn")).unwrap();
    assert_eq!((order.returnable("1"), order.open_returns()), (3, 0));
    // A closed return keeps what arrived only.
    let second = request(&mut order, &[held(0, 3)]).unwrap();
    order.approve_return(second, &cause()).unwrap();
    order.receive_return(second, "izmir", &received(&[held(0, 1)]), &cause()).unwrap();
    order.refund_return(second, &[], false, &cause()).unwrap();
    assert_eq!(order.returnable("1"), 0);
    order.close_return(second, &cause()).unwrap();
    assert_eq!(order.returnable("1"), 2);
    let shipped = GroupState::Shipped;
    order.groups[1].state = shipped;
    assert_eq!(order.returnable("2"), 0, "it is with the carrier");
    let mut record = paid("TRY", true, &[(1, 100, 0, 0)], 0, 1);
    record.groups.clear();
    assert_eq!(request(&mut record, &[held(0, 1)]), Err(Refused::NothingSold));
}

#[test]
fn goods_go_back_to_stock_where_they_arrived_if_they_can_be_sold() {
    let mut order = paid("TRY", true, &[(3, 1_000, 0, 0)], 0, 1);
    hand_over(&mut order, 0);
    let id = request(&mut order, &[held(0, 3)]).unwrap();
    order.approve_return(id, &cause()).unwrap();
    order.changes.clear();
    let part = |quantity, condition| Received { line_id: "1".into(), quantity, condition, known: true };
    let parts = [part(1, Condition::Sellable), part(1, Condition::Damaged)];
    let over = [part(1, Condition::Sellable), part(3, Condition::Damaged)];
    assert!(matches!(order.receive_return(id, "izmir", &over, &cause()), Err(Refused::NotInReturn { left: 2, .. })));
    assert!(order.changes.is_empty() && order.return_of(id).unwrap().lines[0].received == 0);
    order.receive_return(id, "izmir", &parts, &cause()).unwrap();
    let OrderChange::Return { state, location_id, restocked, .. } = &order.changes[0].what else { panic!() };
    assert_eq!((*state, location_id.as_str()), (ReturnState::PartiallyReceived, "izmir"));
    let [goods] = restocked.as_slice() else { panic!("{restocked:?}") };
    assert_eq!((goods.sku.as_str(), goods.location_id.as_str(), goods.quantity), ("sku", "izmir", 1));
    let line = &order.return_of(id).unwrap().lines[0];
    assert_eq!((line.received, line.restocked), (2, 1));
}

#[test]
fn a_replacement_costs_nothing_and_may_fail() {
    let mut order = paid("TRY", true, &[(2, 1_000, 100, 90)], 500, 1);
    hand_over(&mut order, 0);
    assert_eq!(order.state, OrderState::Completed);
    let (lines, totals) = (order.lines.clone(), order.totals);
    let id = arrived(&mut order, &[held(0, 2)]);
    for end in [GroupStep::Cancel, GroupStep::Reject] {
        let group = replacement(&order, id);
        let group_id = group.id;
        order.replace_return(id, group, &cause()).unwrap();
        assert_eq!(order.return_of(id).unwrap().state, ReturnState::Replaced);
        assert_eq!(order.state, OrderState::Completed, "it stays what it is");
        let Err(Refused::Illegal { subject, .. }) = order.close_return(id, &cause()) else { panic!() };
        assert!(subject.contains("replacement"), "{subject}");
        order.step_group(group_id, end, &cause().because("OUT_OF_STOCK")).unwrap();
        if end == GroupStep::Reject {
            // The store does not have it: somebody of the retailer gives it up, and settles the return otherwise.
            order.cancel(false, &cause()).unwrap();
        }
        assert_eq!((order.state, order.return_of(id).unwrap().state), (OrderState::Completed, ReturnState::Received));
        assert_eq!(order.return_of(id).unwrap().unsettled(), 2);
    }
    // One piece is found short, the other is handed over, comes back too, and is refunded in the end.
    let group = replacement(&order, id);
    let group_id = group.id;
    order.replace_return(id, group, &cause()).unwrap();
    order.step_group(group_id, GroupStep::Accept, &cause()).unwrap();
    order.pack(group_id, &[held(0, 1)], &cause()).unwrap();
    assert_eq!(order.return_of(id).unwrap().unsettled(), 1);
    order.step_group(group_id, GroupStep::MarkReady, &cause()).unwrap();
    order.step_group(group_id, GroupStep::PickUp, &cause()).unwrap();
    assert_eq!((order.lines.clone(), order.totals), (lines, totals));
    assert_eq!(order.refund_return(id, &[], false, &cause()).unwrap(), 5_000_000);
    assert_eq!(order.returnable("1"), 1);
    let again = arrived(&mut order, &[held(0, 1)]);
    assert_eq!(order.refund_return(again, &[], true, &cause()).unwrap(), 5_000_000 + 2_500_000);
    // The first refund left its share of the fee out: nobody else gets it.
    assert_eq!(order.returned_value(), order.totals.total - 2_500_000);
    assert_eq!(order.payment.to_give_back(order.owed()), order.returned_value());
}

#[test]
fn goods_that_were_never_paid_are_owed_no_more() {
    let mut order = paid("TRY", true, &[(2, 1_000, 0, 0)], 0, 1);
    hand_over(&mut order, 0);
    // Delivered before the money came.
    (order.payment, order.state) =
        (Payment { authorized: order.totals.total, ..Payment::default() }, OrderState::Confirmed);
    let id = arrived(&mut order, &[held(0, 1)]);
    assert_eq!(order.refund_return(id, &[], false, &cause()).unwrap(), 5_000_000);
    assert_eq!((order.owed(), order.payment.to_give_back(order.owed())), (5_000_000, 0));
    let all = PaymentEvent {
        kind: PaymentEventKind::Captured,
        amount: order.money(order.totals.charged),
        occurred_at: START,
    };
    order.record_payment(&all, &cause()).unwrap();
    assert_eq!(order.payment.to_give_back(order.owed()), 5_000_000);
    assert_eq!(order.state, OrderState::Completed);
}

/// Every way to take `left` pieces off in parts.
fn parts_of(left: i64) -> Vec<Vec<i64>> {
    if left == 0 {
        return vec![Vec::new()];
    }
    let rest = |first: i64| parts_of(left - first).into_iter().map(move |rest| [vec![first], rest].concat());
    (1..=left).flat_map(rest).collect()
}

#[test]
fn every_sequence_of_refunds_and_cancellations_sums_to_what_was_paid() {
    for (currency, unit) in [("JPY", 1_000_000), ("TRY", 10_000), ("KWD", 1_000)] {
        for total in [0, 1, 2, 3, 7, 100, 1_001] {
            for parts in parts_of(5) {
                // Each part is refunded or cancelled, in every combination.
                for cancelled in 0..1u32 << parts.len() {
                    let mut order = paid(currency, cancelled % 2 == 0, &[(5, total, total / 3, total / 6)], 0, 1);
                    hand_over(&mut order, 0);
                    let (mut back, before) = (0, Amounts::of(&order.lines[0]));
                    for (place, part) in parts.iter().enumerate() {
                        if cancelled & (1 << place) == 0 {
                            let id = arrived(&mut order, &[held(0, *part)]);
                            let value = order.refund_return(id, &[], false, &cause()).unwrap();
                            assert!(value >= 0 && value % unit == 0);
                            back += value;
                        } else {
                            let kept = order.totals.total;
                            order.reduce(&[held(0, *part)]).unwrap();
                            assert!(order.totals.total <= kept);
                            // Pretend that they had not been handed over.
                            order.groups[0].lines[0].quantity -= part;
                            back += kept - order.totals.total;
                        }
                        assert!(order.lines[0].total >= order.returned_value(), "{parts:?} {cancelled:b}");
                    }
                    assert_eq!(back, before.total, "{currency} {total} {parts:?} {cancelled:b}");
                    let (pieces, refunded) = order.refunded_of("1");
                    assert_eq!(pieces + order.lines[0].cancelled, 5);
                    // What is left on the line is what was refunded of it: discount and tax too.
                    assert_eq!(Amounts::of(&order.lines[0]), refunded);
                }
            }
        }
    }
}

/// What may happen in a random history.
#[derive(Clone, Debug)]
enum Act {
    HandOver(usize),
    Cancel(usize),
    Request(usize, i64),
    Reject(usize),
    Approve(usize),
    Receive(usize, usize, i64),
    Refund(usize, i64, bool),
    Replace(usize),
    Fail(usize),
    Close(usize),
    Repay(i64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let place = || 0usize..6;
    let act = prop_oneof![
        3 => place().prop_map(Act::HandOver),
        1 => place().prop_map(Act::Cancel),
        4 => (place(), 1i64..4).prop_map(|(line, quantity)| Act::Request(line, quantity)),
        1 => place().prop_map(Act::Reject),
        4 => place().prop_map(Act::Approve),
        4 => (place(), place(), 1i64..3).prop_map(|(found, line, quantity)| Act::Receive(found, line, quantity)),
        4 => (place(), 0i64..3, any::<bool>()).prop_map(|(found, quantity, fee)| Act::Refund(found, quantity, fee)),
        2 => place().prop_map(Act::Replace),
        1 => place().prop_map(Act::Fail),
        1 => place().prop_map(Act::Close),
        1 => (1i64..5).prop_map(Act::Repay),
    ];
    prop::collection::vec(act, 1..60)
}

fn perform(order: &mut Order, act: Act) -> Result<(), Refused> {
    let found = |order: &Order, place: usize| {
        let places = order.returns.len().max(1);
        order.returns.get(place % places).map(|found| found.id).ok_or(Refused::NoSuchReturn)
    };
    let because = cause();
    match act {
        Act::HandOver(place) => {
            let id = order.groups[place % order.groups.len()].id;
            order.step_group(id, GroupStep::Accept, &because)?;
            order.pack(id, &[], &because)?;
            order.step_group(id, GroupStep::MarkReady, &because)?;
            order.step_group(id, GroupStep::PickUp, &because)
        }
        Act::Cancel(place) => {
            let id = order.groups[place % order.groups.len()].id;
            order.step_group(id, GroupStep::Cancel, &because)
        }
        Act::Request(line, quantity) => request(order, &[held(line % order.lines.len(), quantity)]).map(drop),
        Act::Reject(place) => found(order, place).and_then(|id| order.reject_return(id, &because)),
        Act::Approve(place) => found(order, place).and_then(|id| order.approve_return(id, &because)),
        Act::Receive(place, line, quantity) => {
            let id = found(order, place)?;
            let lines = &order.return_of(id)?.lines;
            let line_id = lines[line % lines.len()].line_id.clone();
            order.receive_return(id, "izmir", &received(&[Held { line_id, quantity }]), &because)
        }
        Act::Refund(place, quantity, fee) => {
            let id = found(order, place)?;
            let line_id = order.return_of(id)?.lines[0].line_id.clone();
            let named = if quantity == 0 { Vec::new() } else { vec![Held { line_id, quantity }] };
            order.refund_return(id, &named, fee, &because).map(drop)
        }
        Act::Replace(place) => {
            let id = found(order, place)?;
            let group = replacement(order, id);
            order.replace_return(id, group, &because)
        }
        Act::Fail(place) => {
            let failing = order.groups.iter().filter(|group| group.replaces.is_some()).map(|group| group.id);
            let failing: Vec<_> = failing.collect();
            let id = *failing.get(place % failing.len().max(1)).ok_or(Refused::NoSuchGroup)?;
            order.step_group(id, GroupStep::Cancel, &because)
        }
        Act::Close(place) => found(order, place).and_then(|id| order.close_return(id, &because)),
        Act::Repay(quarters) => {
            let due = order.payment.to_give_back(order.owed());
            let event = PaymentEvent {
                kind: PaymentEventKind::Refunded,
                amount: order.money(due / 4 * quarters.min(4)),
                occurred_at: START,
            };
            order.record_payment(&event, &because)
        }
    }
}

/// Pieces are where they can be once only, and nobody is owed or gets what was not paid.
fn assert_whole(order: &Order, fee: i64) {
    for line in &order.lines {
        let of_line = |group: &&Group| !group.given_back;
        let groups = order.groups.iter().filter(of_line);
        let (replacing, own): (Vec<&Group>, Vec<&Group>) = groups.partition(|group| group.replaces.is_some());
        let pieces = |groups: &[&Group]| -> i64 {
            let lines = groups.iter().flat_map(|group| &group.lines);
            lines.filter(|held| held.line_id == line.id).map(|held| held.quantity).sum()
        };
        if order.state != OrderState::Cancelled {
            assert_eq!(line.quantity, line.cancelled + pieces(&own));
        }
        let returned = order.returns.iter().flat_map(|found| &found.lines).filter(|own| own.line_id == line.id);
        let (mut refunded, mut replaced) = (0, 0);
        for part in returned {
            assert!(0 <= part.restocked && part.restocked <= part.received && part.received <= part.quantity);
            assert!(part.unsettled() >= 0 && part.refunded >= 0 && part.replaced >= 0);
            refunded += part.refunded;
            replaced += part.replaced;
        }
        assert_eq!(replaced, pieces(&replacing), "what was settled by goods is under way or with the customer");
        assert!(order.returnable(&line.id) >= 0 && refunded <= line.quantity - line.cancelled);
        let (_, amounts) = order.refunded_of(&line.id);
        assert!((0..=line.total).contains(&amounts.total), "{amounts:?} of {line:?}");
        if refunded == line.quantity - line.cancelled {
            assert_eq!(amounts, Amounts::of(line));
        }
    }
    let shipping: i64 = order.returns.iter().map(|found| found.shipping).sum();
    let shares: i64 = order.returns.iter().map(|found| found.shipping_share).sum();
    assert!(0 <= shipping && shipping <= shares && shares <= fee);
    assert!(order.returned_value() <= order.totals.total);
    assert!(order.payment.refunded <= order.payment.captured);
    for found in &order.returns {
        assert_eq!(
            found.is_over(),
            !found.state.is_final() && found.next() == [ReturnState::Closed] && found.awaited() == 0
                || found.state.is_final()
        );
        if matches!(found.state, ReturnState::Refunded | ReturnState::Replaced) {
            assert_eq!(found.unsettled(), 0);
        }
    }
}

proptest! {
    #[test]
    fn pieces_and_amounts_of_returns_are_conserved(
        currency in prop::sample::select(vec!["JPY", "TRY", "KWD"]),
        tax_included in any::<bool>(),
        lines in prop::collection::vec((1i64..6, 0i64..2_000, 0i64..300, 0i64..300), 1..4),
        fee in 0i64..500,
        groups in 1usize..3,
        acts in acts(),
    ) {
        let mut order = paid(currency, tax_included, &lines, fee, groups);
        let unit = order.currency.minor_micros();
        let (placed, fee) = (order.totals.total, fee * unit);
        let mut all_fees = true;
        for act in acts {
            let mut trial = order.clone();
            let pays_fee = !matches!(act, Act::Refund(_, _, false));
            if perform(&mut trial, act).is_ok() {
                prop_assert!(trial.changes.len() > order.changes.len(), "a change that nobody hears of");
                prop_assert_eq!(trial.returned_value() % unit, 0);
                all_fees &= pays_fee;
                assert_whole(&trial, fee);
                order = trial;
            }
        }
        // What was cancelled and what was given back go back, exactly; the rest is what the customer still has.
        let due = order.payment.refunded + order.payment.to_give_back(order.owed());
        if order.state == OrderState::Cancelled {
            prop_assert_eq!(due, placed);
        } else {
            prop_assert_eq!(due, placed - order.totals.total + order.returned_value());
        }
        let refunded = |line: &Line| order.refunded_of(&line.id).0 == line.quantity - line.cancelled;
        let value = order.lines.iter().map(|line| line.total).sum::<i64>();
        if order.state != OrderState::Cancelled && order.lines.iter().all(refunded) && all_fees && value > 0 {
            prop_assert_eq!(due, placed, "everything came back, and everything is paid back");
        }
    }
}

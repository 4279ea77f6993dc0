//! What may happen to an order: each change leaves the order whole, and notes what others have to hear of.

use omnimesh_kit::{clock::Timestamp, money::Money};

use super::{
    Cause, Change, FulfillmentMethod, Goods, Group, GroupId, GroupState, GroupStep, Held, Order, OrderChange,
    OrderState, OrderStep, PaymentEvent, PaymentMethod, PaymentState, Placement, Refusal, Refused,
};

impl Order {
    /// An amount of the order's currency.
    #[must_use]
    pub const fn money(&self, micros: i64) -> Money {
        Money::from_micros(self.currency, micros)
    }

    /// Where the payment stands.
    #[must_use]
    pub const fn payment_state(&self) -> PaymentState {
        self.payment.state(self.totals.total)
    }

    /// What the customer owes: nothing for what is not delivered.
    #[must_use]
    pub const fn owed(&self) -> i64 {
        if matches!(self.state, OrderState::Cancelled | OrderState::Expired) { 0 } else { self.totals.total }
    }

    /// Notes a change.
    pub(super) fn note(&mut self, what: OrderChange, cause: &Cause) {
        self.updated_at = cause.at;
        self.changes.push(Change { what, cause: cause.clone() });
    }

    /// Enters the state that the step leads to.
    ///
    /// # Errors
    /// If the step does not leave the order's state.
    pub fn step(&mut self, step: OrderStep, cause: &Cause) -> Result<(), Refused> {
        self.state = self.state.after(step)?;
        if self.state != OrderState::Placed {
            self.payment_expires_at = None;
        }
        self.note(OrderChange::Order(self.state), cause);
        Ok(())
    }

    /// The draft becomes an order. It is confirmed at once if there is nothing to wait for: it costs nothing, or is paid at
    /// pickup.
    ///
    /// # Errors
    /// If it is not a draft.
    pub fn place(&mut self, placement: Placement, cause: &Cause) -> Result<(), Refused> {
        self.step(OrderStep::Place, cause)?;
        self.lines = placement.lines;
        self.groups = placement.groups;
        self.totals = placement.totals;
        self.shipping_address = placement.shipping_address;
        self.shipping_method_id = placement.shipping_method_id;
        self.promise_start = placement.promise_start;
        self.promise_end = placement.promise_end;
        self.placed_at = Some(cause.at);
        self.payment_expires_at = Some(placement.payment_expires_at);
        let in_store = self.payment_method == Some(PaymentMethod::InStore);
        if in_store || self.totals.total == 0 { self.step(OrderStep::Confirm, cause) } else { Ok(()) }
    }

    /// The draft is given up; `refusal` is what the customer is told.
    ///
    /// # Errors
    /// If it is not a draft.
    pub fn give_up(&mut self, refusal: Refusal, cause: &Cause) -> Result<(), Refused> {
        if self.state != OrderState::Draft {
            return Err(self.state.refuse(OrderState::Cancelled.as_str()));
        }
        self.cancel_reason.clone_from(&refusal.message);
        self.step(OrderStep::Cancel, &cause.clone().because(refusal.message.clone()))?;
        self.refusal = Some(refusal);
        Ok(())
    }

    /// A document became this order, or a newer one replaced its content.
    pub fn imported(&mut self, cause: &Cause) {
        if let Some(mode) = self.source.as_ref().map(|source| source.mode) {
            self.note(OrderChange::Imported(mode), cause);
        }
    }

    /// Nobody paid in time.
    ///
    /// # Errors
    /// If it is not PLACED.
    pub fn expire(&mut self, cause: &Cause) -> Result<(), Refused> {
        self.step(OrderStep::Expire, cause)?;
        self.cancel_groups(cause)
    }

    /// Somebody cancels the order. Customers may until a group is packed, the retailer until goods are handed over. Where
    /// goods have been handed over already, groups that are stuck (rejected, on hold) can still be cancelled, so that the order
    /// comes to its end.
    ///
    /// # Errors
    /// If it is too late.
    pub fn cancel(&mut self, by_customer: bool, cause: &Cause) -> Result<(), Refused> {
        let stuck = |group: &Group| matches!(group.state, GroupState::RejectedByStore | GroupState::OnHold);
        if self.state == OrderState::Confirmed && self.groups.iter().any(|group| group.state.handed_over()) {
            let ids: Vec<GroupId> = self.groups.iter().filter(|group| stuck(group)).map(|group| group.id).collect();
            if ids.is_empty() {
                let allowed = vec![OrderState::Completed.as_str()];
                let (state, asked) = (self.state.as_str(), OrderState::Cancelled.as_str());
                return Err(Refused::Illegal {
                    subject: "the order, whose goods are handed over,",
                    state,
                    asked,
                    allowed,
                });
            }
            return ids.into_iter().try_for_each(|id| self.step_group(id, GroupStep::Cancel, cause));
        }
        if by_customer && self.groups.iter().any(|group| group.state.is_packed()) {
            return Err(Refused::TooLateForCustomer);
        }
        self.step(OrderStep::Cancel, cause)?;
        self.cancel_reason.clone_from(&cause.reason);
        self.cancel_groups(cause)
    }

    /// The order's end takes its groups along. Its lines and totals stay, as a record of what was ordered.
    fn cancel_groups(&mut self, cause: &Cause) -> Result<(), Refused> {
        let open: Vec<GroupId> =
            self.groups.iter().filter(|group| !group.state.has_ended()).map(|group| group.id).collect();
        for id in open {
            let group = self.group_mut(id)?;
            group.step(GroupStep::Cancel, cause.at)?;
            group.reason.clone_from(&cause.reason);
            self.note_group(id, Vec::new(), cause)?;
        }
        Ok(())
    }

    /// The group of that id; without one, the only group.
    ///
    /// # Errors
    /// If there is none, or several and none is named.
    pub fn group_named(&self, id: Option<GroupId>) -> Result<&Group, Refused> {
        match (id, self.groups.as_slice()) {
            (Some(id), groups) => groups.iter().find(|group| group.id == id).ok_or(Refused::NoSuchGroup),
            (None, [group]) => Ok(group),
            (None, []) => Err(Refused::NoSuchGroup),
            (None, groups) => Err(Refused::GroupNotNamed(groups.len())),
        }
    }

    pub(super) fn group_mut(&mut self, id: GroupId) -> Result<&mut Group, Refused> {
        self.groups.iter_mut().find(|group| group.id == id).ok_or(Refused::NoSuchGroup)
    }

    /// A group takes a step, with all that follows: goods that come back leave lines and totals, and the order ends with its
    /// last group.
    ///
    /// # Errors
    /// If the step does not leave the group's state, or the order is not CONFIRMED.
    pub fn step_group(&mut self, id: GroupId, step: GroupStep, cause: &Cause) -> Result<(), Refused> {
        if self.state != OrderState::Confirmed {
            return Err(self.state.refuse("fulfilled"));
        }
        let unpaid = !self.payment.covers(self.totals.total);
        let total = self.money(self.totals.total);
        let group = self.group_mut(id)?;
        let mut trial = group.clone();
        trial.step(step, cause.at)?;
        if step == GroupStep::PickUp && unpaid {
            return Err(Refused::NotPaid(total.to_string()));
        }
        *group = trial;
        if !cause.reason.is_empty() {
            group.reason.clone_from(&cause.reason);
        }
        let mut released = Vec::new();
        if step == GroupStep::Reject {
            // The store says that it does not have the goods: they stop being bound there, and the customer decides.
            released = self.goods_of(id)?;
            self.group_mut(id)?.holds_stock = false;
        }
        let group = self.group_mut(id)?;
        let gives_back = group.state.gives_back() && !group.given_back;
        self.note_group(id, released, cause)?;
        if gives_back {
            let group = self.group_mut(id)?;
            group.given_back = true;
            let lines = group.lines.clone();
            self.reduce(&lines)?;
        }
        self.finish_if_done(cause)
    }

    /// The goods are packed; what is short leaves the group, the lines and the totals. A group that has nothing left is
    /// cancelled as OUT_OF_STOCK.
    ///
    /// # Errors
    /// If the group can't be packed now or does not hold what is said to be short.
    pub fn pack(&mut self, id: GroupId, short: &[Held], cause: &Cause) -> Result<(), Refused> {
        if self.state != OrderState::Confirmed {
            return Err(self.state.refuse("fulfilled"));
        }
        let mut group = self.group_mut(id)?.clone();
        group.step(GroupStep::Pack, cause.at)?;
        for missing in short {
            let held = group.lines.iter_mut().find(|held| held.line_id == missing.line_id);
            let quantity = held.as_ref().map_or(0, |held| held.quantity);
            match held {
                Some(held) if missing.quantity > 0 && missing.quantity <= held.quantity => {
                    held.quantity -= missing.quantity
                }
                _ => return Err(Refused::NotHeld { line_id: missing.line_id.clone(), held: quantity }),
            }
        }
        let released = self.goods(&group, short);
        group.lines.retain(|held| held.quantity > 0);
        let nothing_left = group.lines.is_empty();
        if nothing_left {
            group.state = GroupState::Cancelled;
            group.given_back = true;
            "OUT_OF_STOCK".clone_into(&mut group.reason);
        }
        *self.group_mut(id)? = group;
        self.reduce(short)?;
        self.note_group(id, released, cause)?;
        self.finish_if_done(cause)
    }

    /// Who carries a group that was just shipped.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn set_carrier(&mut self, id: GroupId, carrier: &str, tracking_number: &str) -> Result<(), Refused> {
        let group = self.group_mut(id)?;
        carrier.clone_into(&mut group.carrier);
        tracking_number.clone_into(&mut group.tracking_number);
        Ok(())
    }

    /// Until when a group that was just made ready waits.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn set_pickup_expiry(&mut self, id: GroupId, expires_at: Timestamp) -> Result<(), Refused> {
        self.group_mut(id)?.pickup_expires_at = Some(expires_at);
        Ok(())
    }

    /// A provider's report. An order that waited for it goes on.
    ///
    /// # Errors
    /// If the amount can't be.
    pub fn record_payment(&mut self, event: &PaymentEvent, cause: &Cause) -> Result<(), Refused> {
        if self.state == OrderState::Draft {
            return Err(self.state.refuse("paid"));
        }
        self.payment = self.payment.record(event, self.money(self.totals.charged))?;
        self.note(OrderChange::Payment(self.payment_state()), cause);
        if self.state == OrderState::Placed && self.payment.secures(self.totals.total) {
            self.step(OrderStep::Confirm, cause)?;
        }
        self.finish_if_done(cause)
    }

    /// The order ends with its last group: completed if something was handed over and is paid, cancelled if nothing was.
    fn finish_if_done(&mut self, cause: &Cause) -> Result<(), Refused> {
        let done = !self.groups.is_empty() && self.groups.iter().all(|group| group.state.has_ended());
        if self.state != OrderState::Confirmed || !done {
            return Ok(());
        }
        let handed_over = self.groups.iter().any(|group| group.state.handed_over());
        if !handed_over {
            let reason = self.groups.iter().map(|group| group.reason.as_str()).find(|reason| !reason.is_empty());
            reason.unwrap_or("NOTHING_HANDED_OVER").clone_into(&mut self.cancel_reason);
            let cause = cause.clone().because(self.cancel_reason.clone());
            return self.step(OrderStep::Cancel, &cause);
        }
        if self.payment.covers(self.totals.total) { self.step(OrderStep::Complete, cause) } else { Ok(()) }
    }

    /// What lies at a group's location for it.
    fn goods_of(&self, id: GroupId) -> Result<Vec<Goods>, Refused> {
        let group = self.group_named(Some(id))?;
        Ok(if group.holds_stock { self.goods(group, &group.lines) } else { Vec::new() })
    }

    fn goods(&self, group: &Group, lines: &[Held]) -> Vec<Goods> {
        let sku_of = |line_id: &str| self.lines.iter().find(|line| line.id == line_id).map(|line| line.sku.clone());
        lines
            .iter()
            .map(|held| Goods {
                line_id: held.line_id.clone(),
                sku: sku_of(&held.line_id).unwrap_or_default(),
                location_id: group.location_id.clone(),
                quantity: held.quantity,
            })
            .collect()
    }

    /// Notes a group as it is now.
    pub(super) fn note_group(&mut self, id: GroupId, released: Vec<Goods>, cause: &Cause) -> Result<(), Refused> {
        let goods = self.goods_of(id)?;
        let group = self.group_named(Some(id))?;
        let (location_id, state) = (group.location_id.clone(), group.state);
        let cause =
            cause.clone().because(if cause.reason.is_empty() { group.reason.clone() } else { cause.reason.clone() });
        self.note(OrderChange::Group { id, location_id, state, goods, released }, &cause);
        Ok(())
    }

    /// A marketplace's order gets what there is: groups by location, and one on hold for what is short.
    ///
    /// # Errors
    /// If it has groups already or is not CONFIRMED.
    pub fn allocate(
        &mut self,
        groups: Vec<Group>,
        shortfall: Vec<Held>,
        hold: GroupId,
        cause: &Cause,
    ) -> Result<(), Refused> {
        if self.state != OrderState::Confirmed || !self.groups.is_empty() {
            return Err(self.state.refuse("allocated"));
        }
        self.groups = groups;
        if !shortfall.is_empty() {
            let mut group = Group::open(hold, String::new(), FulfillmentMethod::Ship, shortfall.clone(), cause.at);
            group.step(GroupStep::Hold, cause.at)?;
            group.holds_stock = false;
            "OVERSOLD".clone_into(&mut group.reason);
            self.groups.push(group);
            self.shortfall = shortfall;
        }
        let ids: Vec<GroupId> = self.groups.iter().map(|group| group.id).collect();
        ids.into_iter().try_for_each(|id| self.note_group(id, Vec::new(), cause))
    }
}

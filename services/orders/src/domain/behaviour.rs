//! What may happen to an order: each change leaves the order whole, and notes what others have to hear of.

use omnimesh_kit::money::Money;

use super::{
    Cause, Change, Group, GroupId, GroupState, GroupStep, Order, OrderChange, OrderState, OrderStep, PaymentEvent,
    PaymentEventKind, PaymentMethod, PaymentState, Placement, Refusal, Refused,
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

    /// What the customer owes: nothing for what is not delivered, or was given back and is refunded.
    #[must_use]
    pub fn owed(&self) -> i64 {
        let ended = matches!(self.state, OrderState::Cancelled | OrderState::Expired);
        if ended { 0 } else { (self.totals.total - self.returned_value()).max(0) }
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
        self.stay_erased();
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
    /// comes to its end. So can those of a completed order, which replace returned goods.
    ///
    /// # Errors
    /// If it is too late.
    pub fn cancel(&mut self, by_customer: bool, cause: &Cause) -> Result<(), Refused> {
        let stuck = |group: &Group| matches!(group.state, GroupState::RejectedByStore | GroupState::OnHold);
        let replacing = self.state == OrderState::Completed && self.groups.iter().any(stuck);
        let under_way = self.state == OrderState::Confirmed || replacing;
        if under_way && self.groups.iter().any(|group| group.state.handed_over()) {
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

    /// A provider's report. An order that waited for it goes on.
    ///
    /// # Errors
    /// If the amount can't be.
    pub fn record_payment(&mut self, event: &PaymentEvent, cause: &Cause) -> Result<(), Refused> {
        if self.state == OrderState::Draft {
            return Err(self.state.refuse("paid"));
        }
        // Parts are captured of what was authorized; else it is the whole, or the last of it.
        let kept = self.payment.captured - self.payment.refunded;
        let missing = self.owed() - kept;
        if event.kind == PaymentEventKind::Captured && self.payment.authorized == 0 && event.amount.micros < missing {
            let whole = self.money(missing);
            return Err(Refused::PaymentMismatch(format!("nothing is authorized: a capture of {whole} is accepted")));
        }
        self.payment = self.payment.record(event, self.money(self.totals.charged))?;
        self.note(OrderChange::Payment(self.payment_state()), cause);
        if self.state == OrderState::Placed && self.payment.secures(self.totals.total) {
            self.step(OrderStep::Confirm, cause)?;
        }
        self.finish_if_done(cause)
    }

    /// The order ends with its last group: completed if something was handed over and is paid, cancelled if nothing was.
    pub(super) fn finish_if_done(&mut self, cause: &Cause) -> Result<(), Refused> {
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
        if self.payment.covers(self.owed()) { self.step(OrderStep::Complete, cause) } else { Ok(()) }
    }
}

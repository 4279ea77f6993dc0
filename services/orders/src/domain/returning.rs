//! What may happen to the returns of an order. Pieces are counted: what was handed over is returned once, what arrived is settled
//! once, and all that is ever refunded for a line sums exactly to what was paid for it.

use omnimesh_kit::money::{Money, split_by_largest_remainder};

use super::{
    Amounts, Cause, Condition, DocumentKind, Goods, Group, Held, Order, OrderChange, Refused, Return, ReturnId,
    ReturnLine, ReturnState, ReturnStep,
};

/// Pieces of a line that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The line.
    pub line_id: String,
    /// How many.
    pub quantity: i64,
    /// In what state.
    pub condition: Condition,
    /// Whether the catalog knows them, and the location: else they go to no stock.
    pub known: bool,
}

impl Order {
    /// The return of that id.
    ///
    /// # Errors
    /// If there is none.
    pub fn return_of(&self, id: ReturnId) -> Result<&Return, Refused> {
        self.returns.iter().find(|found| found.id == id).ok_or(Refused::NoSuchReturn)
    }

    fn return_mut(&mut self, id: ReturnId) -> Result<&mut Return, Refused> {
        self.returns.iter_mut().find(|found| found.id == id).ok_or(Refused::NoSuchReturn)
    }

    /// Returns that are not over.
    #[must_use]
    pub fn open_returns(&self) -> usize {
        self.returns.iter().filter(|found| !found.is_over()).count()
    }

    /// What was refunded for goods that came back, or is to be. Micro-units.
    #[must_use]
    pub fn returned_value(&self) -> i64 {
        self.returns.iter().map(Return::refunded).sum()
    }

    /// How many pieces of a line were refunded by returns, and what they came to.
    pub(super) fn refunded_of(&self, line_id: &str) -> (i64, Amounts) {
        let lines = self.returns.iter().flat_map(|found| &found.lines).filter(|line| line.line_id == line_id);
        lines.fold((0, Amounts::default()), |(pieces, sum), line| (pieces + line.refunded, sum + line.amounts))
    }

    /// How many pieces of a line the customer can ask to give back: those that arrived and that no other return holds. A rejected
    /// return holds none, a closed one what arrived.
    #[must_use]
    pub fn returnable(&self, line_id: &str) -> i64 {
        let arrived = self.groups.iter().filter(|group| group.state.arrived()).flat_map(|group| &group.lines);
        let arrived: i64 = arrived.filter(|held| held.line_id == line_id).map(|held| held.quantity).sum();
        let held = |found: &Return| -> i64 {
            let lines = found.lines.iter().filter(|line| line.line_id == line_id);
            match found.state {
                ReturnState::Rejected => 0,
                ReturnState::Closed => lines.map(|line| line.received).sum(),
                _ => lines.map(|line| line.quantity).sum(),
            }
        };
        arrived - self.returns.iter().map(held).sum::<i64>()
    }

    /// Somebody asks to give goods back. Goods that are still with the carrier have not been handed over: they can be refused at
    /// the door, or returned once they are delivered.
    ///
    /// # Errors
    /// If they were not sold and handed over here, or are asked for already.
    pub fn request_return(
        &mut self,
        id: ReturnId,
        lines: &[Held],
        location_id: &str,
        cause: &Cause,
    ) -> Result<(), Refused> {
        if self.kind != DocumentKind::Sale || self.groups.is_empty() {
            return Err(Refused::NothingSold);
        }
        for line in lines {
            let left = self.returnable(&line.line_id);
            if !(1..=left).contains(&line.quantity) {
                return Err(Refused::NotReturnable { line_id: line.line_id.clone(), left });
            }
        }
        let line = |held: &Held| ReturnLine {
            line_id: held.line_id.clone(),
            quantity: held.quantity,
            received: 0,
            restocked: 0,
            unstocked: 0,
            refunded: 0,
            replaced: 0,
            amounts: Amounts::default(),
        };
        self.returns.push(Return {
            id,
            version: 0,
            state: ReturnState::Requested,
            lines: lines.iter().map(line).collect(),
            reason: if self.erased { String::new() } else { cause.reason.clone() },
            decision_reason: String::new(),
            location_id: location_id.to_owned(),
            carrier: String::new(),
            tracking_number: String::new(),
            shipping: 0,
            shipping_share: 0,
            replacement: None,
            channel: cause.actor.channel,
            created_at: cause.at,
            updated_at: cause.at,
        });
        self.note_return(id, cause)
    }

    /// A return is allowed.
    ///
    /// # Errors
    /// If it does not wait for that.
    pub fn approve_return(&mut self, id: ReturnId, cause: &Cause) -> Result<(), Refused> {
        self.step_return(id, ReturnStep::Approve)?;
        self.note_return(id, cause)
    }

    /// A return is refused.
    ///
    /// # Errors
    /// If it was decided already.
    pub fn reject_return(&mut self, id: ReturnId, cause: &Cause) -> Result<(), Refused> {
        self.step_return(id, ReturnStep::Reject)?;
        self.return_mut(id)?.decision_reason.clone_from(&cause.reason);
        self.note_return(id, cause)
    }

    /// The goods are sent back.
    ///
    /// # Errors
    /// If they are not waited for.
    pub fn ship_return(&mut self, id: ReturnId, carrier: &str, tracking: &str, cause: &Cause) -> Result<(), Refused> {
        self.step_return(id, ReturnStep::Ship)?;
        let found = self.return_mut(id)?;
        carrier.clone_into(&mut found.carrier);
        tracking.clone_into(&mut found.tracking_number);
        self.note_return(id, cause)
    }

    /// Goods arrive at a location, all that are awaited or some of them.
    ///
    /// # Errors
    /// If they are not awaited.
    pub fn receive_return(
        &mut self,
        id: ReturnId,
        location_id: &str,
        parts: &[Received],
        cause: &Cause,
    ) -> Result<(), Refused> {
        let mut found = self.return_of(id)?.clone();
        found.allows(ReturnStep::ReceiveAll)?;
        let (mut restocked, mut unstocked): (Vec<Goods>, Vec<Goods>) = Default::default();
        for part in parts {
            let line = found.lines.iter_mut().find(|line| line.line_id == part.line_id);
            let left = line.as_ref().map_or(0, |line| line.awaited());
            let Some(line) = line.filter(|_| (1..=left).contains(&part.quantity)) else {
                return Err(Refused::NotInReturn { line_id: part.line_id.clone(), left, what: "awaited" });
            };
            line.received += part.quantity;
            if part.condition == Condition::Sellable {
                line.restocked += part.quantity;
                let goods = self.goods_at(location_id, &part.line_id, part.quantity);
                if part.known {
                    restocked.extend(goods);
                } else {
                    line.unstocked += part.quantity;
                    unstocked.extend(goods);
                }
            }
        }
        let step = if found.awaited() == 0 { ReturnStep::ReceiveAll } else { ReturnStep::ReceiveSome };
        found.state = found.state.after(step)?;
        location_id.clone_into(&mut found.location_id);
        *self.return_mut(id)? = found;
        self.note_received(id, restocked, unstocked, cause)
    }

    /// The pieces of a return that are meant: those named, or all that arrived and are not settled.
    ///
    /// # Errors
    /// If they did not arrive or are settled.
    pub fn pieces_of(&self, id: ReturnId, named: &[Held]) -> Result<Vec<Held>, Refused> {
        let found = self.return_of(id)?;
        let unsettled = |line_id: &str| -> i64 {
            found.lines.iter().filter(|line| line.line_id == line_id).map(ReturnLine::unsettled).sum()
        };
        if let Some(wrong) = named.iter().find(|held| !(1..=unsettled(&held.line_id)).contains(&held.quantity)) {
            let left = unsettled(&wrong.line_id);
            return Err(Refused::NotInReturn { line_id: wrong.line_id.clone(), left, what: "to settle" });
        }
        if !named.is_empty() {
            return Ok(named.to_vec());
        }
        let all = found.lines.iter().filter(|line| line.unsettled() > 0);
        Ok(all.map(|line| Held { line_id: line.line_id.clone(), quantity: line.unsettled() }).collect())
    }

    /// What arrived is settled by money: gives what these pieces, and their share of the delivery fee if asked for, come to.
    ///
    /// # Errors
    /// If they did not arrive or are settled.
    pub fn refund_return(
        &mut self,
        id: ReturnId,
        named: &[Held],
        shipping: bool,
        cause: &Cause,
    ) -> Result<i64, Refused> {
        self.return_of(id)?.allows(ReturnStep::Refund)?;
        let pieces = self.pieces_of(id, named)?;
        let mut shares = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            let (left, amounts) = self.unrefunded(&piece.line_id);
            let (_, share) = amounts.split(self.currency, self.totals.tax_included, left, piece.quantity)?;
            shares.push(share);
        }
        let value: i64 = shares.iter().map(|share| share.total).sum();
        let fee = self.fee_share(&pieces, value)?;
        let found = self.return_mut(id)?;
        for (piece, share) in pieces.iter().zip(shares) {
            for line in found.lines.iter_mut().filter(|line| line.line_id == piece.line_id) {
                line.refunded += piece.quantity;
                line.amounts = line.amounts + share;
            }
        }
        found.shipping_share += fee;
        let fee = if shipping { fee } else { 0 };
        found.shipping += fee;
        if found.unsettled() == 0 {
            self.step_return(id, ReturnStep::Refund)?;
        }
        self.note_return(id, cause)?;
        self.finish_if_done(cause)?;
        Ok(value + fee)
    }

    /// The pieces of a line that were not refunded, and what they come to.
    fn unrefunded(&self, line_id: &str) -> (i64, Amounts) {
        let (refunded, amounts) = self.refunded_of(line_id);
        let line = self.lines.iter().find(|line| line.id == line_id);
        line.map_or((0, Amounts::default()), |line| {
            (line.quantity - line.cancelled - refunded, Amounts::of(line) - amounts)
        })
    }

    /// The share of the delivery fee that these pieces have, worth `value`, of what earlier refunds left of it.
    fn fee_share(&self, pieces: &[Held], value: i64) -> Result<i64, Refused> {
        // With its tax: what the lines do not account for.
        let fee = self.totals.total - self.line_sums().total;
        let left = fee - self.returns.iter().map(|found| found.shipping_share).sum::<i64>();
        let rest = self.lines.iter().map(|line| self.unrefunded(&line.id));
        let (all_pieces, all_value) =
            rest.fold((0, 0), |sum, (pieces, amounts)| (sum.0 + pieces, sum.1 + amounts.total));
        let taken: i64 = pieces.iter().map(|piece| piece.quantity).sum();
        let weights = if all_value > 0 && (0..=all_value).contains(&value) {
            [all_value - value, value]
        } else {
            [all_pieces - taken, taken]
        };
        let parts = split_by_largest_remainder(Money::from_micros(self.currency, left), &weights)?;
        Ok(parts.get(1).map_or(0, |part| part.micros))
    }

    /// What arrived is settled by the same goods again: `group` brings the pieces it holds, at no cost. The order stays where it is.
    ///
    /// # Errors
    /// If they did not arrive or are settled.
    pub fn replace_return(&mut self, id: ReturnId, group: Group, cause: &Cause) -> Result<(), Refused> {
        self.return_of(id)?.allows(ReturnStep::Replace)?;
        let pieces = self.pieces_of(id, &group.lines)?;
        let found = self.return_mut(id)?;
        for piece in &pieces {
            for line in found.lines.iter_mut().filter(|line| line.line_id == piece.line_id) {
                line.replaced += piece.quantity;
            }
        }
        found.replacement = Some(group.id);
        if found.unsettled() == 0 {
            self.step_return(id, ReturnStep::Replace)?;
        }
        let group_id = group.id;
        self.groups.push(Group { replaces: Some(id), ..group });
        self.note_return(id, cause)?;
        self.note_group(group_id, Vec::new(), cause)
    }

    /// Goods that were to replace others will not reach the customer: what came back for them is to be settled again.
    pub(super) fn reopen_return(&mut self, id: ReturnId, parts: &[Held], cause: &Cause) -> Result<(), Refused> {
        if parts.is_empty() {
            return Ok(());
        }
        let found = self.return_mut(id)?;
        for part in parts {
            for line in found.lines.iter_mut().filter(|line| line.line_id == part.line_id) {
                line.replaced -= part.quantity;
            }
        }
        let step = if found.awaited() == 0 { ReturnStep::ReopenAll } else { ReturnStep::ReopenSome };
        self.step_return(id, step)?;
        self.note_return(id, cause)
    }

    /// Nothing more will arrive.
    ///
    /// # Errors
    /// If goods that arrived are not settled, or those that replace them are still on their way.
    pub fn close_return(&mut self, id: ReturnId, cause: &Cause) -> Result<(), Refused> {
        let replacing = |group: &Group| group.replaces == Some(id) && !group.state.has_ended();
        let found = self.return_of(id)?;
        found.allows(ReturnStep::Close)?;
        if self.groups.iter().any(replacing) {
            let mut allowed = found.next();
            allowed.retain(|state| *state != ReturnState::Closed);
            return Err(Refused::Illegal {
                subject: "the return, whose replacement has not reached the customer,",
                state: found.state.as_str(),
                asked: ReturnState::Closed.as_str(),
                allowed: allowed.into_iter().map(ReturnState::as_str).collect(),
            });
        }
        self.step_return(id, ReturnStep::Close)?;
        self.return_mut(id)?.decision_reason.clone_from(&cause.reason);
        self.note_return(id, cause)
    }

    fn step_return(&mut self, id: ReturnId, step: ReturnStep) -> Result<(), Refused> {
        let found = self.return_mut(id)?;
        found.state = found.state.after(step)?;
        Ok(())
    }

    /// Notes a return as it is now.
    fn note_return(&mut self, id: ReturnId, cause: &Cause) -> Result<(), Refused> {
        self.note_received(id, Vec::new(), Vec::new(), cause)
    }

    /// The same with what was received. Only goods that are received have a location to tell.
    fn note_received(
        &mut self,
        id: ReturnId,
        restocked: Vec<Goods>,
        unstocked: Vec<Goods>,
        cause: &Cause,
    ) -> Result<(), Refused> {
        let found = self.return_mut(id)?;
        found.version += 1;
        found.updated_at = cause.at;
        let state = found.state;
        let received = matches!(state, ReturnState::PartiallyReceived | ReturnState::Received);
        let location_id = if received { found.location_id.clone() } else { String::new() };
        self.note(OrderChange::Return { id, state, location_id, restocked, unstocked }, cause);
        Ok(())
    }

    fn goods_at(&self, location_id: &str, line_id: &str, quantity: i64) -> Option<Goods> {
        let line = self.lines.iter().find(|line| line.id == line_id)?;
        let (line_id, sku, location_id) = (line.id.clone(), line.sku.clone(), location_id.to_owned());
        Some(Goods { line_id, sku, location_id, quantity })
    }
}

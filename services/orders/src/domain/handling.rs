//! What may happen to the groups of an order: each step takes along what follows for lines, totals, returns and the order.

use omnimesh_kit::clock::Timestamp;

use super::{
    Cause, FulfillmentMethod, Goods, Group, GroupId, GroupState, GroupStep, Held, Order, OrderChange, OrderState,
    Refused,
};

impl Order {
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
        self.is_fulfilled(id)?;
        let owed = self.owed();
        let unpaid = !self.payment.covers(owed);
        let total = self.money(owed);
        let group = self.group_mut(id)?;
        let mut trial = group.clone();
        trial.step(step, cause.at)?;
        // What replaces returned goods was paid with them.
        if step == GroupStep::PickUp && unpaid && group.replaces.is_none() {
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
            self.take_back(id, &lines, cause)?;
        }
        self.finish_if_done(cause)
    }

    /// Whether the group's goods are on their way to the customer: a completed order may still replace goods.
    fn is_fulfilled(&self, id: GroupId) -> Result<(), Refused> {
        let replaces = || self.groups.iter().any(|group| group.id == id && group.replaces.is_some());
        match self.state {
            OrderState::Confirmed => Ok(()),
            OrderState::Completed if replaces() => Ok(()),
            state => Err(state.refuse("fulfilled")),
        }
    }

    /// Goods that will not reach the customer leave the order; those that were to replace others are owed again.
    fn take_back(&mut self, id: GroupId, parts: &[Held], cause: &Cause) -> Result<(), Refused> {
        match self.group_named(Some(id))?.replaces {
            Some(replaced) => self.reopen_return(replaced, parts, cause),
            None => self.reduce(parts),
        }
    }

    /// The goods are packed; what is short leaves the group, the lines and the totals. A group that has nothing left is
    /// cancelled as OUT_OF_STOCK.
    ///
    /// # Errors
    /// If the group can't be packed now or does not hold what is said to be short.
    pub fn pack(&mut self, id: GroupId, short: &[Held], cause: &Cause) -> Result<(), Refused> {
        self.is_fulfilled(id)?;
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
        self.note_group(id, released, cause)?;
        self.take_back(id, short, cause)?;
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

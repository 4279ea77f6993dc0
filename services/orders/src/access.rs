//! Whose an order is. Who may call at all is the contract's rule, checked before; this is about the one order.

use omnimesh_kit::{auth::SessionLevel, call::Call};
use omnimesh_proto::access::v1::Audience;

use crate::{
    domain::{Group, Order},
    error::Error,
    store::lists::Filter,
};

/// Whether the caller may know of the order.
pub(crate) fn may_see(call: &Call, order: &Order) -> bool {
    let identity = call.identity();
    match identity.audience() {
        // The mesh itself.
        Audience::Unspecified => call.caller.service.is_some(),
        Audience::Service | Audience::Admin => true,
        Audience::Staff => {
            identity.works_at("*") || order.groups.iter().any(|group| identity.works_at(&group.location_id))
        }
        Audience::Partner => {
            let own = order.source.as_ref().map(|source| &source.account_id);
            identity.account.is_some() && identity.account.as_ref() == own
        }
        Audience::Customer => call.session().is_some_and(|session| {
            let placed_it = order.session == Some(session.id);
            // A session that was only handed over sees its cart, never the customer's history.
            let known = session.level == SessionLevel::Identified && session.profile.is_some();
            placed_it || (known && session.profile == order.profile)
        }),
        Audience::Anonymous => false,
    }
}

/// NOT_FOUND for those who may not know of the order.
pub(crate) fn visible(call: &Call, order: Option<Order>) -> Result<Order, Error> {
    order.filter(|order| may_see(call, order)).ok_or(Error::NoSuchOrder)
}

/// STORE_DENIED for staff of other stores than the group's.
pub(crate) fn works_for(call: &Call, group: &Group) -> Result<(), Error> {
    let staff = call.identity().audience() == Audience::Staff;
    if staff && !call.identity().works_at(&group.location_id) { Err(Error::StoreDenied) } else { Ok(()) }
}

/// What a caller's lists are restricted to, whatever they ask for.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Session and profile, for customers.
    pub(crate) customer: Option<(uuid::Uuid, Option<uuid::Uuid>)>,
}

/// Restricts a filter to what the caller may see; `None` if that is nothing.
pub(crate) fn restrict(call: &Call, filter: &mut Filter) -> Option<Scope> {
    let identity = call.identity();
    match identity.audience() {
        Audience::Unspecified if call.caller.service.is_some() => {}
        Audience::Service | Audience::Admin => {}
        Audience::Staff => {
            if !identity.works_at("*") {
                filter.stores.clone_from(&identity.stores);
                if filter.stores.is_empty() {
                    return None;
                }
            }
        }
        Audience::Partner => filter.account = Some(identity.account.clone()?),
        Audience::Customer => {
            let session = call.session()?;
            let known = session.level == SessionLevel::Identified;
            filter.profile = None;
            let profile = session.profile.filter(|_| known).map(|profile| profile.0);
            return Some(Scope { customer: Some((session.id.0, profile)) });
        }
        Audience::Unspecified | Audience::Anonymous => return None,
    }
    Some(Scope { customer: None })
}

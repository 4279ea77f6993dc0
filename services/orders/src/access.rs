//! Whose an order is. Who may call at all is the contract's rule, checked before; this is about the one order or return.

use omnimesh_kit::{auth::SessionLevel, call::Call, customers, error::Fault, ids::ProfileId, store::Conn};
use omnimesh_proto::{access::v1::Audience, common::v1::ErrorReason};

use crate::{
    domain::{Group, Order, Return},
    error::Error,
    store::{lists::Filter, orders},
};

/// Allows staff to look an order of any store up by its number, and to take its goods back at a store of their own.
const TAKES_RETURNS: &str = "returns.write";

/// A caller, with all the profiles that are the same customer now.
#[derive(Debug)]
pub(crate) struct Viewer<'a> {
    call: &'a Call,
    profiles: Vec<ProfileId>,
}

impl<'a> Viewer<'a> {
    /// The caller as the customer is known now: profiles are merged and split while orders stay as they are.
    pub(crate) async fn of(conn: &mut Conn, call: &'a Call) -> Result<Self, Error> {
        let profiles = match known_profile(call) {
            Some(profile) => customers::members(conn, profile).await?,
            None => Vec::new(),
        };
        Ok(Self { call, profiles })
    }

    /// Whether the caller may know of the order.
    pub(crate) fn sees(&self, order: &Order) -> bool {
        let identity = self.call.identity();
        match identity.audience() {
            // The mesh itself.
            Audience::Unspecified => self.call.caller.service.is_some(),
            Audience::Service | Audience::Admin => true,
            Audience::Staff => self.sells(order) || order.returns.iter().any(|found| self.takes(found)),
            Audience::Partner => {
                let own = order.source.as_ref().map(|source| &source.account_id);
                identity.account.is_some() && identity.account.as_ref() == own
            }
            Audience::Customer => self.call.session().is_some_and(|session| {
                let own = order.profile.is_some_and(|profile| self.profiles.contains(&profile));
                own || order.session == Some(session.id)
            }),
            Audience::Anonymous => false,
        }
    }

    /// Whether the caller may know of a return of the order. Staff see those at their stores and of orders of their stores, and
    /// those that no store has yet.
    pub(crate) fn sees_return(&self, order: &Order, found: &Return) -> bool {
        match self.call.identity().audience() {
            Audience::Staff => found.location_id.is_empty() || self.takes(found) || self.sells(order),
            _ => self.sees(order),
        }
    }

    /// Whether the caller may ask for a return at that location: staff of any store at a store of their own.
    pub(crate) fn may_return(&self, order: &Order, location_id: &str) -> Result<(), Error> {
        let staff = self.call.identity().audience() == Audience::Staff;
        match (staff, location_id) {
            (false, _) | (true, "") if self.sees(order) => Ok(()),
            (true, named) if !named.is_empty() => works_at(self.call, named),
            _ => Err(Error::NoSuchOrder),
        }
    }

    fn sells(&self, order: &Order) -> bool {
        let identity = self.call.identity();
        identity.works_at("*") || order.groups.iter().any(|group| identity.works_at(&group.location_id))
    }

    fn takes(&self, found: &Return) -> bool {
        !found.location_id.is_empty() && self.call.identity().works_at(&found.location_id)
    }
}

/// The profile whose history the caller may see. A session that was only handed over sees what it placed itself.
fn known_profile(call: &Call) -> Option<ProfileId> {
    let session = call.session().filter(|_| call.identity().audience() == Audience::Customer)?;
    session.profile.filter(|_| session.level == SessionLevel::Identified)
}

/// Whether the caller is staff and takes returns, of whichever store's orders.
pub(crate) fn takes_returns(call: &Call) -> bool {
    call.identity().audience() == Audience::Staff && call.identity().has_scope(TAKES_RETURNS)
}

/// NOT_FOUND for those who may not know of the order.
pub(crate) async fn visible(conn: &mut Conn, call: &Call, order: Option<Order>) -> Result<Order, Error> {
    let viewer = Viewer::of(conn, call).await?;
    order.filter(|order| viewer.sees(order)).ok_or(Error::NoSuchOrder)
}

/// STORE_DENIED for staff of other stores than the group's.
pub(crate) fn works_for(call: &Call, group: &Group) -> Result<(), Error> {
    works_at(call, &group.location_id)
}

/// STORE_DENIED for staff of other stores.
pub(crate) fn works_at(call: &Call, location_id: &str) -> Result<(), Error> {
    let staff = call.identity().audience() == Audience::Staff;
    if staff && !call.identity().works_at(location_id) { Err(Error::StoreDenied) } else { Ok(()) }
}

/// NOT_HANDED_OVER for a session that was handed over and placed nothing itself: an empty list would say that the customer has no
/// orders, where it is only the history that did not come along.
pub(crate) async fn has_a_history(conn: &mut Conn, call: &Call) -> Result<(), Error> {
    let Some(session) = call.session().filter(|session| session.level == SessionLevel::Linked) else { return Ok(()) };
    if call.identity().audience() != Audience::Customer || orders::any_of_session(conn, session.id).await? {
        return Ok(());
    }
    let message = "the session was handed over: what the customer ordered before needs IdentifySession";
    Err(Fault::denied(ErrorReason::NotHandedOver, message).into())
}

/// What a caller's lists are restricted to, whatever they ask for.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Session and profiles, for customers.
    pub(crate) customer: Option<(uuid::Uuid, Vec<uuid::Uuid>)>,
}

/// Restricts a filter to what the caller may see; `None` if that is nothing. A profile asked for stands for all that are the same
/// customer.
pub(crate) async fn restrict(conn: &mut Conn, call: &Call, filter: &mut Filter) -> Result<Option<Scope>, Error> {
    let identity = call.identity();
    match identity.audience() {
        Audience::Unspecified if call.caller.service.is_some() => {}
        Audience::Service | Audience::Admin => {}
        Audience::Staff => {
            if !identity.works_at("*") {
                filter.stores.clone_from(&identity.stores);
                if filter.stores.is_empty() {
                    return Ok(None);
                }
            }
        }
        Audience::Partner => {
            let Some(account) = identity.account.clone() else { return Ok(None) };
            filter.account = Some(account);
        }
        Audience::Customer => {
            let Some(session) = call.session() else { return Ok(None) };
            filter.profiles.clear();
            let viewer = Viewer::of(conn, call).await?;
            let profiles = viewer.profiles.iter().map(|profile| profile.0).collect();
            return Ok(Some(Scope { customer: Some((session.id.0, profiles)) }));
        }
        Audience::Unspecified | Audience::Anonymous => return Ok(None),
    }
    if let [profile] = filter.profiles.as_slice() {
        let members = customers::members(conn, ProfileId(*profile)).await?;
        filter.profiles = members.into_iter().map(|profile| profile.0).collect();
    }
    Ok(Some(Scope { customer: None }))
}

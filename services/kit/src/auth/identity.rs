//! The verified identity of a caller. It only ever comes from a credential, never from a message.

use omnimesh_proto::{
    access::v1::Audience,
    common::v1::{Actor, ActorKind, Channel, DeviceClass},
};
use serde::{Deserialize, Serialize};

use crate::ids::{JourneyId, ProfileId, SessionId};

/// How sure the mesh is of who holds a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionLevel {
    /// Nobody is known.
    Guest,
    /// Claimed by hand-over: cart, journey and case in its scope, never history.
    Linked,
    /// A verified identifier resolved to a profile.
    Identified,
}

/// What a session that was handed over may do, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedScope {
    /// The cart that was handed over, as on the wire; `None` if there was none yet.
    pub cart: Option<String>,
    /// Whose cart it was then; `None` for a guest's. It says nothing of who holds the session: only that the scope ends as
    /// soon as the cart belongs to somebody else, because source or claimer were identified meanwhile.
    pub owner: Option<ProfileId>,
    /// Whether the cart may be changed and ordered; otherwise it may only be seen.
    pub edit: bool,
    /// The session that was handed over. Where it was a guest's and had no cart, the one that is begun later is its own, and so
    /// both find it.
    #[serde(default)]
    pub source: Option<SessionId>,
}

impl LinkedScope {
    /// The guest's session whose carts these are, as long as no cart was in hand.
    #[must_use]
    pub fn guest(&self) -> Option<SessionId> {
        self.source.filter(|_| self.cart.is_none() && self.owner.is_none())
    }
}

/// The session part of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionIdentity {
    /// The lineage: it survives identification.
    pub id: SessionId,
    /// The customer, once identified. Never that of a session that was handed over: it has `linked` instead.
    pub profile: Option<ProfileId>,
    /// How sure the mesh is of that.
    pub level: SessionLevel,
    /// The journey this session continues.
    pub journey: JourneyId,
    /// BCP 47, as the client gave it.
    pub locale: String,
    /// The device's class, as i32 of [`DeviceClass`].
    pub device: i32,
    /// What was handed over, for level LINKED.
    #[serde(default)]
    pub linked: Option<LinkedScope>,
    /// The associate (OIDC subject) who acts for the customer in this session.
    #[serde(default)]
    pub assisted_by: Option<String>,
}

impl SessionIdentity {
    /// Whether the device is shared between people.
    #[must_use]
    pub fn is_shared_device(&self) -> bool {
        self.device == DeviceClass::Shared as i32
    }
}

/// A verified identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The kind of credential, as i32 of [`Audience`]; 0 is the mesh itself.
    pub audience: i32,
    /// The stable id of the credential's holder: session id, key id, OIDC subject, or `system:<service>`.
    pub subject: String,
    /// The channel, as i32 of [`Channel`].
    pub channel: i32,
    /// What the credential allows beyond its audience.
    pub scopes: Vec<String>,
    /// The customer's session, for audience CUSTOMER.
    pub session: Option<SessionIdentity>,
    /// The stores (location ids) of a staff member; `*` is every store.
    pub stores: Vec<String>,
    /// The channel account of a partner's key.
    pub account: Option<String>,
    /// Where the call comes from, as a keyed hash of the address, for RPCs that count guesses by it. Never the address.
    #[serde(default)]
    pub client: Option<String>,
}

impl Identity {
    /// The mesh itself: sweepers, relays and consumers.
    #[must_use]
    pub fn system(service: &str) -> Self {
        Self {
            audience: Audience::Unspecified as i32,
            subject: format!("system:{service}"),
            channel: Channel::Unspecified as i32,
            scopes: Vec::new(),
            session: None,
            stores: Vec::new(),
            account: None,
            client: None,
        }
    }

    /// The audience.
    #[must_use]
    pub fn audience(&self) -> Audience {
        Audience::try_from(self.audience).unwrap_or(Audience::Unspecified)
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> Channel {
        Channel::try_from(self.channel).unwrap_or(Channel::Unspecified)
    }

    /// The session id and profile of a customer.
    #[must_use]
    pub fn profile(&self) -> Option<ProfileId> {
        self.session.as_ref().and_then(|session| session.profile)
    }

    /// Whether a staff member works at that store.
    #[must_use]
    pub fn works_at(&self, location_id: &str) -> bool {
        self.stores.iter().any(|store| store == "*" || store == location_id)
    }

    /// Whether the credential has that scope; admin keys have all.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.audience() == Audience::Admin || self.scopes.iter().any(|held| held == scope)
    }

    /// Who acts, for transitions and events. What an associate does in a customer's session is the associate's doing.
    #[must_use]
    pub fn actor(&self) -> Actor {
        if let Some(associate) = self.session.as_ref().and_then(|session| session.assisted_by.clone()) {
            return Actor { kind: ActorKind::Associate.into(), id: associate, channel: self.channel };
        }
        let kind = match self.audience() {
            Audience::Unspecified => ActorKind::System,
            Audience::Anonymous | Audience::Customer => ActorKind::Customer,
            Audience::Staff => ActorKind::Associate,
            Audience::Partner => ActorKind::Marketplace,
            Audience::Service | Audience::Admin => ActorKind::Service,
        };
        Actor { kind: kind.into(), id: self.subject.clone(), channel: self.channel }
    }
}

/// A call's two parties: the one it acts for, and the service of the mesh that makes it, if one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// On whose behalf.
    pub identity: Identity,
    /// The calling service; `None` when the gateway forwards a client's call.
    pub service: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_associate_answers_for_what_is_done_in_a_customers_session() {
        let mut identity = Identity::system("tests");
        identity.audience = Audience::Customer.into();
        identity.subject = "session_1".to_owned();
        identity.channel = Channel::Store.into();
        let (id, journey) = (SessionId(uuid::Uuid::from_u128(1)), JourneyId(uuid::Uuid::from_u128(2)));
        let session = json!({
            "id": id, "profile": null, "level": "linked", "journey": journey, "locale": "tr-TR", "device": 1,
        });
        // As a release without hand-over signed it.
        identity.session = serde_json::from_value(session).unwrap();
        assert_eq!((identity.actor().kind(), identity.actor().id.as_str()), (ActorKind::Customer, "session_1"));
        let session = identity.session.as_mut().unwrap();
        session.assisted_by = Some("ayse".to_owned());
        session.linked = Some(LinkedScope { cart: Some("cart_1".to_owned()), owner: None, edit: true, source: None });
        let actor = identity.actor();
        assert_eq!((actor.kind(), actor.id.as_str(), actor.channel()), (ActorKind::Associate, "ayse", Channel::Store));
        let carried: Identity = serde_json::from_str(&serde_json::to_string(&identity).unwrap()).unwrap();
        assert_eq!(carried, identity);
    }
}

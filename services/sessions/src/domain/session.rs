//! A session: how it starts, how long it lasts, and what others see of it.

use std::time::Duration;

use omnimesh_kit::{
    auth::{LinkedScope, SessionIdentity, SessionLevel},
    call::Call,
    clock::Timestamp,
    ids::{JourneyId, ProfileId, SessionId},
    session::LiveSession,
};
use omnimesh_proto::{
    common::v1::{Channel, DeviceClass},
    sessions::v1 as proto,
};

use crate::settings::SessionsSettings;

/// A session as the service keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The lineage: it survives identification and every change of token.
    pub id: SessionId,
    /// SHA-256 of the one valid token.
    pub token_hash: [u8; 32],
    /// The channel, as i32 of [`Channel`].
    pub channel: i32,
    /// The device's class, as i32 of [`DeviceClass`].
    pub device: i32,
    /// BCP 47.
    pub locale: String,
    /// How sure the mesh is of who holds it.
    pub level: SessionLevel,
    /// The customer, once identified.
    pub profile: Option<ProfileId>,
    /// The cart it works on, as on the wire.
    pub cart: Option<String>,
    /// What was handed over, for level LINKED.
    pub linked: Option<LinkedScope>,
    /// The associate (OIDC subject) who acts for the customer.
    pub assisted_by: Option<String>,
    /// The journey it continues.
    pub journey: JourneyId,
    /// The store that the device said it stands in; may be empty.
    pub location: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// How long it may be idle; `None` for personal devices.
    pub idle: Option<Duration>,
    /// When it was ended before its time.
    pub ended_at: Option<Timestamp>,
    /// Incremented by each change.
    pub version: i64,
    /// How many events it has sent.
    pub events: i64,
}

/// How long a session on a device of that kind lasts: at the most, and without use.
pub(crate) fn lifetime(
    channel: Channel,
    device: DeviceClass,
    settings: &SessionsSettings,
) -> (Duration, Option<Duration>) {
    let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 3_600);
    let seconds = |seconds: u32| Some(Duration::from_secs(seconds.into()));
    if device == DeviceClass::Shared || channel == Channel::Kiosk {
        (hours(settings.shared_hours), seconds(settings.shared_idle_seconds))
    } else if device == DeviceClass::Pos {
        (hours(settings.shared_hours), seconds(settings.till_idle_seconds))
    } else {
        (hours(settings.personal_hours), None)
    }
}

/// How long a session lasts that was handed over: as any on such a device, but an associate's is short wherever it runs, since
/// it acts for somebody else.
pub(crate) fn linked_lifetime(
    channel: Channel,
    device: DeviceClass,
    assisted: bool,
    settings: &SessionsSettings,
) -> (Duration, Option<Duration>) {
    match lifetime(channel, device, settings) {
        (_, None) if assisted => lifetime(channel, DeviceClass::Pos, settings),
        usual => usual,
    }
}

impl Session {
    /// Whether it holds, as far as its row tells: idleness is known to the live copy alone.
    #[must_use]
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }

    /// Whether people take turns at its device. Such a session is over when its live copy is: nobody could tell any more
    /// whether the customer left.
    #[must_use]
    pub(crate) fn is_shared(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether it ends when it is handed over: the customer leaves, and the next one comes.
    #[must_use]
    pub(crate) fn forgets(&self) -> bool {
        self.channel == Channel::Kiosk as i32 || self.device == DeviceClass::Shared as i32
    }

    /// The call as if it came from this session, for the envelopes of its events. Who acts stays who calls: what a customer does
    /// to the session of an associate is not the associate's doing.
    #[must_use]
    pub(crate) fn within(&self, call: &Call, now: Timestamp) -> Call {
        let mut call = call.clone();
        let identity = self.live(now).identity();
        let own = &mut call.caller.identity;
        let assisted_by = own.session.take().and_then(|session| session.assisted_by);
        own.session = identity.session.map(|session| SessionIdentity { assisted_by, ..session });
        if own.channel == 0 {
            own.channel = identity.channel;
        }
        call
    }

    /// The copy that every service shares. Writing it counts as use.
    #[must_use]
    pub(crate) fn live(&self, now: Timestamp) -> LiveSession {
        let whole = self.expires_at.since(self.started_at);
        let idle_expires_at = self.idle.map_or(self.expires_at, |idle| now.plus(idle));
        LiveSession {
            id: self.id,
            token_hash: self.token_hash,
            profile: self.profile,
            level: self.level,
            channel: self.channel,
            device: self.device,
            locale: self.locale.clone(),
            journey: self.journey,
            cart: self.cart.clone(),
            linked: self.linked.clone(),
            assisted_by: self.assisted_by.clone(),
            started_at: self.started_at,
            expires_at: self.expires_at,
            idle: self.idle.unwrap_or(whole),
            idle_expires_at,
            revoked: self.ended_at.is_some(),
            version: self.version,
        }
    }

    /// The contract's form.
    #[must_use]
    pub(crate) fn to_proto(&self) -> proto::Session {
        let level = match self.level {
            SessionLevel::Guest => proto::SessionLevel::Guest,
            SessionLevel::Linked => proto::SessionLevel::Linked,
            SessionLevel::Identified => proto::SessionLevel::Identified,
        };
        proto::Session {
            session_id: self.id.to_string(),
            channel: self.channel,
            device_class: self.device,
            locale: self.locale.clone(),
            level: level.into(),
            profile_id: self.profile.map(|profile| profile.to_string()).unwrap_or_default(),
            cart_id: self.cart.clone().unwrap_or_default(),
            journey_id: self.journey.to_string(),
            start_time: Some(self.started_at.to_proto()),
            expire_time: Some(self.expires_at.to_proto()),
            version: self.version,
            location_id: self.location.clone(),
            linked_scope: self.linked.as_ref().map_or(proto::HandoffScope::Unspecified, scope).into(),
            assisted_by: self.assisted_by.clone().unwrap_or_default(),
        }
    }
}

fn scope(linked: &LinkedScope) -> proto::HandoffScope {
    if linked.edit { proto::HandoffScope::Edit } else { proto::HandoffScope::Read }
}

/// The scope by which a key is bound to a channel: `channel:WEB`.
#[must_use]
pub(crate) fn channel_scope(channel: Channel) -> String {
    let name = channel.as_str_name();
    format!("channel:{}", name.strip_prefix("CHANNEL_").unwrap_or(name))
}

/// Whether a credential with those scopes may start sessions in a channel: one without channel scopes may in all.
#[must_use]
pub(crate) fn may_use_channel(scopes: &[String], channel: Channel) -> bool {
    let wanted = channel_scope(channel);
    let mut bound = scopes.iter().filter(|scope| scope.starts_with("channel:")).peekable();
    bound.peek().is_none() || bound.any(|scope| *scope == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_devices_end_soon() {
        let settings = SessionsSettings::default();
        let of = |channel, device| lifetime(channel, device, &settings);
        let (personal, shared) = (Duration::from_secs(30 * 24 * 3_600), Duration::from_secs(12 * 3_600));
        assert_eq!(of(Channel::Web, DeviceClass::Desktop), (personal, None));
        assert_eq!(of(Channel::App, DeviceClass::Mobile), (personal, None));
        assert_eq!(of(Channel::Store, DeviceClass::Shared), (shared, Some(Duration::from_secs(60))));
        assert_eq!(of(Channel::Kiosk, DeviceClass::Mobile), (shared, Some(Duration::from_secs(60))));
        assert_eq!(of(Channel::Store, DeviceClass::Pos), (shared, Some(Duration::from_secs(900))));
        // An associate's own phone is no place to keep a customer for a month.
        let linked = |device, assisted| linked_lifetime(Channel::Store, device, assisted, &settings);
        assert_eq!(linked(DeviceClass::Mobile, true), (shared, Some(Duration::from_secs(900))));
        assert_eq!(linked(DeviceClass::Shared, true), (shared, Some(Duration::from_secs(60))));
        assert_eq!(linked(DeviceClass::Mobile, false), (personal, None));
    }

    #[test]
    fn channels_of_a_key() {
        let scopes = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
        assert!(may_use_channel(&[], Channel::Web));
        assert!(may_use_channel(&scopes(&["orders.read"]), Channel::Web));
        assert!(may_use_channel(&scopes(&["channel:APP", "channel:WEB"]), Channel::Web));
        assert!(!may_use_channel(&scopes(&["channel:APP"]), Channel::Web));
        assert_eq!(channel_scope(Channel::CallCenter), "channel:CALL_CENTER");
    }
}

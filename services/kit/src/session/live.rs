//! A live session, and its form in the shared store: one hash of texts.

use std::{collections::HashMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use omnimesh_proto::access::v1::Audience;

use super::store::Fields;
use crate::{
    auth::{Identity, LinkedScope, SessionIdentity, SessionLevel},
    clock::Timestamp,
    ids::{JourneyId, ProfileId, SessionId},
};

/// A session as every service may see it. It holds no personal data: verified contacts stay with the sessions service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    /// The lineage: it survives identification and every change of token.
    pub id: SessionId,
    /// SHA-256 of the one valid token.
    pub token_hash: [u8; 32],
    /// The customer, once identified.
    pub profile: Option<ProfileId>,
    /// How sure the mesh is of that.
    pub level: SessionLevel,
    /// The channel, as i32 of [`omnimesh_proto::common::v1::Channel`].
    pub channel: i32,
    /// The device's class, as i32 of [`omnimesh_proto::common::v1::DeviceClass`].
    pub device: i32,
    /// BCP 47, as the client gave it.
    pub locale: String,
    /// The journey this session continues.
    pub journey: JourneyId,
    /// The cart's id, as on the wire.
    pub cart: Option<String>,
    /// What was handed over, for level LINKED.
    pub linked: Option<LinkedScope>,
    /// The associate (OIDC subject) who acts for the customer in this session.
    pub assisted_by: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// How long it may be idle; whole seconds count.
    pub idle: Duration,
    /// When it ends if nothing happens.
    pub idle_expires_at: Timestamp,
    /// Whether it was ended.
    pub revoked: bool,
    /// The version of the sessions service's own row, from which this is a copy.
    pub version: i64,
}

impl LiveSession {
    /// Whether the session still holds at that moment.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.revoked && now < self.expires_at && now < self.idle_expires_at
    }

    /// The identity of who holds the session.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            audience: Audience::Customer.into(),
            subject: self.id.to_string(),
            channel: self.channel,
            scopes: Vec::new(),
            session: Some(SessionIdentity {
                id: self.id,
                profile: self.profile,
                level: self.level,
                journey: self.journey,
                locale: self.locale.clone(),
                device: self.device,
                linked: self.linked.clone(),
                assisted_by: self.assisted_by.clone(),
            }),
            stores: Vec::new(),
            account: None,
            client: None,
        }
    }

    /// The new end by idleness, if it is worth a write: at most one a minute, or four in the idle time if that is shorter.
    pub(super) fn slide(&self, now: Timestamp) -> Option<Timestamp> {
        let next = now.plus(self.idle);
        let step = (self.idle / 4).min(Duration::from_secs(60));
        (next.since(self.idle_expires_at) >= step).then_some(next)
    }

    pub(super) fn to_fields(&self) -> Fields {
        let optional = |value: Option<String>| value.unwrap_or_default();
        let version = self.version.to_string();
        let linked = self.linked.as_ref();
        [
            ("token_hash", hash_text(&self.token_hash)),
            ("profile", optional(self.profile.map(|profile| profile.to_string()))),
            ("level", level_text(self.level).to_owned()),
            ("channel", self.channel.to_string()),
            ("device", self.device.to_string()),
            ("locale", self.locale.clone()),
            ("journey", self.journey.to_string()),
            ("cart", optional(self.cart.clone())),
            ("linked", scope_text(linked).to_owned()),
            ("linked_cart", optional(linked.and_then(|scope| scope.cart.clone()))),
            ("linked_owner", optional(linked.and_then(|scope| scope.owner).map(|owner| owner.to_string()))),
            ("linked_source", optional(linked.and_then(|scope| scope.source).map(|source| source.to_string()))),
            ("assisted_by", optional(self.assisted_by.clone())),
            ("started_at", self.started_at.micros().to_string()),
            ("expires_at", self.expires_at.micros().to_string()),
            ("idle_seconds", self.idle.as_secs().to_string()),
            ("idle_expires_at", self.idle_expires_at.micros().to_string()),
            ("revoked", if self.revoked { "1" } else { "0" }.to_owned()),
            // Of the groups that are also written alone.
            ("cart_version", version.clone()),
            ("profile_version", version.clone()),
            ("version", version),
        ]
        .into()
    }

    /// `None` if a field is missing or has another form: another release wrote it.
    pub(super) fn from_fields(id: SessionId, fields: &HashMap<String, String>) -> Option<Self> {
        let text = |name: &str| fields.get(name).map(String::as_str);
        let micros = |name: &str| Some(Timestamp::from_micros(text(name)?.parse().ok()?));
        let optional = |name: &str| text(name).map(|text| (!text.is_empty()).then(|| text.to_owned()));
        Some(Self {
            id,
            token_hash: URL_SAFE_NO_PAD.decode(text("token_hash")?).ok()?.try_into().ok()?,
            profile: optional("profile")?.map(|profile| profile.parse().ok()).map_or(Some(None), |id| id.map(Some))?,
            level: level_of(text("level")?)?,
            channel: text("channel")?.parse().ok()?,
            device: text("device")?.parse().ok()?,
            locale: text("locale")?.to_owned(),
            journey: text("journey")?.parse().ok()?,
            cart: optional("cart")?,
            linked: linked_of(fields)?,
            // A release without hand-over wrote no such field.
            assisted_by: optional("assisted_by").flatten(),
            started_at: micros("started_at")?,
            expires_at: micros("expires_at")?,
            idle: Duration::from_secs(text("idle_seconds")?.parse().ok()?),
            idle_expires_at: micros("idle_expires_at")?,
            revoked: text("revoked")? != "0",
            version: text("version")?.parse().ok()?,
        })
    }
}

pub(super) fn hash_text(hash: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(hash)
}

/// The scope's fields; a release without hand-over wrote none of them. `None` if they have an unknown form.
fn linked_of(fields: &HashMap<String, String>) -> Option<Option<LinkedScope>> {
    let text = |name: &str| fields.get(name).filter(|text| !text.is_empty()).cloned();
    let edit = match text("linked").as_deref() {
        None => return Some(None),
        Some("edit") => true,
        Some("read") => false,
        Some(_) => return None,
    };
    let owner = match text("linked_owner") {
        Some(owner) => Some(owner.parse().ok()?),
        None => None,
    };
    let source = match text("linked_source") {
        Some(source) => Some(source.parse().ok()?),
        None => None,
    };
    Some(Some(LinkedScope { cart: text("linked_cart"), owner, edit, source }))
}

fn scope_text(scope: Option<&LinkedScope>) -> &'static str {
    match scope {
        None => "",
        Some(scope) if scope.edit => "edit",
        Some(_) => "read",
    }
}

pub(super) fn level_text(level: SessionLevel) -> &'static str {
    match level {
        SessionLevel::Guest => "guest",
        SessionLevel::Linked => "linked",
        SessionLevel::Identified => "identified",
    }
}

fn level_of(text: &str) -> Option<SessionLevel> {
    [SessionLevel::Guest, SessionLevel::Linked, SessionLevel::Identified]
        .into_iter()
        .find(|level| level_text(*level) == text)
}

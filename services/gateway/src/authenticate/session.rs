//! Session tokens: read from the store that all services share, else asked of the sessions service.

use omnimesh_kit::{
    auth::{Identity, LinkedScope, SessionIdentity, SessionLevel},
    call::Call,
    error::Fault,
    links::Links,
    session::{Found, LiveSessions, SessionToken},
};
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::ErrorReason,
    sessions::v1::{
        HandoffScope, LoadSessionRequest, LoadSessionResponse, SessionLevel as Level,
        session_service_client::SessionServiceClient,
    },
};
use tonic::Code;

#[derive(Debug)]
pub(super) struct Sessions {
    live: LiveSessions,
    links: Links,
}

impl Sessions {
    pub(super) fn new(live: LiveSessions, links: Links) -> Self {
        Self { live, links }
    }

    /// Whose session it is.
    pub(super) async fn identify(&self, token: &SessionToken) -> Result<Identity, Fault> {
        match self.live.authenticate(token).await {
            Ok(Found::Live(session)) => Ok(session.identity()),
            Ok(Found::Ended) => Err(ended()),
            Ok(Found::Missing) => self.load(token).await,
            // An empty or absent store logs nobody out.
            Err(error) => {
                tracing::warn!(error = %error, "live sessions can't be read: the sessions service is asked");
                self.load(token).await
            }
        }
    }

    async fn load(&self, token: &SessionToken) -> Result<Identity, Fault> {
        let request =
            LoadSessionRequest { token_hash: token.hash().to_vec(), session_id: token.session_id().to_string() };
        let link = self.links.to("sessions", &Call::system(crate::NAME)).idempotent();
        let loaded = match SessionServiceClient::new(link).load_session(request).await {
            Ok(response) => Some(response.into_inner()),
            Err(status) if matches!(status.code(), Code::NotFound | Code::Unauthenticated) => None,
            Err(status) => return Err(super::key::not_answered(&status)),
        };
        loaded.as_ref().map(identity).transpose()?.flatten().ok_or_else(ended)
    }
}

fn identity(loaded: &LoadSessionResponse) -> Result<Option<Identity>, Fault> {
    let Some(session) = &loaded.session else { return Ok(None) };
    let wrong = |_| Fault::internal("the sessions service named an id that is none");
    let profile = |text: &str| (!text.is_empty()).then(|| text.parse()).transpose().map_err(wrong);
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let level = match session.level() {
        Level::Unspecified | Level::Guest => SessionLevel::Guest,
        Level::Linked => SessionLevel::Linked,
        Level::Identified => SessionLevel::Identified,
    };
    let linked = match level {
        SessionLevel::Linked => Some(LinkedScope {
            cart: text(&loaded.linked_cart_id),
            owner: profile(&loaded.linked_profile_id)?,
            edit: session.linked_scope() == HandoffScope::Edit,
            source: text(&loaded.linked_source_session_id).map(|id| id.parse()).transpose().map_err(wrong)?,
        }),
        SessionLevel::Guest | SessionLevel::Identified => None,
    };
    Ok(Some(Identity {
        audience: Audience::Customer.into(),
        subject: session.session_id.clone(),
        channel: session.channel,
        scopes: Vec::new(),
        session: Some(SessionIdentity {
            id: session.session_id.parse().map_err(wrong)?,
            profile: profile(&session.profile_id)?,
            level,
            journey: session.journey_id.parse().map_err(wrong)?,
            locale: session.locale.clone(),
            device: session.device_class,
            linked,
            assisted_by: text(&session.assisted_by),
        }),
        stores: Vec::new(),
        account: None,
        client: None,
    }))
}

fn ended() -> Fault {
    Fault::unauthenticated(
        ErrorReason::SessionExpired,
        "the session ended or expired, or its token was replaced: StartSession starts a new one",
    )
}

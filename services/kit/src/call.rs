//! The context of one call, as the server's auth layer leaves it in the request's extensions.

use std::time::Instant;

use omnimesh_proto::{
    access::v1::Audience,
    common::v1::{Actor, ErrorReason},
};

use crate::{
    auth::{Caller, Identity, SessionIdentity},
    error::Fault,
};

/// Who calls, and until when. Taken from the request once, then handed down.
#[derive(Clone, Debug)]
pub struct Call {
    /// The verified caller.
    pub caller: Caller,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
}

impl Call {
    /// The context of a request that passed the auth layer.
    ///
    /// # Errors
    /// UNAUTHENTICATED if it did not.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self, Fault> {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Fault::unauthenticated(ErrorReason::CredentialMissing, "the call carries no identity"))
    }

    /// The context of work that the mesh starts itself.
    #[must_use]
    pub fn system(service: &str) -> Self {
        Self {
            caller: Caller { identity: Identity::system(service), service: Some(service.to_owned()) },
            deadline: None,
        }
    }

    /// On whose behalf the call is made.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.caller.identity
    }

    /// The customer's session, if the call comes from one.
    #[must_use]
    pub fn session(&self) -> Option<&SessionIdentity> {
        self.caller.identity.session.as_ref()
    }

    /// The customer's session.
    ///
    /// # Errors
    /// PERMISSION_DENIED if the credential is not a session token.
    pub fn require_session(&self) -> Result<&SessionIdentity, Fault> {
        self.session().ok_or_else(|| {
            Fault::denied(ErrorReason::AudienceDenied, "this call needs a session token: StartSession gives one")
        })
    }

    /// Who acts, for transitions and events.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.caller.identity.actor()
    }

    /// The key under which request ids are unique and that tokens are bound to: the session's lineage, the key or the subject. All
    /// keys of a partner are one, its account's, so that a new key goes on where the last one stopped.
    #[must_use]
    pub fn principal(&self) -> String {
        let identity = &self.caller.identity;
        if let (Audience::Partner, Some(account)) = (identity.audience(), &identity.account) {
            // No key's id has a colon.
            return format!("{}:account:{account}", identity.audience);
        }
        format!("{}:{}", identity.audience, identity.subject)
    }

    /// Whether that service of the mesh makes the call.
    #[must_use]
    pub fn is_from(&self, service: &str) -> bool {
        self.caller.service.as_deref() == Some(service)
    }
}

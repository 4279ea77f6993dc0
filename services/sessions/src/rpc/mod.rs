//! The use cases, one file each.

mod attach_cart;
mod check_verified_contact;
mod claim_handoff;
mod claimer;
mod complete_verification;
mod create_api_key;
mod create_handoff;
mod end_session;
mod get_handoff;
mod get_session;
mod identify_session;
mod list_api_keys;
mod load_api_key;
mod load_session;
mod publish;
mod revoke_api_key;
mod revoke_handoff;
mod start_session;
mod start_verification;
mod watch_verifications;

use std::{ops::Deref, pin::Pin, sync::Arc};

use futures::Stream;
use omnimesh_kit::{
    auth::oidc::Oidc, call::Call, clock::Timestamp, contact::Contact, ids::SessionId, ratelimit::RateLimiter,
    service::Deps,
};
use omnimesh_proto::sessions::v1::{
    AttachCartRequest, AttachCartResponse, CheckVerifiedContactRequest, CheckVerifiedContactResponse,
    ClaimHandoffRequest, ClaimHandoffResponse, CompleteVerificationRequest, CompleteVerificationResponse,
    CreateApiKeyRequest, CreateApiKeyResponse, CreateHandoffRequest, CreateHandoffResponse, EndSessionRequest,
    EndSessionResponse, GetHandoffRequest, GetHandoffResponse, GetSessionRequest, GetSessionResponse,
    IdentifySessionRequest, IdentifySessionResponse, ListApiKeysRequest, ListApiKeysResponse, LoadApiKeyRequest,
    LoadApiKeyResponse, LoadSessionRequest, LoadSessionResponse, RevokeApiKeyRequest, RevokeApiKeyResponse,
    RevokeHandoffRequest, RevokeHandoffResponse, StartSessionRequest, StartSessionResponse, StartVerificationRequest,
    StartVerificationResponse, WatchVerificationsRequest, WatchVerificationsResponse,
    api_key_service_server::ApiKeyService, handoff_service_server::HandoffService,
    session_service_server::SessionService,
};
use tonic::{Request, Response, Status};

use crate::{domain::session::Session, error::Error, settings::SessionsSettings, store};

/// What the use cases share. Clones share it.
#[derive(Clone)]
pub(crate) struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: SessionsSettings,
    pub(crate) oidc: Oidc,
    pub(crate) limits: RateLimiter,
    pub(crate) deps: Deps,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// A session that holds.
    async fn open_session(&self, id: SessionId) -> Result<Session, Error> {
        let mut conn = self.deps.db.read().await?;
        let session = store::sessions::by_id(&mut conn, id).await?;
        session.filter(|session| session.is_open(self.now())).ok_or(Error::SessionOver)
    }

    /// A session that holds, and in which its customer may prove who they are. An associate who acts for one may not: whoever
    /// holds the address or card, it would be the associate who becomes that customer.
    async fn provable_session(&self, id: SessionId) -> Result<Session, Error> {
        let session = self.open_session(id).await?;
        match session.assisted_by {
            None => Ok(session),
            Some(_) => {
                Err(Error::NotHandedOver("nobody is identified in an associate's session: the customer does it"))
            }
        }
    }

    /// By what an address is compared: a keyed hash.
    fn contact_hash(&self, contact: &Contact) -> [u8; 32] {
        self.deps.secrets.mac("contact", &[contact.kind().as_bytes(), contact.expose().as_bytes()])
    }
}

/// Each RPC is a module of its name. A macro around the whole impl, because async_trait looks before inner macros do.
macro_rules! serve {
    ($service:ident { $(type $stream:ident = $item:ty;)? } $($method:ident: $request:ty => $response:ty;)+) => {
        #[tonic::async_trait]
        impl $service for App {
            $(type $stream = $item;)?

            $(async fn $method(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                let call = Call::of(&request)?;
                Ok($method::run(self, call, request.into_inner()).await?)
            })+
        }
    };
}

type Verifications = Pin<Box<dyn Stream<Item = Result<WatchVerificationsResponse, Status>> + Send>>;

serve! { SessionService { type WatchVerificationsStream = Verifications; }
    start_session: StartSessionRequest => StartSessionResponse;
    get_session: GetSessionRequest => GetSessionResponse;
    start_verification: StartVerificationRequest => StartVerificationResponse;
    complete_verification: CompleteVerificationRequest => CompleteVerificationResponse;
    identify_session: IdentifySessionRequest => IdentifySessionResponse;
    end_session: EndSessionRequest => EndSessionResponse;
    watch_verifications: WatchVerificationsRequest => Verifications;
    load_session: LoadSessionRequest => LoadSessionResponse;
    attach_cart: AttachCartRequest => AttachCartResponse;
    check_verified_contact: CheckVerifiedContactRequest => CheckVerifiedContactResponse;
}

serve! { HandoffService {}
    create_handoff: CreateHandoffRequest => CreateHandoffResponse;
    claim_handoff: ClaimHandoffRequest => ClaimHandoffResponse;
    get_handoff: GetHandoffRequest => GetHandoffResponse;
    revoke_handoff: RevokeHandoffRequest => RevokeHandoffResponse;
}

serve! { ApiKeyService {}
    create_api_key: CreateApiKeyRequest => CreateApiKeyResponse;
    list_api_keys: ListApiKeysRequest => ListApiKeysResponse;
    revoke_api_key: RevokeApiKeyRequest => RevokeApiKeyResponse;
    load_api_key: LoadApiKeyRequest => LoadApiKeyResponse;
}

//! A sessions service that knows which address was proved, and nothing else.

use std::pin::Pin;

use futures::Stream;
use omnimesh_proto::{
    common::v1::contact::Value,
    sessions::v1::{
        AttachCartRequest, AttachCartResponse, CheckVerifiedContactRequest, CheckVerifiedContactResponse,
        CompleteVerificationRequest, CompleteVerificationResponse, EndSessionRequest, EndSessionResponse,
        GetSessionRequest, GetSessionResponse, IdentifySessionRequest, IdentifySessionResponse, LoadSessionRequest,
        LoadSessionResponse, StartSessionRequest, StartSessionResponse, StartVerificationRequest,
        StartVerificationResponse, WatchVerificationsRequest, WatchVerificationsResponse,
        session_service_server::{SessionService, SessionServiceServer},
    },
};
use tonic::{Request, Response, Status, service::Routes};

/// The one address that sessions have proved.
pub(super) const PROVED: &str = "proved@shop.example";

pub(super) struct Sessions;

pub(super) fn routes() -> Routes {
    Routes::new(SessionServiceServer::new(Sessions))
}

type Reply<T> = Result<Response<T>, Status>;

fn absent<T>() -> Reply<T> {
    Err(Status::unimplemented("not in this test"))
}

#[tonic::async_trait]
impl SessionService for Sessions {
    type WatchVerificationsStream = Pin<Box<dyn Stream<Item = Result<WatchVerificationsResponse, Status>> + Send>>;

    async fn check_verified_contact(
        &self,
        request: Request<CheckVerifiedContactRequest>,
    ) -> Reply<CheckVerifiedContactResponse> {
        let contact = request.into_inner().contact.and_then(|contact| contact.value);
        let verified = contact == Some(Value::Email(PROVED.to_owned()));
        Ok(Response::new(CheckVerifiedContactResponse { verified }))
    }
    async fn start_session(&self, _: Request<StartSessionRequest>) -> Reply<StartSessionResponse> {
        absent()
    }
    async fn get_session(&self, _: Request<GetSessionRequest>) -> Reply<GetSessionResponse> {
        absent()
    }
    async fn start_verification(&self, _: Request<StartVerificationRequest>) -> Reply<StartVerificationResponse> {
        absent()
    }
    async fn complete_verification(
        &self,
        _: Request<CompleteVerificationRequest>,
    ) -> Reply<CompleteVerificationResponse> {
        absent()
    }
    async fn identify_session(&self, _: Request<IdentifySessionRequest>) -> Reply<IdentifySessionResponse> {
        absent()
    }
    async fn end_session(&self, _: Request<EndSessionRequest>) -> Reply<EndSessionResponse> {
        absent()
    }
    async fn watch_verifications(
        &self,
        _: Request<WatchVerificationsRequest>,
    ) -> Reply<Self::WatchVerificationsStream> {
        absent()
    }
    async fn load_session(&self, _: Request<LoadSessionRequest>) -> Reply<LoadSessionResponse> {
        absent()
    }
    async fn attach_cart(&self, _: Request<AttachCartRequest>) -> Reply<AttachCartResponse> {
        absent()
    }
}

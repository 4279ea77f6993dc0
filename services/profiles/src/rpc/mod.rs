//! The use cases, one file each.

mod get_profile;
mod list_interactions;
mod resolve_profile;

use std::{ops::Deref, sync::Arc};

use omnimesh_kit::{auth::SessionLevel, call::Call, error::Fault, ids::ProfileId, service::Deps, validate::Violations};
use omnimesh_proto::profiles::v1 as proto;
use omnimesh_proto::{
    common::v1::ErrorReason,
    profiles::v1::{
        GetProfileRequest, GetProfileResponse, ListInteractionsRequest, ListInteractionsResponse,
        ResolveProfileRequest, ResolveProfileResponse, profile_service_server::ProfileService,
        timeline_service_server::TimelineService,
    },
};
use tonic::{Request, Response, Status};

/// What the use cases share. Clones share it.
#[derive(Clone)]
pub(crate) struct App(pub(crate) Arc<Deps>);

impl Deref for App {
    type Target = Deps;

    fn deref(&self) -> &Deps {
        &self.0
    }
}

/// The profile that a call is about: the caller's own if none is named. Customers see their own alone.
fn profile_of(call: &Call, named: &str) -> Result<ProfileId, Fault> {
    let mut v = Violations::new();
    let id = v.parse_optional::<ProfileId>("profile_id", named);
    let (id,) = v.finish_with((id,))?;
    // A service of the mesh answers for what it asks; so do keys and staff, by their scope.
    let trusted = call.caller.service.is_some() || call.session().is_none();
    match (id, call.session()) {
        (Some(id), _) if trusted => Ok(id),
        (id, Some(session)) => {
            let own = session.profile.filter(|_| session.level == SessionLevel::Identified);
            match (id, own) {
                (None, Some(own)) => Ok(own),
                (Some(id), Some(own)) if id == own => Ok(own),
                (Some(id), _) => Err(Fault::not_found("profile", id.to_string())),
                (None, None) => Err(Fault::precondition(
                    ErrorReason::NotIdentified,
                    "the session has no profile yet: IdentifySession gives it one",
                )),
            }
        }
        (_, None) => Err(Fault::invalid("profile_id", "must be given by callers that are not customers")),
    }
}

#[tonic::async_trait]
impl ProfileService for App {
    async fn resolve_profile(
        &self,
        request: Request<ResolveProfileRequest>,
    ) -> Result<Response<ResolveProfileResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(resolve_profile::run(self, call, request.into_inner()).await?)
    }

    async fn get_profile(&self, request: Request<GetProfileRequest>) -> Result<Response<GetProfileResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(get_profile::run(self, call, request.into_inner()).await?)
    }

    async fn record_assertions(
        &self,
        _request: Request<proto::RecordAssertionsRequest>,
    ) -> Result<Response<proto::RecordAssertionsResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }

    async fn search_profiles(
        &self,
        _request: Request<proto::SearchProfilesRequest>,
    ) -> Result<Response<proto::SearchProfilesResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }

    async fn merge_profiles(
        &self,
        _request: Request<proto::MergeProfilesRequest>,
    ) -> Result<Response<proto::MergeProfilesResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }

    async fn split_profile(
        &self,
        _request: Request<proto::SplitProfileRequest>,
    ) -> Result<Response<proto::SplitProfileResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }

    async fn list_merge_suggestions(
        &self,
        _request: Request<proto::ListMergeSuggestionsRequest>,
    ) -> Result<Response<proto::ListMergeSuggestionsResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }

    async fn accept_merge_suggestion(
        &self,
        _request: Request<proto::AcceptMergeSuggestionRequest>,
    ) -> Result<Response<proto::AcceptMergeSuggestionResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }

    async fn reject_merge_suggestion(
        &self,
        _request: Request<proto::RejectMergeSuggestionRequest>,
    ) -> Result<Response<proto::RejectMergeSuggestionResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }

    async fn erase_profile(
        &self,
        _request: Request<proto::EraseProfileRequest>,
    ) -> Result<Response<proto::EraseProfileResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }

    async fn get_erasure(
        &self,
        _request: Request<proto::GetErasureRequest>,
    ) -> Result<Response<proto::GetErasureResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }

    type ExportProfileStream =
        std::pin::Pin<Box<dyn futures::Stream<Item = Result<proto::ExportProfileResponse, Status>> + Send>>;

    async fn export_profile(
        &self,
        _request: Request<proto::ExportProfileRequest>,
    ) -> Result<Response<Self::ExportProfileStream>, Status> {
        Err(Status::unimplemented("scaffold"))
    }
}

#[tonic::async_trait]
impl TimelineService for App {
    async fn list_interactions(
        &self,
        request: Request<ListInteractionsRequest>,
    ) -> Result<Response<ListInteractionsResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(list_interactions::run(self, call, request.into_inner()).await?)
    }

    async fn record_interaction(
        &self,
        _request: Request<proto::RecordInteractionRequest>,
    ) -> Result<Response<proto::RecordInteractionResponse>, Status> {
        Err(Status::unimplemented("scaffold"))
    }
}

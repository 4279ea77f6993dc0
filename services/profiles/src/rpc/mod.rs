//! The use cases, one file each.

mod get_profile;
mod list_interactions;
mod resolve_profile;

use std::{ops::Deref, sync::Arc};

use omnimesh_kit::{auth::SessionLevel, call::Call, error::Fault, ids::ProfileId, service::Deps, validate::Violations};
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
}

//! The use cases, one file each.

mod accept_merge_suggestion;
mod check_consent;
mod claims;
mod erase_profile;
mod export_profile;
mod get_customer_view;
mod get_erasure;
mod get_profile;
mod list_consents;
mod list_interactions;
mod list_merge_suggestions;
mod merge_profiles;
mod record_assertions;
mod record_consent;
mod record_interaction;
mod reject_merge_suggestion;
mod resolve_profile;
mod search_profiles;
mod split_profile;

use std::{ops::Deref, pin::Pin, sync::Arc};

use futures::Stream;
use omnimesh_kit::{
    auth::{SessionLevel, oidc::Oidc},
    call::Call,
    customers,
    error::Fault,
    ids::ProfileId,
    service::Deps,
    store::Conn,
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::ErrorReason,
    profiles::v1::{
        AcceptMergeSuggestionRequest, AcceptMergeSuggestionResponse, CheckConsentRequest, CheckConsentResponse,
        EraseProfileRequest, EraseProfileResponse, ExportProfileRequest, ExportProfileResponse, GetCustomerViewRequest,
        GetCustomerViewResponse, GetErasureRequest, GetErasureResponse, GetProfileRequest, GetProfileResponse,
        ListConsentsRequest, ListConsentsResponse, ListInteractionsRequest, ListInteractionsResponse,
        ListMergeSuggestionsRequest, ListMergeSuggestionsResponse, MergeProfilesRequest, MergeProfilesResponse,
        RecordAssertionsRequest, RecordAssertionsResponse, RecordConsentRequest, RecordConsentResponse,
        RecordInteractionRequest, RecordInteractionResponse, RejectMergeSuggestionRequest,
        RejectMergeSuggestionResponse, ResolveProfileRequest, ResolveProfileResponse, SearchProfilesRequest,
        SearchProfilesResponse, SplitProfileRequest, SplitProfileResponse, consent_service_server::ConsentService,
        customer_view_service_server::CustomerViewService, profile_service_server::ProfileService,
        timeline_service_server::TimelineService,
    },
};
use tonic::{Request, Response, Status};

use crate::{
    error::Error, identity::evidence::Records, registry::Registry, settings::ProfilesSettings, store::profiles,
};

/// What the use cases share. Clones share it.
#[derive(Clone)]
pub(crate) struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: ProfilesSettings,
    /// The customers' issuers.
    pub(crate) oidc: Oidc,
    /// The registry of consents.
    pub(crate) registry: Registry,
    /// How many records there are.
    pub(crate) records: Records,
    pub(crate) deps: Deps,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Inner {
    type Target = Deps;

    fn deref(&self) -> &Deps {
        &self.deps
    }
}

/// The customer that a call is about, by its survivor: the caller's own if none is named. Customers see their own alone.
async fn customer(conn: &mut Conn, call: &Call, named: &str) -> Result<ProfileId, Error> {
    let id = own(conn, call, named).await?;
    let root = customers::root(conn, id).await?;
    let known = profiles::profile(conn, root).await?.ok_or_else(|| Fault::not_found("profile", id.to_string()))?;
    if known.erased { Err(erased().into()) } else { Ok(root) }
}

/// The profile that a call is about, if the caller may ask about it; it may be unknown or erased.
async fn own(conn: &mut Conn, call: &Call, named: &str) -> Result<ProfileId, Error> {
    let mut v = Violations::new();
    let id = v.parse_optional::<ProfileId>("profile_id", named);
    let (id,) = v.finish_with((id,))?;
    // A service of the mesh answers for what it asks; so do keys and staff, by their scope.
    let trusted = call.caller.service.is_some() || call.session().is_none();
    match (id, call.session()) {
        (Some(id), _) if trusted => Ok(id),
        (_, Some(session)) if session.level == SessionLevel::Linked => {
            let message = "the session was handed over: what is the customer's own needs IdentifySession";
            Err(Fault::denied(ErrorReason::NotHandedOver, message).into())
        }
        (id, Some(session)) => match (id, session.profile) {
            (None, Some(own)) => Ok(own),
            (Some(id), Some(own)) if customers::are_one(conn, id, own).await? => Ok(own),
            (Some(id), _) => Err(Fault::not_found("profile", id.to_string()).into()),
            (None, None) => Err(not_identified().into()),
        },
        (_, None) => Err(Fault::invalid("profile_id", "must be given by callers that are not customers").into()),
    }
}

fn not_identified() -> Fault {
    Fault::precondition(ErrorReason::NotIdentified, "the session has no profile yet: IdentifySession gives it one")
}

fn erased() -> Fault {
    Fault::precondition(ErrorReason::Erased, "the customer was erased")
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

/// The parts of an export.
type Exported = Pin<Box<dyn Stream<Item = Result<ExportProfileResponse, Status>> + Send>>;

serve! { ProfileService { type ExportProfileStream = Exported; }
    record_assertions: RecordAssertionsRequest => RecordAssertionsResponse;
    resolve_profile: ResolveProfileRequest => ResolveProfileResponse;
    get_profile: GetProfileRequest => GetProfileResponse;
    search_profiles: SearchProfilesRequest => SearchProfilesResponse;
    merge_profiles: MergeProfilesRequest => MergeProfilesResponse;
    split_profile: SplitProfileRequest => SplitProfileResponse;
    list_merge_suggestions: ListMergeSuggestionsRequest => ListMergeSuggestionsResponse;
    accept_merge_suggestion: AcceptMergeSuggestionRequest => AcceptMergeSuggestionResponse;
    reject_merge_suggestion: RejectMergeSuggestionRequest => RejectMergeSuggestionResponse;
    erase_profile: EraseProfileRequest => EraseProfileResponse;
    get_erasure: GetErasureRequest => GetErasureResponse;
    export_profile: ExportProfileRequest => Exported;
}

serve! { TimelineService {}
    list_interactions: ListInteractionsRequest => ListInteractionsResponse;
    record_interaction: RecordInteractionRequest => RecordInteractionResponse;
}

serve! { ConsentService {}
    record_consent: RecordConsentRequest => RecordConsentResponse;
    check_consent: CheckConsentRequest => CheckConsentResponse;
    list_consents: ListConsentsRequest => ListConsentsResponse;
}

serve! { CustomerViewService {}
    get_customer_view: GetCustomerViewRequest => GetCustomerViewResponse;
}

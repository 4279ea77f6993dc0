//! Profiles and carts, as far as sessions needs them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use omnimesh_kit::ids::ProfileId;
use omnimesh_proto::{
    carts::v1::{self as carts, cart_service_server::CartService},
    profiles::v1::{self as profiles, profile_service_server::ProfileService},
};
use tonic::{Request, Response, Status};

/// Both.
#[derive(Clone, Default)]
pub(crate) struct Fakes(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    profiles: HashMap<(i32, String), ProfileId>,
    guest_carts: HashMap<String, String>,
    carts: HashMap<String, String>,
    handed: Vec<String>,
    down: bool,
}

impl Fakes {
    pub(crate) fn fill_cart(&self, session: &str, cart: &str) {
        self.0.lock().unwrap().guest_carts.insert(session.to_owned(), cart.to_owned());
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    /// The hand-over carts that claims named, in order; empty where one named none.
    pub(crate) fn handed(&self) -> Vec<String> {
        self.0.lock().unwrap().handed.clone()
    }

    /// As carts does: a handed-over cart is claimed like the session's own, if it is a guest's.
    fn claim(&self, session: &str, profile: &str, handed: &str) -> Result<Option<carts::Cart>, Status> {
        let mut state = self.0.lock().unwrap();
        if state.down {
            return Err(Status::unavailable("carts are down"));
        }
        state.handed.push(handed.to_owned());
        let owner = state.guest_carts.iter().find(|(_, cart)| *cart == handed).map(|(owner, _)| owner.clone());
        for session in owner.iter().map(String::as_str).chain([session]) {
            let Some(guest) = state.guest_carts.remove(session) else { continue };
            state.carts.entry(profile.to_owned()).or_insert(guest);
        }
        let cart_id = state.carts.get(profile).cloned();
        Ok(cart_id.map(|cart_id| carts::Cart { cart_id, profile_id: profile.to_owned(), ..Default::default() }))
    }
}

macro_rules! profiles {
    ($($unused:ident: $request:ident => $response:ident;)+) => {
        #[tonic::async_trait]
        impl ProfileService for Fakes {
            type ExportProfileStream = futures::stream::Empty<Result<profiles::ExportProfileResponse, Status>>;

            async fn resolve_profile(
                &self,
                request: Request<profiles::ResolveProfileRequest>,
            ) -> Result<Response<profiles::ResolveProfileResponse>, Status> {
                let request = request.into_inner();
                let identifier = request.identifiers.first().unwrap().clone();
                let mut state = self.0.lock().unwrap();
                let next = ProfileId(uuid::Uuid::from_u128(state.profiles.len() as u128 + 1));
                let id = *state.profiles.entry((identifier.r#type, identifier.value)).or_insert(next);
                let profile = profiles::Profile { profile_id: id.to_string(), ..Default::default() };
                Ok(Response::new(profiles::ResolveProfileResponse { profile: Some(profile), created: id == next }))
            }

            async fn export_profile(
                &self,
                _: Request<profiles::ExportProfileRequest>,
            ) -> Result<Response<Self::ExportProfileStream>, Status> {
                Err(Status::unimplemented("not asked"))
            }

            $(async fn $unused(
                &self,
                _: Request<profiles::$request>,
            ) -> Result<Response<profiles::$response>, Status> {
                Err(Status::unimplemented("not asked"))
            })+
        }
    };
}

profiles! {
    get_profile: GetProfileRequest => GetProfileResponse;
    record_assertions: RecordAssertionsRequest => RecordAssertionsResponse;
    search_profiles: SearchProfilesRequest => SearchProfilesResponse;
    merge_profiles: MergeProfilesRequest => MergeProfilesResponse;
    split_profile: SplitProfileRequest => SplitProfileResponse;
    list_merge_suggestions: ListMergeSuggestionsRequest => ListMergeSuggestionsResponse;
    accept_merge_suggestion: AcceptMergeSuggestionRequest => AcceptMergeSuggestionResponse;
    reject_merge_suggestion: RejectMergeSuggestionRequest => RejectMergeSuggestionResponse;
    erase_profile: EraseProfileRequest => EraseProfileResponse;
    get_erasure: GetErasureRequest => GetErasureResponse;
}

macro_rules! carts {
    ($($unused:ident: $request:ident => $response:ident;)+) => {
        #[tonic::async_trait]
        impl CartService for Fakes {
            type WatchCartStream = futures::stream::Empty<Result<carts::WatchCartResponse, Status>>;

            async fn claim_cart(
                &self,
                request: Request<carts::ClaimCartRequest>,
            ) -> Result<Response<carts::ClaimCartResponse>, Status> {
                let request = request.into_inner();
                let cart = self.claim(&request.session_id, &request.profile_id, &request.handed_cart_id)?;
                Ok(Response::new(carts::ClaimCartResponse { cart }))
            }

            async fn watch_cart(
                &self,
                _: Request<carts::WatchCartRequest>,
            ) -> Result<Response<Self::WatchCartStream>, Status> {
                Err(Status::unimplemented("not asked"))
            }

            $(async fn $unused(&self, _: Request<carts::$request>) -> Result<Response<carts::$response>, Status> {
                Err(Status::unimplemented("not asked"))
            })+
        }
    };
}

carts! {
    get_cart: GetCartRequest => GetCartResponse;
    add_line: AddLineRequest => AddLineResponse;
    change_line: ChangeLineRequest => ChangeLineResponse;
    remove_line: RemoveLineRequest => RemoveLineResponse;
    apply_coupon: ApplyCouponRequest => ApplyCouponResponse;
    set_delivery: SetDeliveryRequest => SetDeliveryResponse;
    merge_carts: MergeCartsRequest => MergeCartsResponse;
    freeze_cart: FreezeCartRequest => FreezeCartResponse;
    thaw_cart: ThawCartRequest => ThawCartResponse;
}

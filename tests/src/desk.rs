//! Who serves customers and keeps their profiles: tills, call centres, associates and back-ends.

use omnimesh_proto::{
    common::v1::Channel as SalesChannel,
    orders::v1::{
        ListOrdersRequest, Order, OrderFilter, Return, ReturnRef, order_service_client::OrderServiceClient,
        return_service_client::ReturnServiceClient,
    },
    profiles::v1::{
        AcceptMergeSuggestionRequest, AcceptMergeSuggestionResponse, CheckConsentRequest, CheckConsentResponse,
        ConsentChannel, ConsentPurpose, GetCustomerViewRequest, GetCustomerViewResponse, GetProfileRequest,
        ListMergeSuggestionsRequest, MergeProfilesRequest, MergeProfilesResponse, MergeSuggestion, Profile,
        RecordAssertionsRequest, RecordAssertionsResponse, SplitProfileRequest, SplitProfileResponse,
        consent_service_client::ConsentServiceClient, customer_view_service_client::CustomerViewServiceClient,
        profile_service_client::ProfileServiceClient,
    },
    sessions::v1::{ApiKeyKind, CreateApiKeyRequest, api_key_service_client::ApiKeyServiceClient},
};
use tonic::transport::Channel;

use crate::{
    Client, Mesh,
    customer::{email_contact, request_id},
    raw::Refusal,
};

/// Creates an API key; its id and the key itself.
pub async fn create_key(mesh: &Mesh, request: CreateApiKeyRequest) -> (String, String) {
    let admin = mesh.admin().await;
    let request = CreateApiKeyRequest { display_name: "test".into(), request_id: request_id(), ..request };
    let mut keys = ApiKeyServiceClient::new(admin.channel());
    let created = keys.create_api_key(admin.request(request)).await.expect("a key is created").into_inner();
    (created.api_key.expect("the key").key_id, created.secret)
}

/// A caller that may see and write profiles.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The connection, with the credential.
    pub client: Client,
}

impl Desk {
    /// Of a connection.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// A till by an API key of its own for that channel. With `identity.assert` among the scopes what it says is proof.
    pub async fn till(mesh: &Mesh, channel: SalesChannel, scopes: &[&str]) -> Self {
        let request = CreateApiKeyRequest {
            kind: ApiKeyKind::Secret.into(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            channels: vec![channel.into()],
            ..CreateApiKeyRequest::default()
        };
        Self::new(mesh.client(&create_key(mesh, request).await.1).await)
    }

    /// The client of profiles.
    #[must_use]
    pub fn profiles(&self) -> ProfileServiceClient<Channel> {
        ProfileServiceClient::new(self.client.channel())
    }

    /// The client of returns.
    #[must_use]
    pub fn returns(&self) -> ReturnServiceClient<Channel> {
        ReturnServiceClient::new(self.client.channel())
    }

    /// Records claims.
    ///
    /// # Errors
    /// As RecordAssertions.
    pub async fn record(&self, request: RecordAssertionsRequest) -> Result<RecordAssertionsResponse, Refusal> {
        let request = RecordAssertionsRequest { request_id: request_id(), ..request };
        Ok(self.profiles().record_assertions(self.client.request(request)).await?.into_inner())
    }

    /// A profile by any of its ids.
    ///
    /// # Errors
    /// As GetProfile.
    pub async fn profile(&self, profile_id: &str) -> Result<Profile, Refusal> {
        let request = GetProfileRequest { profile_id: profile_id.to_owned() };
        let answer = self.profiles().get_profile(self.client.request(request)).await?;
        Ok(answer.into_inner().profile.expect("the profile"))
    }

    /// Merges two profiles.
    ///
    /// # Errors
    /// As MergeProfiles.
    pub async fn merge(&self, one: &str, other: &str) -> Result<MergeProfilesResponse, Refusal> {
        let request = MergeProfilesRequest {
            profile_id: one.to_owned(),
            other_profile_id: other.to_owned(),
            reason: "looked alike".into(),
            override_veto: false,
            request_id: request_id(),
        };
        Ok(self.profiles().merge_profiles(self.client.request(request)).await?.into_inner())
    }

    /// Splits a member off a profile.
    ///
    /// # Errors
    /// As SplitProfile.
    pub async fn split(&self, profile_id: &str, leaving: &str) -> Result<SplitProfileResponse, Refusal> {
        let request = SplitProfileRequest {
            profile_id: profile_id.to_owned(),
            leaving_profile_ids: vec![leaving.to_owned()],
            merge_id: String::new(),
            reason: "they are two people".into(),
            request_id: request_id(),
        };
        Ok(self.profiles().split_profile(self.client.request(request)).await?.into_inner())
    }

    /// The open suggestions about a profile.
    pub async fn suggestions(&self, profile_id: &str) -> Vec<MergeSuggestion> {
        let request =
            ListMergeSuggestionsRequest { profile_id: profile_id.to_owned(), ..ListMergeSuggestionsRequest::default() };
        let answer = self.profiles().list_merge_suggestions(self.client.request(request)).await;
        answer.expect("suggestions are listed").into_inner().suggestions
    }

    /// Accepts a suggestion.
    pub async fn accept(&self, suggestion_id: &str) -> AcceptMergeSuggestionResponse {
        let request = AcceptMergeSuggestionRequest {
            suggestion_id: suggestion_id.to_owned(),
            override_veto: false,
            request_id: request_id(),
        };
        let answer = self.profiles().accept_merge_suggestion(self.client.request(request)).await;
        answer.expect("the suggestion is accepted").into_inner()
    }

    /// The whole customer.
    pub async fn view(&self, profile_id: &str) -> GetCustomerViewResponse {
        let request = GetCustomerViewRequest { profile_id: profile_id.to_owned() };
        let mut views = CustomerViewServiceClient::new(self.client.channel());
        views.get_customer_view(self.client.request(request)).await.expect("the customer is shown").into_inner()
    }

    /// Whether marketing by e-mail may be sent to an address.
    pub async fn may_mail(&self, email: &str) -> CheckConsentResponse {
        let request = CheckConsentRequest {
            address: Some(email_contact(email)),
            purpose: ConsentPurpose::Marketing.into(),
            channel: ConsentChannel::Email.into(),
        };
        let mut consents = ConsentServiceClient::new(self.client.channel());
        consents.check_consent(self.client.request(request)).await.expect("the consent is checked").into_inner()
    }

    /// The orders of a customer, by any of the profile's ids.
    pub async fn orders_of(&self, profile_id: &str) -> Vec<Order> {
        let filter = OrderFilter { profile_id: profile_id.to_owned(), ..OrderFilter::default() };
        let request = ListOrdersRequest { filter: Some(filter), page_size: 100, page_token: String::new() };
        let answer = OrderServiceClient::new(self.client.channel()).list_orders(self.client.request(request)).await;
        answer.expect("orders are listed").into_inner().orders
    }
}

/// A return, whatever its version is now.
#[must_use]
pub fn return_ref(order_return: &Return) -> Option<ReturnRef> {
    Some(ReturnRef { return_id: order_return.return_id.clone(), expected_version: 0, request_id: request_id() })
}

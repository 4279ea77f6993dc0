//! Whose claims are: what the identity tests share.

mod claims;
mod erasure;
mod hubs;
mod merges;
mod properties;
mod sessions;
mod suggestions;

use omnimesh_kit::call::Call;
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::{Address, Channel},
    profiles::v1::{
        AssertionOutcome, ClaimedIdentifier, Claims, GetProfileRequest, IdentifierType, MergeProfilesRequest, Profile,
        RecordAssertionsRequest, RecordAssertionsResponse, SplitProfileRequest, SplitProfileResponse,
    },
};
use tonic::Status;

use crate::world::{World, service};

pub(super) const ALL: &[&str] =
    &["profiles.read", "profiles.write", "profiles.merge", "profiles.erase", "identity.assert"];

/// Claims of a channel about the person that it knows by a reference.
#[derive(Clone, Debug)]
pub(super) struct Said(pub(super) RecordAssertionsRequest);

pub(super) fn said(channel: Channel, customer_ref: &str) -> Said {
    Said(RecordAssertionsRequest {
        channel: channel.into(),
        customer_ref: customer_ref.to_owned(),
        claims: Some(Claims::default()),
        ..RecordAssertionsRequest::default()
    })
}

impl Said {
    fn claims(mut self, change: impl FnOnce(&mut Claims)) -> Self {
        change(self.0.claims.as_mut().unwrap());
        self
    }

    pub(super) fn account(mut self, account: &str) -> Self {
        self.0.account_id = account.to_owned();
        self
    }

    pub(super) fn about(mut self, profile: &str) -> Self {
        self.0.profile_id = profile.to_owned();
        self
    }

    pub(super) fn name(self, name: &str) -> Self {
        self.claims(|claims| claims.name = name.to_owned())
    }

    pub(super) fn email(self, email: &str) -> Self {
        self.claims(|claims| claims.emails.push(email.to_owned()))
    }

    pub(super) fn phone(self, phone: &str) -> Self {
        self.claims(|claims| claims.phones.push(phone.to_owned()))
    }

    pub(super) fn born(self, date: &str) -> Self {
        self.claims(|claims| claims.birth_date = date.to_owned())
    }

    pub(super) fn lives(self, line: &str, city: &str) -> Self {
        let address = Address { lines: vec![line.to_owned()], city: city.to_owned(), ..Address::default() };
        self.claims(|claims| claims.addresses.push(address))
    }

    pub(super) fn has(self, kind: IdentifierType, value: &str) -> Self {
        let identifier = ClaimedIdentifier { r#type: kind.into(), value: value.to_owned() };
        self.claims(|claims| claims.identifiers.push(identifier))
    }

    pub(super) fn card(self, number: &str) -> Self {
        self.has(IdentifierType::LoyaltyCard, number)
    }

    pub(super) fn login(self, id: &str) -> Self {
        self.has(IdentifierType::Login, id)
    }
}

pub(super) fn partner(account: &str) -> Call {
    let mut call = service(&["profiles.write"]);
    call.caller.identity.audience = Audience::Partner.into();
    call.caller.identity.account = Some(account.to_owned());
    call
}

impl World {
    pub(super) async fn record_as(&self, call: &Call, said: Said) -> Result<RecordAssertionsResponse, Status> {
        Ok(self.client(call).record_assertions(said.0).await?.into_inner())
    }

    /// As a system of the retailer's own that knows whom it speaks of.
    pub(super) async fn record(&self, said: Said) -> RecordAssertionsResponse {
        self.record_as(&service(ALL), said).await.unwrap()
    }

    pub(super) async fn get(&self, id: &str) -> Result<Profile, Status> {
        let request = GetProfileRequest { profile_id: id.to_owned() };
        Ok(self.client(&service(ALL)).get_profile(request).await?.into_inner().profile.unwrap())
    }

    pub(super) async fn root(&self, id: &str) -> String {
        self.get(id).await.unwrap().profile_id
    }

    pub(super) async fn merge(&self, one: &str, other: &str) -> Result<(Profile, String), Status> {
        let request = MergeProfilesRequest {
            profile_id: one.to_owned(),
            other_profile_id: other.to_owned(),
            reason: "they said so".to_owned(),
            ..MergeProfilesRequest::default()
        };
        let reply = self.client(&service(ALL)).merge_profiles(request).await?.into_inner();
        Ok((reply.profile.unwrap(), reply.merge_id))
    }

    pub(super) async fn split(&self, id: &str, leaving: &[&str], merge: &str) -> Result<SplitProfileResponse, Status> {
        let request = SplitProfileRequest {
            profile_id: id.to_owned(),
            leaving_profile_ids: leaving.iter().map(|id| (*id).to_owned()).collect(),
            merge_id: merge.to_owned(),
            reason: "not the same".to_owned(),
            request_id: String::new(),
        };
        Ok(self.client(&service(ALL)).split_profile(request).await?.into_inner())
    }
}

pub(super) fn outcome(reply: &RecordAssertionsResponse) -> AssertionOutcome {
    reply.outcome()
}

pub(super) fn id(reply: &RecordAssertionsResponse) -> String {
    reply.profile.as_ref().unwrap().profile_id.clone()
}

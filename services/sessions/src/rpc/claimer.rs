//! Who claims an offer: where from, and under which name failures are counted.

use omnimesh_kit::{call::Call, error::Fault, validate::Violations};
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::{Channel, ErrorReason},
    sessions::v1::ClaimHandoffRequest,
};

use super::start_session::{channel_of_key, location_id};
use crate::error::Error;

pub(super) struct Claimer {
    pub(super) channel: Channel,
    pub(super) location: String,
    /// The associate (OIDC subject), if one claims.
    pub(super) associate: Option<String>,
    principal: String,
    client: String,
}

impl Claimer {
    /// As the credential and the request say. `None` if a field is wrong.
    pub(super) fn of(call: &Call, request: &ClaimHandoffRequest, v: &mut Violations) -> Result<Option<Self>, Error> {
        let location = location_id(v, &request.location_id);
        let (channel, associate) = match call.identity().audience() {
            Audience::Staff => (staff_channel(call, request, v), Some(call.identity().subject.clone())),
            Audience::Customer => (session_channel(call, request, v)?, None),
            _ => (key_channel(call, request, v)?, None),
        };
        let (Some(channel), Some(location)) = (channel, location) else { return Ok(None) };
        let location = if associate.is_some() { store_of(call, channel, location, v)? } else { Some(location) };
        let Some(location) = location else { return Ok(None) };
        // A key stands in many browsers: there failures are counted by the address too, so that one does not lock the others out.
        let client = match call.identity().audience() {
            Audience::Anonymous => call.identity().client.clone().unwrap_or_default(),
            _ => String::new(),
        };
        Ok(Some(Self { channel, location, associate, principal: call.principal(), client }))
    }

    /// By what failures are counted, to be hashed.
    pub(super) fn key(&self) -> [&[u8]; 2] {
        [self.principal.as_bytes(), self.client.as_bytes()]
    }
}

/// What the request names, if it names one.
fn named(request: &ClaimHandoffRequest, v: &mut Violations) -> Option<Option<Channel>> {
    if request.channel == Channel::Unspecified as i32 {
        return Some(None);
    }
    v.choice::<Channel>("channel", request.channel).map(Some)
}

/// Associates stand in a store, unless they say otherwise.
fn staff_channel(call: &Call, request: &ClaimHandoffRequest, v: &mut Violations) -> Option<Channel> {
    let own = call.identity().channel();
    let own = if own == Channel::Unspecified { Channel::Store } else { own };
    Some(named(request, v)?.unwrap_or(own))
}

/// A session's channel comes from the key that started it, and stays.
fn session_channel(call: &Call, request: &ClaimHandoffRequest, v: &mut Violations) -> Result<Option<Channel>, Error> {
    // Else an associate could go on for another customer without being named.
    if call.require_session()?.assisted_by.is_some() {
        return Err(Error::NotHandedOver("an associate claims with a staff credential"));
    }
    let own = call.identity().channel();
    let Some(named) = named(request, v) else { return Ok(None) };
    let same = named.is_none_or(|named| named == own);
    v.check("channel", same, "must be the session's own, or empty");
    Ok(same.then_some(own))
}

fn key_channel(call: &Call, request: &ClaimHandoffRequest, v: &mut Violations) -> Result<Option<Channel>, Error> {
    let Some(named) = named(request, v) else { return Ok(None) };
    let only = Some(call.identity().channel()).filter(|channel| *channel != Channel::Unspecified);
    let Some(channel) = v.required("channel", named.or(only)) else { return Ok(None) };
    channel_of_key(call, channel)?;
    Ok(Some(channel))
}

/// One of the stores where the associate works. Away from stores, such as in a call centre, none is needed.
fn store_of(call: &Call, channel: Channel, named: String, v: &mut Violations) -> Result<Option<String>, Error> {
    let identity = call.identity();
    if !named.is_empty() {
        if identity.works_at(&named) {
            return Ok(Some(named));
        }
        return Err(Fault::denied(ErrorReason::StoreDenied, "the store is not one of the caller's").into());
    }
    match identity.stores.as_slice() {
        _ if !matches!(channel, Channel::Store | Channel::Kiosk) => Ok(Some(named)),
        [only] if only != "*" => Ok(Some(only.clone())),
        _ => {
            v.add("location_id", "must be given: the store where the customer is");
            Ok(None)
        }
    }
}

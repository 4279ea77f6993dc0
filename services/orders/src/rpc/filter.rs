//! What to list, export or watch: the request's filter, checked.

use omnimesh_kit::{clock::Timestamp, ids::ProfileId, validate::Violations};
use omnimesh_proto::{common::v1::Channel, orders::v1::OrderFilter};

use crate::{domain::OrderState, error::Error, store::lists::Filter};

pub(super) fn check(filter: Option<&OrderFilter>) -> Result<Filter, Error> {
    let Some(filter) = filter else { return Ok(Filter::default()) };
    let mut v = Violations::new();
    let profile = v.parse_optional::<ProfileId>("filter.profile_id", &filter.profile_id);
    let mut states = Vec::new();
    for (place, state) in filter.states.iter().enumerate() {
        let state = OrderState::from_number(*state);
        v.check(format!("filter.states[{place}]"), state.is_some(), "must be a known state");
        states.extend(state.map(|state| state.as_str().to_owned()));
    }
    let mut channels = Vec::new();
    for (place, channel) in filter.channels.iter().enumerate() {
        let known = Channel::try_from(*channel).is_ok_and(|channel| channel != Channel::Unspecified);
        v.check(format!("filter.channels[{place}]"), known, "must be a known channel");
        channels.push(i64::from(*channel));
    }
    let location = v.text("filter.location_id", &filter.location_id, 0..=64).filter(|text| !text.is_empty());
    let account = v.text("filter.account_id", &filter.account_id, 0..=100).filter(|text| !text.is_empty());
    let mut moment = |field: &str, time: Option<&prost_types::Timestamp>| -> Option<Timestamp> {
        time.and_then(|time| v.timestamp(field, Some(time)))
    };
    let start = moment("filter.start_time", filter.start_time.as_ref());
    let end = moment("filter.end_time", filter.end_time.as_ref());
    v.finish()?;
    let profiles = profile.flatten().map(|profile| profile.0).into_iter().collect();
    Ok(Filter { profiles, account, start, end, states, channels, location, stores: Vec::new() })
}

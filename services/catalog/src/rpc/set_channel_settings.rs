//! Sets how a channel sells.

use std::collections::BTreeSet;

use omnimesh_kit::{call::Call, idempotency::Once, once, validate::Violations};
use omnimesh_proto::{
    catalog::v1::{ChannelSettings, SetChannelSettingsRequest, SetChannelSettingsResponse},
    common::v1::Channel,
};
use tonic::Response;

use super::State;
use crate::{
    domain::check,
    error::Error,
    store::{
        locations,
        settings::{self, Settings},
    },
};

const MAX_LOCATIONS: usize = 5_000;

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: SetChannelSettingsRequest,
) -> Result<Response<SetChannelSettingsResponse>, Error> {
    let once = Once::new(call, "catalog.v1.CatalogService/SetChannelSettings", &request.request_id, &request)?;
    let mut v = Violations::new();
    let sent = request.settings.unwrap_or_default();
    v.choice::<Channel>("settings.channel", sent.channel);
    v.check(
        "settings.location_ids",
        sent.location_ids.len() <= MAX_LOCATIONS,
        format!("must be at most {MAX_LOCATIONS}"),
    );
    let distinct: BTreeSet<_> = sent.location_ids.iter().collect();
    v.check("settings.location_ids", distinct.len() == sent.location_ids.len(), "must not name a location twice");
    for id in sent.location_ids.iter().take(MAX_LOCATIONS) {
        check::slug(&mut v, "settings.location_ids", id);
    }
    v.finish()?;
    let reply = once!(state.db, once, tx => {
        if let Some(unknown) = locations::unknown(&mut tx, &sent.location_ids).await?.pop() {
            return Err(Error::NotFound("location", unknown));
        }
        let settings = Settings {
            channel: sent.channel,
            prices_include_tax: sent.prices_include_tax,
            location_ids: sent.location_ids.clone(),
        };
        settings::set(&mut tx, &settings).await?;
        Ok(SetChannelSettingsResponse { settings: Some(ChannelSettings::clone(&sent)) })
    })?;
    Ok(reply.into_response())
}

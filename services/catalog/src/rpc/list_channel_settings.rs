//! How the channels sell.

use omnimesh_proto::catalog::v1::{ChannelSettings, ListChannelSettingsResponse};
use tonic::Response;

use super::State;
use crate::{error::Error, store::settings};

pub(super) async fn run(state: &State) -> Result<Response<ListChannelSettingsResponse>, Error> {
    let mut conn = state.db.read().await?;
    let settings = settings::list(&mut conn).await?.into_iter().map(|settings| ChannelSettings {
        channel: settings.channel,
        prices_include_tax: settings.prices_include_tax,
        location_ids: settings.location_ids,
    });
    Ok(Response::new(ListChannelSettingsResponse { settings: settings.collect() }))
}

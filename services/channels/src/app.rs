//! What every use case is given.

use std::time::Duration;

use omnimesh_kit::{call::Call, clock::Timestamp, links::BoundLink, service::Deps};
use omnimesh_proto::connectors::v1::connector_service_client::ConnectorServiceClient;

use crate::{domain::account::Account, settings::ChannelsSettings};

/// How long a connector may take for one call: it waits for the vendor's budget, too.
const PATIENCE: Duration = Duration::from_secs(30);

/// The service's parts. One per process.
pub(crate) struct App {
    pub(crate) settings: ChannelsSettings,
    pub(crate) deps: Deps,
}

impl App {
    pub(crate) fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// The connector of an account.
    pub(crate) fn connector(&self, account: &Account, call: &Call) -> ConnectorServiceClient<BoundLink> {
        ConnectorServiceClient::new(self.deps.links.to(&account.vendor, call).within(PATIENCE))
    }
}

//! Any vendor as the contract's `ConnectorService`.

mod checks;
mod pull;
mod rpc;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use omnimesh_kit::{
    call::Call,
    clock::Clock,
    config::{self, Settings},
    error::Fault,
    lifecycle::Lifecycle,
    links::Links,
    ratelimit::{Limit, RateLimiter},
};
use omnimesh_proto::{
    common::v1::ErrorReason,
    connectors::v1::{Capability, connector_service_server::ConnectorServiceServer},
};
use serde::Deserialize;
use tokio::time::Instant;
use tonic::{Code, service::Routes};

use crate::{Account, Accounts, Budget, Client, Failure, Fields, Flow, Operation, Reply, Vendor, client::Errand};

/// How long a call may take whose caller sets no limit.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a connector is given.
#[derive(Clone, Debug)]
pub struct ConnectorDeps {
    /// The settings; a connector reads the section of its vendor.
    pub settings: Arc<Settings>,
    /// The time.
    pub clock: Clock,
    /// Where its tasks live.
    pub lifecycle: Lifecycle,
    /// The way to channels, which keeps credentials.
    pub links: Links,
}

/// A vendor's section of the settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConnectorSettings {
    /// The accounts, by the reference that calls name.
    accounts: BTreeMap<String, Fields>,
    /// The vendor's limits, by name, where they are others than the connector knows.
    limits: BTreeMap<String, Limit>,
}

/// The gRPC server of a vendor.
///
/// # Errors
/// If its section of the settings can't be used; names the key.
pub fn routes<V: Vendor>(vendor: V, deps: ConnectorDeps) -> Result<Routes, config::Error> {
    let name = vendor.manifest().vendor;
    let settings: ConnectorSettings = deps.settings.section(name)?;
    if let Some((bucket, _)) = settings.limits.iter().find(|(_, limit)| limit.requests == 0 || limit.seconds == 0) {
        let accepted = "requests and seconds must be at least 1".to_owned();
        return Err(config::Error::at(format!("{name}.limits.{bucket}"), accepted));
    }
    let limiter = RateLimiter::open(&deps.settings, deps.clock.clone())
        .map_err(|error| config::Error::at("redis_url".to_owned(), error.to_string()))?;
    let client = Client::new(name, Budget::new(name, limiter, settings.limits))
        .map_err(|error| config::Error::at(name.to_owned(), error.to_string()))?;
    let accounts = Accounts::new(&vendor, settings.accounts, deps.links, deps.clock.clone())?;
    let inner = Inner { vendor, accounts, client, clock: deps.clock };
    let connector = Connector { inner: Arc::new(inner), lifecycle: deps.lifecycle };
    Ok(Routes::new(ConnectorServiceServer::new(connector)))
}

/// A vendor, served.
struct Connector<V: Vendor> {
    inner: Arc<Inner<V>>,
    lifecycle: Lifecycle,
}

struct Inner<V: Vendor> {
    vendor: V,
    accounts: Accounts<V::Account>,
    client: Client,
    clock: Clock,
}

/// Which flow of the vendor an RPC takes.
type Select<V, O> = for<'a> fn(&'a V) -> Option<&'a dyn Flow<O, <V as Vendor>::Account>>;

impl<V: Vendor> Inner<V> {
    /// Does an operation. What the vendor makes of it is a result; a fault is the caller's.
    async fn run<O: Operation>(
        &self,
        input: &O::Input,
        deadline: Instant,
        select: Select<V, O>,
    ) -> Result<Result<O::Output, Failure>, Fault> {
        let flow = select(&self.vendor).ok_or_else(|| absent(O::CAPABILITY))?;
        let account = &*self.accounts.open(&self.vendor, O::credentials_ref(input)).await?;
        let (most, items) = (flow.limits().max_batch, O::items(input));
        if items == 0 || (most > 0 && items > most) {
            let most = if most == 0 { "any number of".to_owned() } else { format!("1 to {most}") };
            return Err(Fault::invalid("items", format!("{most} items are accepted")));
        }
        // One moment for both steps: the reply is read as what was asked, and a watermark is older than the read.
        let (own, now) = (&account.own, self.clock.now());
        let result = match flow.request(own, input, now) {
            Ok(request) => {
                let errand = Errand { seller: &account.seller, lane: O::lane(input), deadline };
                let read = |reply: &Reply| match reply.status.is_success() {
                    true => flow.reply(own, input, reply, now),
                    false => Err(self.vendor.failure(reply)),
                };
                self.client.run(errand, &request, read).await
            }
            Err(failure) => Err(failure),
        };
        Ok(result.or_else(|failure| flow.recover(own, input, &failure).ok_or_else(|| self.tell(account, failure))))
    }

    /// A failure without what is secret, also in the log.
    fn tell(&self, account: &Account<V::Account>, failure: Failure) -> Failure {
        let failure = Failure {
            message: account.redact(&failure.message),
            code: account.redact(&failure.code),
            request_id: account.redact(&failure.request_id),
            ..failure
        };
        tracing::warn!(
            vendor = self.vendor.manifest().vendor,
            kind = failure.kind.as_str_name(),
            status = failure.status.map(|status| status.as_u16()),
            code = failure.code,
            request_id = failure.request_id,
            "the vendor did not do what it was asked"
        );
        failure
    }
}

fn absent(capability: Capability) -> Fault {
    let name = capability.as_str_name().trim_start_matches("CAPABILITY_").to_ascii_lowercase();
    let message = format!("this vendor has no {name}: Describe says what it has");
    Fault::new(Code::Unimplemented, ErrorReason::CapabilityAbsent, message)
}

/// Until when a call may take.
fn deadline<T>(request: &tonic::Request<T>) -> Result<Instant, Fault> {
    let patience = Instant::now() + PATIENCE;
    Ok(Call::of(request)?.deadline.map_or(patience, |deadline| patience.min(deadline.into())))
}

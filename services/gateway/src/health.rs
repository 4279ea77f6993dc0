//! grpc.health.v1 for the whole mesh: `""` is this gateway; a target, or a gRPC service of its contract, is as well as its
//! own process says.

use std::{collections::HashMap, pin::Pin, time::Duration};

use futures::Stream;
use http::{Request, Response};
use moka::future::Cache;
use omnimesh_kit::{auth::rules, call::Call, lifecycle::Lifecycle, links::Links, server::clarify};
use tonic::{Status, body::Body, service::Routes};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{self, HealthServer},
};
use tower::Service as _;

/// How long a target's own word is believed.
const BELIEVED: Duration = Duration::from_secs(2);
/// How long a target may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The health service.
#[derive(Clone, Debug)]
pub(crate) struct Health(Routes);

impl Health {
    pub(crate) fn new(links: Links, lifecycle: Lifecycle) -> Self {
        let known = rules()
            .filter(|rule| rule.is_public())
            .filter_map(|rule| Some((rule.service.clone(), rule.target.clone()?)));
        let mut targets: HashMap<_, _> = known.collect();
        let names: Vec<_> = targets.values().cloned().collect();
        targets.extend(names.into_iter().map(|name| (name.clone(), name)));
        let asked = Cache::builder().time_to_live(BELIEVED).build();
        Self(Routes::new(HealthServer::new(Mesh { links, lifecycle, targets, asked })).prepare())
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.0.clone().call(request).await;
        clarify(response)
    }
}

#[derive(Clone)]
struct Mesh {
    links: Links,
    lifecycle: Lifecycle,
    /// gRPC services and targets, with the target that serves them.
    targets: HashMap<String, String>,
    asked: Cache<String, ServingStatus>,
}

impl Mesh {
    /// `None`: there is no such service.
    async fn status(&self, service: &str) -> Option<ServingStatus> {
        if service.is_empty() {
            return Some(self.own());
        }
        let target = self.targets.get(service)?;
        if self.links.is_local(target) {
            return Some(self.own());
        }
        Some(self.asked.get_with_by_ref(target, self.ask(target)).await)
    }

    fn own(&self) -> ServingStatus {
        if self.lifecycle.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing }
    }

    async fn ask(&self, target: &str) -> ServingStatus {
        let link = self.links.to(target, &Call::system(crate::NAME)).within(PATIENCE);
        let request = HealthCheckRequest { service: target.to_owned() };
        match HealthClient::new(link).check(request).await {
            Ok(answer) => answer.into_inner().status(),
            Err(status) => {
                tracing::debug!(target_service = target, code = ?status.code(), "a target does not say how it is");
                ServingStatus::NotServing
            }
        }
    }
}

#[tonic::async_trait]
impl health_server::Health for Mesh {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        match self.status(&request.into_inner().service).await {
            Some(status) => Ok(tonic::Response::new(answer(status))),
            None => Err(Status::not_found("no such service: \"\" is the gateway, others have their full gRPC names")),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Says how a service is, and again whenever that changes.
    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        let (mesh, service, stop) = (self.clone(), request.into_inner().service, self.lifecycle.token());
        let changes = futures::stream::unfold(None, move |last| {
            let (mesh, service, stop) = (mesh.clone(), service.clone(), stop.clone());
            async move {
                loop {
                    let now = mesh.status(&service).await.unwrap_or(ServingStatus::ServiceUnknown);
                    if last != Some(now) {
                        return Some((Ok(answer(now)), Some(now)));
                    }
                    if stop.is_cancelled() {
                        return None;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(BELIEVED) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        });
        Ok(tonic::Response::new(Box::pin(changes)))
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

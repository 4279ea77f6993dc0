//! Where a request goes: by its path, its method and its content type.

use std::{net::SocketAddr, panic::AssertUnwindSafe};

use futures::FutureExt as _;
use http::{Method, Request, Response, StatusCode, Version, header::ORIGIN};
use omnimesh_kit::{
    auth::{RpcRule, rule},
    error::Fault,
};
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, body::Body};
use tracing::Instrument as _;

use crate::{
    body::{Verdict, Watched, refuse},
    client::Client,
    connect,
    gateway::Gateway,
    grpc_web, plain,
    protocol::{Codec, Protocol},
    trace::{self, TRACE_ID_HEADER},
};

/// What a path names.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// An RPC of the contract that somebody outside may call.
    Rpc(&'static RpcRule),
    Health,
    Reflection,
    /// Nothing; an internal RPC looks the same from outside.
    Nowhere,
}

impl Place {
    fn of(path: &str) -> Self {
        match path.rsplit_once('/') {
            Some(("/grpc.health.v1.Health", _)) => Self::Health,
            Some((
                "/grpc.reflection.v1.ServerReflection" | "/grpc.reflection.v1alpha.ServerReflection",
                "ServerReflectionInfo",
            )) => Self::Reflection,
            _ => rule(path).filter(|rule| rule.is_public()).map_or(Self::Nowhere, Self::Rpc),
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Rpc(rule) => rule.path.trim_start_matches('/'),
            Self::Health => "grpc.health.v1.Health",
            Self::Reflection => "grpc.reflection.ServerReflection",
            Self::Nowhere => "unknown",
        }
    }
}

impl Gateway {
    /// Answers any request.
    pub(crate) async fn answer(&self, peer: SocketAddr, request: Request<Body>) -> Response<Body> {
        if let Some(preflight) = self.shared.cors.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let safe = AssertUnwindSafe(self.route(peer, request)).catch_unwind().await;
        let mut response = safe.unwrap_or_else(|_| {
            tracing::error!("a request made the gateway panic");
            plain::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        });
        self.shared.cors.decorate(origin.as_ref(), response.headers_mut());
        response
    }

    async fn route(&self, peer: SocketAddr, request: Request<Body>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => return plain::health(),
            (&Method::GET | &Method::HEAD, "/readyz") => return plain::readiness(self.shared.lifecycle.is_ready()),
            _ => {}
        }
        let place = Place::of(request.uri().path());
        let is_post = request.method() == Method::POST;
        let protocol = match (Protocol::of(request.headers()), place) {
            (Some(protocol), _) if is_post => protocol,
            (_, Place::Nowhere) => return plain::not_found(),
            (None, _) if is_post => return plain::unsupported_media_type(),
            _ => return plain::method_not_allowed(),
        };
        let span = trace::span(place.method(), protocol, request.headers(), self.shared.settings.trust_trace_context);
        let call = async {
            let client = Client::of(peer, request.headers(), &self.shared.trusted_proxies);
            // Boxed: it is many kilobytes, and everything around it would be moved with it.
            let mut response = Box::pin(self.call(client, protocol, place, request)).await;
            if let Some(id) = trace::id() {
                response.headers_mut().insert(TRACE_ID_HEADER, id);
            }
            response
        };
        call.instrument(span).await
    }

    async fn call(&self, client: Client, protocol: Protocol, place: Place, request: Request<Body>) -> Response<Body> {
        match (protocol, place) {
            (Protocol::Grpc, _) if request.version() < Version::HTTP_2 => plain::needs_http2(),
            (Protocol::Grpc, _) => self.grpc(client, place, request).await,
            (Protocol::GrpcWeb, _) => grpc_web::serve(request, |request| self.grpc(client, place, request)).await,
            (Protocol::ConnectUnary(codec), Place::Rpc(rule)) if rule.is_unary() => {
                self.connect_unary(client, codec, rule, request).await
            }
            (Protocol::ConnectStream(codec), Place::Rpc(rule)) if !rule.is_unary() => {
                self.connect_stream(client, codec, rule, request).await
            }
            (_, Place::Rpc(_)) => plain::unsupported_media_type(),
            (_, Place::Health | Place::Reflection | Place::Nowhere) => connect::unknown_method(),
        }
    }

    async fn grpc(&self, client: Client, place: Place, request: Request<Body>) -> Response<Body> {
        let verdict = Verdict::default();
        let streams = match place {
            Place::Rpc(rule) => rule.client_streaming,
            Place::Reflection => true,
            Place::Health | Place::Nowhere => false,
        };
        let patience = (!streams).then(|| self.shared.settings.body_timeout());
        let watch = |body| Body::new(Watched::new(body, self.shared.message_bytes, patience, verdict.clone()));
        match place {
            Place::Rpc(rule) => match self.admit(rule, client, request.headers()).await {
                Ok(admitted) => self.forward(rule, admitted, verdict.clone(), request.map(watch)).await,
                Err(fault) => refuse(fault),
            },
            Place::Health => self.shared.health.answer(request.map(watch)).await,
            Place::Reflection => match self.visitor(request.headers()).await {
                Ok(identity) => self.shared.reflection.answer(identity.as_ref(), request.map(watch)).await,
                Err(fault) => refuse(fault),
            },
            Place::Nowhere => refuse(Fault::new(
                Code::Unimplemented,
                ErrorReason::UnknownMethod,
                "no such method: reflection lists those that there are",
            )),
        }
    }

    async fn connect_unary(
        &self,
        client: Client,
        codec: Codec,
        rule: &'static RpcRule,
        request: Request<Body>,
    ) -> Response<Body> {
        match self.admit(rule, client, request.headers()).await {
            Ok(admitted) => {
                let admitted = admitted.without_place();
                let bounds = connect::Bounds {
                    message_bytes: self.shared.message_bytes,
                    patience: self.shared.settings.body_timeout(),
                };
                let forward = |request| self.forward(rule, admitted, Verdict::default(), request);
                connect::unary(codec, rule, bounds, request, forward).await
            }
            Err(fault) => connect::refuse_unary(fault),
        }
    }

    async fn connect_stream(
        &self,
        client: Client,
        codec: Codec,
        rule: &'static RpcRule,
        request: Request<Body>,
    ) -> Response<Body> {
        match self.admit(rule, client, request.headers()).await {
            Ok(admitted) => {
                let verdict = Verdict::default();
                let patience = (!rule.client_streaming).then(|| self.shared.settings.body_timeout());
                let limit = self.shared.message_bytes;
                connect::stream(codec, rule, limit, request, verdict.clone(), |request| {
                    let watch = |body| Body::new(Watched::new(body, limit, patience, verdict.clone()));
                    self.forward(rule, admitted, verdict.clone(), request.map(watch))
                })
                .await
            }
            Err(fault) => connect::refuse_stream(codec, fault),
        }
    }
}

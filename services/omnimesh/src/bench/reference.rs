//! `omnimesh bench-reference`, which only `omnimesh bench` calls: the bare processes that the mesh is compared with.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    io::Write as _,
    net::Ipv4Addr,
    pin::Pin,
    task::{Context, Poll},
};

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::Service,
    server::{Grpc, UnaryService},
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

use super::raw::{RawClient, connect};
use crate::bytes_codec::BytesCodec;

/// What an echo answers is cut from this.
static ZEROS: [u8; 256 * 1_024] = [0; 256 * 1_024];

/// A bare tonic server: it answers every call with as many bytes as the call's first four say, or passes it on.
#[derive(Args, Clone, Debug)]
pub struct ReferenceArgs {
    /// Where to pass calls on to; left out it answers itself.
    #[arg(long)]
    next: Option<String>,
}

/// Serves until the process is ended, and says where on standard output.
///
/// # Errors
/// If it can't listen, or the next one does not answer.
pub async fn serve(args: &ReferenceArgs) -> Result<()> {
    let next = match &args.next {
        Some(address) => connect(address, 1).await?.pop().map(RawClient::new),
        None => None,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "http://{} is up", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    let router = Routes::default().into_axum_router().fallback_service(Reference { next });
    Server::builder()
        .add_routes(Routes::from(router))
        // Or the last segment of each answer waits for the acknowledgement of the one before.
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}

/// A request that an echo answers with `reply` bytes; it is `request` bytes long itself, at least four.
pub(super) fn echo_request(request: usize, reply: usize) -> Bytes {
    let reply = u32::try_from(reply.min(ZEROS.len())).unwrap_or_default();
    let mut body = reply.to_be_bytes().to_vec();
    body.resize(request.max(4), 0);
    body.into()
}

#[derive(Clone)]
struct Reference {
    next: Option<RawClient>,
}

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl<B> Service<http::Request<B>> for Reference
where
    B: tonic::codegen::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Answer {
        let path = PathAndQuery::try_from(request.uri().path()).unwrap_or_else(|_| PathAndQuery::from_static("/"));
        let mut grpc = Grpc::new(BytesCodec);
        match self.next.clone() {
            Some(client) => Box::pin(async move { Ok(grpc.unary(Forward { client, path }, request).await) }),
            // Spans that the mesh sends are taken and dropped.
            None => {
                let silent = path.path().starts_with("/opentelemetry.");
                Box::pin(async move { Ok(grpc.unary(Echo { silent }, request).await) })
            }
        }
    }
}

struct Echo {
    silent: bool,
}

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let wanted = request.get_ref().first_chunk::<4>().copied().map_or(0, u32::from_be_bytes);
        let wanted = usize::try_from(wanted).unwrap_or_default().min(ZEROS.len());
        let reply = if self.silent { Bytes::new() } else { Bytes::from_static(&ZEROS).slice(..wanted) };
        ready(Ok(Response::new(reply)))
    }
}

struct Forward {
    client: RawClient,
    path: PathAndQuery,
}

impl UnaryService<Bytes> for Forward {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (mut client, path) = (self.client.clone(), self.path.clone());
        Box::pin(async move { client.call(&path, None, request.into_inner()).await.map(Response::new) })
    }
}

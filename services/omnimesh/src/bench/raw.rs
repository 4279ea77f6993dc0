//! gRPC calls whose messages stay bytes: the driver shares the machine with what it measures, and should cost little.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::bytes_codec::BytesCodec;

/// Who calls, as the header says it.
pub(super) type Authorization = MetadataValue<Ascii>;

/// A connection for calls of bytes.
#[derive(Clone, Debug)]
pub(super) struct RawClient {
    grpc: Grpc<Channel>,
}

impl RawClient {
    pub(super) fn new(channel: Channel) -> Self {
        Self { grpc: Grpc::new(channel) }
    }

    /// One call, one answer.
    pub(super) async fn call(
        &mut self,
        path: &PathAndQuery,
        authorization: Option<&Authorization>,
        body: Bytes,
    ) -> Result<Bytes, Status> {
        self.ready().await?;
        let request = request(body, authorization);
        Ok(self.grpc.unary(request, path.clone(), BytesCodec).await?.into_inner())
    }

    /// Opens a stream in both directions.
    pub(super) async fn stream(
        &mut self,
        path: &PathAndQuery,
        authorization: Option<&Authorization>,
        messages: ReceiverStream<Bytes>,
    ) -> Result<Streaming<Bytes>, Status> {
        self.ready().await?;
        let request = request(messages, authorization);
        Ok(self.grpc.streaming(request, path.clone(), BytesCodec).await?.into_inner())
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.grpc.ready().await.map_err(|error| Status::unavailable(format!("not connected: {error}")))
    }
}

fn request<T>(message: T, authorization: Option<&Authorization>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(authorization) = authorization {
        request.metadata_mut().insert("authorization", authorization.clone());
    }
    request
}

/// Opens connections to an address such as `http://127.0.0.1:8080`.
pub(super) async fn connect(address: &str, connections: usize) -> Result<Vec<Channel>> {
    let mut channels = Vec::with_capacity(connections);
    for _ in 0..connections {
        let endpoint = Endpoint::from_shared(address.to_owned())?.tcp_nodelay(true);
        channels.push(endpoint.connect().await.with_context(|| format!("nothing answers at {address}"))?);
    }
    Ok(channels)
}

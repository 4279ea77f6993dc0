//! gRPC-Web, text and binary: tonic's own framing around the gRPC path.

use std::convert::Infallible;

use http::{
    HeaderValue, Request, Response,
    header::{ACCEPT, CONTENT_TYPE},
};
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::protocol::media_type;

/// Answers a gRPC-Web request by `grpc`, which sees and answers plain gRPC.
pub(crate) async fn serve<F>(mut request: Request<Body>, grpc: impl FnMut(Request<Body>) -> F) -> Response<Body>
where
    F: Future<Output = Response<Body>>,
{
    // The layer compares content types exactly, and answers in the form that `accept` names.
    if let Some(kind) = media_type(request.headers()).and_then(|kind| HeaderValue::try_from(kind).ok()) {
        request.headers_mut().insert(ACCEPT, kind.clone());
        request.headers_mut().insert(CONTENT_TYPE, kind);
    }
    let mut grpc = grpc;
    let inner = service_fn(move |request| {
        let answer = grpc(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let Ok(response) = GrpcWebLayer::new().layer(inner).oneshot(request).await;
    response
}

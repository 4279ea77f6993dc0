//! A call from another process finds a place in this one, or is refused at once.

use http::{Request, Response};
use tonic::{Code, body::Body};

use super::{
    handler::{Handler, Rpc, code_in, refuse},
    room::Room,
};

/// Says that a service makes the call for another one that was let in before. A hint for shedding only.
pub(crate) const NESTED_HEADER: &str = "omnimesh-nested";

#[derive(Clone, Debug)]
pub(super) struct LoadShed<S> {
    pub(super) room: Room,
    pub(super) inner: S,
}

impl<S: Handler> Handler for LoadShed<S> {
    async fn handle(&self, rpc: Rpc, request: Request<Body>) -> Response<Body> {
        // It belongs to a call that has its place in this process already.
        if rpc.in_process {
            return self.inner.handle(rpc, request).await;
        }
        let place = match self.room.enter(rpc.rule, request.headers().contains_key(NESTED_HEADER)) {
            Ok(place) => place,
            Err(fault) => return refuse(fault),
        };
        // Whoever streams to us may do so for hours before the answer begins.
        if rpc.rule.is_some_and(|rule| rule.client_streaming) {
            drop(place);
            return self.inner.handle(rpc, request).await;
        }
        // The place is kept until the answer begins: a stream that stays open for hours takes no room.
        let response = self.inner.handle(rpc, request).await;
        place.done(code_in(response.headers()).unwrap_or(Code::Ok));
        response
    }
}

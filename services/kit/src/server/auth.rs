//! The innermost layer: who calls, and whether they may. What passes carries a [`Call`].

use http::{Request, Response};
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, body::Body};
use tracing::Span;

use super::{
    clarify::clarify,
    handler::{Handler, Rpc, refuse},
};
use crate::{
    auth::{Caller, IDENTITY_HEADER, InProcess, TokenKey, decide},
    call::Call,
    error::Fault,
    telemetry::names,
};

#[derive(Clone, Debug)]
pub(super) struct Auth<S> {
    pub(super) target: &'static str,
    pub(super) keys: TokenKey,
    pub(super) inner: S,
}

impl<S: Handler> Handler for Auth<S> {
    async fn handle(&self, rpc: Rpc, mut request: Request<Body>) -> Response<Body> {
        match self.admit(rpc, &mut request).await {
            Ok(caller) => {
                describe(&caller);
                request
                    .extensions_mut()
                    .insert(Call { caller, deadline: rpc.deadline.map(tokio::time::Instant::into_std) });
                clarify(self.inner.handle(rpc, request).await)
            }
            Err(fault) => refuse(fault),
        }
    }
}

impl<S> Auth<S> {
    async fn admit(&self, rpc: Rpc, request: &mut Request<Body>) -> Result<Caller, Fault> {
        request.extensions_mut().remove::<Call>();
        let token = request.headers_mut().remove(IDENTITY_HEADER);
        let caller = match (request.extensions_mut().remove::<InProcess>(), token) {
            (Some(InProcess(caller)), _) => caller,
            (None, Some(token)) => self.keys.verify(&token, self.target).await?,
            (None, None) => {
                return Err(Fault::unauthenticated(ErrorReason::CredentialMissing, "the call carries no identity"));
            }
        };
        let Some(rule) = rpc.rule else {
            return Err(Fault::new(
                Code::Unimplemented,
                ErrorReason::UnknownMethod,
                "no such method, or nobody may call it",
            ));
        };
        decide(rule, &caller)?;
        Ok(caller)
    }
}

fn describe(caller: &Caller) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    if let Some(service) = &caller.service {
        span.record(names::CALLER, service.as_str());
    }
    span.record(names::CHANNEL, caller.identity.channel().as_str_name());
    if let Some(session) = &caller.identity.session {
        span.record(names::SESSION_ID, tracing::field::display(&session.id));
        span.record(names::JOURNEY_ID, tracing::field::display(&session.journey));
    }
}

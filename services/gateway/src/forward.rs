//! Passing a call on to the service that answers it.

use std::{pin::pin, task::Poll};

use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, Request, Response, Version};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use omnimesh_kit::{
    auth::{Caller, RpcRule},
    error::Fault,
    server::Place,
};
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, body::Body};

use crate::{
    admit::Admitted,
    authenticate::Principal,
    body::{Recheck, Verdict, broken, code_in, refuse, settle},
    frames::{PREFIX, too_large},
    gateway::Gateway,
};

/// Between the client and this gateway only: credentials, what proxies say, the client's own trace, and one connection's
/// affairs.
const NOT_PASSED_ON: [&str; 15] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "traceparent",
    "tracestate",
    "baggage",
    "connection",
    "keep-alive",
    "upgrade",
    "transfer-encoding",
];
/// The mesh's own names.
const INTERNAL_PREFIX: &str = "omnimesh-";

impl Gateway {
    /// The answer of the service that has the RPC. It is gRPC and ends with a status.
    pub(crate) async fn forward(
        &self,
        rule: &'static RpcRule,
        admitted: Admitted,
        verdict: Verdict,
        request: Request<Body>,
    ) -> Response<Body> {
        let Some(target) = rule.target.as_deref() else {
            return refuse(Fault::internal("an RPC that callers may use has no service"));
        };
        // Kept until the answer begins: a stream that stays open does not count.
        let Ok(_call) = self.shared.calls.try_acquire() else {
            let fault = Fault::new(Code::ResourceExhausted, ErrorReason::Overloaded, "too much load at the moment");
            return refuse(fault.retry_after(std::time::Duration::from_secs(1)));
        };
        let Admitted { principal, place } = admitted;
        let (mut request, place) = match self.receive(rule, place, request).await {
            Ok(received) => received,
            Err(fault) => return refuse(verdict.get().unwrap_or(fault)),
        };
        clean(request.headers_mut());
        *request.version_mut() = Version::HTTP_2;
        let mut recheck = (!rule.is_unary()).then(|| self.recheck(&principal));
        let caller = Caller { identity: principal.identity, service: None };
        let answer = self.shared.links.forward(target, caller, request);
        // A client that streams may do so for hours before the answer begins.
        let response = match &mut recheck {
            None => answer.await,
            Some(recheck) => tokio::select! {
                response = answer => response,
                fault = recheck.ended() => refuse(fault),
            },
        };
        if let Some(place) = place {
            place.done(code_in(response.headers()).unwrap_or(Code::Ok));
        }
        settle(response, verdict, recheck)
    }

    /// The whole message of a client that sends one, and the call's place. Whoever takes time to send it holds no place
    /// meanwhile, and neither does a client that streams: it may do so for hours.
    async fn receive(
        &self,
        rule: &'static RpcRule,
        mut place: Option<Place>,
        request: Request<Body>,
    ) -> Result<(Request<Body>, Option<Place>), Fault> {
        if rule.client_streaming {
            return Ok((request, None));
        }
        let (parts, body) = request.into_parts();
        let limit = self.shared.message_bytes;
        let mut whole = pin!(Limited::new(body, limit.saturating_add(PREFIX)).collect());
        let received = match futures::poll!(whole.as_mut()) {
            Poll::Ready(received) => received,
            Poll::Pending => {
                drop(place.take());
                whole.await
            }
        };
        let message = match received {
            Ok(message) => message.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_large(limit)),
            Err(error) => return Err(broken(&*error)),
        };
        let place = match place {
            Some(place) => place,
            None => self.shared.room.enter(Some(rule), false)?,
        };
        Ok((Request::from_parts(parts, Body::new(Full::new(message))), Some(place)))
    }

    fn recheck(&self, principal: &Principal) -> Recheck {
        let (gateway, credential) = (self.clone(), principal.credential.clone());
        let ask = move || {
            let (gateway, credential) = (gateway.clone(), credential.clone());
            async move { gateway.shared.authenticator.recheck(&credential).await }.boxed()
        };
        let stop = self.shared.lifecycle.token().cancelled_owned().boxed();
        Recheck::new(self.shared.settings.recheck(), ask, stop)
    }
}

/// Takes out what a service must not see, or must not believe.
fn clean(headers: &mut HeaderMap) {
    for name in NOT_PASSED_ON {
        headers.remove(name);
    }
    let internal = |name: &&HeaderName| name.as_str().starts_with(INTERNAL_PREFIX);
    let sent: Vec<_> = headers.keys().filter(internal).cloned().collect();
    for name in sent {
        headers.remove(name);
    }
}

//! Passing a call on to the service that answers it.

use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, Request, Response, Version};
use omnimesh_kit::{
    auth::{Caller, RpcRule},
    error::Fault,
};
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, body::Body};

use crate::{
    authenticate::Principal,
    body::{Recheck, Verdict, refuse, settle},
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
        principal: Principal,
        verdict: Verdict,
        mut request: Request<Body>,
    ) -> Response<Body> {
        let Some(target) = rule.target.as_deref() else {
            return refuse(Fault::internal("an RPC that callers may use has no service"));
        };
        // The place is kept until the answer begins: a stream that stays open takes no room.
        let Ok(_place) = self.shared.room.try_acquire() else {
            let fault = Fault::new(Code::ResourceExhausted, ErrorReason::Overloaded, "too much load at the moment");
            return refuse(fault.retry_after(std::time::Duration::from_secs(1)));
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
        settle(response, verdict, recheck)
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

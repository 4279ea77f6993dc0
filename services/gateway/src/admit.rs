//! Whether a call may be made at all: who calls, whether the contract lets them, and whether they called too often.

use http::HeaderMap;
use omnimesh_kit::{
    auth::{Caller, Identity, RpcRule, decide},
    error::Fault,
    server::Place,
};

use crate::{
    authenticate::{Credential, Principal},
    client::Client,
    gateway::Gateway,
    trace,
};

/// A caller who may call now.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) principal: Principal,
    /// The call's place in the process; none while its message is on its way.
    pub(crate) place: Option<Place>,
}

impl Admitted {
    /// Without the place, for a client that may take its time.
    pub(crate) fn without_place(self) -> Self {
        Self { place: None, ..self }
    }
}

impl Gateway {
    /// The caller, if they may call that RPC now. First of all there must be room for the call: to refuse costs nothing
    /// then.
    pub(crate) async fn admit(
        &self,
        rule: &'static RpcRule,
        client: Client,
        headers: &HeaderMap,
    ) -> Result<Admitted, Fault> {
        let place = Some(self.shared.room.enter(Some(rule), false)?);
        let address = if rule.limit_by_address { Some(self.shared.limits.address(client).await?) } else { None };
        let credential = Credential::in_headers(headers)?.ok_or_else(Credential::missing)?;
        let principal = self.shared.authenticator.authenticate(credential, headers).await?;
        trace::describe(&principal.identity);
        let caller = Caller { identity: Identity { client: address, ..principal.identity }, service: None };
        decide(rule, &caller)?;
        self.shared.limits.principal(&caller.identity).await?;
        let principal = Principal { identity: caller.identity, credential: principal.credential };
        Ok(Admitted { principal, place })
    }

    /// Who asks for reflection: anyone may, and a credential that is shown must be a good one.
    pub(crate) async fn visitor(&self, headers: &HeaderMap) -> Result<Option<Identity>, Fault> {
        match Credential::in_headers(headers)? {
            None => Ok(None),
            Some(credential) => Ok(Some(self.shared.authenticator.authenticate(credential, headers).await?.identity)),
        }
    }
}

//! Whether a call may be made at all: who calls, whether the contract lets them, and whether they called too often.

use http::HeaderMap;
use omnimesh_kit::{
    auth::{Caller, Identity, RpcRule, decide},
    error::Fault,
};

use crate::{
    authenticate::{Credential, Principal},
    client::Client,
    gateway::Gateway,
    trace,
};

impl Gateway {
    /// The caller, if they may call that RPC now.
    pub(crate) async fn admit(
        &self,
        rule: &'static RpcRule,
        client: Client,
        headers: &HeaderMap,
    ) -> Result<Principal, Fault> {
        let address = if rule.limit_by_address { Some(self.shared.limits.address(client).await?) } else { None };
        let credential = Credential::in_headers(headers)?.ok_or_else(Credential::missing)?;
        let principal = self.shared.authenticator.authenticate(credential, headers).await?;
        trace::describe(&principal.identity);
        let caller = Caller { identity: Identity { client: address, ..principal.identity }, service: None };
        decide(rule, &caller)?;
        self.shared.limits.principal(&caller.identity).await?;
        Ok(Principal { identity: caller.identity, credential: principal.credential })
    }

    /// Who asks for reflection: anyone may, and a credential that is shown must be a good one.
    pub(crate) async fn visitor(&self, headers: &HeaderMap) -> Result<Option<Identity>, Fault> {
        match Credential::in_headers(headers)? {
            None => Ok(None),
            Some(credential) => Ok(Some(self.shared.authenticator.authenticate(credential, headers).await?.identity)),
        }
    }
}

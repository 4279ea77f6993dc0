//! Staff: OIDC tokens of the configured issuers. Their claims name roles and stores; the settings say what a role may do.

use std::collections::BTreeMap;

use omnimesh_kit::{
    auth::{Identity, oidc::Oidc},
    clock::Clock,
    config::{IssuerKind, OidcIssuer},
    error::Fault,
};
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::{Channel, ErrorReason},
};

use crate::gateway::Error;

#[derive(Debug)]
pub(super) struct Staff {
    oidc: Oidc,
    issuers: BTreeMap<String, OidcIssuer>,
}

impl Staff {
    pub(super) fn new(issuers: &[OidcIssuer], clock: Clock) -> Result<Self, Error> {
        let staff = || issuers.iter().filter(|issuer| issuer.kind == IssuerKind::Staff);
        Ok(Self {
            oidc: Oidc::new(staff(), clock)?,
            issuers: staff().map(|issuer| (issuer.issuer.clone(), issuer.clone())).collect(),
        })
    }

    /// Which staff member's token it is.
    pub(super) async fn identify(&self, token: &str) -> Result<Identity, Fault> {
        if self.issuers.is_empty() {
            return Err(Fault::unauthenticated(
                ErrorReason::CredentialInvalid,
                "no issuer of staff tokens is configured",
            ));
        }
        let token = self.oidc.verify(token).await?;
        let issuer =
            self.issuers.get(&token.issuer).ok_or_else(|| Fault::internal("a trusted issuer is not configured"))?;
        let roles = token.texts(&issuer.roles_claim);
        let mut scopes: Vec<_> =
            roles.iter().filter_map(|role| issuer.roles.get(role)).flat_map(|scopes| scopes.iter().cloned()).collect();
        scopes.sort();
        scopes.dedup();
        Ok(Identity {
            audience: Audience::Staff.into(),
            // Two issuers may give the same subject to two people.
            subject: format!("{}|{}", token.issuer, token.subject),
            channel: Channel::Store.into(),
            scopes,
            session: None,
            stores: token.texts(&issuer.stores_claim),
            account: None,
            client: None,
        })
    }
}

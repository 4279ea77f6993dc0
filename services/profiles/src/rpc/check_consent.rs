//! CheckConsent: whether something may be sent to an address now.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::profiles::v1::{
    CheckConsentRequest, CheckConsentResponse, ConsentChannel, ConsentPurpose, ConsentReason,
};
use tonic::Response;

use super::{
    App,
    record_consent::{fits, parse},
};
use crate::{
    domain::consent::{Verdict, decide, is_marketplace_alias, needs_grant},
    error::Error,
    registry::Answer,
    store::consents,
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: CheckConsentRequest,
) -> Result<Response<CheckConsentResponse>, Error> {
    let mut v = Violations::new();
    let address = v.accept("address", parse(&call, request.address.as_ref()));
    let purpose = v.choice::<ConsentPurpose>("purpose", request.purpose);
    let channel = v.choice::<ConsentChannel>("channel", request.channel);
    if let (Some(address), Some(channel)) = (&address, channel) {
        v.check("channel", fits(address, channel), "calls and messages go to phones, e-mail to e-mail addresses");
    }
    let (address, purpose, channel) = v.finish_with((address, purpose, channel))?;
    if needs_grant(purpose) && is_marketplace_alias(&address, &app.settings.consents.marketplace_domains) {
        return Ok(answer(Verdict::no(ConsentReason::MarketplaceAddress), None));
    }
    let (mut verdict, decided_by) = {
        let mut conn = app.db.read().await?;
        let hash = app.address_hash(&address);
        if needs_grant(purpose) && consents::is_masked(&mut conn, hash).await? {
            return Ok(answer(Verdict::no(ConsentReason::MarketplaceAddress), None));
        }
        let said = consents::statements(&mut conn, hash, purpose.into(), channel.into()).await?;
        let verdict = decide(purpose, &said, app.clock.now());
        let decided_by = match verdict.decided_by {
            Some(id) => consents::consent(&mut conn, id).await?,
            None => None,
        };
        (verdict, decided_by)
    };
    // The connection is back in the pool while the registry is asked.
    if verdict.allowed && purpose == ConsentPurpose::Marketing {
        match app.registry.ask(channel, &address).await {
            Answer::NotConcerned | Answer::Consents => {}
            Answer::Refuses => verdict = Verdict::no(ConsentReason::RegistryDenied),
            Answer::Silent => verdict = Verdict::no(ConsentReason::RegistryUnavailable),
        }
    }
    let decided_by = decided_by.filter(|_| verdict.decided_by.is_some());
    Ok(answer(verdict, decided_by))
}

fn answer(
    verdict: Verdict,
    decided_by: Option<omnimesh_proto::profiles::v1::Consent>,
) -> Response<CheckConsentResponse> {
    Response::new(CheckConsentResponse { allowed: verdict.allowed, reason: verdict.reason.into(), decided_by })
}

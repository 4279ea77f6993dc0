//! StartVerification: a one-time code on its way to an address.

use omnimesh_kit::{
    call::Call, contact::Contact, error::Fault, outbox, secrets::numeric_code, transaction, validate::Violations,
};
use omnimesh_proto::sessions::v1::{StartVerificationRequest, StartVerificationResponse, VerificationRequested};
use tonic::Response;

use super::{App, Inner};
use crate::{
    domain::verification::{DIGITS, LIFETIME, VerificationId},
    error::Error,
    store::verifications::{self, NewVerification},
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: StartVerificationRequest,
) -> Result<Response<StartVerificationResponse>, Error> {
    let session = app.provable_session(call.require_session()?.id).await?;
    let mut v = Violations::new();
    let locale = session.locale.parse().ok();
    let contact = v.accept("contact", Contact::parse(&request.contact.unwrap_or_default(), locale.as_ref()));
    let (contact,) = v.finish_with((contact,))?;
    let contact_hash = app.contact_hash(&contact);
    limit(app, &session.id.to_string(), &contact_hash).await?;

    let now = app.now();
    let id = VerificationId::new(now);
    let code = numeric_code(DIGITS);
    let new = NewVerification {
        id,
        session: session.id,
        contact_hash,
        contact_sealed: app.seal(id, &contact),
        code_mac: app.code_mac(id, &code),
        code_sealed: app.deps.secrets.sealer("verification-code").seal(id.0.as_bytes(), code.as_bytes()),
        locale: session.locale.clone(),
        created_at: now,
        expires_at: now.plus(LIFETIME),
    };
    let call = session.within(&call, now);
    let requested = VerificationRequested { verification_id: id.to_string(), session_id: session.id.to_string() };
    transaction!(app.deps.db, tx => {
        verifications::insert(&mut tx, &new).await?;
        outbox::append(&mut tx, &call, &requested.verification_id, 1, &requested).await?;
        Ok::<_, Error>(())
    })?;
    if app.deps.settings.is_development() {
        print(id, &contact, &code);
    }
    let expire_time = Some(new.expires_at.to_proto());
    Ok(Response::new(StartVerificationResponse { verification_id: requested.verification_id, expire_time }))
}

/// The session's own budget first: somebody who tries many addresses must not use up theirs.
async fn limit(app: &App, session: &str, contact_hash: &[u8; 32]) -> Result<(), Fault> {
    let address: String = contact_hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let settings = &app.settings;
    app.limits
        .enforce(&format!("codes:session:{session}"), settings.codes_per_session, "codes in this session")
        .await?;
    app.limits.enforce(&format!("codes:address:{address}"), settings.codes_per_address, "codes to this address").await
}

impl Inner {
    /// By what a code is compared: a keyed hash, bound to its verification.
    pub(super) fn code_mac(&self, id: VerificationId, code: &str) -> [u8; 32] {
        self.deps.secrets.mac("verification-code", &[id.0.as_bytes(), code.as_bytes()])
    }

    /// An address as it is kept, bound to its verification.
    fn seal(&self, id: VerificationId, contact: &Contact) -> Vec<u8> {
        let text = format!("{}:{}", contact.kind(), contact.expose());
        self.deps.secrets.sealer("verification-contact").seal(id.0.as_bytes(), text.as_bytes())
    }

    /// A kept address.
    pub(super) fn open_contact(&self, id: VerificationId, sealed: &[u8]) -> Result<Contact, Fault> {
        let bytes = self.deps.secrets.sealer("verification-contact").open(id.0.as_bytes(), sealed);
        let text = String::from_utf8(bytes.map_err(Fault::internal)?).map_err(Fault::internal)?;
        let contact = match text.split_once(':') {
            Some(("email", email)) => Contact::email(email).ok(),
            Some(("phone", phone)) => Contact::phone(phone, None).ok(),
            _ => None,
        };
        contact.ok_or_else(|| Fault::internal("a kept address has an unknown form"))
    }
}

/// Development only: nothing delivers codes there. The one place that prints what belongs to a person, and only its outline.
#[expect(clippy::print_stderr, reason = "the person at the terminal is the one who tries it out")]
fn print(id: VerificationId, contact: &Contact, code: &str) {
    eprintln!("development: the code of {id} for {} is {code}", contact.masked());
}

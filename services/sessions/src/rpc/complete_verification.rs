//! CompleteVerification: the code proves the address. Each try is counted before it is compared, in the same transaction, and
//! stays counted when the call fails.

use omnimesh_kit::{call::Call, error::Fault, outbox, secrets::same_bytes, transaction, validate::Violations};
use omnimesh_proto::{
    common::v1::ErrorReason,
    sessions::v1::{CompleteVerificationRequest, CompleteVerificationResponse, ContactVerified},
};
use tonic::{Code, Response};

use super::App;
use crate::{
    domain::verification::{VerificationId, typed_code},
    error::Error,
    store,
};

enum Outcome {
    Proved,
    Wrong,
    Over,
    Unknown,
}

pub(super) async fn run(
    app: &App,
    call: Call,
    request: CompleteVerificationRequest,
) -> Result<Response<CompleteVerificationResponse>, Error> {
    let session = app.provable_session(call.require_session()?.id).await?;
    let mut v = Violations::new();
    let id = v.parse::<VerificationId>("verification_id", &request.verification_id);
    let code = v.required("code", typed_code(&request.code));
    let (id, code) = v.finish_with((id, code))?;

    let given = app.code_mac(id, &code);
    let now = app.now();
    let call = session.within(&call, now);
    let verified = ContactVerified { verification_id: id.to_string(), session_id: session.id.to_string() };
    // A wrong code is a result, not an error: the transaction that counted it commits.
    let outcome = transaction!(app.deps.db, tx => {
        let outcome = match store::verifications::count_try(&mut tx, id, session.id, now).await? {
            Some(code) if same_bytes(&code, &given) => {
                store::verifications::complete(&mut tx, id, now).await?;
                outbox::append(&mut tx, &call, &verified.verification_id, 2, &verified).await?;
                Outcome::Proved
            }
            Some(_) => Outcome::Wrong,
            None if store::verifications::asked_for(&mut tx, id, session.id).await? => Outcome::Over,
            None => Outcome::Unknown,
        };
        Ok::<_, Error>(outcome)
    })?;
    match outcome {
        Outcome::Proved => Ok(Response::new(CompleteVerificationResponse {
            verification_id: verified.verification_id,
            verify_time: Some(now.to_proto()),
        })),
        Outcome::Wrong => {
            let text = "the code is wrong: the six digits that were sent last are accepted";
            Err(Fault::new(Code::InvalidArgument, ErrorReason::CodeWrong, text).field("code", text).into())
        }
        Outcome::Over => Err(Error::CodeOver),
        Outcome::Unknown => Err(Fault::not_found("verification", verified.verification_id).into()),
    }
}

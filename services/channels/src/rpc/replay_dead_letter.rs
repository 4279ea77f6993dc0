//! ReplayDeadLetter: an order's page is pulled again, an action is sent anew.

use omnimesh_kit::{call::Call, transaction, validate::Violations};
use omnimesh_proto::channels::v1::{ReplayDeadLetterRequest, ReplayDeadLetterResponse};
use tonic::Response;

use crate::{
    app::App,
    domain::DeadLetterId,
    error::Error,
    store::{accounts, actions, dead_letters, looks, units},
};

pub(super) async fn run(
    app: &App,
    _: &Call,
    request: ReplayDeadLetterRequest,
) -> Result<Response<ReplayDeadLetterResponse>, Error> {
    let mut v = Violations::new();
    let id = v.parse::<DeadLetterId>("dead_letter_id", &request.dead_letter_id);
    let (id,) = v.finish_with((id,))?;
    transaction!(app.deps.db, tx => {
        let letter = dead_letters::take(&mut tx, id).await?.ok_or(Error::NoSuchDeadLetter)?;
        match letter.action {
            Some(action) => actions::replay(&mut tx, action).await?,
            None => {
                accounts::rewind(&mut tx, letter.account, letter.cursor).await?;
                if let Some(order) = units::forget(&mut tx, letter.account, &letter.native_id).await? {
                    looks::add(&mut tx, order).await?;
                }
            }
        }
        Ok::<_, Error>(Response::new(ReplayDeadLetterResponse {}))
    })
}

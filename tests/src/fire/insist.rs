//! A caller that does not give up: whatever gets no answer is asked again, as it was. Now and then it hangs up by itself.

use std::time::{Duration, Instant};

use rand::{Rng as _, rngs::StdRng};
use tonic::{Code, Response, Status};

use super::Field;
use crate::raw::Refusal;

/// Whoever waits longer for one answer asks again.
const PATIENCE: Duration = Duration::from_secs(20);
/// Whoever gets no answer for so long is lost.
const LIMIT: Duration = Duration::from_secs(240);
/// One call in so many is hung up after a moment.
const IMPATIENT: u32 = 20;

/// Repeats a call until it is answered; a refusal is an answer. `listens` hangs up when a fault point pauses.
pub(super) async fn insist<T>(
    field: &Field,
    chance: &mut StdRng,
    what: &'static str,
    listens: bool,
    call: impl AsyncFn() -> Result<Response<T>, Status>,
) -> Result<T, Status> {
    let mut waited = Duration::ZERO;
    loop {
        let started = Instant::now();
        let hangs_up = chance.random_ratio(1, IMPATIENT);
        let patience = if hangs_up { Duration::from_millis(chance.random_range(1..100)) } else { PATIENCE };
        let pause = Duration::from_millis(chance.random_range(50..300));
        let answer = tokio::select! {
            answer = call() => Some(answer),
            () = tokio::time::sleep(patience) => None,
            () = field.hang_up.notified(), if listens => {
                field.tally.hung_up_at_a_point();
                None
            }
        };
        match answer {
            Some(Ok(answer)) => return Ok(answer.into_inner()),
            Some(Err(status)) if is_answer(&status) => return Err(status),
            Some(Err(status)) => field.tally.failed(what, &status),
            None if hangs_up => field.tally.hung_up(),
            None => {}
        }
        tokio::time::sleep(pause).await;
        // A machine that stood still meanwhile is no slow mesh.
        waited += started.elapsed().min(PATIENCE);
        assert!(waited < LIMIT, "{what} got no answer within {LIMIT:?}");
    }
}

/// Whether repeating the call would give the same.
fn is_answer(status: &Status) -> bool {
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => true,
        // Two at once are no refusal; a cart of another version is.
        Code::Aborted => Refusal::from(status.clone()).reason != "CONTENTION",
        _ => false,
    }
}

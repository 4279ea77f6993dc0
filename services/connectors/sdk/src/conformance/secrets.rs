//! Credentials are seen by the vendor and by nobody else.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use omnimesh_proto::connectors::v1::{CheckRequest, CheckVerdict, DescribeRequest};
use tracing_subscriber::fmt::format::FmtSpan;

use super::{
    Stage, World,
    world::{ACCOUNT, GUESS, WRONG},
};
use crate::sandbox::Fault;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs, spans and replies hold no secret, even at the finest level and when the vendor sends it back; requests to the vendor
/// hold nothing of the mesh's.
pub async fn credentials_stay_between_connector_and_vendor<S: Stage>(world: &World<S>) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let mut said = format!("{:?}", world.connector().describe(DescribeRequest {}).await);
    for (account, verdict) in [(ACCOUNT, CheckVerdict::Ok), (WRONG, CheckVerdict::AuthFailed)] {
        let request = CheckRequest { credentials_ref: account.to_owned() };
        let reply = world.connector().check(request).await.expect("a verdict").into_inner();
        assert_eq!(reply.verdict(), verdict, "{reply:?}");
        said += &format!("{reply:?}");
    }
    let placed = world.stage.place();
    world.stage.faults().switch(Fault::ErrorAfter, 1, "");
    said += &format!("{:?}", world.acknowledge(&placed, std::time::Duration::from_secs(5)).await);
    said += &format!("{:?}", world.pull(Vec::new(), 0).await);
    drop(guard);

    let logged = lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let logged = String::from_utf8_lossy(&logged).into_owned();
    assert!(logged.contains("vendor call"), "nothing was logged");
    let secrets = world.stage.secrets();
    for secret in secrets.iter().map(String::as_str).chain([GUESS]) {
        assert!(!said.contains(secret), "a reply holds a secret: {said}");
        assert!(!logged.contains(secret), "the log holds a secret, in {:?}", around(&logged, secret));
    }
    for asked in world.stage.faults().asked() {
        for name in ["traceparent", "tracestate", "baggage", "omnimesh-identity"] {
            assert!(!asked.headers.contains_key(name), "{name} left the mesh");
        }
    }
}

fn around<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    text.lines().find(|line| line.contains(part))
}

//! A call is the root of its trace, and its caller can quote it.

use crate::world::{GET_PRODUCT, Plan, World};

const THEIRS: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The trace id that the caller is told, and the one that the service is given.
async fn told_and_given(trusted: bool) -> (String, String) {
    let mut plan = Plan { remote: true, ..Plan::default() };
    plan.gateway.trust_trace_context = trusted;
    let world = World::of(plan).await;
    let request = world.post(GET_PRODUCT, "application/json", "{}");
    let request = request.header("traceparent", format!("00-{THEIRS}-00f067aa0ba902b7-01"));
    let response = request.header("tracestate", "vendor=1").send().await.unwrap();
    let told = response.headers()["omnimesh-trace-id"].to_str().unwrap().to_owned();
    let (metadata, _) = world.fakes.last_seen();
    assert!(metadata.get("tracestate").is_none_or(|state| trusted || state.is_empty()));
    let given = metadata.get("traceparent").unwrap().to_str().unwrap().to_owned();
    (told, given.split('-').nth(1).unwrap().to_owned())
}

#[tokio::test]
async fn a_call_from_outside_is_a_trace_of_its_own_unless_configured() {
    let (told, given) = told_and_given(false).await;
    assert_eq!((told.len(), &told), (32, &given));
    assert_ne!(told, THEIRS);
    let (told, given) = told_and_given(true).await;
    assert_eq!((told.as_str(), given.as_str()), (THEIRS, THEIRS));
}

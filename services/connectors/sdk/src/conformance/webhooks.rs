//! Webhooks: no effect without proof, and the same key for the same delivery.

use std::time::Instant;

use omnimesh_kit::clock::Clock;
use omnimesh_proto::connectors::v1::{ReceiveWebhookRequest, ReceiveWebhookResponse, WebhookHeader, WebhookVerdict};

use super::{Stage, World, world::ACCOUNT};

async fn deliver<S: Stage>(world: &World<S>, headers: Vec<WebhookHeader>, body: Vec<u8>) -> ReceiveWebhookResponse {
    let request = ReceiveWebhookRequest {
        credentials_ref: ACCOUNT.to_owned(),
        body,
        headers,
        method: "POST".to_owned(),
        path: "/webhooks/x".to_owned(),
        receive_time: Some(Clock::System.now().to_proto()),
    };
    world.connector().receive_webhook(request).await.expect("a verdict").into_inner()
}

/// Only what is proved is read, also with letters of any script in it; a repetition has the key of the first.
pub async fn webhooks_are_proved_and_repeat_with_the_same_key<S: Stage>(world: &World<S>) {
    let placed = world.stage.place();
    let asked = world.stage.faults().asked().len();
    let (headers, body) = world.stage.webhook(&placed.order, true);
    assert!(String::from_utf8_lossy(&body).contains(&placed.text), "the webhook must hold {}", placed.text);
    let start = Instant::now();
    let first = deliver(world, headers.clone(), body.clone()).await;
    assert!(start.elapsed().as_millis() < 100, "channels has no more to spare: {:?}", start.elapsed());
    assert_eq!(first.verdict(), WebhookVerdict::Accepted, "{first:?}");
    let [event] = first.events.as_slice() else { panic!("{first:?}") };
    assert_eq!(event.order.as_ref(), Some(&placed.order));
    assert_eq!(deliver(world, headers.clone(), body.clone()).await, first, "a repetition is known by its key");

    world.stage.touch(&placed.order);
    let (headers, changed) = world.stage.webhook(&placed.order, true);
    let second = deliver(world, headers.clone(), changed).await;
    assert_ne!(second.events[0].dedupe_key, event.dedupe_key, "a change has a key of its own");

    let (unproved, body) = world.stage.webhook(&placed.order, false);
    for headers in [unproved, Vec::new()] {
        let rejected = deliver(world, headers, body.clone()).await;
        assert_eq!((rejected.verdict(), rejected.events.len()), (WebhookVerdict::RejectedSignature, 0));
    }
    assert_eq!(world.requests_since(asked), 0, "a webhook asks the vendor nothing");
}

//! Webhooks: whole packages, unsigned. A shared secret tells who may have sent one, and nothing tells what; so each is a hint
//! that a pull confirms. A webhook that gets no answer comes again every five minutes, byte for byte.

use omnimesh_connector_sdk::{
    Delivered, Received, Webhook,
    signature::{basic, shared_secret},
};
use omnimesh_proto::connectors::v1::{OrderRef, WebhookEvent};
use serde_json::value::RawValue;

use crate::{
    Trendyol,
    account::{Account, WebhookAuth},
    map,
    wire::Content,
};

impl Webhook<Account> for Trendyol {
    fn receive(&self, account: &Account, webhook: &Delivered) -> Received {
        let proved = match &account.webhook {
            WebhookAuth::None => false,
            WebhookAuth::ApiKey(keys) => shared_secret(keys, webhook.header("x-api-key")),
            WebhookAuth::Basic(username, passwords) => basic(username, passwords, webhook.header("authorization")),
        };
        if !proved {
            return Received::Rejected;
        }
        match events(&webhook.body) {
            Ok(events) => Received::Accepted(events),
            Err(problem) => Received::Malformed(problem),
        }
    }
}

fn events(body: &[u8]) -> Result<Vec<WebhookEvent>, String> {
    // A package, or packages as the rest of the API has them.
    match serde_json::from_slice::<Content>(body) {
        Ok(content) => content.content.iter().map(|raw| event(raw)).collect(),
        Err(_) => {
            let raw = serde_json::from_slice::<&RawValue>(body).map_err(|_| "not JSON".to_owned())?;
            Ok(vec![event(raw)?])
        }
    }
}

fn event(raw: &RawValue) -> Result<WebhookEvent, String> {
    let package = map::package(raw)?;
    let id = map::package_id(&package)?;
    Ok(WebhookEvent {
        dedupe_key: map::dedupe_key(&id, raw.get().as_bytes()),
        order: Some(OrderRef { native_id: id, group_id: package.order_number.to_string() }),
        raw_type: map::status(&package).to_owned(),
        occur_time: map::modified(&package),
        confirm_by_pull: true,
    })
}

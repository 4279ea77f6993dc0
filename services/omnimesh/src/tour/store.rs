//! The store's part: what a till does with an order, by a key of its own.

use std::io::Write;

use anyhow::{Context as _, Result, ensure};
use omnimesh_kit::{clock::Clock, ids::uuid_v7};
use omnimesh_proto::{
    common::v1::Channel,
    orders::v1::{
        AcceptRequest, ConfirmPickupRequest, DeliverRequest, FulfillmentState, GroupRef, MarkReadyRequest, Order,
        PackRequest, PaymentEventKind, RecordPaymentRequest, ShipRequest,
        fulfillment_service_client::FulfillmentServiceClient, payment_service_client::PaymentServiceClient,
    },
    sessions::v1::{ApiKeyKind, CreateApiKeyRequest, RevokeApiKeyRequest, api_key_service_client::ApiKeyServiceClient},
};

use super::device::{Teller, request_id};
use crate::client::Client;

/// The store and its till.
pub(super) struct Store {
    client: Client,
    key_id: String,
}

/// Calls one RPC of the fulfilment, tells it, and checks the state that it leads to.
macro_rules! fulfil {
    ($store:expr, $teller:expr, $rpc:ident, $request:expr, $what:expr, $state:ident) => {{
        let mut fulfillment = FulfillmentServiceClient::new($store.client.channel());
        let response = fulfillment.$rpc($store.client.request($request)).await?;
        let order = response.get_ref().order.clone().context("an answer without the order")?;
        let group = order.groups.first().context("an order without a group")?;
        ensure!(group.state() == FulfillmentState::$state, "the group should be {:?}", FulfillmentState::$state);
        $teller.step("store", $what, &group.group_id, &response)?;
        order
    }};
}

impl Store {
    /// Gives the store's till a key for what the story needs, for an hour at most.
    pub(super) async fn open(admin: &Client) -> Result<Self> {
        let request = CreateApiKeyRequest {
            kind: ApiKeyKind::Secret.into(),
            display_name: "till of the tour".into(),
            scopes: vec!["fulfillment.write".into(), "payments.write".into()],
            channels: vec![Channel::Store.into()],
            ttl: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
            request_id: request_id(),
            ..CreateApiKeyRequest::default()
        };
        let response = ApiKeyServiceClient::new(admin.channel()).create_api_key(admin.request(request)).await?;
        let response = response.into_inner();
        let key_id = response.api_key.context("an answer without the key")?.key_id;
        Ok(Self { client: admin.with_credential(&response.secret)?, key_id })
    }

    /// Revokes the till's key.
    pub(super) async fn close(&self, admin: &Client) -> Result<()> {
        let request = RevokeApiKeyRequest { key_id: self.key_id.clone(), request_id: request_id() };
        ApiKeyServiceClient::new(admin.channel()).revoke_api_key(admin.request(request)).await?;
        Ok(())
    }

    /// Records that the customer paid the whole total.
    pub(super) async fn record_payment<W: Write>(&self, order: &Order, teller: &mut Teller<'_, W>) -> Result<Order> {
        let request = RecordPaymentRequest {
            order_id: order.order_id.clone(),
            provider: "tour".into(),
            provider_event_id: uuid_v7(Clock::System.now()).to_string(),
            kind: PaymentEventKind::Captured.into(),
            amount: order.totals.as_ref().and_then(|totals| totals.total.clone()),
            occur_time: None,
        };
        let mut payments = PaymentServiceClient::new(self.client.channel());
        let response = payments.record_payment(self.client.request(request)).await?;
        let order = response.get_ref().order.clone().context("an answer without the order")?;
        teller.step("pay", "the payment provider reports the payment", &order.number, &response)?;
        Ok(order)
    }

    pub(super) async fn accept_and_pack<W: Write>(&self, order: &Order, teller: &mut Teller<'_, W>) -> Result<()> {
        fulfil!(self, teller, accept, AcceptRequest { group: Some(group_of(order)) }, "accepts the order", Accepted);
        let request = PackRequest { group: Some(group_of(order)), short_lines: Vec::new() };
        fulfil!(self, teller, pack, request, "packs it", Packed);
        Ok(())
    }

    pub(super) async fn mark_ready<W: Write>(&self, order: &Order, teller: &mut Teller<'_, W>) -> Result<()> {
        let request = MarkReadyRequest { group: Some(group_of(order)) };
        fulfil!(self, teller, mark_ready, request, "has it ready for pickup", ReadyForPickup);
        Ok(())
    }

    pub(super) async fn hand_over<W: Write>(
        &self,
        order: &Order,
        code: &str,
        teller: &mut Teller<'_, W>,
    ) -> Result<Order> {
        let request = ConfirmPickupRequest { group: Some(group_of(order)), code: code.into() };
        Ok(fulfil!(self, teller, confirm_pickup, request, "hands it over against the code", PickedUp))
    }

    pub(super) async fn ship<W: Write>(&self, order: &Order, teller: &mut Teller<'_, W>) -> Result<Order> {
        let request =
            ShipRequest { group: Some(group_of(order)), carrier: "Tour Express".into(), tracking_number: "T-1".into() };
        fulfil!(self, teller, ship, request, "gives it to the carrier", Shipped);
        let request = DeliverRequest { group: Some(group_of(order)) };
        Ok(fulfil!(self, teller, deliver, request, "hears that it arrived", Delivered))
    }
}

fn group_of(order: &Order) -> GroupRef {
    GroupRef { order_id: order.order_id.clone(), request_id: request_id(), ..GroupRef::default() }
}

//! `omnimesh export orders`: the order book as JSON lines.

use std::io::Write;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use omnimesh_proto::orders::v1::{ExportOrdersRequest, Order, OrderFilter, order_service_client::OrderServiceClient};
use prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use tonic::Streaming;

use crate::client::Client;

/// Writes every order, one JSON object a line (protobuf JSON, field names as in the contract's JSON form).
///
/// # Errors
/// If the mesh does not answer, or the output can't be written.
pub async fn export_orders(client: &Client, account: &str, out: &mut impl Write) -> Result<u64> {
    let descriptor = omnimesh_proto::POOL
        .get_message_by_name("omnimesh.orders.v1.Order")
        .context("the contract has no omnimesh.orders.v1.Order")?;
    let options = SerializeOptions::new();
    let bar = counter();
    let mut orders = stream_orders(client, account).await?;
    while let Some(order) = next_order(&mut orders).await? {
        let message = DynamicMessage::decode(descriptor.clone(), order.encode_to_vec().as_slice())?;
        let mut line = serde_json::Serializer::new(&mut *out);
        message.serialize_with_options(&mut line, &options)?;
        out.write_all(b"\n")?;
        bar.inc(1);
    }
    out.flush()?;
    bar.finish_and_clear();
    Ok(bar.position())
}

/// The orders of an account, or of all.
pub(super) async fn stream_orders(
    client: &Client,
    account: &str,
) -> Result<Streaming<omnimesh_proto::orders::v1::ExportOrdersResponse>> {
    let filter = OrderFilter { account_id: account.to_owned(), ..OrderFilter::default() };
    let request = client.request(ExportOrdersRequest { filter: Some(filter) });
    let mut orders = OrderServiceClient::new(client.channel());
    Ok(orders.export_orders(request).await?.into_inner())
}

/// The next order of an export.
pub(super) async fn next_order(
    orders: &mut Streaming<omnimesh_proto::orders::v1::ExportOrdersResponse>,
) -> Result<Option<Order>> {
    Ok(orders.message().await?.and_then(|response| response.order))
}

/// A counter for a stream whose length is not known.
pub(super) fn counter() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>10} {pos} {per_sec} {elapsed}");
    ProgressBar::no_length()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        .with_message("documents")
}

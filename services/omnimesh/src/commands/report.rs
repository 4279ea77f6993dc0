//! `omnimesh report sales`: reads the order book through ExportOrders and prints its figures.

use anyhow::Result;

use super::export::{counter, next_order, stream_orders};
use crate::{
    client::Client,
    report::{Sales, to_json, to_table},
};

/// Prints the report as a table or as JSON.
///
/// # Errors
/// If the mesh does not answer, or documents have several currencies and none was chosen.
pub async fn report_sales(
    client: &Client,
    account: &str,
    currency: Option<&str>,
    json: bool,
    out: &mut impl std::io::Write,
) -> Result<()> {
    let mut sales = Sales::default();
    let bar = counter();
    let mut orders = stream_orders(client, account).await?;
    while let Some(order) = next_order(&mut orders).await? {
        bar.inc(1);
        if currency.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&order.currency_code)) {
            sales.add(&order)?;
        }
    }
    bar.finish_and_clear();
    let report = sales.finish();
    if json {
        serde_json::to_writer_pretty(&mut *out, &to_json(&report))?;
        writeln!(out)?;
    } else {
        write!(out, "{}", to_table(&report))?;
    }
    Ok(())
}

//! `omnimesh report sales`: reads the order book through ExportOrders and prints its figures.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::export::{counter, next_order, stream_orders};
use crate::{
    client::Client,
    report::{Sales, SalesReport, to_json, to_table},
};

/// Prints the report as a table or as JSON, for one currency: the one chosen, else the one of most documents. What is left
/// out is said on standard error.
///
/// # Errors
/// If the mesh does not answer, or has no documents of the chosen currency.
pub async fn report_sales(
    client: &Client,
    account: &str,
    currency: Option<&str>,
    json: bool,
    out: &mut impl std::io::Write,
) -> Result<()> {
    let mut by_currency: BTreeMap<String, Sales> = BTreeMap::new();
    let bar = counter();
    let mut orders = stream_orders(client, account).await?;
    while let Some(order) = next_order(&mut orders).await? {
        bar.inc(1);
        by_currency.entry(order.currency_code.clone()).or_default().add(&order)?;
    }
    bar.finish_and_clear();
    let report = choose(by_currency.into_values().map(Sales::finish).collect(), currency)?;
    if json {
        serde_json::to_writer_pretty(&mut *out, &to_json(&report))?;
        writeln!(out)?;
    } else {
        write!(out, "{}", to_table(&report))?;
    }
    Ok(())
}

fn choose(mut reports: Vec<SalesReport>, currency: Option<&str>) -> Result<SalesReport> {
    reports.sort_by_key(|report| std::cmp::Reverse(report.invoices_all));
    let place = match currency {
        None => 0,
        Some(wanted) => {
            reports.iter().position(|report| report.currency.eq_ignore_ascii_case(wanted)).unwrap_or(usize::MAX)
        }
    };
    if currency.is_none() && reports.is_empty() {
        return Ok(SalesReport::default());
    }
    if place >= reports.len() {
        let known: Vec<_> = reports.iter().map(|report| report.currency.as_str()).collect();
        bail!("no documents of that currency; there are documents in {}", known.join(", "));
    }
    let chosen = reports.swap_remove(place);
    for left in reports.iter().filter(|_| currency.is_none()) {
        crate::say(&format!(
            "left out: {} documents in {currency} (--currency {currency})",
            left.invoices_all,
            currency = left.currency
        ));
    }
    Ok(chosen)
}

//! A unit as the document that the order book imports.

use omnimesh_kit::{
    contact::Contact,
    money::{Currency, Money},
};
use omnimesh_proto::{
    common::v1::{self as common, Channel},
    connectors::v1::{Amount, ChannelOrder, ChannelOrderLine},
    orders::v1::{DocumentKind, ImportDocument, ImportMode, LineKind, OrderLine},
};

use super::AccountId;

/// The document; `live` if it is to be fulfilled. Its error says what can't be read, without personal data.
///
/// # Errors
/// An amount or currency that the order book can't have.
pub fn document(account: AccountId, order: &ChannelOrder, live: bool) -> Result<ImportDocument, String> {
    let total = order.total.as_ref().ok_or("a unit without a total")?;
    let currency: Currency = total.currency_code.parse().map_err(|error| format!("currency: {error}"))?;
    let lines = order.lines.iter().map(|line| order_line(line, currency)).collect::<Result<_, _>>()?;
    let time = |time: &Option<omnimesh_proto::connectors::v1::VendorTime>| time.as_ref().and_then(|time| time.time);
    let update_time = time(&order.update_time).ok_or("a unit without the time of its change")?;
    // An address that is none keeps no order out.
    let contact = order.contact.as_ref().and_then(|contact| Contact::parse(contact, None).ok());
    let mode = if live { ImportMode::Live } else { ImportMode::Historical };
    Ok(ImportDocument {
        account_id: account.to_string(),
        channel_order_id: order.native_id.clone(),
        kind: DocumentKind::Sale.into(),
        mode: mode.into(),
        channel: Channel::Marketplace.into(),
        currency_code: total.currency_code.clone(),
        place_time: Some(time(&order.place_time).unwrap_or(update_time)),
        update_time: Some(update_time),
        customer_ref: order.customer_ref.clone(),
        country: order.shipping_address.as_ref().map(|address| address.country_code.clone()).unwrap_or_default(),
        lines,
        contact: contact.map(|contact| contact.to_proto()),
    })
}

fn order_line(line: &ChannelOrderLine, currency: Currency) -> Result<OrderLine, String> {
    let amount =
        |field: &str, amount: Option<&Amount>| money(amount, currency).map_err(|why| format!("{field}: {why}"));
    let total = amount("total", line.total.as_ref())?.ok_or("a line without a total")?;
    let tax_rate_ppm = ppm(&line.tax_percent).unwrap_or(0);
    let tax = total.included_rate_to_minor(tax_rate_ppm).map_err(|error| format!("tax: {error}"))?;
    let proto = |money: Option<Money>| -> Option<common::Money> { money.map(Money::to_proto) };
    Ok(OrderLine {
        line_id: line.native_id.clone(),
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: line.quantity,
        unit_price: proto(amount("unit_price", line.unit_price.as_ref())?),
        discount: proto(amount("discount", line.discount.as_ref())?),
        tax: Some(tax.to_proto()),
        tax_rate_ppm,
        total: Some(total.to_proto()),
        options: line.options.clone(),
        kind: LineKind::Sale.into(),
        ..OrderLine::default()
    })
}

fn money(amount: Option<&Amount>, currency: Currency) -> Result<Option<Money>, String> {
    let Some(amount) = amount else { return Ok(None) };
    if amount.currency_code.parse() != Ok(currency) {
        return Err(format!("another currency than {currency}"));
    }
    Money::parse_decimal(&amount.decimal, currency).map(Some).map_err(|error| error.to_string())
}

/// Percent in decimal digits as millionths; `None` if it is none, or no rate.
fn ppm(percent: &str) -> Option<i64> {
    let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
    if !percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let digits = format!("{part:0<4}");
    let (part, rest) = digits.split_at_checked(4)?;
    let exact = rest.bytes().all(|digit| digit == b'0');
    let ppm = whole.parse::<i64>().ok()?.checked_mul(10_000)?.checked_add(part.parse().ok()?)?;
    (exact && (0..=1_000_000).contains(&ppm)).then_some(ppm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_exact_or_nothing() {
        let read = [("20", 200_000), ("8.5", 85_000), ("0", 0), ("1.0001", 10_001), ("20.00000", 200_000)];
        for (text, expected) in read {
            assert_eq!(ppm(text), Some(expected), "{text}");
        }
        for text in ["", "-1", "101", "x", "1.00001", "1.-500", "%20"] {
            assert_eq!(ppm(text), None, "{text}");
        }
    }
}

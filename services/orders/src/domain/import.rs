//! Documents of other systems: what is accepted, what becomes of a restatement, and what an order of it looks like.

use std::collections::HashSet;

use omnimesh_kit::{
    clock::Timestamp,
    money::{Currency, Money},
    secrets::hash_token,
    text::nfc,
};
use omnimesh_proto::{
    common::v1::{self as common, Channel},
    orders::v1::{self as proto},
};

use super::{
    Contact, DocumentKind, ImportMode, Line, LineKind, LineSource, Order, OrderId, OrderNumber, OrderState, Payment,
    PaymentMethod, Source, Totals,
};

/// Lines of a document, at the most.
const LINES: usize = 10_000;
/// Lines of a document whose stock is reserved, at the most: one reservation holds them all.
const LIVE_LINES: usize = 500;

/// A document that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it comes from.
    pub source: Source,
    /// What it is.
    pub kind: DocumentKind,
    /// The number of common.v1.Channel.
    pub channel: i32,
    /// The currency.
    pub currency: Currency,
    /// When it was placed there.
    pub placed_at: Timestamp,
    /// The customer as the source names them.
    pub customer_ref: String,
    /// The country as the source writes it.
    pub country: String,
    /// The lines.
    pub lines: Vec<Line>,
    /// What it comes to.
    pub totals: Totals,
    /// How to reach the customer.
    pub contact: Option<Contact>,
}

impl Document {
    /// Checks a document. `account_id` and `channel` are the key's, where a partner sends it.
    ///
    /// # Errors
    /// A refusal for people: what was wrong and what would be accepted.
    pub fn check(
        document: &proto::ImportDocument,
        account_id: Option<&str>,
        channel: Option<i32>,
    ) -> Result<Self, String> {
        let account_id = text("account_id", account_id.unwrap_or(&document.account_id), 1, 100)?;
        let channel_order_id = text("channel_order_id", &document.channel_order_id, 1, 200)?;
        let kind = DocumentKind::from_number(document.kind).ok_or("kind: SALE, RETURN or ADJUSTMENT is accepted")?;
        let mode = ImportMode::from_number(document.mode).ok_or("mode: HISTORICAL or LIVE is accepted")?;
        let channel = channel.unwrap_or(document.channel);
        let channel = match Channel::try_from(channel) {
            Ok(Channel::Unspecified) => Channel::Marketplace,
            Ok(channel) => channel,
            Err(_) => return Err("channel: a known channel is accepted, or none for a marketplace".to_owned()),
        };
        let currency: Currency = document.currency_code.parse().map_err(|error| format!("currency_code: {error}"))?;
        let placed_at = moment("place_time", document.place_time.as_ref())?.ok_or("place_time: must be given")?;
        let updated_at = moment("update_time", document.update_time.as_ref())?.unwrap_or(placed_at);
        let contact = document.contact.as_ref().map(Contact::from_proto).transpose();
        let contact = contact.map_err(|problem| format!("contact: {problem}"))?;
        let most = if mode == ImportMode::Live { LIVE_LINES } else { LINES };
        if document.lines.is_empty() || document.lines.len() > most {
            return Err(format!("lines: 1 to {most} lines are accepted, {} were sent", document.lines.len()));
        }
        if mode == ImportMode::Live && kind != DocumentKind::Sale {
            return Err("mode: LIVE is for sales; returns and adjustments are accepted as HISTORICAL".to_owned());
        }
        let lines = (1..).zip(&document.lines).map(|(place, line)| {
            check_line(line, place, kind, mode, currency).map_err(|problem| format!("lines[{}].{problem}", place - 1))
        });
        let lines = lines.collect::<Result<Vec<Line>, String>>()?;
        let mut seen = HashSet::with_capacity(lines.len());
        if let Some(twice) = lines.iter().find(|line| !seen.insert(line.id.as_str())) {
            return Err(format!("lines: line_id {:?} stands twice; each line needs its own, or none", twice.id));
        }
        let totals = sum(&lines).ok_or("lines: their sum is out of range")?;
        Ok(Self {
            source: Source { account_id, channel_order_id, updated_at, mode, conflicting: false },
            kind,
            channel: channel.into(),
            currency,
            placed_at,
            customer_ref: text("customer_ref", &document.customer_ref, 0, 200)?,
            country: text("country", &document.country, 0, 100)?,
            lines,
            totals,
            contact,
        })
    }

    /// The customer as the source names them: on the document, or else on its first line that does.
    #[must_use]
    pub fn customer(&self) -> Option<&str> {
        let lines =
            self.lines.iter().filter_map(|line| line.source.as_ref()).map(|source| source.customer_ref.as_str());
        std::iter::once(self.customer_ref.as_str()).chain(lines).find(|customer_ref| !customer_ref.is_empty())
    }

    /// What tells two contents apart: SHA-256 over everything but the time of change.
    #[must_use]
    pub fn content_hash(&self) -> [u8; 32] {
        let content = (
            (self.kind, self.source.mode, self.channel, self.currency, self.placed_at),
            (&self.customer_ref, &self.country, &self.lines, &self.contact),
        );
        // Serialising owned data into memory has nothing to fail on.
        hash_token(&serde_json::to_string(&content).unwrap_or_default())
    }

    /// The order that the document becomes. A record of the past is complete; a live one waits for its stock. Either way its
    /// payment is the source's affair and counts as done.
    #[must_use]
    pub fn into_order(self, id: OrderId, number: &OrderNumber, now: Timestamp) -> Order {
        let historical = self.source.mode == ImportMode::Historical;
        Order {
            id,
            number: number.as_str().to_owned(),
            version: 1,
            events: 0,
            kind: self.kind,
            state: if historical { OrderState::Completed } else { OrderState::Confirmed },
            channel: self.channel,
            profile: None,
            session: None,
            journey: None,
            customer_ref: self.customer_ref,
            currency: self.currency,
            payment: payment_of(self.totals.total),
            lines: self.lines,
            groups: Vec::new(),
            totals: self.totals,
            contact: self.contact,
            shipping_address: None,
            payment_method: Some(PaymentMethod::Online),
            cart: None,
            created_at: now,
            placed_at: Some(self.placed_at),
            updated_at: now,
            payment_expires_at: None,
            source: Some(self.source),
            source_country: self.country,
            cancel_reason: String::new(),
            shipping_method_id: String::new(),
            promise_start: None,
            promise_end: None,
            shortfall: Vec::new(),
            returns: Vec::new(),
            erased: false,
            refusal: None,
            changes: Vec::new(),
        }
    }

    /// Replaces the content of the order that an earlier statement became.
    pub fn replace(self, order: &mut Order, now: Timestamp) {
        order.kind = self.kind;
        order.channel = self.channel;
        order.currency = self.currency;
        order.placed_at = Some(self.placed_at);
        order.customer_ref = self.customer_ref;
        order.source_country = self.country;
        order.lines = self.lines;
        order.payment = payment_of(self.totals.total);
        order.totals = self.totals;
        order.contact = self.contact;
        order.source = Some(self.source);
        order.updated_at = now;
        order.stay_erased();
    }

    /// Whether the goods are those of `order`: what stock is bound to can't be replaced.
    #[must_use]
    pub fn has_goods_of(&self, order: &Order) -> bool {
        let goods = |lines: &[Line]| -> Vec<(String, String, i64)> {
            lines.iter().map(|line| (line.id.clone(), line.sku.clone(), line.quantity)).collect()
        };
        goods(&self.lines) == goods(&order.lines)
    }
}

fn payment_of(total: i64) -> Payment {
    if total >= 0 { Payment { captured: total, ..Payment::default() } } else { Payment::default() }
}

/// What is known of a document's earlier statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// When it changed at the source.
    pub updated_at: Timestamp,
    /// Its content.
    pub hash: [u8; 32],
}

/// What becomes of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restatement {
    /// The first.
    New,
    /// Newer, with another content: it replaces the known one.
    Newer,
    /// The content is the known one. The time, if it is newer, is noted.
    Same,
    /// Older: dropped and counted.
    Older,
    /// Of the same time, with another content: kept aside.
    Conflict,
}

/// Compares a statement with what is known.
#[must_use]
pub fn restate(known: Option<Known>, updated_at: Timestamp, hash: [u8; 32]) -> Restatement {
    let Some(known) = known else { return Restatement::New };
    match updated_at.cmp(&known.updated_at) {
        std::cmp::Ordering::Less => Restatement::Older,
        _ if hash == known.hash => Restatement::Same,
        std::cmp::Ordering::Equal => Restatement::Conflict,
        std::cmp::Ordering::Greater => Restatement::Newer,
    }
}

fn check_line(
    line: &proto::OrderLine,
    place: i64,
    kind: DocumentKind,
    mode: ImportMode,
    currency: Currency,
) -> Result<Line, String> {
    let id = if line.line_id.is_empty() { place.to_string() } else { text("line_id", &line.line_id, 1, 100)? };
    let live = mode == ImportMode::Live;
    let sku = text("sku", &line.sku, usize::from(live), 200)?;
    let name = text("name", &line.name, 0, 1_000)?;
    let kind = match (LineKind::from_number(line.kind), line.kind) {
        (Some(kind), _) => kind,
        (None, 0) => match kind {
            DocumentKind::Sale => LineKind::Sale,
            DocumentKind::Return => LineKind::Return,
            DocumentKind::Adjustment => LineKind::Adjustment,
        },
        (None, _) => return Err("kind: a known kind is accepted, or none for that of the document".to_owned()),
    };
    let bound = 1_000_000_000;
    if line.quantity.abs() > bound || (live && !(1..=1_000_000).contains(&line.quantity)) {
        return Err(format!(
            "quantity: {} is out of range; LIVE lines take 1 to 1,000,000, others up to {bound} either way",
            line.quantity
        ));
    }
    let unit_price = money("unit_price", line.unit_price.as_ref(), currency)?.ok_or("unit_price: must be given")?;
    let subtotal = unit_price.checked_mul(line.quantity).ok_or("subtotal: unit_price x quantity is out of range")?;
    if let Some(given) = money("subtotal", line.subtotal.as_ref(), currency)?
        && given != subtotal
    {
        let exact = Money::from_micros(currency, subtotal);
        return Err(format!("subtotal: unit_price x quantity is {exact}; that is accepted, or nothing"));
    }
    let discount = money("discount", line.discount.as_ref(), currency)?.unwrap_or(0);
    let tax = money("tax", line.tax.as_ref(), currency)?.unwrap_or(0);
    let out_of_range = || "total: the sum is out of range".to_owned();
    let net = subtotal.checked_sub(discount).ok_or_else(out_of_range)?;
    let total = match money("total", line.total.as_ref(), currency)? {
        Some(total) => total,
        None => net.checked_add(tax).ok_or_else(out_of_range)?,
    };
    if !(0..=1_000_000).contains(&line.tax_rate_ppm) {
        return Err("tax_rate_ppm: 0 to 1,000,000 is accepted".to_owned());
    }
    if line.options.len() > 20 {
        return Err("options: at most 20 are accepted".to_owned());
    }
    let options =
        line.options.iter().map(|(key, value)| Ok((text("options", key, 1, 100)?, text("options", value, 0, 500)?)));
    let options = options.collect::<Result<_, String>>()?;
    let source = LineSource {
        time: moment("source_time", line.source_time.as_ref())?,
        customer_ref: text("source_customer_ref", &line.source_customer_ref, 0, 200)?,
        country: text("source_country", &line.source_country, 0, 100)?,
        row: line.source_row,
    };
    let source = (source != LineSource::default()).then_some(source);
    let tax_rate_ppm = line.tax_rate_ppm;
    let quantity = line.quantity;
    Ok(Line {
        id,
        sku,
        name,
        quantity,
        unit_price,
        subtotal,
        discount,
        tax,
        tax_rate_ppm,
        total,
        options,
        kind,
        fee: line.fee,
        cancelled: 0,
        source,
    })
}

/// The sums; `None` if one is out of range. Tax counts as included where the lines' totals say so.
fn sum(lines: &[Line]) -> Option<Totals> {
    let mut totals = Totals::default();
    for line in lines {
        totals.subtotal = totals.subtotal.checked_add(line.subtotal)?;
        totals.discount = totals.discount.checked_add(line.discount)?;
        totals.tax = totals.tax.checked_add(line.tax)?;
        totals.total = totals.total.checked_add(line.total)?;
    }
    totals.charged = totals.total;
    totals.tax_included = totals.tax != 0 && totals.subtotal.checked_sub(totals.discount)? == totals.total;
    Some(totals)
}

fn text(field: &str, text: &str, least: usize, most: usize) -> Result<String, String> {
    let text = if text.is_ascii() { text.to_owned() } else { nfc(text) };
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!("{field}: control characters are not accepted"));
    }
    if (least..=most).contains(&text.chars().count()) {
        return Ok(text);
    }
    Err(format!("{field}: {least} to {most} characters are accepted, {} were sent", text.chars().count()))
}

fn moment(field: &str, time: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, String> {
    let moment = |time| {
        Timestamp::from_proto(time).ok_or_else(|| format!("{field}: a moment of the years 1 to 9999 is accepted"))
    };
    time.map(moment).transpose()
}

fn money(field: &str, money: Option<&common::Money>, currency: Currency) -> Result<Option<i64>, String> {
    let Some(money) = money else { return Ok(None) };
    let money = Money::from_proto(money).map_err(|error| format!("{field}: {error}"))?;
    if money.currency == currency {
        return Ok(Some(money.micros));
    }
    Err(format!("{field}: the document is in {currency}, {} was sent; one currency is accepted", money.currency))
}

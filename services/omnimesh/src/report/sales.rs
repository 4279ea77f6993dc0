//! The sales figures: documents go in one by one, the report comes out.
//!
//! Terms, as the README gives them: a row's amount is quantity x unit price, exact. A sale line is a SALE line of a SALE
//! document. An order is a SALE document with at least one sale line. Fees (postage, vouchers, charges) are sale lines
//! that are not goods.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use omnimesh_kit::{clock::Timestamp, money::Money};
use omnimesh_proto::orders::v1::{DocumentKind, LineKind, Order, OrderLine, OrderState};
use time::OffsetDateTime;

use super::rfm::{CustomerSales, Rfm};

/// A document that the report can't count.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// An amount or time that is missing or out of range.
    #[error("document {order_id}: {what}")]
    Unreadable {
        /// The document.
        order_id: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// Orders and their gross, in micro-units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrdersAndGross {
    /// How many orders.
    pub orders: u64,
    /// Their sale lines' amounts, micro-units.
    pub gross: i128,
}

/// Everything that the report says. Amounts are micro-units of [`SalesReport::currency`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the README's table of the report's terms says what each figure is")]
pub struct SalesReport {
    pub currency: String,
    pub rows: u64,
    pub date_min: Option<Timestamp>,
    pub date_max: Option<Timestamp>,
    pub invoices_all: u64,
    pub invoices_sale_prefix: u64,
    pub invoices_cancel: u64,
    pub invoices_adjust: u64,
    pub orders_valid: u64,
    pub rows_cancel: u64,
    pub rows_negative_qty: u64,
    pub rows_negative_qty_not_cancel: u64,
    pub rows_zero_price: u64,
    pub rows_negative_price: u64,
    pub rows_no_customer: u64,
    pub rows_no_description: u64,
    pub rows_exact_duplicate_extra: u64,
    pub fee_rows_by_code: BTreeMap<String, u64>,
    pub invoices_with_two_timestamps: u64,
    pub invoices_with_two_customers: u64,
    pub customers_with_two_countries: u64,
    pub stock_codes: u64,
    pub stock_codes_case_folded: u64,
    pub countries: u64,
    pub net_all_rows: i128,
    pub gross_valid_sales: i128,
    pub cancelled_amount: i128,
    pub adjust_amount: i128,
    pub fees_amount_valid: i128,
    pub duplicate_extra_amount_valid: i128,
    pub customers_any: u64,
    pub customers_valid_sale: u64,
    pub repeat_customers: u64,
    pub anonymous_orders_valid: u64,
    pub anonymous_revenue_valid: i128,
    pub per_month: BTreeMap<String, OrdersAndGross>,
    pub per_country: BTreeMap<String, OrdersAndGross>,
    pub cancel_per_month: BTreeMap<String, u64>,
    pub products_by_units: Vec<(String, i128)>,
    pub products_by_gross: Vec<(String, i128)>,
    pub customers_by_gross: Vec<(String, i128)>,
    pub rfm: Option<Rfm>,
}

/// How many products the report names.
const TOP_PRODUCTS: usize = 20;
/// How many customers the report names.
const TOP_CUSTOMERS: usize = 10;

/// Collects documents of one currency: amounts of two are never added.
#[derive(Default)]
pub struct Sales {
    report: SalesReport,
    skus: BTreeSet<String>,
    countries: BTreeSet<String>,
    customer_countries: HashMap<String, BTreeSet<String>>,
    customers: BTreeMap<String, CustomerSales>,
    product_units: HashMap<String, i128>,
    product_gross: HashMap<String, i128>,
}

/// A line with its amounts read.
struct Row<'a> {
    line: &'a OrderLine,
    price: i64,
    amount: i128,
    time: Timestamp,
    customer: &'a str,
    country: &'a str,
    sold: bool,
}

impl Sales {
    /// Counts a document. Orders that never came to be (drafts, cancelled, expired) are left out.
    ///
    /// # Errors
    /// If an amount or time can't be read.
    pub fn add(&mut self, order: &Order) -> Result<(), ReportError> {
        if matches!(order.state(), OrderState::Draft | OrderState::Cancelled | OrderState::Expired) {
            return Ok(());
        }
        self.report.currency.clone_from(&order.currency_code);
        let rows = rows_of(order)?;
        self.count_document(order, &rows);
        self.count_rows(order, &rows);
        self.count_order(&rows);
        Ok(())
    }

    fn count_document(&mut self, order: &Order, rows: &[Row<'_>]) {
        let report = &mut self.report;
        report.invoices_all += 1;
        match order.kind() {
            DocumentKind::Return => {
                report.invoices_cancel += 1;
                if let Some(first) = rows.iter().map(|row| row.time).min() {
                    *report.cancel_per_month.entry(month(first)).or_default() += 1;
                }
            }
            DocumentKind::Adjustment => report.invoices_adjust += 1,
            DocumentKind::Sale | DocumentKind::Unspecified => report.invoices_sale_prefix += 1,
        }
        let times: HashSet<Timestamp> = rows.iter().map(|row| row.time).collect();
        report.invoices_with_two_timestamps += u64::from(times.len() > 1);
        let customers: HashSet<&str> = rows.iter().map(|row| row.customer).filter(|id| !id.is_empty()).collect();
        report.invoices_with_two_customers += u64::from(customers.len() > 1);
    }

    fn count_rows(&mut self, order: &Order, rows: &[Row<'_>]) {
        let report = &mut self.report;
        let kind = order.kind();
        let mut seen = HashSet::new();
        for row in rows {
            let line = row.line;
            report.rows += 1;
            report.date_min = Some(report.date_min.map_or(row.time, |min| min.min(row.time)));
            report.date_max = Some(report.date_max.map_or(row.time, |max| max.max(row.time)));
            report.net_all_rows += row.amount;
            match kind {
                DocumentKind::Return => {
                    report.rows_cancel += 1;
                    report.cancelled_amount += row.amount;
                }
                DocumentKind::Adjustment => report.adjust_amount += row.amount,
                DocumentKind::Sale | DocumentKind::Unspecified => {}
            }
            if line.quantity < 0 {
                report.rows_negative_qty += 1;
                report.rows_negative_qty_not_cancel += u64::from(kind != DocumentKind::Return);
            }
            report.rows_zero_price += u64::from(row.price == 0);
            report.rows_negative_price += u64::from(row.price < 0);
            report.rows_no_customer += u64::from(row.customer.is_empty());
            report.rows_no_description += u64::from(line.name.is_empty());
            if line.fee {
                *report.fee_rows_by_code.entry(line.sku.clone()).or_default() += 1;
            }
            // A duplicate has the same document, so it is enough to look within one.
            let is_new =
                seen.insert((&line.sku, &line.name, line.quantity, row.time, row.price, row.customer, row.country));
            if !is_new {
                report.rows_exact_duplicate_extra += 1;
                if row.sold {
                    report.duplicate_extra_amount_valid += row.amount;
                }
            }
            if row.sold {
                report.gross_valid_sales += row.amount;
                if line.fee {
                    report.fees_amount_valid += row.amount;
                } else {
                    *self.product_units.entry(line.sku.clone()).or_default() += i128::from(line.quantity);
                    *self.product_gross.entry(line.sku.clone()).or_default() += row.amount;
                }
            }
            self.skus.insert(line.sku.clone());
            self.countries.insert(row.country.to_owned());
            if !row.customer.is_empty() {
                self.customer_countries.entry(row.customer.to_owned()).or_default().insert(row.country.to_owned());
            }
        }
    }

    fn count_order(&mut self, rows: &[Row<'_>]) {
        let mut sold = rows.iter().filter(|row| row.sold);
        let Some(first) = sold.next() else { return };
        let (mut time, mut gross) = (first.time, first.amount);
        for row in sold {
            time = time.min(row.time);
            gross += row.amount;
        }
        let report = &mut self.report;
        report.orders_valid += 1;
        for tally in [
            report.per_month.entry(month(time)).or_default(),
            report.per_country.entry(first.country.to_owned()).or_default(),
        ] {
            tally.orders += 1;
            tally.gross += gross;
        }
        if first.customer.is_empty() {
            report.anonymous_orders_valid += 1;
            report.anonymous_revenue_valid += gross;
        } else {
            self.customers.entry(first.customer.to_owned()).or_default().add(time, gross);
        }
    }

    /// The report over all documents that went in.
    #[must_use]
    pub fn finish(mut self) -> SalesReport {
        let folded: HashSet<String> = self.skus.iter().map(|sku| sku.to_uppercase()).collect();
        let report = &mut self.report;
        report.stock_codes = self.skus.len() as u64;
        report.stock_codes_case_folded = folded.len() as u64;
        report.countries = self.countries.len() as u64;
        report.customers_any = self.customer_countries.len() as u64;
        report.customers_with_two_countries =
            self.customer_countries.values().filter(|countries| countries.len() > 1).count() as u64;
        report.customers_valid_sale = self.customers.len() as u64;
        report.repeat_customers = self.customers.values().filter(|sales| sales.orders > 1).count() as u64;
        report.products_by_units = top(self.product_units, TOP_PRODUCTS);
        report.products_by_gross = top(self.product_gross, TOP_PRODUCTS);
        let by_gross = self.customers.iter().map(|(id, sales)| (id.clone(), sales.gross)).collect();
        report.customers_by_gross = top(by_gross, TOP_CUSTOMERS);
        report.rfm = report.date_max.and_then(|last| Rfm::of(&self.customers, last));
        self.report
    }
}

fn rows_of(order: &Order) -> Result<Vec<Row<'_>>, ReportError> {
    let unreadable = |what| ReportError::Unreadable { order_id: order.order_id.clone(), what };
    let is_sale = matches!(order.kind(), DocumentKind::Sale | DocumentKind::Unspecified);
    let placed = order.place_time.as_ref().and_then(Timestamp::from_proto);
    let country = if order.source_country.is_empty() {
        order.shipping_address.as_ref().map_or("", |address| address.country_code.as_str())
    } else {
        &order.source_country
    };
    // Orders of the mesh know the customer by profile, imports by the source's own name.
    let customer = if order.customer_ref.is_empty() { &order.profile_id } else { &order.customer_ref };
    let imported = order.source.is_some();
    order
        .lines
        .iter()
        .map(|line| {
            let price = line.unit_price.as_ref().ok_or_else(|| unreadable("a line has no unit price"))?;
            let price = Money::from_proto(price).map_err(|_| unreadable("a unit price is out of range"))?.micros;
            let quantity = line.quantity - line.cancelled_quantity;
            let time = match &line.source_time {
                Some(time) => Timestamp::from_proto(time),
                None => placed,
            };
            Ok(Row {
                line,
                price,
                amount: i128::from(price) * i128::from(quantity),
                time: time.ok_or_else(|| unreadable("it has no time"))?,
                customer: if imported { &line.source_customer_ref } else { customer },
                country: if imported { &line.source_country } else { country },
                sold: is_sale && line.kind() == LineKind::Sale && quantity > 0,
            })
        })
        .collect()
}

/// The largest, ties in ascending order of the name.
fn top(tally: HashMap<String, i128>, count: usize) -> Vec<(String, i128)> {
    let mut sorted: Vec<_> = tally.into_iter().collect();
    sorted.sort_by(|(name, amount), (other_name, other)| other.cmp(amount).then_with(|| name.cmp(other_name)));
    sorted.truncate(count);
    sorted
}

/// `YYYY-MM`, UTC.
fn month(time: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(time.micros().div_euclid(1_000_000))
        .map(|date| format!("{:04}-{:02}", date.year(), u8::from(date.month())))
        .unwrap_or_default()
}

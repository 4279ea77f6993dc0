//! Orders, returns and adjustments out of rows: all rows of one number are one document, wherever they stand in the file.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use omnimesh_kit::{
    clock::Timestamp,
    money::{Currency, Money},
};
use omnimesh_proto::orders::v1::{
    DocumentKind, ImportDocument, ImportMode, ImportOrdersRequest, ImportOutcome, LineKind, OrderLine,
    order_service_client::OrderServiceClient,
};

use super::{
    Kind, Mapping, Plan,
    rows::{Fields, Refusal, Rows},
    send::{Answer, Item, Outcome, Summary, send},
    times::Times,
};
use crate::client::Client;

/// Imports a file of orders.
///
/// # Errors
/// If the file or mapping can't be used, or the mesh does not answer. Refused rows are no error: the summary has them.
pub async fn import_orders(client: &Client, plan: &Plan, mode: ImportMode) -> Result<Summary> {
    let rows = Rows::read(plan, Kind::Orders)?;
    let documents = Documents::of(&rows, mode)?;
    let mut summary = Summary { rows: rows.len(), refused: rows.refused.clone(), ..Summary::default() };
    summary.refused.extend(documents.refused);
    let open = async |requests| {
        let mut orders = OrderServiceClient::new(client.channel());
        Ok(orders.import_orders(client.request(requests)).await?.into_inner())
    };
    send(plan, &rows.digest, "documents", documents.items, &mut summary, open, |response| Answer {
        index: response.index,
        outcome: match response.outcome() {
            ImportOutcome::Created => Outcome::Created,
            ImportOutcome::Updated => Outcome::Updated,
            ImportOutcome::Unchanged => Outcome::Unchanged,
            ImportOutcome::Stale => Outcome::Stale,
            ImportOutcome::Conflict => Outcome::Conflict,
            ImportOutcome::Refused | ImportOutcome::Unspecified => Outcome::Refused(response.refusal),
        },
    })
    .await?;
    Ok(summary)
}

/// The documents of a file.
pub(super) struct Documents {
    pub(super) items: Vec<Item<ImportOrdersRequest>>,
    pub(super) refused: Vec<Refusal>,
}

/// A row that can be used.
struct Line {
    row: u64,
    line: OrderLine,
    time: Timestamp,
    currency: Currency,
}

impl Documents {
    pub(super) fn of(rows: &Rows, mode: ImportMode) -> Result<Self> {
        let reader = LineReader::new(rows)?;
        let mut order: Vec<&str> = Vec::new();
        let mut documents: HashMap<&str, Vec<std::result::Result<Line, Refusal>>> = HashMap::new();
        let mut refused = Vec::new();
        for (line, fields) in rows.iter() {
            let number = fields.get(reader.document).trim();
            if number.is_empty() {
                refused.push(Refusal { line, reason: format!("{} is empty", rows.mapping.columns.document) });
                continue;
            }
            let lines = documents.entry(number).or_insert_with(|| {
                order.push(number);
                Vec::new()
            });
            lines.push(reader.read(number, line, fields).map_err(|reason| Refusal { line, reason }));
        }

        let mut items = Vec::with_capacity(order.len());
        for number in order {
            let (good, bad): (Vec<_>, Vec<_>) =
                documents.remove(number).unwrap_or_default().into_iter().partition(std::result::Result::is_ok);
            let good: Vec<Line> = good.into_iter().flatten().collect();
            let bad: Vec<Refusal> = bad.into_iter().filter_map(std::result::Result::err).collect();
            // Half a document would be a wrong document: one bad row keeps all of it out until the row is mended.
            if let Some(first) = bad.first() {
                let reason = format!("document {number} waits for line {}", first.line);
                refused.extend(good.iter().map(|line| Refusal { line: line.row, reason: reason.clone() }));
                refused.extend(bad);
                continue;
            }
            items.push(Item {
                label: number.to_owned(),
                lines: good.iter().map(|line| line.row).collect(),
                request: ImportOrdersRequest { document: Some(document(&rows.mapping, number, mode, good)?) },
            });
        }
        refused.sort_by_key(|refusal| refusal.line);
        Ok(Self { items, refused })
    }
}

fn document(mapping: &Mapping, number: &str, mode: ImportMode, lines: Vec<Line>) -> Result<ImportDocument> {
    let kind = document_kind(mapping, number);
    let sold = || lines.iter().filter(|line| line.line.kind() == LineKind::Sale);
    let place_time = sold().map(|line| line.time).min().or_else(|| lines.iter().map(|line| line.time).min());
    let place_time = place_time.context("a document without lines")?;
    let first = sold().next().or(lines.first()).context("a document without lines")?;
    Ok(ImportDocument {
        account_id: mapping.account.clone(),
        channel_order_id: number.to_owned(),
        kind: kind.into(),
        mode: mode.into(),
        channel: mapping.channel()?.into(),
        currency_code: first.currency.code().to_owned(),
        place_time: Some(place_time.to_proto()),
        update_time: None,
        customer_ref: first.line.source_customer_ref.clone(),
        country: first.line.source_country.clone(),
        lines: lines.into_iter().map(|line| line.line).collect(),
        contact: None,
    })
}

fn document_kind(mapping: &Mapping, number: &str) -> DocumentKind {
    let starts = |prefixes: &[String]| prefixes.iter().any(|prefix| number.starts_with(prefix.as_str()));
    if starts(&mapping.documents.return_prefixes) {
        DocumentKind::Return
    } else if starts(&mapping.documents.adjustment_prefixes) {
        DocumentKind::Adjustment
    } else {
        DocumentKind::Sale
    }
}

/// What a row is, by its document, quantity and price.
fn line_kind(document: DocumentKind, quantity: i64, price: i64) -> LineKind {
    match document {
        DocumentKind::Return => LineKind::Return,
        DocumentKind::Adjustment => LineKind::Adjustment,
        DocumentKind::Sale | DocumentKind::Unspecified => match (quantity.signum(), price.signum()) {
            (1, 1) => LineKind::Sale,
            (1, 0) => LineKind::Gift,
            (-1, 0) => LineKind::WriteOff,
            _ => LineKind::Correction,
        },
    }
}

/// Reads lines by the mapping's columns.
struct LineReader<'a> {
    mapping: &'a Mapping,
    times: Times,
    currency: Option<Currency>,
    document: Option<usize>,
    sku: Option<usize>,
    name: Option<usize>,
    quantity: Option<usize>,
    unit_price: Option<usize>,
    time: Option<usize>,
    customer: Option<usize>,
    country: Option<usize>,
    currency_column: Option<usize>,
}

impl<'a> LineReader<'a> {
    fn new(rows: &'a Rows) -> Result<Self> {
        let mapping = &rows.mapping;
        let columns = &mapping.columns;
        let currency = match mapping.currency.as_str() {
            "" => None,
            code => Some(code.parse::<Currency>()?),
        };
        Ok(Self {
            mapping,
            times: Times::of(&mapping.time)?,
            currency,
            document: rows.column(&columns.document),
            sku: rows.column(&columns.sku),
            name: rows.column(&columns.name),
            quantity: rows.column(&columns.quantity),
            unit_price: rows.column(&columns.unit_price),
            time: rows.column(&columns.time),
            customer: rows.column(&columns.customer),
            country: rows.column(&columns.country),
            currency_column: rows.column(&columns.currency),
        })
    }

    fn read(&self, number: &str, row: u64, fields: Fields<'_>) -> std::result::Result<Line, String> {
        let columns = &self.mapping.columns;
        let sku = fields.get(self.sku);
        if sku.is_empty() {
            return Err(format!("{} is empty", columns.sku));
        }
        let quantity = fields.get(self.quantity).trim();
        let quantity =
            whole_number(quantity).ok_or_else(|| format!("{} {quantity:?} is not a whole number", columns.quantity))?;
        let currency = match self.currency {
            Some(currency) => currency,
            None => {
                let code = fields.get(self.currency_column).trim();
                code.parse().map_err(|_| format!("{} {code:?} is not an ISO 4217 code", columns.currency))?
            }
        };
        let price = fields.get(self.unit_price).trim();
        let price = Money::parse_decimal(price, currency)
            .map_err(|error| format!("{} {price:?}: {error}", columns.unit_price))?;
        let time = fields.get(self.time).trim();
        let time = self.times.read(&columns.time, time)?;
        let subtotal = price.checked_mul_int(quantity).map_err(|error| format!("price x quantity: {error}"))?;
        let line = OrderLine {
            line_id: row.to_string(),
            sku: sku.to_owned(),
            name: fields.get(self.name).to_owned(),
            quantity,
            unit_price: Some(price.to_proto()),
            subtotal: Some(subtotal.to_proto()),
            kind: line_kind(document_kind(self.mapping, number), quantity, price.micros).into(),
            fee: self.mapping.fees.contains(sku),
            source_time: Some(time.to_proto()),
            source_customer_ref: fields.get(self.customer).trim().to_owned(),
            source_country: fields.get(self.country).trim().to_owned(),
            source_row: i64::try_from(row).unwrap_or(i64::MAX),
            ..OrderLine::default()
        };
        Ok(Line { row, line, time, currency })
    }
}

/// A whole number, also as `6.0`, which spreadsheets like to write.
fn whole_number(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use omnimesh_proto::orders::v1::{Order, OrderState, Source};
    use serde_json::Value;

    use super::*;
    use crate::report::{Sales, to_json};

    const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    fn read(csv: &str) -> Documents {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.csv");
        fs::write(&file, format!("{HEADER}{csv}")).unwrap();
        documents(&file)
    }

    fn documents(file: &Path) -> Documents {
        let plan = Plan { file: file.to_owned(), mapping: None, checkpoints: file.with_extension("imports") };
        let rows = Rows::read(&plan, Kind::Orders).unwrap();
        assert!(rows.refused.is_empty(), "{:?}", rows.refused);
        Documents::of(&rows, ImportMode::Historical).unwrap()
    }

    fn document_of(item: &Item<ImportOrdersRequest>) -> &ImportDocument {
        item.request.document.as_ref().unwrap()
    }

    /// The order that the order book makes of a document, as far as the report reads it.
    fn order_of(item: &Item<ImportOrdersRequest>) -> Order {
        let document = document_of(item).clone();
        Order {
            kind: document.kind,
            state: OrderState::Completed.into(),
            currency_code: document.currency_code,
            place_time: document.place_time,
            lines: document.lines,
            source: Some(Source::default()),
            ..Order::default()
        }
    }

    #[test]
    fn rows_of_one_number_are_one_document_wherever_they_stand() {
        let documents = read(
            "2,A,APPLE ,1,2011-01-02 10:00:00,0.001,7,France\n\
             C3,A,APPLE,-1,2011-01-02 10:00:00,2.5,,France\n\
             2,B,,-3,2011-01-01 09:00:00,0,7,France\n\
             2,C,CAKE,2,2011-01-01 10:30:00,1.25,7,France\n",
        );
        assert!(documents.refused.is_empty(), "{:?}", documents.refused);
        let [sale, returned] = documents.items.as_slice() else { panic!("two documents") };
        assert_eq!(sale.lines, [2, 4, 5]);
        let sale = document_of(sale);
        assert_eq!(sale.kind(), DocumentKind::Sale);
        let kinds: Vec<_> = sale.lines.iter().map(OrderLine::kind).collect();
        assert_eq!(kinds, [LineKind::Sale, LineKind::WriteOff, LineKind::Sale]);
        assert_eq!(sale.lines[0].name, "APPLE ", "text stays as written");
        assert_eq!(sale.lines[0].unit_price.as_ref().unwrap().nanos, 1_000_000);
        // The earliest sale line's time, not the write-off's.
        let placed = Timestamp::from_proto(sale.place_time.as_ref().unwrap()).unwrap();
        assert_eq!(placed.to_string(), "2011-01-01T10:30:00Z");
        assert_eq!(document_of(returned).kind(), DocumentKind::Return);
    }

    #[test]
    fn a_bad_row_keeps_its_document_out_and_no_other() {
        let documents = read(
            "1,A,APPLE,1,2011-01-01 10:00:00,1,7,France\n\
             2,A,APPLE,one,2011-01-01 10:00:00,1,7,France\n\
             2,B,BEER,1,2011-01-01 10:00:00,1,7,France\n\
             ,B,BEER,1,2011-01-01 10:00:00,1,7,France\n\
             3,B,BEER,1,01/02/2011,1,7,France\n\
             4,B,BEER,1,2011-01-01 10:00:00,1.0000001,7,France\n",
        );
        assert_eq!(documents.items.len(), 1);
        let refused: Vec<_> = documents.refused.iter().map(|refusal| (refusal.line, refusal.reason.as_str())).collect();
        assert_eq!(refused.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
        assert_eq!(refused[0].1, "Quantity \"one\" is not a whole number");
        assert_eq!(refused[1].1, "document 2 waits for line 3");
        assert_eq!(refused[2].1, "InvoiceNo is empty");
        assert!(refused[3].1.starts_with("InvoiceDate \"01/02/2011\" is not a time of the form"), "{}", refused[3].1);
        assert!(refused[4].1.starts_with("UnitPrice \"1.0000001\""), "{}", refused[4].1);
    }

    /// The real file, where it is at hand: every figure of its truth.
    #[test]
    fn the_report_of_the_real_file_is_its_truth() {
        let Some(data) = crate::test_data::folder() else { return };
        let truth: Value = serde_json::from_slice(&fs::read(data.join("retail-public.truth.json")).unwrap()).unwrap();
        let documents = documents(&data.join("retail-public.csv.gz"));
        assert!(documents.refused.is_empty());
        let mut sales = Sales::default();
        for item in &documents.items {
            sales.add(&order_of(item)).unwrap();
        }
        let report = to_json(&sales.finish());
        let differences = crate::test_data::differences(&truth, &report);
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

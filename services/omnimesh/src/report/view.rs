//! The sales report as JSON for programs and as text for people.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value, json};

use super::{
    rfm::{Rfm, Score},
    sales::{OrdersAndGross, SalesReport},
};

/// The report as JSON. Amounts are numbers in units of the currency, exact to the last decimal of the data.
#[must_use]
pub fn to_json(report: &SalesReport) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("currency", json!(report.currency));
    put("rows", json!(report.rows));
    put("date_min", json!(report.date_min.map(date_time)));
    put("date_max", json!(report.date_max.map(date_time)));
    put("invoices_all", json!(report.invoices_all));
    put("invoices_sale_prefix", json!(report.invoices_sale_prefix));
    put("invoices_cancel", json!(report.invoices_cancel));
    put("invoices_adjust_A", json!(report.invoices_adjust));
    put("orders_valid", json!(report.orders_valid));
    put("rows_cancel", json!(report.rows_cancel));
    put("rows_negative_qty", json!(report.rows_negative_qty));
    put("rows_negative_qty_not_cancel", json!(report.rows_negative_qty_not_cancel));
    put("rows_zero_price", json!(report.rows_zero_price));
    put("rows_negative_price", json!(report.rows_negative_price));
    put("rows_no_customer", json!(report.rows_no_customer));
    put("rows_no_description", json!(report.rows_no_description));
    put("rows_exact_duplicate_extra", json!(report.rows_exact_duplicate_extra));
    put("rows_fee_codes", json!(report.fee_rows_by_code.values().sum::<u64>()));
    put("fee_rows_by_code", json!(report.fee_rows_by_code));
    put("invoices_with_two_timestamps", json!(report.invoices_with_two_timestamps));
    put("invoices_with_two_customers", json!(report.invoices_with_two_customers));
    put("customers_with_two_countries", json!(report.customers_with_two_countries));
    put("stock_codes", json!(report.stock_codes));
    put("stock_codes_case_folded", json!(report.stock_codes_case_folded));
    put("countries", json!(report.countries));
    put("net_all_rows", amount(report.net_all_rows));
    put("gross_valid_sales", amount(report.gross_valid_sales));
    put("gross_valid_sales_without_fees", amount(report.gross_valid_sales - report.fees_amount_valid));
    put("cancelled_amount", amount(report.cancelled_amount));
    put("adjust_A_amount", amount(report.adjust_amount));
    put("fees_amount_valid", amount(report.fees_amount_valid));
    put("duplicate_extra_amount_valid", amount(report.duplicate_extra_amount_valid));
    put("aov_valid", amount(average_order(report)));
    put("customers_any", json!(report.customers_any));
    put("customers_valid_sale", json!(report.customers_valid_sale));
    put("customers_only_cancel", json!(report.customers_any.saturating_sub(report.customers_valid_sale)));
    put("repeat_customers", json!(report.repeat_customers));
    put("repeat_rate", amount(repeat_rate(report)));
    put("anonymous_orders_valid", json!(report.anonymous_orders_valid));
    put("anonymous_revenue_valid", amount(report.anonymous_revenue_valid));
    put("per_month", tallies(&report.per_month));
    put("per_country", tallies(&report.per_country));
    put("cancel_per_month", json!(report.cancel_per_month));
    put("top20_products_by_units", named(&report.products_by_units, "stock", "units", |units| json!(units)));
    put("top20_products_by_gross", named(&report.products_by_gross, "stock", "gross", amount));
    put("top10_customers_by_gross", named(&report.customers_by_gross, "customer", "gross", amount));
    put("rfm", report.rfm.as_ref().map_or(Value::Null, rfm));
    Value::Object(object)
}

/// Gross per order, micro-units, rounded half up.
fn average_order(report: &SalesReport) -> i128 {
    divide_rounded(report.gross_valid_sales, report.orders_valid)
}

/// Customers with two or more orders per customer, in millionths, rounded half up.
fn repeat_rate(report: &SalesReport) -> i128 {
    divide_rounded(i128::from(report.repeat_customers) * 1_000_000, report.customers_valid_sale)
}

fn divide_rounded(numerator: i128, denominator: u64) -> i128 {
    let denominator = i128::from(denominator.max(1));
    (numerator * 2 + denominator).div_euclid(denominator * 2)
}

/// Millionths as a JSON number.
fn amount(micros: i128) -> Value {
    // The shortest decimal that names the number: exact up to 15 digits, more than any amount here has.
    decimal(micros).parse::<f64>().map_or(Value::Null, |number| json!(number))
}

/// Millionths as decimal text without needless zeros.
fn decimal(micros: i128) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let fraction = format!("{:06}", micros % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    let whole = micros / 1_000_000;
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn date_time(time: omnimesh_kit::clock::Timestamp) -> String {
    time.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

fn tallies(tallies: &BTreeMap<String, OrdersAndGross>) -> Value {
    let mut sorted: Vec<_> = tallies.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let object: Map<String, Value> = sorted
        .into_iter()
        .map(|(name, tally)| (name.clone(), json!({ "orders": tally.orders, "gross": amount(tally.gross) })))
        .collect();
    Value::Object(object)
}

fn named(rows: &[(String, i128)], name: &str, value: &str, show: impl Fn(i128) -> Value) -> Value {
    rows.iter().map(|(key, number)| json!({ name: key, value: show(*number) })).collect()
}

fn rfm(rfm: &Rfm) -> Value {
    let scores = &rfm.scores;
    let edges = |quintile: fn(&Score) -> u8, value: &dyn Fn(&Score) -> Value, key: &dyn Fn(&Score) -> i128| {
        let object: Map<String, Value> = (1..=5)
            .filter_map(|wanted| {
                let members = || scores.iter().filter(|score| quintile(score) == wanted);
                let (low, high) =
                    (members().min_by_key(|score| key(score))?, members().max_by_key(|score| key(score))?);
                Some((wanted.to_string(), json!([value(low), value(high)])))
            })
            .collect();
        Value::Object(object)
    };
    let by_m: Map<String, Value> = (1..=5)
        .map(|wanted| {
            let sum = scores.iter().filter(|score| score.m == wanted).map(|score| score.m_micros).sum();
            (wanted.to_string(), amount(sum))
        })
        .collect();
    let all: Map<String, Value> =
        scores.iter().map(|score| (score.customer.clone(), json!([score.r, score.f, score.m]))).collect();
    json!({
        "snapshot": date_time(rfm.snapshot),
        "customers": scores.len(),
        "R_edges": edges(|score| score.r, &|score| json!(score.r_days), &|score| i128::from(score.r_days)),
        "F_edges": edges(|score| score.f, &|score| json!(score.f_orders), &|score| i128::from(score.f_orders)),
        "M_edges": edges(|score| score.m, &|score| amount(score.m_micros), &|score| score.m_micros),
        "tie_free_check": {
            "R_sum": scores.iter().map(|score| score.r_days).sum::<i64>(),
            "F_sum": scores.iter().map(|score| score.f_orders).sum::<i64>(),
            "M_sum": amount(scores.iter().map(|score| score.m_micros).sum()),
        },
        "M_quintile_gross": by_m,
        "champions_555": scores.iter().filter(|score| (score.r, score.f, score.m) == (5, 5, 5)).count(),
        "sha256_of_lines": rfm.digest(),
        "scores": all,
    })
}

/// The report as text: headline figures, months, countries, products and customers.
#[must_use]
pub fn to_table(report: &SalesReport) -> String {
    let mut text = String::new();
    // Writing into a String can't fail.
    let _ = write_table(&mut text, report);
    text
}

fn write_table(text: &mut String, report: &SalesReport) -> std::fmt::Result {
    let currency = &report.currency;
    let money = |micros: i128| format!("{} {currency}", grouped(micros));
    let percent = decimal(repeat_rate(report) * 100);
    writeln!(text, "Sales, {} documents of {} rows", report.invoices_all, report.rows)?;
    for (name, value) in [
        ("gross", money(report.gross_valid_sales)),
        ("  of it fees", money(report.fees_amount_valid)),
        ("returns", money(report.cancelled_amount)),
        ("adjustments", money(report.adjust_amount)),
        ("net of all rows", money(report.net_all_rows)),
        ("orders", report.orders_valid.to_string()),
        ("average order", money(average_order(report))),
        ("customers", report.customers_valid_sale.to_string()),
        ("repeat rate", format!("{percent} %")),
        ("orders without customer", report.anonymous_orders_valid.to_string()),
    ] {
        writeln!(text, "  {name:<26}{value:>24}")?;
    }
    for (title, tallies, by_gross) in
        [("By month", &report.per_month, false), ("By country", &report.per_country, true)]
    {
        writeln!(text, "\n{title:<28}{:>10}{:>24}", "orders", "gross")?;
        let mut rows: Vec<_> = tallies.iter().collect();
        if by_gross {
            rows.sort_by_key(|(_, tally)| -tally.gross);
        }
        for (name, tally) in rows {
            writeln!(text, "  {name:<26}{:>10}{:>24}", tally.orders, money(tally.gross))?;
        }
    }
    for (title, rows, is_money) in [
        ("Top products by units", &report.products_by_units, false),
        ("Top products by gross", &report.products_by_gross, true),
        ("Top customers by gross", &report.customers_by_gross, true),
    ] {
        writeln!(text, "\n{title}")?;
        for (name, number) in rows.iter().take(10) {
            let shown = if is_money { money(*number) } else { number.to_string() };
            writeln!(text, "  {name:<36}{shown:>24}")?;
        }
    }
    if let Some(rfm) = &report.rfm {
        let best = rfm.scores.iter().filter(|score| (score.r, score.f, score.m) == (5, 5, 5)).count();
        writeln!(text, "\nRecency, frequency, monetary value: quintiles, 5 the best ({best} customers are 5-5-5)")?;
        writeln!(text, "  {:<10}{:>16}{:>16}{:>36}", "quintile", "days since", "orders", "spent")?;
        for quintile in (1..=5u8).rev() {
            let range = |members: Vec<i128>, show: &dyn Fn(i128) -> String| match (
                members.iter().min().copied(),
                members.iter().max().copied(),
            ) {
                (Some(low), Some(high)) => format!("{} - {}", show(low), show(high)),
                _ => "-".to_owned(),
            };
            let of = |pick: fn(&Score) -> u8, value: fn(&Score) -> i128| {
                rfm.scores.iter().filter(|score| pick(score) == quintile).map(value).collect::<Vec<_>>()
            };
            let days = range(of(|score| score.r, |score| i128::from(score.r_days)), &|days| days.to_string());
            let orders = range(of(|score| score.f, |score| i128::from(score.f_orders)), &|orders| orders.to_string());
            let spent = range(of(|score| score.m, |score| score.m_micros), &grouped);
            writeln!(text, "  {quintile:<10}{days:>16}{orders:>16}{spent:>36}")?;
        }
    }
    Ok(())
}

/// Millionths as text with thousands grouped and at least two decimals.
fn grouped(micros: i128) -> String {
    let plain = decimal(micros);
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut groups = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            groups.push(',');
        }
        groups.push(digit);
    }
    format!("{sign}{groups}.{fraction:0<2}")
}

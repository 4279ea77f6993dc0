//! CSV and mappings: `orders`, `products` or `profiles` on the first line, then perhaps a mapping up to a line `---`, then the
//! file.

use std::collections::BTreeSet;

use omnimesh::import::{Kind, Outline, outline};
use omnimesh_kit::money::Money;
use omnimesh_proto::orders::v1::ImportOrdersRequest;
use prost::Message as _;

use super::first_line;

const SEPARATOR: &[u8] = b"\n---\n";

pub(super) fn run(data: &[u8]) {
    let (kind, rest) = first_line(data);
    let kind = match kind {
        b"orders" => Kind::Orders,
        b"products" => Kind::Products,
        b"profiles" => Kind::Profiles,
        _ => return,
    };
    let at = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
    let (mapping, csv) = match at.map(|at| rest.split_at(at)) {
        None => (None, rest),
        Some((mapping, csv)) => (Some(mapping), csv.get(SEPARATOR.len()..).unwrap_or_default()),
    };
    let Ok(mapping) = mapping.map(std::str::from_utf8).transpose() else { return };
    let Ok(found) = outline(kind, csv, mapping) else { return };
    every_row_is_accounted_for(&found);
    assert_eq!(outline(kind, csv, mapping).unwrap(), found, "the same file is read the same");
    if kind == Kind::Orders {
        found.items.iter().for_each(|(label, _, request)| prices_add_up(label, request));
    }
}

/// Nothing is dropped silently, and nothing is sent twice.
fn every_row_is_accounted_for(found: &Outline) {
    let sent = found.items.iter().flat_map(|(_, lines, _)| lines);
    let refused = found.refused.iter().map(|refusal| &refusal.line);
    let count = sent.clone().count() + refused.clone().count();
    // Rows with a wrong number of fields are refused before they count.
    assert!(count >= found.rows, "{} rows, {count} accounted for", found.rows);
    let sent: BTreeSet<_> = sent.collect();
    assert!(refused.clone().all(|line| !sent.contains(line)), "a row is both sent and refused");
    let labels: BTreeSet<_> = found.items.iter().map(|(label, ..)| label).collect();
    assert_eq!(labels.len(), found.items.len(), "two items of one name");
    assert!(found.refused.iter().all(|refusal| !refusal.reason.is_empty()));
}

fn prices_add_up(label: &str, request: &[u8]) {
    let document = ImportOrdersRequest::decode(request).unwrap().document.expect("a document");
    assert_eq!(document.channel_order_id, label);
    assert!(!document.lines.is_empty());
    for line in document.lines {
        let money = |proto: Option<_>| Money::from_proto(&proto.unwrap()).unwrap();
        let (price, subtotal) = (money(line.unit_price), money(line.subtotal));
        assert_eq!(price.checked_mul_int(line.quantity).unwrap(), subtotal);
    }
}

//! What the buyers were told: the mesh's books must say the same.

use std::collections::BTreeMap;

use omnimesh_proto::orders::v1::Order;

use super::stock::Stock;

/// What became of an order after it was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Placed,
    /// It was cancelled.
    Cancelled,
    /// It was paid, and its goods were sent off.
    Shipped,
}

impl Fate {
    /// The order's state in the database.
    pub(super) fn state(self) -> &'static str {
        match self {
            Self::Placed => "PLACED",
            Self::Cancelled => "CANCELLED",
            Self::Shipped => "CONFIRMED",
        }
    }
}

/// An order that was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Sold {
    pub(super) order: Order,
    pub(super) cart_id: String,
    /// What was put into the cart, by SKU.
    pub(super) wanted: BTreeMap<String, i64>,
    pub(super) fate: Fate,
}

/// All that was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    /// What was on the shelves before.
    pub(super) stock: Stock,
    pub(super) sold: Vec<Sold>,
    /// Carts whose order was refused for want of goods.
    pub(super) refused: Vec<String>,
    /// Pairs of profiles that were made one.
    pub(super) merged: Vec<(String, String)>,
}

impl Ledger {
    pub(super) fn new(stock: Stock) -> Self {
        Self { stock, sold: Vec::new(), refused: Vec::new(), merged: Vec::new() }
    }

    /// What should be on hand and allocated, by SKU and location.
    pub(super) fn expected_stock(&self) -> BTreeMap<(String, String), (i64, i64)> {
        let mut levels: BTreeMap<_, _> = self.stock.iter().map(|(key, on_hand)| (key.clone(), (*on_hand, 0))).collect();
        for sold in self.sold.iter().filter(|sold| sold.fate != Fate::Cancelled) {
            let skus: BTreeMap<_, _> =
                sold.order.lines.iter().map(|line| (line.line_id.as_str(), line.sku.as_str())).collect();
            for group in &sold.order.groups {
                for line in &group.lines {
                    let sku = skus.get(line.line_id.as_str()).copied().unwrap_or_default();
                    let level = levels.entry((sku.to_owned(), group.location_id.clone())).or_default();
                    match sold.fate {
                        Fate::Shipped => level.0 -= line.quantity,
                        Fate::Placed | Fate::Cancelled => level.1 += line.quantity,
                    }
                }
            }
        }
        levels
    }
}

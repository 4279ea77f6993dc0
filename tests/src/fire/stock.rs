//! What there is to buy: plenty of some goods, too little of others.

use std::collections::BTreeMap;

use omnimesh_proto::catalog::v1::{SetStockRequest, stock_service_client::StockServiceClient};

use crate::{Client, customer::request_id};

/// A store where goods are collected.
pub(super) const STORE: &str = "istanbul-kadikoy";
/// Goods of which there is enough.
pub(super) const PLENTY: [&str; 2] = ["TEA-RIZE-500", "COFFEE-250"];
/// Goods of which there is not enough for all who want them.
pub(super) const SCARCE: &str = "TEAPOT-2L";

/// One in so many wants what is scarce.
pub(super) const WANT_SCARCE: usize = 10;

/// On hand by SKU and location.
pub(super) type Stock = BTreeMap<(String, String), i64>;

/// Fills the shelves; gives what is where.
pub(super) async fn fill(admin: &Client, orders: usize) -> Stock {
    let locations = [STORE, "ankara-kizilay", "izmir-alsancak", "gebze-warehouse"];
    let orders = i64::try_from(orders).unwrap();
    let mut stock = Stock::new();
    let mut stocks = StockServiceClient::new(admin.channel());
    for sku in PLENTY.into_iter().chain([SCARCE]) {
        for location in locations {
            let on_hand = match (sku, location) {
                // About half of what is wanted, in two places.
                (SCARCE, STORE | "gebze-warehouse") => orders / 40 + 1,
                (SCARCE, _) => 0,
                _ => orders * 20,
            };
            let request = SetStockRequest {
                sku: sku.into(),
                location_id: location.into(),
                on_hand,
                safety: Some(0),
                request_id: request_id(),
                ..SetStockRequest::default()
            };
            stocks.set_stock(admin.request(request)).await.expect("stock is set");
            stock.insert((sku.to_owned(), location.to_owned()), on_hand);
        }
    }
    stock
}

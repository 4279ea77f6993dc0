//! Orders, stock and carts.

use std::collections::{BTreeMap, BTreeSet};

use omnimesh_kit::ids;

use super::Audit;
use crate::fire::{
    books::Books,
    ledger::{Fate, Ledger},
};

/// HELD, in the numbers of the contract.
const HELD: i64 = 1;

impl Audit {
    /// Every acknowledged order is there, once, in its state and with its goods; no other is.
    pub(super) async fn orders(&mut self, books: &Books, ledger: &Ledger) {
        let rows = books
            .rows("orders", &["#id", "number", "state", "#place_request"], "FROM orders WHERE placed_at IS NOT NULL")
            .await;
        let placed: BTreeMap<_, _> = rows.iter().map(|row| (row[1].as_str(), row)).collect();
        self.expect("orders that were placed", &rows.len(), &ledger.sold.len());
        let requests: BTreeSet<_> = rows.iter().map(|row| &row[3]).collect();
        self.expect("requests that orders were placed by", &requests.len(), &rows.len());
        let numbers: BTreeSet<_> = ledger.sold.iter().map(|sold| sold.order.number.as_str()).collect();
        self.expect("numbers that were acknowledged", &numbers.len(), &ledger.sold.len());
        for sold in &ledger.sold {
            let number = &sold.order.number;
            let Some(row) = placed.get(number.as_str()) else {
                self.problems.push(format!("the acknowledged order {number} is lost"));
                continue;
            };
            let id = ids::decode("order", &sold.order.order_id).unwrap().simple().to_string();
            self.expect(&format!("the id of {number}"), &row[0], &id);
            self.expect(&format!("the state of {number}"), &row[2].as_str(), &sold.fate.state());
            let mut bought = BTreeMap::new();
            for line in &sold.order.lines {
                *bought.entry(line.sku.clone()).or_default() += line.quantity;
            }
            self.expect(&format!("the goods of {number}"), &bought, &sold.wanted);
        }
        for number in placed.keys().filter(|number| !numbers.contains(*number)) {
            self.problems.push(format!("the order {number} was acknowledged to nobody"));
        }
        self.none(books, "orders", "drafts", "FROM orders WHERE state = 'DRAFT'").await;
        self.none(books, "orders", "tasks", "FROM tasks").await;
    }

    /// What is on the shelves and what is promised is what was sold; nothing else is held.
    pub(super) async fn stock(&mut self, books: &Books, ledger: &Ledger) {
        let rows =
            books.rows("catalog", &["sku", "location_id", "on_hand", "allocated", "reserved"], "FROM stock").await;
        let number = |text: &str| text.parse::<i64>().unwrap();
        let found: BTreeMap<_, _> =
            rows.iter().map(|row| ((row[0].clone(), row[1].clone()), (number(&row[2]), number(&row[3])))).collect();
        for (key, expected) in ledger.expected_stock() {
            let level = found.get(&key).copied().unwrap_or_default();
            self.expect(&format!("on hand and allocated of {key:?}"), &level, &expected);
        }
        self.none(books, "catalog", "stock levels with reservations", "FROM stock WHERE reserved <> 0").await;
        self.none(books, "catalog", "open reservations", &format!("FROM reservations WHERE state = {HELD}")).await;
        let bound = books
            .rows(
                "catalog",
                &["owner_id", "SUM(quantity - released - committed)"],
                "FROM allocations GROUP BY owner_id HAVING SUM(quantity - released - committed) <> 0",
            )
            .await;
        let live = ledger.sold.iter().filter(|sold| sold.fate == Fate::Placed);
        let live: BTreeSet<_> = live.map(|sold| sold.order.order_id.as_str()).collect();
        for owner in bound.iter().map(|row| row[0].as_str()).filter(|owner| !live.contains(owner)) {
            self.problems.push(format!("goods are reserved for {owner}, which is no open order"));
        }
        self.expect("orders that goods are reserved for", &bound.len(), &live.len());
    }

    /// The cart of every order is closed for it; that of a refused one is its customer's again.
    pub(super) async fn carts(&mut self, books: &Books, ledger: &Ledger) {
        let rows = books.rows("carts", &["#id", "state", "order_id"], "FROM carts").await;
        let carts: BTreeMap<_, _> =
            rows.iter().map(|row| (row[0].as_str(), (row[1].as_str(), row[2].as_str()))).collect();
        let id = |cart: &str| ids::decode("cart", cart).unwrap().simple().to_string();
        for sold in &ledger.sold {
            let found = carts.get(id(&sold.cart_id).as_str()).copied();
            let expected = Some(("ORDERED", sold.order.order_id.as_str()));
            self.expect(&format!("the cart of {}", sold.order.number), &found, &expected);
        }
        for cart in &ledger.refused {
            let state = carts.get(id(cart).as_str()).map(|(state, _)| *state);
            self.expect(&format!("the cart {cart} whose order was refused"), &state, &Some("ACTIVE"));
        }
        self.none(books, "carts", "frozen carts", "FROM carts WHERE state = 'FROZEN'").await;
        let ordered = rows.iter().filter(|row| row[1] == "ORDERED").count();
        self.expect("carts that became orders", &ordered, &ledger.sold.len());
    }
}

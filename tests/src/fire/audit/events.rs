//! Outboxes, checkpoints and effects.

use std::collections::{BTreeMap, BTreeSet};

use omnimesh_kit::ids;

use super::Audit;
use crate::fire::{
    books::{Books, SERVICES},
    ledger::Ledger,
};

/// Events each of which a timeline shows.
const SHOWN: [(&str, &str); 6] = [
    ("sessions", "omnimesh.sessions.v1.SessionStarted"),
    ("carts", "omnimesh.carts.v1.CartLineAdded"),
    ("orders", "omnimesh.orders.v1.OrderPlaced"),
    ("orders", "omnimesh.orders.v1.OrderConfirmed"),
    ("orders", "omnimesh.orders.v1.OrderCancelled"),
    ("orders", "omnimesh.orders.v1.PaymentRecorded"),
];

fn number(text: &str) -> i64 {
    text.parse().unwrap()
}

impl Audit {
    /// Positions are dense in each partition, and events of one aggregate are dense and in their order.
    pub(super) async fn outbox(&mut self, books: &Books, service: &str) {
        let columns = ["partition", "position", "aggregate_id", "aggregate_seq"];
        let order = "FROM outbox ORDER BY partition, position";
        let rows = books.rows(service, &columns, order).await;
        self.events += rows.len();
        let heads = books.rows(service, &["partition", "position"], "FROM outbox_heads").await;
        let heads: BTreeMap<_, _> = heads.iter().map(|row| (number(&row[0]), number(&row[1]))).collect();
        let mut last: BTreeMap<i64, i64> = heads.keys().map(|partition| (*partition, 0)).collect();
        let mut sequences: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for row in &rows {
            let (partition, position) = (number(&row[0]), row[1].parse::<i64>().unwrap_or(0));
            let before = last.insert(partition, position).unwrap_or(0);
            if position != before + 1 {
                self.problems.push(format!("{service}: {position} follows {before} in partition {partition}"));
            }
            let sequence = number(&row[3]);
            let (home, before) = sequences.insert(&row[2], (partition, sequence)).unwrap_or((partition, 0));
            if (home, sequence) != (partition, before + 1) {
                self.problems.push(format!("{service}: event {sequence} of {} follows {before}", row[2]));
            }
        }
        self.expect(&format!("{service}: heads"), &heads, &last);
    }

    /// Every consumer has read everything, and parked nothing.
    pub(super) async fn checkpoints(&mut self, books: &Books, service: &str) {
        self.none(books, service, "parked events", "FROM parked").await;
        self.none(books, service, "counts of parked events", "FROM checkpoints WHERE parked <> 0").await;
    }

    /// What a timeline shows was written once for each event, in the order of its aggregate's events.
    pub(super) async fn effects(&mut self, books: &Books) {
        let rows = books.rows("profiles", &["#id"], "FROM fire_effects ORDER BY seq").await;
        let order: BTreeMap<_, _> = rows.iter().enumerate().map(|(at, row)| (row[0].as_str(), at)).collect();
        self.expect("effects of events, each once", &rows.len(), &order.len());
        self.effects = rows.len();
        let mut known = BTreeSet::new();
        for service in ["sessions", "carts", "orders"] {
            let columns = ["#id", "type", "aggregate_id", "aggregate_seq"];
            let events = books.rows(service, &columns, "FROM outbox ORDER BY aggregate_id, aggregate_seq").await;
            let mut before: (&str, usize) = ("", 0);
            for event in &events {
                let found = order.get(event[0].as_str()).copied();
                if SHOWN.contains(&(service, event[1].as_str())) && found.is_none() {
                    self.problems.push(format!("{} {} of {} had no effect", event[1], event[3], event[2]));
                }
                let Some(at) = found else { continue };
                known.insert(event[0].clone());
                if before.0 == event[2] && at < before.1 {
                    self.problems.push(format!("{} {} of {} had its effect too soon", event[1], event[3], event[2]));
                }
                before = (&event[2], at);
            }
        }
        self.expect("effects of events that there are", &known.len(), &order.len());
    }

    /// What services keep of each other's is as new as the original.
    pub(super) async fn projections(&mut self, books: &Books, ledger: &Ledger) {
        let customers = ["#profile_id", "#root_id", "generation"];
        let all = "FROM customer_profiles ORDER BY profile_id";
        let known = books.rows("profiles", &customers, all).await;
        for service in SERVICES.into_iter().filter(|service| !["profiles", "catalog"].contains(service)) {
            let heard = books.rows(service, &customers, all).await;
            if heard != known {
                let problem =
                    format!("{service} knows {} profiles of customers in place of {}", heard.len(), known.len());
                self.problems.push(problem);
            }
        }
        let roots: BTreeMap<_, _> = known.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
        let id = |profile: &str| ids::decode("profile", profile).unwrap().simple().to_string();
        for (one, other) in &ledger.merged {
            let root = roots.get(id(one).as_str());
            if root.is_none() || root != roots.get(id(other).as_str()) {
                self.problems.push(format!("{one} and {other} were made one and are not"));
            }
        }
        for (service, table, prefix, view, key) in [
            ("orders", "orders WHERE placed_at IS NOT NULL", "order", "view_orders", "order_id"),
            ("carts", "carts", "cart", "view_carts", "cart_id"),
        ] {
            let own = books.rows(service, &["#id", "version"], &format!("FROM {table}")).await;
            let shown = books.rows("profiles", &[key, "version"], &format!("FROM {view}")).await;
            let shown: BTreeMap<_, _> =
                shown.iter().map(|row| (ids::decode(prefix, &row[0]).unwrap().simple().to_string(), &row[1])).collect();
            for row in &own {
                self.expect(
                    &format!("the version of {prefix} {} in the view", row[0]),
                    &shown.get(&row[0]),
                    &Some(&&row[1]),
                );
            }
        }
    }
}

/// Consumers that have yet to read something.
pub(super) async fn behind(books: &Books) -> Vec<String> {
    let mut behind = Vec::new();
    for service in SERVICES {
        let columns = ["consumer", "producer", "partition", "position"];
        for row in books.rows(service, &columns, "FROM checkpoints").await {
            let head = format!("FROM outbox_heads WHERE partition = {} AND position <> {}", row[2], row[3]);
            if books.count(&row[1], &head).await > 0 {
                behind.push(format!("{} has read {} of {} up to {}", row[0], row[2], row[1], row[3]));
            }
        }
    }
    behind
}

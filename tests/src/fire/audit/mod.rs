//! The audit: what the mesh's databases hold against what its callers were told.

mod events;
mod goods;

use std::time::{Duration, Instant};

use super::{
    Field,
    books::{Books, SERVICES},
    keepsakes::Keepsake,
    ledger::Ledger,
};

/// What was found wrong, and how much was looked at.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) problems: Vec<String>,
    /// How long the mesh took to come to rest.
    pub(super) rested: Duration,
    /// Events in all outboxes.
    pub(super) events: usize,
    /// Effects that were watched.
    pub(super) effects: usize,
}

impl Audit {
    /// Sessions that nobody touched.
    pub(super) async fn keepsakes(&mut self, field: &Field, kept: &[Keepsake]) {
        for keepsake in kept {
            self.problems.extend(keepsake.problem(field).await);
        }
    }

    /// Waits until nothing is under way any more.
    pub(super) async fn rest(&mut self, books: &Books, limit: Duration) {
        let started = Instant::now();
        loop {
            let moving = moving(books).await;
            self.rested = started.elapsed();
            if moving.is_empty() {
                return;
            }
            if self.rested > limit {
                self.problems.extend(moving.into_iter().map(|what| format!("not at rest after {limit:?}: {what}")));
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// The books of every service.
    pub(super) async fn books(&mut self, books: &Books, ledger: &Ledger) {
        self.orders(books, ledger).await;
        self.stock(books, ledger).await;
        self.carts(books, ledger).await;
        for service in SERVICES {
            self.outbox(books, service).await;
            self.checkpoints(books, service).await;
        }
        self.effects(books).await;
        self.projections(books, ledger).await;
    }

    /// The processes themselves.
    pub(super) fn processes(&mut self, field: &Field) {
        let seen = field.supervisor.seen();
        self.problems.extend(seen.exits);
        self.problems.extend(seen.defects);
        self.problems.extend(field.tally.surprises());
    }

    fn expect<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            self.problems.push(format!("{what}: {found:?} in place of {expected:?}"));
        }
    }

    async fn none(&mut self, books: &Books, service: &str, what: &str, rest: &str) {
        let count = books.count(service, rest).await;
        if count != 0 {
            self.problems.push(format!("{service}: {count} {what}"));
        }
    }
}

/// What is still under way.
async fn moving(books: &Books) -> Vec<String> {
    let mut moving = Vec::new();
    let mut look = async |service: &str, what: &str, rest: &str| {
        let count = books.count(service, rest).await;
        if count > 0 {
            moving.push(format!("{service}: {count} {what}"));
        }
    };
    look("orders", "drafts", "FROM orders WHERE state = 'DRAFT'").await;
    look("orders", "tasks", "FROM tasks").await;
    for service in SERVICES {
        look(service, "events without a place", "FROM outbox WHERE position IS NULL").await;
    }
    moving.extend(events::behind(books).await);
    moving
}

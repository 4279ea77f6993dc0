//! Recency, frequency and monetary value: quintiles per customer, 5 the best.

use std::collections::BTreeMap;

use omnimesh_kit::clock::Timestamp;
use sha2::{Digest, Sha256};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What one customer bought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CustomerSales {
    /// How many orders.
    pub orders: u64,
    /// Their gross, micro-units.
    pub gross: i128,
    last: Option<Timestamp>,
}

impl CustomerSales {
    pub(super) fn add(&mut self, time: Timestamp, gross: i128) {
        self.orders += 1;
        self.gross += gross;
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}

/// One customer's values and quintiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    pub customer: String,
    pub r_days: i64,
    pub f_orders: i64,
    pub m_micros: i128,
    pub r: u8,
    pub f: u8,
    pub m: u8,
}

/// The quintiles of all customers, in ascending order of their ids (numbers as numbers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rfm {
    /// Midnight after the last row's day: recency counts whole days back from it.
    pub snapshot: Timestamp,
    /// The scores.
    pub scores: Vec<Score>,
}

impl Rfm {
    /// Scores the customers; `None` without any.
    pub(super) fn of(customers: &BTreeMap<String, CustomerSales>, last_row: Timestamp) -> Option<Self> {
        let snapshot_day = last_row.micros().div_euclid(MICROS_PER_DAY) + 1;
        let mut scores: Vec<Score> = customers
            .iter()
            .map(|(customer, sales)| Score {
                customer: customer.clone(),
                r_days: snapshot_day - sales.last.map_or(0, Timestamp::micros).div_euclid(MICROS_PER_DAY),
                f_orders: i64::try_from(sales.orders).unwrap_or(i64::MAX),
                m_micros: sales.gross,
                r: 0,
                f: 0,
                m: 0,
            })
            .collect();
        if scores.is_empty() {
            return None;
        }
        if scores.iter().all(|score| score.customer.parse::<u64>().is_ok()) {
            scores.sort_by_key(|score| score.customer.parse::<u64>().unwrap_or(u64::MAX));
        }
        for (score, quintile) in quintiles(&scores, |score| -i128::from(score.r_days)) {
            score_at(&mut scores, score).r = quintile;
        }
        for (score, quintile) in quintiles(&scores, |score| i128::from(score.f_orders)) {
            score_at(&mut scores, score).f = quintile;
        }
        for (score, quintile) in quintiles(&scores, |score| score.m_micros) {
            score_at(&mut scores, score).m = quintile;
        }
        Some(Self { snapshot: Timestamp::from_micros(snapshot_day * MICROS_PER_DAY), scores })
    }

    /// SHA-256 over `customer,R,F,M\n` of every customer, hexadecimal: two runs can be compared by it.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for Score { customer, r, f, m, .. } in &self.scores {
            hasher.update(format!("{customer},{r},{f},{m}\n"));
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Quintiles by rank, ties in the order of the customers: `rank * 5 / count + 1`.
fn quintiles(scores: &[Score], value: impl Fn(&Score) -> i128) -> Vec<(usize, u8)> {
    let mut order: Vec<(usize, i128)> = scores.iter().map(value).enumerate().collect();
    order.sort_by_key(|(_, value)| *value);
    let count = order.len().max(1);
    order
        .into_iter()
        .enumerate()
        .map(|(rank, (place, _))| (place, u8::try_from(rank * 5 / count + 1).unwrap_or(5)))
        .collect()
}

#[expect(clippy::indexing_slicing, reason = "the places come from enumerating the same scores")]
fn score_at(scores: &mut [Score], place: usize) -> &mut Score {
    &mut scores[place]
}

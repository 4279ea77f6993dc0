//! Retries may add a tenth to the calls, never more: a service in trouble must not be asked twice by everyone.

use std::sync::atomic::{AtomicU32, Ordering};

/// What one retry costs; a call earns one.
const RETRY: u32 = 10;
/// No more is saved: ten retries at once.
const MOST: u32 = 10 * RETRY;

/// One service's budget. Starts full.
#[derive(Debug)]
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(MOST))
    }

    pub(super) fn earn(&self) {
        let more = |saved| (saved < MOST).then_some(saved + 1);
        // Full is no failure.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok();
    }

    /// Whether a retry is paid for.
    pub(super) fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| saved.checked_sub(RETRY)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_tenth_of_the_calls() {
        let budget = Budget::new();
        while budget.spend() {}
        let mut retries = 0;
        for _ in 0..1_000 {
            budget.earn();
            retries += u32::from(budget.spend());
        }
        assert_eq!(retries, 100);
    }
}

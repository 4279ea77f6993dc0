//! Forgetting a customer: the order stays with its amounts, goods and states, and nothing in it names or reaches anybody.

use super::{Cause, Order};

/// The reasons that the mesh gives itself. Everything else was typed by somebody: it may name a person, and leaves this service
/// in no event.
const CODES: [&str; 8] =
    ["CONFLICT", "NOT_PAID_IN_TIME", "NOTHING_HANDED_OVER", "NO_SHOW", "OUT_OF_STOCK", "OVERSOLD", "REFUSED", "SHORT"];

/// A reason as others may hear it: only those of a known list.
#[must_use]
pub fn public_reason(reason: &str) -> &str {
    if CODES.contains(&reason) { reason } else { "" }
}

fn blank(reason: &mut String) {
    if public_reason(reason).is_empty() {
        reason.clear();
    }
}

impl Order {
    /// Forgets the customer. What is imported or placed later into this order is forgotten too: see [`Self::stay_erased`].
    pub fn erase(&mut self, cause: &Cause) {
        self.erased = true;
        self.updated_at = cause.at;
        self.stay_erased();
        blank(&mut self.cancel_reason);
        if let Some(refusal) = &mut self.refusal {
            refusal.metadata.clear();
        }
        for group in &mut self.groups {
            blank(&mut group.reason);
            if group.state.has_ended() {
                // The carrier's page shows the address to whoever has the number.
                group.tracking_number.clear();
            }
        }
        for found in &mut self.returns {
            found.reason.clear();
            found.decision_reason.clear();
            if found.is_over() {
                found.tracking_number.clear();
            }
            found.version += 1;
        }
    }

    /// Takes out of an erased order what names or reaches the customer.
    pub fn stay_erased(&mut self) {
        if !self.erased {
            return;
        }
        self.contact = None;
        self.shipping_address = None;
        self.customer_ref.clear();
        for line in &mut self.lines {
            line.options.clear();
            if let Some(source) = &mut line.source {
                source.customer_ref.clear();
            }
        }
    }
}

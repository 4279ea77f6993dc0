//! The payment of an order: a pure fold over what the provider reported.

use omnimesh_kit::{clock::Timestamp, money::Money};
use serde::{Deserialize, Serialize};

use super::{Refused, kinds::mirror};

mirror!(
    /// Where the payment stands.
    PaymentState = PaymentState {
        /// Nothing yet.
        Pending "PENDING",
        /// The whole total is authorized.
        Authorized "AUTHORIZED",
        /// Part of the total is captured.
        PartiallyCaptured "PARTIALLY_CAPTURED",
        /// The whole total is captured.
        Captured "CAPTURED",
        /// Part of what was captured went back.
        PartiallyRefunded "PARTIALLY_REFUNDED",
        /// All that was captured went back.
        Refunded "REFUNDED",
        /// The last try failed; another may follow.
        Failed "FAILED",
        /// The authorization was given back.
        Voided "VOIDED",
        /// The provider does not know.
        Unknown "UNKNOWN",
    }
);

mirror!(
    /// What happened to money.
    PaymentEventKind = PaymentEventKind {
        /// The whole total was authorized.
        Authorized "AUTHORIZED",
        /// An amount was captured.
        Captured "CAPTURED",
        /// A try failed.
        Failed "FAILED",
        /// The authorization was given back.
        Voided "VOIDED",
        /// An amount went back to the customer.
        Refunded "REFUNDED",
        /// The provider does not know.
        Unknown "UNKNOWN",
    }
);

/// One report of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentEvent {
    /// What happened.
    pub kind: PaymentEventKind,
    /// How much.
    pub amount: Money,
    /// When.
    pub occurred_at: Timestamp,
}

/// What all reports together say: the fold's value. Micro-units of the order's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Authorized and not yet captured or voided.
    #[serde(default)]
    pub authorized: i64,
    /// Captured.
    #[serde(default)]
    pub captured: i64,
    /// Refunded.
    #[serde(default)]
    pub refunded: i64,
    /// What was reported last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<PaymentEventKind>,
}

impl Payment {
    /// Adds a report. `charged` is the total as it was placed: what is due later may be less, never more.
    ///
    /// # Errors
    /// If the amount can't be: not the order's currency, not the whole total for an authorization, more than is left.
    pub fn record(self, event: &PaymentEvent, charged: Money) -> Result<Self, Refused> {
        let amount = event.amount;
        if amount.currency != charged.currency {
            return Err(mismatch(format!("the order is in {}: an amount in it is accepted", charged.currency)));
        }
        if amount.is_negative() {
            return Err(mismatch(
                "the amount is below zero: the event's kind says which way the money went".to_owned(),
            ));
        }
        let amount = amount.micros;
        let shown = |micros: i64| Money::from_micros(charged.currency, micros).to_string();
        let mut next = Self { last: Some(event.kind), ..self };
        match event.kind {
            PaymentEventKind::Authorized => {
                if self.authorized != 0 || self.captured != 0 {
                    return Err(mismatch("the total is authorized or captured already".to_owned()));
                }
                if amount != charged.micros {
                    return Err(mismatch(format!("an authorization of the whole total is accepted: {charged}")));
                }
                next.authorized = amount;
            }
            PaymentEventKind::Captured => {
                let left = charged.micros - self.captured;
                if amount == 0 || amount > left {
                    return Err(mismatch(format!(
                        "a capture of more than nothing and up to {} is accepted",
                        shown(left)
                    )));
                }
                next.captured += amount;
                next.authorized = (self.authorized - amount).max(0);
            }
            PaymentEventKind::Voided => {
                if self.authorized == 0 || amount != self.authorized {
                    return Err(mismatch(format!(
                        "a void of what is authorized is accepted: {}",
                        shown(self.authorized)
                    )));
                }
                next.authorized = 0;
            }
            PaymentEventKind::Refunded => {
                let left = self.captured - self.refunded;
                if amount == 0 || amount > left {
                    return Err(mismatch(format!(
                        "a refund of more than nothing and up to {} is accepted",
                        shown(left)
                    )));
                }
                next.refunded += amount;
            }
            PaymentEventKind::Failed | PaymentEventKind::Unknown => {
                if amount > charged.micros {
                    return Err(mismatch(format!("an amount up to the total is accepted: {charged}")));
                }
            }
        }
        Ok(next)
    }

    /// Where the payment of that total stands.
    #[must_use]
    pub const fn state(self, total: i64) -> PaymentState {
        match self {
            Self { last: Some(PaymentEventKind::Unknown), .. } => PaymentState::Unknown,
            Self { refunded, captured, .. } if refunded > 0 && refunded >= captured => PaymentState::Refunded,
            Self { refunded, .. } if refunded > 0 => PaymentState::PartiallyRefunded,
            Self { captured, .. } if captured >= total => PaymentState::Captured,
            Self { captured, .. } if captured > 0 => PaymentState::PartiallyCaptured,
            Self { authorized, .. } if authorized > 0 => PaymentState::Authorized,
            Self { last: Some(PaymentEventKind::Failed), .. } => PaymentState::Failed,
            Self { last: Some(PaymentEventKind::Voided), .. } => PaymentState::Voided,
            _ => PaymentState::Pending,
        }
    }

    /// Whether that total is captured, and not given back.
    #[must_use]
    pub const fn covers(self, total: i64) -> bool {
        self.captured - self.refunded >= total
    }

    /// Whether that total is captured or authorized: enough to start fulfilling.
    #[must_use]
    pub const fn secures(self, total: i64) -> bool {
        self.captured - self.refunded + self.authorized >= total
    }

    /// What has to go back when `owed` is owed. What is only authorized has to be voided once nothing is owed.
    #[must_use]
    pub const fn to_give_back(self, owed: i64) -> i64 {
        let kept = self.captured - self.refunded + if owed == 0 { self.authorized } else { 0 };
        if kept > owed { kept - owed } else { 0 }
    }
}

fn mismatch(text: String) -> Refused {
    Refused::PaymentMismatch(text)
}

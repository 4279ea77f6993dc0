//! What a marketplace is told about an order, and what follows from its answer.

use std::time::Duration;

use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::{
    channels::v1 as proto,
    connectors::v1::{Outcome, VendorError, VendorErrorKind as Kind, outcome::Result as Became},
};
use serde::{Deserialize, Serialize};

use super::{AccountId, ActionId, OrderId, unit::Unit};

/// Tries of an action whose marketplace does not let us in, before a person is asked.
const LOCKED_OUT_TRIES: i64 = 5;

macro_rules! texts {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// As stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// As read.
            #[must_use]
            pub fn of(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }

            /// On the wire.
            #[must_use]
            pub const fn to_proto(self) -> proto::$name {
                match self { $(Self::$variant => proto::$name::$variant,)+ }
            }
        }
    };
}

texts!(
    /// What it tells.
    ActionKind {
        /// The order was taken on.
        Acknowledge "ACKNOWLEDGE",
        /// Goods are shipped.
        Ship "SHIP",
        /// Goods can't be supplied.
        Cancel "CANCEL",
    }
);
texts!(
    /// Where it stands.
    ActionState {
        /// It had no effect so far.
        Pending "PENDING",
        /// On its way.
        Sent "SENT",
        /// It had its effect.
        Confirmed "CONFIRMED",
        /// Refused.
        Rejected "REJECTED",
        /// Nobody knows.
        InDoubt "IN_DOUBT",
    }
);

/// What an action says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Body {
    /// For acknowledgements: the unit.
    pub unit: String,
    /// The goods, SKU and quantity.
    pub goods: Vec<(String, i64)>,
    /// The same by lines of the order.
    pub lines: Vec<(String, i64)>,
    /// For shipments: the number of the document that goes with the goods.
    pub invoice_number: String,
    /// For shipments: the carrier.
    pub carrier: String,
    /// For shipments: its number.
    pub tracking_number: String,
    /// For cancellations: the goods are not there.
    pub out_of_stock: bool,
    /// For shipments: the unit that was split for it. Others have to be seen in its place before it goes on.
    pub split: String,
}

/// An action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its id.
    pub id: ActionId,
    /// The account.
    pub account: AccountId,
    /// The order.
    pub order: OrderId,
    /// What it tells.
    pub kind: ActionKind,
    /// What makes it one.
    pub subject: String,
    /// What it says.
    pub body: Body,
    /// Where it stands.
    pub state: ActionState,
    /// The unit that it was sent about last.
    pub native_id: String,
    /// For the vendor's answer.
    pub operation_id: String,
    /// How often it was sent.
    pub tries: i64,
    /// Why it is not confirmed.
    pub problem: String,
    /// Until when it has to be.
    pub deadline_at: Option<Timestamp>,
    /// When it was sent last.
    pub sent_at: Option<Timestamp>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// What becomes of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It had its effect.
    Confirm,
    /// It had none: again later.
    Retry(Duration, String),
    /// A unit is split for it: it goes on once others are seen in its place.
    Split,
    /// The vendor works on it.
    Wait(String),
    /// Nobody knows.
    Doubt(String),
    /// It is refused, for a person.
    Reject(String),
    /// There is nothing left to tell.
    Withdraw(String),
}

impl Action {
    /// What follows from the marketplace's answer.
    #[must_use]
    pub fn answered(&self, outcome: Option<&Outcome>) -> Step {
        match outcome.and_then(|outcome| outcome.result.as_ref()) {
            // Where the vendor ships units as a whole, a part is shipped once it is a unit.
            Some(Became::Done(_)) if self.body.split == self.native_id && !self.body.split.is_empty() => Step::Split,
            Some(Became::Done(_)) => Step::Confirm,
            Some(Became::Pending(pending)) => Step::Wait(pending.operation_id.clone()),
            Some(Became::Partial(partial)) => {
                let failed = partial.items.iter().find_map(|item| Some((&item.item, item.error.as_ref()?)));
                match failed {
                    None => Step::Confirm,
                    Some((item, error)) => Step::Reject(format!("{item}: {}", error.message)),
                }
            }
            Some(Became::Error(error)) => self.failed(error),
            None => Step::Doubt("the connector's answer says nothing".to_owned()),
        }
    }

    fn failed(&self, error: &VendorError) -> Step {
        let problem = format!("{}: {}", kind_name(error.kind()), error.message);
        let later = Duration::from_millis(u64::try_from(error.retry_after_ms).unwrap_or(0)).max(delay(self.tries));
        match error.kind() {
            Kind::RateLimited | Kind::Temporary | Kind::QuotaExhausted => Step::Retry(later, problem),
            Kind::Auth | Kind::Forbidden if self.tries < LOCKED_OUT_TRIES => Step::Retry(later, problem),
            // It may be what an earlier try did.
            Kind::UnknownOutcome | Kind::ConflictState | Kind::Duplicate => Step::Doubt(problem),
            _ => Step::Reject(problem),
        }
    }

    /// What a unit that was read after the action was sent says about it.
    #[must_use]
    pub fn settled_by(&self, unit: Option<&Unit>) -> Step {
        let again = || Step::Retry(Duration::ZERO, "it had no effect".to_owned());
        let Some(unit) = unit else { return again() };
        match self.kind {
            ActionKind::Acknowledge if unit.is_acknowledged() => Step::Confirm,
            ActionKind::Acknowledge if !unit.is_live() => Step::Withdraw("the marketplace ended the unit".to_owned()),
            ActionKind::Ship if self.body.split == unit.native_id && !unit.is_live() => Step::Split,
            ActionKind::Ship if self.body.split.is_empty() && unit.is_shipped() => Step::Confirm,
            ActionKind::Cancel if !unit.is_live() => Step::Confirm,
            _ => match self.tries >= LOCKED_OUT_TRIES {
                true => Step::Reject(format!("it has no effect: {}", self.problem)),
                false => again(),
            },
        }
    }

    /// On the wire.
    #[must_use]
    pub fn to_proto(&self) -> proto::Action {
        proto::Action {
            action_id: self.id.to_string(),
            kind: self.kind.to_proto().into(),
            state: self.state.to_proto().into(),
            tries: i32::try_from(self.tries).unwrap_or(i32::MAX),
            problem: self.problem.clone(),
            deadline_time: self.deadline_at.map(Timestamp::to_proto),
            create_time: Some(self.created_at.to_proto()),
            update_time: Some(self.updated_at.to_proto()),
        }
    }
}

/// 1, 2, 4 … seconds, at most five minutes.
#[must_use]
pub fn delay(tries: i64) -> Duration {
    let doublings = u32::try_from(tries.clamp(1, 10) - 1).unwrap_or(0);
    Duration::from_secs(2u64.pow(doublings).min(300))
}

/// The name of a kind of failure, for people.
#[must_use]
pub fn kind_name(kind: Kind) -> &'static str {
    kind.as_str_name().trim_start_matches("VENDOR_ERROR_KIND_")
}

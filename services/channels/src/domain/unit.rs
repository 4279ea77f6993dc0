//! An order as its marketplace has it.

use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::{
    channels::v1 as proto,
    connectors::v1::{ChannelOrder, ChannelOrderState as State, NativeLine},
};
use serde::{Deserialize, Serialize};

use super::{AccountId, OrderId};

/// How a unit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// An order to fulfil.
    Live,
    /// It was over before it was seen first: a record of the past.
    Record,
    /// It took another unit's place, and belongs to that one's order.
    Replacement,
    /// It was cancelled or replaced before it was seen first: the order book knows nothing of it.
    Ignored,
}

impl Mode {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Record => "RECORD",
            Self::Replacement => "REPLACEMENT",
            Self::Ignored => "IGNORED",
        }
    }

    /// As read.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        [Self::Live, Self::Record, Self::Replacement, Self::Ignored].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// A line of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitLine {
    /// Its id at the marketplace.
    pub native_id: String,
    /// The SKU.
    pub sku: String,
    /// How many.
    pub quantity: i64,
}

/// A unit, as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The account.
    pub account: AccountId,
    /// Its id at the marketplace.
    pub native_id: String,
    /// What the customer ordered there.
    pub group_id: String,
    /// Its order in the order book.
    pub order: Option<OrderId>,
    /// How it counts.
    pub mode: Mode,
    /// Where it stands.
    pub state: State,
    /// The marketplace's word for it.
    pub raw_state: String,
    /// Tells two observations of the same content.
    pub dedupe_key: String,
    /// When it changed there.
    pub updated_at: Timestamp,
    /// When it was seen.
    pub seen_at: Timestamp,
    /// Until when it has to be handed over.
    pub ship_by_at: Option<Timestamp>,
    /// The marketplace chose the carrier.
    pub has_carrier: bool,
    /// Its lines.
    pub lines: Vec<UnitLine>,
}

impl Unit {
    /// A unit as it is observed; `None` without the time of its change.
    #[must_use]
    pub fn observed(
        account: AccountId,
        order: &ChannelOrder,
        book: Option<OrderId>,
        mode: Mode,
        seen_at: Timestamp,
    ) -> Option<Self> {
        let line = |line: &omnimesh_proto::connectors::v1::ChannelOrderLine| UnitLine {
            native_id: line.native_id.clone(),
            sku: line.sku.clone(),
            quantity: line.quantity,
        };
        Some(Self {
            account,
            native_id: order.native_id.clone(),
            group_id: order.group_id.clone(),
            order: book,
            mode,
            state: order.state(),
            raw_state: order.raw_state.clone(),
            dedupe_key: order.dedupe_key.clone(),
            updated_at: updated_at(order)?,
            seen_at,
            ship_by_at: order.ship_by_time.as_ref().and_then(|at| Timestamp::from_proto(at.time.as_ref()?)),
            has_carrier: !order.carrier.is_empty(),
            lines: order.lines.iter().map(line).collect(),
        })
    }

    /// Whether it stands for goods: others may have taken its place.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Cancelled | State::Replaced) && self.mode != Mode::Ignored
    }

    /// Whether the marketplace has been told that the order was taken on.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.is_live() && !matches!(self.state, State::Unspecified | State::Awaiting | State::New)
    }

    /// Whether the marketplace has been told that the goods are shipped.
    #[must_use]
    pub fn is_shipped(&self) -> bool {
        self.is_acknowledged() && self.state != State::Acknowledged
    }

    /// All its lines, as requests name them.
    #[must_use]
    pub fn native_lines(&self) -> Vec<NativeLine> {
        let line = |line: &UnitLine| NativeLine { native_id: line.native_id.clone(), quantity: line.quantity };
        self.lines.iter().map(line).collect()
    }

    /// The lines that hold these goods, and whether they are all of the unit; `None` if it does not hold them.
    #[must_use]
    pub fn holding(&self, goods: &[(String, i64)]) -> Option<(Vec<NativeLine>, bool)> {
        let mut left: Vec<i64> = self.lines.iter().map(|line| line.quantity).collect();
        let mut taken = vec![0; self.lines.len()];
        for (sku, quantity) in goods {
            let mut wanted = *quantity;
            for ((line, left), taken) in self.lines.iter().zip(&mut left).zip(&mut taken) {
                if line.sku == *sku && wanted > 0 {
                    let part = wanted.min(*left);
                    *left -= part;
                    *taken += part;
                    wanted -= part;
                }
            }
            if wanted > 0 {
                return None;
            }
        }
        let lines = self.lines.iter().zip(taken).filter(|(_, taken)| *taken > 0);
        let lines = lines.map(|(line, quantity)| NativeLine { native_id: line.native_id.clone(), quantity }).collect();
        Some((lines, left.iter().all(|left| *left == 0)))
    }

    /// On the wire.
    #[must_use]
    pub fn to_proto(&self) -> proto::Unit {
        proto::Unit {
            account_id: self.account.to_string(),
            native_id: self.native_id.clone(),
            group_id: self.group_id.clone(),
            state: self.state.into(),
            raw_state: self.raw_state.clone(),
            update_time: Some(self.updated_at.to_proto()),
            ship_by_time: self.ship_by_at.map(Timestamp::to_proto),
        }
    }
}

/// When an order changed at the marketplace.
#[must_use]
pub fn updated_at(order: &ChannelOrder) -> Option<Timestamp> {
    Timestamp::from_proto(order.update_time.as_ref()?.time.as_ref()?)
}

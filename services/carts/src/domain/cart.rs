//! The cart itself: who owns it, where it stands and what it holds.

use std::collections::BTreeMap;

use omnimesh_kit::{
    clock::Timestamp,
    ids::{ProfileId, SessionId},
    money::Currency,
    typed_id,
};
use serde::{Deserialize, Serialize};

use super::{
    Refusal,
    coupon::Coupon,
    delivery::Delivery,
    joined::{Edited, Joined},
    price::PriceList,
    quote::Quote,
};

typed_id!(
    /// A cart's id.
    CartId, "cart");
typed_id!(
    /// A line's id; it stays the same while the line lives, also when its cart is merged.
    LineId, "line");

/// Where a cart stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Open for changes.
    Active,
    /// Frozen for payment.
    Frozen {
        /// The order it is frozen for; such a freeze ends by the order's fate alone.
        order: Option<String>,
        /// When a freeze without an order ends by itself.
        expires_at: Timestamp,
    },
    /// Went into another cart.
    Merged {
        /// That cart.
        into: CartId,
    },
    /// Became an order.
    Ordered {
        /// The order.
        order: String,
    },
}

impl State {
    /// The name in the database and in errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Frozen { .. } => "FROZEN",
            Self::Merged { .. } => "MERGED",
            Self::Ordered { .. } => "ORDERED",
        }
    }

    /// Whether it is the cart that its owner goes on with.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Active | Self::Frozen { .. })
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its id.
    pub id: LineId,
    /// The SKU.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// The customer's options, in key order: that makes the key canonical.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// The channel that added it, as the contract numbers it.
    pub added_in: i32,
    /// The cart it was first put into, when it came by a merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<CartId>,
    /// Who edited it since carts of several profiles are joined in this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edited>,
}

impl Line {
    /// What makes two lines the same. Prices are not part of it: a SKU costs the same in every line of a cart.
    #[must_use]
    pub fn key(&self) -> (&str, &BTreeMap<String, String>) {
        (&self.sku, &self.options)
    }
}

/// What a cart holds: stored as one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Oldest first.
    pub lines: Vec<Line>,
    /// In the order they were applied, with the rule as it was when prices were last read.
    pub coupons: Vec<Coupon>,
    /// How the goods reach the customer.
    pub delivery: Option<Delivery>,
    /// What the SKUs cost, and until when that stands.
    pub prices: PriceList,
    /// What the cart costs by those prices.
    pub quote: Quote,
    /// The carts of the customer's other profiles that are joined in this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Box<Joined>>,
}

/// Whose carts somebody may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The lineage of the session.
    pub session: SessionId,
    /// The profile that it was identified as.
    pub profile: Option<ProfileId>,
    /// All profiles that are the same customer, that one included.
    pub members: Vec<ProfileId>,
}

/// A cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart {
    /// Its id.
    pub id: CartId,
    /// Incremented by each change; 0 is not stored yet.
    pub version: i64,
    /// How many events it has sent.
    pub events: i64,
    /// Where it stands.
    pub state: State,
    /// The one currency of its amounts.
    pub currency: Currency,
    /// The lineage of the session that created it.
    pub session: Option<SessionId>,
    /// The customer; none for a guest's.
    pub profile: Option<ProfileId>,
    /// The channel whose prices apply, as the contract numbers it.
    pub channel: i32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// What it holds.
    pub body: Body,
}

impl Cart {
    /// An empty cart that is not stored yet.
    #[must_use]
    pub fn new(
        now: Timestamp,
        currency: Currency,
        channel: i32,
        session: Option<SessionId>,
        profile: Option<ProfileId>,
    ) -> Self {
        let body = Body {
            lines: Vec::new(),
            coupons: Vec::new(),
            delivery: None,
            prices: PriceList { include_tax: true, ..PriceList::default() },
            quote: Quote::empty(currency),
            joined: None,
        };
        Self {
            id: CartId::new(now),
            version: 0,
            events: 0,
            state: State::Active,
            currency,
            session,
            profile,
            channel,
            created_at: now,
            updated_at: now,
            body,
        }
    }

    /// Whether a customer owns it: one of the customer's profiles, or for a guest's cart the lineage that created it. That
    /// lineage also reaches a cart that was just claimed for its profile with a token from before, which lives a minute at most.
    #[must_use]
    pub fn is_owned_by(&self, customer: &Customer) -> bool {
        match (self.profile, customer.profile) {
            (Some(owner), Some(_)) => customer.members.contains(&owner),
            _ => self.session == Some(customer.session),
        }
    }

    /// Whether it is a guest's cart that this identified customer left behind, to be claimed.
    #[must_use]
    pub fn is_stray_of(&self, customer: &Customer) -> bool {
        self.profile.is_none()
            && self.state == State::Active
            && customer.profile.is_some()
            && self.session == Some(customer.session)
    }

    /// The cart as it stands at that moment: a freeze without an order ends by itself.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        if let State::Frozen { order: None, expires_at } = self.state
            && expires_at <= now
        {
            self.state = State::Active;
        }
        self
    }

    /// Checks that the caller saw this version.
    ///
    /// # Errors
    /// [`Refusal::Version`].
    pub fn expect_version(&self, expected: i64) -> Result<(), Refusal> {
        if self.version == expected { Ok(()) } else { Err(Refusal::Version { id: self.id, current: self.version }) }
    }

    /// Computes what it costs by the prices it holds.
    ///
    /// # Errors
    /// If an amount is out of range.
    pub fn quote(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.body.quote = Quote::of(&self.body, self.currency, self.channel, now)?;
        Ok(())
    }

    /// Checks that it may be changed.
    ///
    /// # Errors
    /// [`Refusal::Frozen`] or [`Refusal::Closed`].
    pub fn expect_active(&self) -> Result<(), Refusal> {
        match &self.state {
            State::Active => Ok(()),
            State::Frozen { .. } => Err(Refusal::Frozen),
            closed => Err(Refusal::Closed(closed.name())),
        }
    }
}

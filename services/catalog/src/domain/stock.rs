//! What a location has of a SKU.

use omnimesh_proto::catalog::v1::StockLevel;

/// A stock row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The SKU.
    pub sku: String,
    /// The location.
    pub location_id: String,
    /// Counted on the shelf.
    pub on_hand: i64,
    /// Held by reservations; those that have expired no longer count.
    pub reserved: i64,
    /// Bound to orders.
    pub allocated: i64,
    /// Never sold.
    pub safety: i64,
    /// Incremented by each change.
    pub version: i64,
}

impl Level {
    /// What can be sold; never below zero, also where a count found less than was promised.
    #[must_use]
    pub fn available(&self) -> i64 {
        (self.on_hand - self.reserved - self.allocated - self.safety).max(0)
    }

    /// All its parts, for those who work with them.
    #[must_use]
    pub fn to_proto(&self) -> StockLevel {
        StockLevel {
            sku: self.sku.clone(),
            location_id: self.location_id.clone(),
            on_hand: self.on_hand,
            reserved: self.reserved,
            allocated: self.allocated,
            safety: self.safety,
            available: self.available(),
            version: self.version,
        }
    }

    /// What customers see.
    #[must_use]
    pub fn to_public_proto(&self) -> StockLevel {
        StockLevel {
            sku: self.sku.clone(),
            location_id: self.location_id.clone(),
            available: self.available(),
            ..StockLevel::default()
        }
    }
}

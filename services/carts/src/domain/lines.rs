//! Adding, changing and removing lines.

use std::collections::BTreeMap;

use super::{Cart, Line, LineId, Refusal};

/// Lines that a customer may put into a cart. A merge may exceed it: it loses nothing.
pub const MAX_LINES: usize = 200;
/// Pieces that a customer may put into a line. A merge that adds up may exceed it.
pub const MAX_QUANTITY: i64 = 10_000;

/// What AddLine adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The id that the line gets if it is new.
    pub id: LineId,
    /// The SKU.
    pub sku: String,
    /// How many more.
    pub quantity: i64,
    /// The customer's options.
    pub options: BTreeMap<String, String>,
    /// The channel that adds.
    pub channel: i32,
}

/// Adds to the line of the same key, or a new one at the end; gives the line's id. Commutes with itself.
///
/// # Errors
/// If the cart can't be changed, is full, or the line would hold too much.
pub fn add(cart: &mut Cart, addition: &Addition) -> Result<LineId, Refusal> {
    cart.expect_active()?;
    let key = (addition.sku.as_str(), &addition.options);
    if let Some(line) = cart.body.lines.iter_mut().find(|line| line.key() == key) {
        let quantity = line.quantity.saturating_add(addition.quantity);
        if quantity > MAX_QUANTITY {
            return Err(Refusal::TooMany);
        }
        line.quantity = quantity;
        return Ok(line.id);
    }
    if cart.body.lines.len() >= MAX_LINES {
        return Err(Refusal::Full);
    }
    cart.body.lines.push(Line {
        id: addition.id,
        sku: addition.sku.clone(),
        quantity: addition.quantity,
        options: addition.options.clone(),
        added_in: addition.channel,
        origin: None,
        edited: None,
    });
    Ok(addition.id)
}

/// Sets a line's quantity; gives whether that changed it.
///
/// # Errors
/// If the cart can't be changed or has no such line.
pub fn change(cart: &mut Cart, id: LineId, quantity: i64) -> Result<bool, Refusal> {
    cart.expect_active()?;
    let line = cart.body.lines.iter_mut().find(|line| line.id == id).ok_or(Refusal::NoLine(id))?;
    let changed = line.quantity != quantity;
    line.quantity = quantity;
    Ok(changed)
}

/// Removes a line.
///
/// # Errors
/// If the cart can't be changed or has no such line.
pub fn remove(cart: &mut Cart, id: LineId) -> Result<(), Refusal> {
    cart.expect_active()?;
    let place = cart.body.lines.iter().position(|line| line.id == id).ok_or(Refusal::NoLine(id))?;
    cart.body.lines.remove(place);
    Ok(())
}

//! Taking a quantity out of lines and totals: what stays and what goes sum exactly to what was.

use super::{Amounts, Held, Order, Refused};

impl Order {
    /// Takes quantities out of the lines, and their amounts out of the totals. The delivery fee stays, and so does what was
    /// refunded for pieces that came back.
    pub(super) fn reduce(&mut self, parts: &[Held]) -> Result<(), Refused> {
        let (currency, tax_included) = (self.currency, self.totals.tax_included);
        let before = self.line_sums();
        for part in parts {
            let (refunded_pieces, refunded) = self.refunded_of(&part.line_id);
            let line = self.lines.iter_mut().find(|line| line.id == part.line_id);
            let left = line.as_ref().map_or(0, |line| line.quantity - line.cancelled - refunded_pieces);
            let Some(line) = line.filter(|_| part.quantity <= left) else {
                return Err(Refused::NotHeld { line_id: part.line_id.clone(), held: left });
            };
            let (rest, _) = (Amounts::of(line) - refunded).split(currency, tax_included, left, part.quantity)?;
            let kept = rest + refunded;
            line.subtotal = kept.subtotal;
            line.discount = kept.discount;
            line.tax = kept.tax;
            line.total = kept.total;
            line.cancelled += part.quantity;
        }
        let after = self.line_sums();
        let totals = &mut self.totals;
        totals.subtotal += after.subtotal - before.subtotal;
        totals.discount += after.discount - before.discount;
        totals.tax += after.tax - before.tax;
        totals.total += after.total - before.total;
        Ok(())
    }

    pub(super) fn line_sums(&self) -> Amounts {
        self.lines.iter().fold(Amounts::default(), |sum, line| sum + Amounts::of(line))
    }
}

//! Taking a quantity out of lines and totals: what stays and what goes sum exactly to what was.

use omnimesh_kit::money::{Money, split_by_largest_remainder};

use super::{Held, Order, Refused};

impl Order {
    /// Takes quantities out of the lines, and their amounts out of the totals. The delivery fee stays.
    pub(super) fn reduce(&mut self, parts: &[Held]) -> Result<(), Refused> {
        let (currency, tax_included) = (self.currency, self.totals.tax_included);
        let before = self.line_sums();
        for part in parts {
            let line = self.lines.iter_mut().find(|line| line.id == part.line_id);
            let left = line.as_ref().map_or(0, |line| line.quantity - line.cancelled);
            let Some(line) = line.filter(|_| part.quantity <= left) else {
                return Err(Refused::NotHeld { line_id: part.line_id.clone(), held: left });
            };
            let weights = [left - part.quantity, part.quantity];
            let keep = |micros: i64| -> Result<i64, Refused> {
                let parts = split_by_largest_remainder(Money::from_micros(currency, micros), &weights)?;
                Ok(parts.first().map_or(0, |kept| kept.micros))
            };
            line.subtotal = keep(line.subtotal)?;
            line.discount = keep(line.discount)?;
            line.tax = keep(line.tax)?;
            line.total = line.subtotal - line.discount + if tax_included { 0 } else { line.tax };
            line.cancelled += part.quantity;
        }
        let after = self.line_sums();
        let totals = &mut self.totals;
        totals.subtotal += after.0 - before.0;
        totals.discount += after.1 - before.1;
        totals.tax += after.2 - before.2;
        totals.total += after.3 - before.3;
        Ok(())
    }

    fn line_sums(&self) -> (i64, i64, i64, i64) {
        self.lines.iter().fold((0, 0, 0, 0), |sum, line| {
            (sum.0 + line.subtotal, sum.1 + line.discount, sum.2 + line.tax, sum.3 + line.total)
        })
    }
}

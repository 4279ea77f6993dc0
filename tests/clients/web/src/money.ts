// Amounts as people read them.

import type { Money } from "./gen/omnimesh/common/v1/money_pb";

const NANO_DIGITS = 9;

/** Exact: the amount goes from digits to digits and is never a binary fraction. */
export function format(money: Money | undefined, locale: string): string {
  if (!money) return "";
  const sign = money.units < 0n || money.nanos < 0 ? "-" : "";
  const whole = `${money.units}`.replace("-", "");
  const fraction = `${Math.abs(money.nanos)}`.padStart(NANO_DIGITS, "0");
  const amount = `${sign}${whole}.${fraction}` as `${number}`;
  return new Intl.NumberFormat(locale, { style: "currency", currency: money.currencyCode }).format(amount);
}

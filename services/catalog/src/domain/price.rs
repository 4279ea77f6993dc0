//! Which of a product's prices applies.

use omnimesh_kit::{clock::Timestamp, money::Money};
use omnimesh_proto::common::v1::Channel;

use super::span::Span;

/// A price of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// The amount of one unit.
    pub amount: Money,
    /// The channel; [`Channel::Unspecified`] is every channel.
    pub channel: Channel,
    /// When it holds.
    pub valid: Span,
}

/// The price in that channel at that moment: of those that hold, one of the channel goes before a general one, then the
/// one that started last. All prices are of one currency.
#[must_use]
pub fn choose(prices: &[Price], channel: Channel, now: Timestamp) -> Option<&Price> {
    prices
        .iter()
        .filter(|price| price.channel == channel || price.channel == Channel::Unspecified)
        .filter(|price| price.valid.contains(now))
        .max_by_key(|price| (price.channel != Channel::Unspecified, price.valid.start))
}

/// The first moment after `now` at which the choice could be another.
#[must_use]
pub fn next_change(prices: &[Price], channel: Channel, now: Timestamp) -> Option<Timestamp> {
    prices
        .iter()
        .filter(|price| price.channel == channel || price.channel == Channel::Unspecified)
        .filter_map(|price| price.valid.next_change(now))
        .min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::span::{ALWAYS, FOREVER};

    fn price(micros: i64, channel: Channel, start: Timestamp, end: Timestamp) -> Price {
        Price { amount: Money::from_micros("TRY".parse().unwrap(), micros), channel, valid: Span { start, end } }
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_price_of_the_channel_goes_before_a_later_general_one() {
        let prices = [
            price(1, Channel::Unspecified, ALWAYS, FOREVER),
            price(2, Channel::Unspecified, at(50), FOREVER),
            price(3, Channel::App, at(10), at(90)),
            price(4, Channel::App, at(20), at(80)),
        ];
        let chosen = |channel, now| choose(&prices, channel, at(now)).unwrap().amount.micros;
        assert_eq!(chosen(Channel::Web, 49), 1);
        assert_eq!(chosen(Channel::Web, 50), 2);
        assert_eq!(chosen(Channel::App, 9), 1);
        assert_eq!(chosen(Channel::App, 10), 3);
        assert_eq!(chosen(Channel::App, 79), 4);
        assert_eq!(chosen(Channel::App, 80), 3);
        assert_eq!(chosen(Channel::App, 90), 2);
    }

    fn prices() -> impl Strategy<Value = Vec<Price>> {
        let one = (0..3i32, 0i64..100, 1i64..100, 0i64..1_000).prop_map(|(channel, start, length, micros)| {
            price(micros, Channel::try_from(channel).unwrap(), at(start), at(start + length))
        });
        proptest::collection::vec(one, 0..12)
    }

    proptest! {
        #[test]
        fn nothing_better_is_left(prices in prices(), now in 0i64..200) {
            let now = at(now);
            let fits = |price: &&Price| {
                matches!(price.channel, Channel::Web | Channel::Unspecified) && price.valid.contains(now)
            };
            match choose(&prices, Channel::Web, now) {
                None => prop_assert!(!prices.iter().any(|price| fits(&price))),
                Some(chosen) => {
                    prop_assert!(fits(&chosen));
                    for other in prices.iter().filter(fits) {
                        let own = chosen.channel == Channel::Web;
                        prop_assert!(own || other.channel == Channel::Unspecified);
                        prop_assert!(own != (other.channel == Channel::Web) || other.valid.start <= chosen.valid.start);
                    }
                }
            }
        }

        #[test]
        fn the_choice_stands_until_the_next_change(prices in prices(), now in 0i64..200, later in 0i64..200) {
            let (now, later) = (at(now.min(later)), at(now.max(later)));
            let until = next_change(&prices, Channel::Web, now).unwrap_or(FOREVER);
            if later < until {
                prop_assert_eq!(choose(&prices, Channel::Web, now), choose(&prices, Channel::Web, later));
            }
        }
    }
}

//! Products as the catalog keeps them.

use std::collections::{BTreeMap, BTreeSet};

use omnimesh_kit::{clock::Timestamp, error::Fault, money::Money, text::fold, validate::Violations};
use omnimesh_proto::{catalog::v1 as proto, common::v1::Channel};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::{
    check,
    price::Price,
    span::{self, ALWAYS, FOREVER, Span},
};

/// The most prices of one product.
const MAX_PRICES: usize = 500;
/// The most options of one product.
const MAX_OPTIONS: usize = 50;
/// Words are searched by their beginnings: this many characters are enough of one.
const MAX_WORD: usize = 40;

/// Something that can be sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// The stock keeping unit.
    pub sku: String,
    /// The name, as given.
    pub name: String,
    /// The description, as given.
    pub description: String,
    /// What ties variants together.
    pub group_id: String,
    /// Options such as size.
    pub options: BTreeMap<String, String>,
    /// The tax category.
    pub tax_category: String,
    /// The prices.
    pub prices: Vec<Price>,
    /// Whether it is withdrawn.
    pub discontinued: bool,
    /// Whether it has no stock to count.
    pub stock_not_counted: bool,
}

impl Product {
    /// A product as somebody sent it.
    ///
    /// # Errors
    /// INVALID_ARGUMENT that names what is wrong.
    pub fn from_proto(sent: &proto::Product) -> Result<Self, Fault> {
        let mut v = Violations::new();
        let sku = check::sku(&mut v, "sku", &sent.sku);
        let name = check::free(&mut v, "name", &sent.name, 1..=500);
        let description = check::free(&mut v, "description", &sent.description, 0..=10_000);
        let group_id = check::free(&mut v, "group_id", &sent.group_id, 0..=64);
        let tax_category = check::tax_category(&mut v, "tax_category", &sent.tax_category);
        v.check("options", sent.options.len() <= MAX_OPTIONS, format!("must be at most {MAX_OPTIONS}"));
        for (option, value) in sent.options.iter().take(MAX_OPTIONS) {
            check::free(&mut v, "options", option, 1..=64);
            check::free(&mut v, "options", value, 0..=500);
        }
        v.check("prices", sent.prices.len() <= MAX_PRICES, format!("must be at most {MAX_PRICES}"));
        let mut prices = Vec::new();
        for (index, price) in sent.prices.iter().take(MAX_PRICES).enumerate() {
            prices.extend(price_from_proto(&mut v, &format!("prices[{index}]"), price));
        }
        let mut seen = BTreeSet::new();
        for price in &prices {
            let key = (price.amount.currency, price.channel as i32, price.valid.start);
            v.check("prices", seen.insert(key), "must not have two of the same currency, channel and start");
        }
        let (sku, name, description, group_id, tax_category) =
            v.finish_with((sku, name, description, group_id, tax_category))?;
        let options = sent.options.clone().into_iter().collect();
        let (discontinued, stock_not_counted) = (sent.discontinued, sent.stock_not_counted);
        Ok(Self { sku, name, description, group_id, options, tax_category, prices, discontinued, stock_not_counted })
    }

    /// The wire's form.
    #[must_use]
    pub fn to_proto(&self, version: i64, updated_at: Option<Timestamp>) -> proto::Product {
        proto::Product {
            sku: self.sku.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            group_id: self.group_id.clone(),
            options: self.options.clone(),
            tax_category: self.tax_category.clone(),
            prices: self.prices.iter().map(price_to_proto).collect(),
            discontinued: self.discontinued,
            stock_not_counted: self.stock_not_counted,
            version,
            update_time: updated_at.map(Timestamp::to_proto),
        }
    }

    /// A hash of all that was given, in hexadecimal: equal content has equal hashes, in whatever order its prices came.
    #[must_use]
    pub fn content_hash(&self) -> String {
        let mut sorted = self.clone();
        sorted.prices.sort_by_key(|price| (price.amount.currency, price.channel as i32, price.valid.start));
        // The contract's maps are ordered, so equal messages have equal bytes.
        hex(&Sha256::digest(sorted.to_proto(0, None).encode_to_vec()))
    }

    /// The folded words by which it is found.
    #[must_use]
    pub fn words(&self) -> BTreeSet<String> {
        words(&self.name).into_iter().chain(words(&self.sku)).collect()
    }
}

/// The folded words of a text, each cut to what search compares.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let parts = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.map(|word| word.chars().take(MAX_WORD).collect()).collect()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn price_from_proto(v: &mut Violations, field: &str, sent: &proto::Price) -> Option<Price> {
    let amount = v.money(&format!("{field}.amount"), sent.amount.as_ref());
    v.check(format!("{field}.amount"), !amount.is_some_and(Money::is_negative), "must not be negative");
    let channel = Channel::try_from(sent.channel).ok();
    v.check(format!("{field}.channel"), channel.is_some(), "must be a known channel, or unspecified for all");
    let start = span::moment_or(v, &format!("{field}.start_time"), sent.start_time.as_ref(), ALWAYS);
    let end = span::moment_or(v, &format!("{field}.end_time"), sent.end_time.as_ref(), FOREVER);
    let (amount, channel, start, end) = (amount?, channel?, start?, end?);
    v.check(format!("{field}.end_time"), start < end, "must be after start_time");
    Some(Price { amount, channel, valid: Span { start, end } })
}

fn price_to_proto(price: &Price) -> proto::Price {
    proto::Price {
        amount: Some(price.amount.to_proto()),
        channel: price.channel.into(),
        start_time: span::to_proto(price.valid.start),
        end_time: span::to_proto(price.valid.end),
    }
}

#[cfg(test)]
mod tests {
    use omnimesh_proto::common::v1::Money as ProtoMoney;

    use super::*;

    fn sent() -> proto::Product {
        let amount = |units| Some(ProtoMoney { currency_code: "TRY".to_owned(), units, nanos: 0 });
        proto::Product {
            sku: "Çay-12".to_owned(),
            name: "  Rize ÇAYI ".to_owned(),
            prices: vec![
                proto::Price { amount: amount(3), ..Default::default() },
                proto::Price { amount: amount(2), channel: Channel::App.into(), ..Default::default() },
            ],
            ..Default::default()
        }
    }

    #[test]
    fn text_is_kept_as_given_and_found_folded() {
        let product = Product::from_proto(&sent()).unwrap();
        assert_eq!(product.name, "  Rize ÇAYI ");
        assert_eq!(product.tax_category, "standard");
        assert_eq!(product.words().into_iter().collect::<Vec<_>>(), ["12", "cay", "cayi", "rize"]);
        assert_eq!(Product::from_proto(&product.to_proto(3, None)).unwrap(), product);
    }

    #[test]
    fn the_order_of_prices_is_no_content_and_the_rest_is() {
        let hash = |sent: &proto::Product| Product::from_proto(sent).unwrap().content_hash();
        let same = proto::Product { prices: sent().prices.into_iter().rev().collect(), version: 9, ..sent() };
        assert_eq!(hash(&sent()), hash(&same));
        for other in [
            proto::Product { name: "Rize ÇAYI".to_owned(), ..sent() },
            proto::Product { discontinued: true, ..sent() },
            proto::Product { prices: sent().prices.into_iter().take(1).collect(), ..sent() },
        ] {
            assert_ne!(hash(&sent()), hash(&other));
        }
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        let refusal = |sent: &proto::Product| Product::from_proto(sent).unwrap_err().message().to_owned();
        let money = |units| Some(ProtoMoney { currency_code: "TRY".to_owned(), units, nanos: 0 });
        let priced = |prices| proto::Product { prices, ..sent() };
        let moment = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let cases = [
            (proto::Product { sku: String::new(), ..sent() }, "sku: must have 1 to 64 characters"),
            (proto::Product { sku: "a\nb".to_owned(), ..sent() }, "sku: must not have control characters"),
            (proto::Product { name: String::new(), ..sent() }, "name: must have 1 to 500 characters"),
            (proto::Product { name: "a\0".to_owned(), ..sent() }, "name: must not have the character NUL"),
            (proto::Product { tax_category: "Books".to_owned(), ..sent() }, "tax_category: must have at most 32"),
            (priced(vec![proto::Price::default()]), "prices[0].amount: must be given"),
            (priced(vec![proto::Price { amount: money(-1), ..Default::default() }]), "prices[0].amount: must not be"),
            (
                priced(vec![proto::Price { amount: money(1), channel: 99, ..Default::default() }]),
                "prices[0].channel: must be a known channel",
            ),
            (
                priced(vec![proto::Price { amount: money(1), start_time: moment(9), end_time: moment(9), channel: 0 }]),
                "prices[0].end_time: must be after start_time",
            ),
            (
                priced(vec![
                    proto::Price { amount: money(1), ..Default::default() },
                    proto::Price { amount: money(2), ..Default::default() },
                ]),
                "prices: must not have two",
            ),
        ];
        for (sent, expected) in cases {
            assert!(refusal(&sent).starts_with(expected), "{} for {expected}", refusal(&sent));
        }
    }
}

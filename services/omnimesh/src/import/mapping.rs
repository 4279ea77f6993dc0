//! The mapping file: which column of a CSV file holds what, and what its documents are.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use omnimesh_kit::money::Currency;
use omnimesh_proto::common::v1::Channel;
use serde::Deserialize;

/// The mappings that come with the binary, chosen by the file's header where none is named.
const BUILT_IN: [(&str, &str); 3] = [
    ("customer-records.profiles", include_str!("../../mappings/customer-records.profiles.toml")),
    ("uci-online-retail.orders", include_str!("../../mappings/uci-online-retail.orders.toml")),
    ("uci-online-retail.products", include_str!("../../mappings/uci-online-retail.products.toml")),
];

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Orders, returns and adjustments, a row per line.
    Orders,
    /// Products; rows of one SKU are one product.
    Products,
    /// What channels know of customers, a row per record.
    Profiles,
}

/// A mapping file. `omnimesh import orders --print-mapping` prints one with its explanation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What the file holds.
    pub kind: Kind,
    /// The system it comes from.
    #[serde(default)]
    pub account: String,
    /// ISO 4217 for every row, unless a column has it.
    #[serde(default)]
    pub currency: String,
    /// The channel the documents came in by.
    #[serde(default)]
    pub channel: String,
    /// Which column holds what.
    pub columns: Columns,
    /// How times are written.
    #[serde(default)]
    pub time: TimeFormat,
    /// What the documents are.
    #[serde(default)]
    pub documents: Documents,
    /// Codes that are not goods.
    #[serde(default)]
    pub fees: Fees,
    /// What the values of the column `source` mean.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
}

/// Names of columns, as the header has them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    pub document: String,
    pub sku: String,
    pub name: String,
    pub quantity: String,
    pub unit_price: String,
    pub time: String,
    pub customer: String,
    pub country: String,
    pub currency: String,
    pub source: String,
    pub email: String,
    pub phone: String,
    pub address: String,
    pub city: String,
    pub postal_code: String,
    pub birth_date: String,
    pub loyalty_card: String,
}

/// A source of customer records.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// The channel.
    pub channel: String,
    /// The channel account.
    pub account: String,
    /// Customer ids that begin so are accounts that people log in to.
    pub login_prefixes: Vec<String>,
    /// The customer id is a phone number.
    pub customer_is_phone: bool,
}

/// How times are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeFormat {
    /// A format description of the `time` crate, version 2.
    pub format: String,
    /// The offset of times that carry none, `+hh:mm`.
    pub utc_offset: String,
}

impl Default for TimeFormat {
    fn default() -> Self {
        Self { format: "[year]-[month]-[day] [hour]:[minute]:[second]".into(), utc_offset: "+00:00".into() }
    }
}

/// What a document's number says about it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Documents {
    /// Numbers of returns begin so.
    pub return_prefixes: Vec<String>,
    /// Numbers of adjustments begin so.
    pub adjustment_prefixes: Vec<String>,
}

/// Codes that are not goods.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fees {
    /// Whole codes, case-sensitive.
    pub codes: Vec<String>,
    /// Beginnings of codes, case-sensitive.
    pub prefixes: Vec<String>,
}

impl Fees {
    /// Whether a code is a fee's.
    #[must_use]
    pub fn contains(&self, sku: &str) -> bool {
        self.codes.iter().any(|code| code == sku) || self.prefixes.iter().any(|prefix| sku.starts_with(prefix))
    }
}

impl Mapping {
    /// The mapping in a file.
    ///
    /// # Errors
    /// If it can't be read, or says something that it may not.
    pub fn from_file(path: &Path, kind: Kind) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("can't read the mapping {}", path.display()))?;
        Self::parse(&text, kind).with_context(|| format!("the mapping {} can't be used", path.display()))
    }

    /// The built-in mapping whose columns the header has, and its name.
    ///
    /// # Errors
    /// If none fits; the message says how to write one.
    pub fn for_header(header: &csv::StringRecord, kind: Kind) -> Result<(&'static str, Self)> {
        for (name, text) in BUILT_IN {
            let Ok(mapping) = Self::parse(text, kind) else { continue };
            if mapping.missing_columns(header).is_empty() {
                return Ok((name, mapping));
            }
        }
        bail!(
            "no built-in mapping fits the columns {}: write one and pass it with --mapping; --print-mapping prints one to start from",
            header.iter().collect::<Vec<_>>().join(", ")
        )
    }

    /// The text of the built-in mapping of that kind, with its comments.
    #[must_use]
    pub fn example(kind: Kind) -> &'static str {
        BUILT_IN.iter().find(|(_, text)| Self::parse(text, kind).is_ok()).map_or("", |(_, text)| text)
    }

    /// The named columns that a header lacks.
    #[must_use]
    pub fn missing_columns(&self, header: &csv::StringRecord) -> Vec<&str> {
        let columns = &self.columns;
        [
            &columns.document,
            &columns.sku,
            &columns.name,
            &columns.quantity,
            &columns.unit_price,
            &columns.time,
            &columns.customer,
            &columns.country,
            &columns.currency,
            &columns.source,
            &columns.email,
            &columns.phone,
            &columns.address,
            &columns.city,
            &columns.postal_code,
            &columns.birth_date,
            &columns.loyalty_card,
        ]
        .into_iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty() && !header.iter().any(|column| column == *name))
        .collect()
    }

    /// The mapping in a text.
    ///
    /// # Errors
    /// If it says something that it may not.
    pub fn parse(text: &str, kind: Kind) -> Result<Self> {
        let mapping: Self = toml::from_str(text)?;
        ensure!(mapping.kind == kind, "it is for {:?}, not for {kind:?}", mapping.kind);
        let columns = &mapping.columns;
        let mut required = Vec::new();
        if kind != Kind::Profiles {
            required.extend([("sku", &columns.sku), ("unit_price", &columns.unit_price)]);
        }
        if kind == Kind::Orders {
            ensure!(!mapping.account.is_empty(), "`account` is missing: name the system the documents come from");
            required.extend([
                ("document", &columns.document),
                ("quantity", &columns.quantity),
                ("time", &columns.time),
            ]);
        }
        for (name, column) in required {
            ensure!(!column.is_empty(), "`columns.{name}` is missing: name the column that holds it");
        }
        if kind == Kind::Profiles {
            mapping.check_sources()?;
        } else {
            ensure!(
                mapping.columns.currency.is_empty() != mapping.currency.is_empty(),
                "give either `currency` or `columns.currency`"
            );
        }
        if !mapping.currency.is_empty() {
            let _: Currency = mapping.currency.parse().context("`currency` is not an ISO 4217 code")?;
        }
        mapping.channel()?;
        Ok(mapping)
    }

    fn check_sources(&self) -> Result<()> {
        if self.columns.source.is_empty() {
            ensure!(!self.channel.is_empty(), "give either `channel` or `columns.source` with its [sources]");
        } else {
            ensure!(!self.sources.is_empty(), "`columns.source` needs a [sources.…] for each of its values");
        }
        for (name, source) in &self.sources {
            let channel = channel_named(&source.channel).with_context(|| format!("[sources.{name}]"))?;
            ensure!(channel != Channel::Unspecified, "[sources.{name}] has no `channel`");
        }
        Ok(())
    }

    /// The channel the documents came in by.
    ///
    /// # Errors
    /// If it is none of the contract's.
    pub fn channel(&self) -> Result<Channel> {
        channel_named(&self.channel)
    }
}

fn channel_named(text: &str) -> Result<Channel> {
    if text.is_empty() {
        return Ok(Channel::Unspecified);
    }
    let name = format!("CHANNEL_{}", text.to_uppercase());
    Channel::from_str_name(&name).with_context(|| format!("`channel` {text:?} is not a channel"))
}

impl Source {
    /// The channel.
    #[must_use]
    pub fn channel(&self) -> Channel {
        channel_named(&self.channel).unwrap_or(Channel::Unspecified)
    }

    /// Whether a customer id is an account that somebody logs in to.
    #[must_use]
    pub fn is_login(&self, customer: &str) -> bool {
        !customer.is_empty() && self.login_prefixes.iter().any(|prefix| customer.starts_with(prefix))
    }
}

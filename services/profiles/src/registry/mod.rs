//! The national registry of consents, asked before each marketing message where one applies.

mod iys;
pub mod sandbox;

use omnimesh_kit::{
    config::{self, Texts},
    contact::Contact,
    private::Private,
};
use omnimesh_proto::profiles::v1::ConsentChannel;
use serde::{Deserialize, Serialize};

/// The section `[profiles.consents]` of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsentSettings {
    /// The national registry of consents that is asked before marketing.
    pub registry: RegistryKind,
    /// Where İYS answers; `omnimesh sandbox iys` says where its sandbox on this machine does.
    pub iys_url: String,
    /// The number that İYS gave the retailer.
    pub iys_code: u64,
    /// The number that İYS gave the brand.
    pub iys_brand: u64,
    /// The user of İYS' programming interface.
    pub iys_username: Private<String>,
    /// Its password.
    pub iys_password: Private<String>,
    /// Whether İYS is asked for e-mail addresses too: they don't tell which country they are of. Phones are if they are Turkish.
    pub iys_emails: bool,
    /// Mail domains under which marketplaces hand out aliases of their buyers, beside those that say so in their name.
    pub marketplace_domains: Texts,
}

impl Default for ConsentSettings {
    fn default() -> Self {
        Self {
            registry: RegistryKind::None,
            iys_url: "https://api.iys.org.tr".to_owned(),
            iys_code: 0,
            iys_brand: 0,
            iys_username: Private::default(),
            iys_password: Private::default(),
            iys_emails: true,
            marketplace_domains: Texts::default(),
        }
    }
}

impl ConsentSettings {
    /// Whether a registry could be asked with them.
    ///
    /// # Errors
    /// If a value can't be used; names it.
    pub fn check(&self) -> Result<(), config::Error> {
        Registry::of(self).map(drop)
    }
}

/// Which registry applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryKind {
    /// None: the retailer's own records decide.
    #[default]
    None,
    /// İleti Yönetim Sistemi of Türkiye.
    Iys,
}

/// What the registry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It does not concern this address.
    NotConcerned,
    /// Consent is registered.
    Consents,
    /// Refusal is registered, or nothing is.
    Refuses,
    /// It does not answer: nobody knows.
    Silent,
}

/// The registry that applies.
#[derive(Debug)]
pub(crate) enum Registry {
    /// None.
    None,
    /// İYS.
    Iys(Box<iys::Iys>),
}

impl Registry {
    /// That of the settings.
    pub(crate) fn of(settings: &ConsentSettings) -> Result<Self, config::Error> {
        match settings.registry {
            RegistryKind::None => Ok(Self::None),
            RegistryKind::Iys => iys::Iys::new(settings).map(|iys| Self::Iys(Box::new(iys))),
        }
    }

    /// Whether marketing may go to an address by a channel.
    pub(crate) async fn ask(&self, channel: ConsentChannel, address: &Contact) -> Answer {
        match self {
            Self::None => Answer::NotConcerned,
            Self::Iys(iys) => iys.ask(channel, address).await,
        }
    }
}

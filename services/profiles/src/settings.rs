//! The section `[profiles]` of the settings.

use std::collections::BTreeMap;

use omnimesh_kit::config::{self, Texts};
use omnimesh_proto::profiles::v1::IdentifierType;
use serde::{Deserialize, Serialize};

use crate::registry::ConsentSettings;

/// How customers are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfilesSettings {
    /// ISO 3166-1 alpha-2: the country of phone numbers in national form, where the claims name none.
    pub country: String,
    /// How many different proved identifiers of a type a person has: more veto a merge. 0 or absent: any number. Logins count
    /// per channel or account, OIDC subjects per issuer.
    pub limits: BTreeMap<String, u32>,
    /// Values that many people give and nobody owns: kept, and never compared.
    pub blocked: Texts,
    /// A claimed value that comes to more customers than this within an hour is not compared any more.
    pub quarantine_above: u32,
    /// Suggests a merge above so many thousandths of a bit of evidence: at 0, two records are as likely of one person as not.
    pub suggest_above: i32,
    /// Merges above so many thousandths of a bit of evidence; absent: never.
    pub auto_merge_above: Option<i32>,
    /// What else decides about consents.
    pub consents: ConsentSettings,
}

impl Default for ProfilesSettings {
    fn default() -> Self {
        Self {
            country: "TR".to_owned(),
            limits: [("loyalty_card", 1), ("national_id", 1), ("oidc_subject", 1)]
                .map(|(name, limit)| (name.to_owned(), limit))
                .into(),
            blocked: Texts(
                ["test@test.com", "test@example.com", "noreply@example.com", "a@a.com", "none@none.com", "yok@yok.com"]
                    .map(str::to_owned)
                    .into(),
            ),
            quarantine_above: 10,
            suggest_above: -1_000,
            auto_merge_above: None,
            consents: ConsentSettings::default(),
        }
    }
}

impl ProfilesSettings {
    pub(crate) fn check(&self) -> Result<(), config::Error> {
        if self.country.len() != 2 || !self.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(config::Error::at("profiles.country", "must be two upper-case letters, such as TR"));
        }
        if let Some(name) = self.limits.keys().find(|name| kind(name).is_none()) {
            let text = "must be a type of identifiers, such as loyalty_card";
            return Err(config::Error::at(format!("profiles.limits.{name}"), text));
        }
        if self.auto_merge_above.is_some_and(|above| above < self.suggest_above) {
            return Err(config::Error::at("profiles.auto_merge_above", "must not be under suggest_above"));
        }
        if self.quarantine_above == 0 {
            return Err(config::Error::at("profiles.quarantine_above", "must be at least 1"));
        }
        Ok(())
    }

    /// How many different ones of a type, as i32 of the contract's, a person has; `None`: any number.
    pub(crate) fn limit(&self, of: i32) -> Option<usize> {
        let limit = self.limits.iter().find(|(name, _)| kind(name).is_some_and(|kind| kind as i32 == of));
        limit.and_then(|(_, limit)| usize::try_from(*limit).ok()).filter(|limit| *limit > 0)
    }
}

fn kind(name: &str) -> Option<IdentifierType> {
    let kind = IdentifierType::from_str_name(&format!("IDENTIFIER_TYPE_{}", name.to_ascii_uppercase()));
    kind.filter(|kind| *kind != IdentifierType::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_is_checked() {
        let settings = ProfilesSettings::default();
        settings.check().unwrap();
        let limits = [IdentifierType::LoyaltyCard, IdentifierType::Login].map(|kind| settings.limit(kind.into()));
        assert_eq!(limits, [Some(1), None]);
        for bad in [
            ProfilesSettings { country: "tr".to_owned(), ..settings.clone() },
            ProfilesSettings { limits: [("shoe_size".to_owned(), 1)].into(), ..settings.clone() },
            ProfilesSettings { auto_merge_above: Some(-2_000), ..settings.clone() },
            ProfilesSettings { quarantine_above: 0, ..settings.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}

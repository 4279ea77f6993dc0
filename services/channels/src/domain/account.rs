//! An account at a marketplace.

use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::channels::v1::{self as proto, AccountState};

use super::AccountId;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its connector.
    pub vendor: String,
    /// What people call it.
    pub display_name: String,
    /// Whether it is in use.
    pub active: bool,
    /// Its credentials, sealed.
    pub credentials: Vec<u8>,
    /// Rises with each rotation.
    pub credentials_version: i64,
    /// The connector's, of the last page that was kept.
    pub cursor: Vec<u8>,
    /// When the last whole pull began.
    pub pulled_at: Option<Timestamp>,
    /// What keeps it from being pulled.
    pub problem: String,
    /// Pulls that failed since the last good one.
    pub failures: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Account {
    /// What requests to the connector name. With the version: what a connector still has of an earlier one is never used again.
    #[must_use]
    pub fn credentials_ref(&self) -> String {
        format!("{}:{}", self.id, self.credentials_version)
    }

    /// The account that a reference names.
    #[must_use]
    pub fn of_ref(reference: &str) -> Option<AccountId> {
        reference.split_once(':')?.0.parse().ok()
    }

    /// On the wire.
    #[must_use]
    pub fn to_proto(&self, sync: proto::AccountSync) -> proto::Account {
        let state = if self.active { AccountState::Active } else { AccountState::Paused };
        proto::Account {
            account_id: self.id.to_string(),
            vendor: self.vendor.clone(),
            display_name: self.display_name.clone(),
            state: state.into(),
            credentials_version: self.credentials_version,
            create_time: Some(self.created_at.to_proto()),
            sync: Some(proto::AccountSync {
                pull_time: self.pulled_at.map(Timestamp::to_proto),
                problem: self.problem.clone(),
                ..sync
            }),
        }
    }
}

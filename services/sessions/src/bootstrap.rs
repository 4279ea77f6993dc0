//! Keys without an RPC: those of the first start, and those that an operator makes at the machine.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    error::Fault,
    outbox::sql::KEEP_FACT,
    private::Private,
    store::{self, Db},
    transaction,
};
use omnimesh_proto::sessions::v1::ApiKeyKind;

use crate::{
    domain::api_key::{ApiKey, KeySpec},
    error::Error,
    store as sql,
};

/// The fact that says that the first keys were made.
const FACT: &str = "bootstrap_keys";

/// The secrets of the first keys. They are nowhere else: write them to files that only their owner can read.
#[derive(Clone, Debug)]
pub struct BootstrapKeys {
    /// A key of kind ADMIN.
    pub admin: Private<String>,
    /// A key of kind PUBLISHABLE, for every origin and channel.
    pub publishable: Private<String>,
}

/// Makes the first two keys, at the first start of an installation only: `None` ever after. `db` is the sessions service's.
///
/// # Errors
/// Whatever the database says.
pub async fn bootstrap_keys(db: &Db) -> Result<Option<BootstrapKeys>, store::Error> {
    transaction!(db, tx => {
        // The first process to write the fact makes the keys; a second one waits here, then finds it written.
        let first = tx.execute(KEEP_FACT, args![FACT, 1i64]).await? == 1;
        let mut keys = None;
        if first {
            let now = tx.now();
            let (admin, admin_secret) = generate(ApiKeyKind::Admin, "first admin key", now);
            let (publishable, publishable_secret) = generate(ApiKeyKind::Publishable, "first publishable key", now);
            sql::keys::insert(&mut tx, &admin).await?;
            sql::keys::insert(&mut tx, &publishable).await?;
            keys = Some(BootstrapKeys { admin: admin_secret.into(), publishable: publishable_secret.into() });
        }
        Ok::<_, store::Error>(keys)
    })
}

/// Makes a key; gives its id and its secret.
///
/// # Errors
/// INVALID_ARGUMENT if the kind may not have what is given; whatever the database says.
pub async fn create_key(db: &Db, spec: KeySpec) -> Result<(String, Private<String>), Fault> {
    let spec = spec.check()?;
    let (key, secret) = ApiKey::generate(spec, db.clock().now());
    transaction!(db, tx => {
        sql::keys::insert(&mut tx, &key).await?;
        Ok::<_, Error>(())
    })?;
    Ok((key.id, secret.into()))
}

fn generate(kind: ApiKeyKind, name: &str, now: Timestamp) -> (ApiKey, String) {
    ApiKey::generate(KeySpec::plain(kind, name), now)
}

//! Work that one process at a time may do: a row with a fencing token that rises with every new holder.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    args,
    store::{Db, Error, Tx},
};

/// The SQL of leases.
pub mod sql {
    crate::statements! {
        /// Takes a lease that is free, has run out or is held by oneself.
        TAKE = "INSERT INTO leases (name, holder, token, expires_at) VALUES ($1, $2, 1, $3) \
            ON CONFLICT (name) DO UPDATE SET holder = $2, token = leases.token + 1, expires_at = $3 \
            WHERE leases.expires_at < $4 RETURNING token";
        /// Takes a lease from whoever holds it.
        SEIZE = "INSERT INTO leases (name, holder, token, expires_at) VALUES ($1, $2, 1, $3) \
            ON CONFLICT (name) DO UPDATE SET holder = $2, token = leases.token + 1, expires_at = $3 RETURNING token";
        /// Prolongs a lease, and locks it until the transaction ends.
        HOLD = "UPDATE leases SET expires_at = $3 WHERE name = $1 AND token = $2";
        /// Gives a lease back.
        RELEASE = "UPDATE leases SET expires_at = 0 WHERE name = $1 AND token = $2";
    }
}

/// How long leases last and how often they are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From the last renewal.
    pub lasts: Duration,
    /// Between renewals.
    pub renewal: Duration,
    /// Between looks for work that another process left in the database.
    pub poll: Duration,
}

impl Terms {
    /// An SQLite file belongs to one process: nobody waits for its leases, so that renewing them can be rare.
    #[must_use]
    pub fn of(db: &Db) -> Self {
        if db.is_sqlite() {
            let (lasts, renewal) = (Duration::from_secs(300), Duration::from_secs(100));
            Self { lasts, renewal, poll: Duration::from_secs(1) }
        } else {
            let (lasts, renewal) = (Duration::from_secs(10), Duration::from_secs(3));
            Self { lasts, renewal, poll: Duration::from_millis(100) }
        }
    }
}

/// A lease that was taken. Whether it is still held shows in the transactions that work under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    name: String,
    token: i64,
    lasts: Duration,
}

impl Lease {
    /// Takes the lease if it is free or has run out. `seize` takes it in any case: the former holder's transactions fail.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn take(db: &Db, name: &str, holder: Uuid, lasts: Duration, seize: bool) -> Result<Option<Self>, Error> {
        let mut tx = db.begin().await?;
        let now = tx.now();
        let row = if seize {
            tx.fetch_optional(sql::SEIZE, args![name, holder, now.plus(lasts)]).await?
        } else {
            tx.fetch_optional(sql::TAKE, args![name, holder, now.plus(lasts), now]).await?
        };
        let token = row.map(|row| row.get::<i64>("token")).transpose()?;
        tx.commit().await?;
        Ok(token.map(|token| Self { name: name.to_owned(), token, lasts }))
    }

    /// Prolongs the lease in the transaction that works under it, which thereby holds it to its end.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] if it has passed to another holder.
    pub async fn hold(&self, tx: &mut Tx) -> Result<(), Error> {
        let until = tx.now().plus(self.lasts);
        match tx.execute(sql::HOLD, args![&self.name, self.token, until]).await? {
            1 => Ok(()),
            _ => Err(Error::LeaseLost),
        }
    }

    /// Prolongs the lease.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] if it has passed to another holder.
    pub async fn renew(&self, db: &Db) -> Result<(), Error> {
        let mut tx = db.begin().await?;
        self.hold(&mut tx).await?;
        tx.commit().await
    }

    /// Gives the lease back, so that the next holder need not wait.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn release(self, db: &Db) -> Result<(), Error> {
        let mut tx = db.begin().await?;
        tx.execute(sql::RELEASE, args![&self.name, self.token]).await?;
        tx.commit().await
    }
}

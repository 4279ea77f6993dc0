//! Which partitions of a producer this process reads: the group's processes share them out by lease.

use std::{collections::BTreeMap, time::Duration};

use uuid::Uuid;

use super::{Consumer, sql};
use crate::{
    args,
    clock::Timestamp,
    outbox::PARTITIONS,
    store::{Db, Error},
};

pub(super) struct Shares {
    group: &'static str,
    producer: &'static str,
    db: Db,
    holder: Uuid,
    lasts: Duration,
    started: bool,
    complete: bool,
}

/// Token and position by partition.
pub(super) type Held = BTreeMap<u32, (i64, i64)>;

impl Shares {
    pub(super) fn new(consumer: &Consumer, db: Db, lasts: Duration) -> Self {
        let Consumer { group, producer, .. } = *consumer;
        Self { group, producer, db, holder: Uuid::new_v4(), lasts, started: false, complete: false }
    }

    /// When to look again: soon while others hold more than their share, later when all is settled.
    pub(super) fn next(&self) -> Duration {
        if self.complete { Duration::MAX } else { Duration::from_secs(3) }
    }

    /// Prolongs what is held, gives back what is over the share and takes what is free; in one transaction.
    pub(super) async fn renew(&mut self) -> Result<Held, Error> {
        let (group, producer, holder) = (self.group, self.producer, self.holder);
        let mut tx = self.db.begin().await?;
        let now = tx.now();
        let until = now.plus(self.lasts);
        if !self.started {
            for partition in 0..PARTITIONS {
                tx.execute(sql::ENSURE, args![group, producer, partition]).await?;
            }
        }
        tx.execute(sql::RENEW, args![group, producer, holder, until]).await?;
        tx.execute(sql::JOIN, args![group, producer, holder, until]).await?;
        tx.execute(sql::EXPIRE, args![group, producer, now]).await?;
        let members = tx.fetch_one(sql::MEMBERS, args![group, producer]).await?.get::<i64>("members")?;
        let rows = tx.fetch_all(sql::STATE, args![group, producer]).await?;

        // An SQLite file belongs to this process: who held the leases before was its own past.
        let seize = self.db.is_sqlite() && !self.started;
        let members = u32::try_from(members.max(1)).unwrap_or(u32::MAX);
        let share = usize::try_from(PARTITIONS.div_ceil(members)).unwrap_or(usize::MAX);
        let mut held = Held::new();
        let mut free = Vec::new();
        for row in &rows {
            let (partition, token) = (row.get::<u32>("partition")?, row.get::<i64>("token")?);
            let position = row.get::<i64>("position")?;
            if row.get::<Option<Uuid>>("holder")? == Some(holder) {
                held.insert(partition, (token, position));
            } else if seize || row.get::<Timestamp>("expires_at")? < now {
                free.push((partition, token, position));
            }
        }
        while held.len() > share
            && let Some((partition, _)) = held.pop_last()
        {
            tx.execute(sql::RELEASE, args![group, producer, partition, holder]).await?;
        }
        for (partition, token, position) in free {
            if (seize || held.len() < share)
                && tx.execute(sql::TAKE, args![group, producer, partition, token, holder, until]).await? == 1
            {
                held.insert(partition, (token + 1, position));
            }
        }
        tx.commit().await?;
        self.started = true;
        self.complete = held.len() == rows.len();
        Ok(held)
    }

    /// Gives everything back, so that the others need not wait.
    pub(super) async fn leave(&self) {
        let done: Result<(), Error> = async {
            let mut tx = self.db.begin().await?;
            for partition in 0..PARTITIONS {
                tx.execute(sql::RELEASE, args![self.group, self.producer, partition, self.holder]).await?;
            }
            tx.execute(sql::LEAVE, args![self.group, self.producer, self.holder]).await?;
            tx.commit().await
        }
        .await;
        if let Err(error) = done {
            tracing::debug!(group = self.group, producer = self.producer, cause = %error, "leases were not given back: they run out");
        }
    }
}

//! A connection and a transaction of either database.

use std::ops::{Deref, DerefMut};

use sqlx::{
    AssertSqlSafe, Executor as _, PgConnection, Postgres, SqlSafeStr as _, Sqlite, SqliteConnection, Transaction,
    pool::PoolConnection, sqlite::SqliteQueryResult,
};

use crate::{
    clock::Timestamp,
    fault, outbox,
    store::{Db, Error, Row, Sql, Value, value},
};

/// A connection out of the pool. Ask one question after the other.
pub struct Conn {
    link: Link,
    // Set by the first statement that failed for a reason that has nothing to do with what was asked.
    trouble: Option<Trouble>,
    // The database refused a statement.
    refused: bool,
}

enum Link {
    Postgres(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
    Sqlite(PoolConnection<Sqlite>),
    SqliteTx(Transaction<'static, Sqlite>),
}

enum Driver<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

/// Why a transaction failed, when not for what it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Others were in the way: the same transaction may succeed at once.
    Contention,
    /// The database can't be reached.
    Unavailable,
}

macro_rules! ask {
    ($conn:expr, $sql:expr, $values:expr, $method:ident, |$found:ident| $postgres:expr, $sqlite:expr) => {{
        let answer = async {
            match $conn.driver() {
                Driver::Postgres(driver) => {
                    let $found = sqlx::query_with($sql.postgres, value::postgres($values)?).$method(driver).await?;
                    Ok($postgres)
                }
                Driver::Sqlite(driver) => {
                    let $found = sqlx::query_with($sql.sqlite, value::sqlite($values)?).$method(driver).await?;
                    Ok($sqlite)
                }
            }
        }
        .await;
        $conn.note(answer)
    }};
}

impl Conn {
    pub(super) fn postgres(connection: PoolConnection<Postgres>) -> Self {
        Self { link: Link::Postgres(connection), trouble: None, refused: false }
    }

    pub(super) fn sqlite(connection: PoolConnection<Sqlite>) -> Self {
        Self { link: Link::Sqlite(connection), trouble: None, refused: false }
    }

    /// Runs a statement; gives the number of rows it changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn execute(&mut self, sql: Sql, values: impl IntoIterator<Item = Value> + Send) -> Result<u64, Error> {
        ask!(self, sql, values, execute, |done| done.rows_affected(), SqliteQueryResult::rows_affected(&done))
    }

    /// The one row of the answer, or none.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_optional(
        &mut self,
        sql: Sql,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> Result<Option<Row>, Error> {
        ask!(self, sql, values, fetch_optional, |row| row.map(Row::Postgres), row.map(Row::Sqlite))
    }

    /// The one row of the answer.
    ///
    /// # Errors
    /// Whatever the database says; also if there is no row.
    pub async fn fetch_one(&mut self, sql: Sql, values: impl IntoIterator<Item = Value> + Send) -> Result<Row, Error> {
        ask!(self, sql, values, fetch_one, |row| Row::Postgres(row), Row::Sqlite(row))
    }

    /// All rows of the answer. Statements bound their answers with LIMIT.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_all(
        &mut self,
        sql: Sql,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> Result<Vec<Row>, Error> {
        ask!(
            self,
            sql,
            values,
            fetch_all,
            |rows| rows.into_iter().map(Row::Postgres).collect(),
            rows.into_iter().map(Row::Sqlite).collect()
        )
    }

    /// Has the database prepare a statement without running it.
    ///
    /// # Errors
    /// If the database does not understand it.
    pub async fn prepare(&mut self, sql: Sql) -> Result<(), Error> {
        match self.driver() {
            Driver::Postgres(driver) => drop(driver.prepare(sql.postgres.into_sql_str()).await?),
            Driver::Sqlite(driver) => drop(driver.prepare(sql.sqlite.into_sql_str()).await?),
        }
        Ok(())
    }

    /// Runs SQL that was built at run time, several statements if need be: for tools and tests, never with outside input.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn execute_raw(&mut self, sql: &str) -> Result<(), Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let answer = match self.driver() {
            Driver::Postgres(driver) => sql.execute(driver).await.map(drop),
            Driver::Sqlite(driver) => sql.execute(driver).await.map(drop),
        };
        self.note(answer.map_err(Error::from))
    }

    fn driver(&mut self) -> Driver<'_> {
        match &mut self.link {
            Link::Postgres(connection) => Driver::Postgres(connection),
            Link::PostgresTx(transaction) => Driver::Postgres(transaction),
            Link::Sqlite(connection) => Driver::Sqlite(connection),
            Link::SqliteTx(transaction) => Driver::Sqlite(transaction),
        }
    }

    fn note<T>(&mut self, answer: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &answer {
            let trouble = if error.is_retryable() {
                Some(Trouble::Contention)
            } else if error.is_unavailable() {
                Some(Trouble::Unavailable)
            } else {
                None
            };
            self.trouble = self.trouble.or(trouble);
            self.refused |= error.is_refusal();
        }
        answer
    }
}

/// A transaction: one visible value in the use case. Dropped without commit, it rolls back.
pub struct Tx {
    conn: Conn,
    db: Db,
    unwritten: Vec<outbox::Entry>,
    appended: bool,
    erased: bool,
}

impl Tx {
    pub(super) fn postgres(transaction: Transaction<'static, Postgres>, db: Db) -> Self {
        Self {
            conn: Conn { link: Link::PostgresTx(transaction), trouble: None, refused: false },
            db,
            unwritten: Vec::new(),
            appended: false,
            erased: false,
        }
    }

    pub(super) fn sqlite(transaction: Transaction<'static, Sqlite>, db: Db) -> Self {
        Self {
            conn: Conn { link: Link::SqliteTx(transaction), trouble: None, refused: false },
            db,
            unwritten: Vec::new(),
            appended: false,
            erased: false,
        }
    }

    /// Makes the changes last, and wakes the relay if events are among them, which are written now.
    ///
    /// # Errors
    /// Whatever the database says. After a lost connection it is unknown whether the changes lasted.
    pub async fn commit(mut self) -> Result<(), Error> {
        if !self.conn.refused {
            outbox::write(&mut self).await?;
        }
        fault::point(fault::COMMITTING).await;
        match self.conn.link {
            // Postgres would roll back, and call it a success.
            Link::PostgresTx(transaction) if self.conn.refused => {
                transaction.rollback().await?;
                return Err(Error::Refused);
            }
            Link::PostgresTx(transaction) => transaction.commit().await?,
            Link::SqliteTx(transaction) => {
                transaction.commit().await?;
                self.db.note_written();
            }
            // A Tx is only ever built from a transaction.
            Link::Postgres(_) | Link::Sqlite(_) => {}
        }
        fault::point(fault::COMMITTED).await;
        if self.erased {
            self.db.purge_soon();
        }
        if self.appended {
            self.db.appended().notify_one();
        }
        Ok(())
    }

    /// Takes the changes back, at once rather than when the connection is used next.
    pub async fn rollback(self) {
        let done = match self.conn.link {
            Link::PostgresTx(transaction) => transaction.rollback().await,
            Link::SqliteTx(transaction) => transaction.rollback().await,
            Link::Postgres(_) | Link::Sqlite(_) => Ok(()),
        };
        if let Err(error) = done {
            tracing::debug!(cause = %error, "rollback failed: the connection is gone, and the changes with it");
        }
    }

    /// The time by the database's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.db.clock().now()
    }

    /// The service whose database it is.
    #[must_use]
    pub fn service(&self) -> &str {
        self.db.service()
    }

    /// Why a statement of this transaction failed, if for another reason than what it asked.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.conn.trouble
    }

    /// Events that were appended and not written yet.
    pub(crate) fn unwritten(&mut self) -> &mut Vec<outbox::Entry> {
        &mut self.unwritten
    }

    pub(crate) fn mark_appended(&mut self) {
        self.appended = true;
    }

    /// What this transaction deletes must not be left in the database's files either.
    pub(crate) fn mark_erased(&mut self) {
        self.erased = true;
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

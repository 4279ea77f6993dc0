//! Brings a service's schema up to date: kit's own tables first, then the service's.

use sqlx::{
    Connection as _, PgConnection, SqlSafeStr as _, SqlitePool,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
    postgres::PgConnectOptions,
};

use crate::store::Error;

/// A migration: number, name, SQL. Kit's own have the numbers 1 to 99.
pub type Step = (i64, &'static str, &'static str);

/// A service's migrations, the same steps for both databases.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The service: the name of its schema on Postgres and of its file with SQLite.
    pub service: &'static str,
    /// For Postgres, from number 100.
    pub postgres: &'static [Step],
    /// For SQLite, from number 100.
    pub sqlite: &'static [Step],
}

const KIT_POSTGRES: &[Step] = &[
    (1, "kit", include_str!("../../migrations/postgres/001_kit.sql")),
    (2, "customers", include_str!("../../migrations/postgres/002_customers.sql")),
];
const KIT_SQLITE: &[Step] = &[
    (1, "kit", include_str!("../../migrations/sqlite/001_kit.sql")),
    (2, "customers", include_str!("../../migrations/sqlite/002_customers.sql")),
];
const TABLE: &str = "schema_migrations";

/// The driver's migrator takes an advisory lock, so several processes may start at once.
pub(super) async fn postgres(options: &PgConnectOptions, migrations: &Migrations) -> Result<(), Error> {
    let mut migrator = migrator(migrations, KIT_POSTGRES, migrations.postgres)?;
    migrator.create_schema(migrations.service);
    // A connection of its own: closing it frees the lock whatever happens.
    let mut connection = PgConnection::connect_with(options).await?;
    let done = run(&migrator, &mut connection, migrations).await;
    connection.close().await.ok();
    done
}

pub(super) async fn sqlite(writer: &SqlitePool, migrations: &Migrations) -> Result<(), Error> {
    let migrator = migrator(migrations, KIT_SQLITE, migrations.sqlite)?;
    let mut connection = writer.acquire().await?;
    run(&migrator, &mut *connection, migrations).await
}

fn migrator(migrations: &Migrations, kit: &[Step], own: &[Step]) -> Result<Migrator, Error> {
    let mut last = 99;
    for (version, name, _) in own {
        if *version <= last {
            let problem = format!("number {version} ({name}) must be over {last}: numbers rise, 1 to 99 are kit's");
            return Err(Error::Migration { service: migrations.service.to_owned(), problem });
        }
        last = *version;
    }
    let steps = kit.iter().chain(own).map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    migrator.dangerous_set_table_name(TABLE);
    // During a rollout the older version meets the newer one's schema: changes expand first and contract later.
    migrator.set_ignore_missing(true);
    Ok(migrator)
}

async fn run(migrator: &Migrator, connection: &mut impl Migrate, migrations: &Migrations) -> Result<(), Error> {
    migrator.run_direct(None, connection, false).await.map_err(|error| {
        let problem = match error {
            MigrateError::VersionMismatch(version) => format!(
                "the text of migration {version} was changed after it was applied: restore it, and put the change into a new \
                 migration"
            ),
            error => error.to_string(),
        };
        Error::Migration { service: migrations.service.to_owned(), problem }
    })
}

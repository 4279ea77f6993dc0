//! The mesh's databases, read as they are: one of Postgres with a schema per service, or SQLite files.

use std::{path::PathBuf, str::FromStr as _};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::Mesh;

/// Every service that has a part in the orders that are placed here.
pub(super) const SERVICES: [&str; 5] = ["sessions", "profiles", "catalog", "carts", "orders"];

/// Where the effects of events are watched: every interaction that a handler writes, also a second time.
const WATCH_POSTGRES: &str = "\
CREATE TABLE profiles.fire_effects (seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id UUID NOT NULL);
CREATE FUNCTION profiles.fire_watch() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO profiles.fire_effects (id) VALUES (NEW.id); RETURN NEW; END';
CREATE TRIGGER fire_watch BEFORE INSERT ON profiles.interactions FOR EACH ROW EXECUTE FUNCTION profiles.fire_watch();
";
const WATCH_SQLITE: &str = "\
CREATE TABLE fire_effects (seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL);
CREATE TRIGGER fire_watch BEFORE INSERT ON interactions BEGIN INSERT INTO fire_effects (id) VALUES (NEW.id); END;
";

/// The databases of a mesh.
pub(super) enum Books {
    /// The URL of the database.
    Postgres(String),
    /// The folder of the files.
    Sqlite(PathBuf),
}

/// A row as texts: numbers in decimal, ids as 32 hexadecimal digits, nothing as an empty text.
pub(super) type Texts = Vec<String>;

impl Books {
    pub(super) async fn open(mesh: &Mesh) -> Self {
        mesh.database_url().map_or_else(|| Self::Sqlite(mesh.data_dir()), Self::Postgres)
    }

    /// Installs what watches effects. The mesh must not run.
    pub(super) async fn watch(&self) {
        match self {
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::raw_sql(WATCH_POSTGRES).execute(&mut connection).await.unwrap();
            }
            Self::Sqlite(_) => {
                let mut connection = self.file("profiles").await;
                sqlx::raw_sql(WATCH_SQLITE).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    async fn file(&self, service: &str) -> SqliteConnection {
        let Self::Sqlite(folder) = self else { panic!("the mesh is on Postgres") };
        let path = folder.join(format!("{service}.sqlite3"));
        let options = SqliteConnectOptions::from_str(&path.display().to_string()).unwrap();
        let options = options.busy_timeout(std::time::Duration::from_secs(30));
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// The rows of one service's database: these columns (`#id` for a UUID) of `rest`, which begins with FROM.
    pub(super) async fn rows(&self, service: &str, columns: &[&str], rest: &str) -> Vec<Texts> {
        let column = |column: &&str| match (self, column.strip_prefix('#')) {
            (Self::Postgres(_), Some(id)) => format!("COALESCE(replace(CAST({id} AS TEXT), '-', ''), '')"),
            (Self::Sqlite(_), Some(id)) => format!("COALESCE(lower(hex({id})), '')"),
            (_, None) => format!("COALESCE(CAST({column} AS TEXT), '')"),
        };
        let columns: Vec<_> = columns.iter().map(column).collect();
        // Made here, of constants.
        let sql = AssertSqlSafe(format!("SELECT {} {rest}", columns.join(", ")));
        match self {
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let path = AssertSqlSafe(format!("SET search_path TO {service}"));
                sqlx::raw_sql(path).execute(&mut connection).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| (0..columns.len()).map(|at| row.get(at)).collect()).collect()
            }
            Self::Sqlite(_) => {
                let mut connection = self.file(service).await;
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| (0..columns.len()).map(|at| row.get(at)).collect()).collect()
            }
        }
    }

    /// One number.
    pub(super) async fn count(&self, service: &str, rest: &str) -> i64 {
        self.rows(service, &["COUNT(*)"], rest).await[0][0].parse().unwrap()
    }
}

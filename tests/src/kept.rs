//! Everything that a mesh keeps or writes, as bytes: to look for what must not be in it.

use std::{fs, path::Path, process::Command};

use redis::{AsyncCommands as _, Value, aio::MultiplexedConnection};

use crate::Mesh;

/// A place where something is kept, and all of its bytes.
#[derive(Debug)]
pub struct Place {
    /// Its name, for people.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The files of the data folder with SQLite's journals, a dump of the Postgres database, every value in Redis, and all that the
/// processes wrote.
pub async fn places(mesh: &Mesh) -> Vec<Place> {
    let mut places = Vec::new();
    files(&mesh.data_dir(), &mut places);
    if let Some(url) = mesh.database_url() {
        let dump = Command::new("pg_dump").args(["--no-owner", "--dbname", &url]).output();
        let dump = dump.unwrap_or_else(|error| panic!("pg_dump can't be started: {error}"));
        assert!(dump.status.success(), "pg_dump: {}", String::from_utf8_lossy(&dump.stderr));
        places.push(Place { name: "the dump of Postgres".into(), bytes: dump.stdout });
    }
    if let Some(url) = mesh.redis_url() {
        places.push(Place { name: "the values in Redis".into(), bytes: values(url).await });
    }
    places.push(Place { name: "the log".into(), bytes: mesh.log().join("\n").into_bytes() });
    places.push(Place { name: "standard output".into(), bytes: mesh.said().join("\n").into_bytes() });
    places
}

fn files(folder: &Path, places: &mut Vec<Place>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, places);
        } else if let Ok(bytes) = fs::read(&path) {
            // SQLite may remove a journal between the listing and the reading.
            places.push(Place { name: path.display().to_string(), bytes });
        }
    }
}

/// The keys of every kind with what they hold.
async fn values(url: &str) -> Vec<u8> {
    let mut redis = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<Vec<u8>> = redis.keys("*").await.unwrap();
    let mut bytes = Vec::new();
    for key in keys {
        let value = value(&mut redis, &key).await;
        bytes.extend(&key);
        bytes.push(b'\n');
        flatten(&value, &mut bytes);
    }
    bytes
}

async fn value(redis: &mut MultiplexedConnection, key: &[u8]) -> Value {
    let kind: String = redis::cmd("TYPE").arg(key).query_async(redis).await.unwrap();
    let mut command = match kind.as_str() {
        "string" => redis::cmd("GET"),
        "hash" => redis::cmd("HGETALL"),
        "list" => redis::cmd("LRANGE"),
        "set" => redis::cmd("SMEMBERS"),
        "zset" => redis::cmd("ZRANGE"),
        "stream" => redis::cmd("XRANGE"),
        // It expired meanwhile.
        "none" => return Value::Nil,
        other => panic!("a key of kind {other} can't be read"),
    };
    command.arg(key);
    match kind.as_str() {
        "list" | "zset" => command.arg(0).arg(-1),
        "stream" => command.arg("-").arg("+"),
        _ => &mut command,
    };
    command.query_async(redis).await.unwrap()
}

fn flatten(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::BulkString(text) => bytes.extend(text),
        Value::SimpleString(text) => bytes.extend(text.as_bytes()),
        Value::Array(items) | Value::Set(items) => items.iter().for_each(|item| flatten(item, bytes)),
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            flatten(key, bytes);
            flatten(value, bytes);
        }),
        Value::Nil | Value::Int(_) | Value::Double(_) => {}
        other => panic!("Redis answered something else: {other:?}"),
    }
    bytes.push(b'\n');
}

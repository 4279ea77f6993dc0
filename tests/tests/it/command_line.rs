//! The command line says what is wrong and what to do, keeps secrets, and plays the tour.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Output};

use omnimesh_tests::{Mesh, Mode, Setup, mesh};

use crate::in_every_mode;

const SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMyYnk=";

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

in_every_mode!(the_tour_goes_to_its_end);

async fn the_tour_goes_to_its_end(mode: Mode) {
    let mesh = Mesh::start_empty(Setup::new(mode)).await;
    // Twice: a mesh that has orders plays it as well as a new one.
    for _ in 0..2 {
        let tour = mesh.run(&["tour"]).await;
        assert!(tour.status.success(), "{}\n{}", out(&tour), err(&tour));
        let told = out(&tour);
        for id in ["session_", "cart_", "profile_", "group_", "verification_"] {
            assert!(told.contains(id), "the tour names no {id}…:\n{told}");
        }
        let traces = told.lines().filter_map(|line| line.rsplit_once(" trace ")).map(|(_, trace)| trace);
        let traces: Vec<_> = traces.collect();
        assert!(traces.len() >= 15, "{told}");
        let is_trace = |text: &str| text.len() == 32 && text.chars().all(|digit| digit.is_ascii_hexdigit());
        assert!(traces.iter().all(|trace| is_trace(trace)), "{told}");
        assert!(told.contains("The story went as told"), "{told}");
    }
    mesh.assert_no_defect();
}

#[tokio::test]
async fn several_processes_without_stores_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = mesh::run(mesh::command(folder.path(), &["serve", "--target", "carts"])).await;
    assert!(!refused.status.success());
    let text = err(&refused);
    for key in ["database_url", "redis_url", "secret", "internal_listen"] {
        assert!(text.contains(key), "{key} is not named: {text}");
    }
    assert!(text.contains("OMNIMESH_DATABASE_URL") || text.contains("postgres://"), "what to set is not said: {text}");

    let unknown = mesh::run(mesh::command(folder.path(), &["serve", "--target", "nonsense"])).await;
    assert!(!unknown.status.success());
    assert!(err(&unknown).contains("nonsense") && err(&unknown).contains("carts"), "{}", err(&unknown));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a refused start leaves nothing behind");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let mesh = Mesh::start_empty(Setup::new(Mode::Embedded)).await;
    let folder = tempfile::tempdir().unwrap();
    let taken = mesh.url().trim_start_matches("http://").to_owned();
    let refused = mesh::run(mesh::command(folder.path(), &["serve", "--listen", &taken])).await;
    assert!(!refused.status.success());
    assert!(err(&refused).contains(&taken) && err(&refused).contains("--listen"), "{}", err(&refused));
}

#[tokio::test]
async fn the_settings_are_shown_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = mesh::command(folder.path(), &["config"]);
    config
        .env("OMNIMESH_SECRET", SECRET)
        .env("OMNIMESH_DATABASE_URL", "postgres://mesh:hunter2@db.example/mesh")
        .env("OMNIMESH_REDIS_URL", "redis://:hunter3@redis.example:6379");
    let shown = mesh::run(config).await;
    assert!(shown.status.success(), "{}", err(&shown));
    let text = out(&shown);
    for secret in [SECRET, "hunter2", "hunter3"] {
        assert!(!text.contains(secret), "{secret} is shown: {text}");
    }
    let settings: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(settings["secret"], "***");
    assert!(text.contains("db.example"), "what is no secret is shown: {text}");
}

#[tokio::test]
async fn environment_variables_of_the_commands_do_not_disturb_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = mesh::command(folder.path(), &["config"]);
    config
        .env("OMNIMESH_GATEWAY", "http://127.0.0.1:8080")
        .env("OMNIMESH_KEY", "omk_x_y")
        .env("OMNIMESH_LOG", "debug")
        .env("OMNIMESH_DATA_DIR", folder.path());
    let shown = mesh::run(config).await;
    assert!(shown.status.success(), "{}", err(&shown));
    assert!(!out(&shown).contains("omk_x_y"), "{}", out(&shown));
}

#[tokio::test]
async fn key_files_are_for_their_owner_only() {
    let mesh = Mesh::start_empty(Setup::new(Mode::Embedded)).await;
    for file in ["admin.key", "publishable.key"] {
        let mode = fs::metadata(mesh.data_dir().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn keys_are_created_used_and_revoked() {
    let mesh = Mesh::start_empty(Setup::new(Mode::Embedded)).await;
    let created =
        mesh.run(&["key", "create", "--kind", "secret", "--name", "payments", "--scope", "payments.write"]).await;
    assert!(created.status.success(), "{}", err(&created));
    let key = out(&created).trim().to_owned();
    let id = key.split('_').nth(1).expect("omk_<id>_<secret>").to_owned();

    let list = out(&mesh.run(&["key", "list"]).await);
    let line = list.lines().find(|line| line.contains("payments.write")).expect("the key is listed");
    assert!(line.contains(&id) && line.contains("valid") && !list.contains(&key), "{list}");

    let revoked = mesh.run(&["key", "revoke", &id]).await;
    assert!(revoked.status.success(), "{}", err(&revoked));
    let list = out(&mesh.run(&["key", "list"]).await);
    assert!(list.lines().any(|line| line.contains(&id) && line.contains("revoked")), "{list}");
    let refused = mesh.run(&["key", "list", "--key", &key]).await;
    assert!(!refused.status.success() && !err(&refused).contains(&key), "{}", err(&refused));
}

#[tokio::test]
async fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        &["--help"] as &[&str],
        &["serve", "--help"],
        &["migrate", "--help"],
        &["config", "--help"],
        &["key", "create", "--help"],
        &["key", "list", "--help"],
        &["key", "revoke", "--help"],
        &["import", "products", "--help"],
        &["import", "orders", "--help"],
        &["export", "orders", "--help"],
        &["report", "sales", "--help"],
        &["tour", "--help"],
        &["--version"],
    ] {
        let help = mesh::run(mesh::command(folder.path(), command)).await;
        assert!(help.status.success() && out(&help).contains("omnimesh"), "{command:?}: {}", err(&help));
    }
    let wrong = mesh::run(mesh::command(folder.path(), &["nonsense"])).await;
    assert!(!wrong.status.success() && err(&wrong).contains("--help"), "{}", err(&wrong));
}

#[tokio::test]
async fn a_mesh_that_is_not_there_is_said_to_be_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let no_key = mesh::run(mesh::command(folder.path(), &["tour"])).await;
    assert!(!no_key.status.success() && err(&no_key).contains("--key"), "{}", err(&no_key));
    let no_mesh = mesh::command(folder.path(), &["tour", "--key", "omk_x_y", "--gateway", "http://127.0.0.1:9"]);
    let no_mesh = mesh::run(no_mesh).await;
    assert!(!no_mesh.status.success() && err(&no_mesh).contains("127.0.0.1:9"), "{}", err(&no_mesh));
}

//! Where the binary is, and how it is called.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The environment variable that names another binary.
const VARIABLE: &str = "OMNIMESH_BIN";

/// The binary that the tests run: the one that was built beside them.
fn path() -> PathBuf {
    let path = env::var_os(VARIABLE).map_or_else(beside, PathBuf::from);
    assert!(
        path.is_file(),
        "{} is missing: build it with `cargo build --workspace --all-targets`, or name another with {VARIABLE}",
        path.display()
    );
    path
}

/// `target/<profile>/omnimesh`; programs are beside it, and tests in `target/<profile>/deps`.
fn beside() -> PathBuf {
    let program = env::current_exe().expect("the program knows where it is");
    let folder = program.parent().expect("a program is in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().expect("deps is in a folder") } else { folder };
    profile.join("omnimesh")
}

/// The binary, started in `folder` without any setting of the person who runs the tests.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(path());
    command.current_dir(folder);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("OMNIMESH_") || name.starts_with("OTEL_")) {
            command.env_remove(name);
        }
    }
    command
}

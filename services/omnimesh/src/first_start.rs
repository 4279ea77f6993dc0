//! What a mesh gets at its first start: an admin key, a publishable key and, for development, something to sell.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use omnimesh_kit::{config::Settings, store::Db};

use crate::{
    client::{ADMIN_KEY_FILE, Client, ClientArgs},
    demo,
};

const PUBLISHABLE_KEY_FILE: &str = "publishable.key";

/// The keys of the first start.
pub struct Keys {
    /// Does everything.
    pub admin: String,
    /// Starts sessions.
    pub publishable: String,
}

/// Where the admin key is.
#[must_use]
pub fn admin_key_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join(ADMIN_KEY_FILE)
}

/// Where the publishable key is.
#[must_use]
pub fn publishable_key_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join(PUBLISHABLE_KEY_FILE)
}

/// Creates the first keys, if there are none, and writes them to files that only the user can read.
///
/// # Errors
/// If the database or a file can't be written.
pub async fn keys(sessions: &Db, settings: &Settings) -> Result<Option<Keys>> {
    let Some(created) = omnimesh_sessions::bootstrap_keys(sessions).await? else { return Ok(None) };
    let keys = Keys { admin: created.admin.expose().clone(), publishable: created.publishable.expose().clone() };
    fs::create_dir_all(&settings.data_dir)?;
    write_private(&admin_key_file(settings), &keys.admin)?;
    write_private(&publishable_key_file(settings), &keys.publishable)?;
    Ok(Some(keys))
}

/// Loads the demo data through the gateway.
///
/// # Errors
/// If the gateway refuses.
pub async fn demo(gateway: SocketAddr, settings: &Settings, keys: &Keys) -> Result<()> {
    if settings.tls.is_some() {
        tracing::info!("no demo data: it is loaded over a connection without TLS only");
        return Ok(());
    }
    let args = ClientArgs {
        gateway: format!("http://{gateway}"),
        key: Some(keys.admin.clone()),
        data_dir: settings.data_dir.clone(),
    };
    demo::load(&Client::connect(&args).await?).await
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let write = || {
        // Anew: an old file might be readable by others.
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{text}")
    };
    write().with_context(|| format!("can't write {}", path.display()))
}

//! Where the root secret comes from: the configuration, or a file of the data folder that the first start writes.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Secrets,
    token::{random_bytes, random_token},
};

/// A root secret that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Not 32 bytes of base64.
    #[error("the secret in {0} is not 32 bytes in base64: `openssl rand -base64 32` makes one")]
    Malformed(String),
    /// Others than its owner may read the file.
    #[error(
        "{path} can be read by others (mode {mode:o}): `chmod 600` it, and replace the secret if others may have read it"
    )]
    WidePermissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file can't be read or written.
    #[error("{path} can't be read or written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Secrets {
    /// From 32 bytes in base64; `origin` names where the text stands, for the error.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_base64(text: &str, origin: &str) -> Result<Self, SecretError> {
        let bytes = STANDARD.decode(text.trim()).ok();
        let root = bytes.and_then(|bytes| bytes.try_into().ok());
        root.map(Self::from_root).ok_or_else(|| SecretError::Malformed(origin.to_owned()))
    }

    /// The secrets of an installation: the configured secret, or else the file `secret` in the data folder, which is made
    /// if there is none.
    ///
    /// # Errors
    /// If the secret is malformed, the file can't be read or written, or others may read it.
    pub fn load(configured: Option<&str>, data_dir: &Path) -> Result<Self, SecretError> {
        if let Some(text) = configured {
            return Self::from_base64(text, "OMNIMESH_SECRET");
        }
        let path = data_dir.join("secret");
        let io = |source| SecretError::Io { path: path.clone(), source };
        if !path.try_exists().map_err(io)? {
            create(data_dir, &path).map_err(io)?;
        }
        let mode = fs::metadata(&path).map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretError::WidePermissions { path, mode });
        }
        let text = fs::read_to_string(&path).map_err(io)?;
        Self::from_base64(&text, &path.display().to_string())
    }
}

/// Written beside and linked into place: two processes that start together end with the same whole file.
fn create(data_dir: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(data_dir)?;
    let draft = data_dir.join(format!(".{}", random_token("secret")));
    let text = format!("{}\n", STANDARD.encode(random_bytes::<32>()));
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    });
    fs::remove_file(&draft)?;
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_the_secret_and_the_next_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = Secrets::load(None, &data).unwrap();
        assert_eq!(first.key("a"), Secrets::load(None, &data).unwrap().key("a"));
        let file = data.join("secret");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);

        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Secrets::load(None, &data), Err(SecretError::WidePermissions { mode: 0o640, .. })));
    }

    #[test]
    fn many_first_starts_agree() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| Secrets::load(None, folder.path()).unwrap().key("a"))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key == &keys[0]));
    }

    #[test]
    fn a_configured_secret_is_checked_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let text = STANDARD.encode([3; 32]);
        assert_eq!(Secrets::load(Some(&text), folder.path()).unwrap().key("a"), Secrets::from_root([3; 32]).key("a"));
        let error = Secrets::load(Some("c2hvcnQ="), folder.path()).unwrap_err().to_string();
        assert!(error.contains("OMNIMESH_SECRET") && !error.contains("c2hvcnQ="), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

//! The command line's own connection to a gateway, with a key.

use std::{path::Path, str::FromStr as _, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, ClientTlsConfig, Endpoint},
};

/// The file in the data folder that holds the admin key of the first start.
pub const ADMIN_KEY_FILE: &str = "admin.key";

/// Where the mesh is, and who is asking.
#[derive(Args, Clone, Debug)]
pub struct ClientArgs {
    /// The gateway's address.
    #[arg(long, env = "OMNIMESH_GATEWAY", default_value = "http://127.0.0.1:8080")]
    pub gateway: String,
    /// An API key. Left out: the admin key of the data folder.
    #[arg(long, env = "OMNIMESH_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// The data folder that holds the admin key.
    #[arg(long, env = "OMNIMESH_DATA_DIR", default_value = "./omnimesh-data")]
    pub data_dir: std::path::PathBuf,
}

/// A connection with a credential.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// Connects with the key of the arguments, or with the data folder's admin key.
    ///
    /// # Errors
    /// If there is no key, or nothing answers at the address; the text says what to do.
    pub async fn connect(args: &ClientArgs) -> Result<Self> {
        let key = match &args.key {
            Some(key) => key.clone(),
            None => read_key(&args.data_dir.join(ADMIN_KEY_FILE))?,
        };
        let channel = connect(&args.gateway).await?;
        Self { channel, authorization: None }.with_credential(key.trim())
    }

    /// The same connection with another credential: a session token or a key.
    ///
    /// # Errors
    /// If it holds characters that a header can't carry.
    pub fn with_credential(&self, credential: &str) -> Result<Self> {
        let authorization = MetadataValue::from_str(&format!("Bearer {credential}"))
            .context("the key holds characters that no key has")?;
        Ok(Self { channel: self.channel.clone(), authorization: Some(authorization) })
    }

    /// The channel, for a generated client.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request that carries the credential.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }
}

async fn connect(gateway: &str) -> Result<Channel> {
    let mut endpoint = Endpoint::from_shared(gateway.to_owned())
        .with_context(|| format!("{gateway:?} is not an address like http://127.0.0.1:8080"))?
        .connect_timeout(Duration::from_secs(5));
    if gateway.starts_with("https://") {
        endpoint = endpoint.tls_config(ClientTlsConfig::new().with_enabled_roots())?;
    }
    endpoint.connect().await.with_context(|| {
        format!("nothing answers at {gateway}: start the mesh with `omnimesh`, or name it with --gateway")
    })
}

fn read_key(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(key) => Ok(key),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "no key: pass --key or set OMNIMESH_KEY, or name the data folder of a mesh on this machine with --data-dir ({} does not exist)",
            path.display()
        ),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

//! Where settings come from: defaults < file < environment < flags.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Serialized, Toml},
    util::nest,
    value::{Dict, Map, Value},
};
use serde::Serialize;

use super::{Error, Settings};

pub(super) const PREFIX: &str = "OMNIMESH_";
const DEFAULT_FILE: &str = "omnimesh.toml";
/// Variables that say how a command starts and whom it calls. Some have the name of a section of the settings.
const NO_SETTINGS: [&str; 4] = ["OMNIMESH_CONFIG", "OMNIMESH_GATEWAY", "OMNIMESH_KEY", "OMNIMESH_LOG"];

/// What the settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file; without one, `omnimesh.toml` of the working folder if there is one.
    pub file: Option<PathBuf>,
    /// The environment; only `OMNIMESH_*` counts.
    pub variables: Vec<(String, String)>,
    /// The command's flags.
    pub flags: Flags,
    /// Every target of the binary that the gateway needs or is.
    pub known_targets: Vec<String>,
    /// Its targets beside these: they hold no data, and the gateway calls none of them.
    pub known_connectors: Vec<String>,
    /// Sections that belong to no target.
    pub known_sections: Vec<String>,
}

/// Settings that have a flag.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flags {
    /// `--listen`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// `--internal-listen`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_listen: Option<SocketAddr>,
    /// `--data-dir`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// `--target`, as often as needed
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}

impl Sources {
    /// The process's own environment, and these flags.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Flags, known_targets: &[&str], known_connectors: &[&str]) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let variables = std::env::vars_os();
        let variables =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self {
            file,
            variables: variables.collect(),
            flags,
            known_targets: texts(known_targets),
            known_connectors: texts(known_connectors),
            known_sections: texts(&["server", "store", "bus", "telemetry"]),
        }
    }

    pub(super) fn figment(&self) -> Result<Figment, Error> {
        let mut figment = Figment::from(Serialized::defaults(Settings::default()));
        if let Some(path) = self.path()? {
            let file = Toml::file_exact(path);
            self.refuse_unknown_keys(path, &file)?;
            figment = figment.merge(file);
        }
        let variables = self.variables.iter().filter_map(|(name, value)| Variable::new(name, value));
        Ok(variables.fold(figment, Figment::merge).merge(Serialized::defaults(&self.flags)))
    }

    fn path(&self) -> Result<Option<&Path>, Error> {
        let default = Path::new(DEFAULT_FILE);
        match &self.file {
            Some(path) if path.is_file() => Ok(Some(path)),
            Some(path) => Err(Error::at("config", format!("there is no file {}", path.display()))),
            None => Ok(default.is_file().then_some(default)),
        }
    }

    /// A misspelt key in a file would be silence. (In the environment it is not ours alone: Kubernetes adds variables of its
    /// own that begin with a service's name.)
    fn refuse_unknown_keys(&self, path: &Path, file: &impl Provider) -> Result<(), Error> {
        let known: Dict = Value::serialize(Settings::default()).ok().and_then(Value::into_dict).unwrap_or_default();
        let optional = ["database_url", "redis_url", "secret", "development", "tls", "internal_tls"];
        let data = file.data()?;
        let keys = data.values().flat_map(Dict::keys);
        let unknown = keys.filter(|key| {
            !known.contains_key(*key)
                && !optional.contains(&key.as_str())
                && !self.known_targets.contains(key)
                && !self.known_connectors.contains(key)
                && !self.known_sections.contains(key)
        });
        Error::all(
            unknown.map(|key| (key.clone(), format!("{} has a key that nothing reads", path.display()))).collect(),
        )
    }
}

/// One environment variable, so that an error can say that the value came from there.
struct Variable(Dict);

impl Variable {
    fn new(name: &str, value: &str) -> Option<Self> {
        if NO_SETTINGS.contains(&name) {
            return None;
        }
        let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
        // Parsing never fails: what is nothing else is a text.
        let Ok(value) = value.parse::<Value>();
        nest(&key, value).into_dict().map(Self)
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

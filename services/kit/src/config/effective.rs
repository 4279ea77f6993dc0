//! The configuration as it applies, with secrets hidden.

use serde_json::{Map, Value};

use super::Settings;

const HIDDEN: &str = "***";

impl Settings {
    /// The configuration as it applies: every key with its value, the services' own sections included, nothing that is not
    /// set, and secrets hidden.
    #[must_use]
    pub fn effective(&self) -> Value {
        let mut all = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(all) = &mut all {
            for section in &self.sections {
                if let Ok(value) = self.source.expose().extract_inner::<Value>(section)
                    && value.is_object()
                {
                    all.insert(section.clone(), value);
                }
            }
            hide(all);
        }
        all
    }
}

fn hide(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
    for (key, value) in map {
        hide_value(key, value);
    }
}

fn hide_value(key: &str, value: &mut Value) {
    match value {
        Value::Object(map) => hide(map),
        Value::Array(items) => items.iter_mut().for_each(|item| hide_value(key, item)),
        Value::String(text) if !is_secret(key) => *text = without_password(text),
        _ if is_secret(key) => *value = HIDDEN.into(),
        _ => {}
    }
}

/// Whether a key's name says that its value is secret.
pub(super) fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    let secret = ["secret", "password", "passphrase", "token", "credential", "credentials"];
    name.split('_').any(|word| secret.contains(&word)) || name.ends_with("_key")
}

/// A URL without its password.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    let Some((user, host)) = authority.rsplit_once('@') else { return text.to_owned() };
    let user = match user.split_once(':') {
        Some((name, _)) => format!("{name}:{HIDDEN}"),
        None => user.to_owned(),
    };
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    format!("{scheme}://{user}@{host}{path}")
}

use std::fs;

use super::*;

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CartsSettings {
    idle_minutes: u32,
    origins: Texts,
    payment_token: String,
}

fn sources(file: Option<&str>, variables: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("omnimesh.toml");
    // Always a file: the folder that the tests run in must not matter.
    fs::write(&path, file.unwrap_or("")).unwrap();
    let sources = Sources {
        file: Some(path),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        known_targets: ["gateway", "carts", "orders"].map(str::to_owned).to_vec(),
        known_connectors: vec!["trendyol".to_owned()],
        known_sections: vec!["server".to_owned()],
        ..Sources::default()
    };
    (folder, sources)
}

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Settings, Error> {
    Settings::load(&sources(Some(file), variables).1)
}

#[test]
fn defaults_work() {
    let settings = load("", &[("HOME", "/root"), ("OMNIMESH_CARTS_PORT", "tcp://10.0.0.1:80")]).unwrap();
    assert_eq!(settings.listen, "127.0.0.1:8080".parse().unwrap());
    assert!(settings.runs_all() && settings.runs("carts") && settings.is_development());
    assert_eq!(settings.section::<CartsSettings>("carts").unwrap(), CartsSettings::default());
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = "listen = '127.0.0.1:1'\ndata_dir = '/a'\n[limits]\nmessage_bytes = 2048\n[carts]\nidle_minutes = 3";
    let variables =
        [("OMNIMESH_LISTEN", "127.0.0.1:2"), ("OMNIMESH_DATA_DIR", "/b"), ("OMNIMESH_CARTS__ORIGINS", "x, y")];
    let (_folder, mut sources) = sources(Some(file), &variables);
    sources.flags.listen = Some("127.0.0.1:3".parse().unwrap());
    let settings = Settings::load(&sources).unwrap();
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.data_dir, PathBuf::from("/b"));
    assert_eq!(settings.limits, Limits { message_bytes: 2_048, ..Limits::default() });
    let carts: CartsSettings = settings.section("carts").unwrap();
    assert_eq!((carts.idle_minutes, &*carts.origins), (3, ["x".to_owned(), "y".to_owned()].as_slice()));
}

#[test]
fn lists_and_maps_come_from_the_environment_too() {
    let variables = [
        ("OMNIMESH_TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8"),
        ("OMNIMESH_CORS__ALLOWED_ORIGINS", "[\"https://a.example\"]"),
        ("OMNIMESH_ADDRESSES__ORDERS", "http://a:1,http://b:2"),
        ("OMNIMESH_LIMITS__PER_KEY", "{requests=5,seconds=1}"),
        ("OMNIMESH_DEVELOPMENT", "false"),
    ];
    let settings = load("", &variables).unwrap();
    assert_eq!(settings.trusted_proxies.len(), 2);
    assert_eq!(settings.cors.allowed_origins, ["https://a.example"]);
    assert_eq!(settings.addresses["orders"].len(), 2);
    assert_eq!(settings.limits.per_key, Limit::new(5, 1));
    assert!(!settings.is_development());
}

#[test]
fn several_processes_need_shared_stores() {
    let error = load("targets = ['carts']", &[]).unwrap_err().to_string();
    for named in ["OMNIMESH_DATABASE_URL", "OMNIMESH_REDIS_URL", "OMNIMESH_SECRET", "OMNIMESH_INTERNAL_LISTEN"] {
        assert!(error.contains(named), "{error}");
    }
    let stores = "database_url = 'postgres://u:p@h/d'\nredis_url = 'redis://h'\nsecret = 'x'\n";
    load(&format!("{stores}targets = 'carts'\ninternal_listen = '0.0.0.0:9000'"), &[]).unwrap();
    let error = load(&format!("{stores}targets = ['gateway', 'carts']\ninternal_listen = '0.0.0.0:9000'"), &[]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("OMNIMESH_ADDRESSES__ORDERS") && !error.contains("ADDRESSES__CARTS"), "{error}");
    // All of them named is one process again.
    load("targets = ['gateway', 'carts', 'orders']", &[]).unwrap();
}

#[test]
fn errors_name_key_and_variable() {
    for (file, variables, parts) in [
        ("", vec![("OMNIMESH_LISTEN", "nonsense")], vec!["listen (OMNIMESH_LISTEN)", "the environment"]),
        ("listne = 1", vec![], vec!["listne", "a key that nothing reads"]),
        ("[limits]\nper_kee = 1", vec![], vec!["limits", "per_kee"]),
        ("[limits]\nmessage_bytes = 1", vec![], vec!["OMNIMESH_LIMITS__MESSAGE_BYTES", "from 1024"]),
        ("targets = ['kart']", vec![], vec!["there is no target kart", "gateway, carts, orders"]),
        ("", vec![("OMNIMESH_ADDRESSES__ORDERS", "orders:80")], vec!["addresses.orders", "http://host:port"]),
        ("", vec![("OMNIMESH_TRUSTED_PROXIES", "10.0.0.0/99")], vec!["trusted_proxies", "10.0.0.0/99"]),
        ("", vec![("OMNIMESH_DATABASE_URL", "mysql://h")], vec!["OMNIMESH_DATABASE_URL", "postgres://"]),
        ("[tls]\ncert_file = '/no'\nkey_file = '/no'", vec![], vec!["tls.cert_file", "OMNIMESH_TLS__KEY_FILE"]),
        (
            "[[oidc]]\nissuer = 'i'\naudience = 'a'\nkind = 'staff'\nalgorithms = ['HS256']",
            vec![],
            vec!["exactly one of jwks_url", "HS256 is not among"],
        ),
    ] {
        let error = load(file, &variables).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }
    let settings = load("[carts]\nidle_minutes = 'x'", &[]).unwrap();
    let error = settings.section::<CartsSettings>("carts").unwrap_err().to_string();
    assert!(error.contains("carts.idle_minutes (OMNIMESH_CARTS__IDLE_MINUTES)"), "{error}");
}

#[test]
fn addresses_and_internal_tls_agree() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ["cert_file", "key_file", "ca_file"].map(|key| {
        let path = folder.path().join(key);
        fs::write(&path, "").unwrap();
        format!("{key} = '{}'\n", path.display())
    });
    let tls = format!("[internal_tls]\n{}", tls.concat());
    let address = |scheme: &str| format!("[addresses]\norders = '{scheme}://orders:9000'\n");
    load(&address("http"), &[]).unwrap();
    load(&format!("{}{tls}", address("https")), &[]).unwrap();
    let error = load(&address("https"), &[]).unwrap_err().to_string();
    assert!(
        error.contains("addresses.orders") && error.contains("http://, because internal_tls is not set"),
        "{error}"
    );
    let error = load(&format!("{}{tls}", address("http")), &[]).unwrap_err().to_string();
    assert!(error.contains("addresses.orders") && error.contains("https://, because internal_tls is set"), "{error}");
}

#[test]
fn secrets_are_hidden() {
    let file = "secret = 'sesame'\ndatabase_url = 'postgres://u:sesame@h/d'\nredis_url = 'redis://:sesame@h'\n[carts]\npayment_token = 'sesame'\nidle_minutes = 3";
    let settings = load(file, &[]).unwrap();
    let effective = settings.effective();
    assert!(!effective.to_string().contains("sesame") && !format!("{settings:?}").contains("sesame"));
    assert_eq!(effective["database_url"], "postgres://u:***@h/d");
    assert_eq!(effective["carts"]["idle_minutes"], 3);
    assert_eq!(effective["limits"]["per_key"]["seconds"], 60);
    for name in ["OMNIMESH_SECRET", "OMNIMESH_DATABASE_URL"] {
        let error = load("", &[(name, "[5500]")]).unwrap_err().to_string();
        assert!(error.contains(name) && !error.contains("5500"), "{error}");
    }
}

#[test]
fn a_connector_needs_no_database_and_the_gateway_no_connector() {
    let shared = "redis_url = 'redis://r'\ninternal_listen = '0.0.0.0:7000'\nsecret = 'x'\n";
    let connector = load(&format!("{shared}targets = ['trendyol']\n[trendyol]\nwindow = 1"), &[]).unwrap();
    assert!(connector.runs("trendyol") && !connector.runs("orders") && !connector.runs_all());
    let refused = load(&format!("{shared}targets = ['trendyol', 'orders']"), &[]).unwrap_err().to_string();
    assert!(refused.contains("database_url"), "{refused}");
    let addresses = "[addresses]\ncarts = ['http://c:1']\norders = ['http://o:1']";
    let gateway = format!("{shared}database_url = 'postgres://p'\ntargets = ['gateway']\n{addresses}");
    assert!(!load(&gateway, &[]).unwrap().runs("trendyol"));
    assert!(load("targets = ['gateway', 'carts', 'orders']", &[]).unwrap().runs_all());
    let unknown = load("targets = ['amazon']", &[]).unwrap_err().to_string();
    assert!(unknown.contains("gateway, carts, orders, trendyol"), "{unknown}");
}

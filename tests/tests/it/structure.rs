//! The shape of the workspace: dependencies go one way, and every RPC says who may call it.

use std::{collections::BTreeSet, path::Path, process::Command};

use omnimesh_kit::auth::{rule, rules};
use omnimesh_proto::POOL;
use serde_json::Value;

/// `proto <- kit <- services`, `proto, kit <- connectors/sdk <- connectors/*`, `all <- omnimesh <- tests`: what a crate of the
/// workspace may depend on.
fn may_depend(folder: &str, on: &str) -> bool {
    const SDK: &str = "services/connectors/sdk";
    let is_service = |folder: &str| folder.starts_with("services/") && folder != "services/kit";
    let is_vendor = |folder: &str| folder.starts_with("services/connectors/") && folder != SDK;
    match folder {
        "proto" => false,
        "services/kit" => on == "proto",
        "services/omnimesh" => on != "tests",
        "tests" => matches!(on, "proto" | "services/kit" | "services/omnimesh"),
        _ if is_vendor(folder) => matches!(on, "proto" | "services/kit" | SDK),
        _ if is_service(folder) => matches!(on, "proto" | "services/kit"),
        _ => false,
    }
}

#[test]
fn dependencies_go_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let root = root.canonicalize().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(&root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = |path: &str| Path::new(path).strip_prefix(&root).unwrap().to_str().unwrap().to_owned();

    let (mut edges, mut wrong) = (0, Vec::new());
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = folder(package["manifest_path"].as_str().unwrap());
        let from = manifest.trim_end_matches("/Cargo.toml");
        for dependency in package["dependencies"].as_array().unwrap() {
            // Of the workspace, of whatever kind: tests of a service know no other service either.
            let Some(path) = dependency["path"].as_str() else { continue };
            let to = folder(path);
            edges += 1;
            // A crate's tests may ask for more features of the crate itself.
            if to != from && !may_depend(from, &to) {
                wrong.push(format!("{from} depends on {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(edges > 10, "only {edges} dependencies were found");
}

#[test]
fn every_rpc_has_a_rule_that_lets_somebody_in() {
    let methods: Vec<_> = POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    let path = |method: &prost_reflect::MethodDescriptor| {
        format!("/{}/{}", method.parent_service().full_name(), method.name())
    };
    let denied: Vec<_> = methods.iter().map(path).filter(|path| rule(path).is_none()).collect();
    assert!(denied.is_empty(), "nobody may call {denied:?}");
    assert_eq!(methods.len(), rules().count());
    let locked: Vec<_> = rules().filter(|rule| rule.audiences.is_empty() && rule.services.is_empty()).collect();
    assert!(locked.is_empty(), "{locked:?}");
}

#[test]
fn requests_and_replies_belong_to_one_rpc() {
    let mut seen = BTreeSet::new();
    for rule in rules() {
        for message in [&rule.input, &rule.output] {
            assert!(seen.insert(message.full_name().to_owned()), "{} serves two RPCs", message.full_name());
        }
    }
}

//! Trendyol's stand-in, as `omnimesh sandbox` starts it.

use std::path::Path;

use serde_json::Value;

use crate::{binary, ports, process::Process};

/// A stand-in. It ends when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    url: String,
    process: Process,
}

impl Sandbox {
    /// Starts it.
    pub async fn start(folder: &Path) -> Self {
        let address = ports::free();
        let mut command = binary::command(folder);
        command.args(["sandbox", "trendyol", "--listen", &address.to_string()]);
        let mut process = Process::start("sandbox", &mut command);
        process.said("introduces itself", |line| line.contains("answers at").then_some(())).await;
        Self { url: format!("http://{address}"), process }
    }

    /// The arguments of `omnimesh channel` that add its account, as it says itself.
    #[must_use]
    pub fn account(&self) -> Vec<String> {
        let said = self.process.out();
        let told = said.iter().find_map(|line| line.trim().strip_prefix("omnimesh ")).expect("it says how");
        told.split_whitespace().map(str::to_owned).collect()
    }

    /// A customer orders. The package's id.
    pub async fn place(&self) -> String {
        let placed = self.ask(reqwest::Client::new().post(format!("{}/sandbox/orders", self.url))).await;
        placed["shipmentPackageId"].to_string()
    }

    /// Every package's id and state.
    pub async fn packages(&self) -> Vec<(String, String)> {
        let state = self.ask(reqwest::Client::new().get(format!("{}/sandbox/state", self.url))).await;
        let packages = state["packages"].as_array().expect("packages").iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        packages.map(|package| (package["shipmentPackageId"].to_string(), text(&package["status"]))).collect()
    }

    /// Has it fail as the body says.
    pub async fn fail(&self, faults: &Value) {
        let put = reqwest::Client::new().put(format!("{}/sandbox/faults", self.url)).json(faults);
        let status = put.send().await.expect("the sandbox answers").status();
        assert!(status.is_success(), "{status}");
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Value {
        request.send().await.expect("the sandbox answers").json().await.expect("JSON")
    }
}

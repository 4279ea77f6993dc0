//! `omnimesh bench` measures what it says, and every call of it is answered.

use std::fs;

use omnimesh_tests::mesh;
use serde_json::Value;

const WORKLOADS: [&str; 6] =
    ["add_line", "get_cart", "place_order", "import_orders", "get_customer_view", "get_session"];

#[tokio::test]
async fn a_quick_bench_of_the_embedded_mode_measures_every_workload() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["bench", "--mode", "embedded", "--quick", "--callers", "1,3", "--json", "b.json", "--svg", "b.svg"];
    let ran = mesh::run(mesh::command(folder.path(), &arguments)).await;
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");

    let report: Value = serde_json::from_slice(&fs::read(folder.path().join("b.json")).unwrap()).unwrap();
    let mode = &report["modes"][0];
    assert_eq!(mode["mode"], "embedded");
    let measured = mode["workloads"].as_array().unwrap();
    let names: Vec<_> = measured.iter().map(|workload| workload["workload"].as_str().unwrap()).collect();
    assert_eq!(names, WORKLOADS);
    for workload in measured {
        let name = &workload["workload"];
        assert_eq!(workload["at"].as_array().unwrap().len(), 2, "{name}");
        for at in workload["at"].as_array().unwrap() {
            let figures = &at["figures"];
            assert_eq!(figures["errors"], 0, "{name}: {figures}");
            assert!(figures["calls"].as_u64().unwrap() > 0, "{name}: {figures}");
            let [p50, p95, p99] = ["p50_ms", "p95_ms", "p99_ms"].map(|figure| figures[figure].as_f64().unwrap());
            assert!(0.0 < p50 && p50 <= p95 && p95 <= p99, "{name}: {figures}");
            assert!(figures["per_second"].as_f64().unwrap() > 0.0, "{name}: {figures}");
            assert!(at["memory_bytes"].as_u64().unwrap() > 1_000_000, "{name}: {at}");
            assert!(at["echo"]["calls"].as_u64().unwrap() > 0 && at["echo_two_hops"]["calls"].as_u64().unwrap() > 0);
        }
        assert!(workload["reply_bytes"].as_u64().unwrap() > 10, "{name}");
    }
    let upserts =
        mode["references"].as_array().unwrap().iter().filter(|reference| reference["name"] == "one-row upsert");
    assert_eq!(upserts.count(), 2);
    assert!(mode["starts"]["again_ms"].as_f64().unwrap() > 0.0);

    // The table has a row for each, and the drawing is one.
    for title in ["AddLine", "GetCart", "PlaceOrder", "ImportOrders", "GetCustomerView", "GetSession"] {
        assert!(out.contains(title), "{out}");
    }
    let drawn = fs::read_to_string(folder.path().join("b.svg")).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.contains("PlaceOrder"), "{drawn:.200}");
}

#[tokio::test]
async fn a_bench_without_its_stores_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let refused = mesh::run(mesh::command(folder.path(), &["bench", "--quick"])).await;
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr);
    for named in ["--postgres", "OMNIMESH_DATABASE_URL", "--mode embedded"] {
        assert!(text.contains(named), "{named} is not named: {text}");
    }
}

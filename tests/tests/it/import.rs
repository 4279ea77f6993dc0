//! A real shop's orders go in and come out to the last penny; twice is as once; a broken-off import goes on.

use std::{
    fs,
    path::Path,
    process::{Child, Output, Stdio},
};

use omnimesh_proto::orders::v1::{ExportOrdersRequest, order_service_client::OrderServiceClient};
use omnimesh_tests::{Mesh, Mode, Setup, data::Input, eventually};
use serde_json::Value;

/// How many rows of the file the test of a broken-off import takes.
const SLICE: usize = 80_000;

async fn import(mesh: &Mesh, what: &str, file: &Path) -> Output {
    mesh.run(&["import", what, file.to_str().unwrap()]).await
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn report(mesh: &Mesh) -> Value {
    serde_json::from_str(&out(&mesh.run(&["report", "sales", "--json"]).await)).unwrap()
}

/// The count before a word of an import's summary.
fn count(summary: &str, what: &str) -> u64 {
    let line = summary.lines().find(|line| line.trim_end().ends_with(what));
    line.and_then(|line| line.split_whitespace().next()).and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_shops_orders_come_to_the_truth() {
    figures_are_right(Mode::Embedded, &Input::real()).await;
}

#[tokio::test]
async fn a_small_shops_orders_come_to_the_truth_on_postgres() {
    figures_are_right(Mode::Stores, &Input::small()).await;
}

async fn figures_are_right(mode: Mode, input: &Input) {
    let mesh = Mesh::start_empty(Setup::new(mode)).await;
    let products = out(&import(&mesh, "products", &input.file).await);
    assert!(count(&products, "created") > 0, "{products}");

    let first = out(&import(&mesh, "orders", &input.file).await);
    let documents = input.truth["invoices_all"].as_u64().unwrap();
    assert_eq!(count(&first, "created"), documents, "{first}");
    let figures = report(&mesh).await;
    let differences = input.differences(&figures);
    assert!(differences.is_empty(), "{differences:#?}");

    let again = out(&import(&mesh, "orders", &input.file).await);
    assert_eq!((count(&again, "unchanged"), count(&again, "created")), (documents, 0), "{again}");
    assert_eq!(report(&mesh).await, figures, "importing twice changes nothing");
    let products = out(&import(&mesh, "products", &input.file).await);
    assert_eq!(count(&products, "created") + count(&products, "updated"), 0, "{products}");
    mesh.assert_no_defect();
}

#[tokio::test]
async fn an_import_that_is_killed_with_the_mesh_goes_on() {
    let input = Input::real();
    let mut mesh = Mesh::start_empty(Setup::new(Mode::Embedded)).await;
    let file = mesh.folder().join("slice.csv");
    slice(&input.file, &file, SLICE);
    let file = file.to_str().unwrap().to_owned();

    // The figures of an import that nothing disturbs.
    let calm = Mesh::start_empty(Setup::new(Mode::Embedded)).await;
    let whole = out(&calm.run(&["import", "orders", &file]).await);
    let expected = report(&calm).await;
    let documents = count(&whole, "created");
    assert!(documents > 0, "{whole}");

    let mut importer = import_aside(&mesh, &file);
    wait_for_orders(&mesh, documents / 8).await;
    mesh.kill();
    importer.kill().unwrap();
    importer.wait().unwrap();
    mesh.resume().await;
    let kept = exported(&mesh).await;
    assert!(kept > 0 && kept < documents, "it was killed in the middle: {kept} of {documents}");

    // Then the mesh alone is killed: the importer waits for it and goes on by itself.
    let mut importer = import_aside(&mesh, &file);
    wait_for_orders(&mesh, kept + (documents - kept) / 8).await;
    mesh.kill();
    mesh.resume().await;
    let ended = tokio::task::spawn_blocking(move || importer.wait().unwrap()).await.unwrap();
    assert!(ended.success(), "the importer goes on when the mesh is back: {ended}");

    assert_eq!(report(&mesh).await, expected);
    mesh.assert_no_defect();
}

fn import_aside(mesh: &Mesh, file: &str) -> Child {
    let mut command = mesh.command(&["import", "orders", file]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Until the mesh has that many orders. It reads no further than that, or the import would be over before it was asked again.
async fn wait_for_orders(mesh: &Mesh, count: u64) {
    let admin = mesh.admin().await;
    let mut orders = OrderServiceClient::new(admin.channel());
    eventually("the import gets on", async || {
        let request = admin.request(ExportOrdersRequest::default());
        let mut export = orders.export_orders(request).await.unwrap().into_inner();
        for _ in 0..count {
            export.message().await.unwrap()?;
        }
        Some(())
    })
    .await;
}

async fn exported(mesh: &Mesh) -> u64 {
    let orders = mesh.run(&["export", "orders"]).await;
    text(&orders.stdout).lines().count() as u64
}

/// The first rows of a file, plain or .gz.
fn slice(from: &Path, to: &Path, rows: usize) {
    let whole = if from.extension().is_some_and(|kind| kind == "gz") {
        let unpacked = std::process::Command::new("gzip").arg("-dc").arg(from).output().unwrap();
        assert!(unpacked.status.success(), "{}", text(&unpacked.stderr));
        unpacked.stdout
    } else {
        fs::read(from).unwrap()
    };
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').take(rows + 1).collect();
    fs::write(to, lines.concat()).unwrap();
}

#[tokio::test]
async fn refused_rows_are_named_with_line_and_reason() {
    let mesh = Mesh::start_empty(Setup::new(Mode::Embedded)).await;
    let file = mesh.folder().join("dirty.csv");
    let rows = [
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "1,A,Apple,2,2011-01-01 10:00:00,1.50,7,France",
        "2,A,Apple,two,2011-01-01 10:00:00,1.50,7,France",
        "3,A,Apple,1,yesterday,1.50,7,France",
        "4,A,Apple,1,2011-01-01 10:00:00",
        "5,A,Apple,1,2011-01-01 10:00:00,cheap,7,France",
        ",A,Apple,1,2011-01-01 10:00:00,1.50,7,France",
        "7,B,Pear,1,2011-01-01 10:00:00,0.001,,France",
    ];
    fs::write(&file, rows.join("\n")).unwrap();
    let output = import(&mesh, "orders", &file).await;
    assert_eq!(output.status.code(), Some(2), "done, but not whole: {}", text(&output.stderr));
    let summary = text(&output.stdout);
    let reason = |line: u32| {
        let start = format!("line {line}: refused: ");
        let found = summary.lines().find_map(|text| text.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("line {line} is not named:\n{summary}")).to_owned()
    };
    assert!(reason(3).contains("two"), "{summary}");
    assert!(reason(4).contains("yesterday"), "{summary}");
    assert!(reason(5).contains("5 columns"), "{summary}");
    assert!(reason(6).contains("cheap"), "{summary}");
    assert!(reason(7).contains("InvoiceNo"), "{summary}");
    assert_eq!((count(&summary, "created"), count(&summary, "rows refused")), (2, 5), "{summary}");
    assert_eq!(exported(&mesh).await, 2, "what is right is in");
}

#[tokio::test]
async fn a_file_that_fits_no_mapping_is_refused_before_anything_is_sent() {
    let mesh = Mesh::start_empty(Setup::new(Mode::Embedded)).await;
    let file = mesh.folder().join("other.csv");
    fs::write(&file, "a,b\n1,2\n").unwrap();
    let refused = import(&mesh, "orders", &file).await;
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("--mapping") && said.contains("a, b"), "{said}");
    let missing = import(&mesh, "orders", Path::new("nothing.csv")).await;
    assert!(!missing.status.success() && text(&missing.stderr).contains("nothing.csv"), "{}", text(&missing.stderr));
}

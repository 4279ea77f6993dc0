//! One request is one trace from the gateway to the outbox; what follows by event is a trace of its own that links to it;
//! and nothing of a person is in any of it.

use std::collections::BTreeSet;

use omnimesh_proto::common::v1::{Address, Channel};
use omnimesh_proto::orders::v1::ListOrderEventsRequest;
use omnimesh_tests::{
    Device, Mesh, Mode, Setup,
    collector::{Collector, hex},
    customer::{address, pay, shipping},
    eventually,
};
use opentelemetry_proto::tonic::{
    common::v1::any_value,
    trace::v1::{Span, span::SpanKind},
};

use crate::{demo::TEA, in_every_mode};

/// What may stand in no span and no log line.
const EMAIL: &str = "kanarya.kus@example.com";
const PHONE: &str = "+905327654321";
const STREET: &str = "Kanarya Sokağı 77";
const RECIPIENT: &str = "Zümrüdüanka Kuş";

in_every_mode!(one_request_is_one_trace);

async fn one_request_is_one_trace(mode: Mode) {
    let collector = Collector::start().await;
    let setup = Setup::new(mode)
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .variable("OTEL_BSP_SCHEDULE_DELAY", "100")
        // Everything is said, so that what must not be said has its chance.
        .settings("[log]\nfilter = \"debug,sqlx=debug\"\nformat = \"json\"\n");
    let mut mesh = Mesh::start_with(setup).await;
    let mut device = Device::start(&mesh, Channel::App).await;
    device.identify(&mesh, EMAIL).await;
    device.add(TEA, 1).await;
    let home = Address { lines: vec![STREET.into()], phone: PHONE.into(), recipient: RECIPIENT.into(), ..address() };
    let cart = device.deliver(shipping(&device, home).await).await;
    let placed = device.place(Device::order_of(&cart, EMAIL)).await.unwrap();
    let trace = placed.metadata().get("omnimesh-trace-id").expect("the answer names its trace").to_str().unwrap();
    let trace = trace.to_owned();
    let order = placed.into_inner();
    pay(&mesh.admin().await, &order).await;

    eventually("the trace is whole", async || {
        let spans = collector.spans();
        let of_trace: Vec<_> = spans.iter().filter(|span| hex(&span.trace_id) == trace).collect();
        let missing = missing_parts(&of_trace);
        if !missing.is_empty() {
            let there: Vec<_> = of_trace.iter().map(|span| (span.kind(), &span.name)).collect();
            eprintln!("the trace lacks {missing:?}, it has {there:?}");
        }
        (missing.is_empty() && is_one_tree(&of_trace)).then_some(())
    })
    .await;
    eventually("consumers link to it", async || {
        let spans = collector.spans();
        let linked = spans.iter().filter(|span| span.links.iter().any(|link| hex(&link.trace_id) == trace));
        let consumers: BTreeSet<_> = linked
            .inspect(|span| assert_ne!(hex(&span.trace_id), trace, "a consumer's trace is its own"))
            .filter_map(|span| attribute(span, "messaging.consumer.group.name"))
            .collect();
        ["carts", "profiles"].iter().all(|group| consumers.contains(*group)).then_some(())
    })
    .await;
    the_order_names_its_trace(&device, &order.order_id, &trace).await;

    mesh.stop().await;
    log_lines_carry_the_trace(&mesh, &trace);
    nothing_of_a_person_is_told(&mesh, &collector);
    mesh.assert_no_defect();
}

/// The RPCs that placing an order is made of, with the service that answers, as far as the trace lacks them.
fn missing_parts(spans: &[&Span]) -> Vec<(&'static str, &'static str)> {
    const PARTS: [(&str, &str); 5] = [
        ("gateway", "omnimesh.orders.v1.OrderService/PlaceOrder"),
        ("orders", "omnimesh.orders.v1.OrderService/PlaceOrder"),
        ("carts", "omnimesh.carts.v1.CartService/FreezeCart"),
        ("catalog", "omnimesh.catalog.v1.StockService/Reserve"),
        ("catalog", "omnimesh.catalog.v1.StockService/Confirm"),
    ];
    let has = |target: &str, name: &str| {
        let mut answers = spans.iter().filter(|span| span.kind() == SpanKind::Server && span.name == name);
        answers.any(|span| attribute(span, "omnimesh.target").as_deref() == Some(target))
    };
    PARTS.into_iter().filter(|(target, name)| !has(target, name)).collect()
}

/// One root, and every other span hangs on one that is there.
fn is_one_tree(spans: &[&Span]) -> bool {
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    let roots = spans.iter().filter(|span| span.parent_span_id.is_empty()).count();
    roots == 1 && spans.iter().all(|span| span.parent_span_id.is_empty() || ids.contains(&span.parent_span_id))
}

/// The outbox row keeps the trace: what happened to the order is told with it.
async fn the_order_names_its_trace(device: &Device, order_id: &str, trace: &str) {
    let request = ListOrderEventsRequest { order_id: order_id.to_owned(), ..ListOrderEventsRequest::default() };
    let events = device.orders().list_order_events(device.client.request(request)).await.unwrap().into_inner().events;
    let placed = events.iter().find(|event| event.r#type == "OrderPlaced").expect("the order was placed");
    assert_eq!(placed.trace_id, trace);
}

fn log_lines_carry_the_trace(mesh: &Mesh, trace: &str) {
    let lines = mesh.log();
    let json: Vec<serde_json::Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(json.len() > 10, "the mesh logs in JSON: {lines:#?}");
    assert!(json.iter().any(|line| line["trace_id"] == trace), "no log line carries the trace of the order");
}

fn nothing_of_a_person_is_told(mesh: &Mesh, collector: &Collector) {
    let (log, spans) = (mesh.log().join("\n"), collector.text());
    for private in [EMAIL, "kanarya.kus", PHONE, "5327654321", STREET, "Kanarya", RECIPIENT, "Zümrüdüanka"] {
        for (place, text) in [("the log", &log), ("what was exported", &spans)] {
            if let Some(at) = text.find(private) {
                let near: String = text[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("{private} is in {place}, after: {near}");
            }
        }
    }
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let value = span.attributes.iter().find(|pair| pair.key == name)?.value.as_ref()?.value.as_ref()?;
    match value {
        any_value::Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

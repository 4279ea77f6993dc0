//! What is Trendyol's own: packages that take each other's place, batches, claims, two generations of names, two ways to pull.

use omnimesh_connector_sdk::conformance::World;
use omnimesh_proto::connectors::v1::{
    Amount, ApproveReturnRequest, CancelLinesRequest, CancelReason, ChannelOrder, ChannelOrderState,
    ChannelReturnState, GetOperationRequest, NativeLine, Outcome, PullReturnsRequest, PushPriceRequest,
    PushShipmentRequest, PushStockRequest, RejectReturnRequest, SalePrice, StockLevel, VendorErrorKind,
    outcome::Result as Became,
};
use omnimesh_trendyol::sandbox::Generation;

use crate::stage::{Stand, lines_of, order_of};

const MAIN: &str = "main";

async fn world() -> World<Stand> {
    World::start(omnimesh_trendyol::NAME, omnimesh_trendyol::build).await
}

fn key() -> String {
    "key".to_owned()
}

fn kind(outcome: &Outcome) -> Option<VendorErrorKind> {
    match &outcome.result {
        Some(Became::Error(error)) => Some(error.kind()),
        _ => None,
    }
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome.result, Some(Became::Done(_)))
}

async fn ship(world: &World<Stand>, package: u64, lines: Vec<NativeLine>, partial: bool, invoice: &str) -> Outcome {
    let order = Some(order_of(&world.stage.0.package(package).unwrap()));
    let invoice_number = invoice.to_owned();
    let credentials_ref = MAIN.to_owned();
    let request = PushShipmentRequest {
        credentials_ref,
        idempotency_key: key(),
        order,
        lines,
        partial,
        invoice_number,
        ..PushShipmentRequest::default()
    };
    world.connector().push_shipment(request).await.unwrap().into_inner().outcome.unwrap()
}

async fn ended(world: &World<Stand>, outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    while let Some(Became::Pending(pending)) = &outcome.result {
        let request =
            GetOperationRequest { credentials_ref: MAIN.to_owned(), operation_id: pending.operation_id.clone() };
        outcome = world.connector().get_operation(request).await.unwrap().into_inner().outcome.unwrap();
    }
    outcome
}

fn found<'a>(orders: &'a [ChannelOrder], id: &str) -> &'a ChannelOrder {
    orders.iter().find(|order| order.native_id == id).unwrap_or_else(|| panic!("{id} is missing"))
}

#[tokio::test]
async fn a_package_is_picked_then_invoiced() {
    let world = world().await;
    let package = world.stage.0.place();
    let early = ship(&world, package.id, lines_of(&package), false, "GIB2026000000001").await;
    assert_eq!(kind(&early), Some(VendorErrorKind::ConflictState), "Picking comes first: {early:?}");
    let placed = omnimesh_connector_sdk::conformance::Placed {
        order: order_of(&package),
        lines: lines_of(&package),
        text: String::new(),
    };
    assert!(is_done(&world.acknowledge(&placed, std::time::Duration::from_secs(5)).await));
    assert!(is_done(&ship(&world, package.id, lines_of(&package), false, "GIB2026000000001").await));
    assert_eq!(world.stage.0.package(package.id).unwrap().invoice_number, "GIB2026000000001");
    let (orders, _) = world.pull_all(Vec::new()).await;
    assert_eq!(found(&orders, &package.id.to_string()).state(), ChannelOrderState::Invoiced);
    let nothing = ship(&world, package.id, lines_of(&package), false, "").await;
    assert_eq!(kind(&nothing), Some(VendorErrorKind::Invalid), "it would be a silent nothing");
}

#[tokio::test]
async fn a_split_and_a_cancellation_leave_packages_in_the_place_of_the_first() {
    let world = world().await;
    let package = world.stage.0.place();
    let one = |id: u64| vec![NativeLine { native_id: id.to_string(), quantity: 1 }];
    let split = ship(&world, package.id, one(package.lines[0].id), true, "").await;
    assert!(matches!(split.result, Some(Became::Pending(_))), "{split:?}");
    let Some(Became::Done(done)) = ended(&world, &split).await.result else { panic!("{split:?}") };
    assert_eq!(done.native_refs.len(), 2);
    let (orders, _) = world.pull_all(Vec::new()).await;
    let old = found(&orders, &package.id.to_string());
    assert_eq!(old.state(), ChannelOrderState::Replaced);
    for id in &done.native_refs {
        let part = found(&orders, id);
        assert_eq!(
            (part.replaces.as_slice(), part.group_id.as_str()),
            ([old.native_id.clone()].as_slice(), old.group_id.as_str())
        );
        assert_eq!(part.lines[0].quantity, 1);
    }

    let package = world.stage.0.place();
    let request = CancelLinesRequest {
        credentials_ref: MAIN.to_owned(),
        idempotency_key: key(),
        order: Some(order_of(&package)),
        lines: one(package.lines[0].id),
        reason: CancelReason::OutOfStock.into(),
    };
    let cancelled = world.connector().cancel_lines(request.clone()).await.unwrap().into_inner().outcome.unwrap();
    assert!(is_done(&cancelled), "{cancelled:?}");
    let (orders, _) = world.pull_all(Vec::new()).await;
    assert_eq!(found(&orders, &package.id.to_string()).state(), ChannelOrderState::Cancelled);
    let rest: Vec<_> = orders.iter().filter(|order| order.replaces.contains(&package.id.to_string())).collect();
    assert!(
        matches!(rest.as_slice(), [rest] if rest.lines[0].quantity == 1 && rest.state() == ChannelOrderState::New),
        "{rest:?}"
    );
    // The package is gone: what is asked of it again has no effect.
    let again = world.connector().cancel_lines(request).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(kind(&again), Some(VendorErrorKind::ConflictState));
}

#[tokio::test]
async fn stock_and_prices_go_in_batches_and_the_same_twice_is_a_duplicate() {
    let world = world().await;
    let level = |barcode: &str, quantity| StockLevel { sku: "x".to_owned(), barcode: barcode.to_owned(), quantity };
    let push = |levels| PushStockRequest { credentials_ref: MAIN.to_owned(), idempotency_key: key(), levels };
    let levels = vec![level("8690000000012", 7), level("unknown-9", 1)];
    let taken = world.connector().push_stock(push(levels.clone())).await.unwrap().into_inner().outcome.unwrap();
    let Some(Became::Partial(partial)) = ended(&world, &taken).await.result else { panic!("{taken:?}") };
    let fates: Vec<_> = partial.items.iter().map(|item| (item.item.as_str(), item.error.is_some())).collect();
    assert_eq!(fates, [("8690000000012", false), ("unknown-9", true)]);
    assert_eq!(world.stage.0.stock("8690000000012"), Some(7));
    let again = world.connector().push_stock(push(levels)).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(kind(&again), Some(VendorErrorKind::Duplicate), "{again:?}");
    let many = (0..1_001).map(|n| level(&n.to_string(), n)).collect();
    assert!(world.connector().push_stock(push(many)).await.is_err(), "more than a batch holds");

    let price = Amount { decimal: "1234567890.10".to_owned(), currency_code: "TRY".to_owned() };
    let price = SalePrice {
        sku: "x".to_owned(),
        barcode: "8690000000029".to_owned(),
        sale_price: Some(price),
        list_price: None,
    };
    let request = PushPriceRequest { credentials_ref: MAIN.to_owned(), idempotency_key: key(), prices: vec![price] };
    let taken = world.connector().push_price(request).await.unwrap().into_inner().outcome.unwrap();
    assert!(is_done(&ended(&world, &taken).await));
    assert_eq!(world.stage.0.price("8690000000029").as_deref(), Some("1234567890.10"));
}

#[tokio::test]
async fn claims_are_pulled_approved_and_refused_piece_by_piece() {
    let world = world().await;
    let package = world.stage.0.place();
    let claim = world.stage.0.claim(package.id).unwrap();
    let pull = || async {
        let request = PullReturnsRequest { credentials_ref: MAIN.to_owned(), ..PullReturnsRequest::default() };
        let mut stream = world.connector().pull_returns(request).await.unwrap().into_inner();
        let page = stream.message().await.unwrap().unwrap();
        page.returns.into_iter().next().unwrap()
    };
    let seen = pull().await;
    assert_eq!(
        (seen.native_id.as_str(), seen.order_native_id.as_str()),
        (claim.as_str(), package.id.to_string().as_str())
    );
    let [first, second] = seen.items.as_slice() else { panic!("{seen:?}") };
    let approve = ApproveReturnRequest {
        credentials_ref: MAIN.to_owned(),
        idempotency_key: key(),
        return_native_id: claim.clone(),
        item_native_ids: vec![first.native_id.clone()],
    };
    let approved = world.connector().approve_return(approve.clone()).await.unwrap().into_inner().outcome.unwrap();
    assert!(is_done(&approved), "{approved:?}");
    let again = world.connector().approve_return(approve).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(kind(&again), Some(VendorErrorKind::ConflictState));
    let reject = RejectReturnRequest {
        credentials_ref: MAIN.to_owned(),
        idempotency_key: key(),
        return_native_id: claim,
        item_native_ids: vec![second.native_id.clone()],
        reason_code: "51".to_owned(),
        description: "Kullanılmış ürün".to_owned(),
    };
    let rejected = world.connector().reject_return(reject).await.unwrap().into_inner().outcome.unwrap();
    assert!(is_done(&rejected), "{rejected:?}");
    let states: Vec<_> = pull().await.items.iter().map(|item| item.state()).collect();
    assert_eq!(states, [ChannelReturnState::Approved, ChannelReturnState::Disputed]);
}

#[tokio::test]
async fn both_generations_say_the_same() {
    let world = world().await;
    let package = world.stage.0.place();
    let mut told = Vec::new();
    for generation in [Generation::Newer, Generation::Older] {
        world.stage.0.speak(generation);
        let (orders, _) = world.pull_all(Vec::new()).await;
        let order = found(&orders, &package.id.to_string()).clone();
        told.push(ChannelOrder { raw: Vec::new(), dedupe_key: String::new(), ..order });
    }
    // 249.90 as one and as the other writes it.
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn a_window_whose_cursor_expired_is_read_again() {
    let world = world().await;
    let all: Vec<_> = (0..300).map(|_| world.stage.0.place().id.to_string()).collect();
    let pages = world.pull(Vec::new(), 1).await;
    world.stage.0.expire_cursors();
    let (rest, _) = world.pull_all(pages[0].next_cursor.clone()).await;
    let seen: Vec<_> = pages[0].orders.iter().chain(&rest).map(|order| &order.native_id).collect();
    assert!(all.iter().all(|id| seen.contains(&id)), "{} of {}", seen.len(), all.len());
}

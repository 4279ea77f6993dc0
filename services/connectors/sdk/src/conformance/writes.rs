//! Writes: once, or in doubt, and at the vendor's pace.

use std::time::{Duration, Instant};

use omnimesh_proto::{
    common::v1::ErrorReason,
    connectors::v1::{
        Amount, ApproveReturnRequest, CancelLinesRequest, CancelReason, Capability, DescribeRequest,
        GetOperationRequest, PullOrdersRequest, PullReturnsRequest, PushPriceRequest, PushShipmentRequest,
        PushStockRequest, ReceiveWebhookRequest, RefundRequest, RejectReturnRequest, SalePrice, StockLevel,
        VendorErrorKind, outcome::Result as Became,
    },
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Stage, World, world::ACCOUNT};
use crate::sandbox::Fault;

const PATIENCE: Duration = Duration::from_secs(20);
const HURRY: Duration = Duration::from_millis(700);

/// What is described is there, and what is not answers UNIMPLEMENTED.
pub async fn capabilities_are_honest<S: Stage>(world: &World<S>) {
    let described = world.connector().describe(DescribeRequest {}).await.expect("a description").into_inner();
    assert!(!described.account_fields.is_empty() && !described.api_version.is_empty());
    let has = |capability| described.capabilities.iter().any(|limits| limits.capability() == capability);
    let placed = world.stage.place();
    let (order, lines) = (Some(placed.order.clone()), placed.lines.clone());
    let (credentials_ref, idempotency_key) = (ACCOUNT.to_owned(), "honest".to_owned());
    let connector = || world.connector();
    let try_lira = Some(Amount { decimal: "1.00".to_owned(), currency_code: "TRY".to_owned() });
    macro_rules! answers {
        ($($capability:ident: $method:ident($request:expr);)*) => {
            vec![$((Capability::$capability, connector().$method($request).await.map(drop)),)*]
        };
    }
    let answers: Vec<(Capability, Result<(), Status>)> = answers! {
        PullOrders: pull_orders(PullOrdersRequest { credentials_ref: credentials_ref.clone(), ..Default::default() });
        PullReturns: pull_returns(PullReturnsRequest { credentials_ref: credentials_ref.clone(), ..Default::default() });
        ReceiveWebhook: receive_webhook(ReceiveWebhookRequest {
            credentials_ref: credentials_ref.clone(), receive_time: Some(Default::default()), ..Default::default()
        });
        AcknowledgeOrder: acknowledge_order(world.acknowledgement(&placed));
        PushShipment: push_shipment(PushShipmentRequest {
            credentials_ref: credentials_ref.clone(), idempotency_key: idempotency_key.clone(), order: order.clone(),
            lines: lines.clone(), ..Default::default()
        });
        CancelLines: cancel_lines(CancelLinesRequest {
            credentials_ref: credentials_ref.clone(), idempotency_key: idempotency_key.clone(), order: order.clone(),
            lines: lines.clone(), reason: CancelReason::OutOfStock.into(),
        });
        ApproveReturn: approve_return(ApproveReturnRequest {
            credentials_ref: credentials_ref.clone(), idempotency_key: idempotency_key.clone(),
            return_native_id: "1".to_owned(), item_native_ids: vec!["1".to_owned()],
        });
        RejectReturn: reject_return(RejectReturnRequest {
            credentials_ref: credentials_ref.clone(), idempotency_key: idempotency_key.clone(),
            return_native_id: "1".to_owned(), item_native_ids: vec!["1".to_owned()], reason_code: "1".to_owned(),
            description: "x".to_owned(),
        });
        Refund: refund(RefundRequest {
            credentials_ref: credentials_ref.clone(), idempotency_key: idempotency_key.clone(), order: order.clone(),
            lines: lines.clone(), amount: try_lira.clone(), reason: "x".to_owned(),
        });
        PushStock: push_stock(PushStockRequest {
            credentials_ref: credentials_ref.clone(), idempotency_key: idempotency_key.clone(),
            levels: vec![StockLevel { sku: "1".to_owned(), barcode: "1".to_owned(), quantity: 1 }],
        });
        PushPrice: push_price(PushPriceRequest {
            credentials_ref: credentials_ref.clone(), idempotency_key: idempotency_key.clone(),
            prices: vec![SalePrice { sku: "1".to_owned(), barcode: "1".to_owned(), sale_price: try_lira, list_price: None }],
        });
        GetOperation: get_operation(GetOperationRequest { credentials_ref, operation_id: "1".to_owned() });
    };
    let all = usize::try_from(i32::from(Capability::GetOperation));
    assert_eq!(Ok(answers.len()), all, "a capability is not asked for");
    for (capability, answer) in answers {
        let absent = answer.as_ref().err().filter(|status| status.code() == Code::Unimplemented);
        assert_eq!(has(capability), absent.is_none(), "{capability:?}: {answer:?}");
        let reason = absent.and_then(|status| status.get_details_error_info()).map(|info| info.reason);
        let expected = absent.map(|_| omnimesh_kit::error::reason_name(ErrorReason::CapabilityAbsent).to_owned());
        assert_eq!(reason, expected, "{capability:?}");
        assert!(absent.is_some() || answer.is_ok(), "{capability:?}: {answer:?}");
    }
}

/// `Retry-After` is waited for, once for all callers; who has no time for it is told how long.
pub async fn what_the_vendor_refuses_for_its_pace_waits<S: Stage>(world: &World<S>) {
    let placed = world.stage.place();
    let before = world.stage.faults().asked().len();
    world.stage.faults().switch(Fault::Throttle { retry_after: Some(2) }, 1, "");
    let start = Instant::now();
    let outcome = world.acknowledge(&placed, PATIENCE).await;
    assert!(matches!(outcome.result, Some(Became::Done(_))), "{outcome:?}");
    assert!(start.elapsed() >= Duration::from_secs(2), "came back after {:?}", start.elapsed());
    assert_eq!((world.requests_since(before), world.stage.acknowledged(&placed.order)), (2, 1));

    let placed = world.stage.place();
    let before = world.stage.faults().asked().len();
    world.stage.faults().switch(Fault::Throttle { retry_after: Some(30) }, 1, "");
    for sent in [1, 1] {
        let outcome = world.acknowledge(&placed, PATIENCE).await;
        let Some(Became::Error(error)) = outcome.result else { panic!("{outcome:?}") };
        assert_eq!(error.kind(), VendorErrorKind::RateLimited);
        assert!((25_000..=30_000).contains(&error.retry_after_ms), "{error:?}");
        assert_eq!(world.requests_since(before), sent, "the vendor must be left alone meanwhile");
    }
    assert_eq!(world.stage.acknowledged(&placed.order), 0);
}

/// A write that left and has no readable answer is UNKNOWN_OUTCOME and is not sent again; one that was refused is.
pub async fn a_write_without_an_answer_is_in_doubt<S: Stage>(world: &World<S>) {
    // The fault, and how often the write has its effect.
    let doubtful = [(Fault::SilenceAfter, 1), (Fault::SilenceBefore, 0), (Fault::ErrorAfter, 1), (Fault::CutBody, 1)];
    for (fault, effects) in doubtful {
        let placed = world.stage.place();
        let before = world.stage.faults().asked().len();
        world.stage.faults().switch(fault, 1, "");
        let outcome = world.acknowledge(&placed, HURRY).await;
        let Some(Became::Error(error)) = outcome.result else { panic!("{fault:?}: {outcome:?}") };
        assert_eq!(error.kind(), VendorErrorKind::UnknownOutcome, "{fault:?}: {error:?}");
        assert_eq!(world.requests_since(before), 1, "{fault:?}: it must not be sent again");
        assert_eq!(world.stage.acknowledged(&placed.order), effects, "{fault:?}");
    }
    let placed = world.stage.place();
    world.stage.faults().switch(Fault::Unavailable { retry_after: Some(1) }, 1, "");
    let outcome = world.acknowledge(&placed, PATIENCE).await;
    assert!(matches!(outcome.result, Some(Became::Done(_))), "{outcome:?}");
    assert_eq!(world.stage.acknowledged(&placed.order), 1);

    // A read has no effect: it is asked again.
    for fault in [Fault::ErrorAfter, Fault::CutBody] {
        world.stage.faults().switch(fault, 1, "");
        assert!(!world.pull_all(Vec::new()).await.0.is_empty());
    }
    world.stage.faults().switch(Fault::Garbage, 1, "");
    let pages = world.pull(Vec::new(), 0).await;
    let kinds: Vec<_> = pages.iter().filter_map(|page| page.error.as_ref()).map(|error| error.kind()).collect();
    assert_eq!(kinds, [VendorErrorKind::VendorBug]);
}

/// HTTP 200 is not success: what the vendor refuses inside is told item by item.
pub async fn errors_inside_a_success_surface<S: Stage>(world: &World<S>) {
    let item = world.stage.refused_item();
    let request = PushStockRequest {
        credentials_ref: ACCOUNT.to_owned(),
        idempotency_key: "stock".to_owned(),
        levels: vec![StockLevel { sku: item.clone(), barcode: item.clone(), quantity: 3 }],
    };
    let reply = world.connector().push_stock(request).await.expect("an outcome").into_inner();
    let mut outcome = reply.outcome.expect("an outcome");
    let deadline = Instant::now() + PATIENCE;
    while let Some(Became::Pending(pending)) = &outcome.result {
        assert!(Instant::now() < deadline, "the operation does not end");
        let operation_id = pending.operation_id.clone();
        let request = GetOperationRequest { credentials_ref: ACCOUNT.to_owned(), operation_id };
        let reply = world.connector().get_operation(request).await.expect("an outcome").into_inner();
        outcome = reply.outcome.expect("an outcome");
    }
    match outcome.result {
        Some(Became::Partial(partial)) => {
            let refused: Vec<_> = partial.items.iter().filter(|item| item.error.is_some()).collect();
            assert!(matches!(refused.as_slice(), [refused] if refused.item == item), "{partial:?}");
        }
        Some(Became::Error(error)) => assert!(!error.message.is_empty()),
        other => panic!("the vendor refused the item, and the connector says {other:?}"),
    }
}

//! Goods that were collected in one store come back in another, piece by piece and to the last kuruş.

use omnimesh_proto::{
    catalog::v1::{GetAvailabilityRequest, stock_service_client::StockServiceClient},
    common::v1::{Channel, Money},
    orders::v1::{
        ApproveReturnRequest, LineQuantity, ListRefundTasksRequest, Order, PaymentEventKind, PaymentState,
        ReceiveReturnRequest, ReceivedLine, RecordPaymentRequest, RefundReturnRequest, RequestReturnRequest, Return,
        ReturnCondition, ReturnState, payment_service_client::PaymentServiceClient,
        return_service_client::ReturnServiceClient,
    },
};
use omnimesh_tests::{Client, Desk, Device, Mesh, customer::request_id, desk::return_ref, eventually, raw::Refusal};
use tonic::Code;

use crate::demo::{ANKARA, ISTANBUL, TEA};

/// Bought by the phone, collected in Istanbul, brought to Ankara.
pub(super) async fn goods_come_back_in_another_store(mesh: &Mesh, phone: &Device, order: &Order) {
    let admin = mesh.admin().await;
    let ankara = Desk::new(mesh.associate("associate-ankara", &[ANKARA]).await);
    let line = order.lines.iter().find(|line| line.sku == TEA).expect("the tea was ordered");
    let paid = kurus(line.total.as_ref());
    let before = [on_hand(&admin, ANKARA).await, on_hand(&admin, ISTANBUL).await];

    let too_many = request(phone, &order.order_id, &line.line_id, 4).await.unwrap_err();
    assert_eq!((too_many.code, too_many.reason.as_str()), (Code::FailedPrecondition, "NOT_RETURNABLE"));
    let asked = request(phone, &order.order_id, &line.line_id, 2).await.unwrap();
    assert_eq!((asked.state(), asked.location_id.as_str()), (ReturnState::Requested, ""));
    let more = request(phone, &order.order_id, &line.line_id, 2).await.unwrap_err();
    assert_eq!(more.reason, "NOT_RETURNABLE", "one piece is left");

    let approve = ApproveReturnRequest { return_ref: return_ref(&asked) };
    let approved = ankara.returns().approve_return(ankara.client.request(approve)).await.unwrap().into_inner();
    assert_eq!(approved.order_return.unwrap().state(), ReturnState::Approved);
    let elsewhere = receive(&ankara, &asked, &line.line_id, ISTANBUL).await.unwrap_err();
    assert!(matches!(elsewhere.code, Code::NotFound | Code::PermissionDenied), "not their store: {elsewhere:?}");

    // Piece by piece: some of it arrived, and is refunded, before the rest comes.
    let mut refunded = 0;
    for (state, payment) in [
        (ReturnState::PartiallyReceived, PaymentState::PartiallyRefunded),
        (ReturnState::Received, PaymentState::PartiallyRefunded),
    ] {
        let received = receive(&ankara, &asked, &line.line_id, ANKARA).await.unwrap();
        assert_eq!((received.state(), received.location_id.as_str()), (state, ANKARA));
        refunded += refund(&ankara, &admin, order, &asked, payment).await;
    }
    assert_eq!(order.order_id, asked.order_id);
    let [here, there] = before;
    eventually("what came back can be sold in the other store", async || {
        let now = [on_hand(&admin, ANKARA).await, on_hand(&admin, ISTANBUL).await];
        (now == [here + 2, there]).then_some(())
    })
    .await;

    // The last piece, in a return of its own: the parts are all that was paid.
    let last = request(phone, &order.order_id, &line.line_id, 1).await.unwrap();
    let approve = ApproveReturnRequest { return_ref: return_ref(&last) };
    ankara.returns().approve_return(ankara.client.request(approve)).await.unwrap();
    receive(&ankara, &last, &line.line_id, ANKARA).await.unwrap();
    refunded += refund(&ankara, &admin, order, &last, PaymentState::PartiallyRefunded).await;
    assert_eq!(refunded, paid, "exactly what was paid for the pieces");
}

async fn request(device: &Device, order_id: &str, line_id: &str, quantity: i64) -> Result<Return, Refusal> {
    let request = RequestReturnRequest {
        order_id: order_id.to_owned(),
        lines: vec![LineQuantity { line_id: line_id.to_owned(), quantity }],
        reason: "stale".into(),
        location_id: String::new(),
        request_id: request_id(),
    };
    let mut returns = ReturnServiceClient::new(device.client.channel());
    Ok(returns.request_return(device.client.request(request)).await?.into_inner().order_return.unwrap())
}

/// One piece arrives, as good as new.
async fn receive(desk: &Desk, asked: &Return, line_id: &str, store: &str) -> Result<Return, Refusal> {
    let line = ReceivedLine { line_id: line_id.to_owned(), quantity: 1, condition: ReturnCondition::Sellable.into() };
    let request =
        ReceiveReturnRequest { return_ref: return_ref(asked), location_id: store.to_owned(), lines: vec![line] };
    let received = desk.returns().receive_return(desk.client.request(request)).await?.into_inner();
    Ok(received.order_return.unwrap())
}

/// Refunds what arrived; the back-end pays it and says so. Gives the amount.
async fn refund(desk: &Desk, admin: &Client, order: &Order, asked: &Return, payment: PaymentState) -> i64 {
    let request = RefundReturnRequest { return_ref: return_ref(asked), lines: Vec::new(), refund_shipping: false };
    let refund = desk.returns().refund_return(desk.client.request(request)).await.unwrap().into_inner();
    let tasks = tasks(admin).await;
    let task = tasks.iter().find(|task| task.0 == refund.refund_task_id).expect("the refund is a task");
    assert_eq!(task.1, refund.amount);
    let record = RecordPaymentRequest {
        order_id: order.order_id.clone(),
        provider: "test".into(),
        provider_event_id: request_id(),
        kind: PaymentEventKind::Refunded.into(),
        amount: refund.amount.clone(),
        occur_time: None,
    };
    let recorded = PaymentServiceClient::new(admin.channel()).record_payment(admin.request(record)).await.unwrap();
    assert_eq!(recorded.into_inner().order.unwrap().payment_state(), payment);
    let open = self::tasks(admin).await;
    assert!(!open.iter().any(|task| task.0 == refund.refund_task_id), "what was paid is not to be paid again");
    kurus(refund.amount.as_ref())
}

async fn tasks(admin: &Client) -> Vec<(String, Option<Money>)> {
    let mut payments = PaymentServiceClient::new(admin.channel());
    let listed = payments.list_refund_tasks(admin.request(ListRefundTasksRequest::default())).await.unwrap();
    listed.into_inner().refund_tasks.into_iter().map(|task| (task.refund_task_id, task.amount)).collect()
}

async fn on_hand(admin: &Client, store: &str) -> i64 {
    let request = GetAvailabilityRequest {
        skus: vec![TEA.to_owned()],
        channel: Channel::App.into(),
        location_ids: vec![store.to_owned()],
    };
    let answer = StockServiceClient::new(admin.channel()).get_availability(admin.request(request)).await.unwrap();
    answer.into_inner().availabilities[0].levels.iter().map(|level| level.on_hand).sum()
}

/// An amount in hundredths.
fn kurus(money: Option<&Money>) -> i64 {
    money.map_or(0, |money| money.units * 100 + i64::from(money.nanos) / 10_000_000)
}

//! The goods are packed. What is short leaves the order, its amounts too; what was paid for it goes back.

use omnimesh_kit::{call::Call, validate::Violations};
use omnimesh_proto::orders::v1::{PackRequest, PackResponse};
use tonic::Response;

use super::{GroupRef, change_group};
use crate::{app::App, domain::Held, error::Error};

pub(super) async fn run(app: &App, call: &Call, request: PackRequest) -> Result<Response<PackResponse>, Error> {
    let mut v = Violations::new();
    v.check("short_lines", request.short_lines.len() <= 500, "at most 500 are accepted");
    let mut short: Vec<Held> = Vec::new();
    for (place, line) in request.short_lines.iter().enumerate() {
        let field = format!("short_lines[{place}]");
        v.range(&format!("{field}.quantity"), line.quantity, 1..=1_000_000);
        v.check(format!("{field}.line_id"), !line.line_id.is_empty(), "must be given");
        v.check(format!("{field}.line_id"), short.iter().all(|held| held.line_id != line.line_id), "must stand once");
        short.push(Held { line_id: line.line_id.clone(), quantity: line.quantity });
    }
    let group = GroupRef::check(v, request.group.as_ref())?;
    let method = "orders.v1.FulfillmentService/Pack";
    change_group(
        app,
        call,
        method,
        (&request, &group),
        (if short.is_empty() { "" } else { "SHORT" }, "goods were short"),
        |order, id, cause| order.pack(id, &short, cause),
        |order| PackResponse { order: Some(order) },
    )
    .await
}

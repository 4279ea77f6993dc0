//! The ids that orders gives out.

use omnimesh_kit::typed_id;

typed_id!(
    /// An order's id; also the owner of its stock reservation.
    OrderId, "order");
typed_id!(
    /// A fulfilment group's id.
    GroupId, "group");
typed_id!(
    /// A line's id.
    LineId, "line");
typed_id!(
    /// A refund task's id.
    RefundTaskId, "refund");
typed_id!(
    /// A return's id.
    ReturnId, "return");

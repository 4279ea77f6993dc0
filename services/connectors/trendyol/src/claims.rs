//! Claims: what customers send back, and what the retailer says to it.

use http::Method;
use omnimesh_connector_sdk::{
    ApproveReturn, Bucket, Failure, Flow, Limits, Page, Pull, PullReturns, RejectReturn, Reply, Request, done,
};
use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::connectors::v1::{ApproveReturnRequest, ChannelReturn, Idempotency, Outcome, RejectReturnRequest};

use crate::{
    Trendyol,
    account::Account,
    map,
    window::{WINDOW_DAYS, Window, days},
    wire::{Approve, Content, Params},
};

const SIZE: &str = "200";
const READ: [Bucket; 2] = [Bucket::new("claims", 1_000, 60), Bucket::new("claims.burst", 50, 10)];
const APPROVE: [Bucket; 1] = [Bucket::new("claims.approve", 5, 60)];
const ISSUE: [Bucket; 1] = [Bucket::new("claims.issue", 50, 10)];
/// A decision can't be taken twice: the second is refused.
const DECISION: Limits = Limits { max_batch: 0, max_window_days: 0, ordered: true, idempotency: Idempotency::Emulated };
const REACH: std::time::Duration = days(90);

impl Flow<PullReturns, Account> for Trendyol {
    fn limits(&self) -> Limits {
        Limits { max_window_days: WINDOW_DAYS, ..Limits::READ }
    }

    fn request(&self, account: &Account, pull: &Pull, now: Timestamp) -> Result<Request, Failure> {
        let window = Window::of(pull, now, REACH)?;
        let mut url = account.url("order", &["claims"])?;
        url.query_pairs_mut()
            .append_pair("startDate", &window.from.to_string())
            .append_pair("endDate", &window.to(now).to_string())
            .append_pair("page", &window.page.to_string())
            .append_pair("size", SIZE);
        account.sign(Request::get("/integration/order/sellers/{seller}/claims", url).within(&READ))
    }

    fn reply(&self, _: &Account, pull: &Pull, reply: &Reply, now: Timestamp) -> Result<Page<ChannelReturn>, Failure> {
        let window = Window::of(pull, now, REACH)?;
        let content: Content = reply.json()?;
        let pages = content.total_pages.ok_or_else(|| Failure::vendor_bug("an answer without totalPages"))?;
        let (claims, unreadable) = map::each(&content.content, map::claim);
        if window.page + 1 < pages {
            return window.onward(now, String::new()).page(claims, unreadable, true);
        }
        let (next, has_more) = window.after(now);
        next.page(claims, unreadable, has_more)
    }
}

impl Flow<ApproveReturn, Account> for Trendyol {
    fn limits(&self) -> Limits {
        DECISION
    }

    fn request(&self, account: &Account, input: &ApproveReturnRequest, _: Timestamp) -> Result<Request, Failure> {
        let url = account.url("order", &["claims", &input.return_native_id, "items", "approve"])?;
        let params = Params { invoice_number: None };
        let body = Approve { claim_line_item_id_list: &input.item_native_ids, params };
        let route = "/integration/order/sellers/{seller}/claims/{claim}/items/approve";
        account.sign(Request::json(Method::PUT, route, url, &body)?.within(&APPROVE))
    }

    fn reply(&self, _: &Account, _: &ApproveReturnRequest, _: &Reply, _: Timestamp) -> Result<Outcome, Failure> {
        Ok(done(Vec::new()))
    }
}

impl Flow<RejectReturn, Account> for Trendyol {
    fn limits(&self) -> Limits {
        DECISION
    }

    fn request(&self, account: &Account, input: &RejectReturnRequest, _: Timestamp) -> Result<Request, Failure> {
        let mut url = account.url("order", &["claims", &input.return_native_id, "issue"])?;
        url.query_pairs_mut()
            .append_pair("claimIssueReasonId", &input.reason_code)
            .append_pair("claimItemIdList", &input.item_native_ids.join(","))
            .append_pair("description", &input.description);
        let route = "/integration/order/sellers/{seller}/claims/{claim}/issue";
        // All of it stands in the query; the body is an empty object.
        let body = serde_json::Map::new();
        account.sign(Request::json(Method::POST, route, url, &body)?.within(&ISSUE))
    }

    fn reply(&self, _: &Account, _: &RejectReturnRequest, _: &Reply, _: Timestamp) -> Result<Outcome, Failure> {
        Ok(done(Vec::new()))
    }
}

//! Pulling packages: by Trendyol's cursor, or by pages where an account has to.

use omnimesh_connector_sdk::{Bucket, Failure, Flow, Kind, Limits, Page, Pull, PullOrders, Reply, Request};
use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::connectors::v1::ChannelOrder;

use crate::{
    Trendyol,
    account::{Account, OrdersApi},
    map,
    window::{WINDOW_DAYS, Window, days},
    wire::Content,
};

/// Packages of one request.
const SIZE: i64 = 200;
/// Pages that can be reached: 10,000 packages.
const PAGES: i64 = 50;
const BUCKETS: [Bucket; 2] = [Bucket::new("orders", 2_000, 60), Bucket::new("orders.burst", 50, 10)];
const ROUTE: &str = "/integration/order/sellers/{seller}/orders";

impl OrdersApi {
    /// How far back it reaches.
    fn reach(self) -> std::time::Duration {
        match self {
            Self::Stream => days(90),
            Self::Pages => days(30),
        }
    }
}

/// The smallest read that needs the whole of the credentials.
pub(crate) fn smallest(account: &Account) -> Result<Request, Failure> {
    let mut url = account.url("order", &["orders"])?;
    url.query_pairs_mut().append_pair("page", "0").append_pair("size", "1");
    account.sign(Request::get(ROUTE, url).within(&BUCKETS))
}

/// The packages of an order.
pub(crate) fn of_order(account: &Account, order_number: &str) -> Result<Request, Failure> {
    let mut url = account.url("order", &["orders"])?;
    url.query_pairs_mut().append_pair("orderNumber", order_number).append_pair("size", "200");
    account.sign(Request::get(ROUTE, url).within(&BUCKETS))
}

impl Flow<PullOrders, Account> for Trendyol {
    fn limits(&self) -> Limits {
        Limits { max_window_days: WINDOW_DAYS, ..Limits::READ }
    }

    fn request(&self, account: &Account, pull: &Pull, now: Timestamp) -> Result<Request, Failure> {
        let window = Window::of(pull, now, account.orders_api.reach())?;
        let (from, to) = (window.from.to_string(), window.to(now).to_string());
        let (route, mut url) = match account.orders_api {
            OrdersApi::Stream => {
                ("/integration/order/sellers/{seller}/orders/stream", account.url("order", &["orders", "stream"])?)
            }
            OrdersApi::Pages => (ROUTE, account.url("order", &["orders"])?),
        };
        let mut query = url.query_pairs_mut();
        query.append_pair("size", &SIZE.to_string());
        match account.orders_api {
            OrdersApi::Stream => {
                query.append_pair("lastModifiedStartDate", &from).append_pair("lastModifiedEndDate", &to);
                if !window.token.is_empty() {
                    query.append_pair("nextCursor", &window.token);
                }
            }
            OrdersApi::Pages => {
                query.append_pair("startDate", &from).append_pair("endDate", &to);
                query.append_pair("page", &window.page.to_string());
                query.append_pair("orderByField", "PackageLastModifiedDate").append_pair("orderByDirection", "ASC");
            }
        }
        drop(query);
        account.sign(Request::get(route, url).within(&BUCKETS))
    }

    fn reply(
        &self,
        account: &Account,
        pull: &Pull,
        reply: &Reply,
        now: Timestamp,
    ) -> Result<Page<ChannelOrder>, Failure> {
        let window = Window::of(pull, now, account.orders_api.reach())?;
        let content: Content = reply.json()?;
        let (orders, unreadable) = map::each(&content.content, map::order);
        let onward = match account.orders_api {
            OrdersApi::Stream => {
                let more = content.has_more.ok_or_else(|| Failure::vendor_bug("an answer without hasMore"))?;
                if more && content.next_cursor.is_empty() {
                    return Err(Failure::vendor_bug("an answer with hasMore and without nextCursor"));
                }
                more.then(|| window.onward(now, content.next_cursor.to_string()))
            }
            OrdersApi::Pages => {
                let pages = content.total_pages.ok_or_else(|| Failure::vendor_bug("an answer without totalPages"))?;
                let next = window.page + 1;
                match next < pages {
                    true if next >= PAGES => Some(window.rest(now, latest(&orders, window.from)?)),
                    more => more.then(|| window.onward(now, String::new())),
                }
            }
        };
        match onward {
            Some(onward) => onward.page(orders, unreadable, true),
            None => {
                let (next, has_more) = window.after(now);
                next.page(orders, unreadable, has_more)
            }
        }
    }

    fn recover(&self, account: &Account, pull: &Pull, failure: &Failure) -> Option<Page<ChannelOrder>> {
        // Trendyol's cursors expire, and it does not document how it says so. Whatever a cursor is refused with, its window is
        // read again, and what was seen is told apart by its dedupe key.
        let refused = matches!(failure.kind, Kind::Invalid | Kind::NotFound | Kind::ConflictState);
        let again = Window::of(pull, Timestamp::from_micros(0), account.orders_api.reach()).ok()?.again();
        again.filter(|_| refused)?.page(Vec::new(), Vec::new(), true).ok()
    }
}

/// Where a window goes on that has more packages than can be reached: at the time of the last that could.
fn latest(orders: &[ChannelOrder], from: i64) -> Result<i64, Failure> {
    let times = orders.iter().filter_map(|order| Timestamp::from_proto(order.update_time.as_ref()?.time.as_ref()?));
    let latest = times.map(Timestamp::millis).max().filter(|latest| *latest > from);
    latest.ok_or_else(|| Failure::vendor_bug("more packages of one moment than can be reached"))
}

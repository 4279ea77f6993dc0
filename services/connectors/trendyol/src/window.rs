//! How far a pull has come: a window of time, and a place in it. Windows overlap, because what changed while the last one was
//! read may be missing in it.

use std::time::Duration;

use omnimesh_connector_sdk::{Failure, Page, Pull, cursor};
use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::connectors::v1::UnreadableItem;
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;
/// One request spans so much at the most.
pub(crate) const WINDOW_DAYS: u16 = 14;
/// Each window begins so long before the end of the last one.
const OVERLAP: Duration = Duration::from_secs(10 * 60);
/// How far back a first pull goes that does not say.
const FIRST: Duration = days(7);
/// How often a window is read from its beginning again because the vendor's cursor had expired.
const RESTARTS: u8 = 3;

/// A number of days.
pub(crate) const fn days(days: u16) -> Duration {
    Duration::from_secs(days as u64 * 86_400)
}

/// A place in a window; milliseconds, as Trendyol counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) from: i64,
    /// None: until now.
    to: Option<i64>,
    /// Trendyol's cursor.
    pub(crate) token: String,
    /// The page, from 0.
    pub(crate) page: i64,
    restarts: u8,
}

impl Window {
    /// Where a pull goes on. Trendyol keeps nothing older than `reach`.
    pub(crate) fn of(pull: &Pull, now: Timestamp, reach: Duration) -> Result<Self, Failure> {
        let first = || pull.start.unwrap_or_else(|| now.minus(FIRST)).millis();
        let kept = cursor::decode::<Self>(VERSION, &pull.cursor)?;
        let mut window = kept.unwrap_or_else(|| Self::from(first()));
        window.from = window.from.max(now.minus(reach).millis());
        Ok(window)
    }

    fn from(from: i64) -> Self {
        Self { from, to: None, token: String::new(), page: 0, restarts: 0 }
    }

    /// The end of the window.
    pub(crate) fn to(&self, now: Timestamp) -> i64 {
        let longest = Timestamp::from_micros(self.from.saturating_mul(1_000)).plus(days(WINDOW_DAYS)).millis();
        self.to.unwrap_or_else(|| longest.min(now.millis())).max(self.from)
    }

    /// The next part of the same window.
    pub(crate) fn onward(&self, now: Timestamp, token: String) -> Self {
        Self { to: Some(self.to(now)), token, page: self.page + 1, ..self.clone() }
    }

    /// The rest of the same window, from another beginning.
    pub(crate) fn rest(&self, now: Timestamp, from: i64) -> Self {
        Self { to: Some(self.to(now)), ..Self::from(from) }
    }

    /// The window after this one, and whether its end has come already.
    pub(crate) fn after(&self, now: Timestamp) -> (Self, bool) {
        let to = self.to(now);
        let overlap = i64::try_from(OVERLAP.as_millis()).unwrap_or_default();
        // Never before its own beginning: short windows would stand still otherwise.
        (Self::from((to - overlap).max(self.from)), to < now.millis() - overlap)
    }

    /// The same window from its beginning, if Trendyol's cursor may have expired.
    pub(crate) fn again(&self) -> Option<Self> {
        let restarts = self.restarts + 1;
        let expired = !self.token.is_empty() && restarts <= RESTARTS;
        expired.then(|| Self { token: String::new(), page: 0, restarts, ..self.clone() })
    }

    /// A page that ends here.
    pub(crate) fn page<T>(
        &self,
        items: Vec<T>,
        unreadable: Vec<UnreadableItem>,
        has_more: bool,
    ) -> Result<Page<T>, Failure> {
        Ok(Page { items, unreadable, next_cursor: cursor::encode(VERSION, self)?, has_more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use omnimesh_proto::connectors::v1::Lane;

    const NOW: Timestamp = Timestamp::from_micros(1_767_268_800_000_000);
    const DAY: i64 = 86_400_000;

    fn pull(start_days: Option<u16>, cursor: Vec<u8>) -> Pull {
        let start = start_days.map(|ago| NOW.minus(days(ago)));
        Pull { credentials_ref: String::new(), cursor, start, lane: Lane::Import }
    }

    fn bytes(window: &Window) -> Vec<u8> {
        window.page::<()>(Vec::new(), Vec::new(), true).unwrap().next_cursor
    }

    #[test]
    fn long_pulls_are_split_and_windows_overlap() {
        let mut window = Window::of(&pull(Some(30), Vec::new()), NOW, days(90)).unwrap();
        let mut spans = Vec::new();
        loop {
            spans.push(window.to(NOW) - window.from);
            let (next, more) = window.after(NOW);
            assert_eq!(next.from, window.to(NOW) - 600_000);
            window = Window::of(&pull(None, bytes(&next)), NOW, days(90)).unwrap();
            if !more {
                break;
            }
        }
        assert_eq!(spans, [14 * DAY, 14 * DAY, 2 * DAY + 1_200_000]);
        // Nothing new at once: the window does not go backwards.
        assert_eq!(window.after(NOW), (Window::from(NOW.millis() - 600_000), false));
    }

    #[test]
    fn a_window_stays_what_it_was_while_it_is_read() {
        let window = Window::of(&pull(Some(1), Vec::new()), NOW, days(90)).unwrap();
        let later = NOW.plus(Duration::from_secs(60));
        let second = Window::of(&pull(None, bytes(&window.onward(NOW, "token".to_owned()))), later, days(90)).unwrap();
        assert_eq!((second.from, second.to(later), second.page), (window.from, window.to(NOW), 1));
        let mut again = second.again().unwrap();
        assert_eq!(
            (again.from, again.to(later), again.page, again.token.as_str()),
            (window.from, window.to(NOW), 0, "")
        );
        assert_eq!(again.again(), None, "there is no cursor that could have expired");
        for _ in 1..RESTARTS {
            again = again.onward(later, "token".to_owned()).again().unwrap();
        }
        assert_eq!(again.onward(later, "token".to_owned()).again(), None, "it would never end");
    }

    #[test]
    fn what_the_vendor_keeps_no_longer_is_not_asked_for() {
        let window = Window::of(&pull(Some(200), Vec::new()), NOW, days(90)).unwrap();
        assert_eq!(window.from, NOW.millis() - 90 * DAY);
        let first = Window::of(&pull(None, Vec::new()), NOW, days(90)).unwrap();
        assert_eq!(first.from, NOW.millis() - 7 * DAY);
    }
}

//! Opening hours: wall-clock time in the location's own zone.

use jiff::{Timestamp as Instant, tz::TimeZone};
use omnimesh_kit::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// Minutes of a day.
pub const DAY: i32 = 1_440;

/// When a location is open on one weekday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// 1 is Monday, 7 is Sunday.
    pub weekday: i32,
    /// Minutes after midnight.
    pub open: i32,
    /// Minutes after midnight; at or before `open` it is on the next day.
    pub close: i32,
}

impl Hours {
    /// Whether it is open in that minute of that weekday.
    #[must_use]
    pub fn covers(self, weekday: i32, minute: i32) -> bool {
        let over_midnight = self.close <= self.open;
        let today = self.weekday == weekday && self.open <= minute && (over_midnight || minute < self.close);
        let since_yesterday = over_midnight && self.weekday % 7 + 1 == weekday && minute < self.close;
        today || since_yesterday
    }
}

/// The time zone of that IANA name.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some())
}

/// Weekday (1 is Monday) and minute on the wall clock there.
#[must_use]
pub fn wall_clock(zone: &TimeZone, now: Timestamp) -> Option<(i32, i32)> {
    let there = Instant::from_microsecond(now.micros()).ok()?.to_zoned(zone.clone());
    let weekday = i32::from(there.weekday().to_monday_one_offset());
    Some((weekday, i32::from(there.hour()) * 60 + i32::from(there.minute())))
}

/// Whether a place with these hours is open at that moment.
#[must_use]
pub fn is_open(hours: &[Hours], time_zone: &str, now: Timestamp) -> bool {
    let wall = zone(time_zone).and_then(|zone| wall_clock(&zone, now));
    wall.is_some_and(|(weekday, minute)| hours.iter().any(|hours| hours.covers(weekday, minute)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<Instant>().unwrap().as_microsecond())
    }

    #[test]
    fn hours_are_of_the_locations_zone() {
        // 2026-01-05 is a Monday. Istanbul is UTC+3 all year.
        let hours = [Hours { weekday: 1, open: 600, close: 1_320 }];
        assert!(!is_open(&hours, "Europe/Istanbul", moment("2026-01-05T06:59:59Z")));
        assert!(is_open(&hours, "Europe/Istanbul", moment("2026-01-05T07:00:00Z")));
        assert!(is_open(&hours, "Europe/Istanbul", moment("2026-01-05T18:59:59Z")));
        assert!(!is_open(&hours, "Europe/Istanbul", moment("2026-01-05T19:00:00Z")));
        assert!(!is_open(&hours, "Europe/Istanbul", moment("2026-01-06T07:00:00Z")));
        assert!(!is_open(&hours, "Mars/Olympus", moment("2026-01-05T07:00:00Z")));
    }

    #[test]
    fn summer_time_moves_with_the_wall_clock() {
        // Berlin opens at 9:00 on Sundays: 8:00Z in winter, 7:00Z from 2026-03-29 on.
        let hours = [Hours { weekday: 7, open: 540, close: 600 }];
        assert!(is_open(&hours, "Europe/Berlin", moment("2026-03-22T08:00:00Z")));
        assert!(!is_open(&hours, "Europe/Berlin", moment("2026-03-22T07:30:00Z")));
        assert!(is_open(&hours, "Europe/Berlin", moment("2026-03-29T07:30:00Z")));
        assert!(!is_open(&hours, "Europe/Berlin", moment("2026-03-29T08:00:00Z")));
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_they_began() {
        let bar = Hours { weekday: 7, open: 1_200, close: 120 };
        assert!(bar.covers(7, 1_200) && bar.covers(7, 1_439) && bar.covers(1, 0) && bar.covers(1, 119));
        assert!(!bar.covers(7, 119) && !bar.covers(1, 120) && !bar.covers(1, 1_300));
        let until_midnight = Hours { weekday: 3, open: 600, close: DAY };
        assert!(until_midnight.covers(3, 1_439) && !until_midnight.covers(4, 0));
        let around_the_clock = Hours { weekday: 3, open: 600, close: 600 };
        assert!(around_the_clock.covers(3, 600) && around_the_clock.covers(4, 599) && !around_the_clock.covers(4, 600));
    }

    proptest! {
        #[test]
        fn open_as_long_as_the_hours_say(weekday in 1i32..=7, open in 0i32..DAY, close in 0i32..=DAY) {
            let hours = Hours { weekday, open, close };
            let minutes = (1..=7).flat_map(|day| (0..DAY).map(move |minute| (day, minute)));
            let open_minutes = minutes.filter(|(day, minute)| hours.covers(*day, *minute)).count();
            let expected = if close > open { close - open } else { DAY - open + close };
            prop_assert_eq!(open_minutes, usize::try_from(expected).unwrap());
        }
    }
}

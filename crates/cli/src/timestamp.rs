//! Points in time as RFC 3339 text, and back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
const END_OF_9999: i64 = 253_402_300_799;

/// Returns `time` in UTC, to the second: `2020-01-02T03:04:05Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    dhow_lifecycle::export::rfc3339(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Parses `now`, seconds since 1970, or a UTC time in RFC 3339 to the second; returns seconds since 1970.
pub(crate) fn parse_creation_time(text: &str) -> Result<i64, String> {
    if text == "now" {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        return i64::try_from(now.as_secs()).map_err(|_| "the clock is out of range".to_owned());
    }
    parse_seconds(text)
        .or_else(|| parse_rfc3339(text))
        .ok_or_else(|| format!("`{text}` is neither `now`, seconds since 1970, nor YYYY-MM-DDTHH:MM:SSZ"))
}

/// Parses seconds since 1970, up to the year 9999: images state no other.
pub(crate) fn parse_seconds(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|seconds| (0..=END_OF_9999).contains(seconds))
}

fn parse_rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let date: Vec<u64> = date.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
    let time: Vec<u64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let (&[year, month, day], &[hour, minute, second]) = (date.as_slice(), time.as_slice()) else { return None };
    let plausible = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !plausible {
        return None;
    }
    i64::try_from(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second).ok()
}

fn days_of(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days from 1970 to a date, by counting from a March that starts a 400-year cycle.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year % 400;
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_and_parse_back() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
            assert_eq!(parse_creation_time(text), Ok(i64::try_from(seconds).unwrap()));
        }
        assert_eq!(parse_creation_time("9999-12-31T23:59:59Z"), Ok(END_OF_9999));
        for text in [
            "yesterday",
            "2020-13-01T00:00:00Z",
            "2020-02-30T00:00:00Z",
            "2021-02-29T00:00:00Z",
            "2021-04-31T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "253402300800",
            "-1",
        ] {
            assert!(parse_creation_time(text).is_err(), "{text}");
        }
    }
}

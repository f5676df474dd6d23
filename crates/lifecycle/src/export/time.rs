//! The time that an image states.

use dhow_cnb::PlatformRules;

use crate::{Level, Log};

/// 1980-01-01 00:00:01 UTC.
pub const REPRODUCIBLE_TIME: i64 = 315_532_801;

/// The first and the last second that RFC 3339 can write: of the years 0 and 9999.
const WRITABLE: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// Returns the time that `SOURCE_DATE_EPOCH` wants, else [`REPRODUCIBLE_TIME`].
///
/// An empty value counts as none; what is no time is warned of.
#[must_use]
pub fn source_date_epoch(value: Option<&str>, rules: &PlatformRules, log: &dyn Log) -> i64 {
    let Some(text) = value.filter(|text| rules.reproducible_time && !text.is_empty()) else {
        return REPRODUCIBLE_TIME;
    };
    let seconds = text.parse::<i64>().ok().filter(|seconds| WRITABLE.contains(seconds));
    seconds.unwrap_or_else(|| {
        log.log(Level::Warn, "Ignoring invalid SOURCE_DATE_EPOCH");
        REPRODUCIBLE_TIME
    })
}

/// Returns `seconds` since 1970 as RFC 3339 in UTC; what it cannot write becomes the nearest that it can.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    let seconds = seconds.clamp(*WRITABLE.start(), *WRITABLE.end());
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Returns the date of a day since 1970, in eras of 400 years that begin on a 1 March.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        let table = [
            (REPRODUCIBLE_TIME, "1980-01-01T00:00:01Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (*WRITABLE.start(), "0000-01-01T00:00:00Z"),
            (*WRITABLE.end(), "9999-12-31T23:59:59Z"),
        ];
        for (seconds, expected) in table {
            assert_eq!(rfc3339(seconds), expected);
        }
    }
}

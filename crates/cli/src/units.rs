//! Sizes and times for people.

use std::time::Duration;

/// Returns a number of bytes with a decimal unit: `12.3 MB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Returns the number of bytes that a text means: `500`, `1.5 GB`, `20gb`. Units are decimal; `None` if it means none.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * factor;
    // Beyond, neighbouring numbers of bytes could not be told apart.
    (bytes <= 2_f64.powi(53)).then_some(bytes as u64)
}

/// Returns a duration to three figures or so: `42 ms`, `1.25 s`, `3 min 12 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}

/// Returns the duration that a number with a unit means: `90s`, `30m`, `1h`, `7d`; `0` needs none.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let seconds = match &text[number.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "" if number == "0" => 1,
        _ => return Err("expected a number with s, m, h or d, such as 30m".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a whole number before the unit, such as 30m".to_owned())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "longer than can be counted".to_owned())
}

/// Returns a time since something, in its largest unit: `5 minutes`, `3 days`.
pub(crate) fn age(since: Duration) -> String {
    let seconds = since.as_secs();
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        let seconds = |text: &str| parse_duration(text).map(|duration| duration.as_secs()).ok();
        for (text, expected) in [("0", 0), ("0s", 0), ("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604_800)] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in ["", "1", "h", "1.5h", "-1h", "1w", "1hh", "1h ", "99999999999999999999s", "999999999999999999d"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn times_since_something_are_told_in_their_largest_unit() {
        let shown = [0, 60, 7199, 86_400, 2_592_000].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(shown, ["just now", "1 minute", "1 hour", "1 day", "30 days"]);
    }

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_234_567), "1.2 MB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(bytes(u64::MAX), "18446.7 PB");
        for (text, expected) in
            [("0", 0), ("500", 500), ("1.5 GB", 1_500_000_000), ("20gb", 20_000_000_000), ("3kB", 3000)]
        {
            assert_eq!(parse_bytes(text), Some(expected), "{text}");
        }
        for text in ["", "GB", "-1", "1e9", "1.2.3", "1 GiB", "1PB", "10000000 TB", "inf", "NaN", "."] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
        assert_eq!(duration(Duration::from_millis(42)), "42 ms");
        assert_eq!(duration(Duration::from_secs(192)), "3 min 12 s");
    }
}

//! How long things take, at the debug level, in the words of the reference.

use std::time::{Duration, Instant, SystemTime};

use dhow_lifecycle::Log;

use crate::timestamp;

/// Says when it was started, and when it is dropped, how long that was ago.
pub(crate) struct Timer<'a> {
    name: &'a str,
    started: Instant,
    log: &'a dyn Log,
}

impl<'a> Timer<'a> {
    pub(crate) fn start(name: &'a str, log: &'a dyn Log) -> Self {
        log.debug(&format!("Timer: {name} started at {}", now()));
        Self { name, started: Instant::now(), log }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        let text =
            format!("Timer: {} ran for {} and ended at {}", self.name, go_duration(self.started.elapsed()), now());
        self.log.debug(&text);
    }
}

fn now() -> String {
    timestamp::rfc3339(SystemTime::now())
}

/// Writes a duration as Go does: `1.5s`, `17.34642ms`, `1m3s`.
fn go_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let decimal = |unit: u128, word: &str| {
        let digits = format!("{}.{:0width$}", nanoseconds / unit, nanoseconds % unit, width = unit.ilog10() as usize);
        format!("{}{word}", digits.trim_end_matches('0').trim_end_matches('.'))
    };
    match duration.as_secs() {
        0 if nanoseconds == 0 => "0s".to_owned(),
        0 if nanoseconds < 1_000 => format!("{nanoseconds}ns"),
        0 if nanoseconds < 1_000_000 => decimal(1_000, "µs"),
        0 => decimal(1_000_000, "ms"),
        seconds => {
            let rest = Duration::new(seconds % 60, duration.subsec_nanos());
            let text = format!("{}.{:09}", rest.as_secs(), rest.subsec_nanos());
            let text = text.trim_end_matches('0').trim_end_matches('.');
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => format!("{text}s"),
                (0, minutes) => format!("{minutes}m{text}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{text}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let table = [
            (0, "0s"),
            (17, "17ns"),
            (1_500, "1.5µs"),
            (17_346_420, "17.34642ms"),
            (1_000_000_000, "1s"),
            (63_000_000_000, "1m3s"),
            (3_600_500_000_000, "1h0m0.5s"),
        ];
        for (nanoseconds, expected) in table {
            assert_eq!(go_duration(Duration::from_nanos(nanoseconds)), expected);
        }
    }
}

//! Floats as Go prints them.

/// Returns a float as Go's `encoding/json` writes it: `2`, `1.5`, `1e+21`, `1e-7`.
pub(crate) fn json(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return format!("{value}");
    }
    let (mantissa, exponent) = split(value);
    if exponent < 0 { format!("{mantissa}e{exponent}") } else { format!("{mantissa}e+{exponent:02}") }
}

/// Returns a float as the reference's TOML encoder writes it: `2.0`, `1.5`, `1.234567e+06`.
pub(crate) fn toml(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let (mantissa, exponent) = split(value);
    if value != 0.0 && !(-4..6).contains(&exponent) {
        // Go's `FormatFloat(f, 'g', -1)` takes the exponent form from seven digits before the point on.
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let text = format!("{value}");
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// Splits into the shortest mantissa that reads back the same, and the decimal exponent.
fn split(value: f64) -> (String, i32) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.to_owned(), exponent.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn json_floats_are_written_as_go_does() {
        for (value, text) in [
            (2.0, "2"),
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1.25e-7, "1.25e-7"),
            (1e-100, "1e-100"),
            (0.0, "0"),
        ] {
            assert_eq!(super::json(value), text);
        }
    }

    #[test]
    fn toml_floats_always_show_that_they_are_floats() {
        for (value, text) in [
            (1.0, "1.0"),
            (2.5, "2.5"),
            (0.0, "0.0"),
            (123_456.0, "123456.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (12_345_678_901_234_568.0, "1.2345678901234568e+16"),
            (123_456_789_012.0, "1.23456789012e+11"),
            (-3.0, "-3.0"),
        ] {
            assert_eq!(super::toml(value), text);
        }
    }
}

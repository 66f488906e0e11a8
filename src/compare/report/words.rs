//! Numbers for people.

pub use crate::values::words::count;

/// `1 record`, `2,000 records`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {many}", count(n)) }
}

pub fn records(n: u64) -> String {
    counted(n, "record", "records")
}

/// A share in percent, with as many digits as it takes not to read as none or all where it is neither.
pub fn percent(part: u64, of: u64) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    share(part as f64 / of as f64)
}

pub fn share(share: f64) -> String {
    let of_100 = share * 100.0;
    for digits in 1..=9 {
        let text = format!("{of_100:.digits$}");
        let reads_as: f64 = text.parse().unwrap_or(of_100);
        let is_end = reads_as <= 0.0 || reads_as >= 100.0;
        if !is_end || share <= 0.0 || share >= 1.0 {
            return format!("{text} %");
        }
    }
    if share < 0.5 { "< 0.000000001 %" } else { "> 99.999999999 %" }.to_owned()
}

/// A score, or another number of about its size, with six digits that count.
pub fn score(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value.abs() < 0.001 {
        format!("{value:.3e}")
    } else {
        format!("{value:.6}")
    }
}

/// With its sign.
pub fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", score(value)) } else { score(value) }
}

/// An index of a few digits: a PSI, an area under a curve.
pub fn index(value: f64) -> String {
    let text = format!("{value:.4}");
    if value != 0.0 && text.trim_start_matches('-') == "0.0000" { format!("{value:.1e}") } else { text }
}

pub fn or_dash<T>(value: Option<T>, words: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), words)
}

/// A threshold without needless digits.
pub fn threshold(value: f64) -> String {
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_never_reads_as_all_or_none() {
        assert_eq!([percent(1, 2), percent(0, 5), percent(5, 5), percent(1, 0)], ["50.0 %", "0.0 %", "100.0 %", "-"]);
        assert_eq!(percent(999_999, 1_000_000), "99.9999 %");
        assert_eq!(percent(1, 10_000_000), "0.00001 %");
        assert_eq!(percent(1, u64::MAX), "< 0.000000001 %");
    }

    #[test]
    fn numbers_keep_the_digits_that_count() {
        assert_eq!([score(0.25), score(0.0), score(1.25e-7), score(1.0)], ["0.250000", "0", "1.250e-7", "1.000000"]);
        assert_eq!([signed(0.5), signed(-0.5), signed(0.0)], ["+0.500000", "-0.500000", "0"]);
        assert_eq!([index(0.12345), index(0.0), index(0.000_01)], ["0.1235", "0.0000", "1.0e-5"]);
        assert_eq!(
            [count(7), count(1_234_567), records(1), records(1_000)],
            ["7", "1,234,567", "1 record", "1,000 records"]
        );
    }
}

//! Hours and weekdays in a time zone, by a table that is made when a plan is compiled.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

const HOUR_MS: f64 = 3_600_000.0;
const DAY_MS: f64 = 86_400_000.0;

/// Clock changes are looked up in this span, in seconds since 1970: 1901 to 2100. What lies outside has the offset of the
/// nearest end.
const FROM_S: i64 = -2_177_452_800;
const TO_S: i64 = 4_102_444_800;

/// The rules that are compiled in: every node has the same ones, whatever its machine has.
static RULES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Offsets of local time from UTC.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Zone {
    /// When each offset but the first begins, in milliseconds since 1970, ascending.
    starts: Box<[f64]>,
    /// In milliseconds; one more than there are starts.
    offsets: Box<[f64]>,
}

impl Zone {
    /// By its name: `UTC`, an offset such as `+02:00`, or one of IANA's, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// Nobody knows it: what to write.
    pub fn named(name: &str) -> Result<Zone, String> {
        if let Some(offset) = fixed(name) {
            return Ok(Zone { starts: Box::default(), offsets: Box::new([offset]) });
        }
        let zone = RULES.get(name).map_err(|_| advice(name))?;
        let (Ok(from), Ok(to)) = (Timestamp::from_second(FROM_S), Timestamp::from_second(TO_S)) else {
            return Err(advice(name));
        };
        Ok(Zone::of(&zone, from, to))
    }

    fn of(zone: &TimeZone, from: Timestamp, to: Timestamp) -> Zone {
        let in_ms = |seconds: i32| f64::from(seconds) * 1_000.0;
        let (mut starts, mut offsets) = (Vec::new(), vec![in_ms(zone.to_offset(from).seconds())]);
        for change in zone.following(from).take_while(|change| change.timestamp() < to) {
            let offset = in_ms(change.offset().seconds());
            // A change of the name or the rule alone changes no hour.
            if offsets.last() != Some(&offset) {
                starts.push(change.timestamp().as_millisecond() as f64);
                offsets.push(offset);
            }
        }
        Zone { starts: starts.into(), offsets: offsets.into() }
    }

    #[inline]
    fn local_ms(&self, ms: f64) -> f64 {
        ms + self.offsets[self.starts.partition_point(|start| *start <= ms)]
    }

    /// 0 to 23, of milliseconds since 1970.
    #[inline]
    pub fn hour(&self, ms: f64) -> f64 {
        positive((self.local_ms(ms).rem_euclid(DAY_MS) / HOUR_MS).floor())
    }

    /// 0 for Monday to 6 for Sunday, as Python's `weekday` has it.
    #[inline]
    pub fn weekday(&self, ms: f64) -> f64 {
        // 1970 began with a Thursday.
        positive(((self.local_ms(ms) / DAY_MS).floor() + 3.0).rem_euclid(7.0))
    }
}

/// 0 for -0, which is what remains of a negative number that divides evenly: another number to a model's bits.
#[inline]
fn positive(value: f64) -> f64 {
    value + 0.0
}

/// The offset in milliseconds of a name that needs no rules.
fn fixed(name: &str) -> Option<f64> {
    if name == "UTC" {
        return Some(0.0);
    }
    let (sign, clock) = name.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1.0,
        "-" => -1.0,
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':')?;
    let two_digits = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    (hours <= 14 && minutes < 60).then(|| sign * (f64::from(hours) * HOUR_MS + f64::from(minutes) * 60_000.0))
}

fn advice(name: &str) -> String {
    let near = |known: &String| strsim::jaro_winkler(known, name);
    let all = RULES.available().map(|known| known.as_str().to_owned());
    match all.max_by(|one, other| near(one).total_cmp(&near(other))) {
        Some(nearest) if near(&nearest) > 0.8 => {
            format!("did you mean \"{nearest}\"? Otherwise write an offset, such as \"+02:00\"")
        }
        _ => "write a name of IANA's, such as \"Europe/Berlin\", an offset, such as \"+02:00\", or \"UTC\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, seconds: i64) -> (f64, f64) {
        let zone = Zone::named(zone).unwrap();
        let ms = seconds as f64 * 1_000.0;
        (zone.hour(ms), zone.weekday(ms))
    }

    /// Answers of Python's `datetime.fromtimestamp(s, ZoneInfo(name))`.
    #[test]
    fn hours_and_weekdays_are_pythons() {
        // 2026-03-29, a Sunday: clocks go forward at 01:00 UTC.
        assert_eq!([1_774_745_999, 1_774_746_000].map(|at_s| at("Europe/Berlin", at_s)), [(1.0, 6.0), (3.0, 6.0)]);
        // 2026-10-25: they go back at 01:00 UTC.
        assert_eq!([1_792_889_999, 1_792_890_000].map(|at_s| at("Europe/Berlin", at_s)), [(2.0, 6.0), (2.0, 6.0)]);
        assert_eq!(at("America/New_York", 0), (19.0, 2.0), "the Wednesday before");
        assert_eq!(at("Asia/Kolkata", 1_774_746_000), (6.0, 6.0));
        assert_eq!(at("+05:30", 1_774_746_000), (6.0, 6.0));
        assert_eq!(at("-03:30", 0), (20.0, 2.0));
        assert_eq!((at("UTC", 0), at("UTC", -1), at("UTC", 86_400 * 4)), ((0.0, 3.0), (23.0, 2.0), (0.0, 0.0)));
    }

    #[test]
    fn a_monday_at_midnight_before_1970_is_zero_and_not_minus_zero() {
        let (hour, weekday) = at("UTC", -86_400 * 10);
        assert_eq!((hour.to_bits(), weekday.to_bits()), (0, 0));
    }

    #[test]
    fn every_hour_of_a_century_is_what_the_rules_say() {
        for name in ["Europe/London", "America/Sao_Paulo", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia"] {
            let (zone, rules) = (Zone::named(name).unwrap(), RULES.get(name).unwrap());
            for at in (0..3_000_000_000i64).step_by(7_213_777) {
                let local = Timestamp::from_second(at).unwrap().to_zoned_datetime(rules.clone());
                let expected = (f64::from(local.hour()), f64::from(local.weekday().to_monday_zero_offset()));
                let ms = at as f64 * 1_000.0;
                assert_eq!((zone.hour(ms), zone.weekday(ms)), expected, "{name} at {at}");
            }
        }
    }

    #[test]
    fn what_is_no_zone_is_told_with_the_nearest() {
        assert!(Zone::named("Europe/Berln").unwrap_err().contains("\"Europe/Berlin\""));
        for name in ["", "+2:00", "+15:00", "+02:60", "nonsense"] {
            assert!(Zone::named(name).unwrap_err().contains("+02:00"), "{name}");
        }
    }
}

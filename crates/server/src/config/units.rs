//! Durations and sizes as people write them.

use std::num::NonZeroU32;
use std::time::Duration;

use atoll_http::Rate;

/// What a duration looks like.
pub(super) const DURATION: &str = "a duration such as 90s, 15m, 24h or 7d";
/// What a size looks like.
pub(super) const SIZE: &str = "a size such as 512MiB or 20GiB";

/// `90s`, `15m`, `24h`, `7d`; `0` alone is zero.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "" if number == 0 => 0,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// What a rate looks like.
pub(super) const RATE: &str = "a rate such as 100/1m or 100/1s burst 1000, or off";

/// `100/1m`: so many in that time, all of them at once if need be; `100/1s burst 1000`: a thousand at once; `off`: as many
/// as anybody likes.
pub(super) fn rate(text: &str) -> Option<Option<Rate>> {
    if text == "off" {
        return Some(None);
    }
    let (rate, burst) = text.split_once(" burst ").map_or((text, None), |(rate, burst)| (rate, Some(burst)));
    let (requests, period) = rate.split_once('/')?;
    let requests: NonZeroU32 = requests.parse().ok()?;
    let burst = burst.map_or(Some(requests), |burst| burst.trim().parse().ok())?;
    Rate::new(requests, duration(period)?, burst).map(Some)
}

/// `1048576`, `512MiB`, `20GiB`, in bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(bytes)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("90s", Some(90))]
    #[case("15m", Some(900))]
    #[case("24h", Some(86_400))]
    #[case("7d", Some(604_800))]
    #[case("0", Some(0))]
    #[case("5", None)]
    #[case("m", None)]
    #[case("-1m", None)]
    #[case("1.5h", None)]
    #[case("1 h", None)]
    #[case("99999999999999999999s", None)]
    #[case("9999999999999999d", None)]
    #[case("", None)]
    fn durations_are_read(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(duration(text), seconds.map(Duration::from_secs));
    }

    #[rstest]
    #[case("100/1m", Some((100, 60, 100)))]
    #[case("100/1s burst 1000", Some((100, 1, 1_000)))]
    #[case("20/15m", Some((20, 900, 20)))]
    #[case("0/1m", None)]
    #[case("100/0", None)]
    #[case("100", None)]
    #[case("100/1m burst", None)]
    #[case("100/1m burst 0", None)]
    #[case("-1/1m", None)]
    #[case("", None)]
    fn rates_are_read(#[case] text: &str, #[case] expected: Option<(u32, u64, u32)>) {
        let number = |n| NonZeroU32::new(n).unwrap();
        let expected = expected.map(|(requests, seconds, burst)| {
            Rate::new(number(requests), Duration::from_secs(seconds), number(burst))
        });
        assert_eq!(rate(text), expected);
        assert_eq!(rate("off"), Some(None));
    }

    #[rstest]
    #[case("1048576", Some(1 << 20))]
    #[case("512MiB", Some(512 << 20))]
    #[case("20GiB", Some(20 << 30))]
    #[case("1GB", None)]
    #[case("99999999TiB", None)]
    #[case("", None)]
    fn sizes_are_read(#[case] text: &str, #[case] bytes: Option<u64>) {
        assert_eq!(size(text), bytes);
    }
}

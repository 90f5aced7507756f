//! The durations of the attribute.

mod grammar;

pub(crate) use grammar::{Messages, parse};

/// Messages for a time limit.
pub(crate) const LIMIT: Messages = Messages {
    empty: "the time limit is empty: write a number and a unit, such as \"30s\"",
    negative: "is negative: a time limit cannot pass before it starts",
    zero: Some("is zero: the function would be cancelled before it starts"),
};

/// Messages for a grace period.
pub(crate) const GRACE: Messages = Messages {
    empty: "the grace period is empty: write a number and a unit, such as \"5s\"",
    negative: "is negative: a grace period cannot end before it starts",
    zero: Some("is zero: leave out `grace` to drop the body at once"),
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NANOS_PER_SECOND: u128 = 1_000_000_000;

    #[track_caller]
    fn nanos(text: &str, nanos: u128) {
        assert_eq!(parse(text, &LIMIT).map(|duration| duration.as_nanos()), Ok(nanos), "{text}");
    }

    #[track_caller]
    fn refused(text: &str, with: &str) {
        assert_eq!(parse(text, &LIMIT), Err(with.to_owned()));
    }

    #[test]
    fn each_unit() {
        nanos("1h", 3_600_000_000_000);
        nanos("1m", 60_000_000_000);
        nanos("30s", 30_000_000_000);
        nanos("250ms", 250_000_000);
        nanos("2us", 2_000);
        nanos("2\u{b5}s", 2_000);
        nanos("2\u{3bc}s", 2_000);
        nanos("10ns", 10);
    }

    #[test]
    fn several_parts_add_up() {
        nanos("1m30s", 90_000_000_000);
        nanos("1h2m3s4ms5us6ns", 3_723_004_005_006);
        nanos("1h1ns", 3_600_000_000_001);
        nanos("0h1s", 1_000_000_000);
        nanos("90m", 5_400_000_000_000);
        nanos("007s", 7_000_000_000);
    }

    #[test]
    fn fractions() {
        nanos("1.5s", 1_500_000_000);
        nanos("0.5m", 30_000_000_000);
        nanos("1m0.25s", 60_250_000_000);
        nanos("1.000000001s", 1_000_000_001);
        nanos("1.5000000000000000000000000000000000000000000000000s", 1_500_000_000);
        nanos("2.0ns", 2);
        // The smallest fraction of an hour that is allowed: 1/8192 of an hour is a whole number of nanoseconds,
        // and 1/16384 is not.
        nanos("0.0001220703125h", 439_453_125);
    }

    #[test]
    fn the_longest() {
        nanos("18446744073709551615s", u128::from(u64::MAX) * NANOS_PER_SECOND);
        nanos("18446744073709551615.999999999s", Duration::MAX.as_nanos());
        for text in ["18446744073709551616s", "5124095576030432h", &"9".repeat(60)] {
            let text =
                if text.ends_with(['s', 'h']) { text.to_owned() } else { format!("{text}s") };
            refused(&text, &format!("{text:?} is longer than a `Duration` can be"));
        }
        refused(
            "340282366920938463463374607431768211455ns",
            "\"340282366920938463463374607431768211455ns\" is longer than a `Duration` can be",
        );
    }

    #[test]
    fn empty() {
        refused("", "the time limit is empty: write a number and a unit, such as \"30s\"");
    }

    #[test]
    fn zero() {
        let zero = "is zero: the function would be cancelled before it starts";
        for text in ["0s", "0.0s", "0h0m0s"] {
            refused(text, &format!("{text:?} {zero}"));
        }
    }

    #[test]
    fn negative() {
        let negative = "is negative: a time limit cannot pass before it starts";
        for text in ["-1s", "-0s", "-"] {
            refused(text, &format!("{text:?} {negative}"));
        }
    }

    #[test]
    fn of_a_grace_period() {
        for (text, with) in [
            ("", "the grace period is empty: write a number and a unit, such as \"5s\""),
            ("-1s", "\"-1s\" is negative: a grace period cannot end before it starts"),
            ("0s", "\"0s\" is zero: leave out `grace` to drop the body at once"),
        ] {
            assert_eq!(parse(text, &GRACE), Err(with.to_owned()));
        }
        assert_eq!(parse("1m30s", &GRACE), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn spaces() {
        let space = "has a space in it: write it without, such as \"1m30s\"";
        for text in [" ", "1 s", "1m 30s", " 1s", "1s\n"] {
            refused(text, &format!("{text:?} {space}"));
        }
    }

    #[test]
    fn no_unit() {
        let units = "`h`, `m`, `s`, `ms`, `us` (or `\u{b5}s`) or `ns`";
        for text in ["30", "1m30", "1.5", "0"] {
            refused(text, &format!("{text:?} has no unit: write one of {units}"));
        }
    }

    #[test]
    fn unknown_unit() {
        let units = "`h`, `m`, `s`, `ms`, `us` (or `\u{b5}s`) or `ns`";
        for (text, unit) in
            [("30x", "x"), ("30sec", "sec"), ("1S", "S"), ("1m30x", "x"), ("1,5s", ",")]
        {
            refused(text, &format!("{text:?} has the unknown unit `{unit}`: use {units}"));
        }
    }

    #[test]
    fn no_number() {
        refused("s", "\"s\" has no number before `s`");
        refused("never", "\"never\" has no number before `never`");
        refused("+1s", "\"+1s\" has no number before `+`");
        refused(".5s", "\".5s\" has no digit before the point: write \"0.5s\", not \".5s\"");
        refused("1.s", "\"1.s\" has no digit after the point");
        refused("1..5s", "\"1..5s\" has no digit after the point");
    }

    #[test]
    fn parts_in_disorder() {
        let order = "has its units out of order: each once, from large to small";
        for text in ["30s1m", "1s1s", "1us1\u{b5}s", "1ns1h"] {
            refused(text, &format!("{text:?} {order}"));
        }
        let fraction = "has a fraction before its last part: only the last may have one";
        for text in ["1.5m30s", "1.0m30s", "1.5s.5ms"] {
            refused(text, &format!("{text:?} {fraction}"));
        }
    }

    #[test]
    fn too_fine() {
        for text in ["0.1ns", "1.0000000001s", "0.0000000001s", "0.00000000000000000000000001h"] {
            refused(text, &format!("{text:?} is finer than a nanosecond"));
        }
    }
}

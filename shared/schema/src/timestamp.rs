//! Points in time as CSV files write them, and the days that they fall on, in UTC.
//!
//! `YYYY-MM-DD HH:MM:SS`, also with `T` in the middle, with a fraction, and with `Z` or an offset at the end: what
//! RFC 3339 allows, its offset being optional. <https://www.rfc-editor.org/rfc/rfc3339>. A leap second is not a time
//! that a table could hold. Written by hand, since it runs for every row.

/// A second, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Since 1970-01-01 00:00:00.
    pub seconds: i64,
}

/// Seconds of a day.
const DAY: i64 = 86_400;
/// `YYYY-MM-DD HH:MM:SS`.
const PLAIN: usize = 19;

impl Timestamp {
    /// Reads a point in time; without an offset it is UTC. A fraction is dropped.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (plain, rest) = text.split_at_checked(PLAIN)?;
        let day = parse_day(plain)?;
        if !matches!(plain[10], b' ' | b'T') || plain[13] != b':' || plain[16] != b':' {
            return None;
        }
        let (hour, minute, second) = (two(plain, 11)?, two(plain, 14)?, two(plain, 17)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = i64::from(day) * DAY + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Some(Self { seconds: seconds - offset(after_fraction(rest)?)? })
    }

    /// Whether `text`, which is a point in time, is written as [`Timestamp::write`] does.
    pub fn is_normal(text: &[u8]) -> bool {
        text.len() == PLAIN && text[10] == b' '
    }

    /// Midnight of a day, given in days since 1970-01-01.
    pub fn of_day(day: i32) -> Self {
        Self { seconds: i64::from(day) * DAY }
    }

    /// The day, in days since 1970-01-01.
    pub fn day(self) -> i32 {
        i32::try_from(self.seconds.div_euclid(DAY)).unwrap_or(i32::MAX)
    }

    /// Year, month and day.
    pub fn date(self) -> (i64, u32, u32) {
        civil(self.seconds.div_euclid(DAY))
    }

    /// `YYYY-MM-DD HH:MM:SS`; of a year with four digits.
    pub fn write(self) -> [u8; PLAIN] {
        let (year, month, day) = self.date();
        let second = u32::try_from(self.seconds.rem_euclid(DAY)).unwrap_or(0);
        let mut text = *b"0000-00-00 00:00:00";
        let year = u32::try_from(year).unwrap_or(0);
        let fields = [(0, year / 100), (2, year % 100), (5, month), (8, day)];
        let clock = [(11, second / 3600), (14, second / 60 % 60), (17, second % 60)];
        for (at, number) in fields.into_iter().chain(clock) {
            text[at] += digit(number / 10);
            text[at + 1] += digit(number % 10);
        }
        text
    }

    /// Reads `YYYY-MM-DD`: midnight of that day.
    pub fn parse_date(text: &[u8]) -> Option<Self> {
        if text.len() != 10 {
            return None;
        }
        parse_day(text).map(Self::of_day)
    }
}

fn digit(number: u32) -> u8 {
    u8::try_from(number % 10).unwrap_or(0)
}

fn parse_day(text: &[u8]) -> Option<i32> {
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (two(text, 0)? * 100 + two(text, 2)?, two(text, 5)?, two(text, 8)?);
    if month == 0 || month > 12 || day == 0 || day > days_of(year, month) {
        return None;
    }
    Some(days(year, month, day))
}

fn two(text: &[u8], at: usize) -> Option<u32> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// What follows `.` and its digits; the whole text where there is no fraction.
fn after_fraction(text: &[u8]) -> Option<&[u8]> {
    let Some(fraction) = text.strip_prefix(b".") else { return Some(text) };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=9).contains(&digits).then(|| &fraction[digits..])
}

/// Seconds that the clock is ahead of UTC: nothing, `Z`, `+HH:MM` or `-HH:MM`.
fn offset(text: &[u8]) -> Option<i64> {
    match text {
        [] | [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (two(text, 1)?, two(text, 4)?);
            let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// Days from 1970-01-01 by the Gregorian calendar, years counted from March.
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
fn days(year: u32, month: u32, day: u32) -> i32 {
    let signed = |number: u32| i32::try_from(number).unwrap_or(0);
    let year = signed(year) - i32::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((signed(month) + 9) % 12) + 2) / 5 + signed(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or(0), u32::try_from(day).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> Option<String> {
        Timestamp::parse(text.as_bytes()).map(|time| String::from_utf8(time.write().to_vec()).unwrap())
    }

    #[test]
    fn points_in_time_are_normalised_to_utc() {
        for (text, expected) in [
            ("2026-01-31 23:59:59", "2026-01-31 23:59:59"),
            ("2026-01-31T23:59:59", "2026-01-31 23:59:59"),
            ("2026-01-31T23:59:59Z", "2026-01-31 23:59:59"),
            ("2026-01-31 23:59:59.123456789", "2026-01-31 23:59:59"),
            ("2026-01-31T23:59:59.5+01:00", "2026-01-31 22:59:59"),
            ("2026-01-31 23:30:00-01:30", "2026-02-01 01:00:00"),
            ("2024-02-29 00:00:00+23:59", "2024-02-28 00:01:00"),
            ("1970-01-01 00:00:00", "1970-01-01 00:00:00"),
            ("0001-01-01 00:00:00", "0001-01-01 00:00:00"),
            ("9999-12-31 23:59:59", "9999-12-31 23:59:59"),
            ("2000-02-29 12:00:00", "2000-02-29 12:00:00"),
        ] {
            assert_eq!(normal(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_point_in_time_is_none() {
        for text in [
            "",
            "2026-01-31",
            "2026-02-29 00:00:00",
            "1900-02-29 00:00:00",
            "2026-13-01 00:00:00",
            "2026-00-01 00:00:00",
            "2026-01-00 00:00:00",
            "2026-01-31 24:00:00",
            "2026-01-31 23:60:00",
            "2026-01-31 23:59:60",
            "2026-01-31 23:59:59.",
            "2026-01-31 23:59:59.1234567890",
            "2026-01-31 23:59:59 ",
            "2026-01-31 23:59:59+0100",
            "2026-01-31 23:59:59+24:00",
            "2026-01-31 23:59:59z",
            "2026/01/31 23:59:59",
            "2026-1-31 23:59:59",
            "+026-01-31 23:59:59",
            "2026-01-31\t23:59:59",
            "20260131T235959Z000",
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
    }

    #[test]
    fn days_and_dates_agree_over_eight_hundred_years() {
        let first = Timestamp::parse_date(b"1600-01-01").unwrap().day();
        let last = Timestamp::parse_date(b"2400-01-01").unwrap().day();
        assert_eq!(last - first, 292_194);
        for day in first..last {
            let text = Timestamp::of_day(day).write();
            assert_eq!(Timestamp::parse(&text), Some(Timestamp::of_day(day)));
        }
    }
}

//! Patterns of dates and times: `MySQL`'s (`%Y-%m-%d`) and Joda's (`yyyy-MM-dd`), compiled into one form.
//! Sources: <https://trino.io/docs/current/functions/datetime.html#mysql-date-functions>,
//! <https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html>

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Weekday};
use datafusion::error::Result;

use super::super::error::{data, unsupported};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A part of a pattern. Numbers are written with at least that many digits.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(String),
    Year,
    /// The last two digits of the year.
    ShortYear,
    Month(usize),
    /// The month's name; `true` for three letters.
    MonthName(bool),
    Day(usize),
    DayOfYear(usize),
    Hour(usize),
    /// 1 to 12.
    HalfDayHour(usize),
    Minute(usize),
    Second(usize),
    /// Digits of the second's fraction.
    Fraction(usize),
    /// AM or PM.
    HalfDay,
    /// The day's name; `true` for three letters.
    DayName(bool),
    /// ISO 8601, Monday is 1.
    WeekDay,
    /// ISO 8601.
    Week(usize),
    /// The year that the ISO week belongs to.
    WeekYear,
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    items: Vec<Item>,
    text: String,
}

impl Pattern {
    /// Compiles `MySQL`'s form.
    pub(crate) fn mysql(text: &str) -> Result<Self> {
        let mut items = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                literal(&mut items, c);
                continue;
            }
            match chars.next() {
                Some('T') => items.extend(clock(Item::Hour(2))),
                Some('r') => {
                    items.extend(clock(Item::HalfDayHour(2)));
                    literal(&mut items, ' ');
                    items.push(Item::HalfDay);
                }
                Some(letter) => match mysql_item(letter)? {
                    Some(item) => items.push(item),
                    None => literal(&mut items, letter),
                },
                None => literal(&mut items, '%'),
            }
        }
        Ok(Self { items, text: text.to_owned() })
    }

    /// Compiles Joda's form.
    pub(crate) fn joda(text: &str) -> Result<Self> {
        let mut items = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                if chars.next_if_eq(&'\'').is_some() {
                    literal(&mut items, '\'');
                    continue;
                }
                while let Some(quoted) = chars.next() {
                    if quoted != '\'' {
                        literal(&mut items, quoted);
                    } else if chars.next_if_eq(&'\'').is_some() {
                        literal(&mut items, '\'');
                    } else {
                        break;
                    }
                }
            } else if c.is_ascii_alphabetic() {
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                items.push(joda_item(c, count)?);
            } else {
                literal(&mut items, c);
            }
        }
        Ok(Self { items, text: text.to_owned() })
    }

    /// Writes a time.
    pub(crate) fn format(&self, time: NaiveDateTime) -> String {
        self.items.iter().map(|item| write(item, time)).collect()
    }

    /// Reads a time.
    ///
    /// # Errors
    /// `INVALID_FUNCTION_ARGUMENT` if the text is not of this form.
    pub(crate) fn parse(&self, text: &str) -> Result<NaiveDateTime> {
        let mut reader = Reader { rest: text, ..Reader::default() };
        let read = self.items.iter().try_for_each(|item| reader.read(item));
        let time = read.and_then(|()| if reader.rest.is_empty() { reader.time() } else { None });
        time.ok_or_else(|| {
            let message = format!("Invalid format: \"{text}\" does not match the pattern \"{}\"", self.text);
            data("INVALID_FUNCTION_ARGUMENT", message)
        })
    }
}

fn literal(items: &mut Vec<Item>, c: char) {
    match items.last_mut() {
        Some(Item::Text(text)) => text.push(c),
        _ => items.push(Item::Text(c.to_string())),
    }
}

fn clock(hour: Item) -> [Item; 5] {
    let colon = || Item::Text(":".into());
    [hour, colon(), Item::Minute(2), colon(), Item::Second(2)]
}

/// `None`: the letter stands for itself.
fn mysql_item(letter: char) -> Result<Option<Item>> {
    Ok(Some(match letter {
        'a' => Item::DayName(true),
        'b' => Item::MonthName(true),
        'c' => Item::Month(1),
        'd' => Item::Day(2),
        'e' => Item::Day(1),
        'f' => Item::Fraction(6),
        'H' => Item::Hour(2),
        'h' | 'I' => Item::HalfDayHour(2),
        'i' => Item::Minute(2),
        'j' => Item::DayOfYear(3),
        'k' => Item::Hour(1),
        'l' => Item::HalfDayHour(1),
        'M' => Item::MonthName(false),
        'm' => Item::Month(2),
        'p' => Item::HalfDay,
        'S' | 's' => Item::Second(2),
        'v' => Item::Week(2),
        'W' => Item::DayName(false),
        'x' => Item::WeekYear,
        'Y' => Item::Year,
        'y' => Item::ShortYear,
        'D' | 'U' | 'u' | 'V' | 'w' | 'X' => {
            return Err(data("INVALID_FUNCTION_ARGUMENT", format!("%{letter} not supported in date format string")));
        }
        _ => return Ok(None),
    }))
}

fn joda_item(letter: char, count: usize) -> Result<Item> {
    Ok(match (letter, count) {
        ('y' | 'Y', 2) => Item::ShortYear,
        ('y' | 'Y', _) => Item::Year,
        ('x', _) => Item::WeekYear,
        ('M', 1 | 2) => Item::Month(count),
        ('M', 3) => Item::MonthName(true),
        ('M', _) => Item::MonthName(false),
        ('d', _) => Item::Day(count),
        ('D', _) => Item::DayOfYear(count),
        ('E', 1..=3) => Item::DayName(true),
        ('E', _) => Item::DayName(false),
        ('e', _) => Item::WeekDay,
        ('w', _) => Item::Week(count),
        ('H', _) => Item::Hour(count),
        ('h', _) => Item::HalfDayHour(count),
        ('m', _) => Item::Minute(count),
        ('s', _) => Item::Second(count),
        ('S', _) => Item::Fraction(count),
        ('a', _) => Item::HalfDay,
        _ => return Err(unsupported(format!("the letter {letter} in a date pattern"))),
    })
}

fn write(item: &Item, time: NaiveDateTime) -> String {
    let number = |value: u32, digits: usize| format!("{value:0digits$}");
    let short = |name: &str, short: bool| if short { name[..3].to_owned() } else { name.to_owned() };
    let half_hour = || if time.hour().is_multiple_of(12) { 12 } else { time.hour() % 12 };
    match item {
        Item::Text(text) => text.clone(),
        Item::Year => format!("{:04}", time.year()),
        Item::ShortYear => format!("{:02}", time.year().rem_euclid(100)),
        Item::Month(digits) => number(time.month(), *digits),
        Item::MonthName(abbreviated) => short(MONTHS[time.month0() as usize], *abbreviated),
        Item::Day(digits) => number(time.day(), *digits),
        Item::DayOfYear(digits) => number(time.ordinal(), *digits),
        Item::Hour(digits) => number(time.hour(), *digits),
        Item::HalfDayHour(digits) => number(half_hour(), *digits),
        Item::Minute(digits) => number(time.minute(), *digits),
        Item::Second(digits) => number(time.second(), *digits),
        Item::Fraction(digits) => format!("{:0<digits$}", &format!("{:09}", time.nanosecond())[..(*digits).min(9)]),
        Item::HalfDay => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        Item::DayName(abbreviated) => short(DAYS[time.weekday().num_days_from_monday() as usize], *abbreviated),
        Item::WeekDay => time.weekday().number_from_monday().to_string(),
        Item::Week(digits) => number(time.iso_week().week(), *digits),
        Item::WeekYear => format!("{:04}", time.iso_week().year()),
    }
}

/// What has been read of a text.
#[derive(Default)]
struct Reader<'a> {
    rest: &'a str,
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: Option<u32>,
    half_hour: Option<u32>,
    afternoon: bool,
    minute: u32,
    second: u32,
    nanos: u32,
    week: Option<u32>,
    week_year: Option<i32>,
    week_day: Option<u32>,
}

impl Reader<'_> {
    fn number(&mut self, longest: usize) -> Option<u32> {
        let end = self.rest.bytes().take(longest).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().ok()
    }

    /// The place of the name that the text goes on with.
    fn name(&mut self, names: &[&str]) -> Option<u32> {
        let lower = self.rest.to_ascii_lowercase();
        for whole in [true, false] {
            for (i, name) in names.iter().enumerate() {
                let name = if whole { *name } else { &name[..3] };
                if lower.starts_with(&name.to_ascii_lowercase()) {
                    self.rest = &self.rest[name.len()..];
                    return Some(i as u32 + 1);
                }
            }
        }
        None
    }

    fn read(&mut self, item: &Item) -> Option<()> {
        match item {
            Item::Text(text) => self.rest = self.rest.strip_prefix(text.as_str())?,
            Item::Year => self.year = Some(self.number(4)?.cast_signed()),
            Item::ShortYear => {
                // Joda's and MySQL's pivot: 70 to 99 are of the last century.
                let year = self.number(2)?.cast_signed();
                self.year = Some(if year < 70 { 2000 + year } else { 1900 + year });
            }
            Item::Month(_) => self.month = Some(self.number(2)?),
            Item::MonthName(_) => self.month = Some(self.name(&MONTHS)?),
            Item::Day(_) => self.day = Some(self.number(2)?),
            Item::DayOfYear(_) => self.day_of_year = Some(self.number(3)?),
            Item::Hour(_) => self.hour = Some(self.number(2)?),
            Item::HalfDayHour(_) => self.half_hour = Some(self.number(2).filter(|h| (1..=12).contains(h))?),
            Item::Minute(_) => self.minute = self.number(2)?,
            Item::Second(_) => self.second = self.number(2)?,
            Item::Fraction(digits) => {
                let before = self.rest.len();
                let value = self.number((*digits).min(9))?;
                let written = before - self.rest.len();
                self.nanos = value * 10_u32.pow(9 - written as u32);
            }
            Item::HalfDay => {
                let mark = self.rest.get(..2)?.to_ascii_uppercase();
                self.afternoon = match mark.as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                };
                self.rest = &self.rest[2..];
            }
            Item::DayName(_) => self.week_day = Some(self.name(&DAYS)?),
            Item::WeekDay => self.week_day = Some(self.number(1)?),
            Item::Week(_) => self.week = Some(self.number(2)?),
            Item::WeekYear => self.week_year = Some(self.number(4)?.cast_signed()),
        }
        Some(())
    }

    fn time(&self) -> Option<NaiveDateTime> {
        let hour = match (self.hour, self.half_hour) {
            (None, Some(half)) => half % 12 + if self.afternoon { 12 } else { 0 },
            (hour, _) => hour.unwrap_or(0),
        };
        let time = NaiveTime::from_hms_nano_opt(hour, self.minute, self.second, self.nanos)?;
        Some(self.date()?.and_time(time))
    }

    /// What is not in the pattern is that of 1970-01-01.
    fn date(&self) -> Option<NaiveDate> {
        let year = self.year.unwrap_or(1970);
        if let Some(day) = self.day_of_year {
            return NaiveDate::from_yo_opt(year, day);
        }
        if let Some(week) = self.week {
            let day = self.week_day.unwrap_or(1);
            let day = Weekday::try_from(u8::try_from(day.checked_sub(1)?).ok()?).ok()?;
            return NaiveDate::from_isoywd_opt(self.week_year.or(self.year).unwrap_or(1970), week, day);
        }
        NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn mysql_patterns() {
        let pattern = Pattern::mysql("%Y-%m-%d %H:%i:%s.%f").unwrap();
        let noon = time("2026-01-02T12:03:04.5");
        assert_eq!(pattern.format(noon), "2026-01-02 12:03:04.500000");
        assert_eq!(pattern.parse("2026-01-02 12:03:04.5").unwrap(), noon);
        let words = Pattern::mysql("%W, %M %e, %Y %h:%i %p %j %%").unwrap();
        assert_eq!(words.format(noon), "Friday, January 2, 2026 12:03 PM 002 %");
        assert_eq!(Pattern::mysql("%T").unwrap().format(noon), "12:03:04");
        Pattern::mysql("%D").unwrap_err();
    }

    #[test]
    fn joda_patterns() {
        let pattern = Pattern::joda("yyyy-MM-dd'T'HH:mm:ss.SSS").unwrap();
        let morning = time("2026-01-02T09:03:04.567");
        assert_eq!(pattern.format(morning), "2026-01-02T09:03:04.567");
        assert_eq!(pattern.parse("2026-01-02T09:03:04.567").unwrap(), morning);
        assert_eq!(Pattern::joda("EEE d MMM yy h:mm a").unwrap().format(morning), "Fri 2 Jan 26 9:03 AM");
        assert_eq!(Pattern::joda("h:mm a").unwrap().parse("1:30 PM").unwrap(), time("1970-01-01T13:30:00"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let pattern = Pattern::mysql("%Y-%m-%d").unwrap();
        for text in ["2026-13-01", "2026-01-01 ", "01/02/2026", ""] {
            pattern.parse(text).unwrap_err();
        }
    }
}

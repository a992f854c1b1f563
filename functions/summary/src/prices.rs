//! What a run costs, by the table of prices in `prices.json`.
//!
//! The table is the only place with a price: each has its date and the page that publishes it. Whoever pays
//! others replaces the file and deploys; `docs/cost.md` says how. Sums are whole numbers of 10⁻¹² dollars, so that they
//! add up to the last digit and come out the same everywhere. What AWS gives away each month is not subtracted: it
//! belongs to the account and not to a run.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::spent::Spent;

/// The table that is deployed.
const TABLE: &str = include_str!("../prices.json");

/// The processor that the functions are built for; Lambda's prices differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    Arm64,
    X86_64,
}

impl FromStr for Architecture {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "arm64" => Ok(Self::Arm64),
            "x86_64" => Ok(Self::X86_64),
            _ => Err("must be arm64 or x86_64"),
        }
    }
}

/// An amount of money, in 10⁻¹² US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Usd(u128);

const DIGITS: usize = 12;
const DOLLAR: u128 = 10_u128.pow(12);

impl Usd {
    /// This price for `quantity` things of which `per` have it; half of 10⁻¹² dollars is rounded up.
    fn times(self, quantity: u64, per: u64) -> Self {
        let per = u128::from(per);
        Self((self.0 * u128::from(quantity) + per / 2) / per)
    }

    /// For a metric, which CloudWatch keeps as a floating point number anyway.
    pub(crate) fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}

impl std::ops::Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::iter::Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), std::ops::Add::add)
    }
}

impl FromStr for Usd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no amount like 0.0125, with {DIGITS} digits behind the point at most");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || whole.len() > DIGITS || fraction.len() > DIGITS {
            return Err(wrong());
        }
        let parse = |digits: &str| digits.parse::<u128>().map_err(|_| wrong());
        Ok(Self(parse(whole)? * DOLLAR + parse(&format!("{fraction:0<DIGITS$}"))?))
    }
}

impl fmt::Display for Usd {
    /// All digits but for zeros at the end; cents always.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:0>DIGITS$}", self.0 % DOLLAR);
        let significant = fraction.trim_end_matches('0').len().max(2);
        write!(f, "{}.{}", self.0 / DOLLAR, &fraction[..significant])
    }
}

impl Serialize for Usd {
    /// As text: a JSON number would become a floating point number on its way through the state machine.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A price in every region where it is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    /// The day for which it was taken.
    date: NaiveDate,
    /// The page that publishes it.
    source: String,
    usd: BTreeMap<String, Usd>,
}

/// The table of prices.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    athena_terabyte: Price,
    glue_million_requests: Price,
    lambda_gb_second_arm64: Price,
    lambda_gb_second_x86_64: Price,
    lambda_million_requests: Price,
    s3_thousand_lists: Price,
    states_thousand_transitions: Price,
}

/// The prices of one region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prices {
    /// The date of the oldest of them.
    as_of: NaiveDate,
    athena_terabyte: Usd,
    glue_million_requests: Usd,
    lambda_gb_second: Usd,
    lambda_million_requests: Usd,
    s3_thousand_lists: Usd,
    states_thousand_transitions: Usd,
}

impl Prices {
    /// The prices that are deployed.
    ///
    /// # Errors
    /// Why there are none: the table lacks the region, or cannot be read.
    pub(crate) fn of(region: &str, architecture: Architecture) -> Result<Self, String> {
        Self::from(TABLE, region, architecture)
    }

    fn from(table: &str, region: &str, architecture: Architecture) -> Result<Self, String> {
        let table: Table =
            serde_json::from_str(table).map_err(|problem| format!("prices.json cannot be read: {problem}"))?;
        let lambda_gb_second = match architecture {
            Architecture::Arm64 => ("lambda_gb_second_arm64", &table.lambda_gb_second_arm64),
            Architecture::X86_64 => ("lambda_gb_second_x86_64", &table.lambda_gb_second_x86_64),
        };
        let mut as_of = NaiveDate::MAX;
        let mut price = |(name, price): (&str, &Price)| {
            as_of = as_of.min(price.date);
            let usd = price.usd.get(region).copied();
            usd.ok_or_else(|| format!("prices.json has no {name} of {region}; it is said at {}", price.source))
        };
        Ok(Self {
            athena_terabyte: price(("athena_terabyte", &table.athena_terabyte))?,
            glue_million_requests: price(("glue_million_requests", &table.glue_million_requests))?,
            lambda_gb_second: price(lambda_gb_second)?,
            lambda_million_requests: price(("lambda_million_requests", &table.lambda_million_requests))?,
            s3_thousand_lists: price(("s3_thousand_lists", &table.s3_thousand_lists))?,
            states_thousand_transitions: price(("states_thousand_transitions", &table.states_thousand_transitions))?,
            as_of,
        })
    }

    /// What `spent` comes to. Calls to Athena and to Step Functions cost nothing.
    pub(crate) fn parts(&self, spent: &Spent) -> Parts {
        let time = self.lambda_gb_second.times(spent.function_mb_millis, 1024 * 1000);
        Parts {
            athena: self.athena_terabyte.times(spent.megabytes_billed, 1_000_000),
            glue: self.glue_million_requests.times(spent.requests.glue, 1_000_000),
            lambda: time + self.lambda_million_requests.times(spent.invocations, 1_000_000),
            s3: self.s3_thousand_lists.times(spent.requests.s3, 1000),
            states: self.states_thousand_transitions.times(spent.state_transitions, 1000),
        }
    }
}

/// What each service costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Parts {
    pub(crate) athena: Usd,
    pub(crate) glue: Usd,
    pub(crate) lambda: Usd,
    pub(crate) s3: Usd,
    pub(crate) states: Usd,
}

impl Parts {
    pub(crate) fn total(&self) -> Usd {
        [self.athena, self.glue, self.lambda, self.s3, self.states].into_iter().sum()
    }
}

/// What a run costs, or why that cannot be told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Cost {
    currency: &'static str,
    region: String,
    /// All parts together; none if it cannot be told.
    pub(crate) total: Option<Usd>,
    parts: Option<Parts>,
    /// The date of the oldest price.
    prices_as_of: Option<NaiveDate>,
    /// Why there is no total.
    pub(crate) reason: Option<String>,
}

impl Cost {
    /// By the prices of a region.
    pub(crate) fn of(region: &str, architecture: Architecture, spent: Result<&Spent, String>) -> Self {
        let known = spent.and_then(|spent| Ok((Prices::of(region, architecture)?, spent)));
        let (region, currency) = (region.to_owned(), "USD");
        match known {
            Ok((prices, spent)) => {
                let parts = prices.parts(spent);
                let (total, prices_as_of) = (Some(parts.total()), Some(prices.as_of));
                Self { currency, region, total, parts: Some(parts), prices_as_of, reason: None }
            }
            Err(reason) => {
                Self { currency, region, total: None, parts: None, prices_as_of: None, reason: Some(reason) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::usage::Requests;

    /// A table of our own: whoever replaces the one that is deployed should not have to change tests.
    fn table() -> String {
        let price = |usd: &str| json!({"date": "2026-11-25", "source": "https://example.com/", "usd": {"here": usd}});
        let mut athena = price("5.00");
        athena["date"] = json!("2026-02-28");
        json!({
            "athena_terabyte": athena,
            "glue_million_requests": price("1.00"),
            "lambda_gb_second_arm64": price("0.0000133334"),
            "lambda_gb_second_x86_64": price("0.0000166667"),
            "lambda_million_requests": price("0.20"),
            "s3_thousand_lists": price("0.005"),
            "states_thousand_transitions": price("0.025"),
        })
        .to_string()
    }

    fn prices(architecture: Architecture) -> Prices {
        Prices::from(&table(), "here", architecture).unwrap()
    }

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    fn spent() -> Spent {
        Spent {
            megabytes_billed: 1_000_020,
            state_transitions: 17,
            invocations: 14,
            function_mb_millis: 1024 * 1000 * 3,
            requests: Requests { athena: 50, glue: 20, s3: 3, states: 1 },
            ..Spent::default()
        }
    }

    #[test]
    fn amounts_are_exact() {
        for text in ["0.00", "0.0000166667", "5.00", "12.345", "0.000000000001"] {
            assert_eq!(usd(text).to_string(), text);
        }
        assert_eq!(usd("5").to_string(), "5.00");
        assert_eq!(usd("0.10") + usd("0.20"), usd("0.3"), "as no floating point number would");
        for text in ["", ".5", "5.", "-1", "1e-3", "$5", "0.0000000000001", "1 000"] {
            assert!(text.parse::<Usd>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn each_service_is_billed_by_its_own_measure() {
        let parts = prices(Architecture::X86_64).parts(&spent());

        assert_eq!(parts.athena, usd("5.0001"));
        assert_eq!(parts.lambda, usd("0.0000500001") + usd("0.0000028"), "three GB-seconds and 14 requests");
        assert_eq!((parts.glue, parts.s3, parts.states), (usd("0.00002"), usd("0.000015"), usd("0.000425")));
        assert_eq!(parts.total(), usd("5.0006128001"));
        let arm = prices(Architecture::Arm64).parts(&spent());
        assert_eq!(arm.lambda, usd("0.0000400002") + usd("0.0000028"));
    }

    #[test]
    fn every_region_of_the_table_has_every_price() {
        let table: serde_json::Map<String, serde_json::Value> = serde_json::from_str(TABLE).unwrap();
        for price in table.values() {
            assert!(price["source"].as_str().unwrap().starts_with("https://aws.amazon.com/"));
            for region in price["usd"].as_object().unwrap().keys() {
                for architecture in [Architecture::Arm64, Architecture::X86_64] {
                    Prices::of(region, architecture).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_region_without_prices_has_no_cost_and_says_why() {
        let cost = Cost::of("mars-north-1", Architecture::X86_64, Ok(&spent()));

        let json = serde_json::to_value(&cost).unwrap();
        assert!(json["total"].is_null() && json["parts"].is_null(), "{json}");
        let reason = json["reason"].as_str().unwrap();
        assert!(reason.contains("athena_terabyte of mars-north-1") && reason.contains("https://"), "{reason}");
    }

    #[test]
    fn a_table_that_cannot_be_read_says_why() {
        for (table, expected) in [("{", "cannot be read"), ("{}", "missing field"), (r#"{"bread": 1}"#, "bread")] {
            let problem = Prices::from(table, "us-east-1", Architecture::X86_64).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        let number = table().replace("\"5.00\"", "5");
        assert!(Prices::from(&number, "here", Architecture::X86_64).unwrap_err().contains("string"));
    }

    #[test]
    fn the_oldest_price_dates_the_sum() {
        assert_eq!(prices(Architecture::Arm64).as_of.to_string(), "2026-02-28");
    }
}

//! How long and how often each kind may be, and who must approve it (GOVERNANCE section 3).

use std::{fmt, str::FromStr, time::Duration};

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::domain::{Kind, Timestamp};

/// Live exceptions that may name the same agent at once (T089).
pub const LIVE_PER_AGENT: usize = 5;
/// Within this time of the end, a review is due.
pub const REVIEW_DUE: TimeDelta = TimeDelta::hours(72);

/// One of so many temporary elevations is drawn for a review after its end.
pub const SAMPLE: u8 = 5;

/// Which exceptions of a kind are reviewed after their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// None.
    None,
    /// One of [`SAMPLE`], drawn by lot.
    Sample,
    /// Every one.
    Every,
}

/// The ceilings of a kind. Nothing raises them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling {
    /// The longest window of one exception.
    pub window: TimeDelta,
    /// How often it may be renewed.
    pub renewals: usize,
    /// The longest sum of windows over all renewals.
    pub lifetime: TimeDelta,
    /// Distinct approvers.
    pub approvers: usize,
    /// Whether one of them must have the duty `security`.
    pub security: bool,
    /// Whether one of them must have the duty `vendor_risk`.
    pub vendor_risk: bool,
    /// Whether the owner of the rules that are lifted must be one of them.
    pub rule_owner: bool,
    /// Whether its milestones are waited for: one that passes unreported suspends it.
    pub milestones: bool,
    /// An undecided request ends after this.
    pub request: TimeDelta,
    /// The longest time between attestations; `None` where none is demanded.
    pub attestation: Option<TimeDelta>,
    /// Which of them are reviewed after their end; where all are, the owner's next one waits for that (I18).
    pub review: Review,
    /// The longest time between removal tests, and how old one may be at a renewal.
    pub removal: TimeDelta,
}

/// The longest that an exception works after its attestation was due.
pub const GRACE: TimeDelta = TimeDelta::hours(24);

impl Ceiling {
    /// The ceilings of this kind.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::TemporaryElevation => Self {
                window: TimeDelta::hours(8),
                renewals: 0,
                lifetime: TimeDelta::hours(8),
                approvers: 1,
                security: false,
                vendor_risk: false,
                rule_owner: false,
                milestones: false,
                request: TimeDelta::hours(24),
                attestation: None,
                review: Review::Sample,
                removal: TimeDelta::days(7),
            },
            Kind::Pilot => Self {
                window: TimeDelta::days(30),
                renewals: 2,
                lifetime: TimeDelta::days(90),
                approvers: 2,
                security: true,
                vendor_risk: false,
                rule_owner: false,
                milestones: false,
                request: TimeDelta::hours(24),
                attestation: Some(TimeDelta::days(7)),
                review: Review::None,
                removal: TimeDelta::days(7),
            },
            Kind::BreakGlass => Self {
                window: TimeDelta::hours(4),
                renewals: 0,
                lifetime: TimeDelta::hours(4),
                approvers: 2,
                security: false,
                vendor_risk: false,
                rule_owner: false,
                milestones: false,
                request: TimeDelta::minutes(15),
                attestation: None,
                review: Review::Every,
                removal: TimeDelta::days(7),
            },
            Kind::RuleExemption => Self {
                window: TimeDelta::days(90),
                renewals: 1,
                lifetime: TimeDelta::days(180),
                approvers: 2,
                security: false,
                vendor_risk: false,
                rule_owner: true,
                milestones: true,
                request: TimeDelta::hours(24),
                attestation: Some(TimeDelta::days(30)),
                review: Review::None,
                removal: TimeDelta::days(30),
            },
            Kind::ThirdPartyConnector => Self {
                window: TimeDelta::days(180),
                renewals: 1,
                lifetime: TimeDelta::days(360),
                approvers: 2,
                security: false,
                vendor_risk: true,
                rule_owner: false,
                milestones: true,
                request: TimeDelta::hours(24),
                attestation: Some(TimeDelta::days(30)),
                review: Review::None,
                removal: TimeDelta::days(90),
            },
        }
    }
}

/// The moment that lies this much later, or the end of time.
#[must_use]
pub(super) fn later(from: Timestamp, by: TimeDelta) -> Timestamp {
    from.checked_add_signed(by).unwrap_or(Timestamp::MAX_UTC)
}

/// A length of time, written `P7D`, `PT24H`, `P1DT12H` (ISO 8601) or `60s`, `15m`, `24h`, `7d`; from 1 s to 10 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

impl Period {
    /// As a difference of moments.
    #[must_use]
    pub fn delta(self) -> TimeDelta {
        TimeDelta::from_std(self.0).unwrap_or(TimeDelta::MAX)
    }
}

/// The text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write `P7D`, `PT24H`, `60s`, `15m`, `24h` or `7d`")]
pub struct ParsePeriodError(String);

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || ParsePeriodError(text.chars().take(40).collect());
        let seconds = match text.strip_prefix('P') {
            Some(rest) => {
                let (days, time) = rest.split_once('T').map_or((rest, None), |(days, time)| (days, Some(time)));
                let time = match time {
                    Some("") => None,
                    Some(time) => sum(time, &[('H', 3_600), ('M', 60), ('S', 1)]),
                    None => Some(0),
                };
                sum(days, &[('W', 604_800), ('D', 86_400)]).zip(time).and_then(|(a, b)| a.checked_add(b))
            }
            None => sum(text, &[('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)]),
        };
        match seconds {
            Some(seconds @ 1..=315_360_000) => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(fault()),
        }
    }
}

/// The sum of `<number><unit>` parts; units in this order, each at most once.
fn sum(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    for (unit, seconds) in units {
        let Some((number, behind)) = rest.split_once(*unit) else { continue };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*seconds)?)?;
        rest = behind;
    }
    rest.is_empty().then_some(total)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        f.write_str("P")?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        if rest > 0 {
            f.write_str("T")?;
        }
        for (count, unit) in [(rest / 3_600, 'H'), (rest % 3_600 / 60, 'M'), (rest % 60, 'S')] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Period;

    #[test]
    fn a_period_reads_back_and_nonsense_is_refused() {
        for text in ["P7D", "PT24H", "P1DT12H", "60s", "15m", "7d", "P2W", "PT1H30M"] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string().parse(), Ok(period), "{text}");
        }
        for bad in ["", "P", "PT", "P0D", "-1d", "7", "d", "P1H", "PT1S1M", "99999999999999999999d", "P1DT", "7d7d"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }
}

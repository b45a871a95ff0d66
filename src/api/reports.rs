//! What a report is asked for with.

use axum::extract::Query;
use http::Uri;
use serde::Deserialize;

use super::ApiError;

/// Days that a report looks back, and the most.
const DAYS: u32 = 30;
const DAYS_CEILING: u32 = 366;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SprawlQuery {
    days: Option<u32>,
}

/// The days of the query.
pub(super) fn days(uri: &Uri) -> Result<u32, ApiError> {
    let wrong = || ApiError::invalid(format!("the query takes `days`, a number from 1 to {DAYS_CEILING}"));
    let query = Query::<SprawlQuery>::try_from_uri(uri).map_err(|_| wrong())?;
    let days = query.days.unwrap_or(DAYS);
    if (1..=DAYS_CEILING).contains(&days) { Ok(days) } else { Err(wrong()) }
}

//! One data point a finished request, where a deployment binds Workers Analytics Engine. Never required: what fails here is forgotten.

use super::config;
use crate::account::point;
use crate::account::usage::RequestRow;
use worker::{AnalyticsEngineDataPointBuilder, Env};

/// Writes the point of a row; it does not wait, and costs no request.
pub(super) fn write(env: &Env, row: &RequestRow) {
    let Ok(dataset) = env.analytics_engine(config::ANALYTICS) else {
        return;
    };
    let point = point::of(row);
    let _ = AnalyticsEngineDataPointBuilder::new()
        .indexes([point.index.as_str()])
        .blobs(point.blobs.iter().map(String::as_str))
        .doubles(point.doubles)
        .write_to(&dataset);
}

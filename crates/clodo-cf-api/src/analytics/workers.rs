use super::{TimeRange, of_account, within};
use crate::{
    endpoint::Endpoint,
    wire::{open_enum, or_default},
};
use clodo_types::{AccountId, VersionId, WorkerName};
use serde::Deserialize;

open_enum! {
    /// How invocations ended.
    InvocationStatus {
        /// Well.
        Success = "success",
        /// The client went away.
        ClientDisconnected = "clientDisconnected",
        /// The Worker threw.
        ScriptThrewException = "scriptThrewException",
        /// It used too much CPU time or memory.
        ExceededResources = "exceededResources",
        /// Cloudflare had a problem of its own.
        InternalError = "internalError",
    }
}

/// Which invocations are meant; what is left out is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvocationsFilter {
    /// When.
    pub time: TimeRange,
    /// Of which Worker.
    pub worker: Option<WorkerName>,
    /// Of which of its versions.
    pub version: Option<VersionId>,
    /// How they ended.
    pub status: Option<InvocationStatus>,
    /// How they are grouped.
    pub group_by: InvocationsGroup,
}

/// How invocations are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvocationsGroup {
    /// By Worker, version and status: what a canary is judged by.
    #[default]
    Version,
    /// By Worker, version, status and minute.
    VersionByMinute,
    /// By Worker, version, status and hour.
    VersionByHour,
    /// By Worker and day.
    WorkerByDay,
}

impl InvocationsGroup {
    fn dimensions(self) -> &'static str {
        match self {
            Self::Version => "scriptName scriptVersion status",
            Self::VersionByMinute => "scriptName scriptVersion status datetimeMinute",
            Self::VersionByHour => "scriptName scriptVersion status datetimeHour",
            Self::WorkerByDay => "scriptName date",
        }
    }
}

impl InvocationsFilter {
    /// All invocations of all Workers, by version and status.
    #[must_use]
    pub fn all(time: TimeRange) -> Self {
        Self {
            time,
            worker: None,
            version: None,
            status: None,
            group_by: InvocationsGroup::Version,
        }
    }

    /// Of one Worker.
    #[must_use]
    pub fn of_worker(mut self, worker: &WorkerName) -> Self {
        self.worker = Some(worker.clone());
        self
    }

    /// Of one version.
    #[must_use]
    pub fn of_version(mut self, version: &VersionId) -> Self {
        self.version = Some(version.clone());
        self
    }

    /// That ended in one way.
    #[must_use]
    pub fn with_status(mut self, status: InvocationStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Grouped in another way.
    #[must_use]
    pub fn grouped(mut self, by: InvocationsGroup) -> Self {
        self.group_by = by;
        self
    }
}

/// A group of invocations.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Invocations {
    /// What they have in common.
    #[serde(default, deserialize_with = "or_default")]
    pub dimensions: InvocationDimensions,
    /// What they did together.
    #[serde(default, deserialize_with = "or_default")]
    pub sum: InvocationSums,
    /// How long one of them took.
    #[serde(default, deserialize_with = "or_default")]
    pub quantiles: InvocationQuantiles,
    /// How many of them one that was looked at stands for.
    #[serde(default, deserialize_with = "or_default")]
    pub avg: InvocationAverages,
}

/// How a group of invocations was sampled.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InvocationAverages {
    /// How many invocations one that was looked at stands for: 1 when all of them were.
    #[serde(default)]
    pub sample_interval: Option<f64>,
}

/// What a group of invocations has in common.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InvocationDimensions {
    /// The Worker.
    #[serde(default)]
    pub script_name: Option<String>,
    /// Its version.
    #[serde(default)]
    pub script_version: Option<String>,
    /// How they ended.
    #[serde(default)]
    pub status: Option<InvocationStatus>,
    /// The minute, in RFC 3339.
    #[serde(default)]
    pub datetime_minute: Option<String>,
    /// The hour, in RFC 3339.
    #[serde(default)]
    pub datetime_hour: Option<String>,
    /// The day.
    #[serde(default)]
    pub date: Option<String>,
}

/// What a group of invocations did together.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InvocationSums {
    /// Invocations.
    #[serde(default, deserialize_with = "or_default")]
    pub requests: u64,
    /// Those that failed.
    #[serde(default, deserialize_with = "or_default")]
    pub errors: u64,
    /// Requests that they made.
    #[serde(default, deserialize_with = "or_default")]
    pub subrequests: u64,
}

/// How long one invocation of a group took, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InvocationQuantiles {
    /// CPU time that half of them stay below.
    #[serde(default, rename = "cpuTimeP50")]
    pub cpu_time_p50: Option<f64>,
    /// CPU time that 99 % of them stay below.
    #[serde(default, rename = "cpuTimeP99")]
    pub cpu_time_p99: Option<f64>,
    /// Time that half of them stay below.
    #[serde(default, rename = "wallTimeP50")]
    pub wall_time_p50: Option<f64>,
    /// Time that 99 % of them stay below.
    #[serde(default, rename = "wallTimeP99")]
    pub wall_time_p99: Option<f64>,
}

/// How often Workers ran, how that ended and how long it took.
#[must_use]
pub fn invocations(account: &AccountId, filter: &InvocationsFilter) -> Endpoint<Vec<Invocations>> {
    let mut conditions = within(&filter.time).to_vec();
    let narrower = [
        ("scriptName", filter.worker.as_ref().map(WorkerName::as_str)),
        ("scriptVersion", filter.version.as_ref().map(VersionId::as_str)),
        ("status", filter.status.as_ref().map(InvocationStatus::as_str)),
    ];
    for (field, value) in narrower {
        conditions.extend(value.map(|value| (field, "string", value)));
    }
    let fields = format!(
        "sum{{requests errors subrequests}} avg{{sampleInterval}} quantiles{{cpuTimeP50 cpuTimeP99 wallTimeP50 \
         wallTimeP99}} dimensions{{{}}}",
        filter.group_by.dimensions()
    );
    of_account(account, "workersInvocationsAdaptive", &conditions, &fields)
}

//! The datasets as GraphQL shows them.

use crate::analytics::store::Dataset;

/// A node below `accounts`.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) dataset: Dataset,
    /// Names of the dimensions that are kept, in the order in which they are.
    pub(super) kept: &'static [&'static str],
    /// Dimensions that are the same for every row.
    pub(super) fixed: &'static [(&'static str, &'static str)],
    pub(super) fields: &'static [Field],
}

/// A field below `sum`, `avg` and so on.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) source: Source,
    /// The groups in which it stands.
    pub(super) groups: &'static [Group],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// The number of events.
    Count,
    /// The measure at this place.
    Measure(usize),
    /// The measure times a factor.
    Scaled(usize, f64),
    /// The same for every event: what is not measured, or not sampled.
    Always(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Sum,
    Avg,
    Min,
    Max,
    Quantiles,
}

impl Group {
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("min", Self::Min),
        ("max", Self::Max),
        ("quantiles", Self::Quantiles),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, group)| *group)
    }
}

/// A dimension of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dimension {
    /// One that is kept, by its place.
    Kept(usize),
    /// A number that is kept, by its place.
    Number(usize),
    /// One that is the same everywhere.
    Fixed(&'static str),
    /// The start of a span of so many minutes.
    Time(i64),
    /// The day.
    Date,
}

const TIMES: [(&str, Dimension); 6] = [
    ("datetime", Dimension::Time(1)),
    ("datetimeMinute", Dimension::Time(1)),
    ("datetimeFiveMinutes", Dimension::Time(5)),
    ("datetimeFifteenMinutes", Dimension::Time(15)),
    ("datetimeHour", Dimension::Time(60)),
    ("date", Dimension::Date),
];

impl Node {
    pub(super) fn dimension(&self, name: &str) -> Option<Dimension> {
        let time = TIMES.iter().find(|(known, _)| *known == name).map(|(_, time)| *time);
        let kept = || self.kept.iter().position(|known| *known == name);
        let fixed = || self.fixed.iter().find(|(known, _)| *known == name);
        let kept = || match kept() {
            Some(at) if name == "responseStatusCode" => Some(Dimension::Number(at)),
            other => other.map(Dimension::Kept),
        };
        time.or_else(kept).or_else(|| fixed().map(|(_, value)| Dimension::Fixed(value)))
    }

    /// The field of a group, and for quantiles which one.
    pub(super) fn field(&self, group: Group, name: &str) -> Option<(Source, f64)> {
        let (name, quantile) = match group {
            Quantiles => quantile(name)?,
            _ => (name, 0.0),
        };
        let found = self.fields.iter().chain(&EVERYWHERE);
        let mut found = found.filter(|field| field.name == name && field.groups.contains(&group));
        found.next().map(|field| (field.source, quantile))
    }
}

/// `wallTimeP99` → `wallTime`, 0.99.
fn quantile(name: &str) -> Option<(&str, f64)> {
    let known = [
        ("P25", 0.25),
        ("P50", 0.5),
        ("P75", 0.75),
        ("P90", 0.9),
        ("P95", 0.95),
        ("P99", 0.99),
        ("P999", 0.999),
    ];
    known.iter().find_map(|(end, q)| Some((name.strip_suffix(end)?, *q)))
}

use Group::{Avg, Max, Min, Quantiles, Sum};
use Source::{Always, Count, Measure, Scaled};

const fn field(name: &'static str, source: Source, groups: &'static [Group]) -> Field {
    Field { name, source, groups }
}

const SPREAD: &[Group] = &[Sum, Avg, Min, Max, Quantiles];

/// Nothing is sampled.
const EVERYWHERE: [Field; 1] = [field("sampleInterval", Always(1.0), &[Avg])];

/// A Worker has 128 MB; Cloudflare's `duration` is in GB-seconds, wall time in microseconds.
const GIGABYTE_SECONDS: f64 = 0.128 / 1e6;

pub(super) const NODES: &[Node] = &[
    Node {
        name: "workersInvocationsAdaptive",
        dataset: Dataset::Invocations,
        kept: &["scriptName", "scriptVersion", "status"],
        fixed: &[
            ("coloCode", "LOC"),
            ("environmentName", "production"),
            ("usageModel", "standard"),
        ],
        fields: &[
            field("requests", Count, &[Sum]),
            field("errors", Measure(0), &[Sum]),
            field("clientDisconnects", Measure(1), &[Sum]),
            field("subrequests", Measure(2), &[Sum]),
            field("wallTime", Measure(3), SPREAD),
            field("requestDuration", Measure(3), SPREAD),
            field("duration", Scaled(3, GIGABYTE_SECONDS), SPREAD),
            field("responseBodySize", Measure(4), SPREAD),
            // workerd does not measure it.
            field("cpuTimeUs", Always(0.0), &[Sum]),
            field("cpuTime", Always(0.0), &[Avg, Min, Max, Quantiles]),
        ],
    },
    Node {
        name: "d1AnalyticsAdaptiveGroups",
        dataset: Dataset::D1,
        kept: &["databaseId"],
        fixed: &[("databaseRole", "primary"), ("servedByColo", "LOC")],
        fields: &[
            field("readQueries", Measure(0), &[Sum]),
            field("writeQueries", Measure(1), &[Sum]),
            field("rowsRead", Measure(2), &[Sum]),
            field("rowsWritten", Measure(3), &[Sum]),
            field("queryBatchTimeMs", Scaled(4, 0.001), SPREAD),
        ],
    },
    Node {
        name: "d1QueriesAdaptiveGroups",
        dataset: Dataset::D1Queries,
        kept: &["databaseId", "query"],
        fixed: &[("databaseRole", "primary"), ("servedByColo", "LOC"), ("error", "")],
        fields: &[
            field("queryDurationMs", Scaled(0, 0.001), SPREAD),
            field("rowsRead", Measure(1), &[Sum, Avg]),
            field("rowsWritten", Measure(2), &[Sum, Avg]),
            field("rowsReturned", Measure(3), &[Sum, Avg]),
        ],
    },
    Node {
        name: "d1StorageAdaptiveGroups",
        dataset: Dataset::D1Storage,
        kept: &["databaseId"],
        fixed: &[],
        fields: &[field("databaseSizeBytes", Measure(0), &[Max])],
    },
    Node {
        name: "kvOperationsAdaptiveGroups",
        dataset: Dataset::Kv,
        kept: &["namespaceId", "actionType", "responseStatusCode"],
        fixed: &[],
        fields: &[field("requests", Count, &[Sum]), field("objectBytes", Measure(0), &[Sum])],
    },
    Node {
        name: "kvStorageAdaptiveGroups",
        dataset: Dataset::KvStorage,
        kept: &["namespaceId"],
        fixed: &[],
        fields: &[field("keyCount", Measure(0), &[Max]), field("byteCount", Measure(1), &[Max])],
    },
    Node {
        name: "r2OperationsAdaptiveGroups",
        dataset: Dataset::R2,
        kept: &["bucketName", "actionType", "actionStatus", "responseStatusCode"],
        fixed: &[],
        fields: &[
            field("requests", Count, &[Sum]),
            field("responseObjectSize", Measure(1), &[Sum]),
        ],
    },
    Node {
        name: "r2StorageAdaptiveGroups",
        dataset: Dataset::R2Storage,
        kept: &["bucketName"],
        fixed: &[],
        fields: &[
            field("objectCount", Measure(0), &[Max]),
            field("payloadSize", Measure(1), &[Max]),
            field("metadataSize", Measure(2), &[Max]),
        ],
    },
];

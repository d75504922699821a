//! Reads how new versions take over.

use crate::{
    choices::{Approval, TelemetrySource},
    fields::{Fields, shortened},
    known::{Known, texts},
    node::{Content, Node},
    placed::Placed,
    rollout::{
        Batch, BlueGreenSettings, CanarySettings, CanaryStep, ProbeSettings, PrometheusSettings,
        RollingSettings, RolloutSettings, Wave,
    },
    rollout_keys::{STEP, WAVE},
    service, suggest,
};
use std::{borrow::Borrow, collections::BTreeSet, num::NonZeroU32, time::Duration};

const PART: std::ops::RangeInclusive<f64> = 0.0..=10.0;
const ALPHA: std::ops::RangeInclusive<f64> = 1e-6..=0.5;

/// What one level says; `path` names it: `environments.production`.
pub(crate) fn settings(fields: &Fields<'_>, path: &str) -> RolloutSettings {
    let section = |key: &'static str| fields.section(key, &format!("`[{path}.{key}]`"));
    RolloutSettings {
        telemetry: telemetry(fields),
        rolling: section("rolling").map(|table| rolling(&table)).unwrap_or_default(),
        canary: section("canary").map(|table| canary(&table)).unwrap_or_default(),
        blue_green: section("blue_green").map(|table| blue_green(&table)).unwrap_or_default(),
        probes: section("probes").map(|table| probes(&table)).unwrap_or_default(),
        prometheus: section("prometheus").map(|table| prometheus(&table)).unwrap_or_default(),
    }
}

fn telemetry(fields: &Fields<'_>) -> Option<Placed<TelemetrySource>> {
    let source = fields.choice("telemetry")?;
    let at = fields.problems.source().location(fields.entry("telemetry")?.key_offset);
    Some(Placed::new(source, at))
}

fn rolling(table: &Fields<'_>) -> RollingSettings {
    RollingSettings {
        batch: batch(table),
        max_unavailable: table.count("max_unavailable"),
        bake: table.time("bake"),
    }
}

fn batch(table: &Fields<'_>) -> Option<Batch> {
    let node = &table.entry("batch")?.node;
    let percent = match &node.content {
        Content::Integer(_) => return table.count("batch").map(Batch::Count),
        Content::Text(text) => text.strip_suffix('%').and_then(|number| number.parse().ok()),
        _ => None,
    };
    match percent {
        None => table.expected("batch", node),
        Some(percent) if percent > 0.0 && percent <= 100.0 => return Some(Batch::Percent(percent)),
        Some(percent) => {
            let message = format!("`batch` must be above 0% and at most 100%, and is {percent}%");
            table.problems.add(node.offset, message);
        }
    }
    None
}

fn canary(table: &Fields<'_>) -> CanarySettings {
    let (bake, limit) = (not_zero(table, "bake"), not_zero(table, "limit"));
    if let (Some(bake), Some(limit)) = (bake, limit)
        && limit < bake
        && let Some(entry) = table.entry("limit")
    {
        let hint = "a step lasts as long as `bake` says at least; give it more time for a verdict";
        table.problems.add_with_hint(entry.node.offset, "`limit` is shorter than `bake`", hint);
    }
    let latency: Vec<_> = table.list("latency");
    if latency.len() > 8 {
        table.problems.add_at(
            &latency[8],
            "at most eight quantiles can be judged",
            "take some out",
        );
    }
    CanarySettings {
        steps: table.entry("steps").and_then(|entry| steps(table, &entry.node)),
        bake,
        limit,
        inconclusive: table.choice("inconclusive"),
        interval: not_zero(table, "interval"),
        minimum_requests: table.count("minimum_requests"),
        error_margin: table.number("error_margin", 0.0..=0.5),
        error_margin_relative: table.number("error_margin_relative", PART),
        error_tolerance: table.number("error_tolerance", PART),
        latency: table
            .entry("latency")
            .map(|_| latency.into_iter().map(|placed| placed.value).collect()),
        latency_tolerance: table.number("latency_tolerance", PART),
        latency_margin: table.number("latency_margin", 1e-6..=1.0),
        alpha_worse: table.number("alpha_worse", ALPHA),
        alpha_promote: table.number("alpha_promote", ALPHA),
    }
}

/// A time without which nothing could be seen.
fn not_zero(table: &Fields<'_>, key: &'static str) -> Option<Duration> {
    let time = table.time(key)?;
    if time.is_zero() {
        let offset = table.entry(key).map_or(table.offset, |entry| entry.node.offset);
        let hint = "leave it out for the usual time, or choose `strategy = \"all-at-once\"`";
        table.problems.add_with_hint(offset, format!("`{key}` must be longer than nothing"), hint);
        return None;
    }
    Some(time)
}

fn steps(table: &Fields<'_>, node: &Node) -> Option<Vec<CanaryStep>> {
    let Content::List(nodes) = &node.content else {
        table.expected("steps", node);
        return None;
    };
    if nodes.is_empty() {
        let hint = "leave it out for 5, 25 and 50, or choose `strategy = \"all-at-once\"`";
        table.problems.add_with_hint(node.offset, "`steps` is empty", hint);
    }
    let mut steps: Vec<CanaryStep> = Vec::new();
    for node in nodes {
        let Some(step) = step(table, node) else { continue };
        if let Some(last) = steps.last()
            && step.percentage <= last.percentage
        {
            let message = format!(
                "`steps` must rise, and {} comes after {}",
                step.percentage, last.percentage
            );
            table.problems.add_with_hint(node.offset, message, "put them in rising order");
            continue;
        }
        steps.push(step);
    }
    (!steps.is_empty()).then_some(steps)
}

fn step(table: &Fields<'_>, node: &Node) -> Option<CanaryStep> {
    let (number, at, bake) = match &node.content {
        Content::Table(_) => {
            let place = (node, node.offset);
            let step = Fields::of(table.problems, place, &STEP, "a step of `steps`")?;
            let bake = not_zero(&step, "bake");
            let Some(entry) = step.entry("percentage") else {
                let hint = "write `{ percentage = 5, bake = \"10m\" }`";
                table.problems.add_with_hint(node.offset, "the step has no `percentage`", hint);
                return None;
            };
            (entry.node.number(), &entry.node, bake)
        }
        _ => (node.number(), node, None),
    };
    let Some(percentage) = number else {
        table.problems.add(at.offset, format!("expected a percentage, found {}", at.kind()));
        return None;
    };
    if !(percentage > 0.0 && percentage < 100.0) {
        let message = format!("a step must be above 0 and below 100 percent, and is {percentage}");
        let hint = "all of the traffic follows the last step by itself";
        table.problems.add_with_hint(at.offset, message, hint);
        return None;
    }
    Some(CanaryStep { percentage, bake })
}

fn blue_green(table: &Fields<'_>) -> BlueGreenSettings {
    BlueGreenSettings { bake: table.time("bake") }
}

fn probes(table: &Fields<'_>) -> ProbeSettings {
    let most = NonZeroU32::new(1_000).expect("1,000 is not 0");
    let requests = table.count("requests").filter(|count| {
        let fits = *count <= most;
        if !fits && let Some(entry) = table.entry("requests") {
            let message = format!("`requests` must be at most {most}, and is {count}");
            table.problems.add(entry.node.offset, message);
        }
        fits
    });
    ProbeSettings { requests, path: service::url_path(table, "path") }
}

fn prometheus(table: &Fields<'_>) -> PrometheusSettings {
    PrometheusSettings {
        url: url(table),
        requests: query(table, "requests"),
        errors: query(table, "errors"),
        latency: query(table, "latency"),
        token_env: table.text("token_env").and_then(|(text, offset)| {
            service::variable(table.problems, "token_env", text, offset)
        }),
    }
}

fn url(table: &Fields<'_>) -> Option<String> {
    let (text, offset) = table.text("url")?;
    let rest = ["http://", "https://"].iter().find_map(|start| text.strip_prefix(start));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match authority {
        Some(authority) if authority.contains('@') => {
            let hint = "take it out; name a variable that holds a token with `token_env`";
            table.problems.add_unseen(offset, "`url` must not hold a user or a password", hint);
            None
        }
        Some(authority) if !authority.is_empty() && !text.contains(['?', '#', ' ']) => {
            Some(text.trim_end_matches('/').to_owned())
        }
        _ => {
            let hint = "write it as https://prometheus.example.com";
            table.problems.add_with_hint(offset, "`url` is no http or https URL", hint);
            None
        }
    }
}

/// A query must tell the versions apart.
fn query(table: &Fields<'_>, key: &'static str) -> Option<String> {
    let (text, offset) = table.text(key)?;
    if !text.contains("{version}") {
        let hint = "select by the label that names the version, such as `version=\"{version}\"`";
        let message = format!("`{key}` does not say {{version}}, so it cannot tell versions apart");
        table.problems.add_with_hint(offset, message, hint);
        return None;
    }
    Some(text.to_owned())
}

/// Reads `[[waves]]`.
pub(crate) fn waves(root: &Fields<'_>, known: &Known) -> Vec<Wave> {
    let Some(entry) = root.entry("waves") else { return Vec::new() };
    let Content::List(nodes) = &entry.node.content else {
        let hint = "write each wave as a table of its own under `[[waves]]`";
        let message = format!("`waves`: expected a list of tables, found {}", entry.node.kind());
        root.problems.add_with_hint(entry.node.offset, message, hint);
        return Vec::new();
    };
    let numbered = nodes.iter().enumerate();
    numbered.filter_map(|(at, node)| wave(root, known, at + 1, node)).collect()
}

fn wave(root: &Fields<'_>, known: &Known, number: usize, node: &Node) -> Option<Wave> {
    let table = Fields::of(root.problems, (node, node.offset), &WAVE, "`[[waves]]`")?;
    let name = table.text("name").map(|(name, _)| shortened(name));
    let wave = Wave {
        name: name.unwrap_or_else(|| number.to_string()),
        environments: members(&table, "environments", "environment", &known.environments),
        customers: members(&table, "customers", "customer", &known.customers),
        services: members(&table, "services", "service", &known.services),
        bake: table.time("bake").unwrap_or_default(),
        approval: table.choice::<Approval>("approval"),
    };
    let listed = ["environments", "customers", "services"];
    if listed.iter().all(|key| table.entry(key).is_none()) {
        let hint = "say which with `customers`, `services` or `environments`";
        root.problems.add_with_hint(node.offset, "the wave does not say which targets", hint);
    }
    Some(wave)
}

/// Names that the file declares. A list whose names are all wrong would leave nothing out.
fn members<T>(
    table: &Fields<'_>,
    key: &'static str,
    what: &str,
    known: &BTreeSet<T>,
) -> Vec<Placed<T>>
where
    T: std::str::FromStr<Err: std::fmt::Display> + Ord + Borrow<str>,
{
    let mut names: Vec<Placed<T>> = table.list(key);
    if names.is_empty()
        && let Some(entry) = table.entry(key)
        && matches!(&entry.node.content, Content::List(nodes) if nodes.is_empty())
    {
        let hint = "leave it out to have all of them";
        table.problems.add_with_hint(entry.node.offset, format!("`{key}` is empty"), hint);
    }
    names.retain(|name| {
        let found = known.contains::<T>(&name.value);
        if !found {
            let hint = suggest::hint_for(name.value.borrow(), texts(known));
            let message = format!("the wave names an unknown {what} `{}`", name.value.borrow());
            table.problems.add_at(name, message, hint);
        }
        found
    });
    names
}

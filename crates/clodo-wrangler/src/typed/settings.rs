use super::{Reader, flag, items, path, text, texts};
use crate::{
    Assets, ModuleRule, NotFoundHandling, Route, RunWorkerFirst, WorkerConfig,
    node::{Kind, Node, Record},
};
use clodo_types::Severity;

/// What the code is and how the runtime treats it.
pub(super) fn code(config: &Record, worker: &mut WorkerConfig) {
    worker.main = path(config.get("main"));
    worker.compatibility_date = text(config.get("compatibility_date"));
    worker.compatibility_flags = texts(config.get("compatibility_flags"));
    worker.no_bundle = flag(config.get("no_bundle")).unwrap_or(false);
    worker.find_additional_modules = flag(config.get("find_additional_modules")).unwrap_or(false);
    worker.base_dir = path(config.get("base_dir"));
    worker.rules = items(config.get("rules")).iter().filter_map(rule).collect();
}

fn rule(item: &Node) -> Option<ModuleRule> {
    Some(ModuleRule {
        kind: text(item.get("type"))?,
        globs: texts(item.get("globs")),
        fallthrough: flag(item.get("fallthrough")),
    })
}

/// How the bundle is made.
pub(super) fn bundling(config: &Record, worker: &mut WorkerConfig) {
    worker.minify = flag(config.get("minify")).unwrap_or(false);
    worker.keep_names = flag(config.get("keep_names")).unwrap_or(true);
    worker.preserve_file_names = flag(config.get("preserve_file_names")).unwrap_or(false);
    worker.upload_source_maps = flag(config.get("upload_source_maps")).unwrap_or(false);
    worker.tsconfig = path(config.get("tsconfig"));
    worker.jsx_factory = text(config.get("jsx_factory")).unwrap_or_default();
    worker.jsx_fragment = text(config.get("jsx_fragment")).unwrap_or_default();
}

/// Where it runs and what is kept of its doings.
pub(super) fn running(reader: &mut Reader<'_>, config: &Record, worker: &mut WorkerConfig) {
    let kept = |field| config.get(field).map(Node::to_json);
    worker.observability = kept("observability");
    worker.placement = kept("placement");
    worker.limits = kept("limits");
    worker.logpush = flag(config.get("logpush"));
    worker.tail_consumers = items(config.get("tail_consumers")).iter().map(Node::to_json).collect();
    worker.keep_vars = flag(config.get("keep_vars")).unwrap_or(false);
    let hint = "write the 32 digits that Cloudflare shows, or leave it to the portfolio's config";
    worker.account_id = reader.name(config.get("account_id"), hint);
}

/// How requests reach it.
pub(super) fn reached(reader: &mut Reader<'_>, config: &Record, worker: &mut WorkerConfig) {
    worker.workers_dev = flag(config.get("workers_dev"));
    worker.preview_urls = flag(config.get("preview_urls"));
    let crons = config.get("triggers").and_then(|triggers| triggers.get("crons"));
    worker.crons = crons.and_then(Node::list).map(|_| texts(crons));
    // As in wrangler, a list wins over the single route, even an inherited one.
    let routes = match config.get("routes") {
        Some(routes) => items(Some(routes)),
        None => config.get("route").map_or(&[][..], std::slice::from_ref),
    };
    worker.routes = routes.iter().filter_map(|item| route(reader, item)).collect();
    worker.assets = config.get("assets").and_then(|node| assets(reader, node));
    for cron in items(crons).iter().filter(|cron| cron.text().is_none()) {
        reader.refuse(cron.at, "a cron expression is not a text", "write it as `\"0 * * * *\"`");
    }
}

fn route(reader: &mut Reader<'_>, item: &Node) -> Option<Route> {
    if let Some(pattern) = text(Some(item)) {
        return Some(Route::Pattern { pattern, zone_name: None, zone_id: None });
    }
    let pattern = item.get("pattern")?;
    if flag(item.get("custom_domain")) != Some(true) {
        let (zone_name, zone_id) = (text(item.get("zone_name")), text(item.get("zone_id")));
        return Some(Route::Pattern { pattern: text(Some(pattern))?, zone_name, zone_id });
    }
    for key in ["enabled", "previews_enabled"] {
        if let Some(value) = item.get(key) {
            let message = format!("`{key}` of a custom domain has no effect in Clodo yet");
            reader.note(Severity::Note, value.at, &message, "remove it, or use wrangler for this");
        }
    }
    let hint = "a custom domain is a whole hostname such as `shop.example.com`: no path, no `*`";
    reader.name(Some(pattern), hint).map(Route::CustomDomain)
}

fn assets(reader: &mut Reader<'_>, node: &Node) -> Option<Assets> {
    node.record()?;
    if let Some(base) = node.get("base_path") {
        let message = "`assets.base_path` has no effect in Clodo yet";
        reader.note(Severity::Note, base.at, message, "remove it, or use wrangler for this");
    }
    let not_found = node.get("not_found_handling").and_then(Node::text);
    let first = node.get("run_worker_first");
    Some(Assets {
        directory: path(node.get("directory")),
        binding: reader.name(node.get("binding"), super::BINDING),
        html_handling: text(node.get("html_handling")),
        not_found_handling: not_found.map(|handling| match handling {
            "404-page" => NotFoundHandling::NotFoundPage,
            "single-page-application" => NotFoundHandling::SinglePageApplication,
            _ => NotFoundHandling::None,
        }),
        run_worker_first: first.map(|first| match first.kind {
            Kind::Bool(always) => RunWorkerFirst::Always(always),
            _ => RunWorkerFirst::Paths(texts(Some(first))),
        }),
    })
}

/// What wrangler can do and Clodo cannot.
pub(super) fn unsupported(reader: &mut Reader<'_>, config: &Record) {
    if let Some(site) = config.get("site") {
        let message = "Workers Sites (`site`) are not supported, and their files would be missing";
        reader.note(Severity::Block, site.at, message, "use `assets` with the same folder");
    }
    if let Some(pages) = config.get("pages_build_output_dir") {
        let message = "this is the config of a Pages project, not of a Worker";
        let hint = "remove `pages_build_output_dir` and use `assets` with the same folder";
        reader.note(Severity::Block, pages.at, message, hint);
    }
    let strategy = config.get("durable_objects").and_then(|node| node.get("code_update_strategy"));
    let events = config.get("triggers").and_then(|triggers| triggers.get("events"));
    for (value, name) in
        [(strategy, "durable_objects.code_update_strategy"), (events, "triggers.events")]
    {
        if let Some(value) = value {
            let message = format!("`{name}` has no effect in Clodo yet");
            reader.note(Severity::Note, value.at, &message, "remove it, or use wrangler for this");
        }
    }
}

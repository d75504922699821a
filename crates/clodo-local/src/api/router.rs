//! Which handler answers which path.

use super::{
    ApiContext, analytics, assets, control, d1, d1_transfer, d1_travel, deployments, dns,
    dns_import, domains, durable_objects,
    error::ApiError,
    gate, graphql, identity, kv, kv_values,
    log::UnknownRoute,
    queue_consumers, queue_messages, queues, r2, r2_domains, r2_notifications, r2_objects,
    r2_settings, routes, scripts, secrets, settings,
    table::{ApiRoute, Table as Routes, delete, get, patch, post, put},
    tails, tokens, trigger, versions, workers, workflow_instances, workflow_steps, workflows,
    zones,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// The largest body that is held in memory; R2 objects and D1 imports flow and know no limit.
const MAX_BODY: usize = 300 * 1024 * 1024;

/// The API: `/client/v4/…` as Cloudflare has it, and `/clodo/…` about the local cloud itself.
pub fn router(context: ApiContext) -> Router {
    let cx = Arc::new(context);
    let v4 = v4_routes().into_router();
    let v4 = v4.layer(from_fn_with_state(Arc::clone(&cx), present));
    Router::new()
        .nest("/client/v4", v4)
        .merge(control_routes().into_router())
        .merge(crate::page::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&cx), gate::authorized))
        .layer(from_fn_with_state(Arc::clone(&cx), gate::gate))
        .layer(from_fn(to_its_end))
        .with_state(cx)
}

/// Every route of Cloudflare's API that the local Cloudflare serves.
#[must_use]
pub fn api_routes() -> Vec<ApiRoute> {
    v4_routes().into_routes()
}

fn v4_routes() -> Routes {
    Routes::new()
        .merge(identity_routes())
        .merge(zone_routes())
        .nest("/accounts/{account}/workers", worker_routes())
        .nest("/accounts/{account}/workers/scripts/{script}", script_routes())
        .nest("/accounts/{account}/d1/database", d1_routes())
        .nest("/accounts/{account}/storage/kv/namespaces", kv_routes())
        .nest("/accounts/{account}/r2/buckets", r2_routes())
        .route("/accounts/{account}/r2/metrics", get(r2::metrics))
        .nest(
            "/accounts/{account}/event_notifications/r2/{bucket}/configuration",
            notification_routes(),
        )
        .nest("/accounts/{account}/queues", queue_routes())
        .nest("/accounts/{account}/workflows", workflow_routes())
        .route(
            "/accounts/{account}/analytics_engine/sql",
            get(analytics::get).post(analytics::post),
        )
        .route("/graphql", post(graphql::query))
}

/// Goes on with a call whose client leaves in the middle, as Cloudflare does. Dropped half-way, it
/// could have written a new deployment and not have told the runtime: the old version would go on
/// answering until the next change.
async fn to_its_end(request: Request, next: Next) -> Response {
    // The task outlives only its client. When the cloud ends first, that is as if it were killed,
    // which the state survives.
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
    }
}

/// Answers 500 while the state folder is gone, instead of what memory still says.
async fn present(State(cx): State<Arc<ApiContext>>, request: Request, next: Next) -> Response {
    match cx.state.check() {
        Ok(()) => next.run(request).await,
        Err(error) => ApiError::from(error).into_response(),
    }
}

async fn unknown(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    tracing::warn!(%method, path, "the local Cloudflare does not know this route");
    let mut response = ApiError::bad_identifier(path).into_response();
    response.extensions_mut().insert(UnknownRoute);
    response
}

async fn wrong_method(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    tracing::warn!(%method, path, "the local Cloudflare does not know this method here");
    let message = format!("Method {method} not available for that URI.");
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, 7001, message);
    let mut response = error.into_response();
    response.extensions_mut().insert(UnknownRoute);
    response
}

fn control_routes() -> Routes {
    Routes::new()
        .route("/clodo/seed", put(control::seed))
        .route("/clodo/status", get(control::status))
        .route("/clodo/cron", post(trigger::cron))
        .route("/clodo/requests", get(control::requests))
        .route("/clodo/requests/count", get(control::count))
        .route("/clodo/tails/{tail}", get(tails::socket))
        .route("/clodo/limits", get(control::limits).put(control::set_limits))
        .route(
            "/clodo/faults",
            get(control::faults).post(control::add_fault).delete(control::clear_faults),
        )
        .route("/clodo/faults/{fault}", delete(control::remove_fault))
        .route(
            "/clodo/transfers/{file}",
            put(d1_transfer::put_file).get(d1_transfer::get_file).of_any_size(),
        )
}

fn identity_routes() -> Routes {
    Routes::new()
        .route("/user", get(identity::user))
        .route("/user/tokens/verify", get(identity::verify))
        .route("/memberships", get(identity::memberships))
        .route("/accounts", get(identity::accounts))
        .route("/accounts/{account}", get(identity::account))
        .route("/accounts/{account}/tokens/verify", get(identity::verify_for_account))
        .nest("/user/tokens", token_routes())
        .nest("/accounts/{account}/tokens", token_routes())
}

fn token_routes() -> Routes {
    Routes::new()
        .route("/", get(tokens::list).post(tokens::create))
        .route("/permission_groups", get(tokens::permission_groups))
        .route("/{token}", get(tokens::get).put(tokens::update).delete(tokens::delete))
        .route("/{token}/value", put(tokens::roll))
}

fn zone_routes() -> Routes {
    Routes::new()
        .route("/zones", get(zones::list).post(zones::create))
        .route("/zones/{zone}", get(zones::get).patch(zones::edit).delete(zones::delete))
        .route("/zones/{zone}/purge_cache", post(zones::purge_cache))
        .route("/zones/{zone}/dns_records", get(dns::list).post(dns::create))
        .route("/zones/{zone}/dns_records/batch", post(dns::batch))
        .route("/zones/{zone}/dns_records/export", get(dns::export))
        .route("/zones/{zone}/dns_records/import", post(dns_import::import))
        .route(
            "/zones/{zone}/dns_records/{record}",
            get(dns::get).put(dns::replace).patch(dns::patch).delete(dns::delete),
        )
        .route("/zones/{zone}/workers/routes", get(routes::list).post(routes::create))
        .route(
            "/zones/{zone}/workers/routes/{route}",
            get(routes::get).put(routes::update).delete(routes::delete),
        )
}

fn worker_routes() -> Routes {
    Routes::new()
        .route("/scripts", get(scripts::list))
        .route("/services/{script}", get(workers::service).delete(scripts::delete))
        .route("/services/{script}/environments/{environment}", get(workers::environment))
        .route(
            "/services/{script}/environments/{environment}/bindings",
            get(workers::environment_bindings),
        )
        .route(
            "/services/{script}/environments/{environment}/routes",
            get(workers::environment_routes),
        )
        .route(
            "/services/{script}/environments/{environment}/subdomain",
            get(workers::environment_subdomain),
        )
        .route(
            "/services/{script}/environments/{environment}/content/v2",
            get(workers::environment_content),
        )
        .route("/workers", get(workers::list).post(workers::create))
        .route(
            "/workers/{worker}",
            get(workers::get)
                .patch(workers::update)
                .put(workers::update)
                .delete(scripts::delete_found),
        )
        .route("/workers/{worker}/versions/latest", patch(versions::patch_latest))
        .route("/subdomain", get(workers::account_subdomain).put(workers::set_account_subdomain))
        .route("/subdomains/{subdomain}", get(workers::look_up_subdomain))
        .route("/assets/upload", post(assets::upload))
        .route("/assets/upload/{hash}", post(assets::upload_one))
        .route("/domains", get(domains::list).put(domains::attach))
        .route("/domains/records", get(domains::list))
        .route("/domains/records/{domain}", get(domains::get))
        .route("/domains/{domain}", get(domains::get).delete(domains::detach))
        .route("/tails/by-consumer/{script}", get(workers::tails_by_consumer))
        .route("/durable_objects/namespaces", get(durable_objects::namespaces))
        .route("/durable_objects/namespaces/{namespace}/objects", get(durable_objects::objects))
        .route(
            "/account-settings",
            get(workers::account_settings).put(workers::set_account_settings),
        )
}

fn script_routes() -> Routes {
    Routes::new()
        .route("/", put(scripts::put).get(scripts::download).delete(scripts::delete))
        .route("/content", get(scripts::download).put(scripts::put_content))
        .route("/content/v2", get(scripts::download))
        .route("/settings", get(settings::get).patch(settings::patch))
        .route("/script-settings", get(settings::get_script).patch(settings::patch_script))
        .route(
            "/subdomain",
            get(settings::get_subdomain)
                .post(settings::put_subdomain)
                .delete(settings::delete_subdomain),
        )
        .route("/schedules", get(settings::get_schedules).put(settings::put_schedules))
        .route("/routes", put(routes::replace))
        .route("/domains/changeset", post(domains::changeset))
        .route("/domains/records", put(domains::replace))
        .route("/references", get(workers::references))
        .route("/versions", get(versions::list).post(versions::create))
        .route("/versions/{version}", get(versions::get))
        .route("/deployments", get(deployments::list).post(deployments::create))
        .route("/deployments/{deployment}", get(deployments::get).delete(deployments::delete))
        .route("/secrets", get(secrets::list).put(secrets::put))
        .route("/secrets/{secret}", get(secrets::get).delete(secrets::delete))
        .route("/secrets-bulk", patch(secrets::bulk))
        .route("/assets-upload-session", post(assets::start))
        .route("/tails", get(tails::list).post(tails::create))
        .route("/tails/{tail}", delete(tails::delete))
        .route("/tails/{tail}/heartbeat", post(tails::heartbeat))
}

fn d1_routes() -> Routes {
    Routes::new()
        .route("/", get(d1::list).post(d1::create))
        .route("/{database}", get(d1::get).put(d1::update).patch(d1::update).delete(d1::delete))
        .route("/{database}/query", post(d1::query))
        .route("/{database}/raw", post(d1::raw))
        .route("/{database}/import", post(d1_transfer::import))
        .route("/{database}/export", post(d1_transfer::export))
        .route("/{database}/time_travel/bookmark", get(d1_travel::bookmark))
        .route("/{database}/time_travel/restore", post(d1_travel::restore))
}

fn kv_routes() -> Routes {
    Routes::new()
        .route("/", get(kv::list).post(kv::create))
        .route("/{namespace}", get(kv::get).put(kv::rename).delete(kv::delete))
        .route("/{namespace}/keys", get(kv_values::keys))
        .route(
            "/{namespace}/values/{key}",
            get(kv_values::get).put(kv_values::put).delete(kv_values::delete),
        )
        .route("/{namespace}/metadata/{key}", get(kv_values::metadata))
        .route("/{namespace}/bulk", put(kv_values::bulk_put).delete(kv_values::bulk_delete))
        .route("/{namespace}/bulk/delete", post(kv_values::bulk_delete))
        .route("/{namespace}/bulk/get", post(kv_values::bulk_get))
}

fn r2_routes() -> Routes {
    Routes::new()
        .route("/", get(r2::list).post(r2::create))
        .route("/{bucket}", get(r2::get).patch(r2::update).delete(r2::delete))
        .route("/{bucket}/objects", get(r2_objects::list))
        .route(
            "/{bucket}/objects/{*key}",
            get(r2_objects::get)
                .delete(r2_objects::delete)
                .merge(put(r2_objects::put).of_any_size()),
        )
        .route(
            "/{bucket}/cors",
            get(r2_settings::get_cors).put(r2_settings::put_cors).delete(r2_settings::delete_cors),
        )
        .route(
            "/{bucket}/lifecycle",
            get(r2_settings::get_lifecycle).put(r2_settings::put_lifecycle),
        )
        .route("/{bucket}/lock", get(r2_settings::get_locks).put(r2_settings::put_locks))
        .route(
            "/{bucket}/local-uploads",
            get(r2_settings::get_local_uploads).put(r2_settings::put_local_uploads),
        )
        .route(
            "/{bucket}/sippy",
            get(r2_settings::get_sippy).put(r2_settings::put_sippy).delete(r2_settings::get_sippy),
        )
        .route("/{bucket}/domains/managed", get(r2_domains::managed).put(r2_domains::set_managed))
        .route("/{bucket}/domains/custom", get(r2_domains::list).post(r2_domains::attach))
        .route(
            "/{bucket}/domains/custom/{domain}",
            get(r2_domains::get).put(r2_domains::update).delete(r2_domains::detach),
        )
}

fn notification_routes() -> Routes {
    Routes::new().route("/", get(r2_notifications::list)).route(
        "/queues/{queue}",
        get(r2_notifications::get).put(r2_notifications::put).delete(r2_notifications::delete),
    )
}

fn queue_routes() -> Routes {
    Routes::new()
        .route("/", get(queues::list).post(queues::create))
        .route(
            "/{queue}",
            get(queues::get).put(queues::replace).patch(queues::edit).delete(queues::delete),
        )
        .route("/{queue}/metrics", get(queues::metrics))
        .route("/{queue}/purge", get(queues::purge_status).post(queues::purge))
        .route("/{queue}/consumers", get(queue_consumers::list).post(queue_consumers::create))
        .route(
            "/{queue}/consumers/{consumer}",
            get(queue_consumers::get).put(queue_consumers::update).delete(queue_consumers::delete),
        )
        .route("/{queue}/messages", post(queue_messages::push))
        .route("/{queue}/messages/batch", post(queue_messages::push_batch))
        .route("/{queue}/messages/pull", post(queue_messages::pull))
        .route("/{queue}/messages/ack", post(queue_messages::ack))
        .route("/{queue}/messages/peek", post(queue_messages::peek))
        .route("/{queue}/messages/purge", post(queue_messages::purge))
}

fn workflow_routes() -> Routes {
    Routes::new()
        .route("/", get(workflows::list))
        .route("/{workflow}", get(workflows::get).put(workflows::put).delete(workflows::delete))
        .route("/{workflow}/versions", get(workflows::versions))
        .route("/{workflow}/versions/{version}", get(workflows::version))
        .route("/{workflow}/versions/{version}/graph", get(workflows::graph))
        // wrangler looks for the latest one with a slash at the end.
        .route("/{workflow}/instances/", get(workflow_instances::list))
        .nest("/{workflow}/instances", workflow_instance_routes())
}

fn workflow_instance_routes() -> Routes {
    Routes::new()
        .route("/", get(workflow_instances::list).post(workflow_instances::create))
        .route("/batch", post(workflow_instances::batch))
        .route("/batch/delete", post(workflow_instances::delete_batch))
        .route("/terminate", put(workflow_instances::terminate_all))
        .route("/{instance}", get(workflow_instances::get))
        .route("/{instance}/step", get(workflow_steps::get))
        .route("/{instance}/status", patch(workflow_instances::set_status))
        .route("/{instance}/events/{event}", post(workflow_instances::send_event))
}

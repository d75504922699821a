//! Routes, custom domains, schedules, `workers.dev`.

use crate::{
    cloud::parsed,
    faults::{look::Look, write::Write},
};
use clodo_cf_api::triggers::{
    self, AccountSubdomain, DomainOrigin, NewDomain, NewRoute, RoutePattern, SubdomainChange,
    WorkerDomains,
};

const ROUTES: Look = Look::get("/zones/{zone}/workers/routes").each("pattern");
const DOMAINS: Look = Look::get("/accounts/{account}/workers/domains").each("hostname");

pub(super) const WRITES: &[Write] = &[
    Write::new(
        "POST /zones/{zone}/workers/routes",
        |w| {
            let new = NewRoute { pattern: "acme.test/made/*".into(), worker: Some(parsed("base")) };
            w.send(triggers::create_route(&w.the("zone"), &new))
        },
        &[ROUTES],
    ),
    Write::new(
        "PUT /zones/{zone}/workers/routes/{route}",
        |w| {
            let to = NewRoute { pattern: "acme.test/moved/*".into(), worker: Some(parsed("base")) };
            w.send(triggers::put_route(&w.the("zone"), &w.the("route"), &to))
        },
        &[ROUTES],
    ),
    Write::new(
        "DELETE /zones/{zone}/workers/routes/{route}",
        |w| w.send(triggers::delete_route(&w.the("zone"), &w.the("doomed_route"))),
        &[ROUTES],
    ),
    Write::new(
        "PUT /accounts/{account}/workers/scripts/{script}/routes",
        |w| {
            let pattern = |path: &str| RoutePattern {
                pattern: format!("acme.test/{path}/*"),
                zone_id: None,
                zone_name: Some(parsed("acme.test")),
            };
            let patterns = [pattern("one"), pattern("two")];
            w.send(triggers::put_worker_routes(&w.account, &parsed("routed"), &patterns))
        },
        &[ROUTES],
    ),
    Write::new(
        "PUT /accounts/{account}/workers/domains",
        |w| {
            let new = NewDomain {
                hostname: parsed("made.acme.test"),
                worker: parsed("base"),
                zone: w.the("zone"),
            };
            w.send(triggers::put_domain(&w.account, &new))
        },
        &[DOMAINS],
    ),
    Write::new(
        "DELETE /accounts/{account}/workers/domains/{domain}",
        |w| w.send(triggers::delete_domain(&w.account, &w.the("doomed_domain"))),
        &[DOMAINS],
    ),
    Write::new(
        "PUT /accounts/{account}/workers/scripts/{script}/domains/records",
        |w| {
            let origins = ["one.acme.test", "two.acme.test"];
            let origins = origins.map(|name| DomainOrigin::new(parsed(name)));
            let domains = WorkerDomains {
                override_existing_origin: true,
                override_existing_dns_record: true,
                origins: origins.into(),
            };
            w.send(triggers::put_worker_domains(&w.account, &parsed("domains"), &domains))
        },
        &[DOMAINS],
    ),
    Write::new(
        "PUT /accounts/{account}/workers/scripts/{script}/schedules",
        |w| {
            let crons = ["0 0 1 1 *".to_owned()];
            w.send(triggers::put_schedules(&w.account, &parsed("scheduled"), &crons))
        },
        &[Look::get("/accounts/{account}/workers/scripts/scheduled/schedules")],
    ),
    Write::new(
        "POST /accounts/{account}/workers/scripts/{script}/subdomain",
        |w| {
            let on = SubdomainChange { enabled: true, previews_enabled: Some(true) };
            w.send(triggers::set_subdomain(&w.account, &parsed("dev"), on))
        },
        &[Look::get("/accounts/{account}/workers/scripts/dev/subdomain")],
    ),
    Write::new(
        "DELETE /accounts/{account}/workers/scripts/{script}/subdomain",
        |w| w.send(triggers::delete_subdomain(&w.account, &parsed("undev"))),
        &[Look::get("/accounts/{account}/workers/scripts/undev/subdomain")],
    ),
    Write::new(
        "PUT /accounts/{account}/workers/subdomain",
        |w| {
            let to = AccountSubdomain { subdomain: "elsewhere".into() };
            w.send(triggers::set_account_subdomain(&w.account, &to))
        },
        &[Look::get("/accounts/{account}/workers/subdomain")],
    ),
];

use crate::cloud::{Cloud, parsed};
use clodo_cf_api::{
    ApiErrorKind,
    triggers::{
        self, DomainOrigin, NewDomain, NewRoute, RoutePattern, SubdomainChange, WorkerDomains,
    },
    zones,
};

// conformance: triggers | GET /accounts/{account}/workers/scripts/{script}/subdomain | documented
// conformance: triggers | POST /accounts/{account}/workers/scripts/{script}/subdomain | documented
// conformance: triggers | DELETE /accounts/{account}/workers/scripts/{script}/subdomain | documented
// conformance: triggers | GET /accounts/{account}/workers/subdomain | documented
// conformance: triggers | PUT /accounts/{account}/workers/subdomain | documented
// conformance: triggers | GET /accounts/{account}/workers/subdomains/{subdomain} | documented
// conformance: triggers | GET /accounts/{account}/workers/scripts/{script}/schedules | documented
// conformance: triggers | PUT /accounts/{account}/workers/scripts/{script}/schedules | documented
#[tokio::test]
async fn a_worker_answers_below_workers_dev_and_runs_on_a_schedule() {
    let cloud = Cloud::open().await;
    let worker = cloud.worker("triggers").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let on = SubdomainChange { enabled: true, previews_enabled: Some(false) };
    client.send(triggers::set_subdomain(account, &worker, on)).await.unwrap();
    let read = client.send(triggers::subdomain(account, &worker)).await.unwrap();
    assert!(read.enabled && !read.previews_enabled);
    let own = client.send(triggers::account_subdomain(account)).await.unwrap().subdomain;
    let taken = client.send(triggers::look_up_subdomain(account, &own)).await;
    assert!(taken.as_ref().is_ok() || taken.as_ref().unwrap_err().kind() == ApiErrorKind::Conflict);
    if let Some(answer) = cloud.visit(&cloud.host(&worker).await, "/").await {
        assert_eq!(answer, "one none");
    }
    if !cloud.is_live() {
        // All hostnames of the account change with it.
        let to = triggers::AccountSubdomain { subdomain: "elsewhere".to_owned() };
        client.send(triggers::set_account_subdomain(account, &to)).await.unwrap();
        assert_eq!(cloud.visit(&cloud.host(&worker).await, "/").await.unwrap(), "one none");
    }
    client.send(triggers::delete_subdomain(account, &worker)).await.unwrap();
    assert!(!client.send(triggers::subdomain(account, &worker)).await.unwrap().enabled);
    let crons = ["*/5 * * * *".to_owned()];
    let set = client.send(triggers::put_schedules(account, &worker, &crons)).await.unwrap();
    assert_eq!(set[0].cron, crons[0]);
    let read = client.list(triggers::list_schedules(account, &worker)).await.unwrap();
    assert_eq!(read.len(), 1);
    client.send(triggers::put_schedules(account, &worker, &[])).await.unwrap();
    assert!(client.list(triggers::list_schedules(account, &worker)).await.unwrap().is_empty());
    cloud.remove_worker(&worker).await;
}

// conformance: triggers | POST /zones/{zone}/workers/routes | documented
// conformance: triggers | GET /zones/{zone}/workers/routes | documented
// conformance: triggers | GET /zones/{zone}/workers/routes/{route} | documented
// conformance: triggers | PUT /zones/{zone}/workers/routes/{route} | documented
// conformance: triggers | DELETE /zones/{zone}/workers/routes/{route} | documented
// conformance: triggers | PUT /accounts/{account}/workers/scripts/{script}/routes | documented
#[tokio::test]
async fn routes_lead_to_a_worker() {
    let cloud = Cloud::open().await;
    let Some(zone) = cloud.zone() else { return };
    let worker = cloud.worker("routes").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let named = client.send(zones::zone(&zone)).await.unwrap().name;
    let pattern = format!("{named}/suite/*");
    let new = NewRoute { pattern: pattern.clone(), worker: Some(worker.clone()) };
    let made = client.send(triggers::create_route(&zone, &new)).await.unwrap();
    if let Some(answer) = cloud.visit(named.as_str(), "/suite/x").await {
        assert_eq!(answer, "one none");
    }
    let to = NewRoute { pattern: format!("{named}/other/*"), ..new };
    client.send(triggers::put_route(&zone, &made.id, &to)).await.unwrap();
    let read = client.send(triggers::route(&zone, &made.id)).await.unwrap();
    assert_eq!(read.pattern, to.pattern);
    client.send(triggers::delete_route(&zone, &made.id)).await.unwrap();
    let patterns =
        [RoutePattern { pattern: pattern.clone(), zone_id: None, zone_name: Some(named) }];
    client.send(triggers::put_worker_routes(account, &worker, &patterns)).await.unwrap();
    let all = client.list(triggers::list_routes(&zone)).await.unwrap();
    assert!(all.iter().any(|route| route.pattern == pattern));
    client.send(triggers::put_worker_routes(account, &worker, &[])).await.unwrap();
    let all = client.list(triggers::list_routes(&zone)).await.unwrap();
    assert!(!all.iter().any(|route| route.pattern == pattern));
    cloud.remove_worker(&worker).await;
}

// conformance: triggers | PUT /accounts/{account}/workers/domains | documented
// conformance: triggers | GET /accounts/{account}/workers/domains | documented
// conformance: triggers | GET /accounts/{account}/workers/domains/{domain} | documented
// conformance: triggers | DELETE /accounts/{account}/workers/domains/{domain} | documented
// conformance: triggers | GET /accounts/{account}/workers/domains/records | documented
// conformance: triggers | GET /accounts/{account}/workers/domains/records/{domain} | documented
// conformance: triggers | POST /accounts/{account}/workers/scripts/{script}/domains/changeset | documented
// conformance: triggers | PUT /accounts/{account}/workers/scripts/{script}/domains/records | documented
#[tokio::test]
async fn a_custom_domain_leads_to_a_worker() {
    let cloud = Cloud::open().await;
    let Some(zone) = cloud.zone() else { return };
    let worker = cloud.worker("domains").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let named = client.send(zones::zone(&zone)).await.unwrap().name;
    let hostname: clodo_types::Hostname = parsed(&format!("suite.{named}"));
    let changes = triggers::domain_changeset(account, &worker, std::slice::from_ref(&hostname));
    assert_eq!(client.send(changes).await.unwrap().added.len(), 1);
    let new = NewDomain { hostname: hostname.clone(), worker: worker.clone(), zone };
    let made = client.send(triggers::put_domain(account, &new)).await.unwrap();
    if let Some(answer) = cloud.visit(hostname.as_str(), "/").await {
        assert_eq!(answer, "one none");
    }
    for read in [triggers::custom_domain, triggers::domain_record] {
        assert_eq!(client.send(read(account, &made.id)).await.unwrap().hostname, hostname);
    }
    for list in [triggers::list_domains, triggers::list_domain_records] {
        let all = client.list(list(account)).await.unwrap();
        assert!(all.iter().any(|domain| domain.id == made.id));
    }
    client.send(triggers::delete_domain(account, &made.id)).await.unwrap();
    let domains = WorkerDomains {
        override_existing_origin: true,
        override_existing_dns_record: true,
        origins: vec![DomainOrigin::new(hostname.clone())],
    };
    client.send(triggers::put_worker_domains(account, &worker, &domains)).await.unwrap();
    let all = client.list(triggers::list_domains(account)).await.unwrap();
    assert!(all.iter().any(|domain| domain.hostname == hostname && domain.service == worker));
    let none = WorkerDomains { origins: Vec::new(), ..domains };
    client.send(triggers::put_worker_domains(account, &worker, &none)).await.unwrap();
    let all = client.list(triggers::list_domains(account)).await.unwrap();
    assert!(!all.iter().any(|domain| domain.hostname == hostname));
    cloud.remove_worker(&worker).await;
}

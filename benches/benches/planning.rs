//! What stands between pressing return and the first request: reading configs and planning.
//! `cargo bench -p clodo-benches`

#![allow(missing_docs, reason = "criterion's macros make public items")]

use clodo_bundle::Bundle;
use clodo_config::{Portfolio, Selection};
use clodo_orchestrator::{Desired, DesiredTarget, Observed, ObservedAccount, PlanOptions, plan};
use clodo_types::TargetId;
use criterion::{Criterion, criterion_group, criterion_main};
use std::{fmt::Write as _, hint::black_box, path::Path, sync::Arc};

const CUSTOMERS: usize = 100;

/// Three services for a hundred customers.
fn portfolio() -> String {
    let text = include_str!("../../examples/storefront/clodo.toml");
    let (general, _) = text.split_once("[customers.acme]").expect("the example has customers");
    let mut text = general.to_owned();
    for customer in 0..CUSTOMERS {
        let _ = write!(
            text,
            "[customers.c{customer}]\naccount = \"main\"\nvars = {{ CUSTOMER = \"c{customer}\" }}\n\
             [customers.c{customer}.domains]\ndevelopment.web = \"c{customer}.acme.test\"\n"
        );
    }
    text
}

fn target(portfolio: usize) -> DesiredTarget {
    let id = TargetId {
        service: "web".parse().expect("a name"),
        environment: "staging".parse().expect("a name"),
        customer: Some(format!("c{portfolio}").parse().expect("a name")),
        account: "main".parse().expect("a name"),
    };
    let worker = format!("web-staging-c{portfolio}").parse().expect("a name");
    let mut target = DesiredTarget::new(id, worker, Arc::new(Bundle::new(None, Vec::new(), None)));
    target.domains.insert(format!("c{portfolio}.acme.test").parse().expect("a hostname"));
    target
}

fn configs(c: &mut Criterion) {
    let text = portfolio();
    c.bench_function("clodo.toml of 100 customers: parse and select 300 targets", |b| {
        b.iter(|| {
            let portfolio = Portfolio::parse("clodo.toml", black_box(&text)).expect("it is valid");
            portfolio.select(&Selection::default()).expect("there are targets").len()
        });
    });
    let text = include_bytes!("../../examples/storefront/services/web/wrangler.jsonc");
    c.bench_function("wrangler.jsonc of one Worker", |b| {
        b.iter(|| {
            let document = clodo_wrangler::parse(Path::new("wrangler.jsonc"), black_box(text));
            document.expect("it is valid").worker(None).expect("it is a Worker")
        });
    });
}

fn plans(c: &mut Criterion) {
    let desired = Desired::new("shop".parse().expect("a name"), (0..300).map(target));
    let mut account = ObservedAccount::default();
    account.zones.insert("acme.test".parse().expect("a zone"));
    let mut observed = Observed::default();
    observed.accounts.insert("main".parse().expect("a name"), account);
    c.bench_function("plan of 300 new Workers", |b| {
        let options = PlanOptions::default();
        b.iter(|| plan(black_box(&desired), &observed, &options).expect("it can be planned"));
    });
}

criterion_group!(benches, configs, plans);
criterion_main!(benches);

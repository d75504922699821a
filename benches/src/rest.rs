use crate::{
    measure::{Load, median},
    site::Site,
    table::Table,
};
use serde_json::json;

/// Simple reads of the REST API per second.
pub(crate) fn run(table: &mut Table) {
    let site = Site::up(&[]);
    let source = "export default { fetch() { return new Response(\"hello\"); } };";
    site.serve("hello", source, &json!([]));
    for (what, path) in [
        ("a Worker's subdomain", "workers/scripts/hello/subdomain"),
        ("a Worker's deployments", "workers/scripts/hello/deployments"),
        ("the list of Workers", "workers/scripts"),
    ] {
        let load = Load::new(site.url(path)).with_header(site.authorization());
        let _ = load.rate();
        let rates: Option<Vec<f64>> = (0..5).map(|_| load.rate()).collect();
        let what = format!("REST API, {what}: reads/s");
        match rates {
            Some(mut rates) => {
                let rate = median(&mut rates);
                table.row(&what, ">= 5,000", format!("{rate:.0}"), rate >= 5_000.0);
            }
            None => table.skipped(&what, ">= 5,000", "`wrk` is not installed"),
        }
    }
}

//! What an account may have of each thing, by its plan.

use super::Plan;
use crate::{api::ApiError, state::model::Account};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{Method, StatusCode};
use serde_json::Value;
use std::io::Write as _;

/// Cloudflare's numbers.
#[derive(Clone, Copy, Debug)]
struct Quotas {
    workers: usize,
    databases: usize,
    namespaces: usize,
    buckets: usize,
    variables: usize,
    variable_bytes: usize,
    script_mib: usize,
    crons: usize,
    startup_ms: u64,
}

const FREE: Quotas = Quotas {
    workers: 100,
    databases: 10,
    namespaces: 1_000,
    buckets: 1_000_000,
    variables: 64,
    variable_bytes: 5 * 1024,
    script_mib: 3,
    crons: 5,
    startup_ms: 1_000,
};

const PAID: Quotas =
    Quotas { workers: 500, databases: 50_000, variables: 128, script_mib: 10, crons: 250, ..FREE };

fn quotas(plan: Plan) -> Quotas {
    match plan {
        Plan::Free => FREE,
        Plan::Paid => PAID,
    }
}

/// Refuses a call that would make one thing too many. `script` is the Worker that the path names.
pub(crate) fn check(
    plan: Plan,
    method: &Method,
    template: &str,
    account: &Account,
    script: Option<&str>,
) -> Result<(), ApiError> {
    let quotas = quotas(plan);
    let Some(route) = template.strip_prefix("/accounts/{account}") else { return Ok(()) };
    let bad = |code, message: String| Err(ApiError::bad_request(code, message));
    match (method.as_str(), route.trim_end_matches('/')) {
        ("PUT", "/workers/scripts/{script}") | ("POST", "/workers/workers") => {
            let known = script.is_some_and(|script| account.workers.contains_key(script));
            if known || account.workers.len() < quotas.workers {
                return Ok(());
            }
            let message = format!(
                "You have exceeded the limit of {} Workers on your account.",
                quotas.workers
            );
            Err(ApiError::new(StatusCode::FORBIDDEN, 10037, message))
        }
        ("POST", "/d1/database") if account.databases.len() >= quotas.databases => {
            bad(7406, format!("System limit reached: databases per account ({})", quotas.databases))
        }
        ("POST", "/storage/kv/namespaces") if account.namespaces.len() >= quotas.namespaces => {
            bad(10047, format!("You have exceeded the limit of {} namespaces.", quotas.namespaces))
        }
        ("POST", "/r2/buckets") if account.buckets.len() >= quotas.buckets => {
            bad(10009, format!("You have exceeded the limit of {} buckets.", quotas.buckets))
        }
        _ => Ok(()),
    }
}

/// Refuses a version whose code is too large, or that has too many or too large variables.
pub(crate) fn check_upload(
    plan: Plan,
    bindings: &[Value],
    bodies: &[Bytes],
) -> Result<(), ApiError> {
    let quotas = quotas(plan);
    let texts = bindings.iter().filter_map(|binding| {
        let value = match binding["type"].as_str()? {
            "plain_text" | "secret_text" => binding["text"].as_str()?.len(),
            "json" => binding["json"].to_string().len(),
            _ => return None,
        };
        Some((binding["name"].as_str().unwrap_or_default(), value))
    });
    let mut count = 0;
    for (name, size) in texts {
        count += 1;
        if size > quotas.variable_bytes {
            let message = format!("The text binding `{name}` is too large: at most 5 kB.");
            return Err(ApiError::bad_request(10054, message));
        }
    }
    if count > quotas.variables {
        let message = format!(
            "Your Worker has {count} environment variables; the limit is {}.",
            quotas.variables
        );
        return Err(ApiError::bad_request(10055, message));
    }
    if zipped(bodies) > quotas.script_mib * 1024 * 1024 {
        let message = format!(
            "Your Worker exceeded the size limit of {} MiB. Refer to the Workers documentation \
             (https://developers.cloudflare.com/workers/observability/errors/#validation-errors-10021) \
             for a list of resource limits.",
            quotas.script_mib
        );
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, 10027, message));
    }
    Ok(())
}

/// Refuses a version that takes too long to start.
pub(crate) fn check_startup(plan: Plan, took_ms: u64) -> Result<(), ApiError> {
    if took_ms <= quotas(plan).startup_ms {
        return Ok(());
    }
    Err(ApiError::bad_request(10021, "Script startup exceeded CPU time limit.\n"))
}

/// Refuses more cron triggers than an account may have.
pub(crate) fn check_crons(plan: Plan, wanted: usize) -> Result<(), ApiError> {
    let most = quotas(plan).crons;
    if wanted <= most {
        return Ok(());
    }
    let message = format!("You have exceeded the limit of {most} cron triggers on your account.");
    Err(ApiError::bad_request(10072, message))
}

/// The size after gzip, which is what Cloudflare limits.
fn zipped(bodies: &[Bytes]) -> usize {
    let mut gzip = GzEncoder::new(Counted(0), Compression::default());
    for body in bodies {
        // Writing to a counter cannot fail.
        let _ = gzip.write_all(body);
    }
    gzip.finish().map_or(0, |counted| counted.0)
}

struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_upload_is_measured_after_gzip() {
        let zeros = Bytes::from(vec![0; 30 * 1024 * 1024]);
        assert!(check_upload(Plan::Free, &[], &[zeros]).is_ok());
        let mut random = 1_u64;
        let noise: Vec<u8> = (0..4 * 1024 * 1024)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random.to_le_bytes()[0]
            })
            .collect();
        let noise = [Bytes::from(noise)];
        assert_eq!(check_upload(Plan::Free, &[], &noise).unwrap_err().code, 10027);
        assert!(check_upload(Plan::Paid, &[], &noise).is_ok());
    }

    #[test]
    fn variables_are_counted_and_measured() {
        let many = |count: usize, size: usize| -> Vec<Value> {
            let text = "x".repeat(size);
            (0..count)
                .map(|n| json!({ "type": "plain_text", "name": format!("V{n}"), "text": text }))
                .collect()
        };
        assert!(check_upload(Plan::Free, &many(64, 5_120), &[]).is_ok());
        assert_eq!(check_upload(Plan::Free, &many(65, 1), &[]).unwrap_err().code, 10055);
        assert!(check_upload(Plan::Paid, &many(128, 1), &[]).is_ok());
        assert_eq!(check_upload(Plan::Paid, &many(1, 5_121), &[]).unwrap_err().code, 10054);
        assert_eq!(check_startup(Plan::Paid, 1_001).unwrap_err().code, 10021);
        assert!(check_crons(Plan::Free, 5).is_ok() && check_crons(Plan::Free, 6).is_err());
    }
}

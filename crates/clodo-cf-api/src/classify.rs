use crate::{api_error::ApiErrorKind, envelope::ApiMessage};
use http::StatusCode;

/// Cloudflare's products reuse each other's codes, so a code means something only together with
/// the product that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Database,
    Storage,
    Buckets,
    Queues,
    Workers,
    GraphQl,
    Rest,
}

impl Product {
    /// The word for it in logs.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::Database => "d1",
            Self::Storage => "kv",
            Self::Buckets => "r2",
            Self::Queues => "queues",
            Self::Workers => "workers",
            Self::GraphQl => "graphql",
            Self::Rest => "rest",
        }
    }

    pub(crate) fn of(template: &str) -> Self {
        let has = |part: &str| template.contains(part);
        if has("/d1/") {
            Self::Database
        } else if has("/storage/kv/") {
            Self::Storage
        } else if has("/r2/") {
            Self::Buckets
        } else if has("/queues") {
            Self::Queues
        } else if template == "/graphql" {
            Self::GraphQl
        } else if has("/workers/") {
            Self::Workers
        } else {
            Self::Rest
        }
    }
}

/// The kind of an answer that is no success. The status 429 and the words of authentication come
/// first, then the code, then the status.
pub(crate) fn classify(template: &str, status: StatusCode, said: &[ApiMessage]) -> ApiErrorKind {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return ApiErrorKind::RateLimited;
    }
    let codes = || said.iter().filter_map(|message| message.code);
    let by_code = codes().find_map(|code| of_code(Product::of(template), status, code));
    by_code.unwrap_or_else(|| of_status(status))
}

fn of_code(product: Product, status: StatusCode, code: u64) -> Option<ApiErrorKind> {
    use ApiErrorKind::{Auth, NoRoute, Permission};
    Some(match code {
        1000 | 6003 | 6103 | 6111 | 9106 | 9109 => Auth,
        // Given for a wrong token as well as for a token without the permission.
        10000 if status == StatusCode::UNAUTHORIZED => Auth,
        10000 => Permission,
        7000 | 7003 => NoRoute,
        _ => return of_product_code(product, code),
    })
}

fn of_product_code(product: Product, code: u64) -> Option<ApiErrorKind> {
    use ApiErrorKind::{Conflict, Exists, Invalid, Limit, NotFound, Permission};
    Some(match (product, code) {
        (Product::Database, 7404) => NotFound,
        (Product::Database, 7406) => Limit,
        (Product::Database, 7502) => Exists,
        (Product::Storage, 10009 | 10013) => NotFound,
        (Product::Storage, 10014) => Exists,
        (Product::Buckets, 10004) => Exists,
        (Product::Buckets, 10006 | 10007) => NotFound,
        (Product::Buckets, 10008) => Conflict,
        (Product::Buckets, 10059) => NotFound,
        (Product::Queues, 11000) => NotFound,
        (Product::Queues, 10105 | 10107 | 11006) => NotFound,
        (Product::Queues, 11004 | 11009) => Exists,
        (Product::Rest, 81044) => NotFound,
        (Product::Rest, 81053 | 81057 | 81058 | 1061) => Exists,
        (Product::Workers, 10007 | 10009 | 10056 | 10063 | 10066 | 10071 | 10090 | 10092) => {
            NotFound
        }
        (Product::Workers, 10200 | 10222 | 10336 | 100_114 | 100_146) => NotFound,
        (Product::Workers, 10020) => Exists,
        (Product::Workers, 10006 | 10016 | 10021 | 10026 | 10057 | 10068 | 10069) => Invalid,
        (Product::Workers, 10018 | 10031 | 10035 | 10142 | 10211 | 10214 | 10215) => Conflict,
        (Product::Workers, 10220 | 100_116 | 100_117) => Conflict,
        (Product::Workers, 10027 | 10037) => Limit,
        (Product::Workers, 10023 | 10034) => Permission,
        (_, 10015 | 10075) => Limit,
        _ => return None,
    })
}

fn of_status(status: StatusCode) -> ApiErrorKind {
    match status.as_u16() {
        401 => ApiErrorKind::Auth,
        403 => ApiErrorKind::Permission,
        404 | 410 => ApiErrorKind::NotFound,
        405 => ApiErrorKind::NoRoute,
        409 | 412 => ApiErrorKind::Conflict,
        402 | 413 => ApiErrorKind::Limit,
        408 | 500..=599 => ApiErrorKind::Unavailable,
        // 200 with `success: false` included.
        _ => ApiErrorKind::Invalid,
    }
}

/// What a person can do about it.
pub(crate) fn advice(kind: ApiErrorKind, template: &str, said: &[ApiMessage]) -> &'static str {
    let product = Product::of(template);
    let codes = said.iter().filter_map(|message| message.code);
    let by_code = codes.into_iter().find_map(|code| advice_on_code(product, code));
    by_code.unwrap_or(match kind {
        ApiErrorKind::Auth => "check the API token: it is wrong, expired or disabled",
        ApiErrorKind::Permission => {
            "give the API token the permission for this call, or use one that has it"
        }
        ApiErrorKind::NotFound => "check the name and the account",
        ApiErrorKind::NoRoute => "check the ids and the base URL: this API has no such path",
        ApiErrorKind::Exists => "choose another name, or use what is there",
        ApiErrorKind::Conflict => {
            "somebody else changed it: look at the present state and plan again"
        }
        ApiErrorKind::RateLimited => {
            "wait for up to five minutes: the token's 1,200 calls in 5 minutes are used up"
        }
        ApiErrorKind::Invalid => "correct what the message names",
        ApiErrorKind::Limit => {
            "remove what is not needed, or raise the limit of the account's plan"
        }
        ApiErrorKind::Unavailable => {
            "try again in a while; https://www.cloudflarestatus.com says whether it is known"
        }
        ApiErrorKind::Protocol => {
            "check the base URL, and whether a proxy or a firewall answers in its place"
        }
        ApiErrorKind::Transport => "check the network and the base URL, then try again",
        ApiErrorKind::CircuitOpen => {
            "wait a moment; https://www.cloudflarestatus.com says whether it is known"
        }
        ApiErrorKind::Request => "correct the value that the message names",
    })
}

fn advice_on_code(product: Product, code: u64) -> Option<&'static str> {
    if product == Product::Storage && code == 10034 {
        return Some("let the value live for 60 seconds at least");
    }
    if product != Product::Workers {
        return None;
    }
    Some(match code {
        10034 => "verify the e-mail address of the Cloudflare account",
        10057 => {
            "a binding is to be inherited that the latest version does not have: upload its value"
        }
        10063 => "choose a workers.dev subdomain for the account first",
        10035 => "another change of the same Worker was going on: try again",
        10215 => {
            "the latest version is not deployed: deploy it first, or put the secret into a new version"
        }
        10220 => {
            "secrets changed since that version: deploy it with force, or put the old secrets back"
        }
        10075 => "this needs a paid Workers plan",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ApiErrorKind::{
        Auth, CircuitOpen, Conflict, Exists, Invalid, Limit, NoRoute, NotFound, Permission,
        Protocol, RateLimited, Request, Transport, Unavailable,
    };
    use std::collections::BTreeSet;

    const WORKER: &str = "/accounts/{account}/workers/scripts/{worker}";
    const BUCKET: &str = "/accounts/{account}/r2/buckets/{bucket}";
    const DATABASE: &str = "/accounts/{account}/d1/database/{database}";
    const QUEUE: &str = "/accounts/{account}/queues/{queue}/consumers";
    const STORAGE: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}";

    fn kind(template: &str, status: u16, codes: &[u64]) -> ApiErrorKind {
        let said: Vec<_> = codes
            .iter()
            .map(|code| ApiMessage { code: Some(*code), ..ApiMessage::default() })
            .collect();
        classify(template, StatusCode::from_u16(status).unwrap(), &said)
    }

    #[test]
    fn an_answer_has_the_kind_of_its_product_code_and_status() {
        for (template, status, codes, want) in [
            (WORKER, 401, &[][..], Auth),
            (WORKER, 400, &[6003, 6111], Auth),
            (WORKER, 403, &[9109], Auth),
            (WORKER, 401, &[10000], Auth),
            (WORKER, 403, &[10000], Permission),
            (WORKER, 400, &[10000], Permission),
            (WORKER, 403, &[], Permission),
            (WORKER, 404, &[10007], NotFound),
            (WORKER, 404, &[10090], NotFound),
            (WORKER, 404, &[], NotFound),
            (WORKER, 404, &[7003, 7000], NoRoute),
            (WORKER, 400, &[10006], Invalid),
            (BUCKET, 404, &[10006], NotFound),
            (BUCKET, 400, &[10004], Exists),
            (BUCKET, 409, &[10008], Conflict),
            (WORKER, 400, &[10021], Invalid),
            ("/zones/{zone}/workers/routes", 409, &[10020], Exists),
            (WORKER, 400, &[10220], Conflict),
            (WORKER, 409, &[], Conflict),
            (WORKER, 413, &[], Limit),
            (WORKER, 403, &[10037], Limit),
            (DATABASE, 400, &[7502], Exists),
            (DATABASE, 400, &[7406], Limit),
            (DATABASE, 400, &[7500], Invalid),
            (DATABASE, 500, &[7500], Unavailable),
            (DATABASE, 404, &[7404], NotFound),
            (STORAGE, 400, &[10014], Exists),
            (STORAGE, 404, &[10009], NotFound),
            (STORAGE, 400, &[10013], NotFound),
            (STORAGE, 400, &[10034], Invalid),
            (WORKER, 403, &[10034], Permission),
            (WORKER, 404, &[100_146], NotFound),
            (QUEUE, 400, &[11003], Invalid),
            (QUEUE, 400, &[11004], Exists),
            (QUEUE, 405, &[], NoRoute),
            (WORKER, 500, &[10013], Unavailable),
            (WORKER, 429, &[10007], RateLimited),
            (WORKER, 429, &[], RateLimited),
            (WORKER, 200, &[100_402], Invalid),
            (WORKER, 502, &[], Unavailable),
            (WORKER, 530, &[], Unavailable),
            (WORKER, 418, &[], Invalid),
        ] {
            assert_eq!(kind(template, status, codes), want, "{template} {status} {codes:?}");
        }
    }

    #[test]
    fn advice_prefers_what_the_code_says() {
        let said = |code| [ApiMessage { code: Some(code), ..ApiMessage::default() }];
        assert!(advice(NotFound, WORKER, &said(10063)).contains("subdomain"));
        assert!(advice(Permission, WORKER, &said(10034)).contains("e-mail"));
        assert!(advice(Invalid, STORAGE, &said(10034)).contains("60 seconds"));
        assert!(advice(NotFound, DATABASE, &said(10063)).contains("name"));
        assert!(advice(NotFound, WORKER, &[]).contains("name"));
    }

    #[test]
    fn every_kind_has_advice_of_its_own() {
        let kinds = [
            Auth,
            Permission,
            NotFound,
            NoRoute,
            Exists,
            Conflict,
            RateLimited,
            Invalid,
            Limit,
            Unavailable,
            Protocol,
            Transport,
            CircuitOpen,
            Request,
        ];
        let all: BTreeSet<_> = kinds.map(|kind| advice(kind, WORKER, &[])).into();
        assert_eq!(all.len(), kinds.len(), "{all:?}");
        for text in all {
            let begins_low = text.starts_with(|c: char| c.is_ascii_lowercase());
            assert!(begins_low && !text.ends_with('.'), "{text}");
        }
    }
}

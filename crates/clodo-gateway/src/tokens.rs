//! Which calls share a budget: those with the same credentials.

use crate::{options::GatewayOptions, pacer::Pacer};
use http::{HeaderMap, HeaderName, header};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

/// Tokens that are remembered. More are only ever remembered while they have calls under way.
const MOST_TOKENS: usize = 1000;

/// The headers that say who calls.
pub(crate) const CREDENTIALS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-auth-email"),
    HeaderName::from_static("x-auth-key"),
    HeaderName::from_static("x-auth-user-service-key"),
];

/// Stands for a token without holding it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey([u8; 32]);

impl TokenKey {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut hash = Sha256::new();
        for name in &CREDENTIALS {
            add(&mut hash, headers, name);
        }
        Self(hash.finalize().into())
    }

    pub(crate) fn add_to(self, hash: &mut Sha256) {
        hash.update(self.0);
    }
}

/// Adds all values of a header, so that no two different sets look the same.
pub(crate) fn add(hash: &mut Sha256, headers: &HeaderMap, name: &HeaderName) {
    hash.update(name.as_str());
    for value in headers.get_all(name) {
        hash.update([0]);
        hash.update((value.len() as u64).to_le_bytes());
        hash.update(value);
    }
    hash.update([1]);
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(****)")
    }
}

/// A pacer for each token.
#[derive(Debug)]
pub(crate) struct Tokens {
    options: GatewayOptions,
    closing: CancellationToken,
    table: Mutex<Table>,
    tickets: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    count: u64,
    uses: u64,
    pacers: HashMap<TokenKey, (Arc<Pacer>, u64)>,
}

impl Tokens {
    pub(crate) fn new(options: GatewayOptions, closing: CancellationToken) -> Self {
        Self { options, closing, table: Mutex::default(), tickets: AtomicU64::new(0) }
    }

    /// The pacer of a token.
    pub(crate) fn pacer(&self, token: &TokenKey) -> Arc<Pacer> {
        let mut table = self.table.lock().expect("no holder panics");
        table.uses += 1;
        let used = table.uses;
        if let Some((pacer, last)) = table.pacers.get_mut(token) {
            *last = used;
            return Arc::clone(pacer);
        }
        if table.pacers.len() >= MOST_TOKENS {
            table.forget_one();
        }
        table.count += 1;
        let GatewayOptions { budget, at_once, .. } = self.options;
        let pacer = Arc::new(Pacer::new(table.count, budget, at_once, self.closing.clone()));
        table.pacers.insert(*token, (Arc::clone(&pacer), used));
        pacer
    }

    /// A number for a place in a queue; later ones are larger.
    pub(crate) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// All pacers, by their number.
    pub(crate) fn all(&self) -> Vec<Arc<Pacer>> {
        let table = self.table.lock().expect("no holder panics");
        let mut all: Vec<_> = table.pacers.values().map(|(pacer, _)| Arc::clone(pacer)).collect();
        all.sort_unstable_by_key(|pacer| pacer.number());
        all
    }
}

impl Table {
    fn forget_one(&mut self) {
        let idle = self.pacers.iter().filter(|(_, (pacer, _))| Arc::strong_count(pacer) == 1);
        let oldest = idle.min_by_key(|(_, (_, used))| *used).map(|(token, _)| *token);
        if let Some(oldest) = oldest {
            self.pacers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::UpstreamUrl;

    fn key(pairs: &[(&'static str, &str)]) -> TokenKey {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        TokenKey::of(&headers)
    }

    #[test]
    fn credentials_tell_callers_apart_and_nothing_else_does() {
        let alice = key(&[("authorization", "Bearer a")]);
        assert_eq!(alice, key(&[("authorization", "Bearer a"), ("user-agent", "x")]));
        for other in [
            key(&[]),
            key(&[("authorization", "Bearer b")]),
            key(&[("authorization", "Bearer a"), ("x-auth-key", "k")]),
            key(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]),
            key(&[("x-auth-email", "Bearer a")]),
        ] {
            assert_ne!(alice, other);
        }
        assert_ne!(
            key(&[("x-auth-email", "ab"), ("x-auth-key", "c")]),
            key(&[("x-auth-email", "a"), ("x-auth-key", "bc")])
        );
        assert_eq!(format!("{alice:?}"), "TokenKey(****)");
    }

    #[test]
    fn invented_tokens_cannot_fill_the_memory_nor_push_out_one_in_use() {
        let options = GatewayOptions::new(UpstreamUrl::cloudflare());
        let tokens = Tokens::new(options, CancellationToken::new());
        let real = key(&[("authorization", "Bearer real")]);
        let in_use = tokens.pacer(&real);
        for number in 0..5000 {
            tokens.pacer(&key(&[("authorization", &format!("Bearer {number}"))]));
        }
        assert_eq!(tokens.all().len(), MOST_TOKENS);
        assert!(Arc::ptr_eq(&in_use, &tokens.pacer(&real)));
    }
}

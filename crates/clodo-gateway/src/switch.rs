//! Connections that are switched to another protocol: websockets.

use crate::{
    exchange::{Exchange, passed_on, refusal},
    gateway::{Gateway, Outcome},
    headers,
    record::{Record, Timing},
    refusal::Refusal,
};
use clodo_http::{Body, Response};
use http::StatusCode;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

/// Both ends of a connection that is about to be switched.
pub(crate) struct Tunnel {
    client: OnUpgrade,
    upstream: OnUpgrade,
}

impl Exchange<'_> {
    /// Asks the upstream to switch; it counts as one call, however long it lasts.
    pub(crate) async fn switch(
        &self,
        client: Option<OnUpgrade>,
        timing: &mut Timing,
    ) -> Result<Outcome, Refusal> {
        let began = Instant::now();
        let deadline = began + self.gateway.options.longest_wait;
        let ticket = self.gateway.tokens.ticket();
        let granted = self.pacer.acquire(self.waiter, ticket, deadline).await;
        timing.waited += began.elapsed();
        let _grant = granted.map_err(refusal)?;
        let mut answer = self.once(&self.gateway.switching, Body::empty(), None, timing).await?;
        self.pacer.learn(&clodo_http::rate_limits(answer.status(), answer.headers()));
        let upstream = answer.extensions_mut().remove::<OnUpgrade>();
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Outcome::Answer(passed_on(answer)));
        }
        let upgrade = headers::upgrade(&self.parts.method, answer.headers());
        headers::pass_on(answer.headers_mut(), upgrade);
        match (client, upstream) {
            (Some(client), Some(upstream)) => {
                Ok(Outcome::Switch(answer.map(|_| Body::empty()), Tunnel { client, upstream }))
            }
            _ => Err(Refusal::Upstream(clodo_http::TransportKind::Other)),
        }
    }
}

impl Gateway {
    /// Carries bytes both ways until one side ends or the gateway does.
    pub(crate) fn switched(&self, answer: Response, tunnel: Tunnel, record: Record) -> Response {
        let closing = self.closing.clone();
        self.tunnels.spawn(async move {
            let bytes = closing.run_until_cancelled(tunnel.carry()).await;
            record.switched(bytes.flatten());
        });
        answer
    }
}

impl Tunnel {
    async fn carry(self) -> Option<(u64, u64)> {
        let (client, upstream) = tokio::try_join!(self.client, self.upstream).ok()?;
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        // Either side may leave whenever it likes.
        tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok()
    }
}

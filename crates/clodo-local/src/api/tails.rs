//! Tails of Workers: `S/tails`, and the websocket that they are read from.

use super::{
    ApiContext,
    call::Call,
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::{
    state::ids::Moment,
    tail::{FilterError, Filters, NewTail, Session, TailRefused},
};
use axum::{
    extract::{
        Path, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// The one protocol that is spoken.
const PROTOCOL: &str = "trace-v1";
/// Clients only say `{"debug": …}`.
const MAX_MESSAGE: usize = 64 * 1024;
/// How long a client may take to read one event.
const READ_PATIENCE: Duration = Duration::from_secs(30);

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        Self::bad_body(error)
    }
}

impl From<TailRefused> for ApiError {
    fn from(error: TailRefused) -> Self {
        Self::bad_request(10060, error.to_string())
    }
}

/// `POST S/tails`: from the next request on, invocations are told of.
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let filters = Filters::read(&body, call.client)?;
    let (account_id, script) = (call.account_id()?, call.worker()?.name.clone());
    let session = call.cx.tails.open(NewTail { account_id, script, filters })?;
    call.cx.workers.changed(&session.account_id);
    // Tracing begins with a new generation; whoever has this answer must not miss a thing.
    call.cx.workers.settled(&session.account_id).await;
    Reply::ok(&shown(&call, &session, session.expires()))
}

/// `GET S/tails`
pub(super) async fn list(call: Call) -> Answer {
    let sessions = call.cx.tails.list(&call.account_id()?, &call.worker()?.name);
    let shown: Vec<Value> =
        sessions.iter().map(|session| shown(&call, session, session.expires())).collect();
    Reply::ok(&shown)
}

/// `POST S/tails/{tail}/heartbeat`
pub(super) async fn heartbeat(call: Call) -> Answer {
    let session = call.cx.tails.session(call.params.get("tail")?);
    let own = session.filter(|one| {
        call.worker().is_ok_and(|worker| worker.name == one.script)
            && call.params.get("account").is_ok_and(|account| account == one.account_id)
    });
    let session = own.ok_or_else(missing)?;
    let expires = call.cx.tails.heartbeat(&session);
    Reply::ok(&shown(&call, &session, expires))
}

/// `DELETE S/tails/{tail}`: one that has ended already is no error.
pub(super) async fn delete(call: Call) -> Answer {
    let (account_id, script) = (call.account_id()?, call.script_name()?);
    if !call.cx.tails.end(&account_id, &script, call.params.get("tail")?) {
        call.worker()?;
        return Err(missing());
    }
    call.cx.workers.changed(&account_id);
    Reply::nothing()
}

fn missing() -> ApiError {
    ApiError::not_found(10061, "This tail does not exist.")
}

fn shown(call: &Call, session: &Session, expires: Moment) -> Value {
    let origin = call.origin().replacen("http", "ws", 1);
    json!({
        "id": session.id,
        // Knowing it is all that a listener needs: clients send no token with it.
        "url": format!("{origin}/clodo/tails/{}", session.id),
        "expires_at": expires.to_string(),
    })
}

/// `GET /clodo/tails/{tail}`: the websocket.
pub(super) async fn socket(
    State(cx): State<Arc<ApiContext>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, rejection::WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(refused) => return refused.into_response(),
    };
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    if !offered.into_iter().any(|protocol| protocol.trim() == PROTOCOL) {
        let why = format!("the websocket's subprotocol must be `{PROTOCOL}`");
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    let Some(session) = cx.tails.session(&id) else {
        return (StatusCode::NOT_FOUND, "this tail does not exist").into_response();
    };
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        // wrangler does not mask what it says.
        .accept_unmasked_frames(true)
        .on_upgrade(move |socket| listen(cx, session, socket))
}

/// Tells the listener until either side has had enough; then the session is over.
async fn listen(cx: Arc<ApiContext>, session: Arc<Session>, mut socket: WebSocket) {
    let Some(mut told) = session.join() else {
        let _ = socket.send(closing(close_code::POLICY, "somebody listens already")).await;
        return;
    };
    let now = || cx.state.now().micros() / 1_000;
    let goodbye = loop {
        tokio::select! {
            () = session.over.cancelled() => break Some("the tail was deleted"),
            () = expired(&cx, &session) => break Some("the tail has expired"),
            heard = socket.recv() => match heard {
                // What it asks of us (`debug`) would only change how much is shown.
                Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break None,
            },
            event = told.next(now) => {
                let sent = timeout(READ_PATIENCE, socket.send(Message::Text(event))).await;
                if !matches!(sent, Ok(Ok(()))) {
                    break None;
                }
            }
        }
    };
    if let Some(why) = goodbye {
        let _ = timeout(READ_PATIENCE, socket.send(closing(close_code::NORMAL, why))).await;
    }
    cx.tails.end(&session.account_id, &session.script, &session.id);
    cx.workers.changed(&session.account_id);
}

fn closing(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

async fn expired(cx: &ApiContext, session: &Session) {
    loop {
        let left = session.expires().micros() - cx.state.now().micros();
        let Ok(left) = u64::try_from(left) else { return };
        // A heartbeat may have come meanwhile.
        sleep(Duration::from_micros(left).max(Duration::from_millis(10))).await;
    }
}

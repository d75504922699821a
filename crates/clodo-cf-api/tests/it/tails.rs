use crate::support::ID;
use async_trait::async_trait;
use clodo_cf_api::{
    TokioSleeper,
    tails::{
        Frame, Outcome, Tail, TailError, TailFilter, TailStream, WebSocket, WebSocketConnector,
        WebSocketError,
    },
};
use clodo_types::Secret;
use futures_util::StreamExt;
use serde_json::json;
use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A frame, or the end, after a while.
type Due = (Duration, Option<Frame>);

/// A websocket from a script: frames after a while, then silence or an end.
#[derive(Clone, Debug, Default)]
struct Script {
    frames: Arc<Mutex<VecDeque<Due>>>,
    sent: Arc<Mutex<Vec<Frame>>>,
    opened: Arc<Mutex<Vec<(String, &'static str)>>>,
}

impl Script {
    fn of(frames: impl IntoIterator<Item = (u64, Option<Frame>)>) -> Self {
        let wait = |(seconds, frame)| (Duration::from_secs(seconds), frame);
        let frames = Arc::new(Mutex::new(frames.into_iter().map(wait).collect()));
        Self { frames, ..Self::default() }
    }

    async fn tail(&self) -> TailStream {
        let tail: Tail =
            serde_json::from_value(json!({"id": "t1", "url": "wss://tail.test/secret"})).unwrap();
        TailStream::open(self, Arc::new(TokioSleeper), &tail).await.unwrap()
    }
}

#[async_trait]
impl WebSocketConnector for Script {
    async fn connect(
        &self,
        url: &Secret,
        protocol: &'static str,
    ) -> Result<Box<dyn WebSocket>, WebSocketError> {
        self.opened.lock().unwrap().push((url.expose().to_owned(), protocol));
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl WebSocket for Script {
    async fn receive(&mut self) -> Result<Option<Frame>, WebSocketError> {
        let next = self.frames.lock().unwrap().front().cloned();
        let Some((wait, frame)) = next else { return std::future::pending().await };
        tokio::time::sleep(wait).await;
        self.frames.lock().unwrap().pop_front();
        Ok(frame)
    }

    async fn send(&mut self, frame: Frame) -> Result<(), WebSocketError> {
        self.sent.lock().unwrap().push(frame);
        Ok(())
    }
}

fn event(outcome: &str) -> String {
    json!({"outcome": outcome, "scriptName": "web"}).to_string()
}

#[tokio::test(start_paused = true)]
async fn events_arrive_as_text_and_as_bytes_until_the_end() {
    let script = Script::of([
        (0, Some(Frame::Text(event("ok")))),
        (0, Some(Frame::Ping("p".into()))),
        (0, Some(Frame::Binary(event("exception").into()))),
        (0, None),
    ]);
    let events: Vec<_> = script.tail().await.into_stream().collect().await;
    let outcomes: Vec<_> = events.into_iter().map(|event| event.unwrap().outcome).collect();
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Exception]);
    let opened = script.opened.lock().unwrap().clone();
    assert_eq!(opened, [("wss://tail.test/secret".to_owned(), "trace-v1")]);
    assert_eq!(script.sent.lock().unwrap()[0], Frame::Text(r#"{"debug":false}"#.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_tail_is_pinged_and_a_silent_one_given_up() {
    let quiet =
        Script::of([(9, Some(Frame::Pong("".into()))), (9, Some(Frame::Text(event("ok"))))]);
    assert!(quiet.tail().await.next().await.unwrap().is_some());

    let silent = Script::of([]);
    let began = tokio::time::Instant::now();
    let mut tail = silent.tail().await;
    assert!(matches!(tail.next().await, Err(TailError::Silent)));
    assert_eq!(began.elapsed(), Duration::from_secs(40));
    let pings = silent.sent.lock().unwrap().iter().filter(|f| matches!(f, Frame::Ping(_))).count();
    assert_eq!(pings, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_an_error_after_which_one_can_go_on() {
    let script = Script::of([
        (0, Some(Frame::Text("{".to_owned()))),
        (0, Some(Frame::Text(event("ok")))),
        (0, Some(Frame::Close)),
    ]);
    let mut tail = pin!(script.tail().await);
    assert!(matches!(tail.next().await, Err(TailError::Unreadable(_))));
    assert!(tail.next().await.unwrap().is_some());
    assert!(tail.next().await.unwrap().is_none());
}

#[test]
fn filters_travel_as_wrangler_s_do() {
    let filters = [
        TailFilter::SamplingRate(0.5),
        TailFilter::Outcome(vec!["ok".to_owned()]),
        TailFilter::Query("x".to_owned()),
        TailFilter::Method(vec!["GET".to_owned()]),
        TailFilter::Header { key: "a".to_owned(), query: None },
        TailFilter::ClientIp(vec!["self".to_owned()]),
        TailFilter::Version(ID.parse().unwrap()),
    ];
    assert_eq!(
        json!(filters),
        json!([
            {"sampling_rate": 0.5}, {"outcome": ["ok"]}, {"query": "x"}, {"method": ["GET"]},
            {"header": {"key": "a"}}, {"client_ip": ["self"]}, {"scriptVersion": ID},
        ])
    );
}

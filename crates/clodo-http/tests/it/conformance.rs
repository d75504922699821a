use clodo_http::{
    Answer, Scripted, TransportKind,
    conformance::{Peer, PeerAnswer, check, peer},
};

#[tokio::test]
async fn the_fake_conforms() {
    let scripted = Scripted::answering(|asked| {
        if asked.uri().host() == Some("nobody.test") {
            return Answer::fail(TransportKind::Connect);
        }
        match peer(asked) {
            PeerAnswer::Whole(response) => response.into(),
            PeerAnswer::CutOff(response) => Answer::from(response).cut_off(),
            PeerAnswer::Reset => Answer::fail(TransportKind::Reset),
        }
    });
    let at = Peer { base: "http://peer.test".into(), nobody: "http://nobody.test".into() };
    check(&scripted, &at).await;
}

#[cfg(feature = "reqwest")]
mod real {
    use super::{Peer, PeerAnswer, check, peer};
    use bytes::Bytes;
    use clodo_http::{Body, BodyError, HttpService, ReqwestHttp, ReqwestOptions};
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, Full};
    use hyper::{body::Incoming, service::service_fn};
    use hyper_util::rt::TokioIo;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    use tokio::net::TcpListener;

    type Answered = Result<http::Response<Body>, Box<dyn std::error::Error + Send + Sync>>;

    async fn answer(request: http::Request<Incoming>) -> Answered {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        match peer(&http::Request::from_parts(parts, body)) {
            PeerAnswer::Whole(response) => Ok(response.map(Body::from)),
            PeerAnswer::CutOff(response) => Ok(response.map(|sent| {
                // hyper flushes what it has when the stream makes it wait.
                let cut = async {
                    tokio::task::yield_now().await;
                    Err(BodyError::Interrupted("cut".into()))
                };
                Body::from_stream(stream::iter([Ok(sent)]).chain(stream::once(cut)), None)
            })),
            PeerAnswer::Reset => Err("reset".into()),
        }
    }

    async fn serve(listener: TcpListener, connections: Arc<AtomicUsize>) {
        while let Ok((socket, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service_fn(answer));
            tokio::spawn(connection);
        }
    }

    async fn started() -> (Peer, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nobody = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let connections = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(listener, connections.clone()));
        (Peer { base, nobody }, connections)
    }

    #[tokio::test]
    async fn the_reqwest_adapter_conforms() {
        let (at, _) = started().await;
        check(&ReqwestHttp::new(&ReqwestOptions::default()).unwrap(), &at).await;
    }

    #[tokio::test]
    async fn a_connection_serves_many_requests() {
        let (at, connections) = started().await;
        let http = ReqwestHttp::new(&ReqwestOptions::default()).unwrap();
        for _ in 0..20 {
            let request =
                http::Request::get(format!("{}/echo", at.base)).body(Body::empty()).unwrap();
            let response = http.clone().call(request).await.unwrap();
            response.into_body().collect(100).await.unwrap();
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_host_header_is_the_callers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service_fn(|request: http::Request<Incoming>| async move {
                let host = request.headers()["host"].as_bytes().to_vec();
                Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from(host))))
            });
            let server = hyper::server::conn::http1::Builder::new();
            server.serve_connection(TokioIo::new(socket), service).await
        });
        let http = ReqwestHttp::new(&ReqwestOptions::default()).unwrap();
        let request = http::Request::get(base).header("host", "shop.acme.test").body(Body::empty());
        let response = http.call(request.unwrap()).await.unwrap();
        assert_eq!(response.into_body().collect(100).await.unwrap(), "shop.acme.test");
        drop(http);
        server.await.unwrap().unwrap();
    }

    #[test]
    fn a_proxy_that_is_no_url_is_refused_with_a_reason() {
        let options = ReqwestOptions::default().with_proxy("not a url");
        assert_eq!(
            ReqwestHttp::new(&options).unwrap_err().to_string(),
            "could not set up the HTTP client"
        );
    }
}

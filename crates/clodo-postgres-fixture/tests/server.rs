//! A server comes and goes.

#![cfg(unix)]

use clodo_postgres_fixture::PostgresServer;
use std::net::TcpStream;

fn answers(url: &str) -> bool {
    let address = url.split(['@', '/']).find(|part| part.starts_with("127."));
    address.is_some_and(|address| TcpStream::connect(address).is_ok())
}

#[test]
fn a_server_goes_and_comes_back_and_is_gone_with_its_handle() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.database();
    assert!(answers(&url));
    server.stop();
    assert!(!answers(&url));
    server.restart();
    assert!(answers(&url));
    assert_ne!(server.database(), url);
    drop(server);
    assert!(!answers(&url));
}

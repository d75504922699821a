//! A server comes and goes.

#![cfg(unix)]

use clodo_postgres_fixture::PostgresServer;
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

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

#[test]
#[ignore = "the process that the test below kills"]
fn a_process_that_waits_with_its_server() {
    let Some(server) = PostgresServer::start() else { return };
    println!("{}", server.database());
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn the_server_of_a_killed_process_ends_by_itself() {
    let mut command = Command::new(env::current_exe().expect("a test knows its path"));
    command.args(["--ignored", "--exact", "a_process_that_waits_with_its_server", "--nocapture"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let url = lines.map_while(Result::ok).find(|line| line.contains("postgres://"));
    let alive = url.as_deref().is_some_and(answers);
    child.kill().expect("it is our own");
    child.wait().expect("it was killed");
    let Some(url) = url else { return };
    assert!(alive, "{url}");
    while answers(&url) {
        std::thread::yield_now();
    }
}

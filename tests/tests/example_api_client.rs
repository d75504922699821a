//! The example that embeds `clodo-cf-api`, run against the local Cloudflare.

use clodo_tests::{Run, Sandbox, fetch, program};
use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

#[test]
fn the_example_shifts_a_tenth_of_the_traffic_looks_at_it_and_goes_back() {
    let sandbox = Sandbox::empty();
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    let port = sandbox.status()["port"].as_u64().unwrap();
    let mut command = Command::new(program("api-client"));
    sandbox.clean(&mut command);
    command.envs(sandbox.settings()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    stdout.read_line(&mut said).unwrap();
    let host = said.trim_end().rsplit_once(' ').map(|(_, host)| host.to_owned());
    let visit = |host: &str| fetch(&format!("http://{host}.localhost:{port}/")).body;
    // It waits for the first answer of the new version, which one in ten visitors gets.
    let mut answers = Vec::new();
    while let Some(host) = host.as_deref().filter(|_| child.try_wait().unwrap().is_none()) {
        answers.push(visit(host));
        assert!(answers.len() < 2_000, "nobody gets the new version: {:?}", &answers[..3]);
    }
    stdout.read_to_string(&mut said).unwrap();
    let ended: Run = child.wait_with_output().unwrap().into();
    let ended = Run { stdout: said, ..ended }.exits(0);
    assert!(ended.stdout.contains("the new version answered: ok"), "{ended:?}");
    assert!(answers.contains(&"stable, signed with 12 characters".to_owned()), "{answers:?}");
    let host = host.unwrap();
    assert!((0..40).all(|_| visit(&host).starts_with("stable")), "it goes back");
}

//! What a Worker can reach beyond this cloud: nothing of this machine, unless it is allowed.

use crate::{
    own_network::{ADDRESSES, ADDRESSES_6, NAME, in_a_network_of_its_own},
    support::{World, client, worker},
};
use clodo_workerd::Outbound;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// A service on this machine that no Worker should reach, and its port.
async fn inner() -> u16 {
    serving_secret(TcpListener::bind("127.0.0.1:0").await.unwrap())
}

fn serving_secret(listener: TcpListener) -> u16 {
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let answer =
                    "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret";
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

const PROXY: &str = r#"
    const to = url.searchParams.get("to");
    try {
        if (url.pathname === "/socket") {
            const { connect } = await import("cloudflare:sockets");
            const socket = connect(to);
            const writer = socket.writable.getWriter();
            await writer.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
            const { value } = await socket.readable.getReader().read();
            return new Response(new TextDecoder().decode(value));
        }
        if (url.pathname === "/websocket") {
            const answer = await fetch(to, { headers: { upgrade: "websocket" } });
            return new Response("status " + answer.status + " " + await answer.text());
        }
        if (url.pathname === "/redirect") return Response.redirect(to, 302);
        const answer = await fetch(to);
        return new Response(await answer.text(), { status: answer.status, headers: answer.headers });
    } catch (error) { return new Response("refused: " + error.message, { status: 599 }); }"#;

fn query(path: &str, to: &str) -> String {
    format!(
        "{path}?to={}",
        to.replace(':', "%3A").replace('/', "%2F").replace('?', "%3F").replace('=', "%3D")
    )
}

// conformance: security | a Worker cannot reach private addresses | guessed: such a fetch() fails like one to a host that does not exist, since on Cloudflare there are none to reach
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_a_private_address_is_reached() {
    let port = inner().await;
    for outbound in [Outbound::Denied, Outbound::Internet] {
        let world = World::with(|options| options.outbound = outbound).await;
        world.deploy([
            worker("proxy", "p1", PROXY),
            worker("hop", "h1", "return Response.redirect(url.searchParams.get('to'), 302)"),
        ]);
        for host in [
            "127.0.0.1",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0.0.0.0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "LOCALHOST",
            "127.0.0.1.",
            "x.localhost",
        ] {
            let to = format!("http://{host}:{port}/");
            let answer = world.get("proxy.test", &query("/", &to)).await;
            assert!(!answer.text().contains("secret"), "{outbound:?} {host}: {}", answer.text());
            // A page that says why, or an exception.
            assert!(
                matches!(answer.status.as_u16(), 530 | 599),
                "{outbound:?} {host}: {} {}",
                answer.status,
                answer.text()
            );
            for path in ["/socket", "/websocket"] {
                let to = if path == "/socket" { format!("{host}:{port}") } else { to.clone() };
                let answer = world.get("proxy.test", &query(path, &to)).await;
                assert!(!answer.text().contains("secret"), "{outbound:?} {path} {host}");
            }
        }
        // By a redirect from a hostname of this cloud.
        let to = format!("http://127.0.0.1:{port}/");
        let hop = format!("https://hop.test{}", query("/", &to));
        let answer = world.get("proxy.test", &query("/", &hop.replace('%', "%25"))).await;
        assert!(!answer.text().contains("secret"), "{outbound:?} redirect: {}", answer.text());
        assert_eq!(answer.status, 530, "{}", answer.text());
    }
}

// conformance: security | a private address is reached when `--allow-private HOST:PORT` names it | guessed: exactly the named host and port, since only the local Cloudflare has this
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_allowed_is_reached_and_nothing_beside_it() {
    let (allowed, other) = (inner().await, inner().await);
    for outbound in [Outbound::Denied, Outbound::Internet] {
        let world = World::with(|options| {
            options.outbound = outbound;
            options.allow_private = vec![format!("127.0.0.1:{allowed}").parse().unwrap()];
        })
        .await;
        world.deploy([worker("proxy", "p1", PROXY)]);
        let get = async |port: u16, host: &str| {
            world.get("proxy.test", &query("/", &format!("http://{host}:{port}/"))).await
        };
        assert_eq!(get(allowed, "127.0.0.1").await.text(), "secret", "{outbound:?}");
        assert_eq!(get(allowed, "127.1").await.text(), "secret", "the same address");
        assert!(!get(other, "127.0.0.1").await.text().contains("secret"), "{outbound:?}");
        assert!(!get(allowed, "localhost").await.text().contains("secret"), "{outbound:?}");
    }
}

// conformance: security | a Worker cannot read the host's files | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_sees_no_file_and_no_environment_of_the_host() {
    let world = World::new().await;
    let source = r#"
        import fs from "node:fs";
        import process from "node:process";
        export default { async fetch() {
            const found = [];
            for (const path of ["/etc/passwd", "/proc/self/environ", "../../../../etc/passwd", "/etc"]) {
                try { found.push(String(fs.readFileSync(path))); } catch { }
                try { found.push(...fs.readdirSync(path)); } catch { }
            }
            for (const path of ["file:///etc/passwd", "unix:/run/x"]) {
                try { found.push(await (await fetch(path)).text()); } catch { }
            }
            return Response.json({ found, env: process.env });
        } };"#;
    let mut curious = crate::support::version("curious", "v1", source);
    curious.compatibility_flags = vec!["nodejs_compat".into()];
    world.deploy([curious]);
    let told = world.get("curious.test", "/").await.json();
    assert_eq!(told["found"], serde_json::json!([]), "{told}");
    assert!(!told["env"].to_string().contains("PATH"), "{told}");
    assert_eq!(client::get(world.port, "127.0.0.1", "/").await.text(), "the API");
}

// conformance: security | a Worker cannot reach private addresses, link-local ones (169.254.169.254) and names that lead to them | guessed: such a fetch() fails like one to a host that does not exist, since on Cloudflare there are none to reach
#[test]
fn no_private_address_and_no_name_of_one_is_reached() {
    in_a_network_of_its_own(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(private_addresses());
    });
}

async fn private_addresses() {
    let listener = TcpListener::bind("[::]:0").await.unwrap();
    let port = serving_secret(listener);
    let allowed = format!("{}:{port}", ADDRESSES[0]);
    let world = World::with(|options| {
        options.outbound = Outbound::Internet;
        options.allow_private = vec![allowed.parse().unwrap()];
    })
    .await;
    world.deploy([worker("proxy", "p1", PROXY)]);
    let get = async |path: &str, to: &str| world.get("proxy.test", &query(path, to)).await.text();
    // There is somebody: whoever may gets an answer.
    assert_eq!(get("/", &format!("http://{allowed}/")).await, "secret");
    let six = ADDRESSES_6.map(|address| format!("[{address}]"));
    let mapped = ADDRESSES[1..].iter().map(|address| format!("[::ffff:{address}]"));
    let plain = ADDRESSES[1..].iter().map(|address| (*address).to_owned());
    for host in plain.chain(mapped).chain(six).chain([NAME.to_owned(), "localhost".to_owned()]) {
        let to = format!("http://{host}:{port}/");
        for (path, to) in
            [("/", to.clone()), ("/socket", format!("{host}:{port}")), ("/websocket", to)]
        {
            let said = get(path, &to).await;
            assert!(!said.contains("secret"), "{path} {host}: {said}");
        }
    }
}

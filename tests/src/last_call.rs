use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Stands between a program and the local Cloudflare's API, counts the calls, and does not give the answer
/// of one of them: what the call asked for has been done by then, and the program can be killed while it
/// waits.
#[derive(Debug)]
pub struct LastCall {
    port: u16,
    calls: Arc<AtomicUsize>,
}

impl LastCall {
    /// Listens on loopback and passes calls on to `port`. The answer of call `last`, counted from 1, is
    /// never given; when it is there, `reached` is called once.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn before(
        port: u16,
        last: Option<usize>,
        reached: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let own = listener.local_addr().expect("it listens").port();
        let calls = Arc::new(AtomicUsize::new(0));
        let (counted, reached) = (Arc::clone(&calls), Arc::new(reached));
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (counted, reached) = (Arc::clone(&counted), Arc::clone(&reached));
                thread::spawn(move || {
                    // A program that is gone hears no answer.
                    let _ = pass(stream, port, || {
                        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                        if Some(number) == last {
                            reached();
                        }
                        last.is_none_or(|last| number < last)
                    });
                });
            }
        });
        Self { port: own, calls }
    }

    /// What clients set as the address of the API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/client/v4", self.port)
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// One call, on a connection that ends with it; `answers` says whether the answer is given.
fn pass(mut client: TcpStream, port: u16, answers: impl FnOnce() -> bool) -> io::Result<()> {
    let mut input = BufReader::new(client.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim_end().is_empty() {
            break;
        }
        if !name.eq_ignore_ascii_case("connection") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    if answers() {
        return client.write_all(&answer);
    }
    // Until the program is gone: a connection that ends would tell it something.
    io::copy(&mut input, &mut io::sink()).map(|_| ())
}

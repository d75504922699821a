use super::packet::{Packet, Value};
use std::{io, path::Path, process::Stdio};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// No answer of esbuild is this large: a bundle is limited long before.
const MOST_BYTES: usize = 512 << 20;

/// Why esbuild did not do its part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EsbuildError {
    /// It could not be started.
    #[error("it could not be started")]
    Start(#[source] io::Error),
    /// It ended in the middle of the work.
    #[error("it ended in the middle of the work ({0})")]
    Ended(String),
    /// It did not finish in time.
    #[error("it did not finish within {0} s")]
    TimedOut(u64),
    /// It speaks another protocol than its version says.
    #[error("it answered something unexpected: {0}")]
    Protocol(String),
    /// Its version could not be read, or is not one that is known to work.
    #[error("version `{0}` is not supported")]
    Version(String),
}

/// Answers what esbuild asks while it builds.
pub(crate) trait Plugin: Send {
    /// What to do about an import.
    fn on_resolve(&mut self, request: &Value) -> Reply;
    /// What to do now that esbuild has said where an import leads.
    fn on_resolved(&mut self, ticket: Ticket, found: &Value) -> Value;
    /// The content of a made-up module.
    fn on_load(&mut self, request: &Value) -> Value;
}

/// What a plugin says about an import.
#[derive(Debug)]
pub(crate) enum Reply {
    /// This is the answer.
    Answer(Value),
    /// First ask esbuild itself where it leads.
    Ask(Value, Ticket),
}

/// What a plugin wants to remember until esbuild has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) callback: u32,
    pub(crate) about: About,
}

/// Why esbuild was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// An alias of the config.
    Alias,
    /// A file that becomes a module of its own.
    Module { path: String, folder: String, kind: crate::ModuleKind },
    /// A module of Node.js that may be a package instead.
    Node { path: String, importer: String },
}

/// One esbuild process. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next_id: u32,
}

impl Service {
    /// Starts the program, which must be of this version.
    pub(crate) async fn start(program: &Path, version: &str) -> Result<Self, EsbuildError> {
        let mut command = Command::new(program);
        command
            .arg(format!("--service={version}"))
            // NODE_PATH would change what it finds; the rest is none of its business.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name.eq_ignore_ascii_case("SystemRoot")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(EsbuildError::Start)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(EsbuildError::Start(io::Error::other("its pipes are missing")));
        };
        let mut service = Self { child, input, output: BufReader::new(output), next_id: 0 };
        let greeting = service.receive_bytes().await?;
        if greeting != version.as_bytes() {
            return Err(EsbuildError::Version(String::from_utf8_lossy(&greeting).into_owned()));
        }
        Ok(service)
    }

    /// Sends a request and serves the plugin until its answer is there.
    pub(crate) async fn call(
        &mut self,
        request: Value,
        plugin: &mut dyn Plugin,
    ) -> Result<Value, EsbuildError> {
        let id = self.request(request).await?;
        // What was asked on behalf of which request of esbuild.
        let mut open: Vec<(u32, u32, Ticket)> = Vec::new();
        loop {
            let packet = self.receive().await?;
            if !packet.is_request {
                if packet.id == id {
                    return Ok(packet.value);
                }
                let Some(at) = open.iter().position(|(asked, ..)| *asked == packet.id) else {
                    return Err(EsbuildError::Protocol("an answer to no question".to_owned()));
                };
                let (_, to, ticket) = open.swap_remove(at);
                let answer = plugin.on_resolved(ticket, &packet.value);
                self.answer(to, answer).await?;
                continue;
            }
            let answer = match packet.value.get("command").as_text() {
                "on-resolve" => match plugin.on_resolve(&packet.value) {
                    Reply::Answer(answer) => answer,
                    Reply::Ask(question, ticket) => {
                        let asked = self.request(question).await?;
                        open.push((asked, packet.id, ticket));
                        continue;
                    }
                },
                "on-load" => plugin.on_load(&packet.value),
                "on-start" => Value::map([
                    ("errors", Value::List(Vec::new())),
                    ("warnings", Value::List(Vec::new())),
                ]),
                "ping" => Value::map([]),
                other => return Err(EsbuildError::Protocol(format!("command `{other}`"))),
            };
            self.answer(packet.id, answer).await?;
        }
    }

    async fn request(&mut self, value: Value) -> Result<u32, EsbuildError> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&Packet { id, is_request: true, value }).await?;
        Ok(id)
    }

    async fn answer(&mut self, id: u32, value: Value) -> Result<(), EsbuildError> {
        self.send(&Packet { id, is_request: false, value }).await
    }

    async fn send(&mut self, packet: &Packet) -> Result<(), EsbuildError> {
        match self.input.write_all(&packet.encode()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended().await),
        }
    }

    async fn receive(&mut self) -> Result<Packet, EsbuildError> {
        let bytes = self.receive_bytes().await?;
        Packet::decode(&bytes).map_err(|error| EsbuildError::Protocol(error.to_string()))
    }

    async fn receive_bytes(&mut self) -> Result<Vec<u8>, EsbuildError> {
        let mut length = [0; 4];
        if self.output.read_exact(&mut length).await.is_err() {
            return Err(self.ended().await);
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > MOST_BYTES {
            return Err(EsbuildError::Protocol(format!("a packet of {length} bytes")));
        }
        let mut bytes = vec![0; length];
        match self.output.read_exact(&mut bytes).await {
            Ok(_) => Ok(bytes),
            Err(_) => Err(self.ended().await),
        }
    }

    async fn ended(&mut self) -> EsbuildError {
        let status = self.child.wait().await;
        EsbuildError::Ended(
            status.map_or_else(|error| error.to_string(), |status| status.to_string()),
        )
    }
}

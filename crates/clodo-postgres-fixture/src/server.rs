use super::find;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

/// What the watching shell does.
const WATCH: &str = include_str!("watch.sh");
/// Its user's password; nothing but the test's own data is behind it.
const PASSWORD: &str = "local-only-Q7mZ";
/// How often another port is tried: somebody may take a free one before the server does.
const TRIES: usize = 5;

/// A PostgreSQL server that ends with the test's process, or when this is dropped.
#[derive(Debug)]
pub struct PostgresServer {
    port: u16,
    databases: AtomicU32,
    watch: Mutex<Watch>,
}

/// The shell that owns the server.
#[derive(Debug)]
struct Watch {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl PostgresServer {
    /// Starts a server; says that the test is skipped where PostgreSQL is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::begin(None)
    }

    /// Starts a server that takes encrypted connections alone: with a certificate for 127.0.0.1 and
    /// its key, both in PEM.
    ///
    /// # Panics
    /// When PostgreSQL is installed and does not start.
    #[must_use]
    pub fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        Self::begin(Some((certificate, key)))
    }

    fn begin(identity: Option<(&str, &str)>) -> Option<Self> {
        let Some(programs) = find::programs() else {
            find::skipped();
            return None;
        };
        let folder = tempfile::Builder::new().prefix("clodo-postgres-").tempdir();
        let folder = folder.expect("there is room for a temporary folder").keep();
        fs::write(folder.join("password"), PASSWORD).expect("the folder is new");
        if let Some((certificate, key)) = identity {
            let private = fs::Permissions::from_mode(0o600);
            for (name, text) in [("server.crt", certificate), ("server.key", key)] {
                let path = folder.join(name);
                fs::write(&path, text).expect("the folder is new");
                fs::set_permissions(&path, private.clone()).expect("the file is our own");
            }
        }
        let user = hand_over(&folder);
        let mut watch = Watch::new(&programs, &folder, user);
        assert!(watch.order("create"), "initdb failed:\n{}", log(&folder, "initdb.log"));
        for _ in 0..TRIES {
            let port = free_port();
            if watch.order(&format!("start {port}")) {
                let databases = AtomicU32::new(0);
                return Some(Self { port, databases, watch: Mutex::new(watch) });
            }
        }
        panic!("PostgreSQL did not start:\n{}", log(&folder, "server.log"));
    }

    /// A new database's URL, without a password.
    ///
    /// # Panics
    /// When the server does not run.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let order = format!("database {} {name}", self.port);
        assert!(self.order(&order), "PostgreSQL made no database");
        format!("postgres://clodo@127.0.0.1:{}/{name}", self.port)
    }

    /// The password of user `clodo`.
    #[must_use]
    pub fn password(&self) -> &str {
        PASSWORD
    }

    /// Stops the server as a power cut would.
    ///
    /// # Panics
    /// When it runs no more already.
    pub fn stop(&self) {
        assert!(self.order("stop immediate"), "PostgreSQL did not stop");
    }

    /// Starts a server that was stopped, on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        let order = format!("start {}", self.port);
        assert!(self.order(&order), "PostgreSQL did not start again");
    }

    fn order(&self, order: &str) -> bool {
        let mut watch = self.watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        watch.order(order)
    }
}

impl Watch {
    fn new(programs: &Path, folder: &Path, user: Option<(u32, u32)>) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "watch-postgres"]).arg(programs).arg(folder);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Outside of the test's group: it must outlive a kill of that to clean up.
        command.process_group(0);
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        let mut shell = command.spawn().expect("there is a shell");
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("it is piped"));
        Self { shell, orders, answers }
    }

    /// Whether an order was carried out.
    fn order(&mut self, order: &str) -> bool {
        let orders = self.orders.as_mut().expect("it is taken only when this is dropped");
        let mut answer = String::new();
        let told = writeln!(orders, "{order}").and_then(|()| self.answers.read_line(&mut answer));
        told.is_ok() && answer.trim_end() == "done"
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The end of its orders is what it ends at.
        drop(self.orders.take());
        let _ = self.shell.wait();
    }
}

/// Gives the folder to the user that the server runs as: as root, `postgres`, else `nobody`.
fn hand_over(folder: &Path) -> Option<(u32, u32)> {
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(folder, private).expect("the folder is our own");
    let own = fs::metadata(folder).expect("the folder is there");
    if std::os::unix::fs::MetadataExt::uid(&own) != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let (user, group) = ["postgres", "nobody"]
        .iter()
        .find_map(|name| user(&users, name))
        .expect("a system with root has another user too");
    let files = fs::read_dir(folder).expect("the folder is our own");
    let files = files.map(|file| file.expect("the folder is our own").path());
    for path in files.chain([folder.to_owned()]) {
        std::os::unix::fs::chown(path, Some(user), Some(group)).expect("root may do that");
    }
    Some((user, group))
}

/// The numbers of a user and its group.
fn user(users: &str, name: &str) -> Option<(u32, u32)> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

fn log(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

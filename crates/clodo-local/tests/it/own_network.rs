//! A network of a test's own: other addresses than loopback, and nobody behind them but the test.

use std::{fs, process::Command, thread};

/// Marks the process that has it.
const MARK: &str = "CLODO_TEST_OWN_NETWORK";

/// Addresses that lead to this machine in there.
pub(crate) const ADDRESSES: [&str; 5] =
    ["10.1.2.3", "172.16.0.9", "192.168.7.7", "169.254.169.254", "100.64.0.1"];
/// The same for IPv6.
pub(crate) const ADDRESSES_6: [&str; 2] = ["fd00::7", "fe80::7"];
/// A name that leads to the first of the addresses.
pub(crate) const NAME: &str = "inner.example";

/// Runs the calling test once more, in a process with a network of its own. Where the system does
/// not let us make one, says so, and the test proves nothing.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn in_a_network_of_its_own(body: impl FnOnce()) {
    #[expect(clippy::disallowed_methods, reason = "a test is a program")]
    let there = std::env::var_os(MARK).is_some();
    if there {
        return body();
    }
    let name = thread::current().name().expect("a test's thread has its name").to_owned();
    let hosts = tempfile::NamedTempFile::new().unwrap();
    fs::write(hosts.path(), format!("127.0.0.1 localhost\n{} {NAME}\n", ADDRESSES[0])).unwrap();
    let add = |address: &&str| {
        let length = if address.contains(':') { 128 } else { 32 };
        format!("ip address add {address}/{length} dev lo || exit 77; ")
    };
    let mut script = "ip link set lo up || exit 77; ".to_owned();
    script.extend(ADDRESSES.iter().map(add));
    // A machine without IPv6 has none to protect.
    script.extend(ADDRESSES_6.iter().map(|one| add(one).replace("|| exit 77", "2>/dev/null")));
    script.push_str("mount --bind \"$HOSTS\" /etc/hosts || exit 77; exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount", "sh", "-c", &script]);
    command.arg(std::env::current_exe().unwrap()).args([&name, "--exact", "--nocapture"]);
    match command.env(MARK, "1").env("HOSTS", hosts.path()).output() {
        Ok(run) => {
            let (said, error) =
                (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
            if said.contains("running 1 test") {
                assert!(run.status.success(), "{said}\n{error}");
            } else {
                eprintln!("skipped: no network can be made here: {error}");
            }
        }
        Err(error) => eprintln!("skipped: there is no `unshare` here: {error}"),
    }
}

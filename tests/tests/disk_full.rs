//! A disk without room under the programs: they say so, half-written files are not there, and when
//! there is room again the same command works.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

#[path = "../../crates/clodo-storage/tests/it/small_disk.rs"]
mod small_disk;

use clodo_tests::{Run, Sandbox, get_json};
use small_disk::on_a_disk_of;
use std::fs;

const DISK: u32 = 96 << 20;
const DEPLOY: [&str; 7] =
    ["deploy", "--platform", "local", "--yes", "--customer", "acme", "--json"];

#[track_caller]
fn says_full(run: Run) -> Run {
    let run = run.exits(1);
    let words = ["disk is full", "No space left on device"];
    assert!(words.iter().any(|word| run.stderr.contains(word)), "{}", run.stderr);
    run
}

#[test]
fn a_deployment_without_room_leaves_the_old_version_and_the_next_one_is_done() {
    on_a_disk_of(DISK, |disk| {
        let sandbox = Sandbox::storefront();
        let report = sandbox.deploy(&DEPLOY).exits(0).json();
        let url = report["targets"][0]["urls"][0].as_str().expect("a URL").to_owned();
        let health = get_json(&format!("{url}/health"));
        sandbox.edit(
            "services/catalog/src/index.ts",
            "export default {",
            "console.debug(1);\nexport default {",
        );
        disk.fill();
        let run = says_full(sandbox.deploy(&DEPLOY));
        assert_eq!(run.json()["outcome"], "failed", "{}", run.stdout);
        assert_eq!(get_json(&format!("{url}/health")), health, "the old version serves");
        disk.free();
        assert_eq!(sandbox.deploy(&DEPLOY).exits(0).json()["outcome"], "done");
        assert_eq!(sandbox.deploy(&DEPLOY).exits(0).json()["outcome"], "nothing_to_do");
    });
}

#[test]
fn a_snapshot_without_room_is_no_file_and_the_next_one_is_whole() {
    on_a_disk_of(DISK, |disk| {
        let sandbox = Sandbox::empty();
        let _ = sandbox.local(&["up", "--detach"]).exits(0);
        let file = disk.path().join("state.tar");
        let name = file.to_str().unwrap();
        fs::write(&file, "an older one").unwrap();
        disk.fill();
        let _ = says_full(sandbox.local(&["snapshot", name, "--force"]));
        assert_eq!(fs::read_to_string(&file).unwrap(), "an older one");
        let partial = fs::read_dir(disk.path()).unwrap().filter_map(Result::ok);
        let names: Vec<_> = partial.map(|entry| entry.file_name()).collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().contains("tar.")), "{names:?}");
        disk.free();
        let _ = sandbox.local(&["snapshot", name, "--force"]).exits(0);
        let _ = sandbox.local(&["down"]).exits(0);
        let _ = sandbox.local(&["restore", name, "--yes"]).exits(0);
        let _ = sandbox.local(&["up", "--detach"]).exits(0);
    });
}

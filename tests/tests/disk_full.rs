//! A disk without room under the programs: they say so, half-written files are not there, and when
//! there is room again the same command works.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

#[path = "../../crates/clodo-storage/tests/it/small_disk.rs"]
mod small_disk;

use clodo_tests::{Run, Sandbox, get_json};
use small_disk::on_a_disk_of;
use std::{fs, path::Path};

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

#[test]
fn a_backup_without_room_leaves_the_earlier_ones_and_the_next_one_is_whole() {
    on_a_disk_of(DISK, |disk| {
        let sandbox = Sandbox::empty();
        let rows = "CREATE TABLE t (x);\nINSERT INTO t VALUES (hex(randomblob(200000)));\n";
        sandbox.write("migrations/0001_t.sql", rows);
        let [app, copy] = ["app.db", "copy.db"].map(|name| sandbox.project().join(name));
        let app = app.to_str().unwrap();
        let _ = sandbox.db(&["up", "--create", "--sqlite", app]).exits(0);
        let keep = ["backup", "--keep-last", "1", "--json", "--sqlite", app];
        let first = sandbox.db(&keep).exits(0).json();
        let first = first["databases"][0]["backup"]["path"].as_str().unwrap().to_owned();
        let bytes = fs::read(&first).unwrap();
        let into = ["restore", &first, "--json", "--sqlite", copy.to_str().unwrap()];
        disk.fill();
        let full = says_full(sandbox.db(&keep)).json();
        assert_eq!(full["error"]["kind"], "full", "{full:#}");
        let folder = Path::new(&first).parent().unwrap();
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = names.filter(|name| name != ".lock").collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(fs::read(&first).unwrap(), bytes);
        let _ = says_full(sandbox.db(&into));
        assert!(!copy.exists());
        disk.free();
        let _ = sandbox.db(&into).exits(0);
        let _ = sandbox.db(&keep).exits(0);
        assert!(!Path::new(&first).exists());
    });
}

//! npm as a shell script that counts how often it ran.

use clodo_npm::{NpmCache, NpmErrorKind, NpmProgram, Pinned};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

const WORKS: &str = "mkdir -p node_modules/tool && echo program > node_modules/tool/tool";

struct World {
    folder: TempDir,
}

impl World {
    fn new(script: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.set_npm(script);
        world
    }

    fn set_npm(&self, script: &str) {
        let ran = self.path("ran");
        let text = format!("#!/bin/sh\necho x >> '{}'\n{script}\n", ran.display());
        // Written elsewhere and moved: a program that is open for writing cannot be started.
        fs::write(self.path("npm.new"), text).unwrap();
        fs::set_permissions(self.path("npm.new"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(self.path("npm.new"), self.path("npm")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cache(&self) -> NpmCache {
        let npm = NpmProgram::at(self.path("npm"));
        NpmCache::new(self.path("cache")).with_npm(npm)
    }

    fn times_npm_ran(&self) -> usize {
        fs::read_to_string(self.path("ran")).unwrap_or_default().lines().count()
    }

    /// What is in the cache, without lock files.
    fn entries(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path("cache/npm"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".lock"))
            .collect();
        names.sort();
        names
    }
}

fn tool() -> Pinned {
    pin(r#"{"lockfileVersion":3,"packages":{}}"#)
}

fn pin(lock: &str) -> Pinned {
    Pinned::new("tool-1.0.0", r#"{"private":true}"#, lock, "node_modules/tool/tool").unwrap()
}

fn program(root: &Path) -> PathBuf {
    root.join("cache/npm/tool-1.0.0/node_modules/tool/tool")
}

#[tokio::test]
async fn what_is_installed_is_not_installed_again() {
    let world = World::new(WORKS);
    assert_eq!(world.cache().installed(&tool()), None);
    let first = world.cache().ensure(&tool()).await.unwrap();
    let second = world.cache().ensure(&tool()).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(first.binary(), program(world.folder.path()));
    assert_eq!(fs::read_to_string(first.binary()).unwrap(), "program\n");
    assert_eq!(world.times_npm_ran(), 1);
    assert_eq!(world.entries(), ["tool-1.0.0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_install_once() {
    let world = World::new(&format!("sleep 0.2; {WORKS}"));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let cache = world.cache();
            tokio::spawn(async move { cache.ensure(&tool()).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(world.times_npm_ran(), 1);
    assert_eq!(world.entries(), ["tool-1.0.0"]);
}

#[tokio::test]
async fn a_damaged_install_is_done_again() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("the program is gone", |root| fs::remove_file(program(root)).unwrap()),
        ("the program was cut short", |root| fs::write(program(root), "pro").unwrap()),
        ("everything is gone", |root| {
            fs::remove_dir_all(root.join("cache/npm/tool-1.0.0")).unwrap();
        }),
        ("the marker is gone", |root| {
            fs::remove_file(root.join("cache/npm/tool-1.0.0/clodo-install.json")).unwrap();
        }),
        ("the marker is not one", |root| {
            fs::write(root.join("cache/npm/tool-1.0.0/clodo-install.json"), "{").unwrap();
        }),
    ];
    for (name, damage) in damages {
        let world = World::new(WORKS);
        world.cache().ensure(&tool()).await.unwrap();
        damage(world.folder.path());
        assert_eq!(world.cache().installed(&tool()), None, "{name}");
        let installed = world.cache().ensure(&tool()).await.unwrap();
        assert_eq!(fs::read_to_string(installed.binary()).unwrap(), "program\n", "{name}");
        assert_eq!(world.times_npm_ran(), 2, "{name}");
        assert_eq!(world.entries(), ["tool-1.0.0"], "{name}");
    }
}

#[tokio::test]
async fn another_lock_file_is_another_install() {
    let world = World::new(WORKS);
    world.cache().ensure(&tool()).await.unwrap();
    let newer = pin(r#"{"lockfileVersion":3,"packages":{"":{}}}"#);
    assert_eq!(world.cache().installed(&newer), None);
    world.cache().ensure(&newer).await.unwrap();
    assert!(world.cache().installed(&newer).is_some());
    assert_eq!(world.times_npm_ran(), 2);
}

#[tokio::test]
async fn a_failing_npm_leaves_nothing_and_its_words_are_shown() {
    let world = World::new("mkdir node_modules; echo 'npm error code ENOTFOUND' >&2; exit 1");
    let error = world.cache().ensure(&tool()).await.unwrap_err();
    assert_eq!(error.kind(), NpmErrorKind::Unreachable);
    assert_eq!(error.to_string(), "npm could not install tool-1.0.0:\n  npm error code ENOTFOUND");
    assert!(world.entries().is_empty(), "{:?}", world.entries());

    world.set_npm(WORKS);
    world.cache().ensure(&tool()).await.unwrap();
}

#[tokio::test]
async fn an_npm_that_brings_too_little_is_not_believed() {
    let world = World::new("mkdir node_modules");
    let error = world.cache().ensure(&tool()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "npm installed tool-1.0.0, but `node_modules/tool/tool` is not there"
    );
    assert_eq!(world.cache().installed(&tool()), None);
}

#[tokio::test]
async fn an_npm_that_hangs_is_ended() {
    let world = World::new("exec sleep 60");
    let npm = NpmProgram::at(world.path("npm")).with_timeout(Duration::from_millis(100));
    let error = world.cache().with_npm(npm).ensure(&tool()).await.unwrap_err();
    assert_eq!(error.kind(), NpmErrorKind::Unreachable);
    assert!(world.entries().is_empty(), "{:?}", world.entries());
}

#[tokio::test]
async fn a_dropped_install_leaves_nothing_and_the_lock_is_free() {
    let world = World::new("exec sleep 60");
    let (cache, pinned) = (world.cache(), tool());
    let dropped = tokio::time::timeout(Duration::from_millis(100), cache.ensure(&pinned));
    assert!(dropped.await.is_err());
    assert!(world.entries().is_empty(), "{:?}", world.entries());
    world.set_npm(WORKS);
    world.cache().ensure(&tool()).await.unwrap();
}

#[tokio::test]
async fn leftovers_of_killed_installs_are_swept() {
    let world = World::new(WORKS);
    fs::create_dir_all(world.path("cache/npm/.tool-1.0.0-dead/fresh/node_modules")).unwrap();
    fs::create_dir_all(world.path("cache/npm/.other-1.0.0-busy")).unwrap();
    world.cache().ensure(&tool()).await.unwrap();
    assert_eq!(world.entries(), [".other-1.0.0-busy", "tool-1.0.0"]);
}

#[tokio::test]
async fn npm_runs_no_scripts_and_reports_nothing_home() {
    let world = World::new(&format!("echo \"$@\" > ../../../../args; {WORKS}"));
    world.cache().ensure(&tool()).await.unwrap();
    let args = fs::read_to_string(world.path("args")).unwrap();
    for flag in ["ci ", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix "] {
        assert!(args.contains(flag), "{flag} in {args}");
    }
}

#[tokio::test]
async fn a_warm_cache_answers_in_under_a_millisecond() {
    let world = World::new(WORKS);
    world.cache().ensure(&tool()).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "this test measures")]
    let start = std::time::Instant::now();
    for _ in 0..100 {
        world.cache().ensure(&tool()).await.unwrap();
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?} for 100", start.elapsed());
}

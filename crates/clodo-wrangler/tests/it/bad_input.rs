use crate::read;
use std::path::Path;

#[track_caller]
fn unparsed(file: &str, bytes: &[u8]) -> String {
    clodo_wrangler::parse(Path::new(file), bytes).unwrap_err().to_string()
}

#[track_caller]
fn refused(file: &str, text: &str, environment: Option<&str>) -> Vec<String> {
    let errors = read(file, text, environment).unwrap_err();
    let shown = |error: &clodo_types::SourceError| {
        format!("{}:{} {}", error.at.line, error.at.column, error.message)
    };
    errors.errors().iter().map(shown).collect()
}

#[test]
fn a_syntax_error_shows_its_line() {
    let shown = unparsed("wrangler.toml", b"name = \"a\"\nmain = \n");
    assert!(shown.starts_with("wrangler.toml:2:8: "), "{shown}");
    assert!(shown.contains("2 | main ="), "{shown}");
    let shown = unparsed("wrangler.jsonc", b"{\n  \"name\" \"a\"\n}");
    assert!(shown.starts_with("wrangler.jsonc:2:"), "{shown}");
    let shown = unparsed("wrangler.toml", b"name = \"a\"\nname = \"b\"\n");
    assert!(shown.starts_with("wrangler.toml:2:1: duplicate key"), "{shown}");
}

#[test]
fn a_bracket_that_is_never_closed_is_pointed_at() {
    for (text, place) in [
        ("// of the shop\n{\n  \"name\": \"a\"\n", "2:1"),
        ("{\n  \"name\": \"a\",\n  \"vars\": {\n    \"A\": \"}{\" // }\n}\n", "3:11"),
        ("{\n  \"env\": {\n    \"staging\": { \"vars\": {}\n  },\n  \"name\": \"ü\"\n}\n", "3:16"),
        ("{ \"a\": { \"b\": 1 }", "1:1"),
        ("{ \"a\": [1, /* ] */ 2", "1:8"),
        ("{ \"a\": \"é", ""),
    ] {
        let shown = unparsed("wrangler.jsonc", text.as_bytes());
        assert!(shown.starts_with(&format!("wrangler.jsonc:{place}")), "{text}\n{shown}");
        assert_eq!(shown.contains("is missing"), !place.is_empty(), "{shown}");
    }
}

#[test]
fn files_that_are_no_config_are_refused() {
    for (file, bytes, expected) in [
        ("wrangler.json", &b""[..], "empty"),
        ("wrangler.json", b"[]", "does not hold an object"),
        ("wrangler.json", b"{}{}", "more than one"),
        ("wrangler.json", b"{'a': 1}", "single-quoted"),
        ("wrangler.toml", b"\xff\xfea\0", "UTF-16"),
        ("wrangler.toml", b"a = \"\xc3\"", "UTF-8"),
        ("wrangler.yaml", b"a: 1", "neither"),
        ("wrangler.toml", b"a = 9223372036854775807", "too large"),
    ] {
        let shown = unparsed(file, bytes);
        assert!(shown.contains(expected), "{file}: {shown}");
    }
    assert!(unparsed("wrangler.json", &vec![b'['; 2_000_000]).contains("1 MiB"));
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(50_000), close.repeat(50_000));
    unparsed("wrangler.json", format!("{{\"a\": {}}}", deep("[", "]")).as_bytes());
    unparsed(
        "wrangler.json",
        format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)).as_bytes(),
    );
    unparsed("wrangler.toml", format!("a = {}", deep("[", "]")).as_bytes());
    unparsed("wrangler.toml", format!("{}a = 1", "a.".repeat(50_000)).as_bytes());
    unparsed("wrangler.toml", format!("[{}a]\n", "a.".repeat(50_000)).as_bytes());
}

#[test]
fn a_wrong_type_is_said_in_wranglers_words_at_its_place() {
    let text = "name = \"a\"\ncompatibility_date = 3\n[env.x]\nworkers_dev = \"no\"\n";
    assert_eq!(
        refused("wrangler.toml", text, Some("x")),
        [
            "2:22 Expected \"compatibility_date\" to be of type string but got 3.",
            "4:15 Expected \"workers_dev\" to be of type boolean but got \"no\".",
        ]
    );
    let errors = read("conf/wrangler.toml", text, None).unwrap_err();
    assert_eq!(
        errors.wrangler().unwrap(),
        "Processing conf/wrangler.toml configuration:\n  - Expected \"compatibility_date\" to be of type string but got 3."
    );
    assert!(errors.to_string().contains("2 | compatibility_date = 3"));
}

#[test]
fn sections_that_are_no_objects_are_refused() {
    assert_eq!(
        refused("wrangler.toml", "env = 3\n", None),
        ["1:7 Expected \"env\" to be of type object but got 3."]
    );
    let text = "[env]\nx = \"y\"\n";
    assert_eq!(
        refused("wrangler.toml", text, Some("x")),
        ["2:5 Expected \"env.x\" to be of type object but got \"y\"."]
    );
}

#[test]
fn an_unknown_key_is_a_warning_with_its_place_and_a_guess() {
    let text = "{\n  \"name\": \"a\",\n  \"mian\": \"x.js\",\n  \"zzz\": 1\n}";
    let warnings = read("wrangler.json", text, None).unwrap().warnings;
    assert_eq!(warnings.len(), 2);
    assert_eq!(warnings[0].message, "Unexpected fields found in top-level field: \"mian\"");
    assert_eq!(warnings[0].at.as_ref().unwrap().to_string(), "wrangler.json:3:3");
    assert_eq!(warnings[0].hint.as_deref(), Some("did you mean `main`?"));
    assert_eq!(warnings[1].hint, None);
}

#[test]
fn a_key_that_stands_twice_is_noted() {
    let text = "{\n  \"name\": \"a\",\n  \"name\": \"b\"\n}";
    let reading = read("wrangler.json", text, None).unwrap();
    assert_eq!(reading.config.name.unwrap().as_str(), "b");
    assert_eq!(reading.warnings[0].rule, "duplicate-key");
    assert_eq!(reading.warnings[0].at.as_ref().unwrap().line, 3);
}

#[test]
fn names_and_ids_that_cloudflare_would_refuse_stop_here() {
    let text = r#"{
  "name": "a",
  "account_id": "mine",
  "vars": { "a b": 1 },
  "d1_databases": [{ "binding": "DB", "database_id": "<id>", "database_name": "a b" }],
  "kv_namespaces": [{ "binding": "1KV", "id": "xyz" }],
  "services": [{ "binding": "S", "service": "" }],
  "routes": [{ "pattern": "*.example.com", "custom_domain": true }],
  "version_metadata": { "binding": "" },
  "triggers": { "crons": [3] },
  "secrets": { "required": ["A-B"] }
}"#;
    let errors = read("wrangler.json", text, None).unwrap_err();
    assert_eq!(errors.wrangler(), None, "wrangler lets all of this pass");
    let mut lines: Vec<_> = errors.errors().iter().map(|error| error.at.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [3, 4, 5, 5, 6, 6, 7, 8, 9, 10, 11]);
    assert!(errors.errors().iter().all(|error| error.hint.is_some()));
    assert!(errors.to_string().contains("invalid database id `<id>`"), "{errors}");
}

#[test]
fn an_environment_that_the_file_does_not_know_is_refused_when_it_knows_others() {
    let text = "name = \"a\"\n[env.staging]\n";
    let errors = read("wrangler.toml", text, Some("stagin")).unwrap_err();
    assert!(errors.wrangler().unwrap().contains("environment names are: [\"staging\"]"));
}

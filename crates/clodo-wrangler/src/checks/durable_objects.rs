use crate::{
    diagnostics::Diagnostics,
    javascript::quoted,
    node::{NOWHERE, Node, Record},
};

/// Durable Objects of this Worker need a declared life: `exports`, or else `migrations`.
pub(crate) fn lifecycle(d: &mut Diagnostics, file: &str, out: &Record) {
    let bindings = out.get("durable_objects").and_then(|objects| objects.get("bindings"));
    let migrated =
        out.get("migrations").is_some_and(|all| !all.keys().is_empty() && all.record().is_none());
    let exports = out.get("exports");
    let exported =
        |class: &str| exports.and_then(|exports| exports.get(class)).is_some_and(is_live);
    if migrated {
        let any = exports.and_then(Node::record).is_some_and(|record| {
            record.iter().any(|entry| kind_of(&entry.value) == Some("durable-object"))
        });
        if any {
            let at = exports.map_or(NOWHERE, |exports| exports.at);
            d.error(at, "`migrations` and `exports` are mutually exclusive. Choose one or the other to declare your Durable Object lifecycle, but not both.");
        }
        return;
    }
    let own = bindings.and_then(Node::list).unwrap_or_default().iter();
    let own = own.filter(|item| !item.get("script_name").is_some_and(Node::is_truthy));
    let classes: Option<Vec<&str>> =
        own.map(|item| item.get("class_name").and_then(Node::text)).collect();
    let Some(classes) = classes else { return };
    let classes: Vec<_> = classes.into_iter().filter(|class| !exported(class)).collect();
    if classes.is_empty() {
        return;
    }
    let at = bindings.map_or(NOWHERE, |bindings| bindings.at);
    d.warn("wrangler-durable-object-lifecycle", at, format!("In your {file} file, you have configured `durable_objects` exported by this Worker ({}), but no live `exports` entry for them. This may not work as expected until you add a live `durable-object` entry to `exports` for each. Add the following configuration:\n\n```\n{}\n```", classes.join(", "), snippet(file, &once(&classes))));
}

fn kind_of(export: &Node) -> Option<&str> {
    export.get("type").and_then(Node::text)
}

fn is_live(export: &Node) -> bool {
    let state = export.get("state").and_then(Node::text).unwrap_or("created");
    kind_of(export) == Some("durable-object") && ["created", "expecting-transfer"].contains(&state)
}

fn once<'a>(classes: &[&'a str]) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for class in classes {
        if !seen.contains(class) {
            seen.push(*class);
        }
    }
    seen
}

fn snippet(file: &str, classes: &[&str]) -> String {
    if file.ends_with(".toml") {
        let tables = classes.iter().map(|class| {
            format!("[exports.{class}]\ntype = \"durable-object\"\nstorage = \"sqlite\"\n")
        });
        return tables.collect::<Vec<_>>().join("\n");
    }
    let entries = classes.iter().map(|class| {
        let class = quoted(class);
        format!("    {class}: {{\n      \"type\": \"durable-object\",\n      \"storage\": \"sqlite\"\n    }}")
    });
    format!("{{\n  \"exports\": {{\n{}\n  }}\n}}", entries.collect::<Vec<_>>().join(",\n"))
}

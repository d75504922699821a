use super::notes::Notes;
use crate::state::zone::{DnsRecord, Zone};
use std::fmt::Write as _;

/// A zone as a file.
pub(crate) fn write(zone: &Zone, proxiable: impl Fn(&str) -> bool) -> String {
    let mut text = format!(";;\n;; Domain:     {}.\n;;\n$ORIGIN {}.\n", zone.name, zone.name);
    for record in &zone.dns {
        let content = match record.kind.as_str() {
            "CNAME" | "NS" | "PTR" => absolute(&record.content),
            "MX" | "SRV" => {
                format!("{} {}", record.priority.unwrap_or(0), absolute(&record.content))
            }
            "TXT" => quoted(&record.content),
            _ => record.content.replace(['\n', '\r'], " "),
        };
        let _ = write!(text, "{}.\t{}\tIN\t{}\t{content}", record.name, record.ttl, record.kind);
        if let Some(notes) = notes(record, proxiable(&record.kind)).written() {
            let _ = write!(text, " ; {notes}");
        }
        text.push('\n');
    }
    text
}

fn notes(record: &DnsRecord, proxiable: bool) -> Notes {
    Notes {
        comment: record.comment.clone(),
        tags: record.tags.clone(),
        proxied: proxiable.then_some(record.proxied),
    }
}

fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

/// Strings of at most 255 bytes each, as a TXT record has them.
fn quoted(content: &str) -> String {
    let plain = content.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let bytes = plain.unwrap_or(content).as_bytes();
    let part = |part: &[u8]| {
        let mut text = String::from("\"");
        for byte in part {
            match byte {
                b'"' | b'\\' => text.extend(['\\', *byte as char]),
                b' '..=b'~' => text.push(*byte as char),
                other => {
                    let _ = write!(text, "\\{other:03}");
                }
            }
        }
        text + "\""
    };
    let parts: Vec<String> = bytes.chunks(255).map(part).collect();
    if parts.is_empty() { "\"\"".to_owned() } else { parts.join(" ") }
}

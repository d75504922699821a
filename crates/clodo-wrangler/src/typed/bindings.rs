use super::{Reader, items, path, text};
use crate::{
    D1Database, DurableObject, KvNamespace, QueueConsumer, QueueProducer, R2Bucket, ServiceBinding,
    WorkerConfig,
    node::{Node, Record},
};
use clodo_types::Severity;
use std::path::PathBuf;

const DATABASE_ID: &str =
    "write the UUID that Cloudflare shows, or leave `database_id` out to go by the name";
const NAMESPACE_ID: &str =
    "write the 32 digits that Cloudflare shows, or leave `id` out to go by the binding";
const QUEUE: &str = "write the queue's name: letters, digits, and inner `-` and `_`, at most 63";
const WORKER: &str = "write the name of the other Worker: letters, digits, `-` and `_`";

/// Databases, namespaces, buckets, queues, other Workers, Durable Objects.
pub(super) fn resources(reader: &mut Reader<'_>, config: &Record, worker: &mut WorkerConfig) {
    let each = |field| items(config.get(field)).iter();
    worker.d1_databases = each("d1_databases").filter_map(|item| database(reader, item)).collect();
    worker.kv_namespaces =
        each("kv_namespaces").filter_map(|item| namespace(reader, item)).collect();
    worker.r2_buckets = each("r2_buckets").filter_map(|item| bucket(reader, item)).collect();
    let queues = |which| items(config.get("queues").and_then(|queues| queues.get(which))).iter();
    worker.queue_producers =
        queues("producers").filter_map(|item| producer(reader, item)).collect();
    worker.queue_consumers =
        queues("consumers").filter_map(|item| consumer(reader, item)).collect();
    worker.services = each("services").filter_map(|item| service(reader, item)).collect();
    let objects = config.get("durable_objects");
    let bindings = items(objects.and_then(|objects| objects.get("bindings"))).iter();
    worker.durable_objects = bindings.filter_map(|item| durable_object(reader, item)).collect();
}

fn database(reader: &mut Reader<'_>, item: &Node) -> Option<D1Database> {
    if let Some(value) = item.get("jurisdiction") {
        let message = "`jurisdiction` of a D1 database has no effect in Clodo yet";
        reader.note(Severity::Note, value.at, message, "remove it, or use wrangler for this");
    }
    if let (Some(value), None) = (item.get("migrations_pattern"), item.get("migrations_dir")) {
        let message = "wrangler refuses `migrations_pattern` without `migrations_dir`";
        let hint = "add `migrations_dir`, the folder that the pattern begins with";
        reader.note(Severity::Note, value.at, message, hint);
    }
    let name = "use letters, digits, `-` and `_`, at most 64";
    let database_name = reader.name(item.get("database_name"), name);
    let database_id = reader.name(item.get("database_id"), DATABASE_ID);
    let filled = |key| item.get(key).filter(|value| value.text() != Some(""));
    Some(D1Database {
        binding: reader.binding(item.get("binding"))?,
        migrations_pattern: text(filled("migrations_pattern")),
        database_name,
        database_id,
        migrations_dir: path(filled("migrations_dir")).unwrap_or_else(|| "migrations".into()),
        migrations_table: text(filled("migrations_table"))
            .unwrap_or_else(|| "d1_migrations".into()),
    })
}

fn namespace(reader: &mut Reader<'_>, item: &Node) -> Option<KvNamespace> {
    let id = reader.name(item.get("id"), NAMESPACE_ID);
    Some(KvNamespace { binding: reader.binding(item.get("binding"))?, id })
}

fn bucket(reader: &mut Reader<'_>, item: &Node) -> Option<R2Bucket> {
    let bucket_name = reader.name(item.get("bucket_name"), "use a-z, 0-9 and inner `-`, 3 to 63");
    Some(R2Bucket {
        binding: reader.binding(item.get("binding"))?,
        bucket_name,
        jurisdiction: text(item.get("jurisdiction")),
    })
}

fn producer(reader: &mut Reader<'_>, item: &Node) -> Option<QueueProducer> {
    let queue = reader.name(item.get("queue"), QUEUE);
    Some(QueueProducer { binding: reader.binding(item.get("binding"))?, queue: queue? })
}

fn consumer(reader: &mut Reader<'_>, item: &Node) -> Option<QueueConsumer> {
    let mut count = |key: &str| whole(reader, item.get(key), key, 1.0);
    let (max_batch_size, max_retries) = (count("max_batch_size"), count("max_retries"));
    let (max_concurrency, retry_delay) = (count("max_concurrency"), count("retry_delay"));
    let timeout = whole(reader, item.get("max_batch_timeout"), "max_batch_timeout", 1_000.0);
    let dead_letter_queue = reader.name(item.get("dead_letter_queue"), QUEUE);
    Some(QueueConsumer {
        queue: reader.name(item.get("queue"), QUEUE)?,
        dead_letter_queue,
        max_batch_size,
        max_batch_timeout_ms: timeout.map(u64::from),
        max_retries,
        max_concurrency,
        retry_delay,
    })
}

/// A number of the file times `unit`, which must be whole.
fn whole(reader: &mut Reader<'_>, node: Option<&Node>, key: &str, unit: f64) -> Option<u32> {
    let node = node?;
    let number = node.number()? * unit;
    if number.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&number) {
        let message = format!("`{key}` is {}", node.to_json());
        reader.refuse(node.at, message, "write a whole number that is not negative");
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked")]
    Some(number as u32)
}

fn service(reader: &mut Reader<'_>, item: &Node) -> Option<ServiceBinding> {
    let service = reader.name(item.get("service"), WORKER);
    if let Some(empty) = item.get("service").filter(|service| service.text() == Some("")) {
        reader.refuse(empty.at, "the service binding names no Worker", WORKER);
    }
    Some(ServiceBinding {
        binding: reader.binding(item.get("binding"))?,
        service: service?,
        environment: text(item.get("environment")),
        entrypoint: text(item.get("entrypoint")),
        props: item.get("props").map(Node::to_json),
    })
}

fn durable_object(reader: &mut Reader<'_>, item: &Node) -> Option<DurableObject> {
    let script_name = reader.name(item.get("script_name"), WORKER);
    Some(DurableObject {
        name: reader.binding(item.get("name"))?,
        class_name: text(item.get("class_name")).unwrap_or_default(),
        script_name,
    })
}

/// Variables, secrets to come, and what the bundler puts in place of names.
pub(super) fn values(reader: &mut Reader<'_>, config: &Record, worker: &mut WorkerConfig) {
    let vars = reader.keyed(config.get("vars"));
    worker.vars = vars.into_iter().map(|(name, value)| (name, value.to_json())).collect();
    if let Some(list) = config.get("vars").filter(|vars| vars.list().is_some()) {
        reader.refuse(list.at, "`vars` is a list", "write names and values: `NAME = \"value\"`");
    }
    let metadata = config.get("version_metadata").and_then(|metadata| metadata.get("binding"));
    worker.version_metadata = reader.binding(metadata);
    let secrets = config.get("secrets").and_then(|secrets| secrets.get("required"));
    let required = items(secrets).iter();
    worker.required_secrets =
        required.filter_map(|name| reader.name(Some(name), super::BINDING)).collect();
    for (field, target) in [("define", &mut worker.define), ("alias", &mut worker.alias)] {
        let entries = config.get(field).and_then(Node::record).into_iter().flat_map(Record::iter);
        *target = entries
            .filter_map(|entry| Some((entry.key.clone(), text(Some(&entry.value))?)))
            .collect();
    }
    worker.migrations = items(config.get("migrations")).iter().map(Node::to_json).collect();
    worker.build_cwd = config.get("build").and_then(|build| path(build.get("cwd")));
    worker.build_command = config.get("build").and_then(|build| text(build.get("command")));
    worker.build_command = worker.build_command.take().filter(|command| !command.is_empty());
    worker.build_cwd = worker.build_cwd.take().filter(|cwd| *cwd != PathBuf::new());
}

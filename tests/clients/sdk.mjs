// Calls the local Cloudflare through Cloudflare's official npm SDK, one noun a run, and prints what
// came back as one JSON document: `node sdk.mjs <noun>`.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(`${process.env.SDK_MODULES}/`));
const { default: Cloudflare, toFile } = require("cloudflare");
const cf = new Cloudflare({ apiToken: process.env.CLOUDFLARE_API_TOKEN, maxRetries: 0 });
const account_id = process.env.CLOUDFLARE_ACCOUNT_ID;
const at = { account_id };

async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return { name: error.constructor.name, status: error.status, codes: error.errors?.map((e) => e.code) };
  }
  return null;
}

async function worker(name, text, bindings = []) {
  const metadata = { main_module: "index.js", compatibility_date: "2026-04-01", bindings };
  const code = `export default { fetch() { return new Response(${JSON.stringify(text)}) } };`;
  const files = [await toFile(Buffer.from(code), "index.js", { type: "application/javascript+module" })];
  return { ...at, metadata, files };
}

const nouns = {
  async identity() {
    const verified = await cf.user.tokens.verify();
    const accounts = await all(cf.accounts.list());
    const memberships = await all(cf.memberships.list());
    const stranger = new Cloudflare({ apiToken: "not-a-token", maxRetries: 0 });
    return {
      status: verified.status,
      accounts: accounts.map((account) => account.id),
      memberships: memberships.map((membership) => membership.account.id),
      stranger: await failure(stranger.user.tokens.verify()),
    };
  },

  async zones() {
    const zone = await cf.zones.create({ name: "sdk.test", account: { id: account_id } });
    const zone_id = zone.id;
    const record = { zone_id, type: "A", name: "www", content: "192.0.2.1", ttl: 1, proxied: true };
    const made = await cf.dns.records.create(record);
    const edited = await cf.dns.records.edit(made.id, { zone_id, type: "A", name: "www", ttl: 1, content: "192.0.2.2" });
    const batch = await cf.dns.records.batch({
      zone_id,
      deletes: [{ id: made.id }],
      posts: [{ type: "TXT", name: "note", ttl: 300, content: "hello" }],
    });
    const exported = await cf.dns.records.export({ zone_id });
    const listed = await all(cf.dns.records.list({ zone_id }));
    const zones = await all(cf.zones.list({ name: "sdk.test" }));
    const twice = await failure(cf.dns.records.create({ zone_id, type: "TXT", name: "note", ttl: 300, content: "hello" }));
    await cf.zones.delete({ zone_id });
    return {
      edited: edited.content,
      batch: [batch.deletes.length, batch.posts.length],
      exported: exported.includes("note.sdk.test.\t300\tIN\tTXT\t\"hello\""),
      listed: listed.map((record) => record.name),
      zones: zones.length,
      twice,
    };
  },

  async kv() {
    const namespace = await cf.kv.namespaces.create({ ...at, title: "notes" });
    const id = namespace.id;
    await cf.kv.namespaces.values.update("a/b c", { ...at, namespace_id: id, value: "one" });
    await cf.kv.namespaces.values.update("meta", { ...at, namespace_id: id, value: "two", metadata: JSON.stringify({ n: 1 }) });
    await cf.kv.namespaces.keys.bulkUpdate(id, {
      ...at,
      body: Array.from({ length: 25 }, (_, n) => ({ key: `k${String(n).padStart(2, "0")}`, value: `v${n}` })),
    });
    const value = await (await cf.kv.namespaces.values.get("a/b c", { ...at, namespace_id: id })).text();
    const metadata = await cf.kv.namespaces.metadata.get("meta", { ...at, namespace_id: id });
    const keys = await all(cf.kv.namespaces.keys.list(id, { ...at, prefix: "k", limit: 10 }));
    const bulk = await cf.kv.namespaces.keys.bulkGet(id, { ...at, keys: ["k00", "none"] });
    await cf.kv.namespaces.keys.bulkDelete(id, { ...at, body: ["k00", "k01"] });
    const left = await all(cf.kv.namespaces.keys.list(id, at));
    const none = await failure(cf.kv.namespaces.values.get("none", { ...at, namespace_id: id }));
    const twice = await failure(cf.kv.namespaces.create({ ...at, title: "notes" }));
    const renamed = await cf.kv.namespaces.update(id, { ...at, title: "renamed" });
    const listed = await all(cf.kv.namespaces.list(at));
    await cf.kv.namespaces.delete(id, at);
    return {
      value, metadata, keys: keys.length, bulk: bulk.values, left: left.length, none, twice,
      renamed: renamed?.title ?? listed[0].title, listed: listed.map((one) => one.title),
      after: (await all(cf.kv.namespaces.list(at))).length,
    };
  },

  async d1() {
    const database = await cf.d1.database.create({ ...at, name: "books" });
    const id = database.uuid;
    const run = (params) => all(cf.d1.database.query(id, { ...at, ...params }));
    await run({ sql: "CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO book (title) VALUES ('a');" });
    const inserted = await run({ sql: "INSERT INTO book (title) VALUES (?), (?)", params: ["b", "c"] });
    const rows = await run({ sql: "SELECT title FROM book ORDER BY id" });
    const raw = await all(cf.d1.database.raw(id, { ...at, sql: "SELECT id, title FROM book LIMIT 1" }));
    const broken = await failure(run({ sql: "INSERT INTO book (title) VALUES ('d'); SELECT * FROM nope" }));
    const count = await run({ sql: "SELECT count(*) AS n FROM book" });
    const bookmark = await cf.d1.database.timeTravel.getBookmark(id, at);
    await run({ sql: "DELETE FROM book" });
    const restored = await cf.d1.database.timeTravel.restore(id, { ...at, bookmark: bookmark.bookmark });
    const again = await run({ sql: "SELECT count(*) AS n FROM book" });
    const listed = await all(cf.d1.database.list({ ...at, name: "books" }));
    const got = await cf.d1.database.get(id, at);
    const twice = await failure(cf.d1.database.create({ ...at, name: "books" }));
    await cf.d1.database.delete(id, at);
    return {
      changes: inserted[0].meta.changes,
      rows: rows[0].results.map((row) => row.title),
      raw: raw[0].results,
      broken, count: count[0].results[0].n,
      bookmarks: [typeof bookmark.bookmark, typeof restored.previous_bookmark],
      again: again[0].results[0].n,
      listed: listed.map((one) => one.name), got: got.name, twice,
      gone: await failure(cf.d1.database.get(id, at)),
    };
  },

  async r2() {
    const made = await cf.r2.buckets.create({ ...at, name: "pictures" });
    const listed = await cf.r2.buckets.list(at);
    const got = await cf.r2.buckets.get("pictures", at);
    const twice = await failure(cf.r2.buckets.create({ ...at, name: "pictures" }));
    await cf.r2.buckets.delete("pictures", at);
    return {
      made: made.name, listed: listed.buckets.map((bucket) => bucket.name), got: got.name, twice,
      gone: await failure(cf.r2.buckets.get("pictures", at)),
    };
  },

  async workers() {
    const put = await cf.workers.scripts.update("sdk-worker", await worker("sdk-worker", "one"));
    const version = await cf.workers.scripts.versions.create("sdk-worker", await worker("sdk-worker", "two"));
    const versions = await all(cf.workers.scripts.versions.list("sdk-worker", at));
    const deployment = await cf.workers.scripts.deployments.create("sdk-worker", {
      ...at, strategy: "percentage", versions: [{ version_id: version.id, percentage: 100 }],
    });
    const deployments = await all(cf.workers.scripts.deployments.list("sdk-worker", at));
    const subdomain = await cf.workers.scripts.subdomain.create("sdk-worker", { ...at, enabled: true });
    await cf.workers.scripts.schedules.update("sdk-worker", { ...at, body: [{ cron: "*/5 * * * *" }] });
    const schedules = await cf.workers.scripts.schedules.get("sdk-worker", at);
    await cf.workers.scripts.secrets.update("sdk-worker", { ...at, name: "KEY", text: "hidden", type: "secret_text" });
    const secrets = await all(cf.workers.scripts.secrets.list("sdk-worker", at));
    await cf.workers.scripts.secrets.delete("KEY", { ...at, script_name: "sdk-worker" });
    const settings = await cf.workers.scripts.settings.edit("sdk-worker", { ...at, logpush: true });
    const content = await (await cf.workers.scripts.content.get("sdk-worker", at)).text();
    const scripts = await all(cf.workers.scripts.list(at));
    const broken = await failure(cf.workers.scripts.update("broken", {
      ...(await worker("broken", "x")),
      files: [await toFile(Buffer.from("export default {"), "index.js", { type: "application/javascript+module" })],
    }));
    await cf.workers.scripts.delete("sdk-worker", { ...at, force: true });
    return {
      id: put.id, versions: versions.length, newest: versions[0].id === version.id,
      deployed: deployment.versions[0].version_id === version.id, deployments: deployments.length,
      subdomain: subdomain.enabled, schedules: schedules.schedules.map((one) => one.cron),
      secrets, logpush: settings.logpush, content: content.includes("two"),
      scripts: scripts.map((script) => script.id), broken,
      gone: await failure(all(cf.workers.scripts.versions.list("sdk-worker", at))),
    };
  },

  async queues() {
    const queue = await cf.queues.create({ ...at, queue_name: "jobs" });
    const id = queue.queue_id;
    const consumer = await cf.queues.consumers.create(id, { ...at, type: "http_pull", settings: { batch_size: 10 } });
    await cf.queues.messages.push(id, { ...at, body: { n: 1 }, content_type: "json" });
    await cf.queues.messages.bulkPush(id, { ...at, messages: [{ body: "two", content_type: "text" }] });
    const pulled = await cf.queues.messages.pull(id, { ...at, batch_size: 10, visibility_timeout: 60000 });
    const messages = pulled.messages ?? pulled;
    const acked = await cf.queues.messages.ack(id, { ...at, acks: messages.map((m) => ({ lease_id: m.lease_id })) });
    const consumers = await all(cf.queues.consumers.list(id, at));
    const listed = await all(cf.queues.list(at));
    const twice = await failure(cf.queues.create({ ...at, queue_name: "jobs" }));
    await cf.queues.consumers.delete(consumer.consumer_id, { ...at, queue_id: id });
    await cf.queues.delete(id, at);
    return {
      pulled: messages.length, acked: acked.ackCount, consumers: consumers.map((one) => one.type),
      listed: listed.map((one) => one.queue_name), twice: twice?.status ?? null,
      gone: (await failure(cf.queues.get(id, at)))?.status ?? null,
    };
  },

  async tails() {
    await cf.workers.scripts.update("tailed", await worker("tailed", "x"));
    const tail = await cf.workers.scripts.tail.create("tailed", { ...at, body: {} });
    const got = await cf.workers.scripts.tail.get("tailed", at);
    await cf.workers.scripts.tail.delete(tail.id, { ...at, script_name: "tailed" });
    return { url: tail.url.startsWith("ws://127.0.0.1:"), expires: Date.parse(tail.expires_at) > 0, got: typeof got };
  },
};

console.log(JSON.stringify(await nouns[process.argv[2]]()));

"use strict";
// The read-only page of a local Cloudflare. Every figure on it is what the API answers; the token
// comes in the fragment of the URL, which no server sees, and stays in this tab.

const API = "/client/v4";
let token = sessionStorage.getItem("token");
let socket = null;
let shown = 0;

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  token = given;
  sessionStorage.setItem("token", given);
  // It must not stay in the address bar or in the history.
  history.replaceState(null, "", `${location.pathname}#/`);
}

// Only text nodes are made: nothing that a name or a value holds becomes markup.
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.flat().map((child) => (child instanceof Node ? child : String(child ?? ""))));
  return element;
}

async function ask(path, options = {}) {
  const headers = { authorization: `Bearer ${token}`, ...options.headers };
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok || body.success === false) {
    const said = body.errors?.map((error) => `${error.message} [${error.code}]`).join("; ");
    throw new Error(said || `${answer.status} ${answer.statusText}`);
  }
  return body;
}

const get = async (path) => (await ask(API + path)).result;

async function pages(path, pick = (result) => result) {
  const all = [];
  for (let page = 1; page < 100; page += 1) {
    const mark = path.includes("?") ? "&" : "?";
    const items = pick(await get(`${path}${mark}page=${page}&per_page=100`));
    all.push(...items);
    if (items.length < 100) break;
  }
  return all;
}

const enc = encodeURIComponent;
const link = (to, text) => el("a", { href: `#/${to}` }, text);

function table(heads, rows, id) {
  if (rows.length === 0) return el("p", { class: "quiet", id }, "None.");
  const cell = (value, at) => {
    const kind = heads[at]?.endsWith("#") ? "number" : undefined;
    return el("td", { class: kind }, value instanceof Node ? value : String(value ?? ""));
  };
  return el("table", { id },
    el("thead", {}, el("tr", {}, heads.map((head) =>
      el("th", { class: head.endsWith("#") ? "number" : undefined, scope: "col" }, head.replace(/#$/, ""))))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell)))));
}

function fact(id, value) {
  return el("span", { id }, String(value));
}

// What ends with `.localhost` leads to this machine; the cloud leaves the ending away.
function reach(address) {
  const [host, ...path] = address.split("/");
  return `http://${host}.localhost:${location.port}/${path.join("/")}`;
}

const visits = (addresses) => (addresses.length === 0 ? "no hostname leads to it" : el("span", {},
  addresses.flatMap((address, at) => [at ? " " : "", el("a", { href: reach(address), rel: "noreferrer" }, reach(address))])));

async function home() {
  const status = (await ask("/clodo/status")).result;
  const rows = (status.accounts ?? []).map((account) => [
    link(`${account.id}`, account.name), account.id,
    account.workers, account.domains.length, account.databases, account.namespaces, account.buckets,
    account.queues, account.object_namespaces,
  ]);
  return [
    el("h1", {}, "Accounts"),
    table(["account", "id", "Workers#", "domains#", "D1#", "KV#", "R2#", "queues#", "Durable Objects#"], rows, "accounts"),
    el("h2", {}, "API"),
    el("p", {}, fact("reads", status.requests.reads), " reads and ", fact("writes", status.requests.writes),
      " writes; ", link("requests", "the newest calls")),
  ];
}

async function requests() {
  const calls = (await ask("/clodo/requests?limit=100&control=false")).result;
  const rows = calls.map((call) => [
    call.time, call.method, call.route || call.path, call.status, call.duration_ms, call.user_agent, call.fault ?? "",
  ]);
  return [el("h1", {}, "API calls"),
    table(["time", "method", "route", "status#", "ms#", "client", "fault"], rows, "requests")];
}

async function account(id) {
  const [scripts, databases, namespaces, buckets, queues, objects, status] = await Promise.all([
    get(`/accounts/${id}/workers/scripts`),
    pages(`/accounts/${id}/d1/database`),
    pages(`/accounts/${id}/storage/kv/namespaces`),
    get(`/accounts/${id}/r2/buckets`),
    pages(`/accounts/${id}/queues`),
    pages(`/accounts/${id}/workers/durable_objects/namespaces`),
    ask("/clodo/status"),
  ]);
  const own = status.result.accounts?.find((one) => one.id === id)?.first_workers ?? [];
  const known = new Map(own.map((one) => [one.name, visits(one.addresses)]));
  return [
    el("h1", {}, "Account ", el("code", {}, id)),
    el("h2", {}, "Workers"),
    table(["name", "answers at", "changed"], scripts.map((one) => [
      link(`${id}/worker/${enc(one.id)}`, one.id),
      known.get(one.id) ?? link(`${id}/worker/${enc(one.id)}`, "see there"), one.modified_on,
    ]), "workers"),
    el("h2", {}, "D1"),
    table(["name", "id"], databases.map((one) => [link(`${id}/d1/${one.uuid}`, one.name), one.uuid]), "databases"),
    el("h2", {}, "KV"),
    table(["title", "id"], namespaces.map((one) => [link(`${id}/kv/${one.id}`, one.title), one.id]), "namespaces"),
    el("h2", {}, "R2"),
    table(["name", "created"], buckets.buckets.map((one) => [link(`${id}/r2/${enc(one.name)}`, one.name), one.creation_date]), "buckets"),
    el("h2", {}, "Queues"),
    table(["name", "id", "producers#", "consumers#"], queues.map((one) => [
      one.queue_name, one.queue_id, one.producers_total_count, one.consumers_total_count,
    ]), "queues"),
    el("h2", {}, "Durable Objects"),
    table(["class", "Worker", "id"], objects.map((one) => [one.class, one.script, one.id]), "classes"),
  ];
}

async function worker(id, name) {
  const at = `/accounts/${id}/workers/scripts/${enc(name)}`;
  const [versions, deployments, subdomain, schedules, about] = await Promise.all([
    pages(`${at}/versions`, (result) => result.items),
    get(`${at}/deployments`),
    get(`${at}/subdomain`),
    get(`${at}/schedules`),
    get(`/accounts/${id}/workers/workers/${enc(name)}`),
  ]);
  const addresses = [
    ...(about.subdomain.enabled ? [about.subdomain.url.replace("https://", "")] : []),
    ...about.references.domains.map((one) => one.hostname),
    ...about.references.routes.map((one) => one.pattern.replace(/^https?:\/\//, ""))
      .filter((pattern) => !pattern.split("/")[0].includes("*"))
      .map((pattern) => pattern.split("*")[0]),
  ];
  const now = deployments.deployments[0];
  const split = now?.versions ?? [];
  const share = new Map(split.map((one) => [one.version_id, one.percentage]));
  return [
    el("h1", {}, "Worker ", el("code", {}, name)),
    el("p", { id: "urls" }, "Answers at ", visits(addresses)),
    el("p", {}, "workers.dev ", fact("subdomain", subdomain.enabled ? "on" : "off"), "; previews ",
      subdomain.previews_enabled ? "on" : "off", "; crons ", fact("crons", schedules.schedules.map((one) => one.cron).join(", ") || "none"),
      "; ", link(`${id}/tail/${enc(name)}`, "live tail")),
    el("h2", {}, "Traffic"),
    el("div", { class: "bar", role: "img", "aria-label": split.map((one) => `${one.version_id} ${one.percentage} %`).join(", ") },
      split.map((one) => { const part = el("i"); part.style.flexGrow = one.percentage; return part; })),
    table(["version", "percent#"], split.map((one) => [one.version_id, one.percentage]), "traffic"),
    el("h2", {}, "Versions"),
    table(["number#", "id", "created", "tag", "message", "percent#"], versions.map((one) => [
      one.number, one.id, one.metadata.created_on, one.annotations?.["workers/tag"], one.annotations?.["workers/message"],
      share.get(one.id) ?? "",
    ]), "versions"),
    el("h2", {}, "Deployments"),
    table(["id", "created", "message", "split"], deployments.deployments.map((one) => [
      one.id, one.created_on, one.annotations?.["workers/message"],
      one.versions.map((v) => `${v.version_id.slice(0, 8)} ${v.percentage} %`).join(", "),
    ]), "deployments"),
  ];
}

async function sql(id, database, text) {
  const body = JSON.stringify({ sql: text });
  return (await ask(`${API}/accounts/${id}/d1/database/${database}/raw`, { method: "POST", body })).result[0].results;
}

const quoted = (name) => `"${name.replaceAll('"', '""')}"`;
const show = (value) => (value === null ? "NULL" : Array.isArray(value) ? `BLOB of ${value.length} bytes` : String(value));

async function database(id, uuid, name, page) {
  const about = await get(`/accounts/${id}/d1/database/${uuid}`);
  const hidden = "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'";
  const listed = await sql(id, uuid, `SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND ${hidden} ORDER BY name`);
  const tables = listed.rows.map(([table]) => table);
  const counts = [];
  for (const one of tables) {
    counts.push((await sql(id, uuid, `SELECT count(*) FROM ${quoted(one)}`)).rows[0][0]);
  }
  const parts = [
    el("h1", {}, "D1 ", el("code", {}, about.name)),
    table(["table", "rows#"], tables.map((one, at) => [link(`${id}/d1/${uuid}/${enc(one)}/0`, one), counts[at]]), "tables"),
  ];
  if (name) {
    const first = Number(page) * 50;
    const rows = await sql(id, uuid, `SELECT * FROM ${quoted(name)} LIMIT 50 OFFSET ${first}`);
    parts.push(el("h2", {}, "Table ", el("code", {}, name)),
      table(rows.columns, rows.rows.map((row) => row.map(show)), "rows"),
      el("p", {}, first > 0 ? link(`${id}/d1/${uuid}/${enc(name)}/${Number(page) - 1}`, "earlier rows ") : "",
        rows.rows.length === 50 ? link(`${id}/d1/${uuid}/${enc(name)}/${Number(page) + 1}`, "later rows") : ""));
  }
  return parts;
}

async function namespace(id, space, key) {
  const at = `/accounts/${id}/storage/kv/namespaces/${space}`;
  const keys = await get(`${at}/keys?limit=1000`);
  const parts = [
    el("h1", {}, "KV ", el("code", {}, (await get(at)).title)),
    table(["key", "expires", "metadata"], keys.map((one) => [
      link(`${id}/kv/${space}/${enc(one.name)}`, one.name), one.expiration, one.metadata ? JSON.stringify(one.metadata) : "",
    ]), "keys"),
  ];
  if (key !== undefined) {
    const answer = await fetch(`${API}${at}/values/${enc(key)}`, { headers: { authorization: `Bearer ${token}` } });
    const text = answer.ok ? await answer.text() : `${answer.status}`;
    parts.push(el("h2", {}, "Value of ", el("code", {}, key)), el("pre", { id: "value" }, text.slice(0, 100000)));
  }
  return parts;
}

async function bucket(id, name) {
  const objects = await get(`/accounts/${id}/r2/buckets/${enc(name)}/objects?per_page=1000`);
  return [el("h1", {}, "R2 ", el("code", {}, name)),
    table(["key", "bytes#", "etag", "uploaded"], objects.map((one) => [one.key, one.size, one.etag, one.last_modified]), "objects")];
}

async function tail(id, name) {
  const list = el("div", { id: "events" });
  const state = el("p", { id: "tail" }, "Connecting");
  const at = `${API}/accounts/${id}/workers/scripts/${enc(name)}/tails`;
  const session = (await ask(at, { method: "POST", body: "{}" })).result;
  socket = new WebSocket(session.url, "trace-v1");
  const mine = socket;
  mine.onopen = () => { state.textContent = "Live"; };
  mine.onclose = () => { state.textContent = "Ended"; };
  mine.onmessage = async (message) => {
    const text = typeof message.data === "string" ? message.data : await message.data.text();
    const event = JSON.parse(text);
    const request = event.event?.request;
    const line = request ? `${request.method} ${request.url}` : event.event?.cron ?? "event";
    list.prepend(el("div", { class: "event" }, el("code", {}, `${event.outcome} ${line} ${event.event?.response?.status ?? ""}`),
      event.logs.map((log) => el("pre", {}, `${log.level}: ${log.message.map(String).join(" ")}`)),
      event.exceptions.map((one) => el("pre", { class: "error" }, `${one.name}: ${one.message}`))));
    while (list.children.length > 200) list.lastChild.remove();
  };
  return [el("h1", {}, "Live tail of ", el("code", {}, name)), state, list];
}

function signIn() {
  const input = el("input", { type: "password", autocomplete: "off", "aria-label": "API token" });
  const form = el("form", {}, el("p", {}, "This page needs the cloud's API token: "), input);
  form.onsubmit = (event) => {
    event.preventDefault();
    token = input.value.trim();
    sessionStorage.setItem("token", token);
    draw();
  };
  return [el("h1", {}, "Token"), form,
    el("p", { class: "quiet" }, "`clodo-local page` prints the address with the token in it.")];
}

const routes = { worker, d1: database, kv: namespace, r2: bucket, tail };

async function view(parts) {
  const [first, kind, ...rest] = parts;
  if (!first) return home();
  if (first === "requests") return requests();
  if (!/^[0-9a-f]{32}$/.test(first)) throw new Error("there is no such page");
  if (!kind) return account(first);
  if (!Object.hasOwn(routes, kind)) throw new Error("there is no such page");
  return routes[kind](first, ...rest);
}

async function draw() {
  takeToken();
  const main = document.getElementById("main");
  const turn = (shown += 1);
  socket?.close();
  socket = null;
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
  const trail = document.getElementById("trail");
  trail.replaceChildren(...(/^[0-9a-f]{32}$/.test(parts[0] ?? "") ? ["› ", link(parts[0], "account")] : []));
  let content;
  try {
    content = token ? await view(parts) : signIn();
  } catch (error) {
    content = [el("p", { class: "error", id: "error" }, error.message)];
    if (/\b(9109|1000|10000|9106)\b/.test(error.message)) content.push(...signIn());
  }
  // A slow answer must not overwrite the page that was asked for after it.
  if (turn === shown) {
    main.replaceChildren(...content);
    main.dataset.drawn = String(turn);
  }
}

addEventListener("hashchange", draw);
draw();

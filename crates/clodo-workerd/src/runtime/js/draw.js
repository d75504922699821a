// Stands for a Worker with several versions: each call draws one. V0, V1 … are the versions, SPLIT says
// {script, versions: [[id, percentage, binding], …]}. A version key and overrides in the request's headers count here as they do at the front.
import { WorkerEntrypoint } from "cloudflare:workers";

const KEY = "cloudflare-workers-version-key";
const OVERRIDES = "cloudflare-workers-version-overrides";

// The same as in front/draw.rs, so that a key means the same version everywhere.
function sticky(key) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(key)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) / 4294967296) * 100;
}

function pick(versions, point) {
  let sum = 0;
  for (let at = 0; at < versions.length; at++) {
    sum += versions[at][1];
    if (point < sum) return at;
  }
  return versions.length - 1;
}

function drawn(env, headers) {
  const { script, versions } = env.SPLIT;
  const wanted = headers?.get(OVERRIDES);
  if (wanted) {
    for (const [, name, id] of wanted.matchAll(/(?:^|,)\s*([\w*.-]+)="([^"\\]*)"\s*(?=,|$)/g)) {
      const at = versions.findIndex(([known]) => known === id);
      if (name === script && at >= 0) return env[versions[at][2]];
    }
  }
  const key = headers?.get(KEY);
  return env[versions[pick(versions, key ? sticky(key) : Math.random() * 100)][2]];
}

class Drawn extends WorkerEntrypoint {
  fetch(request) {
    return drawn(this.env, request.headers).fetch(request);
  }
}

const IGNORED = new Set(["then", "constructor", "tail", "trace", "scheduled", "queue", "alarm", "email", "connect", "test",
  "tailStream", "webSocketMessage", "webSocketClose", "webSocketError", "dup"]);

// A method that is not known here is one of the Worker's.
Object.setPrototypeOf(Drawn.prototype, new Proxy(WorkerEntrypoint.prototype, {
  get(target, key, receiver) {
    if (Reflect.has(target, key) || typeof key === "symbol" || IGNORED.has(key)) {
      return Reflect.get(target, key, receiver);
    }
    return function (...args) {
      return drawn(this.env)[key](...args);
    };
  },
}));

export default Drawn;

// Kinds of bindings that this workerd lacks. The inner binding KIND says which.
import workers from "cloudflare-internal:workers";

const KINDS = { failing, analytics, ratelimit, workflow };
const MEMBERS = 20;
const BLOB_BYTES = 16 * 1024;
const INDEX_BYTES = 96;

export default function bind(env) {
  return KINDS[env.KIND](env);
}

// Whatever is done with it throws an error that says why.
function failing(env) {
  return new Proxy({}, {
    get(target, key) {
      if (typeof key === "symbol" || key === "then" || key === "toJSON") {
        return undefined;
      }
      throw new Error(env.WHY);
    },
  });
}

// Analytics Engine: data points go out without anybody waiting for them.
function analytics(env) {
  const send = async (point) => {
    const answer = await env.BACK.fetch("http://analytics/", { method: "POST", body: JSON.stringify(point) });
    await answer.arrayBuffer();
    if (!answer.ok) console.error(`writeDataPoint(): a data point was lost (${answer.status})`);
  };
  return {
    writeDataPoint(event = {}) {
      if (event === null || typeof event !== "object") {
        throw new TypeError("writeDataPoint(): the event must be an object.");
      }
      const point = {
        indexes: list(event.indexes, 1, "indexes").map(text),
        blobs: list(event.blobs, MEMBERS, "blobs").map(text),
        doubles: list(event.doubles, MEMBERS, "doubles").map((value) => {
          const number = Number(value);
          return Number.isFinite(number) ? number : 0;
        }),
      };
      if (size(point.indexes) > INDEX_BYTES) {
        throw new TypeError(`writeDataPoint(): Size of indexes exceeds ${INDEX_BYTES} bytes.`);
      }
      if (size(point.blobs) > BLOB_BYTES) {
        throw new TypeError(`writeDataPoint(): Total size of blobs exceeds ${BLOB_BYTES} bytes.`);
      }
      const sent = send(point);
      // An older workerd lacks it: there a point may be lost when its request ends at once.
      workers.waitUntil?.(sent);
    },
  };
}

function list(value, most, what) {
  if (value === undefined || value === null) return [];
  const values = Array.from(value);
  if (values.length > most) {
    throw new TypeError(`writeDataPoint(): Maximum of ${most} ${what} supported.`);
  }
  return values;
}

function text(value) {
  if (value === null || value === undefined) return "";
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return new TextDecoder().decode(value);
  return String(value);
}

function size(texts) {
  const encoder = new TextEncoder();
  return texts.reduce((sum, one) => sum + encoder.encode(one).byteLength, 0);
}

// The rate limit: counted outside, so that all versions share the count.
function ratelimit(env) {
  return {
    async limit(options) {
      const key = options?.key;
      if (typeof key !== "string") {
        throw new TypeError("limit(): `key` must be a string.");
      }
      const answer = await env.BACK.fetch("http://ratelimit/", { method: "POST", body: key });
      await answer.arrayBuffer();
      if (answer.status !== 204 && answer.status !== 429) {
        throw new Error(`limit(): the rate limit cannot be asked (${answer.status}).`);
      }
      return { success: answer.status === 204 };
    },
  };
}

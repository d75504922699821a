// Values of Workflows as they are kept: JSON, in which what JSON lacks is an object with one key that begins with `$`. clodo-storage reads the same.
const VIEWS = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array,
  BigInt64Array, BigUint64Array, DataView];
const ERRORS = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

function notSerialisable(what) {
  return Object.assign(new Error(`Could not serialize ${what}.`), { name: "DataCloneError" });
}

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

function keep(value, above = []) {
  switch (typeof value) {
    case "string": case "boolean": return value;
    case "undefined": return { $undefined: true };
    case "bigint": return { $bigint: String(value) };
    case "number": return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? "-0" : String(value) };
    case "object": break;
    default: throw notSerialisable(`a ${typeof value}`);
  }
  if (value === null) return null;
  if (above.includes(value)) throw notSerialisable("an object that holds itself");
  const inner = [...above, value];
  const each = (one) => keep(one, inner);
  if (Array.isArray(value)) return Array.from(value, each);
  if (value instanceof Date) return { $date: value.getTime() };
  if (value instanceof Map) return { $map: Array.from(value, ([key, one]) => [each(key), each(one)]) };
  if (value instanceof Set) return { $set: Array.from(value, each) };
  if (value instanceof RegExp) return { $regexp: [value.source, value.flags] };
  if (value instanceof Error) return { $error: [value.name, value.message] };
  if (value instanceof ArrayBuffer) return { $bytes: ["ArrayBuffer", base64(new Uint8Array(value))] };
  const view = VIEWS.find((type) => value instanceof type);
  if (view) return { $bytes: [view.name, base64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))] };
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype && Object.prototype.toString.call(value) !== "[object Object]") {
    throw notSerialisable(`an object of type "${prototype.constructor?.name}"`);
  }
  const kept = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, each(one)]));
  const keys = Object.keys(kept);
  return keys.length === 1 && keys[0].startsWith("$") ? { $object: kept } : kept;
}

function revive(kept) {
  if (typeof kept !== "object" || kept === null) return kept;
  if (Array.isArray(kept)) return kept.map(revive);
  const entries = Object.entries(kept);
  if (entries.length === 1 && entries[0][0].startsWith("$")) {
    const [mark, value] = entries[0];
    switch (mark) {
      case "$undefined": return undefined;
      case "$bigint": return BigInt(value);
      case "$number": return Number(value);
      case "$date": return new Date(value ?? NaN);
      case "$map": return new Map(value.map(([key, one]) => [revive(key), revive(one)]));
      case "$set": return new Set(value.map(revive));
      case "$regexp": return new RegExp(...value);
      case "$error": return errorOf({ name: value[0], message: value[1] });
      case "$bytes": {
        const { buffer } = Uint8Array.from(atob(value[1]), (char) => char.charCodeAt(0));
        const view = VIEWS.find((type) => type.name === value[0]);
        return view ? new view(buffer) : buffer;
      }
      case "$object": return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revive(one)]));
    }
  }
  return Object.fromEntries(entries.map(([key, one]) => [key, revive(one)]));
}

function errorOf({ name, message }) {
  const type = Object.hasOwn(ERRORS, name) ? ERRORS[name] : Error;
  const error = new type(message);
  if (error.name !== name) error.name = name;
  return error;
}

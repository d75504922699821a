// The main module of the throw-away process that a new version is checked in.
import * as exported from "__USER_MODULE__";
import { DurableObject, WorkerEntrypoint, WorkflowEntrypoint } from "cloudflare:workers";

const EVENTS = ["fetch", "scheduled", "queue", "email", "tail", "tailStream", "trace", "alarm", "connect"];
const BASES = [Object.prototype, DurableObject.prototype, WorkerEntrypoint.prototype, WorkflowEntrypoint.prototype];

function events(value) {
  const names = new Set();
  for (let at = value; at && !BASES.includes(at); at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  return EVENTS.filter((event) => names.has(event));
}

function described(value) {
  if (typeof value === "function" && value.prototype) return events(value.prototype);
  if (value !== null && typeof value === "object") return events(value);
  return undefined;
}

export default {
  fetch() {
    const handlers = [];
    const workflows = [];
    for (const [name, value] of Object.entries(exported)) {
      const own = described(value);
      if (own) handlers.push([name, own]);
      if (typeof value === "function" && value.prototype instanceof WorkflowEntrypoint) workflows.push(name);
    }
    return Response.json({ handlers, workflows });
  },
};

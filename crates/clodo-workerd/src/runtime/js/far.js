// Stands for a Worker in another process. fetch() passes; there is no way for RPC.
import { WorkerEntrypoint } from "cloudflare:workers";

export default class Far extends WorkerEntrypoint {
  fetch(request) {
    return this.env.TO.fetch(request);
  }
}

const IGNORED = new Set(["then", "constructor", "tail", "trace", "scheduled", "queue", "alarm", "email", "connect", "test",
  "tailStream", "webSocketMessage", "webSocketClose", "webSocketError", "dup"]);

// A method that is not known here is one of the other Worker's.
Object.setPrototypeOf(Far.prototype, new Proxy(WorkerEntrypoint.prototype, {
  get(target, key, receiver) {
    if (Reflect.has(target, key) || typeof key === "symbol" || IGNORED.has(key)) {
      return Reflect.get(target, key, receiver);
    }
    return function () {
      throw new Error(`\`${String(key)}\` cannot be called: the Worker \`${this.env.SCRIPT}\`, or the one that calls it, runs ` +
        "in a process of its own, since it hung, crashed or took too much memory. Until its version changes only fetch() passes.");
    };
  },
}));

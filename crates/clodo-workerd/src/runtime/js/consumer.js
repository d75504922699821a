// The main module of a Worker that receives the traces of others (`tail_consumers`). Everything is
// the Worker's own; one entrypoint is added, because workerd leaves out whose traces they are.
import { WorkerEntrypoint } from "cloudflare:workers";
import * as own from __OWN__;
export * from __OWN__;
export default own.default;

export class __ClodoTail extends WorkerEntrypoint {
  async tail(events) {
    const { script, version } = this.ctx.props;
    const known = { scriptName: script, scriptVersion: version };
    const get = (event, key) => (Object.hasOwn(known, key) ? known[key] : Reflect.get(event, key, event));
    const named = events.map((event) => new Proxy(event, { get }));
    const handler = own.default;
    if (typeof handler === "function") {
      return new handler(this.ctx, this.env).tail?.(named);
    }
    return handler?.tail?.(named, this.env, this.ctx);
  }
}

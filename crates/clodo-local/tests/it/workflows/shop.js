import { WorkflowEntrypoint } from "cloudflare:workers";
import { NonRetryableError } from "cloudflare:workflows";

const log = async (env, key, entry) => {
  const seen = (await env.KV.get(key, "json")) ?? [];
  await env.KV.put(key, JSON.stringify([...seen, entry]));
};

const KINDS = {
  async whole({ event, step, note }) {
    const made = await step.do("make", { retries: { limit: 3, delay: 20, backoff: "linear" } }, async (ctx) => {
      await note(`make ${ctx.attempt}`);
      if (ctx.attempt < 3) throw new TypeError(`not yet ${ctx.attempt}`);
      return { at: new Date(1000), map: new Map([["a", 1]]), bytes: new Uint8Array([1, 255]), big: 10n, none: undefined,
        ctx: { ...ctx.step, limit: ctx.config.retries.limit, timeout: ctx.config.timeout } };
    });
    const kinds = [made.at instanceof Date, made.map.get("a"), made.bytes[1], String(made.big), "none" in made];
    await step.sleep("nap", 30);
    let caught;
    try {
      await step.do("never", async () => {
        await note("never");
        throw new NonRetryableError("it is final");
      });
    } catch (error) {
      caught = error.message;
    }
    const both = await Promise.all([step.do("same", async () => "first"), step.do("same", async () => "second")]);
    return { kinds, caught, both, ctx: made.ctx, id: event.instanceId, name: event.workflowName, payload: event.payload };
  },
  async event({ event, step, note }) {
    await step.do("before", async () => note("before"));
    const told = await step.waitForEvent("approval", { type: "approved", timeout: "1 hour" });
    await step.do("after", async () => note("after"));
    return { version: VERSION, payload: told.payload, type: told.type, date: told.timestamp instanceof Date };
  },
  async late({ step }) {
    return step.waitForEvent("approval", { type: "approved", timeout: 50 });
  },
  async gate({ step, env, note }) {
    await note("outside");
    await step.do("one", async () => note("one"));
    await step.do("two", { retries: { limit: 5, delay: 0 } }, async () => {
      await note("two");
      while ((await env.KV.get("gate")) !== "open") await scheduler.wait(20);
      return "through";
    });
    await step.do("three", async () => note("three"));
    return VERSION;
  },
  async fails({ step }) {
    await step.do("hopeless", { retries: { limit: 1, delay: 10, backoff: "constant" } }, async () => {
      throw new RangeError("no way");
    });
  },
  async slow({ step }) {
    await step.do("slow", { retries: { limit: 0, delay: 0 }, timeout: 50 }, async () => scheduler.wait(60_000));
  },
  async returns({ event, step }) {
    switch (event.payload.what) {
      case "function": return step.do("bad", async () => () => 1);
      case "large": return step.do("bad", { retries: { limit: 0, delay: 0 } }, async () => "x".repeat(1024 * 1024));
      case "config": return step.do("bad", { retry: 1 }, async () => 1);
      case "name": return step.do("x".repeat(300), async () => 1);
      case "past": return step.sleepUntil("bad", new Date(0));
    }
  },
  async stream({ step, note }) {
    const text = "0123456789".repeat(60_000);
    const stream = await step.do("file", async () => {
      await note("file");
      return new Response(text).body;
    });
    const first = await new Response(stream).text();
    await step.waitForEvent("go on", { type: "go" });
    return first === text;
  },
  async undo({ event, step, note }) {
    for (const name of ["one", "two"]) {
      await step.do(name, async () => `made ${name}`, {
        rollback: async ({ output, error, ctx, stepName }) => note([stepName, output, error.message, ctx.step.name]),
      });
    }
    if (event.payload.wait) await step.waitForEvent("stop", { type: "stop" });
    throw new Error("broken");
  },
  async dynamic({ step, note }) {
    const delay = ({ ctx, error }) => `${ctx.attempt * 10} millisecond`;
    return step.do("moody", { retries: { limit: 4, delay } }, async (ctx) => {
      await note(ctx.attempt);
      if (ctx.attempt < 3) throw new Error("again");
      return ctx.config.retries;
    });
  },
  async loops({ step }) {
    await step.do("before", async () => 1);
    for (;;);
  },
  async rest({ step, note }) {
    await note("outside");
    await step.sleep("night", "1 hour");
    await note("outside again");
    return step.do("morning", async () => "good");
  },
};

export class Flow extends WorkflowEntrypoint {
  async run(event, step) {
    const note = (entry) => log(this.env, event.instanceId, entry);
    return KINDS[event.payload.kind]({ event, step, note, env: this.env });
  }
}

export class NoFlow {}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/notes") return Response.json((await env.KV.get(url.searchParams.get("of"), "json")) ?? []);
    if (url.pathname === "/open") return Response.json(await env.KV.put("gate", "open") ?? null);
    const calls = await request.json();
    const said = [];
    for (const [call, ...args] of calls) {
      try {
        let result;
        if (["create", "createBatch", "deleteBatch"].includes(call)) {
          result = await env.FLOW[call](...args);
        } else {
          const instance = await env.FLOW.get(args[0]);
          result = await instance[call](...args.slice(1));
        }
        said.push(result === undefined ? "done" : result);
      } catch (error) {
        said.push(error.message);
      }
    }
    return Response.json(said);
  },
};

// Runs instances of Workflows: one binding for each class of each version, named `<version>/<class>`. The process behind BACK keeps what
// steps did, and says of each step whether it is to run; this Worker only does so. When all steps wait for long, a run is given up, and
// begins again later: what is done is not done again.
import { RpcTarget } from "cloudflare:workers";

const OWN = /^(\w*Error): (.*)$/s;

// An error's class survives RPC only in its text.
function failure(error) {
  const name = error?.name ?? "Error";
  const message = error?.message ?? String(error);
  const [, own, text] = (name === "Error" && OWN.exec(message)) || [];
  return own ? { name: own, message: text } : { name, message };
}

const isFinal = ({ name, message }) => name === "NonRetryableError" || name === "DataCloneError" || message.startsWith("NonRetryableError");

// What a step of code that only looks back throws when it comes to something that was not done.
class EndOfHistory extends Error {
  name = "WorkflowReplayEndError";
}

// The steps as run() sees them.
class Step extends RpcTarget {
  #run;
  constructor(run) {
    super();
    this.#run = run;
  }
  do(...args) {
    return this.#run.do(...args);
  }
  sleep(name, duration) {
    return this.#run.sleep(name, { duration });
  }
  sleepUntil(name, timestamp) {
    return this.#run.sleep(name, { until: timestamp instanceof Date ? timestamp.getTime() : Number(timestamp) });
  }
  waitForEvent(name, options) {
    return this.#run.waitForEvent(name, options);
  }
}

class Run {
  #back;
  #task;
  #target;
  #end;
  #ended = new Promise((end) => (this.#end = end));
  #counts = new Map();
  #undos = new Map();
  // Steps that ask, or whose code runs.
  #busy = 0;
  // What wakes each step that waits.
  #waiting = new Set();
  #watching = false;
  // Looks back only: nothing is begun.
  #past = false;

  constructor(back, task, target) {
    this.#back = back;
    this.#task = task;
    this.#target = target;
  }

  whole() {
    this.#work().then(this.#end, (error) => this.#end({ end: "errored", error: failure(error) }));
    return this.#ended;
  }

  async #work() {
    const { undoing } = this.#task;
    if (undoing) {
      this.#past = true;
      await this.#call().catch(() => {});
      return this.#undo(undoing);
    }
    let output;
    try {
      output = await this.#call();
    } catch (error) {
      return this.#undo(failure(error));
    }
    try {
      return { end: "complete", output: keep(output) };
    } catch {
      const message = "The execution of the Workflow instance was terminated, as run() returned a value which is not serialisable";
      return { end: "errored", error: { name: "WorkflowFatalError", message } };
    }
  }

  #call() {
    const { params, created, instance, name, schedule } = this.#task;
    const event = { payload: revive(params), timestamp: new Date(created), instanceId: instance, workflowName: name };
    if (schedule) event.schedule = { cron: schedule.cron, scheduledTime: schedule.scheduledTime };
    return this.#target.run(event, new Step(this));
  }

  // Asks the process behind; a run that has lost its instance hears nothing any more.
  async #ask(call, body, headers = {}) {
    const { workflow, instance, run } = this.#task;
    const who = JSON.stringify([workflow, instance, run]);
    const answer = await this.#back.fetch(`http://run/${call}`, { method: "POST", body, headers: { "x-clodo-run": who, ...headers } });
    if (answer.status === 409) {
      this.#end({ end: "over" });
      return new Promise(() => {});
    }
    if (!answer.ok) throw new Error((await answer.json()).message);
    return answer;
  }

  async #told(call, body) {
    return (await this.#ask(call, JSON.stringify(body))).json();
  }

  #count(kind, name) {
    const key = JSON.stringify([kind, name]);
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return count;
  }

  async do(name, config, callback, rollback) {
    if (typeof config === "function") [config, callback, rollback] = [undefined, config, callback];
    name = String(name);
    if (typeof callback !== "function") throw fatal(`Step "${name}" requires a callback function`);
    const count = this.#count("do", name);
    const undo = rollback?.rollback;
    if (undo) {
      this.#undos.set(JSON.stringify([name, count]), { code: undo.dup?.() ?? undo, config: settings(rollback.rollbackConfig) });
    }
    const delay = config?.retries?.delay;
    const call = { kind: "do", name, count, config: settings(config), undo: Boolean(undo) };
    return this.#through(call, (attempt) => callback({ step: { name, count }, ...attempt }), typeof delay === "function" ? delay : undefined);
  }

  async sleep(name, how) {
    name = String(name);
    await this.#through({ kind: "sleep", name, count: this.#count("sleep", name), ...how });
  }

  async waitForEvent(name, { type, timeout = "24 hours" } = {}) {
    name = String(name);
    const count = this.#count("waitForEvent", name);
    return this.#through({ kind: "waitForEvent", name, count, event: String(type), duration: timeout });
  }

  // From reaching a step to its result, over all its attempts.
  async #through(call, code, delay) {
    let answer;
    for (;;) {
      answer ??= await this.#busily(() => this.#told("step", { ...call, past: this.#past }));
      switch (answer.state) {
        case "complete":
          return revive(answer.output);
        case "stream":
          return this.#streamed(call);
        case "errored":
          throw errorOf(answer.error);
        case "waiting":
          if (this.#past) throw new EndOfHistory();
          await new Promise((wake) => this.#wait(wake));
          answer = undefined;
          break;
        case "attempt":
          answer = await this.#busily(() => this.#attempt(call, code, delay, answer));
          break;
        default:
          throw new EndOfHistory();
      }
    }
  }

  async #busily(work) {
    this.#busy++;
    try {
      return await work();
    } finally {
      this.#busy--;
    }
  }

  async #attempt(call, code, delay, { number, timeout, config }) {
    const { kind, name, count } = call;
    const about = { attempt: number, config: { ...config, retries: { ...config.retries } } };
    if (delay) delete about.config.retries.delay;
    const end = { kind, name, count, number };
    let timer;
    const late = new Promise((_, reject) => {
      const error = Object.assign(new Error(`Execution timed out after ${timeout}ms`), { name: "WorkflowTimeoutError" });
      timer = setTimeout(() => reject(error), Math.min(timeout, 2 ** 31 - 1));
    });
    try {
      const kept = Promise.resolve(code(about)).then((value) => this.#kept(end, value));
      kept.catch(() => {});
      Object.assign(end, await Promise.race([kept, late]));
    } catch (error) {
      end.error = failure(error);
      end.last = isFinal(end.error);
      if (delay && !end.last) await this.#decide(end, delay, { ctx: { step: { name, count }, ...about }, error });
    } finally {
      clearTimeout(timer);
    }
    return this.#told("attempt", end);
  }

  async #decide(end, delay, about) {
    try {
      end.delay = await delay(about);
    } catch (error) {
      const message = `The delay function for step "${end.name}-${end.count}" threw an error: ${error?.message}`;
      Object.assign(end, { last: true, error: { name: "NonRetryableDelayError", message } });
    }
  }

  async #kept(end, value) {
    if (end.kind === "rollback") return { output: null };
    if (value instanceof ReadableStream) {
      const of = JSON.stringify([end.name, end.count, end.number]);
      const { length } = await (await this.#ask("stream", value, { "x-clodo-stream": ascii(of) })).json();
      return { stream: length };
    }
    try {
      return { output: keep(value) };
    } catch {
      const message = `The execution of the Workflow instance was terminated, as the step "${end.name}" returned a value which is not serialisable`;
      return { error: { name: "WorkflowFatalError", message }, last: true };
    } finally {
      value?.[Symbol.dispose]?.();
    }
  }

  async #streamed({ name, count }) {
    return (await this.#ask("stream", "", { "x-clodo-stream": ascii(JSON.stringify([name, count, 0])) })).body;
  }

  #wait(wake) {
    this.#waiting.add(wake);
    if (!this.#watching) {
      this.#watching = true;
      this.#watch().catch((error) => this.#end({ end: "errored", error: failure(error) }));
    }
  }

  // Wakes what waits when something may be due; gives up when nothing is for long.
  async #watch() {
    while (this.#waiting.size > 0) {
      const { rest } = await this.#told("wait", {});
      if (rest && this.#busy === 0) return this.#end({ end: "rest" });
      if (rest) continue;
      const woken = [...this.#waiting];
      this.#waiting.clear();
      for (const wake of woken) wake();
    }
    // Those that have to wait again begin another watch.
    this.#watching = false;
  }

  // Undoes what can be, the last step first; the first that fails ends it.
  async #undo(error) {
    const { steps } = await this.#told("undo", { error });
    if (steps.length === 0) return { end: "errored", error };
    this.#past = false;
    for (const { name, count, attempt, config, output, stream } of steps) {
      const undo = this.#undos.get(JSON.stringify([name, count]));
      const call = { kind: "rollback", name, count, config: undo?.config };
      try {
        await this.#through(call, async () => {
          if (!undo) throw Object.assign(new Error("Rollback function not available in registry"), { name: "NonRetryableError" });
          const result = stream ? await this.#streamed({ name, count }) : output === null ? undefined : revive(output);
          await undo.code({ ctx: { step: { name, count }, attempt, config }, error: errorOf(error), output: result, stepName: `${name}-${count}` });
        });
      } catch {
        return { end: "rolledBack", well: false };
      }
    }
    return { end: "rolledBack", well: true };
  }
}

// A header holds ASCII only.
function ascii(text) {
  return text.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// A step's settings, as they can be sent.
function settings(config) {
  if (typeof config?.retries?.delay !== "function") return config;
  return { ...config, retries: { ...config.retries, delay: "[dynamic]" } };
}

function fatal(message) {
  return Object.assign(new Error(message), { name: "WorkflowFatalError" });
}

export default {
  async fetch(request, env) {
    const task = await request.json();
    const target = env[`${request.headers.get("x-clodo-version")}/${task.class}`];
    if (target === undefined) return new Response(null, { status: 404 });
    return Response.json(await new Run(env.BACK, task, target).whole());
  },
};

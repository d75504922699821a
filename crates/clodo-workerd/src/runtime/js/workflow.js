// `env.MY_WORKFLOW`: asks the process behind this one, which keeps the instances.
function workflow(env) {
  const ask = async (call, body) => {
    const answer = await env.BACK.fetch(`http://workflow/${call}`, { method: "POST", body: JSON.stringify(body) });
    const told = await answer.json();
    if (answer.ok) return told;
    throw Object.assign(new Error(told.message), { name: "WorkflowError", code: told.code });
  };
  const wanted = ({ id, params, retention } = {}) => ({ id, params: keep(params ?? {}), retention });
  const instance = (id) => Object.assign(new Instance(), {
    id,
    pause: () => order(id, "pause"),
    resume: () => order(id, "resume"),
    terminate: (options) => order(id, "terminate", { rollback: options?.rollback === true }),
    restart: (options) => order(id, "restart", { from: options?.from }),
    async delete() {
      const { errors } = await ask("delete", { ids: [id] });
      if (errors.length > 0) throw new Error("instance.not_found");
    },
    async status() {
      const { output, error, ...status } = await ask("status", { id });
      return { ...status, error: error ?? undefined, output: output === null ? null : revive(output) };
    },
    async sendEvent({ type, payload } = {}) {
      await ask("event", { id, type: String(type), payload: keep(payload) });
    },
    subscribe() {
      throw new Error("subscribe(): the local Cloudflare does not stream the events of an instance.");
    },
  });
  const order = async (id, name, options) => {
    await ask("order", { id, order: name, ...options });
  };
  return {
    async get(id) {
      return instance((await ask("get", { id: String(id) })).id);
    },
    async create(options) {
      const [made] = await ask("create", { instances: [wanted(options)] });
      if (made.code) throw Object.assign(new Error("instance.already_exists"), { name: "WorkflowError", code: made.code });
      return instance(made.id);
    },
    async createBatch(options) {
      if (Array.isArray(options)) {
        // This form passes over ids that are taken.
        const made = await ask("create", { instances: options.map(wanted) });
        return made.filter((one) => !one.code).map((one) => instance(one.id));
      }
      const { count, instances, ...rest } = options ?? {};
      const all = count === undefined ? instances : Array.from({ length: Math.min(Number(count) || 0, 101) }, () => rest);
      const made = await ask("create", { instances: Array.from(all ?? [], wanted) });
      const indexed = made.map((one, index) => ({ index, ...one }));
      return {
        created: made.filter((one) => !one.code).map((one) => instance(one.id)),
        errors: indexed.filter((one) => one.code),
      };
    },
    async deleteBatch(ids) {
      return ask("delete", { ids: Array.from(ids, String) });
    },
  };
}

class Instance {}

// Kinds of bindings that this workerd lacks. The inner binding KIND says which.
export default function bind(env) {
  const kind = env.KIND;
  if (kind === "analytics_engine") {
    return { writeDataPoint() {} };
  }
  if (kind === "ratelimit") {
    return { limit: async () => ({ success: true }) };
  }
  return new Proxy({}, {
    get(target, key) {
      if (typeof key === "symbol" || key === "then" || key === "toJSON") {
        return undefined;
      }
      throw new Error(`the local Cloudflare does not run bindings of type \`${kind}\``);
    },
  });
}

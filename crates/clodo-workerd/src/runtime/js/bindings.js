// Kinds of bindings that this workerd lacks. The inner binding KIND says which.
const KINDS = { failing };

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

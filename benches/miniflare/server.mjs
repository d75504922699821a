// A Worker on Miniflare: `node server.mjs NODE_MODULES SCRIPT` prints the port and serves until its input ends.
// Only a script that uses a database and a namespace has them.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, script] = process.argv.slice(2);
const { Miniflare } = createRequire(join(modules, "index.js"))("miniflare");
const source = readFileSync(script, "utf8");
const miniflare = new Miniflare({
  compatibilityDate: "2026-04-01",
  modules: true,
  script: source,
  ...(source.includes("env.DB") && { d1Databases: ["DB"] }),
  ...(source.includes("env.KV") && { kvNamespaces: ["KV"] }),
});
const url = await miniflare.ready;
console.log(url.port);
process.stdin.on("end", async () => {
  // Its workerd would outlive it.
  await miniflare.dispose();
  process.exit();
});
process.stdin.resume();

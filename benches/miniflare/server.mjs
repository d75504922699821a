// Hello world on Miniflare: `node server.mjs NODE_MODULES` prints the port and serves until it is ended.
import { createRequire } from "node:module";
import { join } from "node:path";

const { Miniflare } = createRequire(join(process.argv[2], "index.js"))("miniflare");
const miniflare = new Miniflare({
  compatibilityDate: "2026-04-01",
  modules: true,
  script: 'export default { fetch() { return new Response("hello"); } };',
});
const url = await miniflare.ready;
console.log(url.port);

// One row of D1 and one value of KV, as a Worker reads them in a request.
export default {
  async fetch(request, env) {
    if (request.url.endsWith("/kv")) {
      return new Response(await env.KV.get("key"));
    }
    if (request.url.endsWith("/fill")) {
      await env.DB.exec("CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, name TEXT)");
      await env.DB.prepare("INSERT OR REPLACE INTO item VALUES (1, 'one')").run();
      await env.KV.put("key", "value");
      return new Response("filled");
    }
    const row = await env.DB.prepare("SELECT id, name FROM item WHERE id = ?").bind(1).first();
    return new Response(row.name);
  },
};

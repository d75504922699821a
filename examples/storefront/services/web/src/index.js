// Files under public/ are served before this code is asked; the rest lands here.
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/health") {
      return Response.json(await health(env));
    }
    if (url.pathname.startsWith("/api/")) {
      url.pathname = url.pathname.slice("/api".length);
      return env.ORDERS.fetch(new Request(url, request));
    }
    if (url.pathname === "/config.json") {
      return Response.json({ brand: env.BRAND, customer: env.CUSTOMER, environment: env.ENVIRONMENT });
    }
    return env.ASSETS.fetch(request);
  },
};

async function health(env) {
  const orders = await env.ORDERS.fetch("https://orders/health");
  return {
    status: orders.ok ? "ok" : "degraded",
    service: "web",
    customer: env.CUSTOMER,
    environment: env.ENVIRONMENT,
    brand: env.BRAND,
    log_level: env.LOG_LEVEL,
    orders: (await orders.json()).customer,
    version_metadata: env.VERSION,
  };
}

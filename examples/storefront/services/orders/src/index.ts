import { type Env, listOrders, placeOrder } from "./orders";
import { sign } from "./receipt";

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/" || pathname === "/health") {
      return Response.json(await health(env));
    }
    if (pathname === "/products") {
      return env.CATALOG.fetch("https://catalog/products");
    }
    if (pathname === "/orders" && request.method === "GET") {
      return Response.json({ brand: env.BRAND, orders: await listOrders(env) });
    }
    if (pathname === "/orders" && request.method === "POST") {
      return create(request, env);
    }
    return Response.json({ error: `nothing at ${pathname}` }, { status: 404 });
  },
} satisfies ExportedHandler<Env>;

async function create(request: Request, env: Env): Promise<Response> {
  const wanted = await request.json<{ product_id?: unknown; quantity?: unknown }>().catch(() => null);
  const productId = Number(wanted?.product_id);
  const quantity = Number(wanted?.quantity ?? 1);
  if (!Number.isInteger(productId) || !Number.isInteger(quantity) || quantity < 1) {
    return Response.json({ error: "product_id and quantity must be whole numbers" }, { status: 400 });
  }
  const order = await placeOrder(env, productId, quantity);
  if (!order) {
    return Response.json({ error: `no product ${productId}` }, { status: 404 });
  }
  return Response.json({ ...order, receipt: await sign(env.ORDER_SIGNING_KEY, order) }, { status: 201 });
}

async function health(env: Env) {
  const row = await env.DB.prepare("SELECT count(*) AS orders FROM orders").first<{ orders: number }>();
  const catalog = await env.CATALOG.fetch("https://catalog/health");
  return {
    status: "ok",
    service: "orders",
    customer: env.CUSTOMER,
    environment: env.ENVIRONMENT,
    brand: env.BRAND,
    log_level: env.LOG_LEVEL,
    orders: row?.orders ?? 0,
    // Says that the secret is there, never what it is.
    can_sign: Boolean(env.ORDER_SIGNING_KEY),
    catalog: (await catalog.json<{ customer: string }>()).customer,
    version_metadata: env.VERSION,
  };
}

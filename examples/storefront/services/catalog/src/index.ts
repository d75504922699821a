import { type Env, type Product, findProduct, listProducts } from "./products";

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/" || pathname === "/health") {
      return Response.json(await health(env));
    }
    if (pathname === "/products") {
      return Response.json({ brand: env.BRAND, products: await listProducts(env) });
    }
    const match = /^\/products\/(\d+)$/.exec(pathname);
    const product = match && (await findProduct(env, Number(match[1])));
    return product ? Response.json(product satisfies Product) : notFound(pathname);
  },
} satisfies ExportedHandler<Env>;

// `version_metadata` lets a deploy prove that the version it uploaded is the one that answers.
async function health(env: Env) {
  const row = await env.DB.prepare("SELECT count(*) AS products FROM products").first<{ products: number }>();
  return {
    status: "ok",
    service: "catalog",
    customer: env.CUSTOMER,
    environment: env.ENVIRONMENT,
    brand: env.BRAND,
    log_level: env.LOG_LEVEL,
    products: row?.products ?? 0,
    version_metadata: env.VERSION,
  };
}

function notFound(pathname: string): Response {
  return Response.json({ error: `nothing at ${pathname}` }, { status: 404 });
}

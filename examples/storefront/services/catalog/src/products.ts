export interface Env {
  DB: D1Database;
  CACHE: KVNamespace;
  VERSION: WorkerVersionMetadata;
  BRAND: string;
  CUSTOMER: string;
  ENVIRONMENT: string;
  LOG_LEVEL: string;
}

export interface Product {
  id: number;
  name: string;
  price_cents: number;
  from_cache?: boolean;
}

export async function listProducts(env: Env): Promise<Product[]> {
  const { results } = await env.DB.prepare("SELECT id, name, price_cents FROM products ORDER BY id").all<Product>();
  return results;
}

// Products change rarely: read through KV, which answers from near the visitor.
export async function findProduct(env: Env, id: number): Promise<Product | null> {
  const key = `product:${id}`;
  const cached = await env.CACHE.get<Product>(key, "json");
  if (cached) {
    return { ...cached, from_cache: true };
  }
  const product = await env.DB.prepare("SELECT id, name, price_cents FROM products WHERE id = ?")
    .bind(id)
    .first<Product>();
  if (product) {
    await env.CACHE.put(key, JSON.stringify(product), { expirationTtl: 300 });
  }
  return product && { ...product, from_cache: false };
}

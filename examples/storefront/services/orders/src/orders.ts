export interface Env {
  DB: D1Database;
  CATALOG: Fetcher;
  ORDER_SIGNING_KEY: string;
  VERSION: WorkerVersionMetadata;
  BRAND: string;
  CUSTOMER: string;
  ENVIRONMENT: string;
  LOG_LEVEL: string;
}

export interface Order {
  id: number;
  product_id: number;
  product_name: string;
  quantity: number;
  total_cents: number;
  placed_at: string;
}

export async function listOrders(env: Env): Promise<Order[]> {
  const { results } = await env.DB.prepare("SELECT * FROM orders ORDER BY id DESC LIMIT 50").all<Order>();
  return results;
}

// The price is the catalog's, never the visitor's.
export async function placeOrder(env: Env, productId: number, quantity: number): Promise<Order | null> {
  const answer = await env.CATALOG.fetch(`https://catalog/products/${productId}`);
  if (!answer.ok) {
    return null;
  }
  const product = await answer.json<{ name: string; price_cents: number }>();
  return env.DB.prepare(
    "INSERT INTO orders (product_id, product_name, quantity, total_cents) VALUES (?, ?, ?, ?) RETURNING *",
  )
    .bind(productId, product.name, quantity, product.price_cents * quantity)
    .first<Order>();
}

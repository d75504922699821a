import type { Order } from "./orders";

// A receipt proves that this shop took the order: HMAC-SHA-256 over what was agreed.
export async function sign(secret: string, order: Order): Promise<string> {
  const bytes = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes.encode(secret), algorithm, false, ["sign"]);
  const agreed = `${order.id}:${order.product_id}:${order.quantity}:${order.total_cents}`;
  const mac = await crypto.subtle.sign("HMAC", key, bytes.encode(agreed));
  return [...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

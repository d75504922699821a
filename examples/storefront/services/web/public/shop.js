const get = async (path) => (await fetch(path)).json();
const item = (text) => Object.assign(document.createElement("li"), { textContent: text });
const price = (cents) => (cents / 100).toFixed(2);

async function showOrders() {
  const { orders } = await get("/api/orders");
  const rows = orders.map((order) => item(`${order.quantity} x ${order.product_name}: ${price(order.total_cents)}`));
  document.querySelector("#orders").replaceChildren(...rows);
}

async function buy(productId) {
  await fetch("/api/orders", { method: "POST", body: JSON.stringify({ product_id: productId, quantity: 1 }) });
  await showOrders();
}

const { brand, environment } = await get("/config.json");
document.title = brand;
document.querySelector("#brand").textContent = brand;
document.querySelector("#where").textContent = environment;

const { products } = await get("/api/products");
for (const product of products) {
  const button = Object.assign(document.createElement("button"), { textContent: "Buy" });
  button.addEventListener("click", () => buy(product.id));
  const row = item(`${product.name}: ${price(product.price_cents)}`);
  row.append(button);
  document.querySelector("#products").append(row);
}
await showOrders();

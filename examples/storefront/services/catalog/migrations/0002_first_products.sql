INSERT INTO products (id, name, price_cents) VALUES
  (1, 'Anvil', 4900),
  (2, 'Rocket skates', 12900),
  (3, 'Tornado seeds; one bag', 1500);

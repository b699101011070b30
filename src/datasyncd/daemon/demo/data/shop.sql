-- The web shop: customers, products and orders. The shop itself keeps with each customer what was ordered last.
CREATE TABLE customers (
    id            INTEGER PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    first_name    TEXT,
    phone         TEXT,
    email_ok      INTEGER,  -- the boxes at the checkout: 1, 0, or NULL for "never asked"
    sms_ok        INTEGER,
    last_product  TEXT,
    last_category TEXT,
    last_order_at TEXT,
    orders        INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE products (sku TEXT PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL);
CREATE TABLE orders (
    number    INTEGER PRIMARY KEY,
    customer  INTEGER NOT NULL REFERENCES customers,
    sku       TEXT NOT NULL REFERENCES products,
    placed_at TEXT NOT NULL
);
CREATE TRIGGER order_placed AFTER INSERT ON orders BEGIN
    UPDATE customers
    SET last_product  = (SELECT name FROM products WHERE sku = NEW.sku),
        last_category = (SELECT category FROM products WHERE sku = NEW.sku),
        last_order_at = NEW.placed_at,
        orders        = orders + 1
    WHERE id = NEW.customer;
END;

INSERT INTO products VALUES
    ('BEAN-250', 'House blend, 250 g', 'beans'),
    ('MILL-40',  'Hand grinder 40',    'grinder');
INSERT INTO customers (id, email, first_name, phone, email_ok, sms_ok) VALUES
    (1, 'nora@example.com', 'Nora', '+1 202 555 0101', 1, 1),
    (2, 'ben@example.com',  'Ben',  '+1 202 555 0102', 1, 1),
    (3, 'ivy@example.com',  'Ivy',  '+1 202 555 0103', 1, NULL),
    (4, 'sam@example.com',  'Sam',  '+1 202 555 0104', 1, 1);

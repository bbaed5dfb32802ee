-- +goose Up

-- One row a cart: the lock under which its adds are numbered.
CREATE TABLE carts (
    cart    text PRIMARY KEY,
    version bigint NOT NULL
);

-- One row an acknowledged add: the key and what it put into the cart are the
-- same row, so one cannot be there without the other. A line is the sum of the
-- adds that were neither removed nor bought.
CREATE TABLE adds (
    cart       text        NOT NULL REFERENCES carts,
    key        text        NOT NULL,
    sku        text        NOT NULL,
    quantity   integer     NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    version    bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz,
    cleared_by text,
    PRIMARY KEY (cart, key)
);

CREATE TABLE clears (
    cart       text        NOT NULL,
    order_id   text        NOT NULL,
    version    bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cart, order_id)
);

CREATE VIEW audit_adds AS
    SELECT cart, key, sku, quantity::bigint AS quantity, created_at, removed_at, cleared_by FROM adds;

CREATE VIEW audit_lines AS
    SELECT cart, sku, sum(quantity)::bigint AS quantity, max(created_at) AS updated_at
    FROM adds WHERE removed_at IS NULL AND cleared_by IS NULL GROUP BY cart, sku;

CREATE VIEW audit_clears AS
    SELECT cart, order_id, created_at FROM clears;

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO audit', current_schema());
        GRANT SELECT ON audit_adds, audit_lines, audit_clears TO audit;
    END IF;
END $$;
-- +goose StatementEnd

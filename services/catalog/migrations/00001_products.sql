-- +goose Up
CREATE TABLE products (
    sku         text    PRIMARY KEY,
    rank        integer NOT NULL UNIQUE CHECK (rank >= 1), -- popularity
    name        text    NOT NULL,
    description text    NOT NULL,
    category    text    NOT NULL,
    price       bigint  NOT NULL CHECK (price >= 0),       -- cents
    currency    text    NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    scarce      boolean NOT NULL
);

CREATE VIEW audit_products AS SELECT sku, price FROM products;

-- +goose StatementBegin
DO $$
BEGIN
    -- A bare database, as a developer may have, knows no such role.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO audit', current_schema());
        GRANT SELECT ON audit_products TO audit;
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP VIEW audit_products;
DROP TABLE products;

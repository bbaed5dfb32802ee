-- +goose Up

CREATE TABLE orders (
    order_id    text        PRIMARY KEY,
    key         text        NOT NULL UNIQUE, -- a key buys once
    customer    text        NOT NULL,
    state       text        NOT NULL DEFAULT 'PENDING' CHECK (state IN ('PENDING', 'PAID', 'SHIPPED', 'CANCELLED')),
    reason      text        NOT NULL DEFAULT '',
    total       bigint      NOT NULL CHECK (total >= 0),
    transitions integer     NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lines (
    order_id text    NOT NULL REFERENCES orders,
    sku      text    NOT NULL,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    price    bigint  NOT NULL CHECK (price >= 0),
    PRIMARY KEY (order_id, sku)
);

CREATE TABLE transitions (
    order_id   text        NOT NULL REFERENCES orders,
    seq        integer     NOT NULL,
    from_state text        NOT NULL,
    to_state   text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, seq)
);

-- What shipping has to hear. due_at is when the next attempt may begin: a
-- publisher that takes an event sets it a lease ahead, so that no other takes
-- it meanwhile, and one that dies with it delays it by no more than that.
CREATE TABLE outbox (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event        text        NOT NULL UNIQUE,
    order_id     text        NOT NULL REFERENCES orders,
    seq          integer     NOT NULL,
    type         text        NOT NULL,
    payload      json        NOT NULL,
    trace        text        NOT NULL DEFAULT '', -- W3C traceparent of the request that wrote it
    attempts     integer     NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT now(),
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    UNIQUE (order_id, seq)
);
CREATE INDEX outbox_waiting ON outbox (due_at) WHERE published_at IS NULL;

CREATE VIEW audit_orders AS
    SELECT order_id, key, customer, state, reason, total, created_at, updated_at FROM orders;

CREATE VIEW audit_lines AS
    SELECT order_id, sku, quantity::bigint AS quantity, price FROM lines;

CREATE VIEW audit_transitions AS
    SELECT order_id, seq::bigint AS seq, from_state, to_state, at FROM transitions;

CREATE VIEW audit_outbox AS
    SELECT event, order_id, type, created_at, published_at FROM outbox;

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO audit', current_schema());
        GRANT SELECT ON audit_orders, audit_lines, audit_transitions, audit_outbox TO audit;
    END IF;
END $$;
-- +goose StatementEnd

-- +goose Up

-- One row a saga: what it is about, how far it is, and who may go on with it.
-- epoch counts the owners, and their leaving it; every write names the epoch of its writer, so that
-- an owner who was taken for dead and was not changes nothing any more.
CREATE TABLE sagas (
    saga         text        PRIMARY KEY,
    key          text        NOT NULL UNIQUE,
    order_id     text        NOT NULL UNIQUE,
    cart         text        NOT NULL,
    cart_version bigint      NOT NULL,
    customer     text        NOT NULL,
    card         text        NOT NULL,
    lines        jsonb       NOT NULL, -- the cart as it was priced
    currency     text        NOT NULL,
    total        bigint      NOT NULL,
    state        text        NOT NULL CHECK (state IN ('running', 'completed', 'compensating', 'compensated')),
    step         text        NOT NULL,
    reason       text        NOT NULL DEFAULT '',
    epoch        bigint      NOT NULL DEFAULT 1,
    owner        text        NOT NULL,
    lease_until  timestamptz NOT NULL,
    failures     integer     NOT NULL DEFAULT 0, -- of this step, in a row
    trace        text        NOT NULL DEFAULT '', -- W3C traceparent of the request that began it
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sagas_open ON sagas (lease_until) WHERE state IN ('running', 'compensating');

CREATE VIEW audit_sagas AS
    SELECT saga, key, order_id, customer, state, step, epoch, total, created_at, updated_at, reason, cart FROM sagas;

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO audit', current_schema());
        GRANT SELECT ON audit_sagas TO audit;
    END IF;
END $$;
-- +goose StatementEnd

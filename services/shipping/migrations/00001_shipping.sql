-- +goose Up

-- Every event that was taken in, once.
CREATE TABLE inbox (
    event       text        PRIMARY KEY,
    order_id    text        NOT NULL,
    type        text        NOT NULL,
    payload     json        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);

-- An order is shipped once, whatever events may come.
CREATE TABLE shipments (
    shipment   text        PRIMARY KEY,
    order_id   text        NOT NULL UNIQUE,
    state      text        NOT NULL CHECK (state IN ('requested')),
    event      text        NOT NULL REFERENCES inbox,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW audit_inbox AS
    SELECT event, order_id, type, received_at FROM inbox;

CREATE VIEW audit_shipments AS
    SELECT shipment, order_id, state, created_at FROM shipments;

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO audit', current_schema());
        GRANT SELECT ON audit_inbox, audit_shipments TO audit;
    END IF;
END $$;
-- +goose StatementEnd

-- +goose Up

-- One row for every key that was ever charged or forbidden. The row and the
-- money it moved are written by one statement, so there is no call that is
-- known but not booked, and none that is booked but not known.
CREATE TABLE calls (
    key        text PRIMARY KEY CHECK (key <> ''),
    id         text NOT NULL UNIQUE DEFAULT 'b-' || gen_random_uuid(),
    reference  text NOT NULL,
    amount     bigint NOT NULL, -- cents
    currency   text NOT NULL,
    card       text NOT NULL,   -- digest of the token
    state      text NOT NULL CHECK (state IN ('charged', 'declined', 'void', 'refunded')),
    refund_key text UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- What was forbidden before it was asked for has no amount.
    CONSTRAINT amount_is_positive CHECK (amount > 0 OR (state = 'void' AND amount = 0)),
    CONSTRAINT refund_has_key CHECK ((refund_key IS NOT NULL) = (state = 'refunded'))
);

-- The double-entry ledger: append-only, every transaction's entries sum to
-- zero, and a key is charged and refunded at most once each.
CREATE TABLE ledger (
    entry       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction text NOT NULL,
    key         text NOT NULL REFERENCES calls (key),
    reference   text NOT NULL,
    account     text NOT NULL,
    amount      bigint NOT NULL CHECK (amount <> 0), -- signed cents
    kind        text NOT NULL CHECK (kind IN ('charge', 'refund')),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT one_effect_for_each_key UNIQUE (key, kind, account)
);

-- +goose StatementBegin
CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added GROUP BY transaction HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'the entries of a transaction do not sum to zero' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % refused', lower(TG_OP) USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd

-- Both entries of a transaction arrive in one statement, so the check runs
-- once for the statement and sees all of them.
CREATE TRIGGER balances AFTER INSERT ON ledger
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_balances();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

CREATE VIEW audit_ledger AS
    SELECT entry, transaction, key, reference, account, amount, kind, created_at FROM ledger;
CREATE VIEW audit_calls AS
    SELECT key, reference, amount, state, created_at, updated_at FROM calls;

-- The auditor's role is the cluster's, and a database may stand without it.
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO audit', current_schema());
        GRANT SELECT ON audit_ledger, audit_calls TO audit;
    END IF;
END $$;
-- +goose StatementEnd

-- There is no way down: a ledger is not dropped by a migration.
-- +goose Down
SELECT 1;

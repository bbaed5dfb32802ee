-- +goose Up

-- One row for every key. It is written before the bank is asked, so whatever
-- the bank may know of a key is known here too.
CREATE TABLE charges (
    key            text PRIMARY KEY CHECK (key <> ''),
    order_id       text NOT NULL,
    amount         bigint NOT NULL, -- cents
    currency       text NOT NULL,
    card           text NOT NULL,   -- token; the resolver needs it to ask the bank again
    state          text NOT NULL DEFAULT 'pending'
                   CHECK (state IN ('pending', 'captured', 'declined', 'refunded', 'void')),
    -- Set once a refund was asked for, and never taken back: from then on the
    -- charge can end as refunded, void or declined only.
    giving_back    boolean NOT NULL DEFAULT false,
    bank_reference text NOT NULL DEFAULT '',
    -- The resolver leaves an unsettled charge alone until then: first it is
    -- its caller's, later that of the replica which claimed it.
    leased_until   timestamptz NOT NULL,
    claims         int NOT NULL DEFAULT 0, -- how often the resolver took it up
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- A key that was refunded before it was captured has no amount.
    CONSTRAINT amount_is_positive CHECK (amount > 0 OR (state = 'void' AND amount = 0)),
    CONSTRAINT given_back_on_demand CHECK (giving_back OR state NOT IN ('refunded', 'void')),
    CONSTRAINT captured_by_the_bank CHECK (bank_reference <> '' OR state NOT IN ('captured', 'refunded'))
);

-- What is not settled yet is few rows of many.
CREATE INDEX unsettled ON charges (leased_until)
    WHERE state = 'pending' OR (state = 'captured' AND giving_back);

-- The double-entry ledger: append-only, every transaction's entries sum to
-- zero, and a key is captured and refunded at most once each. A transaction
-- carries the bank's own identifier.
CREATE TABLE ledger (
    entry       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction text NOT NULL,
    key         text NOT NULL REFERENCES charges (key),
    order_id    text NOT NULL,
    account     text NOT NULL CHECK (account IN ('receivable:bank', 'sales:orders')),
    amount      bigint NOT NULL CHECK (amount <> 0), -- signed cents
    kind        text NOT NULL CHECK (kind IN ('capture', 'refund')),
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

-- All entries of a transaction arrive in one statement, so the check runs once
-- for the statement and sees all of them.
CREATE TRIGGER balances AFTER INSERT ON ledger
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_balances();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

CREATE VIEW audit_charges AS
    SELECT key, order_id, amount, state, bank_reference, created_at, updated_at FROM charges;
CREATE VIEW audit_ledger AS
    SELECT entry, transaction, order_id, account, amount, kind, created_at FROM ledger;

-- The auditor's role is the cluster's, and a database may stand without it.
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO audit', current_schema());
        GRANT SELECT ON audit_charges, audit_ledger TO audit;
    END IF;
END $$;
-- +goose StatementEnd

-- There is no way down: a ledger is not dropped by a migration.
-- +goose Down
SELECT 1;

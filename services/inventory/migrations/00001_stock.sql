-- +goose Up

-- One row for each product. A hot product's row is updated with every order,
-- so half of each page is left free: the new version then stays on its page
-- and needs no new index entry.
CREATE TABLE stock (
    sku      text PRIMARY KEY,
    initial  bigint NOT NULL CHECK (initial >= 0),
    on_hand  bigint NOT NULL,
    reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    sold     bigint NOT NULL DEFAULT 0 CHECK (sold >= 0),
    CONSTRAINT never_oversold CHECK (reserved <= on_hand),
    CONSTRAINT nothing_is_lost CHECK (initial = on_hand + sold)
) WITH (fillfactor = 50);

-- One row for each order that reserved, or that was released before it could.
-- Its lines never change and are always read together, so they are arrays.
CREATE TABLE reservations (
    order_id   text PRIMARY KEY CHECK (order_id <> ''),
    skus       text[] NOT NULL,
    quantities int[] NOT NULL,
    state      text NOT NULL CHECK (state IN ('held', 'committed', 'released', 'expired')),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT lines_are_whole CHECK (cardinality(skus) = cardinality(quantities)),
    CONSTRAINT lines_are_there CHECK (cardinality(skus) > 0 OR state = 'released'),
    CONSTRAINT quantities_are_sane CHECK (1 <= ALL (quantities) AND 99 >= ALL (quantities))
);

CREATE INDEX held ON reservations (expires_at) WHERE state = 'held';

-- The functions below are one transaction each when called by a statement of
-- their own: row locks are held while PostgreSQL works and writes its log, and
-- never while a message travels to a service and back. That matters for a hot
-- product, whose row every order locks.
--
-- All take locks in one order, first the reservation, then the stock by sku, so
-- that none waits in a circle. (A new reservation is inserted after its stock
-- is locked; until then it is nobody's, and whoever inserts the same one
-- meanwhile waits for nothing.)

-- missing returns the first product of which too little is free, and whether
-- there is such a product at all; no row if there is enough of everything.
-- +goose StatementBegin
CREATE FUNCTION missing(of_skus text[], of_quantities int[]) RETURNS TABLE (missing_sku text, known boolean)
LANGUAGE sql VOLATILE AS $$
    SELECT l.sku, s.sku IS NOT NULL
    FROM unnest(of_skus, of_quantities) AS l (sku, quantity)
    LEFT JOIN stock AS s ON s.sku = l.sku
    WHERE s.sku IS NULL OR s.on_hand - s.reserved < l.quantity
    ORDER BY s.sku IS NOT NULL, l.sku
    LIMIT 1
$$;
-- +goose StatementEnd

-- lock_stock locks rows in the order of their sku, as everybody does.
-- +goose StatementBegin
CREATE FUNCTION lock_stock(of_skus text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM stock WHERE sku = ANY (of_skus) ORDER BY sku FOR NO KEY UPDATE;
END $$;
-- +goose StatementEnd

-- reserve holds all lines or none. Its verdict is held, committed (long ago),
-- released, other (the order has other lines), unknown or sold_out (which),
-- or again: something came between, call it again.
-- +goose StatementBegin
CREATE FUNCTION reserve(of_order text, of_skus text[], of_quantities int[], ttl interval,
    OUT verdict text, OUT until timestamptz, OUT which text)
LANGUAGE plpgsql AS $$
DECLARE
    r reservations;
    known boolean;
BEGIN
    SELECT * INTO r FROM reservations WHERE order_id = of_order;
    IF r.state = 'expired' AND r.skus = of_skus AND r.quantities = of_quantities THEN
        -- Asked for again after it expired: hold it anew.
        SELECT * INTO r FROM reservations WHERE order_id = of_order FOR NO KEY UPDATE;
        IF r.state <> 'expired' THEN
            verdict := 'again';
            RETURN;
        END IF;
    ELSIF r.order_id IS NOT NULL THEN
        verdict := CASE WHEN r.state = 'released' THEN 'released'
                        WHEN r.skus <> of_skus OR r.quantities <> of_quantities THEN 'other'
                        ELSE r.state END;
        until := r.expires_at;
        RETURN;
    END IF;

    -- A first look without a lock: what is sold out stays cheap to refuse,
    -- however many ask for it. What counts is the second look, under the lock.
    SELECT * INTO which, known FROM missing(of_skus, of_quantities);
    IF NOT FOUND THEN
        PERFORM lock_stock(of_skus);
        SELECT * INTO which, known FROM missing(of_skus, of_quantities);
    END IF;
    IF FOUND THEN
        verdict := CASE WHEN known THEN 'sold_out' ELSE 'unknown' END;
        RETURN;
    END IF;

    verdict := 'held';
    until := clock_timestamp() + ttl;
    IF r.order_id IS NOT NULL THEN
        UPDATE reservations SET state = 'held', expires_at = until, updated_at = clock_timestamp() WHERE order_id = of_order;
    ELSE
        INSERT INTO reservations (order_id, skus, quantities, state, expires_at)
        VALUES (of_order, of_skus, of_quantities, 'held', until)
        ON CONFLICT (order_id) DO NOTHING;
        IF NOT FOUND THEN
            verdict := 'again'; -- its twin or its release came first
            RETURN;
        END IF;
    END IF;
    UPDATE stock AS s SET reserved = s.reserved + l.quantity
    FROM unnest(of_skus, of_quantities) AS l (sku, quantity) WHERE s.sku = l.sku;
END $$;
-- +goose StatementEnd

-- sell turns a reservation into a sale. Its verdict is committed, released,
-- unknown (never reserved) or sold_out (expired, and which is gone).
-- +goose StatementBegin
CREATE FUNCTION sell(of_order text, OUT verdict text, OUT until timestamptz, OUT which text)
LANGUAGE plpgsql AS $$
DECLARE
    r reservations;
BEGIN
    SELECT * INTO r FROM reservations WHERE order_id = of_order FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        verdict := 'unknown';
        RETURN;
    END IF;
    until := r.expires_at;
    IF r.state IN ('committed', 'released') THEN
        verdict := r.state;
        RETURN;
    END IF;
    PERFORM lock_stock(r.skus);
    IF r.state = 'expired' THEN
        -- Its stock was given back: take it again if it is still there.
        SELECT missing_sku INTO which FROM missing(r.skus, r.quantities);
        IF FOUND THEN
            verdict := 'sold_out';
            RETURN;
        END IF;
    END IF;
    verdict := 'committed';
    UPDATE stock AS s SET on_hand = s.on_hand - l.quantity, sold = s.sold + l.quantity,
        reserved = s.reserved - CASE WHEN r.state = 'held' THEN l.quantity ELSE 0 END
    FROM unnest(r.skus, r.quantities) AS l (sku, quantity) WHERE s.sku = l.sku;
    UPDATE reservations SET state = 'committed', updated_at = clock_timestamp() WHERE order_id = of_order;
END $$;
-- +goose StatementEnd

-- release gives the stock of an order back, also if it was sold, and remembers
-- an order that was never reserved. Its verdict is released or again.
-- +goose StatementBegin
CREATE FUNCTION release(of_order text, OUT verdict text, OUT until timestamptz, OUT which text)
LANGUAGE plpgsql AS $$
DECLARE
    r reservations;
BEGIN
    verdict := 'released';
    SELECT * INTO r FROM reservations WHERE order_id = of_order FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        until := clock_timestamp();
        INSERT INTO reservations (order_id, skus, quantities, state, expires_at)
        VALUES (of_order, '{}', '{}', 'released', until)
        ON CONFLICT (order_id) DO NOTHING;
        IF NOT FOUND THEN
            verdict := 'again'; -- its reservation came first
        END IF;
        RETURN;
    END IF;
    until := r.expires_at;
    IF r.state = 'released' THEN
        RETURN;
    END IF;
    IF r.state IN ('held', 'committed') THEN
        PERFORM lock_stock(r.skus);
        UPDATE stock AS s SET
            reserved = s.reserved - CASE WHEN r.state = 'held' THEN l.quantity ELSE 0 END,
            on_hand = s.on_hand + CASE WHEN r.state = 'committed' THEN l.quantity ELSE 0 END,
            sold = s.sold - CASE WHEN r.state = 'committed' THEN l.quantity ELSE 0 END
        FROM unnest(r.skus, r.quantities) AS l (sku, quantity) WHERE s.sku = l.sku;
    END IF;
    UPDATE reservations SET state = 'released', updated_at = clock_timestamp() WHERE order_id = of_order;
END $$;
-- +goose StatementEnd

-- expire ends up to so many reservations that are over their time, leaving out
-- those that somebody is working on, and returns how many it ended.
-- +goose StatementBegin
CREATE FUNCTION expire(up_to int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    orders text[];
BEGIN
    SELECT array_agg(order_id) INTO orders FROM (
        SELECT order_id FROM reservations WHERE state = 'held' AND expires_at <= now()
        ORDER BY expires_at LIMIT up_to FOR NO KEY UPDATE SKIP LOCKED
    ) AS due;
    IF orders IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM lock_stock((SELECT array_agg(DISTINCT sku) FROM reservations, unnest(skus) AS sku WHERE order_id = ANY (orders)));
    UPDATE stock AS s SET reserved = s.reserved - t.quantity
    FROM (SELECT l.sku, sum(l.quantity) AS quantity
          FROM reservations, unnest(skus, quantities) AS l (sku, quantity)
          WHERE order_id = ANY (orders) GROUP BY l.sku) AS t
    WHERE s.sku = t.sku;
    UPDATE reservations SET state = 'expired', updated_at = clock_timestamp() WHERE order_id = ANY (orders);
    RETURN cardinality(orders);
END $$;
-- +goose StatementEnd

CREATE VIEW audit_stock AS
    SELECT sku, initial, on_hand, reserved, sold FROM stock;
CREATE VIEW audit_reservations AS
    SELECT r.order_id, l.sku, l.quantity, r.state, r.created_at, r.expires_at, r.updated_at
    FROM reservations AS r, unnest(r.skus, r.quantities) AS l (sku, quantity);

-- The auditor's role is the cluster's, and a database may stand without it.
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO audit', current_schema());
        GRANT SELECT ON audit_stock, audit_reservations TO audit;
    END IF;
END $$;
-- +goose StatementEnd

-- There is no way down: stock is not dropped by a migration.
-- +goose Down
SELECT 1;

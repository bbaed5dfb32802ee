package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
)

// store is the catalogue in PostgreSQL.
type store struct{ db *pgxpool.Pool }

// fill inserts those products that are not there yet, all or none of them.
// Replicas that start together wait for each other on the same keys, and the
// later one finds nothing left to do.
func (s store) fill(ctx context.Context, products []*catalogpb.Product) error {
	n := len(products)
	skus, ranks, names, texts := make([]string, n), make([]int32, n), make([]string, n), make([]string, n)
	categories, prices, currencies, scarce := make([]string, n), make([]int64, n), make([]string, n), make([]bool, n)
	for i, p := range products {
		skus[i], ranks[i], names[i], texts[i] = p.Sku, p.Rank, p.Name, p.Description
		categories[i], prices[i], currencies[i], scarce[i] = p.Category, p.Price, p.Currency, p.Scarce
	}
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		// The other replica may be at it: its second is not ours to count.
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = '30s'"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO products (sku, rank, name, description, category, price, currency, scarce)
			SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bool[])
			ON CONFLICT DO NOTHING`, skus, ranks, names, texts, categories, prices, currencies, scarce)
		return err
	})
}

// all returns every product, most popular first.
func (s store) all(ctx context.Context) ([]*catalogpb.Product, error) {
	rows, err := s.db.Query(ctx, `
		SELECT sku, rank, name, description, category, price, currency, scarce
		FROM products ORDER BY rank`)
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	products, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*catalogpb.Product, error) {
		var p catalogpb.Product
		err := row.Scan(&p.Sku, &p.Rank, &p.Name, &p.Description, &p.Category, &p.Price, &p.Currency, &p.Scarce)
		return &p, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	return products, nil
}

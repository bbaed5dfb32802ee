package inventory

import (
	"context"
	"fmt"
)

// MaxProducts is what five digits of a SKU can tell apart.
const MaxProducts = 99_999

// Initial stock. Plenty outlasts any run; Scarce, held by a few of the popular
// products, is sold out within the first minute at the usual rate, so that
// customers compete for the last ones.
const (
	Plenty = 1_000_000
	Scarce = 40
)

// scarceRanks are the popularity ranks of scarce products: spread from the
// most wanted to the merely liked, so that they sell out one after another.
var scarceRanks = []int32{5, 12, 25, 40, 60}

// Seed stocks the first n products, 1 to [MaxProducts], that are not stocked
// yet: P00001, P00002 and so on, by rank of popularity. What is there already
// stays as it is.
func (s *Store) Seed(ctx context.Context, n int) error {
	if n < 1 || n > MaxProducts {
		return fmt.Errorf("stocking %d products, want 1 to %d", n, MaxProducts)
	}
	_, err := s.db.Exec(ctx, `
		INSERT INTO stock (sku, initial, on_hand)
		SELECT 'P' || lpad(rank::text, 5, '0'), amount, amount
		FROM generate_series(1, $1::int) AS rank,
		     LATERAL (SELECT CASE WHEN rank = ANY ($2::int[]) THEN $3::bigint ELSE $4::bigint END AS amount) AS a
		ON CONFLICT (sku) DO NOTHING`, n, scarceRanks, Scarce, Plenty)
	if err != nil {
		return fmt.Errorf("stocking %d products: %w", n, err)
	}
	return nil
}

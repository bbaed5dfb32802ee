package audit

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// work is something that a quiet system has none of.
type work struct {
	schema, view string
	open         string // the condition of a row that is under way
	line         string // an expression that says it in words
}

var works = []work{
	{"checkout", "audit_sagas", "state IN ('running', 'compensating')",
		"format('saga %s of order %s is %s at step %s', saga, order_id, state, step)"},
	{"inventory", "audit_reservations", "state = 'held'",
		"format('%s of %s are held for order %s until %s', quantity, sku, order_id, expires_at)"},
	{"bank", "audit_calls", "state = 'open'",
		"format('bank call %s for %s is open since %s', key, reference, created_at)"},
	{"payment", "audit_charges", "state = 'pending'",
		"format('charge %s of order %s is pending since %s', key, order_id, created_at)"},
	{"orders", "audit_outbox", "published_at IS NULL",
		"format('event %s (%s) of order %s is not published', event, type, order_id)"},
}

// few is how many lines of one kind are worth reading; the rest is counted.
const few = 20

// Pending says what is still under way in the stores: one line for each open
// saga, held reservation, open bank call, pending charge and unpublished event,
// oldest first, at most 20 of a kind and then how many more. None means that
// the system is quiet. A view that a store does not have is not asked.
func Pending(ctx context.Context, sources []Source) ([]string, error) {
	var all []string
	for _, s := range sources {
		lines, err := s.pending(ctx)
		if err != nil {
			return nil, fmt.Errorf("audit: store %s: %w", s.Store, err)
		}
		all = append(all, lines...)
	}
	return all, nil
}

func (s Source) pending(ctx context.Context) ([]string, error) {
	c, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	views, err := c.views(ctx)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, w := range works {
		if !slices.ContainsFunc(views, func(v view) bool { return v.schema == w.schema && v.view == w.view }) {
			continue
		}
		from := " FROM " + pgx.Identifier{w.schema, w.view}.Sanitize() + " WHERE " + w.open
		rows, err := c.rows(ctx, fmt.Sprintf("SELECT %s, count(*) OVER ()%s ORDER BY created_at, 1 LIMIT %d", w.line, from, few))
		if err != nil {
			return nil, fmt.Errorf("view %s.%s: %w", w.schema, w.view, err)
		}
		for _, r := range rows {
			all = append(all, r[0])
		}
		if len(rows) > 0 {
			n, err := strconv.Atoi(rows[0][1])
			if err != nil {
				return nil, fmt.Errorf("view %s.%s: %w", w.schema, w.view, err)
			}
			if n > few {
				all = append(all, fmt.Sprintf("and %d more in %s.%s", n-few, w.schema, w.view))
			}
		}
	}
	return all, nil
}

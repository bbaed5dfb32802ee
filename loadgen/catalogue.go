package loadgen

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

// page is how many products are asked for at a time: some 200 bytes each make
// an answer far below the longest that is read.
const page = 100

// mostProducts bounds a catalogue, should a shop never come to its end.
const mostProducts = 100_000

// listed is a product as a list shows it.
type listed struct {
	product
	Scarce bool `json:"scarce"`
}

// catalogue reads the SKUs of all products, in their own order: that is the
// shop's order of popularity, and does not change with the shop's mood. It also
// notes the most popular product of those that are scarce.
func (g *Generator) catalogue(ctx context.Context) ([]string, error) {
	var skus []string
	var a http1.Answer
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		request := fmt.Appendf(nil, "GET /api/products?offset=%d&limit=%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: bedlam-loadgen\r\nAccept: application/json\r\n\r\n",
			len(skus), page, host)
		if err := g.customers.client.Do(time.Now().Add(g.config.Timeout), 0, request, &a); err != nil {
			return nil, fmt.Errorf("read the catalogue from %s: %w", g.customers.client.Peer(a.Peer).Instance, err)
		}
		var list struct {
			Products []listed `json:"products"`
			Total    int      `json:"total"`
		}
		if a.Status != 200 {
			return nil, fmt.Errorf("read the catalogue from %s: status %d", g.customers.client.Peer(a.Peer).Instance, a.Status)
		}
		if err := json.Unmarshal(a.Body, &list); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		for _, p := range list.Products {
			skus = append(skus, p.SKU)
			if p.Scarce && (g.scarce == "" || p.SKU < g.scarce) {
				g.scarce = p.SKU
			}
		}
		switch {
		case len(skus) > mostProducts:
			return nil, fmt.Errorf("read the catalogue: more than %d products", mostProducts)
		case len(skus) >= list.Total:
			slices.Sort(skus)
			return slices.Compact(skus), nil
		case len(list.Products) == 0:
			return nil, fmt.Errorf("read the catalogue: it ends after %d of %d products", len(skus), list.Total)
		}
	}
}

// word reports whether s can stand in a path, a field and a JSON text as it is.
func word(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

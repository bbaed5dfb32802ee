package recommend

import (
	"cmp"
	"math"
	"slices"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
)

// most is how many suggestions are kept for a product, and the largest limit
// that a request may have.
const most = 20

// model is what has been learnt. It is never changed.
type model struct {
	related map[string][]string // by SKU, best first
	usual   []string            // for a visitor of whom nothing is known
}

// newModel learns from products in order of popularity.
func newModel(products []*catalogpb.Product) *model {
	m := &model{related: make(map[string][]string, len(products)), usual: varied(products)}
	shelves := map[string][]*catalogpb.Product{}
	for _, p := range products {
		shelves[p.GetCategory()] = append(shelves[p.GetCategory()], p)
	}
	for _, shelf := range shelves {
		for _, p := range shelf {
			m.related[p.GetSku()] = related(p, shelf)
		}
	}
	return m
}

// related returns the best of a product's own shelf: popular, and of a
// similar price.
func related(p *catalogpb.Product, shelf []*catalogpb.Product) []string {
	type scored struct {
		sku   string
		score float64
	}
	others := make([]scored, 0, len(shelf))
	for _, o := range shelf {
		if o == p {
			continue
		}
		// A price that differs by a factor e weighs as much as being e times
		// less popular.
		apart := math.Abs(math.Log(float64(o.GetPrice()+1)) - math.Log(float64(p.GetPrice()+1)))
		others = append(others, scored{o.GetSku(), math.Log(float64(o.GetRank()+1)) + apart})
	}
	slices.SortFunc(others, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.sku, b.sku))
	})
	skus := make([]string, 0, most)
	for _, o := range others[:min(most, len(others))] {
		skus = append(skus, o.sku)
	}
	return skus
}

// varied takes the most popular product of each category, then the second of
// each, and so on.
func varied(products []*catalogpb.Product) []string {
	var order []string // categories, by their most popular product
	shelves := map[string][]*catalogpb.Product{}
	for _, p := range products {
		if shelves[p.GetCategory()] == nil {
			order = append(order, p.GetCategory())
		}
		shelves[p.GetCategory()] = append(shelves[p.GetCategory()], p)
	}
	var skus []string
	for depth := 0; len(skus) < min(most, len(products)); depth++ {
		for _, category := range order {
			if shelf := shelves[category]; depth < len(shelf) && len(skus) < most {
				skus = append(skus, shelf[depth].GetSku())
			}
		}
	}
	return skus
}

// suggest returns at most limit SKUs; for a product that it does not know, and
// after a product's own, the usual ones.
func (m *model) suggest(sku string, limit int) []string {
	chosen := slices.Clone(m.related[sku])
	for _, u := range m.usual {
		if len(chosen) >= limit {
			break
		}
		if u != sku && !slices.Contains(chosen, u) {
			chosen = append(chosen, u)
		}
	}
	return chosen[:min(limit, len(chosen))]
}

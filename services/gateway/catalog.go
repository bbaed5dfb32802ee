package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/bedlamlab/bedlam/services/catalog/catalogpb"
)

// A product as the API shows it. Of a product that stands in a static list
// only the SKU is known.
type product struct {
	SKU         string `json:"sku"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Category    string `json:"category,omitempty"`
	Price       int64  `json:"price,omitempty"` // cents
	Currency    string `json:"currency,omitempty"`
	Scarce      bool   `json:"scarce"`
}

func show(p *catalogpb.Product) product {
	return product{SKU: p.GetSku(), Name: p.GetName(), Description: p.GetDescription(), Category: p.GetCategory(),
		Price: p.GetPrice(), Currency: p.GetCurrency(), Scarce: p.GetScarce()}
}

func showAll(ps []*catalogpb.Product) []product {
	all := make([]product, len(ps))
	for i, p := range ps {
		all[i] = show(p)
	}
	return all
}

// A listing is one page of products.
type listing struct {
	Products []product `json:"products"`
	Total    int       `json:"total"`

	offset, limit int
	category      string
}

// parseListing reads which page a query asks for.
func parseListing(q url.Values) (listing, error) {
	l := listing{limit: 20, category: q.Get("category")}
	for name, to := range map[string]*int{"offset": &l.offset, "limit": &l.limit} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 || name == "limit" && (n < 1 || n > 100) {
			return listing{}, invalid(name + " is no number, or out of range: offset from 0, limit 1 to 100")
		}
		*to = int(n)
	}
	return l, nil
}

// products reads one page, as the query asks for it.
func (s *shop) products(ctx context.Context, h http.Header, q url.Values) (listing, error) {
	l, err := parseListing(q)
	if err != nil {
		return l, err
	}
	answer, err := s.catalog.List(ctx, &catalogpb.ListRequest{Offset: int32(l.offset), Limit: int32(l.limit), Category: l.category})
	if err != nil {
		return l, err
	}
	markStale(h, answer.GetStale())
	l.Products, l.Total = showAll(answer.GetProducts()), int(answer.GetTotal())
	return l, nil
}

// product reads one.
func (s *shop) product(ctx context.Context, h http.Header, sku string) (product, error) {
	p, err := s.catalog.Get(ctx, &catalogpb.GetRequest{Sku: sku})
	if err != nil {
		return product{}, err
	}
	markStale(h, p.GetStale())
	return show(p), nil
}

// priced reads several, by SKU; a nil map and an error if the catalogue fails.
func (s *shop) priced(ctx context.Context, h http.Header, skus []string) (map[string]product, error) {
	if len(skus) == 0 {
		return map[string]product{}, nil
	}
	answer, err := s.catalog.GetMany(ctx, &catalogpb.GetManyRequest{Skus: skus})
	if err != nil {
		return nil, err
	}
	found := make(map[string]product, len(skus))
	for _, p := range answer.GetProducts() {
		markStale(h, p.GetStale())
		found[p.GetSku()] = show(p)
	}
	return found, nil
}

func markStale(h http.Header, stale bool) {
	if stale {
		degrade(h, "catalog", "stale")
	}
}

func (s *shop) apiProducts(w http.ResponseWriter, r *http.Request) error {
	l, err := s.products(r.Context(), w.Header(), r.URL.Query())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, l)
	return nil
}

func (s *shop) apiProduct(w http.ResponseWriter, r *http.Request) error {
	p, err := s.product(r.Context(), w.Header(), r.PathValue("sku"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, p)
	return nil
}

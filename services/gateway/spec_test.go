package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/services/gateway"
)

// documented returns every route of openapi.yaml, "GET /cart".
func documented(t *testing.T) []string {
	t.Helper()
	var spec struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(gateway.Spec, &spec); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	var all []string
	for path, methods := range spec.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(all)
	return all
}

// fixed are the routes that need no table.
var fixed = []string{"GET /healthz", "GET /readyz", "GET /openapi.yaml", "GET /static/shop.css"}

func TestEachRouteIsDocumented(t *testing.T) {
	var want []string
	for _, r := range append(gateway.Routes(), fixed...) {
		want = append(want, strings.TrimSuffix(r, "{$}"))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, documented(t)); diff != "" {
		t.Errorf("routes and openapi.yaml differ (-routes +documented):\n%s", diff)
	}
}

func TestEachDocumentedRouteAnswers(t *testing.T) {
	s := open(t, nil, nil)
	s.ask("POST", "/api/carts/c/items", item, "Idempotency-Key", "k0")
	s.ask("POST", "/api/checkout", purchase, "Idempotency-Key", "k0")
	fill := strings.NewReplacer("{sku}", "P00001", "{cart}", "c", "{order}", "o-k0")
	bodies := map[string]string{
		"POST /api/carts/{cart}/items": item,
		"POST /api/checkout":           purchase,
		"POST /cart/items":             "sku=P00001&quantity=1&key=k1",
		"POST /checkout":               "customer=Ada&card=visa&key=k2",
	}
	for _, r := range documented(t) {
		method, path, _ := strings.Cut(r, " ")
		headers := []string{"Idempotency-Key", "k3"}
		if !strings.HasPrefix(path, "/api/") {
			headers = []string{"Content-Type", formType}
		}
		if a := s.ask(method, fill.Replace(path), bodies[r], headers...); a.code != 200 && a.code != 201 {
			t.Errorf("%s: got %d %s", r, a.code, a.body)
		}
	}
}

func TestReferencesLead(t *testing.T) {
	var spec any
	if err := yaml.Unmarshal(gateway.Spec, &spec); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if to, ok := v["$ref"].(string); ok {
				at := spec
				for _, name := range strings.Split(strings.TrimPrefix(to, "#/"), "/") {
					m, _ := at.(map[string]any)
					at = m[name]
				}
				if at == nil {
					t.Errorf("%s leads nowhere", to)
				}
			}
			for _, w := range v {
				walk(w)
			}
		case []any:
			for _, w := range v {
				walk(w)
			}
		}
	}
	walk(spec)
}

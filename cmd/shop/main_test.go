package main

import (
	"strings"
	"testing"

	shop "github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

// TestEveryServiceOfTheShopIsHere holds the map against the topology.
func TestEveryServiceOfTheShopIsHere(t *testing.T) {
	in := map[string]bool{}
	for _, v := range shop.Shop().Services {
		if v.Protocol != topology.Postgres {
			in[v.Name] = true
			if services[v.Name] == nil {
				t.Errorf("the topology has a service %s, this program has not", v.Name)
			}
		}
	}
	for name := range services {
		if !in[name] {
			t.Errorf("this program has a service %s, the topology has not", name)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		why  string
		args []string
		told string
		want string // on standard error
	}{
		{"nothing to do", nil, "", "usage: shop SERVICE"},
		{"too much to do", []string{"catalog", "cart"}, "{}", "usage: shop SERVICE"},
		{"an unknown service", []string{"casino"}, "{}", `no service "casino"`},
		{"no assignment", []string{"catalog"}, "", "SHOP_ASSIGNMENT"},
		{"an assignment with a word that nobody knows", []string{"catalog"}, `{"liste":"x"}`, "liste"},
		{"an assignment of another service", []string{"catalog"}, `{"instance":{"name":"cart-1","service":"cart"}}`, "cart-1"},
	} {
		t.Run(c.why, func(t *testing.T) {
			var stderr strings.Builder
			if got := run(c.args, c.told, &stderr); got != 2 || !strings.Contains(stderr.String(), c.want) {
				t.Errorf("got %d and %q, want 2 and %q", got, stderr.String(), c.want)
			}
		})
	}
}

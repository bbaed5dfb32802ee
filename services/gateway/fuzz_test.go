package gateway_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/services/gateway"
)

func FuzzItem(f *testing.F) {
	for _, seed := range []string{item, `{}`, `{"sku":"P","quantity":-1}`, `{"quantity":1e99}`, `null`, `[`, item + " x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var it gateway.Item
		if gateway.Read(strings.NewReader(body), &it) != nil || it.Validate() != nil {
			return
		}
		if it.SKU == "" || len(it.SKU) > 200 || it.Quantity < 1 || it.Quantity > 99 {
			t.Errorf("let through: %+v", it)
		}
	})
}

func FuzzPurchase(f *testing.F) {
	for _, seed := range []string{purchase, `{}`, `{"cart":"\u0000","customer":"x","card":"y"}`, `{"cart":1}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var p gateway.Purchase
		if gateway.Read(strings.NewReader(body), &p) != nil || p.Validate() != nil {
			return
		}
		for _, text := range []string{p.Cart, p.Card, p.Customer} {
			if text == "" || len(text) > 200 {
				t.Errorf("let through: %+v", p)
			}
		}
		if strings.ContainsAny(p.Cart+p.Card, "\x00\r\n") {
			t.Errorf("let through: %+v", p)
		}
	})
}

func FuzzListing(f *testing.F) {
	for _, seed := range []string{"", "offset=20&limit=10&category=books", "offset=99999999999", "limit=-1", "limit=%00", "offset=1;limit=2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		l, err := gateway.ParseListing(q)
		if err != nil {
			return
		}
		// The addresses of the pages around it must themselves be read.
		l.Total = 1 << 30
		for _, at := range []string{l.Next(), l.Before()} {
			u, err := url.Parse(at)
			if err != nil {
				t.Fatalf("%q is no address: %v", at, err)
			}
			if _, err := gateway.ParseListing(u.Query()); err != nil && at != "" && !strings.Contains(err.Error(), "offset") {
				t.Errorf("%q leads to %q: %v", query, at, err)
			}
		}
	})
}

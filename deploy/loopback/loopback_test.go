package loopback_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/loopback"
)

func TestAddress(t *testing.T) {
	for address, fine := range map[string]bool{
		"127.0.0.1:0": true, "127.9.9.9:80": true, "[::1]:80": true,
		"0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, ":80": false,
		"localhost:80": false, "127.0.0.1": false, "[::1%lo]:80": false, "": false,
	} {
		if err := loopback.Address(address); (err == nil) != fine {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestForeign(t *testing.T) {
	for host, fine := range map[string]bool{
		"localhost": true, "localhost:80": true, "127.0.0.1": true, "127.1.2.3:80": true, "[::1]:80": true,
		"": false, "evil.example": false, "localhost.evil.example:80": false, "10.0.0.1": false, "127.0.0.1.nip.io": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		if why := loopback.Foreign(r); (why == "") != fine {
			t.Errorf("host %q: %q", host, why)
		}
		r.Header["Origin"] = []string{""}
		if loopback.Foreign(r) == "" {
			t.Errorf("host %q and an origin pass", host)
		}
		for site, fine := range map[string]bool{"none": fine, "cross-site": false, "same-site": false, "same-origin": false} {
			r.Header = http.Header{"Sec-Fetch-Site": {site}}
			if why := loopback.Foreign(r); (why == "") != fine {
				t.Errorf("host %q from %s: %q", host, site, why)
			}
		}
	}
}

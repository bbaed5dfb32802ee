package gateway

import (
	_ "embed"
	"net/http"
)

// spec describes the API and the pages. It is written by hand.
//
//go:embed openapi.yaml
var spec []byte

func serveSpec(w http.ResponseWriter, _ *http.Request) {
	secure(w.Header(), false)
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(spec)
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	secure(w.Header(), false)
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=3600") // it changes with a release
	_, _ = w.Write(style)
}

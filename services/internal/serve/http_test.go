package serve_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/bedlamlab/bedlam/services/internal/serve"
	"github.com/bedlamlab/bedlam/services/internal/servetest"
)

func TestHTTP(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, _ *http.Request) { close(arrived); <-release; io.WriteString(w, "done") })
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("as told") })
	s := serve.Service{Name: "probe", HTTP: func(context.Context, *serve.Env) (http.Handler, error) { return mux, nil }}
	a := assignment()
	a.Listen = servetest.Address(t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve.Run(ctx, a, s) }()

	code := func(path string) int {
		answer, err := http.Get("http://" + a.Listen + path)
		if err != nil {
			return 0
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode
	}
	servetest.Await(t, "readiness", func() bool { return code("/readyz") == http.StatusOK })
	for path, want := range map[string]int{"/healthz": 200, "/panic": 500, "/nothing": 404} {
		if got := code(path); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	answered := make(chan int)
	go func() { answered <- code("/slow") }()
	<-arrived
	stop()
	servetest.Await(t, "newcomers to be turned away", func() bool { return code("/readyz") != http.StatusOK })
	close(release)
	if got := <-answered; got != http.StatusOK {
		t.Errorf("the request in flight got %d, want its answer", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAServiceServesOneThing(t *testing.T) {
	a := assignment()
	a.Listen = servetest.Address(t)
	if err := serve.Run(t.Context(), a, serve.Service{Name: "probe"}); err == nil {
		t.Error("a service that serves nothing runs")
	}
}

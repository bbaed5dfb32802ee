package bedlam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/services"
)

// UpOptions say how to start the shop for a person.
type UpOptions struct {
	Options
	Listen string // host:port of the storefront
	Ready  func(URLs)
}

// URLs say where a shop that is up can be found.
type URLs struct {
	Storefront string // base URL
	Folder     string // of logs and telemetry
}

// Up starts the shop and its customers and returns when ctx is done and
// nothing is left. A rate of 0 starts no customers.
func Up(ctx context.Context, o UpOptions) error {
	customers := o.Rate != 0
	if o.System != "" {
		return usage("%s names a system that is up already", o.System)
	}
	base, err := o.Options.withDefaults()
	if err != nil {
		return err
	}
	if err := able(ctx, base.Engine); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return usage("the storefront cannot listen on %s: %w; name another with --listen", o.Listen, err)
	}
	defer listener.Close()
	began := time.Now()
	if err := healFor(ctx, base, base.Engine); err != nil {
		return err
	}
	folder, err := runFolder(o.Out, began, "up")
	if err != nil {
		return err
	}
	s, err := open(ctx, base, runID(began), folder, services.Shop())
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, o, base, customers, s, listener, folder), s.close(context.WithoutCancel(ctx)))
}

func serve(ctx context.Context, o UpOptions, base Options, customers bool, s *session, listener net.Listener, folder string) error {
	front, err := storefront(s)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: front, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener) // ends with Close
	defer server.Close()
	var g *loadgen.Generator
	if customers {
		if g, err = s.load(context.WithoutCancel(ctx), base, time.Now(), nil); err != nil {
			return err
		}
	}
	o.Ready(URLs{Storefront: "http://" + listener.Addr().String(), Folder: folder})
	<-ctx.Done()
	if g == nil {
		return nil
	}
	g.StopArrivals()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := g.Drain(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("waiting for the last customers: %w", err)
	}
	return nil
}

// storefront is a stable address in front of the gateways: their own change
// from run to run. It goes by the loader's edges, so that what a person does
// meets the same faults as what the customers do.
func storefront(s *session) (http.Handler, error) {
	gateways, err := s.gateways()
	if err != nil {
		return nil, err
	}
	var next atomic.Uint64
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: gateways[next.Add(1)%uint64(len(gateways))].Address})
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "no gateway answered: "+err.Error(), http.StatusBadGateway)
		},
	}, nil
}

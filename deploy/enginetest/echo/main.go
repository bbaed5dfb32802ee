// Command echo is the smallest system that an engine can be tried on: one
// program that is the service, with either protocol and with or without a
// store, and what the bedlam program is to an engine.
//
//	echo relay             what `bedlam relay` is
//	echo store [--prepare] what `bedlam store` is
//	echo exhaust DIR BYTES what `bedlam exhaust` is; with a process id, too
//	echo impair            what `bedlam impair` is
//	echo look-up INSTANCE TIMES PATIENCE
//	                       what `bedlam look-up` is
//	echo disk              what `bedlam disk` is
//	echo SERVICE           an instance, told by $SHOP_ASSIGNMENT as the shop's are
//
// The setting "serve" chooses what an instance serves: http, or gRPC's health
// and nothing else. It prints the setting "say", and ends with the setting "fail".
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bedlamlab/bedlam/deploy/disk"
	"github.com/bedlamlab/bedlam/deploy/exhaust"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case slices.Equal(args, []string{"relay"}):
		return relay.Main(ctx, os.Stdin, os.Stdout)
	case slices.Equal(args, []string{"store"}):
		code, err := postgres.Main(context.WithoutCancel(ctx)) // it hears signals itself
		if err == nil {
			os.Exit(code)
		}
		return err
	case slices.Equal(args, []string{"store", "--prepare"}):
		return postgres.Prepare(ctx)
	case len(args) == 3 && args[0] == "exhaust":
		return exhaust.Main(ctx, os.Stdin, args[1], args[2])
	case len(args) == 4 && args[0] == "exhaust":
		return exhaust.Beside(ctx, os.Stdin, args[1], args[2], args[3])
	case slices.Equal(args, []string{"impair"}):
		return impair.Main(ctx, os.Stdin, os.Stdout)
	case slices.Equal(args, []string{"disk"}):
		return disk.Main(ctx, os.Stdin, os.Stdout)
	case len(args) == 4 && args[0] == "look-up":
		return names.Main(ctx, args[1], args[2], args[3], os.Stdout)
	case len(args) != 1:
		return errors.New("usage: echo relay | echo store [--prepare] | echo exhaust DIR BYTES [PID] | echo impair | echo disk | echo look-up INSTANCE TIMES PATIENCE | echo SERVICE")
	}
	var a topology.Assignment
	if err := json.Unmarshal([]byte(os.Getenv("SHOP_ASSIGNMENT")), &a); err != nil {
		return fmt.Errorf("reading the assignment: %w", err)
	}
	if text := a.Settings["say"]; text != "" {
		fmt.Println(text)
	}
	if why := a.Settings["fail"]; why != "" {
		return errors.New(why)
	}
	l, err := net.Listen("tcp", a.Listen)
	if err != nil {
		return err
	}
	if a.Settings["serve"] == "http" {
		return serveHTTP(ctx, l, a)
	}
	return serveGRPC(ctx, l)
}

func serveGRPC(ctx context.Context, l net.Listener) error {
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, health.NewServer())
	context.AfterFunc(ctx, s.GracefulStop)
	return s.Serve(l)
}

func serveHTTP(ctx context.Context, l net.Listener, a topology.Assignment) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ping(r.Context(), a.Store); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	// Who answers, and all it was told.
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(struct {
			PID         int
			Assignment  topology.Assignment
			Environment []string
		}{os.Getpid(), a, os.Environ()})
	})
	s := &http.Server{Handler: mux}
	context.AfterFunc(ctx, func() {
		// A second: what the suite asks takes milliseconds.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Shutdown(ctx)
	})
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ping asks the store, through the relay.
func ping(ctx context.Context, store string) error {
	if store == "" {
		return nil
	}
	c, err := pgx.Connect(ctx, store)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return c.Ping(ctx)
}

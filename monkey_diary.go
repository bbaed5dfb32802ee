package bedlam

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/observability"
)

// A diary puts each of a monkey's faults into the telemetry of the system that
// it breaks: a span from the injection to the proof that it is gone, and a log
// line for each step.
type diary struct {
	aside *observability.Aside
	mu    sync.Mutex
	spans map[string]trace.Span // of what is on, by fault
}

// monkeyService is the monkey's name among the services.
const monkeyService = "bedlam-monkey"

func startDiary(ctx context.Context, endpoint, system string) (*diary, error) {
	a, err := observability.StartAside(ctx, observability.Resource{Service: monkeyService, Instance: monkeyService + "-1", System: system, Version: Version}, endpoint)
	return &diary{aside: a, spans: map[string]trace.Span{}}, err
}

// write notes an event; it does not block.
func (d *diary) write(e monkey.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := e.Fault
	ctx := context.Background()
	if e.What == monkey.WasInjected || e.What == monkey.HasFailed {
		_, d.spans[f.ID] = d.aside.Tracer.Start(ctx, "fault "+f.Action, trace.WithAttributes(
			attribute.String("bedlam.fault.id", f.ID), attribute.String("bedlam.fault.action", f.Action),
			attribute.String("bedlam.fault.targets", targets(f)), attribute.String("bedlam.fault.origin", string(f.Origin))))
	}
	span := d.spans[f.ID]
	if span != nil {
		ctx = trace.ContextWithSpan(ctx, span)
		span.AddEvent(string(e.What))
	}
	level := slog.LevelInfo
	switch e.What {
	case monkey.HasFailed, monkey.WasUnproven, monkey.WasNotLifted:
		level = slog.LevelWarn
	}
	d.aside.Log.Log(ctx, level, "fault "+string(e.What), "fault", f.ID, "action", f.Action, "targets", targets(f),
		"origin", string(f.Origin), "proof", f.Proof, "reason", f.Reason)
	if span == nil || e.What != monkey.IsGone && e.What != monkey.WasNotLifted {
		return
	}
	span.SetAttributes(attribute.Bool("bedlam.fault.proven", f.Proven))
	if e.What == monkey.WasNotLifted {
		span.SetStatus(codes.Error, f.Reason)
	}
	span.End()
	delete(d.spans, f.ID)
}

func (d *diary) close(ctx context.Context) error {
	return d.aside.Shutdown(context.WithoutCancel(ctx))
}

// targets are whom a fault harms, in words.
func targets(f monkey.Fault) string {
	all := append([]string{}, f.Instances...)
	for _, l := range f.Links {
		all = append(all, l.String())
	}
	return strings.Join(all, ", ")
}

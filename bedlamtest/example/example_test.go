//go:build chaos

// Package example shows a test that breaks the shop, as a team would have it
// beside its other tests. The tag keeps it out of those that must be quick:
//
//	go test -tags chaos -count=1 -v ./bedlamtest/example
package example

import (
	"testing"

	"github.com/bedlamlab/bedlam/bedlamtest"
	"github.com/bedlamlab/bedlam/chaos"
)

// TestPaymentMayDie kills a payment replica while it takes money. It runs in
// containers where there is a Docker daemon, and as processes elsewhere.
func TestPaymentMayDie(t *testing.T) {
	out := bedlamtest.Run(t, bedlamtest.Options{}, "payment-replica-killed")
	bedlamtest.Require(t, out, chaos.Pass)

	for _, line := range out.Result.Audit {
		t.Logf("%s: %d looked at, %d wrong", line.Title, line.N, line.Violations)
	}
}

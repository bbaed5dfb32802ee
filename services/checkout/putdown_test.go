package checkout

import (
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/services/internal/servetest"
)

// TestWhatIsPutDownStaysDown: between the put-down and the end of the hold
// comes a renewal of all leases, as it does in every third part of one. It must
// not lease the saga to an owner who drives it no more.
func TestWhatIsPutDownStaysDown(t *testing.T) {
	const lease = time.Hour
	store := postgres{servetest.Pool(t, servetest.Schema(t, "checkout", files))}
	s := &saga{id: sagaOf("k"), order: orderOf("k"), request: request{key: "k", cart: "c", customer: "ada", card: "card"},
		state: running, step: stepCreate, epoch: 1}
	if begun, err := store.begin(t.Context(), s, "first", lease); err != nil || !begun {
		t.Fatal(begun, err)
	}
	if ours, err := store.renew(t.Context(), []string{s.id}, []int64{s.epoch}, lease); err != nil || len(ours) != 1 {
		t.Fatalf("before: renewed %q, %v, want the saga", ours, err)
	}
	if ours, err := store.putDown(t.Context(), s, 0); err != nil || !ours {
		t.Fatal(ours, err)
	}
	if ours, err := store.renew(t.Context(), []string{s.id}, []int64{s.epoch}, lease); err != nil || len(ours) != 0 {
		t.Errorf("renewed %q, %v, though it was put down", ours, err)
	}
	if ours, err := store.move(t.Context(), s, lease); err != nil || ours {
		t.Errorf("moved: %v, %v, though it was put down", ours, err)
	}
	taken, err := store.takeOver(t.Context(), "second", 1, lease, grace)
	if err != nil || len(taken) != 1 || taken[0].epoch <= s.epoch {
		t.Errorf("the next owner gets %+v, %v, want the saga", taken, err)
	}
}

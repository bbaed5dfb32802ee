package servetest

import (
	"testing"
	"time"
)

// awaitLimit is far more than anything takes that a test waits for; it only
// ends a test that would hang.
const awaitLimit = time.Minute

// Await asks until it is so, and says what it waited for when it never is. It
// polls, because a service tells its callers only what they ask for. For what
// happens within the test itself, wait on a channel or in a bubble of
// [testing/synctest] instead.
func Await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(awaitLimit); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

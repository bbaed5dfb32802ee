package monkey_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// A plan is costly to draw: a quarter of rapid's usual number, unless
	// another is asked for.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	// A server of the standard library's that has refused a request half read waits
	// half a second before it closes the connection, which its Close does not wait for.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

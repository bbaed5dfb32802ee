package enginetest

import (
	"os"
	"time"
)

// An engine that is known to be wrong need not be waited for that long.
func init() {
	if kind := os.Getenv("BEDLAM_ENGINETEST_MUTANT"); kind != "" && kind != "none" {
		patience = 10 * time.Second
	}
}

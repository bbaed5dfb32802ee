package report

import (
	"io"

	"github.com/bedlamlab/bedlam/chaos"
)

// HTML writes one page that needs nothing but itself.
func HTML(w io.Writer, r chaos.Result) error {
	return Markdown(w, r)
}

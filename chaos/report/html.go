package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io"

	"github.com/bedlamlab/bedlam/chaos"
)

//go:embed page/*.tmpl page/page.css page/page.js
var files embed.FS

var (
	pages  = template.Must(template.New("page.tmpl").ParseFS(files, "page/*.tmpl"))
	style  = read("page/page.css")
	script = read("page/page.js")
	// policy forbids the page everything but its own style and script, told
	// apart by their digests: text of the shop that got past the template
	// would still not run, and nothing is ever fetched.
	policy = "default-src 'none'; style-src 'sha256-" + digest(style) + "'; script-src 'sha256-" + digest(script) + "'; base-uri 'none'; form-action 'none'"
)

// HTML writes the report as one page that needs nothing but itself: no
// network, no other file, and no JavaScript, which adds only what a pointer
// can ask for. The error is the writer's.
func HTML(w io.Writer, r chaos.Result) error {
	p := newPage(r)
	p.CSP, p.CSS, p.JS = policy, template.CSS(style), template.JS(script)
	var b bytes.Buffer // all or nothing: half a page looks like a whole one
	if err := pages.Execute(&b, p); err != nil {
		return err
	}
	_, err := b.WriteTo(w)
	return err
}

func read(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(b)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/report"
)

var (
	picture  = flag.String("picture", "", "write a picture of the top of a run's page to this file (.png)")
	pictured = flag.String("of", "", "the result.json that -picture shows")
)

// TestPicture makes the picture in the README: run it with -picture and -of.
func TestPicture(t *testing.T) {
	if *picture == "" {
		t.Skip("skipped: makes a picture only when asked to by -picture and -of")
	}
	b, err := os.ReadFile(*pictured)
	if err != nil {
		t.Fatal(err)
	}
	var r chaos.Result
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(write(t, report.HTML, r)), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx := chromium(t)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 1220), chromedp.Navigate("file://"+path)); err != nil {
		t.Fatal(err)
	}
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, paletted(full)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*picture, small.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// paletted keeps the 256 most frequent colours, which are nearly all of a
// page's, and takes the nearest of them for the rest: a third of the bytes.
func paletted(m image.Image) *image.Paletted {
	n := map[color.RGBA]int{}
	b := m.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(m.At(x, y)).(color.RGBA) }
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			n[at(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(n), func(a, b color.RGBA) int { return n[b] - n[a] })
	var p color.Palette
	for _, c := range colors[:min(len(colors), 256)] {
		p = append(p, c)
	}
	index := map[color.RGBA]uint8{}
	for _, c := range colors {
		index[c] = uint8(p.Index(c))
	}
	out := image.NewPaletted(b, p)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	return out
}

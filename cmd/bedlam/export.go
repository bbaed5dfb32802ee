package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bedlamlab/bedlam"
)

func exportCommand() *cobra.Command {
	var format, out string
	c := &cobra.Command{
		Use:   "export DIR --format FORMAT",
		Short: "Write a run in another tool's format",
		Long: `Writes what a run recorded in another tool's format and prints the paths:

  csv      every request, a line each
  jsonl    the same as lines of JSON, with all that was recorded
  hdr      an HdrHistogram log of the latencies: a second and a class each
  otlp     every span as OTLP-JSON, as Jaeger and an OpenTelemetry collector read
  rcaeval  a labelled folder for each experiment, as the RCAEval data sets have,
           for analysers of root causes; a control is a case of nobody`,
		Example: `  bedlam export runs/2026-01-31T10-15-04-seed7 --format otlp
  bedlam export runs/2026-01-31T10-15-04-seed7 --format rcaeval --out cases`,
		Args: args(1, 1, "one folder"),
		RunE: func(c *cobra.Command, words []string) error {
			if format == "" {
				return badWord{fmt.Errorf("--format is missing: want one of %s", strings.Join(bedlam.ExportFormats(), ", "))}
			}
			written, err := bedlam.Export(words[0], format, out)
			for _, path := range written {
				fmt.Println(shown(path))
			}
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "", strings.Join(bedlam.ExportFormats(), ", "))
	c.Flags().StringVar(&out, "out", "export", "the folder to write into; files that are there are not written over")
	return c
}

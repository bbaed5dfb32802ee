package bedlam

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/check"
)

// earlierFile is the earlier result that a run was to be held against, in the
// run's own folder: so that it is judged the same tomorrow.
const earlierFile = "baseline.json"

// mostResult is more than the result of any run: a file above it is something
// else.
const mostResult = 256 << 20

// readResult reads the result of an earlier run.
func readResult(path string) (chaos.Result, error) {
	var r chaos.Result
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return r, err
	case !info.Mode().IsRegular() || info.Size() > mostResult:
		return r, fmt.Errorf("%s is no result: name the result.json of an earlier run", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s is no result: %w", path, err)
	}
	if r.Schema != chaos.ResultSchema {
		return r, fmt.Errorf("%s is written in format %q, which this version does not read (it reads %s)", path, r.Schema, chaos.ResultSchema)
	}
	return r, nil
}

// earlier reads the result that o.Baseline names and refuses one that a run of
// these experiments cannot be compared with.
func (o Options) earlier(es []chaos.Experiment) (*chaos.Result, error) {
	if o.Baseline == "" {
		return nil, nil
	}
	r, err := readResult(o.Baseline)
	if err != nil {
		return nil, usage("%w", err)
	}
	common := slices.ContainsFunc(r.Experiments, func(e chaos.ExperimentResult) bool {
		return slices.ContainsFunc(es, func(x chaos.Experiment) bool { return x.Name == e.Name })
	})
	switch {
	case !common:
		return nil, usage("%s has none of the experiments that are to be run", o.Baseline)
	case r.Engine != o.Engine:
		return nil, usage("%s was run on engine %s, this is %s: their figures cannot be compared", o.Baseline, r.Engine, o.Engine)
	case r.Load.Rate != o.Rate:
		return nil, usage("%s was run with %g journeys a second, this is %g: name the same --rate", o.Baseline, r.Load.Rate, o.Rate)
	}
	return &r, nil
}

// against holds a result against the earlier one in its folder, if there is one.
func against(folder string, res *chaos.Result) error {
	path := filepath.Join(folder, earlierFile)
	earlier, err := readResult(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	check.Against(res, earlier)
	return nil
}

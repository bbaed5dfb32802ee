package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// A table is written as CSV in which every field is quoted. encoding/csv is
// not used because it does not give back what it was given: it turns CR LF
// inside a value into LF, and drops a row of one empty value.

// writeTable writes the columns' names and then the rows.
func writeTable(w *bufio.Writer, columns []string, rows [][]string) error {
	if err := writeRow(w, columns); err != nil {
		return err
	}
	for n, row := range rows {
		if len(row) != len(columns) {
			return fmt.Errorf("row %d has %d values for %d columns", n, len(row), len(columns))
		}
		if err := writeRow(w, row); err != nil {
			return err
		}
	}
	return w.Flush()
}

func writeRow(w *bufio.Writer, row []string) error {
	for n, field := range row {
		if n > 0 {
			w.WriteByte(',')
		}
		w.WriteByte('"')
		for i := range len(field) {
			if field[i] == '"' {
				w.WriteByte('"')
			}
			w.WriteByte(field[i])
		}
		w.WriteByte('"')
	}
	return w.WriteByte('\n') // a bufio.Writer keeps its first error
}

var errTable = errors.New("malformed table")

// readTable reads what writeTable wrote, strictly.
func readTable(r *bufio.Reader) (columns []string, rows [][]string, err error) {
	if columns, err = readRow(r, 0); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: it is empty", errTable)
		}
		return nil, nil, err
	}
	for {
		row, err := readRow(r, len(columns))
		if errors.Is(err, io.EOF) {
			return columns, rows, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if len(row) != len(columns) {
			return nil, nil, fmt.Errorf("%w: row %d has %d values for %d columns", errTable, len(rows), len(row), len(columns))
		}
		rows = append(rows, row)
	}
}

// readRow returns io.EOF only before the first byte of a row.
func readRow(r *bufio.Reader, size int) ([]string, error) {
	row := make([]string, 0, size)
	var field []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			if err == io.EOF && len(row) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if b != '"' {
			return nil, fmt.Errorf("%w: a value does not begin with a quote", errTable)
		}
		field = field[:0]
		var after byte
		for {
			if b, err = r.ReadByte(); err != nil {
				return nil, unexpected(err)
			}
			if b != '"' {
				field = append(field, b)
				continue
			}
			if after, err = r.ReadByte(); err != nil {
				return nil, unexpected(err)
			}
			if after != '"' {
				break
			}
			field = append(field, '"')
		}
		row = append(row, string(field))
		switch after {
		case '\n':
			return row, nil
		case ',':
		default:
			return nil, fmt.Errorf("%w: a value is followed by %q", errTable, after)
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

package http1

import "io"

// ReadResponse reads one response, for tests of the parser. reusable says
// whether the connection could serve another request.
func ReadResponse(in io.Reader, a *Answer, maxBody int) (reusable bool, err error) {
	b := newReader(in)
	err = a.read(b, maxBody)
	return err == nil && !a.close && b.buffered() == 0, err
}

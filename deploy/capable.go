package deploy

// A Capable engine says what its systems can do without bringing one up.
type Capable interface {
	// Powers returns a system that is not there: ask it for powers with
	// [Power], and use none.
	Powers() System
}

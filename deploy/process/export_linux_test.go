package process

// ParseStat returns the process id, the parent's and the state.
func ParseStat(b []byte) (pid, parent int, state byte, err error) {
	p, err := parseStat(b)
	return p.PID, p.parent, p.state, err
}

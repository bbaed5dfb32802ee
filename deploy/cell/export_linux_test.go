package cell

// Mounted reads a mountinfo.
var Mounted = mounted

package impair

// Register adds a kind.
var Register = register

package call

// Patience is patience, for its property test.
var Patience = patience

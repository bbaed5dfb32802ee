package names

// LookUp is what Main does for a resolv.conf of one's own.
var LookUp = lookUp

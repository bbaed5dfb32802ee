// Package message knows where requests begin and end on a connection: it stands
// between a caller and a callee, reads HTTP/1 and HTTP/2 (with gRPC on top of
// it) and lets each request meet its [Fate] on the way.
//
// Which function do you want?
//
//   - [Wire.Run] joins a caller's connection to the callee's and asks
//     [Wire.Fate] about every request.
//   - [Route] says which requests are meant, [Status] what an aborted one is
//     answered; both are what experiments write.
//
// # HTTP/2
//
// Frames go on one by one, and what two parties tell each other stays between
// them: settings, pings, windows, GOAWAY, the reason of a RST_STREAM. So each
// side still has its own flow control, keepalive, deadlines and cancellation
// with the other, not with us.
//
//	caller ── frames ─▶ decode HEADERS ─▶ fate ─▶ number, encode ── frames ─▶ callee
//	       ◀─ frames ── number, encode ◀─ fate ◀─ decode HEADERS ◀─ frames ──
//
// Two things are ours. Streams are numbered anew towards the callee: numbers may
// only grow, and a request that was held back is overtaken by later ones. And
// header blocks are written again, because HPACK has a state on each side that
// would be off by every block that is kept back or put in. That is why a
// connection cannot be taken over in its middle: who wants to harm requests must
// have read it from its first byte.
//
// What is kept back has used up a window that its receiver will never open
// again, so we open it: a DATA frame that goes no further is answered with a
// WINDOW_UPDATE. Server push and priorities, which gRPC never had and HTTP has
// given up, are not spoken.
//
// # HTTP/1
//
// One request after the other, by the standard library's server and transport,
// with one connection to the callee for each of the caller's: it ends when that
// one ends, in the same way.
//
// # Duplicates
//
// The copy of a request travels on a connection of its own: it has its own
// windows, and can neither hold up nor be held up by what it is a copy of.
package message
